"""Transcripts as edges between null nodes: pronunciations, optional silences and pauses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number


class HasPhones(Protocol):
    """A pronunciation of a word."""

    @property
    def phones(self) -> Sequence[str]:
        """Units of the pronunciation, in order."""

    @property
    def probability(self) -> float:
        """Probability of the pronunciation among those of the word."""


class HasPronunciations(Protocol):
    """A lexicon, or a dictionary."""

    def __contains__(self, word: object, /) -> bool: ...

    def __getitem__(self, word: str, /) -> Sequence[HasPhones]: ...

    def __iter__(self) -> Iterator[str]: ...


class UnknownWordError(InvalidInputError):
    """A word is not in the lexicon."""


@dataclass(frozen=True, slots=True)
class UnitEdge:
    """An edge between two null nodes of a graph of units.

    Parameters
    ----------
    source, target : int
        Nodes, numbered so that ``source < target``.
    unit : str or None
        Unit that is spoken; None for an edge that takes no frame.
    log_prob : float
        Natural logarithm of the probability of the edge.
    word, pronunciation, position : int
        See `UnitInstance`.
    pdfs : tuple of int, optional
        Pdfs of the states of the unit in its context; by default those that it has in any.
    """

    source: int
    target: int
    unit: str | None
    log_prob: float = 0.0
    word: int | None = None
    pronunciation: int = 0
    position: int = 0
    pdfs: tuple[int, ...] | None = None


def transcript_edges(
    words: Sequence[str],
    lexicon: HasPronunciations,
    *,
    silence: str | None = "SIL",
    silence_probability: float = 0.5,
    edge_silence_probability: float | None = None,
    short_pause: str | None = None,
) -> list[UnitEdge]:
    """List the edges of a transcript: all pronunciations, with optional silence around each word.

    Parameters
    ----------
    words : sequence of str
        The words spoken.
    lexicon : mapping of str to sequence of pronunciations
        Pronunciations of each word, with probabilities.
    silence : str or None, default="SIL"
        Unit of silence; None for no silence.
    silence_probability : float, default=0.5
        Probability of silence between two words, from 0 to 1.
    edge_silence_probability : float, optional
        Probability of silence before the first word and after the last one; by default
        `silence_probability`.
    short_pause : str, optional
        Unit that follows every word but the last, in place of optional silence between words:
        HTK's ``sp``, a tee model.

    Returns
    -------
    list of UnitEdge

    Raises
    ------
    InvalidInputError
        If there is no word, a probability is out of its range, or a pronunciation has no unit.
    UnknownWordError
        If a word has no pronunciation.
    """
    if not words:
        raise InvalidInputError("the transcript is empty; it needs a word")
    at_edges = silence_probability if edge_silence_probability is None else edge_silence_probability
    for probability in (silence_probability, at_edges):
        number("a probability of silence", probability, least=0, most=1)
    edges: list[UnitEdge] = []
    # Silence, all pronunciations of a word, a pause, and so on: each part begins at the node where
    # the one before it ends.
    node = _add_silence(edges, 0, silence, at_edges)
    for place, word in enumerate(words):
        node = _add_word(edges, node, place, word, lexicon)
        if place == len(words) - 1:
            _add_silence(edges, node, silence, at_edges)
        elif short_pause is not None:
            edges.append(UnitEdge(node, node + 1, short_pause))
            node += 1
        else:
            node = _add_silence(edges, node, silence, silence_probability)
    return edges


def _add_silence(edges: list[UnitEdge], node: int, silence: str | None, probability: float) -> int:
    """Add optional silence after a node, and return the node after it."""
    if silence is None or probability == 0:
        return node
    edges.append(UnitEdge(node, node + 1, silence, float(np.log(probability))))
    if probability < 1:
        edges.append(UnitEdge(node, node + 1, None, float(np.log1p(-probability))))
    return node + 1


def _add_word(
    edges: list[UnitEdge], node: int, place: int, word: str, lexicon: HasPronunciations
) -> int:
    """Add all pronunciations of a word after a node, and return the node where they meet.

    Raises
    ------
    InvalidInputError
        If a pronunciation has no unit, or its probability is out of range.
    UnknownWordError
        If the word has no pronunciation.
    """
    # A lexicon is not a dictionary, and has no get.
    pronunciations = lexicon[word] if word in lexicon else ()  # noqa: SIM401
    if not pronunciations:
        raise UnknownWordError(f"the word {word!r} is not in the lexicon")
    if not all(way.phones and 0 < way.probability <= 1 for way in pronunciations):
        raise InvalidInputError(
            f"a pronunciation of {word!r} needs phones, and a probability above 0, at most 1"
        )
    # The nodes between the phones of all pronunciations come before the node where these meet.
    target = node + 1 + sum(len(way.phones) - 1 for way in pronunciations)
    inner = node + 1
    for which, way in enumerate(pronunciations):
        at = node
        for position, unit in enumerate(way.phones):
            onwards = target if position == len(way.phones) - 1 else inner
            # The first phone bears the probability of the pronunciation.
            log_prob = float(np.log(way.probability)) if position == 0 else 0.0
            edges.append(UnitEdge(at, onwards, unit, log_prob, place, which, position))
            at, inner = onwards, inner + (onwards == inner)
    return target
