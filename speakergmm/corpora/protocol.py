"""Evaluation protocols: background speakers, enrolment recordings and trials."""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import chain
from pathlib import Path

from speakergmm.corpora.corpus import Corpus
from speakergmm.corpora.delimited_tables import read_table
from speakergmm.corpora.locations import data_folder, is_file, is_folder, locate
from speakergmm.corpora.names import (
    Spellings,
    check_speaker_name,
    comparison_key,
    first_few,
    quoted,
    shown,
    unlistable_character,
)
from speakergmm.corpora.recording_lists import read_list
from speakergmm.errors import CorpusError
from speakergmm.ranges import choice
from speakergmm.text_files import FaultList, and_more

SPLIT_NAMES = ("dev", "eval")
"""Parts of a protocol: settings are chosen on the first, results are reported on the second."""

LABELS = ("target", "nontarget")

# Columns of a list of trials and of the scores made of it, which no condition may have.
_TRIAL_COLUMNS = ("model", "path", "label", "score")


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial: the question whether the speaker of a model speaks in a recording.

    Parameters
    ----------
    model : str
        The enrolled speaker.
    path : Path
        The recording.
    label : {"target", "nontarget"} or None
        The true answer; None if the protocol withholds it.
    name : str
        The recording as it is spelled in the list and in score files.

    Examples
    --------
    >>> Trial("ana", Path("data/ana/2.wav"), "target", "ana/2.wav").name
    'ana/2.wav'
    """

    model: str
    path: Path
    label: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.label is not None:
            choice("trial label", self.label, LABELS)
        if not isinstance(self.path, Path):
            object.__setattr__(self, "path", Path(self.path))
        if not self.name:
            object.__setattr__(self, "name", self.path.as_posix())


@dataclass(frozen=True, slots=True, repr=False)
class Split:
    """Models with their enrolment recordings, and trials.

    Parameters
    ----------
    enrolment : dict of str to tuple of Path
        Enrolment recordings of each model.
    trials : tuple of Trial
        The trials in the order of the list.
    conditions : mapping of str to sequence of str, optional
        Further columns of the list by name, such as sex, device or text: one value per trial.
    texts : mapping of Path to str, optional
        The words spoken in enrolment recordings, as far as they are known.

    Raises
    ------
    CorpusError
        If there is no model or no trial, the model of a trial is not enrolled, a trial repeats,
        only some trials have a label, or a model is tried on one of its enrolment recordings; if
        the name of a condition or one of its values cannot be used, or values are missing.
    """

    enrolment: dict[str, tuple[Path, ...]]
    trials: tuple[Trial, ...]
    conditions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        enrolment = {model: tuple(paths) for model, paths in self.enrolment.items()}
        conditions = {name: tuple(values) for name, values in self.conditions.items()}
        object.__setattr__(self, "enrolment", enrolment)
        object.__setattr__(self, "trials", tuple(self.trials))
        object.__setattr__(self, "conditions", conditions)
        if not enrolment or not all(enrolment.values()) or not self.trials:
            raise CorpusError("a split needs models, recordings for each of them, and trials")
        _check_conditions(conditions, len(self.trials))
        fault = find_trial_fault(enrolment, self.trials)
        if fault is not None:
            raise CorpusError(f"trial {fault[0] + 1}: {fault[1]}")

    def __repr__(self) -> str:
        return f"Split({len(self.enrolment)} models, {len(self.trials)} trials)"

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the enrolled models, sorted."""
        return tuple(sorted(self.enrolment))

    @property
    def labelled(self) -> bool:
        """True if the trials have labels."""
        return self.trials[0].label is not None

    @property
    def n_targets(self) -> int:
        """Number of target trials."""
        return sum(trial.label == "target" for trial in self.trials)

    def test_paths(self) -> tuple[Path, ...]:
        """Return the recordings of the trials, each once, in the order of their first trial."""
        number_of = PathNumbers()
        for trial in self.trials:
            number_of(trial.path)
        return tuple(number_of.paths)

    def paths(self) -> Iterator[Path]:
        """Iterate over all recordings of the split, some of which may occur several times."""
        return chain(*self.enrolment.values(), self.test_paths())


