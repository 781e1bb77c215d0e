"""What stands beside scores: the settings they were made with, and the evaluation as a table."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from speakergmm import corpora, metrics, speakers
from speakergmm.cli.printing import Table, write_json
from speakergmm.documents import read_json
from speakergmm.errors import CorpusError, ProtocolWarning, SpeakerGmmError
from speakergmm.files import kind_of

_LARGEST_SETTINGS = 1 << 24


def check_lists(lists: corpora.Protocol, *, split: str, strict: bool) -> None:
    """Warn of, or with ``strict`` refuse, speakers or recordings that lists share.

    Raises
    ------
    CorpusError
        If not one recording of the split is there, or with ``strict`` if lists share anything.
    """
    part = lists.split(split)
    paths = set(part.paths())
    missing = [path for path in paths if not path.exists()]
    if len(missing) == len(paths):
        raise CorpusError(
            f"{lists.source}: none of its {len(paths)} {split} recordings is there, such as "
            f"{min(missing)}; --data must name the folder that the lists' paths start from"
        )
    try:
        lists.check_disjoint()
    except CorpusError as error:
        if strict:
            raise
        warnings.warn(str(error), ProtocolWarning, stacklevel=2)


def environment(*, seed: int, files: Iterable[Path] = ()) -> dict[str, Any]:
    """Versions, seed and file hashes, for the configuration part of a report."""
    from speakergmm.provenance import software_versions

    return {
        "seed of the bootstrap": seed,
        "versions": software_versions(),
        "sha256": {file.name: _sha256(file) for file in files if kind_of(file) == "file"},
    }


def scoring_settings(
    background: speakers.BackgroundModel,
    *,
    protocol: str,
    split: str,
    relevance_factor: float,
    top_c: int | None,
) -> dict[str, Any]:
    """Say how scores were made, for the file beside them and for a report."""
    return {
        "protocol": protocol,
        "split": split,
        "scoring": {
            "relevance_factor": relevance_factor,
            "components per frame": "all" if top_c is None else f"best {top_c}",
        },
        "background model": background.info(),
    }


def settings_file(scores: Path) -> Path:
    """Name the file beside a score file that says how it was made."""
    return Path(f"{scores}.json")


def write_settings(file: Path, scores: Path, run: dict[str, Any]) -> None:
    """Write how scores were made, with their hash, so that it can't describe others."""
    if scores.is_file():  # beside standard output or a pipe stands nothing
        write_json(file, {"scores_sha256": _sha256(scores), **run})


def read_settings(scores: Path) -> dict[str, Any]:
    """Read how scores were made; empty where nothing beside them says so of this very file."""
    file = settings_file(scores)
    try:
        run = read_json(file, limit=_LARGEST_SETTINGS)
    except SpeakerGmmError:
        return {}
    if not isinstance(run, dict) or run.pop("scores_sha256", None) != _sha256(scores):
        return {}
    return run


def evaluation_table(evaluation: metrics.Evaluation, *, title: str) -> Table:
    """Return the table of metrics with their intervals."""
    return Table(
        title,
        ("metric", "value", "95 % interval", "threshold"),
        [
            (
                measure.title,
                measure.format_value(),
                measure.format_interval(),
                "" if measure.point is None else f"{measure.point.threshold:.4f}",
            )
            for measure in evaluation.metrics
        ],
        right=(1, 2, 3),
    )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
