"""Texts that commands read: transcripts of any kind, and plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from speakergmm.cli.output import print_note
from speakergmm.errors import CorpusError
from speakergmm.files import kind_of
from speakergmm.words import Case, clean, split_words, word_fault

CaseOption = Annotated[
    Literal["asis", "upper", "lower"], typer.Option(help="Letter case to bring words to.")
]

ByOption = Annotated[
    Literal["utterance", "recording"],
    typer.Option(
        help="What a CTM names: utterances, with times from where each begins, or recordings, with "
        "times from their beginning, as sclite wants. TextGrids are of the same, those of "
        "recordings with tiers for each speaker."
    ),
]


def case_of(option: Literal["asis", "upper", "lower"]) -> Case | None:
    """Return the letter case that an option asks for, None for words as they are."""
    return None if option == "asis" else option


def read_words(path: Path, case: Case | None) -> dict[str, tuple[str, ...]]:
    """Read the words of each utterance: CTM, JSON of `decode`, or what `read_transcripts` reads."""
    if path.suffix.lower() == ".ctm":
        from speakergmm.recognition.ctm import read_ctm

        found = {name: [item.label for item in items] for name, items in read_ctm(path).items()}
    elif _is_json(path):
        found = _read_decoded(path)
    else:
        from speakergmm.corpora.transcripts import read_transcripts

        read = read_transcripts(path, case=case)
        for note in read.notes:
            print_note(f"warning: {note}")
        return {name: said.words for name, said in read.items()}
    # A label that was trained as a word may hold several of a text.
    return {
        name: tuple(word for label in labels for word in split_words(label, case))
        for name, labels in found.items()
    }


def _is_json(path: Path) -> bool:
    """Tell JSON by its name or its first character; of a pipe only by the name."""
    if path.suffix.lower() == ".json":
        return True
    if kind_of(path) != "file":
        return False
    from speakergmm.text_files import open_text

    with open_text(path) as file:
        return file.peek(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def _read_decoded(path: Path) -> dict[str, list[str]]:
    """Read the best hypotheses of a JSON file that ``decode`` wrote."""
    from speakergmm.documents import DocumentError, read_json

    try:
        document = read_json(path)
        listed = [(utterance["utterance"], utterance) for utterance in document["utterances"]]
        # Without a hypothesis nothing was recognised.
        said = [
            (name, [word for best in utterance["hypotheses"][:1] for word in best["words"]])
            for name, utterance in listed
        ]
    except (LookupError, TypeError, DocumentError) as error:
        why = f" ({error})" if isinstance(error, DocumentError) else ""
        raise CorpusError(
            f"{path}: is no JSON of decode{why}; give what decode --output wrote (.json, .ctm or "
            "text)"
        ) from None
    found: dict[str, list[str]] = {}
    for name, words in said:
        for what in (name, *words):
            if not isinstance(what, str) or any(map(word_fault, split_words(what))):
                raise CorpusError(
                    f"{path}: utterance {str(name)[:60]!r} has {str(what)[:60]!r} where a word or "
                    "its name should stand"
                )
        if clean(name) in found:
            raise CorpusError(f"{path}: utterance {name!r} stands twice; keep one")
        found[clean(name)] = words
    return found


def read_sentences(path: Path, ids: bool, case: Case | None) -> list[Sequence[str]]:
    """Read sentences, one a line, or the transcripts of utterances."""
    from speakergmm.text_files import FaultList, FaultyFileError, read_lines

    if ids or path.is_dir() or path.suffix.lower() in (".csv", ".tsv"):
        return list(read_words(path, case).values())
    faults = FaultList(str(path))
    sentences: list[Sequence[str]] = []
    for line, text in read_lines(path, faults):
        sentences.append(split_words(text, case))
        for word in sentences[-1]:
            if fault := word_fault(word):
                faults.add(line, f"word {word!r} {fault}")
    faults.refuse(FaultyFileError)
    return sentences
