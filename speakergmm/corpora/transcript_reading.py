"""Reading of transcripts from Kaldi data directories, lists and sidecar files."""

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
    r"""Read the transcripts of a corpus.

    A Kaldi data directory contains the file ``text`` with lines ``utterance WORD WORD ...``, in
    which white space in ids is escaped (see `escaped_name`); such a file may be given by itself. A
    CSV or TSV list has a column ``text`` (or ``sentence``, ``transcript``, ``word``) beside
    ``path`` or ``id``. Otherwise the transcript of a recording is in a file of the same name with
    the suffix ``.txt`` or ``.lab``, or in a ``.trans.txt`` for all recordings in a folder, as in
    LibriSpeech. Words are separated by white space, and do not depend on how they were typed (see
    `speakergmm.words`).

    Parameters
    ----------
    source : path or Corpus
        Place of the transcripts; for a corpus, the place from which it was read.
    case : {"upper", "lower"}, optional
        Letter case to which words are converted; by default they are not changed.
    data_dir : path, optional
        Folder to which paths in a list are relative, as in `read_corpus`.
    corpus : Corpus, optional
        Corpus of the utterances, if it is not `source`. A transcript under the name of a file is
        assigned to the utterance of that file.
    strict : bool, default=True
        Raise an error if a file has faults. Otherwise utterances with faults are left out, and the
        result lists the faults.

    Returns
    -------
    Transcripts
        Transcripts, some of which may be empty; utterances without a transcript are not included.

    Raises
    ------
    TranscriptError
        With all faults and their lines: repeated utterances, control characters, bytes that are
        not UTF-8, or both a ``.txt`` and a ``.lab`` file for a recording.
    CorpusError
        If there are no transcripts at all.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = Path(folder, "text")
    ...     _ = text.write_text("u1 OPEN THE DOOR\nu2 CLOSE IT\n")
    ...     transcripts = read_transcripts(text, case="lower")
    >>> transcripts["u2"].words
    ('close', 'it')
    """
    if case not in ("upper", "lower", None):
        raise refused("case", "'upper', 'lower' or None", case)
    target = source if isinstance(source, Corpus) else corpus
    corpus = source if isinstance(source, Corpus) else None
    listing = None if corpus is None else corpus.listing
    path = Path(source.source if isinstance(source, Corpus) else source)
    if exists(path / "wav.scp") and not exists(path / "text"):
        raise CorpusError(f"{shown(path)} has no file text, which contains the transcripts")
    notes: list[str] = []
    listed, found_here = False, None
    if is_file(path / "text"):
        found_here = read_kaldi_text(path / "text", case)
    elif not is_folder(path) and (corpus is None or listing or is_file(path)):
        opened, listed = open_listed(path, listing)
        found_here = (
            _read_list(path, case, notes, opened) if listed else read_kaldi_text(path, case, opened)
        )
    if found_here is None:
        if corpus is None:  # speakers are not needed
            corpus = read_utterances(path, data_dir=data_dir, strict=strict, speakers=False)
            notes += corpus.notes
        found_here = read_sidecar_transcripts(corpus, case, notes=notes)
    found, faults = found_here
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
    return read if target is None else _by_files(read, target)


def _by_files(read: Transcripts, corpus: Corpus) -> Transcripts:
    """Rename transcripts with the name of a file to the utterance that is the whole recording."""
    # Utterances without a transcript that are whole recordings, by the names of their files.
    known = {utterance.id for utterance in corpus}
    called: dict[str, set[str]] = {}
    for utterance in corpus:
        if utterance.id not in read and not utterance.start and utterance.end is None:
            for name in (utterance.path.stem, utterance.path.name):
                called.setdefault(clean(name), set()).add(utterance.id)
    # Only names of a single recording, which are not ids themselves, are unambiguous.
    ids = {
        name: next(iter(meant))
        for name, meant in called.items()
        if len(meant) == 1 and name not in known
    }
    if ids.keys().isdisjoint(read) and not any(f.utterance in ids for f in read.faults):
        return read
    found: dict[str, Transcript] = {}
    for name, transcript in read.items():
        found.setdefault(ids.get(name, name), transcript)
    faults = [
        replace(fault, utterance=ids.get(fault.utterance or "", fault.utterance))
        for fault in read.faults
    ]
    return Transcripts(found, read.source, tuple(faults), read.notes)


def open_listed(path: Path, listing: bytes | None = None) -> tuple[io.BufferedReader, bool]:
    """Open a file or pipe, and return whether it seems to be a list rather than a Kaldi text.

    Parameters
    ----------
    path : Path
    listing : bytes, optional
        Its content, if it has been read already.
    """
    try:
        opened = reopened(listing) or open_text(path)
        return opened, is_corpus_list(path, opened.peek(10_000))
    except UnreadableFileError as error:
        raise TranscriptError((Fault(str(path), None, error.reason),)) from None


def is_corpus_list(path: Path, start: bytes) -> bool:
    """Return whether a file is a list, by its suffix or the columns in its first line."""
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
    """Read the transcripts of a list; return None if it has no column of texts."""
    transcripts = ByName[Transcript]("utterance")
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
                transcripts.take(utterance, line)
                words = split_words(row["text"], case)
                transcripts[utterance] = checked_words(words, faults.path, line)
    return transcripts, faults.sorted()
