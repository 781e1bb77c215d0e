"""How an evaluation is printed, and what a report says of the machine and the files behind it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm.cli.output import print_table

if TYPE_CHECKING:
    from speakergmm.metrics import Evaluation


def environment(*, seed: int, files: Iterable[Path] = ()) -> dict[str, Any]:
    """Versions, seed and file hashes, for the configuration part of a report."""
    return {
        "seed": seed,
        "versions": {
            "speakergmm": version("speakergmm"),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "soundfile", "soxr")},
        },
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


def print_evaluation(evaluation: Evaluation, *, title: str) -> None:
    """Print the table of metrics with their intervals."""
    print_table(
        title,
        ("metric", "value", "95 % interval", "threshold"),
        [
            (
                measure.title,
                measure.format_value(),
                measure.format_interval(),
                "" if measure.point is None else f"{measure.point.threshold:.4f}",
            )
            for measure in evaluation.measures
        ],
        right=(1, 2, 3),
    )
