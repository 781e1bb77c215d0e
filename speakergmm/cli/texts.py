"""Texts that commands read: transcripts of any kind, and plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

Case = Literal["upper", "lower"]
CaseOption = Annotated[Case | None, typer.Option(help="Letter case to bring all words to.")]


def read_words(path: Path, case: Case | None) -> dict[str, tuple[str, ...]]:
    """Read the words of each utterance: a CTM file, or what `read_transcripts` reads."""
    if path.suffix.lower() == ".ctm":
        from speakergmm.recognition.ctm import read_ctm

        found = {name: [item.label for item in items] for name, items in read_ctm(path).items()}
        return {name: tuple(_cased(words, case)) for name, words in found.items()}
    from speakergmm.corpora.transcripts import read_transcripts

    return {name: said.words for name, said in read_transcripts(path, case=case).items()}


def read_sentences(path: Path, ids: bool, case: Case | None) -> list[Sequence[str]]:
    """Read sentences, one a line, or the transcripts of utterances."""
    from speakergmm.text_files import FaultList, FaultyFileError, read_lines

    if ids or path.is_dir() or path.suffix.lower() in (".csv", ".tsv"):
        return list(read_words(path, case).values())
    faults = FaultList(str(path))
    sentences = [_cased(text.split(), case) for _, text in read_lines(path, faults)]
    faults.refuse(FaultyFileError)
    return sentences


def _cased(words: Sequence[str], case: Case | None) -> Sequence[str]:
    if case is None:
        return words
    return [word.upper() if case == "upper" else word.lower() for word in words]
