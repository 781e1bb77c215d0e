"""Phone models from a flat start, triphones after them: alignment, recognition of phones and words.

python recipes/phones/run.py report --data DIR         # everything, on the test part
python recipes/phones/run.py report --synthetic FOLDER # the same on synthetic speech
python recipes/phones/run.py train --data DIR          # stages by themselves; also align, decode
python recipes/phones/run.py confidence --data DIR     # whether confidences tell wrong words
python recipes/phones/run.py choose --data DIR         # settings, on held-out training speakers
python recipes/phones/run.py scales --data DIR         # the decoder's, likewise
"""

from typing import Annotated

import typer
from choosing import choose, scales
from confidence import judge_words
from runs import BOTH, PHONES, runs
from settings import (
    OUTPUT,
    AlgorithmOption,
    DataOption,
    GaussiansOption,
    JobsOption,
    OutputOption,
    StagesOption,
    SyntheticOption,
)
from tables import (
    ERRORS,
    boundary_cells,
    confidence_rows,
    describe_alignment,
    heading,
    phone_cells,
    print_times,
    row,
    word_cells,
)

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def train(
    data: DataOption = None,
    synthetic: SyntheticOption = None,
    output: OutputOption = OUTPUT,
    algorithm: AlgorithmOption = BOTH,
    jobs: JobsOption = 1,
) -> None:
    """Train models, or find those trained before."""
    for run in runs(data, synthetic, output, algorithm, jobs):
        model = run.model()
        last = model.provenance["history"][-1]["log_likelihood"]
        print(f"{run.file('safetensors')}: {model.models.n_gaussians} Gaussians, {last:.3f}")
        print_times(run)


@app.command()
def align(
    data: DataOption = None,
    synthetic: SyntheticOption = None,
    output: OutputOption = OUTPUT,
    algorithm: AlgorithmOption = BOTH,
    jobs: JobsOption = 1,
) -> None:
    """Align the training part; write the phones as CTM."""
    for run in runs(data, synthetic, output, algorithm, jobs):
        describe_alignment(run, run.align(run.model(), run.material.train))
        print(run.file("phones.ctm"))


@app.command()
def report(
    data: DataOption = None,
    synthetic: SyntheticOption = None,
    output: OutputOption = OUTPUT,
    algorithm: AlgorithmOption = BOTH,
    jobs: JobsOption = 1,
    gaussians: GaussiansOption = None,
    stages: StagesOption = PHONES,
) -> None:
    """Train, align, recognise the test part; print all figures."""
    for run in runs(data, synthetic, output, algorithm, jobs, stages):
        if gaussians is not None:
            run.settings = run.settings.with_gaussians(gaussians)
        told = f"{run.settings.stages}, {run.settings.algorithm}, seed {run.settings.seed}"
        print(f"\n## {run.material.name}, {told}")
        model = run.model()
        aligned = run.align(model, run.material.train)
        bigram = run.phone_model(aligned)
        heading("test part", *ERRORS)
        row("phones", *phone_cells(run, model, bigram))
        row("words", *word_cells(run, model))
        describe_alignment(run, aligned)
        if run.material.boundaries is not None:
            heading("part", "boundaries", "median ms", "90th percentile ms")
            row("train", *boundary_cells(run.material, aligned, run.material.train))
            others = run.align(model, run.material.test)
            row("test", *boundary_cells(run.material, others, run.material.test))
        print_times(run)


@app.command()
def confidence(
    data: DataOption = None,
    synthetic: SyntheticOption = None,
    output: OutputOption = OUTPUT,
    algorithm: AlgorithmOption = BOTH,
    jobs: JobsOption = 1,
    count: Annotated[int, typer.Option(min=1, help="Words of the test part to exchange.")] = 100,
    seeds: Annotated[int, typer.Option(min=1, help="How often, each time other words.")] = 3,
) -> None:
    """Exchange words of the test part; print how well they are told from the right ones."""
    for run in runs(data, synthetic, output, algorithm, jobs):
        print(f"\n## {run.material.name}, {run.settings.algorithm}")
        model = run.model()
        heading("seed", "exchanged", "by", "area under the ROC", "95 % interval", "wrong above 0.9")
        for seed in range(seeds):
            judged = judge_words(
                model, run.material, run.material.test, count=count, seed=seed, jobs=jobs
            )
            for cells in confidence_rows(judged):
                row(seed, *cells)


app.command()(choose)
app.command()(scales)

if __name__ == "__main__":
    app()
