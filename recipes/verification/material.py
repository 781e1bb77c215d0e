"""The material of the recipe: protocols, speakers of LibriSpeech, and folders of a run."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from systems import Work, evenly

from speakergmm.corpora import Protocol, Utterance, make_synthetic_corpus, read_protocol
from speakergmm.corpora.augmentation import N_TALKERS

REAL = ("dspspeech20", "arabic_speech_commands", "librispeech")


def protocols(
    data: Path | None, synthetic: Path | None, names: Sequence[str] | None
) -> Iterator[tuple[str, Protocol, Path]]:
    """Yield name, protocol and folder of the data that are asked for."""
    if data is None and synthetic is None:
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    for name in names or REAL if data is not None else ():
        yield name, read_protocol(data / "protocols" / name, data_dir=data), data
    if synthetic is not None:
        yield "synthetic", make_synthetic_corpus(synthetic, seed=0, engine=2), synthetic


def further_speakers(data: Path | None) -> Sequence[Utterance]:
    """Return recordings of LibriSpeech's background speakers, for cohorts."""
    if data is None:
        return ()
    background = read_protocol(data / "protocols" / REAL[2], data_dir=data).background
    return () if background is None else background.utterances


def work_on(
    name: str,
    root: Path,
    folder: str,
    seed: int,
    jobs: int,
    others: Sequence[Utterance],
    trained: dict[str, Any],
) -> Work:
    """Return the work on a protocol; LibriSpeech's speakers babble in its own tests only."""
    voices = [] if name == REAL[2] else [each.path for each in evenly(others, N_TALKERS)]
    return Work(name, seed, jobs, Path(folder), root, others, voices, trained)
