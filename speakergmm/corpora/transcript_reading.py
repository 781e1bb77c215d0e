"""What is said in each utterance of a corpus, and where that is written."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

from speakergmm.corpora.columns import CORPUS_COLUMNS, find_columns
from speakergmm.corpora.conflicts import ByName
from speakergmm.corpora.corpus import Corpus
from speakergmm.corpora.corpus_reading import read_utterances
from speakergmm.corpora.delimited_tables import read_column_names, read_table
from speakergmm.corpora.kaldi_text import checked_words, read_kaldi_text
from speakergmm.corpora.locations import exists, is_file, is_folder
from speakergmm.corpora.names import shown
from speakergmm.corpora.recording_lists import default_id, parse_stretch
from speakergmm.corpora.sidecar_transcripts import read_sidecar_transcripts
from speakergmm.corpora.transcript import Transcript, TranscriptError, Transcripts
from speakergmm.errors import CorpusError
from speakergmm.files import UnreadableFileError
from speakergmm.ranges import refused
from speakergmm.text_files import Fault, FaultList, open_text, reopened
from speakergmm.words import Case, clean, split_words


def read_transcripts(
    source: str | os.PathLike[str] | Corpus,
    *,
    case: Case | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    corpus: Corpus | None = None,
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
    corpus : Corpus, optional
        What the transcripts are for, where that is not `source`. Where they call an utterance as
        its file is called, rather than by its id, they are given to the one that is meant.
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
        raise refused("case", "'upper', 'lower' or None", case)
    meant = source if isinstance(source, Corpus) else corpus
    corpus = source if isinstance(source, Corpus) else None
    listing = None if corpus is None else corpus.listing
    path = Path(source.source if isinstance(source, Corpus) else source)
    if exists(path / "wav.scp") and not exists(path / "text"):
        raise CorpusError(f"{shown(path)} has no file text; transcripts stand there")
    notes: list[str] = []
    listed, told = False, None
    if is_file(path / "text"):
        told = read_kaldi_text(path / "text", case)
    elif not is_folder(path) and (corpus is None or listing or is_file(path)):
        opened, listed = open_listed(path, listing)
        told = (
            _read_list(path, case, notes, opened) if listed else read_kaldi_text(path, case, opened)
        )
    if told is None:
        if corpus is None:  # who speaks does not matter
            corpus = read_utterances(path, data_dir=data_dir, strict=strict, speakers=False)
            notes += corpus.notes
        told = read_sidecar_transcripts(corpus, case, notes=notes)
    found, faults = told
    if strict and faults:
        raise TranscriptError(tuple(faults))
    if not found and not faults:
        names = read_column_names(path, opened=reopened(listing)) if listed else ()
        columns = f"; its columns are {', '.join(names)}" if names else ""
        raise CorpusError(
            f"{shown(path)} has no transcripts: a file text, a column text, LibriSpeech's "
            f".trans.txt, or a .txt or .lab beside each recording is needed{columns}"
        )
    read = Transcripts(found, str(path), tuple(faults), tuple(dict.fromkeys(notes)))
    return read if meant is None else _by_files(read, meant)


def _by_files(read: Transcripts, corpus: Corpus) -> Transcripts:
    """Give what is said of a file to the whole recording that is the only one called so."""
    known = {utterance.id for utterance in corpus}
    called: dict[str, set[str]] = {}
    for utterance in corpus:
        if utterance.id not in read and not utterance.start and utterance.end is None:
            for name in (utterance.path.stem, utterance.path.name):
                called.setdefault(clean(name), set()).add(utterance.id)
    ids = {
        name: next(iter(meant))
        for name, meant in called.items()
        if len(meant) == 1 and name not in known
    }
    if ids.keys().isdisjoint(read) and not any(f.utterance in ids for f in read.faults):
        return read
    found: dict[str, Transcript] = {}
    for name, said in read.items():
        found.setdefault(ids.get(name, name), said)
    faults = [
        replace(fault, utterance=ids.get(fault.utterance or "", fault.utterance))
        for fault in read.faults
    ]
    return Transcripts(found, read.source, tuple(faults), read.notes)


def open_listed(path: Path, listing: bytes | None = None) -> tuple[io.BufferedReader, bool]:
    """Open a file or pipe, and say whether it is a list or, as far as that can be told, a text.

    Parameters
    ----------
    path : Path
    listing : bytes, optional
        What came through it, if it was read already.
    """
    try:
        opened = reopened(listing) or open_text(path)
        return opened, is_corpus_list(path, opened.peek(10_000))
    except UnreadableFileError as error:
        raise TranscriptError((Fault(str(path), None, error.reason),)) from None


def is_corpus_list(path: Path, start: bytes) -> bool:
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
    path: Path, case: Case | None, notes: list[str], opened: io.BufferedReader
) -> tuple[dict[str, Transcript], tuple[Fault, ...]] | None:
    said = ByName[Transcript]("utterance")
    faults = FaultList(str(path), error=TranscriptError)
    for line, row in read_table(
        path,
        required=(),
        optional=("path", "start", "end", "duration", "id", "text"),
        known=CORPUS_COLUMNS,
        faults=faults,
        notes=notes,
        opened=opened,
    ):
        if "text" not in row:
            return None
        utterance = row.get("id", "")
        with faults.of_line(line, utterance or None):
            start, end = parse_stretch(row)
            if not utterance and row.get("path", ""):
                utterance = default_id(row["path"], start, end)
            utterance = clean(utterance)
            with faults.of_line(line, utterance or None):
                if not utterance:
                    raise CorpusError("neither an id nor a path; name the utterance")
                said.take(utterance, line)
                words = split_words(row["text"], case)
                said[utterance] = checked_words(words, faults.path, line)
    return said, faults.sorted()
