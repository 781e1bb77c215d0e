"""What is said in each utterance of a corpus, and where that is written."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from speakergmm.audio import has_audio_suffix, has_unreadable_suffix
from speakergmm.corpora.columns import CORPUS_COLUMNS, find_columns
from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.lists import default_id, parse_seconds
from speakergmm.corpora.locations import exists, is_file, is_folder
from speakergmm.corpora.names import escaped_name, quoted, shown, unescaped_name
from speakergmm.corpora.reading import read_utterances
from speakergmm.corpora.tables import read_header, read_table
from speakergmm.corpora.walking import TRANSCRIPT_SUFFIXES
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import UnreadableFileError, atomic_text_writer
from speakergmm.text_files import Fault, FaultList, FaultyFileError, open_text, read_lines
from speakergmm.words import Case, clean, split_words, word_fault

CHAPTER_SUFFIX = ".trans.txt"
"""Ending of a file, as LibriSpeech has it, that says what is said in all recordings beside it."""

_BLANKS = re.compile("[ \t]+")
"""What ends an utterance's name, as in the other files of a Kaldi data directory."""


class TranscriptError(FaultyFileError, CorpusError):
    """Files that hold transcripts have faults."""


@dataclass(frozen=True, slots=True)
class Transcript(Sequence[str]):
    """The words of one utterance, a sequence of them.

    Parameters
    ----------
    words : tuple of str
        May be empty. Kept as `speakergmm.words.clean` has them.
    path : str or None
        The file they stand in.
    line : int or None
        The line, from 1.
    """

    words: tuple[str, ...]
    path: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(map(clean, self.words)))

    def __getitem__(self, place: Any) -> Any:
        """Return a word, or of a slice the words."""
        return self.words[place]

    def __len__(self) -> int:
        return len(self.words)

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transcripts(Mapping[str, Transcript]):
    """Transcripts by utterance id; immutable.

    Parameters
    ----------
    transcripts : mapping of str to Transcript, sequence of str or str
        A text is split at white space. Ids are kept as `speakergmm.words.clean` has them.
    source : str
        The file or folder they were read from, or a word on how they were made.
    faults : tuple of Fault
        What was passed over in reading without ``strict``.
    notes : tuple of str
        What is not wrong, but said nothing, such as a transcript without a recording.

    Raises
    ------
    InvalidInputError
        If two ids are one, written in two ways.

    Examples
    --------
    >>> said = Transcripts({"u1": ("yes", "no")})
    >>> said["u1"].words, len(said), list(said.values())[0].line
    (('yes', 'no'), 1, None)
    """

    transcripts: Mapping[str, Transcript]
    source: str = "given"
    faults: tuple[Fault, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        kept: dict[str, Transcript] = {}
        for name, given in self.transcripts.items():
            if (known := clean(name)) in kept:
                raise InvalidInputError(
                    f"utterance {name!a} stands twice, in two Unicode spellings; keep one"
                )
            words = split_words(given) if isinstance(given, str) else given
            kept[known] = words if isinstance(words, Transcript) else Transcript(tuple(words))
        object.__setattr__(self, "transcripts", MappingProxyType(kept))
        object.__setattr__(self, "faults", tuple(self.faults))
        object.__setattr__(self, "notes", tuple(self.notes))

    def __reduce__(self) -> tuple[object, ...]:
        return Transcripts, (dict(self.transcripts), self.source, self.faults, self.notes)

    def __getitem__(self, utterance: str) -> Transcript:
        return self.transcripts[clean(utterance)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.transcripts)

    def __len__(self) -> int:
        return len(self.transcripts)

    def __repr__(self) -> str:
        return f"Transcripts({len(self)} utterances, source={self.source!r})"

    @property
    def n_words(self) -> int:
        """Words of all utterances."""
        return sum(len(transcript) for transcript in self.transcripts.values())

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of ids and words, whatever their order and place."""
        rows = sorted((name, said.words) for name, said in self.transcripts.items())
        text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def read_transcripts(
    source: str | os.PathLike[str] | Corpus,
    *,
    case: Case | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    strict: bool = True,
) -> Transcripts:
    r"""Read what is said, whichever of three ways it is written.

    A Kaldi data directory has the file ``text`` (``utterance WORD WORD ...``, white space in an
    utterance's name written as `escaped_name` does; such a file may be given by itself); a CSV or
    TSV list has a column ``text`` (or ``sentence``, ``transcript``, ``word``) beside ``path`` or
    ``id``; beside a recording of a folder, or of a list without that column, lies a file of the
    same name with the ending ``.txt`` or ``.lab``, or a ``.trans.txt`` for all of them, as
    LibriSpeech has it. Words are what white space separates, and one string however they were typed
    (see `speakergmm.words`).

    Parameters
    ----------
    source : path or Corpus
        Where it is written; of a corpus, where that was read from.
    case : {"upper", "lower"}, optional
        Bring words to one letter case; by default they stay as they are.
    data_dir : path, optional
        Where relative paths in a list begin, as `read_corpus` has it.
    strict : bool, default=True
        Refuse a file with faults. Without it utterances with faults are left out, and the faults
        are in the result.

    Returns
    -------
    Transcripts
        Utterances without a transcript are not in it, those with an empty one are.

    Raises
    ------
    TranscriptError
        With every fault and its line: an utterance twice, a control character, bytes that are no
        UTF-8, both a ``.txt`` and a ``.lab``.
    CorpusError
        If there are no transcripts at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = Path(folder, "text")
    ...     _ = text.write_text("u1 OPEN THE DOOR\nu2 CLOSE IT\n")
    ...     said = read_transcripts(text, case="lower")
    >>> said["u2"].words
    ('close', 'it')
    """
    if case not in ("upper", "lower", None):
        raise InvalidInputError(f"case {case!r}: must be 'upper', 'lower' or None")
    corpus = source if isinstance(source, Corpus) else None
    path = Path(source.source if isinstance(source, Corpus) else source)
    if exists(path / "wav.scp") and not exists(path / "text"):
        raise CorpusError(f"{shown(path)} has no file text; transcripts stand there")
    notes: list[str] = []
    listed = False
    if is_file(path / "text"):
        found, faults = _read_kaldi(path / "text", case)
    elif is_folder(path) or (corpus is not None and not is_file(path)):
        found, faults = read_beside(
            corpus or _unnamed(path, data_dir, strict, notes), case, notes=notes
        )
    else:
        opened, listed = _opened(path)
        told = _read_list(path, case, strict, notes, opened) if listed else None
        if not listed:
            told = _read_kaldi(path, case, opened)
        elif told is None:
            told = read_beside(corpus or _unnamed(path, data_dir, strict, notes), case, notes=notes)
        found, faults = told
    if strict and faults:
        raise TranscriptError(tuple(faults))
    if not found and not faults:
        columns = f"; its columns are {', '.join(read_header(path))}" if listed else ""
        raise CorpusError(
            f"{shown(path)} has no transcripts: a file text, a column text, or a .txt or .lab "
            f"beside each recording is needed{columns}"
        )
    return Transcripts(found, str(path), tuple(faults), tuple(dict.fromkeys(notes)))


def write_transcripts(
    path: str | os.PathLike[str], transcripts: Mapping[str, Iterable[str]]
) -> None:
    """Write transcripts as Kaldi's ``text``, sorted by utterance; see `transcript_line`."""
    with atomic_text_writer(path) as file:
        for utterance in sorted(transcripts):
            file.write(transcript_line(utterance, transcripts[utterance]) + "\n")


def transcript_line(utterance: str, words: Iterable[str]) -> str:
    """Return a line of Kaldi's ``text``, without its end: an utterance and its words.

    White space in the utterance's name is written as `escaped_name` does, and `read_transcripts`
    reads it back.

    Examples
    --------
    >>> transcript_line("1234 a", ["two"])
    '1234%20a two'
    """
    return " ".join([escaped_name(utterance), *words])


def _fault_of(words: tuple[str, ...]) -> str | None:
    """Say what is wrong with the first word that can't be one."""
    for word in words:
        if not word.isascii() and (fault := word_fault(word)):
            return f"word {quoted(word)} {fault}"
    return None


def _unnamed(
    path: Path, data_dir: str | os.PathLike[str] | None, strict: bool, notes: list[str]
) -> Corpus:
    """Read the recordings; who speaks doesn't matter."""
    corpus = read_utterances(path, data_dir=data_dir, strict=strict, speakers=False)
    notes += corpus.notes
    return corpus


class _Gathered:
    """Transcripts and faults of one file; an utterance that stands twice is left out whole."""

    def __init__(self, path: Path) -> None:
        self.found: dict[str, Transcript] = {}
        self.faults = FaultList(str(path))
        self._first: dict[str, int] = {}

    def add(self, utterance: str, words: tuple[str, ...], line: int) -> None:
        first = self._first.setdefault(utterance, line)
        if first != line:
            message = f"utterance {quoted(utterance)} stands on line {first} too; keep one"
            self.faults.add(line, message, utterance=utterance)
            self.found.pop(utterance, None)
        elif fault := _fault_of(words):
            self.faults.add(line, fault, utterance=utterance)
        else:
            self.found[utterance] = Transcript(words, self.faults.path, line)


def _read_kaldi(
    path: Path, case: Case | None, opened: io.BufferedReader | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    gathered = _Gathered(path)
    try:
        for line, text in read_lines(path, gathered.faults, opened=opened):
            utterance, *rest = _BLANKS.split(text, maxsplit=1)
            words = split_words(rest[0] if rest else "", case)
            gathered.add(unescaped_name(utterance), words, line)
    except FaultyFileError as error:
        raise TranscriptError(error.faults) from error
    return gathered.found, gathered.faults.sorted()


def _opened(path: Path) -> tuple[io.BufferedReader, bool]:
    """Open a file or pipe, and say whether it is a list or, as far as that can be told, a text."""
    try:
        opened = open_text(path)
        return opened, _is_list(path, opened.peek(10_000))
    except UnreadableFileError as error:
        raise TranscriptError((Fault(str(path), None, error.reason),)) from None


def _is_list(path: Path, start: bytes) -> bool:
    """Tell a list from a Kaldi text: it is named so, or its first line names the columns."""
    if path.suffix.lower() in (".csv", ".tsv"):
        return True
    start = start.removeprefix(b"\xef\xbb\xbf")
    first = start.split(b"\n", 1)[0].decode("utf-8", "replace")
    separator = next((mark for mark in "\t,;" if mark in first), None)
    if separator is None:
        return first.strip().lower() == "path"
    found = find_columns(
        [cell.strip().strip('"') for cell in first.split(separator)], CORPUS_COLUMNS
    )
    return "path" in found or {"id", "text"} <= found.keys()


def _read_list(
    path: Path, case: Case | None, strict: bool, notes: list[str], opened: io.BufferedReader
) -> tuple[dict[str, Transcript], tuple[Fault, ...]] | None:
    gathered = _Gathered(path)
    for line, row in read_table(
        path,
        required=(),
        optional=("path", "start", "end", "id", "text"),
        known=CORPUS_COLUMNS,
        faults=None if strict else gathered.faults.faults,
        notes=notes,
        opened=opened,
    ):
        if "text" not in row:
            return None
        where = f"{shown(path)}:{line}"
        try:
            start = parse_seconds(row.get("start", "") or "0", "start", where)
            end = parse_seconds(row["end"], "end", where) if row.get("end", "").strip() else None
        except CorpusError as error:
            if strict:
                raise
            message = str(error).removeprefix(f"{where}: ")
            gathered.faults.add(line, message, utterance=row.get("id") or None)
            continue
        utterance = row.get("id", "")
        if not utterance and row.get("path", ""):
            utterance = default_id(row["path"], start, end)
        if utterance := clean(utterance):
            gathered.add(utterance, split_words(row["text"], case), line)
        else:
            gathered.faults.add(line, "neither an id nor a path; name the utterance")
    return gathered.found, gathered.faults.sorted()


def read_beside(
    corpus: Corpus, case: Case | None = None, *, notes: list[str] | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read what stands in files beside the recordings of a corpus.

    Parameters
    ----------
    corpus : Corpus
    case : {"upper", "lower"}, optional
    notes : list of str, optional
        Gets a line where there are transcripts without a recording.

    Returns
    -------
    found : dict of str to Transcript
        By utterance id.
    faults : tuple of Fault
    """
    folders: dict[Path, _Folder] = {}
    found: dict[str, Transcript] = {}
    faults: list[Fault] = []
    for utterance in corpus:
        parent = utterance.path.parent
        if parent not in folders:
            folders[parent] = _Folder(parent, case)
        folder = folders[parent]
        said, wrong = folder.said_in(utterance)
        faults += wrong
        if said is not None and not wrong:
            found[utterance.id] = said
    left = [name for folder in folders.values() for name in folder.without_recording()]
    if left and notes is not None:
        named = ", ".join(quoted(name, limit=300) for name in left[:3])
        more = f" and {len(left) - 3:,} more" if len(left) > 3 else ""
        notes.append(f"transcripts without a recording ({len(left):,}): {named}{more}")
    faults += [fault for folder in folders.values() for fault in folder.faults]
    return found, tuple(faults)


class _Folder:
    """Files with transcripts in one folder, by what they are called without their endings."""

    def __init__(self, folder: Path, case: Case | None) -> None:
        self._case = case
        self._files: dict[str, list[Path]] = {}
        self._chapters: dict[str, list[Transcript]] = {}
        self._recordings: set[str] = set()
        self.faults: list[Fault] = []
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names are all that is needed
        except OSError:  # there are no recordings either, and validation says so
            names = []
        for name in names:
            if name.startswith("."):
                continue
            stem, ending = os.path.splitext(name)  # noqa: PTH122 - of every file
            if name.lower().endswith(CHAPTER_SUFFIX):
                self._read_chapter(folder / name)
            elif ending.lower() in TRANSCRIPT_SUFFIXES:
                self._files.setdefault(clean(stem), []).append(folder / name)
            elif has_audio_suffix(name) or has_unreadable_suffix(name):
                self._recordings.add(clean(stem))

    def said_in(self, utterance: Utterance) -> tuple[Transcript | None, list[Fault]]:
        """Return what is said, None where nothing says it, and what is wrong with the files."""
        key = clean(utterance.path.stem)
        self._recordings.add(key)
        files = sorted(
            self._files.get(key, []),
            key=lambda file: TRANSCRIPT_SUFFIXES.index(file.suffix.lower()),
        )
        chapters = self._chapters.get(key, [])
        places = [*files, *(Path(said.path or "") for said in chapters)]
        if len(places) > 1:
            message = f"there is {places[1].name} beside {places[0].name}; keep one"
            return None, [Fault(str(places[0]), None, message, utterance.id)]
        if files:
            return _read_file(files[0], utterance, self._case)
        if not chapters:
            return None, []
        if fault := _part_of_recording(utterance):
            return None, [Fault(chapters[0].path or "", chapters[0].line, fault, utterance.id)]
        return chapters[0], []

    def without_recording(self) -> list[str]:
        """Name transcripts that no recording has."""
        files = [
            str(f) for key, each in self._files.items() if key not in self._recordings for f in each
        ]
        return files + [
            f"{said.path}:{said.line}"
            for key, each in self._chapters.items()
            if key not in self._recordings
            for said in each
        ]

    def _read_chapter(self, path: Path) -> None:
        try:
            found, faults = _read_kaldi(path, self._case)
        except TranscriptError as error:
            found, faults = {}, error.faults
        self.faults += faults
        for name, said in found.items():
            self._chapters.setdefault(clean(name), []).append(said)


def _part_of_recording(utterance: Utterance) -> str | None:
    if utterance.start or utterance.end is not None:
        return f"utterance {quoted(utterance.id)} is part of a recording; list its text"
    return None


def _read_file(
    path: Path, utterance: Utterance, case: Case | None
) -> tuple[Transcript, list[Fault]]:
    faults = FaultList(str(path))
    if fault := _part_of_recording(utterance):
        faults.add(None, fault)
    try:
        lines = list(read_lines(path, faults))
    except FaultyFileError as error:
        faults.faults += error.faults
        lines = []
    words: tuple[str, ...] = ()
    for line, text in lines:
        said = split_words(text, case)
        if fault := _fault_of(said):
            faults.add(line, fault)
        words += said
    named = [Fault(f.path, f.line, f.message, utterance.id) for f in faults.sorted()]
    return Transcript(words, str(path), lines[0][0] if lines else None), named
