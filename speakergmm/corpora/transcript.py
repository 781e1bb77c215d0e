"""Transcripts of utterances, and writing of transcripts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from speakergmm.corpora.names import escaped_name
from speakergmm.errors import CorpusError, InvalidInputError, InvalidTypeError
from speakergmm.files import atomic_text_writer
from speakergmm.ranges import wrong_type
from speakergmm.text_files import Fault, FaultyFileError
from speakergmm.words import clean, split_words


class TranscriptError(FaultyFileError, CorpusError):
    """Files with transcripts have faults."""


@dataclass(frozen=True, slots=True)
class Transcript(Sequence[str]):
    """The words of one utterance, as a sequence.

    Parameters
    ----------
    words : tuple of str
        The words, possibly none; stored as `speakergmm.words.clean` returns them.
    path : str or None
        File from which they were read.
    line : int or None
        Line of the file, from 1.
    """

    words: tuple[str, ...]
    path: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.words, str) or not all(isinstance(word, str) for word in self.words):
            raise InvalidTypeError(
                "words must be separate strings, as in Transcript(('yes', 'no'))"
            )
        object.__setattr__(self, "words", tuple(map(clean, self.words)))

    def __getitem__(self, place: Any) -> Any:
        """Return a word, or the words of a slice."""
        return self.words[place]

    def __len__(self) -> int:
        return len(self.words)

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transcripts(Mapping[str, Transcript]):
    """An immutable mapping of utterance ids to transcripts.

    Parameters
    ----------
    transcripts : mapping of str to Transcript, sequence of str or str
        Transcripts by id; texts are split at white space. Ids are stored as
        `speakergmm.words.clean` returns them.
    source : str
        File or folder from which they were read, or a description of their origin.
    faults : tuple of Fault
        Faults of entries that were left out by reading without ``strict``.
    notes : tuple of str
        Messages about what is correct but unused, such as a transcript without a recording.

    Raises
    ------
    InvalidInputError
        If two ids are spellings of the same id.

    Examples
    --------
    >>> transcripts = Transcripts({"u1": ("yes", "no")})
    >>> transcripts["u1"].words, len(transcripts), list(transcripts.values())[0].line
    (('yes', 'no'), 1, None)
    """

    transcripts: Mapping[str, Transcript]
    source: str = "given"
    faults: tuple[Fault, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not isinstance(self.transcripts, Mapping):
            remedy = ": read_transcripts(path) or Transcripts({id: words})"
            raise wrong_type(self.transcripts, "a mapping of utterances to words", remedy)
        kept: dict[str, Transcript] = {}
        for name, spoken in self.transcripts.items():
            if not isinstance(name, str):
                raise wrong_type(name, "the id of an utterance, a text,")
            if not isinstance(spoken, Iterable):
                raise wrong_type(spoken, "a text or its words", f" for utterance {name!r}")
            if (known := clean(name)) in kept:
                raise InvalidInputError(
                    f"utterance {name!a} occurs twice, in two Unicode spellings; keep one"
                )
            words = split_words(spoken) if isinstance(spoken, str) else spoken
            kept[known] = words if isinstance(words, Transcript) else Transcript(tuple(words))
        object.__setattr__(self, "transcripts", MappingProxyType(kept))
        object.__setattr__(self, "faults", tuple(self.faults))
        object.__setattr__(self, "notes", tuple(self.notes))

    def __reduce__(self) -> tuple[object, ...]:
        return Transcripts, (dict(self.transcripts), self.source, self.faults, self.notes)

    def __getitem__(self, utterance: str) -> Transcript:
        return self.transcripts[clean(utterance)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.transcripts)

    def __len__(self) -> int:
        return len(self.transcripts)

    def __repr__(self) -> str:
        return f"Transcripts({len(self)} utterances, source={self.source!r})"

    @property
    def n_words(self) -> int:
        """Total number of words."""
        return sum(len(transcript) for transcript in self.transcripts.values())

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of ids and words, independent of their order and source."""
        rows = sorted((name, transcript.words) for name, transcript in self.transcripts.items())
        text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def write_transcripts(
    path: str | os.PathLike[str], transcripts: Mapping[str, Iterable[str]]
) -> None:
    """Write transcripts in the format of Kaldi's ``text``, sorted by id; see `transcript_line`."""
    with atomic_text_writer(path) as file:
        for utterance in sorted(transcripts):
            file.write(transcript_line(utterance, transcripts[utterance]) + "\n")


def transcript_line(utterance: str, words: Iterable[str]) -> str:
    """Return a line of Kaldi's ``text``, without its end: an utterance id and the words.

    White space in the id is escaped by `escaped_name`; `read_transcripts` restores it.

    Examples
    --------
    >>> transcript_line("1234 a", ["two"])
    '1234%20a two'
    """
    return " ".join([escaped_name(utterance), *words])
