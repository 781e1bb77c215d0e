"""Transcripts as Kaldi's ``text`` has them, an utterance a line."""

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
"""What ends an utterance's name, as in the other files of a Kaldi data directory."""


def read_kaldi_text(
    path: Path, case: Case | None, opened: io.BufferedReader | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read ``utterance WORD WORD ...``, of a file that may be open already.

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
    """Read lines that begin with a name, as those of all files of a Kaldi data directory do.

    Parameters
    ----------
    what : str
        What the names are of, for messages.
    lines : iterable of (int, str)
        Numbers and lines, without white space at their ends.
    faults : FaultList
        Gets what is wrong; such a line is left out.
    read : callable
        Takes what stands behind the name, and the number; raises what is wrong with it.

    Returns
    -------
    ByName
        In the order of the file.
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
    """Return what a line says; refuse words that cannot be any."""
    if fault := fault_of(words):
        raise CorpusError(fault)
    return Transcript(words, path, line)


def fault_of(words: tuple[str, ...]) -> str | None:
    """Say what is wrong with the first word that cannot be one; None where all can."""
    for word in words:
        if not word.isascii() and (fault := word_fault(word)):
            return f"word {quoted(word)} {fault}"
    return None