def _check_conditions(conditions: Mapping[str, tuple[str, ...]], n_trials: int) -> None:
    """Raise an error if the conditions of trials cannot be columns of their list."""
    check_condition_names(conditions)
    for name, values in conditions.items():
        if len(values) != n_trials:
            raise CorpusError(
                f"condition {quoted(name)} has {len(values):,} values for {n_trials:,} trials"
            )
        for value in dict.fromkeys(values):
            try:
                check_condition(name, value)
            except CorpusError as error:
                raise CorpusError(f"trial {values.index(value) + 1}: {error}") from None


def check_condition_names(names: Iterable[str]) -> None:
    """Raise an error if conditions are named like another column of trials or scores."""
    seen = dict.fromkeys(_TRIAL_COLUMNS, "another column of a list of trials or scores")
    for name in names:
        key = name.strip().lower()
        if not key or unlistable_character(name):
            raise CorpusError(f"condition {quoted(name)} needs a name that a list can contain")
        if key in seen:
            raise CorpusError(
                f"condition {quoted(name)} is named like {seen[key]}; rename it or drop it"
            )
        seen[key] = f"the condition {quoted(name)}"


def check_condition(name: str, value: str) -> str:
    """Return the value of a condition; raise an error if a list cannot contain it."""
    if not value or not isinstance(value, str):
        raise CorpusError(
            f"{quoted(name)} is empty; write 'unknown' where it is not known, or drop the column"
        )
    if character := unlistable_character(value):
        raise CorpusError(f"{quoted(name)} is {quoted(value)}, which contains {character}")
    return sys.intern(value)


def find_trial_fault(
    enrolment: Mapping[str, Iterable[Path]], trials: Sequence[Trial]
) -> tuple[int, str] | None:
    """Return the place, from 0, of the first invalid trial, and the reason; otherwise None."""
    number_of = PathNumbers()
    enrolled = {model: set(map(number_of, paths)) for model, paths in enrolment.items()}
    tried: dict[str, set[int]] = {model: set() for model in enrolment}
    labelled = trials[0].label is not None if trials else False
    for place, trial in enumerate(trials):
        if trial.model not in enrolled:
            return place, f"model {quoted(trial.model)} is not enrolled"
        number, before = number_of(trial.path), tried[trial.model]
        if number in enrolled[trial.model]:
            return place, (
                f"model {quoted(trial.model)} is tried on {quoted(trial.name)}, which enrols it"
            )
        if number in before:
            return place, f"model {quoted(trial.model)} is tried twice on {quoted(trial.name)}"
        before.add(number)
        if (trial.label is not None) != labelled:
            return place, "some trials have a label and some have none"
    return None


class PathNumbers:
    """Numbers of paths, from 0 in the order in which they were first seen; equal paths have one.

    A path that occurs in many trials is one object in a list that was read. Objects that are known
    are recognised without hashing a path, which takes microseconds.

    Attributes
    ----------
    paths : dict of Path to int
        The paths and their numbers.
    """

    def __init__(self) -> None:
        self.paths: dict[Path, int] = {}
        # The paths are kept, so that no other object can take the identity of one of them.
        self._objects: dict[int, tuple[int, Path]] = {}

    def __call__(self, path: Path) -> int:
        """Return the number of a path."""
        known = self._objects.get(id(path))
        if known is None:
            known = self.paths.setdefault(path, len(self.paths)), path
            self._objects[id(path)] = known
        return known[0]


