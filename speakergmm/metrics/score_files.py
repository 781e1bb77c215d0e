"""Score files: scored trials as tab-separated text or CSV, and the CSV that LiR reads."""

import contextlib
import csv
import io
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.file_kinds import describe_file
from speakergmm.files import UnreadableFileError, atomic_text_writer
from speakergmm.metrics.scores import LABEL_OF, TRIAL_COLUMNS, UNKNOWN, Scores, check_scores
from speakergmm.text_files import open_text, stated_number


def read_scores(path: str | Path) -> Scores:
    """Read a score file.

    Parameters
    ----------
    path : str or Path
        Tab-separated UTF-8 text whose first line is the header ``model path score label``; the
        column ``label`` may be missing. Further columns are conditions. A file whose name ends
        with ``.csv`` is separated by commas. Empty lines are skipped.

    Returns
    -------
    Scores
        In the order of the lines.

    Raises
    ------
    InvalidInputError
        If the file cannot be read or a line is wrong; the message begins with ``file:line``.
    """
    try:
        with io.TextIOWrapper(
            open_text(path), encoding="utf-8", errors="surrogateescape", newline=None
        ) as stream:
            return _read(stream, path)
    except UnreadableFileError as error:
        raise InvalidInputError(
            f"{error.shown_path}: cannot be read as a score file: {error.reason}"
        ) from None


def _read(stream: TextIO, path: str | Path) -> Scores:
    """Read the trials; equal names are one object."""

    def wrong(line: int, what: str) -> InvalidInputError:
        return InvalidInputError(f"{path}:{line}: {what}")

    rows = _rows(stream, path)
    header = next(rows, (1, [""]))[1]
    header[0] = header[0].removeprefix("\ufeff")
    n_known = 4 if tuple(header[:4]) == TRIAL_COLUMNS else 3
    if tuple(header[:n_known]) not in (TRIAL_COLUMNS, TRIAL_COLUMNS[:3]):
        kind = "comma-separated" if _is_csv(path) else "tab-separated"
        begins = f"a score file begins with the {kind} columns {' | '.join(TRIAL_COLUMNS)}"
        raise wrong(1, f"{_describe_header(path, header)}; {begins}")
    further = header[n_known:]
    if len({*further, *TRIAL_COLUMNS, ""}) < len(further) + 5:
        raise wrong(1, f"the header is {' | '.join(header)[:80]!r}; a column needs its own name")
    columns: list[list[Any]] = [[] for _ in range(4 + len(further))]
    models, paths, values, labels, *conditions = columns
    share = dict[str, str]().setdefault
    number = 1
    for number, fields in rows:
        if len(fields) != len(header):
            if len(fields) < 2 and not "".join(fields).strip():
                continue
            kind = "comma" if _is_csv(path) else "tab"
            wanted = f"{len(header)} ({', '.join(header)})"
            raise wrong(number, f"{len(fields)} {kind}-separated columns; must be {wanted}")
        model, recording, score = fields[:3]
        label = fields[3] if n_known == 4 else UNKNOWN
        try:
            value = stated_number(score)
        except ValueError:
            value = math.nan
        if value != value:
            raise wrong(number, f"score {score[:40]!r}; must be a number, not NaN")
        if label not in LABEL_OF:
            raise wrong(number, f"label {label[:40]!r}; must be target or nontarget")
        if not model or not recording:
            raise wrong(number, f"the {'path' if model else 'model'} is empty; must be named")
        models.append(share(model, model))
        paths.append(share(recording, recording))
        values.append(value)
        labels.append(label)
        for column, field in zip(conditions, fields[n_known:], strict=True) if further else ():
            column.append(share(field, field))
    if not values:
        only = "empty lines" if number > 1 else "a header"
        raise InvalidInputError(f"{path}: contains no trials, only {only}")
    named = {n: np.array(c, object) for n, c in zip(further, conditions, strict=True)}
    names = np.array(models, object), np.array(paths, object)
    return Scores(*names, np.array(values, np.float64), np.array(labels, object), named)


def _is_csv(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).lower().endswith((".csv", ".csv.gz"))


