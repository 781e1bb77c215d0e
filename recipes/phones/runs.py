"""The runs that commands ask for: each stage with each algorithm."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer
from material import make_synthetic, read_librispeech
from settings import OF_STAGES, SYNTHETIC, Settings
from stages import Run

BOTH = ["viterbi", "baum-welch"]
PHONES = ["mono"]


def runs(
    data: Path | None,
    synthetic: Path | None,
    output: Path,
    algorithms: list[str],
    jobs: int,
    stages: Sequence[str] = PHONES,
) -> list[Run]:
    """Return the runs on LibriSpeech's subset or on synthetic speech."""
    if (data is None) == (synthetic is None):
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    settings = Settings() if synthetic is None else SYNTHETIC
    real = data or Path()
    material = make_synthetic(synthetic, jobs=jobs) if synthetic else read_librispeech(real)
    return [
        Run(material, replace(settings, algorithm=a, **OF_STAGES[each]), output, jobs)
        for each in stages
        for a in algorithms
    ]
