"""The settings of scores, in a file beside them, and the table of an evaluation."""

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
    """Warn about speakers or recordings that lists share; with ``strict``, raise an error.

    Raises
    ------
    CorpusError
        If no recording of the split exists, or with ``strict`` if lists share anything.
    """
    part = lists.split(split)
    paths = set(part.paths())
    missing = [path for path in paths if not path.exists()]
    if len(missing) == len(paths):
        raise CorpusError(
            f"{lists.source}: none of its {len(paths)} {split} recordings exists, such as "
            f"{min(missing)}; give --data-dir, the folder that the paths of the lists start from"
        )
    check_disjoint(lists, strict=strict)


def check_disjoint(lists: corpora.Protocol, *, strict: bool) -> None:
    """Warn about speakers or recordings that lists share; with ``strict``, raise an error."""
    try:
        lists.check_disjoint()
    except CorpusError as error:
        if strict:
            raise
        warnings.warn(str(error), ProtocolWarning, stacklevel=2)


def environment(*, seed: int, files: Iterable[Path] = ()) -> dict[str, Any]:
    """Return versions, seed and hashes of files, for the configuration part of a report."""
    from speakergmm.provenance import software_versions

    return {
        "seed of the bootstrap": seed,
        "versions": software_versions(),
        "sha256": {file.name: _sha256(file) for file in files if kind_of(file) == "file"},
    }


def scoring_settings(
    system: speakers.SpeakerSystem | speakers.BackgroundModel,
    options: speakers.ProtocolOptions,
    *,
    protocol: str,
) -> dict[str, Any]:
    """Return the settings of scores, for the file beside them and for a report."""
    top_c = options.scoring.top_c
    if not isinstance(system, speakers.SpeakerSystem):
        system = speakers.SpeakerSystem(system, options.adaptation, options.backend)
        normalisation = options.score_normalisation.normalisation
    else:
        normalisation = system.normalisation.normalisation
    return {
        "protocol": protocol,
        "split": options.split,
        "scores are": "log-likelihood ratios" if options.llr else "scores",
        "scoring": {
            "back-end": system.backend_name,
            "relevance_factor": system.adaptation.relevance_factor,
            "score normalisation": normalisation,
            "components per frame": "all" if top_c is None else f"best {top_c}",
        },
        "background model": system.background.info(),
    } | ({"calibration": system.calibration.info()} if options.llr and system.calibration else {})


def settings_file(scores: Path) -> Path:
    """Return the file beside a score file that contains its settings."""
    return Path(f"{scores}.json")


def write_settings(file: Path, scores: Path, run: dict[str, Any]) -> None:
    """Write the settings of scores with the hash of these, so that they cannot describe others."""
    if scores.is_file():  # nothing can be written beside a pipe
        write_json(file, {"scores_sha256": _sha256(scores), **run})


def read_settings(scores: Path) -> dict[str, Any]:
    """Read the settings of scores; empty if there are none for this very file."""
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
        ("metric", "value", f"{100 * evaluation.confidence:g} % interval", "threshold"),
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


def condition_table(found: metrics.ConditionEvaluation, *, confidence: float) -> Table:
    """Return a table with a row per group."""
    title = f"by {found.condition}; misses and false alarms at threshold {found.threshold:.4f}"
    shown = found.metric, "miss_rate", "false_alarm_rate"
    rows = []
    for group in found.groups:
        measured = group.evaluation and {each.name: each for each in group.evaluation.metrics}
        values = ["", "too few trials", "", ""]
        if measured:
            main, *rates = (measured.get(name) for name in shown)
            assert main is not None
            rest = ["" if each is None else each.format_value() for each in rates]
            values = [main.format_value(), main.format_interval(), *rest]
        rows.append((group.value, f"{group.n_target:,}", f"{group.n_nontarget:,}", *values))
    name = "EER" if found.metric == "eer_linear" else "actual DCF"
    between = f"{100 * confidence:g} % interval"
    columns = found.condition, "target", "nontarget", name, between, "misses", "false alarms"
    return Table(title, columns, rows, right=(1, 2, 3, 4, 5, 6))


def worst_in_words(found: metrics.ConditionEvaluation) -> tuple[str, ...]:
    """Return which groups have most errors at the threshold that all share."""
    if all(group.evaluation is None for group in found.groups):
        return (f"by {found.condition}: no group has enough trials",)
    worst = tuple(f"most {each.kind}: {each.name}, {each.in_words()}" for each in found.worst)
    return worst or (f"by {found.condition}: no group is clearly worse than the others",)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