def _rows(stream: TextIO, path: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the fields of each row with the number of its line."""
    if not _is_csv(path):
        for number, line in enumerate(stream, start=1):
            yield number, line.rstrip("\n").split("\t")
        return
    reader = csv.reader(stream)
    try:
        for row in reader:
            yield reader.line_num, row or [""]
    except csv.Error as error:
        raise InvalidInputError(f"{path}:{reader.line_num}: {error}") from None


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write a score file, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The file, in the format of :func:`read_scores`; an existing one is replaced in one step.
        Commas separate the columns if its name ends with ``.csv``, tabs otherwise. Scores are
        written with the digits that restore the same float64.
    scores : Scores
        Conditions become further columns.

    Raises
    ------
    InvalidInputError
        If the name of a model or recording is empty or contains a tab or a line break, or a
        condition contains one.
    SpeakerGmmError
        If the file cannot be written (no such folder, disk full).
    """
    check_scores(scores, "write_scores")
    conditions = scores.conditions
    _refuse_marks("model", scores.model_names)
    _refuse_marks("path", scores.path_names)
    for name, values in conditions.items():
        _refuse_marks("condition", (name,))
        _refuse_marks(name, set(values.tolist()) - {""})
    written = map(repr, scores.scores.tolist())
    columns = scores.models, scores.paths, written, scores.labels, *conditions.values()
    _write_table(path, (*TRIAL_COLUMNS, *conditions), zip(*columns, strict=True))


def export_lir(path: str | Path, scores: Scores, *, llr: bool = False) -> None:
    """Write labelled scores as the CSV that LiR reads, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The file; an existing one is replaced in one step. Its columns are ``instance_id``
        (``model path``), ``label`` (1 for a target trial, 0 for a nontarget trial) and the score.
    scores : Scores
        Trials, all of them labelled.
    llr : bool, default=False
        Whether the scores are natural-log likelihood ratios. The last column is then
        ``log10_llr``, to base 10 as in LiR; else it is ``score``, unchanged.

    Raises
    ------
    InvalidInputError
        If a trial has no label.
    SpeakerGmmError
        If the file cannot be written.

    Notes
    -----
    LiR reads the file as ``provider: feature_data_csv`` with ``label_column: label`` and
    ``instance_id_column: instance_id``.

    References
    ----------
    .. [1] Netherlands Forensic Institute, "LiR: Likelihood Ratio library",
       https://github.com/NetherlandsForensicInstitute/lir
    """
    check_scores(scores, "export_lir")
    unlabelled = int((scores.labels == UNKNOWN).sum())
    if unlabelled:
        raise InvalidInputError(
            f"scores: {unlabelled} of {len(scores)} trials have no label; LiR needs one each"
        )
    values = scores.scores / np.log(10) if llr else scores.scores
    names = (f"{m} {p}" for m, p in zip(scores.models, scores.paths, strict=True))
    labels = scores.is_target.astype(int).tolist()
    header = "instance_id", "label", "log10_llr" if llr else "score"
    rows = zip(names, labels, map(repr, values.tolist()), strict=True)
    _write_table(path, header, rows, is_csv=True)


def _write_table(
    path: str | Path,
    header: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    is_csv: bool | None = None,
) -> None:
    with atomic_text_writer(path, errors="surrogateescape") as file:
        if _is_csv(path) if is_csv is None else is_csv:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
        else:
            file.write("\t".join(header) + "\n")
            file.writelines("\t".join(row) + "\n" for row in rows)


def _refuse_marks(kind: str, names: Iterable[str]) -> None:
    for name in names:
        if not name or any(mark in name for mark in "\t\n\r"):
            raise InvalidInputError(
                f"{kind} {name!r}: a name in a score file must not be empty or contain a tab "
                "or a line break"
            )


def _describe_header(path: str | os.PathLike[str], header: list[str]) -> str:
    """Describe what was found in place of the header: another kind of file, or another line."""
    with contextlib.suppress(OSError, SpeakerGmmError):
        kind = describe_file(path)
        if kind not in ("text", "empty") and not kind.startswith("of an unknown"):
            return f"is {kind}"
    return f"the header is {' | '.join(header)[:80]!r}"
