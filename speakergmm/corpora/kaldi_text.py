"""Transcripts as Kaldi's ``text`` has them, an utterance a line."""

from __future__ import annotations

import io
import re
from pathlib import Path

from speakergmm.corpora.names import quoted, unescaped_name
from speakergmm.corpora.transcript import Transcript, TranscriptError
from speakergmm.text_files import Fault, FaultList, FaultyFileError, read_lines
from speakergmm.words import Case, split_words, word_fault

_BLANKS = re.compile("[ \t]+")
"""What ends an utterance's name, as in the other files of a Kaldi data directory."""


class GatheredTranscripts:
    """Transcripts and faults of one file; an utterance that stands twice is left out whole."""

    def __init__(self, path: Path) -> None:
        self.found: dict[str, Transcript] = {}
        self.faults = FaultList(str(path))
        self._first: dict[str, int] = {}

    def add(self, utterance: str, words: tuple[str, ...], line: int) -> None:
        """Take what a line says, or note what is wrong with it."""
        first = self._first.setdefault(utterance, line)
        if first != line:
            message = f"utterance {quoted(utterance)} stands on line {first} too; keep one"
            self.faults.add(line, message, utterance=utterance)
            self.found.pop(utterance, None)
        elif fault := fault_of(words):
            self.faults.add(line, fault, utterance=utterance)
        else:
            self.found[utterance] = Transcript(words, self.faults.path, line)


def read_kaldi_text(
    path: Path, case: Case | None, opened: io.BufferedReader | None = None
) -> tuple[dict[str, Transcript], tuple[Fault, ...]]:
    """Read ``utterance WORD WORD ...``, of a file that may be open already.

    Raises
    ------
    TranscriptError
        If it can't be read at all.
    """
    gathered = GatheredTranscripts(path)
    try:
        for line, text in read_lines(path, gathered.faults, opened=opened):
            utterance, *rest = _BLANKS.split(text, maxsplit=1)
            words = split_words(rest[0] if rest else "", case)
            gathered.add(unescaped_name(utterance), words, line)
    except FaultyFileError as error:
        raise TranscriptError(error.faults) from error
    return gathered.found, gathered.faults.sorted()


def fault_of(words: tuple[str, ...]) -> str | None:
    """Say what is wrong with the first word that can't be one; None where all can."""
    for word in words:
        if not word.isascii() and (fault := word_fault(word)):
            return f"word {quoted(word)} {fault}"
    return None
