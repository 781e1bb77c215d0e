"""Transcripts whose graphs are compiled when they are needed, in the process that needs them.

A graph takes a hundred times the bytes of its transcript, and a tenth of the time that one pass
over the utterance takes. Transcripts therefore travel to workers and stay in memory; each process
keeps as many graphs as a bound allows, and compiles the others again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.unit_edges import (
    HasPronunciations,
    UnknownWordError,
    transcript_edges,
)
from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
from speakergmm.records import digest as digest_of

# Bytes of the graphs that a process keeps: some 500 of a quarter of a minute each.
_MOST_BYTES = 64_000_000


class Way(NamedTuple):
    """A pronunciation, as it travels: without the checks of a lexicon."""

    phones: tuple[str, ...]
    probability: float


@dataclass(frozen=True, slots=True, eq=False)
class TranscriptTexts:
    """Transcripts with the pronunciations of their words, for graphs that are compiled when needed.

    `TranscriptTexts.of` makes them; `train_phone_models` takes them in place of graphs.

    Parameters
    ----------
    transcripts : sequence of tuple of str
        The words of each utterance.
    pronunciations : mapping of str to tuple
        Pronunciations of these words.
    silences : mapping
        Options of silence, as `transcript_edges` takes them.
    owner : str
        Digest of the lexicon and the options of all transcripts, of which these may be a part.
    """

    transcripts: Sequence[tuple[str, ...]]
    pronunciations: Mapping[str, tuple[Way, ...]] = field(repr=False)
    silences: Mapping[str, Any]
    owner: str

    @classmethod
    def of(
        cls, transcripts: Sequence[Sequence[str]], lexicon: HasPronunciations, **silences: Any
    ) -> Self:
        """Look up the pronunciations of transcripts.

        Parameters
        ----------
        transcripts : sequence of sequence of str
            The words of each utterance.
        lexicon : mapping of str to sequence of pronunciations
            Pronunciations of each word, with probabilities.
        **silences
            Options of silence, as `transcript_edges` takes them.

        Raises
        ------
        InvalidInputError
            If a transcript is empty, a probability out of its range, or a pronunciation has no
            unit.
        UnknownWordError
            If a word has no pronunciation.

        Examples
        --------
        >>> from speakergmm.hmm import Lexicon
        >>> lexicon = Lexicon.from_dict({"a": ["AH", "EY"], "bee": ["B IY"]})
        >>> len(TranscriptTexts.of([["a", "bee"], ["bee"]], lexicon, silence=None))
        2
        """
        said = [tuple(words) for words in transcripts]
        found: dict[str, tuple[Way, ...]] = {}
        for words in said:
            if not words:
                raise InvalidInputError("the transcript is empty; it needs a word")
            for word in words:
                if word not in found:
                    if word not in lexicon:
                        raise UnknownWordError(f"the word {word!r} is not in the lexicon")
                    ways = lexicon[word]
                    found[word] = tuple(Way(tuple(way.phones), way.probability) for way in ways)
                    transcript_edges([word], found, **silences)
        return cls(said, found, silences, digest_of(found, silences))

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.transcripts)

    @property
    def units(self) -> set[str]:
        """Names of the units of all pronunciations and silences."""
        words = {
            unit for ways in self.pronunciations.values() for way in ways for unit in way.phones
        }
        silent = {self.silences.get("silence", "SIL"), self.silences.get("short_pause")}
        return words | {unit for unit in silent if unit is not None}

    def part(self, start: int, stop: int) -> TranscriptTexts:
        """Return the transcripts of some utterances, with the pronunciations of their words."""
        said = self.transcripts[start:stop]
        words = dict.fromkeys(word for each in said for word in each)
        found = {word: self.pronunciations[word] for word in words}
        return TranscriptTexts(said, found, self.silences, self.owner)

    def compiled(self, place: int, models: PhoneModels) -> UtteranceGraph:
        """Compile the graph of one utterance, or return the one that this process has kept."""
        words = self.transcripts[place]
        return _kept.get(
            (self.owner, models.structure_digest),
            words,
            lambda: compile_transcript(words, self.pronunciations, models, **self.silences),
        )


class _KeptGraphs:
    """Graphs of this process by their words, up to a number of bytes; those of one owner at a time.

    Passes over a corpus ask for all graphs in turn. What was asked for first therefore stays: were
    it to make room for the latest, the next pass would find none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: object = None
        self._graphs: dict[tuple[str, ...], UtteranceGraph] = {}
        self.n_bytes = 0

    def get(
        self, owner: object, words: tuple[str, ...], compile_graph: Callable[[], UtteranceGraph]
    ) -> UtteranceGraph:
        """Return the graph of a transcript."""
        with self._lock:
            if owner != self._owner:
                self._owner, self._graphs, self.n_bytes = owner, {}, 0
            found = self._graphs.get(words)
        if found is None:
            found = compile_graph()
            with self._lock:
                n_bytes = self.n_bytes + found.nbytes
                if owner == self._owner and words not in self._graphs and n_bytes <= _MOST_BYTES:
                    self._graphs[words], self.n_bytes = found, n_bytes
        return found


_kept = _KeptGraphs()