@dataclass(frozen=True, slots=True, repr=False)
class Protocol:
    """A background corpus and up to two splits with different speakers.

    Parameters
    ----------
    background : Corpus or None
        Speech of other speakers, for the background model.
    splits : dict of str to Split
        ``"dev"``, on which settings are chosen, and ``"eval"``, on which results are reported;
        either may be missing.
    source : str
        The folder from which the protocol was read.
    notes : tuple of str
        Messages about columns and lists that do not belong to a protocol and were skipped.
    """

    background: Corpus | None
    splits: dict[str, Split] = field(default_factory=dict)
    source: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={split!r}" for name, split in self.splits.items())
        return f"Protocol({self.source!r}, background={self.background!r}, {parts})"

    def split(self, name: str) -> Split:
        """Return a split by name.

        Raises
        ------
        CorpusError
            If the protocol does not have it; the message lists those that it has.
        """
        if name not in self.splits:
            has = " and ".join(repr(n) for n in self.splits) or "none"
            raise CorpusError(f"{shown(self.source)} has no split {quoted(name)}; it has {has}")
        return self.splits[name]

    def check_disjoint(self) -> None:
        """Check that background, dev and eval share no speaker, and enrolment and test no file.

        Models count as speakers. Letter case and Unicode normal form are ignored.

        Raises
        ------
        CorpusError
            If a speaker or recording is shared; the message names the first one and its parts.
        """
        groups: dict[str, tuple[Iterable[str], Iterable[Path]]] = {
            name: (split.enrolment, split.paths()) for name, split in self.splits.items()
        }
        if self.background is not None:
            paths = (utterance.path for utterance in self.background)
            groups["background"] = self.background.speakers, paths
        speakers = {
            n: {comparison_key(s): quoted(s) for s in group} for n, (group, _) in groups.items()
        }
        self._refuse_shared("speaker", speakers)
        recordings = {n: {str(p): shown(p) for p in sorted({*g})} for n, (_, g) in groups.items()}
        self._refuse_shared("recording", recordings)
        for name, split in self.splits.items():
            tested = set(split.test_paths())
            shared = [p for paths in split.enrolment.values() for p in paths if p in tested]
            if shared:
                raise CorpusError(
                    f"{shown(self.source)}: recording {shown(shared[0])} is both enrolled and "
                    f"tried in {name!r}{and_more(shared)}"
                )

    def _refuse_shared(self, what: str, groups: Mapping[str, Mapping[str, str]]) -> None:
        """Raise an error if two groups have a key in common."""
        owners: dict[str, str] = {}
        for name, members in groups.items():
            shared = [key for key in members if key in owners]
            if shared:
                raise CorpusError(
                    f"{shown(self.source)}: {what} {members[shared[0]]} is in both "
                    f"{owners[shared[0]]!r} and {name!r}{and_more(shared)}; they must share none"
                )
            owners.update(dict.fromkeys(members, name))

    def missing_files(self) -> tuple[Path, ...]:
        """Return the recordings of the protocol that do not exist.

        Returns
        -------
        tuple of Path
            The missing files, sorted.
        """
        wanted = {path for split in self.splits.values() for path in split.paths()}
        if self.background is not None:
            wanted.update(utterance.path for utterance in self.background)
        return tuple(sorted(path for path in wanted if not is_file(path)))


def read_protocol(
    directory: str | os.PathLike[str], *, data_dir: str | os.PathLike[str] | None = None
) -> Protocol:
    """Read a protocol: a folder of tab-separated lists.

    The lists are ``background.tsv`` (columns speaker, path), and for dev and eval ``*_enroll.tsv``
    (model, path, and text if it is known) and ``*_trials.tsv`` (model, path, and label unless it is
    withheld). Further columns of trials, such as text, are kept as conditions. Background and one
    of the splits may be missing. Recordings need not exist.

    Parameters
    ----------
    directory : path
        The folder of lists.
    data_dir : path, optional
        Folder to which paths are relative; by default ``directory``.

    Returns
    -------
    Protocol

    Raises
    ------
    CorpusError
        If the folder is not a protocol, or a list is wrong; the message states file and line.
    """
    given = Path(directory)
    if not is_folder(given):
        raise CorpusError(f"{shown(given)} is not a folder; a protocol is a folder of lists")
    folder = data_folder(given / "background.tsv", data_dir)
    background = None
    notes: list[str] = []
    if (given / "background.tsv").exists():
        background = read_list(given / "background.tsv", folder=folder)
        notes += background.notes
    splits = {}
    known = {"background.tsv"}
    for name in SPLIT_NAMES:
        enroll, trials = given / f"{name}_enroll.tsv", given / f"{name}_trials.tsv"
        known |= {enroll.name, trials.name}
        if enroll.exists() != trials.exists():
            missing = trials if enroll.exists() else enroll
            raise CorpusError(f"{shown(given)} has no {missing.name}; enrolment needs trials")
        if enroll.exists():
            splits[name] = _read_split(enroll, trials, folder, notes)
    # Lists whose names are not those of a protocol.
    named = sorted(path.name for path in given.iterdir() if not path.name.startswith("."))
    others = [n for n in named if n.lower().endswith((".tsv", ".csv")) and n not in known]
    unread = f"; not read: {first_few(others)}" if others else ""
    if not splits:
        raise CorpusError(
            f"{shown(given)} has neither eval_enroll.tsv with eval_trials.tsv nor dev_enroll.tsv "
            f"with dev_trials.tsv; a protocol needs one of the pairs{unread}"
        )
    if unread:
        notes.append(f"{shown(given)}: lists that do not belong to a protocol{unread}")
    return Protocol(background, splits, source=str(given), notes=tuple(notes))


