"""Closed-set speaker identification with Gaussian mixtures (Reynolds and Rose 1995).

python recipes/identification/run.py choose --data DIR          # the dev table: settings
python recipes/identification/run.py report --data DIR          # the eval tables
python recipes/identification/run.py report --synthetic FOLDER  # the same on synthetic speech
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from speakergmm.corpora import Protocol, Split, make_synthetic_corpus, read_protocol
from speakergmm.features import FeatureConfig
from speakergmm.speakers import (
    BackgroundModel,
    LikelihoodScorer,
    ScoreMatrix,
    SpeakerScorer,
    enroll_models,
    run_identification,
    run_identification_windows,
    train_split_mixtures,
)

REAL = ("dspspeech20", "arabic_speech_commands", "librispeech")
ORDERS = (1, 2, 4, 8, 16, 32, 64)
LENGTHS = (0.25, 0.5, 1.0, 2.0, 5.0)  # seconds of speech
# Chosen on dev, as RESULTS.md shows.
VARIANCE_FLOOR = 0.01
UBM_COMPONENTS, RELEVANCE_FACTOR = 64, 3.0
CONFIG = FeatureConfig.preset("speaker-same-session")

DataOption = Annotated[Path | None, typer.Option(help="Folder of real speech, with protocols/.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
app = typer.Typer(add_completion=False, help=__doc__)


def protocols(
    data: Path | None, synthetic: Path | None, names: tuple[str, ...] = REAL
) -> Iterator[tuple[str, Protocol]]:
    """Yield the names and protocols of the data that are asked for."""
    if data is None and synthetic is None:
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    if data is not None:
        for name in names:
            yield name, read_protocol(data / "protocols" / name, data_dir=data)
    if synthetic is not None:
        yield "synthetic", make_synthetic_corpus(synthetic, seed=0, engine=2)


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def accuracy(matrix: ScoreMatrix) -> str:
    """Return the accuracy in per cent as text, with its 95 % interval over speakers."""
    found = matrix.accuracy_interval()
    interval = "" if found is None else f" ({100 * found.low:.1f} to {100 * found.high:.1f})"
    return f"{100 * matrix.accuracy:.1f}{interval}"


def em_scorer(
    part: Split, order: int, jobs: int, floor: float = VARIANCE_FLOOR
) -> LikelihoodScorer:
    """Train an independent mixture for each model."""
    return LikelihoodScorer(
        train_split_mixtures(
            part, n_components=order, features=CONFIG, variance_floor=floor, engine=jobs
        )
    )


def map_scorer(protocol: Protocol, split: str, components: int, jobs: int) -> SpeakerScorer:
    """Adapt a background model to each model of the split."""
    assert protocol.background is not None
    background = BackgroundModel.train(
        protocol.background, features=CONFIG, n_components=components, engine=jobs
    )
    models = enroll_models(
        protocol.split(split), background, relevance_factor=RELEVANCE_FACTOR, engine=jobs
    )
    return SpeakerScorer(background.mixture, models)


@app.command()
def choose(data: DataOption, jobs: JobsOption = 1) -> None:
    """Compare settings on the dev lists, whole recordings; eval is not touched."""
    row("set", "models", *(f"K = {order}" for order in ORDERS))
    row(*["---"] * (2 + len(ORDERS)))
    for name, protocol in protocols(data, None, REAL[:2]):
        part = protocol.split("dev")
        for floor in (0.001, 0.01, 0.05, 0.1, None):
            cells = []
            scorer: LikelihoodScorer | SpeakerScorer
            for order in ORDERS:
                if floor is None:
                    scorer = map_scorer(protocol, "dev", order, jobs)
                else:
                    scorer = em_scorer(part, order, jobs, floor)
                found = run_identification(part, scorer, CONFIG, top_c=None, engine=jobs)
                cells.append(f"{100 * found.accuracy:.1f}")
            row(name, "MAP" if floor is None else f"EM, floor {floor:g}", *cells)


@app.command()
def report(
    data: DataOption = None,
    synthetic: Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")] = None,
    jobs: JobsOption = 1,
) -> None:
    """Print accuracy by model order and test length on the eval lists, in per cent."""
    row("set", "models", "whole recording", *(f"{s:g} s" for s in LENGTHS), "seconds")
    row(*["---"] * (4 + len(LENGTHS)))
    windows = [None, *(round(seconds / CONFIG.frame_shift) for seconds in LENGTHS)]
    for name, protocol in protocols(data, synthetic):
        part = protocol.split("eval")
        for order in (*ORDERS, None):
            start = time.perf_counter()
            scorer: LikelihoodScorer | SpeakerScorer
            if order is None:
                kind = f"MAP, K = {UBM_COMPONENTS}"
                scorer = map_scorer(protocol, "eval", UBM_COMPONENTS, jobs)
            else:
                kind = f"EM, K = {order}"
                scorer = em_scorer(part, order, jobs)
            found = run_identification_windows(
                part, scorer, CONFIG, windows=windows, shift=5, top_c=None, engine=jobs
            )
            cells = [accuracy(found[w]) if w in found else "" for w in windows]
            row(name, kind, *cells, f"{time.perf_counter() - start:.0f}")


if __name__ == "__main__":
    app()
