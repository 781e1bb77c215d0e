"""Speaker verification with a GMM-UBM (Reynolds, Quatieri and Dunn 2000).

python recipes/verification/run.py choose --data DIR         # the dev tables: settings
python recipes/verification/run.py report --data DIR         # the eval table
python recipes/verification/run.py report --synthetic FOLDER # the same on synthetic speech
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
from settings import FACTORS, Settings

from speakergmm.corpora import Protocol, make_synthetic_corpus, read_protocol
from speakergmm.metrics import Evaluation, evaluate
from speakergmm.speakers import BackgroundModel, run_protocol

REAL = ("dspspeech20", "arabic_speech_commands", "librispeech")
DataOption = Annotated[Path | None, typer.Option(help="Folder of real speech, with protocols/.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
app = typer.Typer(add_completion=False, help=__doc__)


def run(
    protocol: Protocol,
    settings: Settings,
    *,
    split: str,
    seed: int,
    jobs: int,
    n_bootstrap: int = 0,
) -> Evaluation:
    """Train a background model, run the protocol with it, and evaluate the scores."""
    assert protocol.background is not None
    background = BackgroundModel.train(
        protocol.background,
        features=settings.config(),
        n_components=settings.n_components,
        seed=seed,
        engine=jobs,
    )
    scores = run_protocol(
        protocol,
        background,
        split=split,
        relevance_factor=settings.relevance_factor,
        top_c=settings.top_c,
        engine=jobs,
    )
    return evaluate(scores, n_bootstrap=n_bootstrap)


def protocols(
    data: Path | None, synthetic: Path | None, names: Sequence[str]
) -> Iterator[tuple[str, Protocol]]:
    """Yield the names and protocols of the data that are asked for."""
    if data is not None:
        for name in names:
            yield name, read_protocol(data / "protocols" / name, data_dir=data)
    if synthetic is not None:
        yield "synthetic", make_synthetic_corpus(synthetic, seed=0, engine=2)
    if data is None and synthetic is None:
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


@app.command()
def choose(
    data: DataOption, seeds: int = 2, jobs: JobsOption = 1, factor: list[str] | None = None
) -> None:
    """Compare settings on the dev lists; eval is not touched."""
    sets = list(protocols(data, None, REAL[:2]))
    row("factor", "value", *(f"{name}: EER / minDCF(0.05)" for name, _ in sets), "mean EER")
    row(*["---"] * (3 + len(sets)))
    for name, variants in FACTORS.items():
        for settings in variants if factor is None or name in factor else ():
            cells, errors = [], []
            for _, protocol in sets:
                found = [
                    run(protocol, settings, split="dev", seed=seed, jobs=jobs)
                    for seed in range(seeds)
                ]
                eer = statistics.mean(each["eer_linear"].value for each in found)
                cost = statistics.mean(each["min_dcf_0.05"].value for each in found)
                cells.append(f"{100 * eer:.2f} / {cost:.3f}")
                errors.append(eer)
            row(name, _value(name, settings), *cells, f"{100 * statistics.mean(errors):.2f}")


def _value(factor: str, settings: Settings) -> str:
    if factor == "components":
        return str(settings.n_components)
    if factor == "relevance factor":
        return f"{settings.relevance_factor:g}"
    return ", ".join(f"{key} {value}" for key, value in settings.features.items())


@app.command()
def report(
    data: DataOption = None,
    synthetic: Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")] = None,
    seeds: int = 5,
    jobs: JobsOption = 1,
) -> None:
    """Measure the chosen settings on the eval lists, with and without channel normalisation."""
    row("set", "channel", "EER linear %", "EER ROCCH %", "minDCF 0.01", "minDCF 0.05", "top-1 %",
        "EER over seeds", "seconds")  # fmt: skip
    row(*["---"] * 9)
    for name, protocol in protocols(data, synthetic, REAL):
        for channel in ("none", "mean", "sliding_mean"):
            settings = Settings(features={"normalisation": channel})
            start = time.perf_counter()
            first = run(protocol, settings, split="eval", seed=0, jobs=jobs, n_bootstrap=1000)
            seconds = time.perf_counter() - start
            others = [
                run(protocol, settings, split="eval", seed=seed, jobs=jobs)["eer_linear"].value
                for seed in range(1, seeds)
            ]
            spread = [100 * eer for eer in (first["eer_linear"].value, *others)]
            row(
                name,
                channel,
                *(
                    f"{first[key].format_value()} ({first[key].format_interval()})"
                    for key in ("eer_linear", "eer_rocch", "min_dcf_0.01", "min_dcf_0.05")
                ),
                f"{first['identification_top1'].format_value()} "
                f"({first['identification_top1'].format_interval()})",
                f"{min(spread):.2f} to {max(spread):.2f}",
                f"{seconds:.0f}",
            )


if __name__ == "__main__":
    app()
