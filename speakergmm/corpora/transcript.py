"""The words of utterances, and how they are written."""

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
    """Files that hold transcripts have faults."""


@dataclass(frozen=True, slots=True)
class Transcript(Sequence[str]):
    """The words of one utterance, a sequence of them.

    Parameters
    ----------
    words : tuple of str
        May be empty. Kept as `speakergmm.words.clean` has them.
    path : str or None
        The file they stand in.
    line : int or None
        The line, from 1.
    """

    words: tuple[str, ...]
    path: str | None = None
    line: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.words, str) or not all(isinstance(word, str) for word in self.words):
            raise InvalidTypeError("words are given one by one, as in Transcript(('yes', 'no'))")
        object.__setattr__(self, "words", tuple(map(clean, self.words)))

    def __getitem__(self, place: Any) -> Any:
        """Return a word, or of a slice the words."""
        return self.words[place]

    def __len__(self) -> int:
        return len(self.words)

    def __str__(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Transcripts(Mapping[str, Transcript]):
    """Transcripts by utterance id; immutable.

    Parameters
    ----------
    transcripts : mapping of str to Transcript, sequence of str or str
        A text is split at white space. Ids are kept as `speakergmm.words.clean` has them.
    source : str
        The file or folder they were read from, or a word on how they were made.
    faults : tuple of Fault
        What was passed over in reading without ``strict``.
    notes : tuple of str
        What is not wrong, but said nothing, such as a transcript without a recording.

    Raises
    ------
    InvalidInputError
        If two ids are one, written in two ways.

    Examples
    --------
    >>> said = Transcripts({"u1": ("yes", "no")})
    >>> said["u1"].words, len(said), list(said.values())[0].line
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
        for name, given in self.transcripts.items():
            if not isinstance(name, str):
                raise wrong_type(name, "the id of an utterance, a text,")
            if not isinstance(given, Iterable):
                raise wrong_type(given, "a text or its words", f" for utterance {name!r}")
            if (known := clean(name)) in kept:
                raise InvalidInputError(
                    f"utterance {name!a} stands twice, in two Unicode spellings; keep one"
                )
            words = split_words(given) if isinstance(given, str) else given
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
        """Words of all utterances."""
        return sum(len(transcript) for transcript in self.transcripts.values())

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of ids and words, whatever their order and place."""
        rows = sorted((name, said.words) for name, said in self.transcripts.items())
        text = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def write_transcripts(
    path: str | os.PathLike[str], transcripts: Mapping[str, Iterable[str]]
) -> None:
    """Write transcripts as Kaldi's ``text``, sorted by utterance; see `transcript_line`."""
    with atomic_text_writer(path) as file:
        for utterance in sorted(transcripts):
            file.write(transcript_line(utterance, transcripts[utterance]) + "\n")


def transcript_line(utterance: str, words: Iterable[str]) -> str:
    """Return a line of Kaldi's ``text``, without its end: an utterance and its words.

    White space in the utterance's name is written as `escaped_name` does, and `read_transcripts`
    reads it back.

    Examples
    --------
    >>> transcript_line("1234 a", ["two"])
    '1234%20a two'
    """
    return " ".join([escaped_name(utterance), *words])
