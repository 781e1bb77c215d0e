"""Closed-set speaker identification with Gaussian mixtures (Reynolds and Rose 1995).

python recipes/identification/run.py choose --data DIR          # the dev table: settings
python recipes/identification/run.py report --data DIR          # the eval tables
python recipes/identification/run.py report --synthetic FOLDER  # the same on synthetic speech
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from scipy.stats import bootstrap

from speakergmm.corpora import Protocol, Split, make_synthetic_corpus, read_protocol
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig
from speakergmm.speakers import (
    AdaptationSettings,
    BackgroundModel,
    LikelihoodScorer,
    ScoreMatrix,
    SpeakerScorer,
    enrol_models,
    run_identification,
    train_split_mixtures,
)

REAL = ("dspspeech20", "arabic_speech_commands", "librispeech")
ORDERS = (1, 2, 4, 8, 16, 32, 64)
LENGTHS = (0.25, 0.5, 1.0, 2.0, 5.0)  # seconds of speech
# Chosen on dev, as RESULTS.md shows.
VARIANCE_FLOOR = 0.01
UBM_COMPONENTS, RELEVANCE_FACTOR = 64, 3.0
CONFIG = FeatureConfig.preset("speaker")

DataOption = Annotated[Path | None, typer.Option(help="Folder of real speech, with protocols/.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
app = typer.Typer(add_completion=False, help=__doc__)


def protocols(
    data: Path | None, synthetic: Path | None, names: tuple[str, ...] = REAL
) -> Iterator[tuple[str, Protocol]]:
    """Read the protocols asked for."""
    if data is None and synthetic is None:
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    for name in names if data is not None else ():
        yield name, read_protocol(data / "protocols" / name, data_dir=data)
    if synthetic is not None:
        yield "synthetic", make_synthetic_corpus(synthetic, seed=0, n_jobs=2)


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def accuracy(matrix: ScoreMatrix) -> str:
    """Write the accuracy with its 95 % interval over speakers."""
    hits = matrix.scores.argmax(axis=1) == matrix.truth
    speakers = np.unique(matrix.truth)
    correct = np.array([hits[matrix.truth == speaker].sum() for speaker in speakers])
    total = np.array([(matrix.truth == speaker).sum() for speaker in speakers])
    text = f"{100 * matrix.accuracy:.1f}"
    if matrix.accuracy in (0.0, 1.0) or len(speakers) < 2:
        return text
    found = bootstrap(
        (correct, total),
        lambda correct, total, axis=-1: correct.sum(axis=axis) / total.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=1000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return f"{text} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def em_scorer(
    part: Split, order: int, jobs: int, floor: float = VARIANCE_FLOOR
) -> LikelihoodScorer:
    """Train a plain mixture for each model."""
    return LikelihoodScorer(
        train_split_mixtures(
            part, n_components=order, features=CONFIG, variance_floor=floor, n_jobs=jobs
        )
    )


def map_scorer(protocol: Protocol, jobs: int) -> SpeakerScorer:
    """Adapt each model from a background model."""
    assert protocol.background is not None
    background = BackgroundModel.train(
        protocol.background, n_components=UBM_COMPONENTS, n_jobs=jobs
    )
    settings = AdaptationSettings(RELEVANCE_FACTOR)
    models = enrol_models(protocol.split("eval"), background, settings=settings, n_jobs=jobs)
    return SpeakerScorer(background.mixture, models)


@app.command()
def choose(data: DataOption, jobs: JobsOption = 1) -> None:
    """Compare variance floors on the dev lists, whole recordings; eval is not touched."""
    row("set", "variance floor", *(f"K = {order}" for order in ORDERS))
    row(*["---"] * (2 + len(ORDERS)))
    for name, protocol in protocols(data, None, REAL[:2]):
        part = protocol.split("dev")
        for floor in (0.001, 0.01, 0.05, 0.1):
            cells = []
            for order in ORDERS:
                scorer = em_scorer(part, order, jobs, floor)
                found = run_identification(part, scorer, CONFIG, n_jobs=jobs)
                cells.append(f"{100 * found.accuracy:.1f}")
            row(name, f"{floor:g}", *cells)


@app.command()
def report(
    data: DataOption = None,
    synthetic: Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")] = None,
    jobs: JobsOption = 1,
) -> None:
    """Print accuracy by model order and test length on the eval lists, in per cent."""
    row("set", "models", "whole recording (95 %)", *(f"{s:g} s" for s in LENGTHS), "seconds")
    row(*["---"] * (4 + len(LENGTHS)))
    for name, protocol in protocols(data, synthetic):
        part = protocol.split("eval")
        for order in (*ORDERS, None):
            start = time.perf_counter()
            scorer = map_scorer(protocol, jobs) if order is None else em_scorer(part, order, jobs)
            kind = f"MAP, K = {UBM_COMPONENTS}" if order is None else f"EM, K = {order}"
            whole = run_identification(part, scorer, CONFIG, n_jobs=jobs)
            cells = []
            for seconds in LENGTHS:
                window = round(seconds / CONFIG.frame_shift)
                with suppress(InsufficientDataError):  # no recording is that long
                    found = run_identification(
                        part, scorer, CONFIG, window=window, shift=5, n_jobs=jobs
                    )
                    cells.append(f"{100 * found.accuracy:.1f} ({len(np.unique(found.recording))})")
            cells += [""] * (len(LENGTHS) - len(cells))
            row(name, kind, accuracy(whole), *cells, f"{time.perf_counter() - start:.0f}")


if __name__ == "__main__":
    app()
