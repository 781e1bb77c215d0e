"""Texts that commands read: transcripts of any kind, and plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from speakergmm.errors import CorpusError

Case = Literal["upper", "lower"]
CaseOption = Annotated[
    Literal["asis", "upper", "lower"], typer.Option(help="Letter case to bring words to.")
]


def case_of(option: Literal["asis", "upper", "lower"]) -> Case | None:
    """Return the letter case that an option asks for, None for words as they are."""
    return None if option == "asis" else option


def read_words(path: Path, case: Case | None) -> dict[str, tuple[str, ...]]:
    """Read the words of each utterance: CTM, JSON of `decode`, or what `read_transcripts` reads."""
    if path.suffix.lower() == ".ctm":
        from speakergmm.recognition.ctm import read_ctm

        found = {name: [item.label for item in items] for name, items in read_ctm(path).items()}
        return {name: _spoken(words, case) for name, words in found.items()}
    if (recognised := _read_decoded(path)) is not None:
        return {name: _spoken(words, case) for name, words in recognised.items()}
    from speakergmm.corpora.transcripts import read_transcripts

    return {name: said.words for name, said in read_transcripts(path, case=case).items()}


def _spoken(labels: Sequence[str], case: Case | None) -> tuple[str, ...]:
    """Give the words of labels; one that was trained as a word may hold several of a text."""
    return tuple(_cased([word for label in labels for word in label.split()], case))


def _read_decoded(path: Path) -> dict[str, Sequence[str]] | None:
    """Read the best hypotheses of a JSON file that ``decode`` wrote; None where it is no JSON."""
    import json

    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            begins = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if path.suffix.lower() != ".json" and begins != b"{":
            return None
        document = json.loads(path.read_bytes())
        found: dict[str, Sequence[str]] = {}
        twice: str | None = None
        for utterance in document["utterances"]:
            name = str(utterance["utterance"])
            twice = twice or (name if name in found else None)
            # Without a hypothesis nothing was recognised.
            found[name] = [
                str(word) for best in utterance["hypotheses"][:1] for word in best["words"]
            ]
    except OSError:
        return None  # the reader of texts says why
    except (LookupError, TypeError, ValueError, RecursionError):  # ValueError: no JSON, no UTF-8
        raise CorpusError(
            f"{path}: is no JSON of decode; give what decode --output wrote (.json, .ctm or text)"
        ) from None
    if twice is not None:
        raise CorpusError(f"{path}: utterance {twice!r} stands twice; keep one")
    return found


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
