"""Isolated command words by HMMs of whole words, for speakers unknown in training.

python recipes/commands/run.py choose --data DIR         # settings, on the validation speakers
python recipes/commands/run.py report --data DIR         # the chosen ones on the test speakers
python recipes/commands/run.py report --synthetic FOLDER # the same on synthetic speech
"""

import time
from pathlib import Path
from typing import Annotated

import typer
from material import Material, make_synthetic, read_arabic
from settings import CHOSEN, FACTORS, Settings

from speakergmm.recognition import AcousticModel, WordCorpus, WordEvaluation, evaluate_words

app = typer.Typer(add_completion=False, help=__doc__)
DataOption = Annotated[Path | None, typer.Option(help="Folder with arabic_speech_commands/.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
HEADING = ("errors", "of", "error %", "95 % Wilson", "95 % over speakers", "Gaussians", "CPU s")


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def run(
    material: Material, test: WordCorpus, settings: Settings, *, seed: int = 0, jobs: int = 1
) -> tuple[WordEvaluation, list[str]]:
    """Train and test once; the second is the figures as cells of a table."""
    start = time.process_time()
    model = AcousticModel.train(material.train, options=settings.options(seed=seed), engine=jobs)
    found = evaluate_words(model, test.corpus, test.words, engine=jobs)
    seconds = time.process_time() - start
    intervals = found.wilson_interval(), found.speaker_interval()
    shown = ["-" if i is None else f"{100 * i.low:.2f} to {100 * i.high:.2f}" for i in intervals]
    cells = [f"{found.n_errors}", f"{len(found.recognised)}", f"{100 * found.error_rate:.2f}"]
    return found, [*cells, *shown, f"{model.models.n_gaussians}", f"{seconds:.0f}"]


@app.command()
def choose(
    data: Annotated[Path, typer.Option(help="Folder with arabic_speech_commands/.")],
    seed: int = 0,
    factor: list[str] | None = None,
    jobs: JobsOption = 1,
) -> None:
    """Compare settings on the validation speakers; the test speakers are not touched."""
    material = read_arabic(data)
    row("factor", "value", *HEADING)
    row(*["---"] * (2 + len(HEADING)))
    variants = {"chosen": {"": CHOSEN}, **FACTORS}
    for name, values in variants.items():
        for value, settings in values.items() if factor is None or name in factor else ():
            row(name, value, *run(material, material.validation, settings, seed=seed, jobs=jobs)[1])


@app.command()
def report(
    data: DataOption = None,
    synthetic: Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")] = None,
    seed: int = 0,
    jobs: JobsOption = 1,
) -> None:
    """Measure the chosen settings on the test speakers, and say what was taken for what."""
    if (data is None) == (synthetic is None):
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    material = read_arabic(data) if data else make_synthetic(synthetic or Path(), jobs=jobs)
    row(material.name, *HEADING)
    row(*["---"] * (1 + len(HEADING)))
    found, cells = run(material, material.test, CHOSEN, seed=seed, jobs=jobs)
    row("test", *cells)
    taken = ", ".join(f"{said} as {heard or 'nothing'} {n}" for said, heard, n in found.confusions)
    speakers = ", ".join(f"{who} {e} of {n}" for who, (e, n) in found.by_speaker().items())
    print(f"\nHeard: {taken or 'no error'}. By speaker: {speakers}.")


if __name__ == "__main__":
    app()
