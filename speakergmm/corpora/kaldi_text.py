"""Transcripts as Kaldi's ``text`` has them, an utterance a line."""

from __future__ import annotations

import io
import re
from pathlib import Path

from speakergmm.corpora.names import quoted, unescaped_name
from speakergmm.corpora.refusals import ByName
from speakergmm.corpora.transcript import Transcript, TranscriptError
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault, FaultList, read_lines
from speakergmm.words import Case, split_words, word_fault

BLANKS = re.compile("[ \t]+")
"""What ends an utterance's name, as in the other files of a Kaldi data directory."""


def read_kaldi_text(
    path: Path, case: Case | None, opened: io.BufferedReader | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read ``utterance WORD WORD ...``, of a file that may be open already.

    Raises
    ------
    TranscriptError
        If it can't be read at all.
    """
    said = ByName[Transcript]("utterance")
    faults = FaultList(str(path), error=TranscriptError)
    for line, text in read_lines(path, faults, opened=opened):
        utterance, *rest = BLANKS.split(text, maxsplit=1)
        words = split_words(rest[0] if rest else "", case)
        take_words(said, unescaped_name(utterance), words, line, faults)
    return said, faults.sorted()


def take_words(
    said: ByName[Transcript], name: str, words: tuple[str, ...], line: int, faults: FaultList
) -> None:
    """Take what a line says of an utterance, or note what is wrong with it."""
    with faults.of_line(line, name):
        said.take(name, line)
        if fault := fault_of(words):
            raise CorpusError(fault)
        said[name] = Transcript(words, faults.path, line)


def fault_of(words: tuple[str, ...]) -> str | None:
    """Say what is wrong with the first word that can't be one; None where all can."""
    for word in words:
        if not word.isascii() and (fault := word_fault(word)):
            return f"word {quoted(word)} {fault}"
    return None