def read_trials(
    trials: str | os.PathLike[str],
    enroll: str | os.PathLike[str] | None = None,
    *,
    data_dir: str | os.PathLike[str] | None = None,
) -> Protocol:
    """Read a list of trials and the list of its models, wherever they are.

    Parameters
    ----------
    trials : path
        List with the columns model, path and label.
    enroll : path, optional
        List with the columns model and path; by default the file beside the trials whose name has
        ``enroll`` in place of ``trials``.
    data_dir : path, optional
        Folder to which paths are relative; by default that of the trials.

    Returns
    -------
    Protocol
        Without background speakers; the lists are its split ``"dev"``.

    Raises
    ------
    CorpusError
        If a list is missing or wrong; the message states file and line.
    """
    listed = Path(trials)
    beside = listed.with_name(listed.name.replace("trials", "enroll"))
    models = beside if enroll is None else Path(enroll)
    for path in (listed, models):
        if not is_file(path):
            raise CorpusError(
                f"{shown(path)}: there is no such list; trials need a list of their models' "
                "recordings, too"
            )
    if models == listed:
        raise CorpusError(f"{shown(listed)}: name the list of the models' recordings, too")
    notes: list[str] = []
    split = _read_split(models, listed, data_folder(listed, data_dir), notes)
    return Protocol(None, {"dev": split}, source=str(listed), notes=tuple(notes))


def _read_split(enroll: Path, trials: Path, folder: Path, notes: list[str]) -> Split:
    """Read the two lists of a split."""
    enrolment: dict[str, list[Path]] = {}
    listed: dict[tuple[str, Path], int] = {}
    spellings = Spellings("model")
    faults = FaultList(str(enroll), error=CorpusError, strict=True)
    columns = ("model", "path")
    texts: dict[Path, str] = {}
    for line, row in read_table(enroll, required=columns, optional=("text",), notes=notes):
        with faults.of_line(line):
            model = spellings.take(row["model"].strip(), f"line {line}")
            path = locate(row["path"], folder)
            if (first := listed.setdefault((model, path), line)) != line:
                raise CorpusError(f"repeats line {first}")
            if (text := row.get("text", "").strip()) and texts.setdefault(path, text) != text:
                raise CorpusError(
                    f"{quoted(row['path'])} has two texts, {quoted(texts[path])} and {quoted(text)}"
                )
            enrolment.setdefault(model, []).append(path)

    found: list[Trial] = []
    lines: list[int] = []
    check_name = cache(check_speaker_name)  # a model occurs in many rows, and so does a recording
    path_of = cache(partial(locate, folder=folder))
    check_value = cache(check_condition)
    faults = faults.of(trials)
    further: list[str] = []
    conditions: dict[str, list[str]] = {}
    for line, row in read_table(
        trials, required=columns, optional=("label",), further=further, notes=notes
    ):
        if not found:
            with faults.of_line(1):
                check_condition_names(further)
            conditions = {name: [] for name in further}
        with faults.of_line(line):
            label = sys.intern(row["label"].strip()) if "label" in row else None
            name = sys.intern(row["path"])
            found.append(Trial(check_name(row["model"].strip()), path_of(name), label, name))
            for condition, values in conditions.items():
                values.append(check_value(condition, row[condition].strip()))
            lines.append(line)
    listed_paths = {model: tuple(paths) for model, paths in enrolment.items()}
    try:
        return Split(listed_paths, tuple(found), conditions, texts)
    except CorpusError:
        if fault := find_trial_fault(listed_paths, found):
            faults.add(lines[fault[0]], fault[1])
        raise
