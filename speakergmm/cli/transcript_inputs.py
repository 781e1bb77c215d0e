"""Texts that commands read: transcripts in any format, and plain sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from speakergmm import audio, corpora, recognition
from speakergmm.cli.printing import print_warnings
from speakergmm.errors import CorpusError
from speakergmm.files import kind_of
from speakergmm.words import Case, clean, split_words, word_fault


def letter_case(option: Literal["asis", "upper", "lower"]) -> Case | None:
    """Return the letter case that an option requests; None if words remain unchanged."""
    return None if option == "asis" else option


_CTM_LINE = re.compile(rb"\S+\s+\S+\s+\d*\.\d+\s+\d*\.\d+\s+\S+(\s+[\d.eE+-]+)?\s*$")


def read_word_sequences(path: Path, case: Case | None) -> dict[str, tuple[str, ...]]:
    """Read the words of each utterance: CTM, JSON of `decode`, or what `read_transcripts` reads."""
    from speakergmm.text_files import pipe_content, reopened

    content = pipe_content(path)
    start = _start(path) if content is None else content[:4096]
    if path.suffix.lower() == ".ctm" or _is_ctm(start):
        read = recognition.read_ctm(path, opened=reopened(content))
        found = {name: [item.label for item in items] for name, items in read.items()}
    elif path.suffix.lower() == ".json" or start.lstrip()[:1] == b"{":
        found = _read_decoded(path, content)
    else:
        return _read_transcripts(path, case, content)
    # One label of whole-word models may consist of several words of a text.
    return {
        name: tuple(word for label in labels for word in split_words(label, case))
        for name, labels in found.items()
    }


def _read_transcripts(
    path: Path, case: Case | None, content: bytes | None
) -> dict[str, tuple[str, ...]]:

    # A pipe cannot be read twice.
    source = path if content is None else corpora.Corpus((), str(path), listing=content)
    read = corpora.read_transcripts(source, case=case)
    print_warnings(read.notes)
    return {name: transcript.words for name, transcript in read.items()}


def is_recording_list(path: Path) -> bool:
    """Return whether a file is a list of recordings, which may come through a pipe."""
    from speakergmm.corpora import is_corpus_list

    if kind_of(path) == "pipe":
        return True
    return not audio.has_audio_suffix(path.name) and is_corpus_list(path, _start(path))


def _start(path: Path) -> bytes:
    """Return the first bytes of a text file; empty for anything else."""
    from speakergmm.text_files import open_text

    if kind_of(path) != "file":
        return b""
    with open_text(path) as file:
        return file.peek(4096).removeprefix(b"\xef\xbb\xbf")


def _is_ctm(start: bytes) -> bool:
    """Return whether a text is a CTM, by its first line: its times have decimals."""
    lines = (line for line in start.splitlines() if line.strip() and not line.startswith(b";;"))
    return _CTM_LINE.match(next(lines, b"")) is not None


def _read_decoded(path: Path, content: bytes | None) -> dict[str, list[str]]:
    """Read the best hypotheses of a JSON file that ``decode`` wrote."""
    from speakergmm.documents import DocumentError, parse_json, read_json

    try:
        document = read_json(path) if content is None else parse_json(content)
        listed = [(utterance["utterance"], utterance) for utterance in document["utterances"]]
        # An utterance without hypotheses has no words.
        said = [
            (name, [word for best in utterance["hypotheses"][:1] for word in best["words"]])
            for name, utterance in listed
        ]
    except (LookupError, TypeError, DocumentError) as error:
        why = f" ({error})" if isinstance(error, DocumentError) else ""
        raise CorpusError(
            f"{path}: is not a JSON file of decode{why}; give an output of decode (.json, .ctm or "
            "text)"
        ) from None
    found: dict[str, list[str]] = {}
    for name, words in said:
        for what in (name, *words):
            if not isinstance(what, str) or any(map(word_fault, split_words(what))):
                raise CorpusError(
                    f"{path}: utterance {str(name)[:60]!r} has {str(what)[:60]!r} in place of a "
                    "word or a name"
                )
        if clean(name) in found:
            raise CorpusError(f"{path}: utterance {name!r} is listed twice; keep one")
        found[clean(name)] = words
    return found


def read_sentences(path: Path, ids: bool, case: Case | None) -> list[Sequence[str]]:
    """Read sentences, one per line, or the transcripts of utterances."""
    from speakergmm.corpora import is_corpus_list
    from speakergmm.text_files import (
        FaultList,
        FaultyFileError,
        pipe_content,
        read_lines,
        reopened,
    )

    if ids or path.is_dir():
        return list(read_word_sequences(path, case).values())
    content = pipe_content(path)
    if is_corpus_list(path, _start(path) if content is None else content[:4096]):
        return list(_read_transcripts(path, case, content).values())
    faults = FaultList(str(path))
    sentences: list[Sequence[str]] = []
    for line, text in read_lines(path, faults, opened=reopened(content)):
        sentences.append(split_words(text, case))
        for word in sentences[-1]:
            if fault := word_fault(word):
                faults.add(line, f"word {word!r} {fault}")
    faults.refuse(FaultyFileError)
    return sentences
