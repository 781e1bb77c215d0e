"""Transcripts in the format of Kaldi's ``text``, one utterance per line."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from speakergmm.corpora.conflicts import ByName
from speakergmm.corpora.names import quoted, unescaped_name
from speakergmm.corpora.transcript import Transcript, TranscriptError
from speakergmm.errors import CorpusError, SpeakerGmmError
from speakergmm.text_files import Fault, FaultList, read_lines
from speakergmm.words import Case, split_words, word_fault

T = TypeVar("T")

BLANKS = re.compile("[ \t]+")
"""Separator after the name of an utterance in all files of a Kaldi data directory."""


def read_kaldi_text(
    path: Path, case: Case | None, opened: io.BufferedReader | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read lines ``utterance WORD WORD ...`` from a file, which may be open already.

    Returns
    -------
    transcripts : dict of str to Transcript
        Transcripts by utterance id.
    faults : tuple of Fault

    Raises
    ------
    TranscriptError
        If it cannot be read at all.
    """
    faults = FaultList(str(path), error=TranscriptError)

    def read_words(rest: str, line: int) -> Transcript:
        return checked_words(split_words(rest, case), faults.path, line)

    lines = read_lines(path, faults, opened=opened)
    return read_by_name("utterance", lines, faults, read_words), faults.sorted()


def read_by_name(
    what: str, lines: Iterable[tuple[int, str]], faults: FaultList, read: Callable[[str, int], T]
) -> ByName[T]:
    """Read lines that begin with a name, as in all files of a Kaldi data directory.

    Parameters
    ----------
    what : str
        Kind of the names, for messages.
    lines : iterable of (int, str)
        Numbers and texts of lines, without white space at the ends.
    faults : FaultList
        A fault is added for each line that is left out.
    read : callable
        Called with the text after the name and the number of the line; returns the value, or
        raises an error.

    Returns
    -------
    ByName
        Values by name, in the order of the file.
    """
    found = ByName[T](what)
    for line, text in lines:
        written, *rest = BLANKS.split(text, maxsplit=1)
        name = unescaped_name(written)
        try:
            found.take(name, line)
            found[name] = read(rest[0] if rest else "", line)
        except SpeakerGmmError as error:
            faults.add(line, str(error), utterance=name)
    return found


def checked_words(words: tuple[str, ...], path: str, line: int) -> Transcript:
    """Return the transcript of a line; raise an error if one of the words is not allowed."""
    if fault := fault_of(words):
        raise CorpusError(fault)
    return Transcript(words, path, line)


def fault_of(words: tuple[str, ...]) -> str | None:
    """Return what is wrong with the first word that is not allowed; None if all are allowed."""
    for word in words:
        if not word.isascii() and (fault := word_fault(word)):
            return f"word {quoted(word)} {fault}"
    return None
