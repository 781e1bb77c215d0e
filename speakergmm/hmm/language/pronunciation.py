"""Pronunciations, and the symbols that words and phones may be."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.words import clean, word_fault

RESERVED = frozenset({"<eps>", "<s>", "</s>"})
"""Symbols of graphs and language models, which are not allowed as words or phones."""


VARIANT = re.compile(r"(.+)\([0-9]+\)$")
"""A word followed by the number of its pronunciation, as in CMUdict."""


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """A pronunciation of a word.

    Parameters
    ----------
    phones : tuple of str
        The phones, at least one; stored as `speakergmm.words.clean` returns them.
    probability : float, default=1.0
        Probability, above 0 and at most 1. Those of a word need not sum to one: see
        `Lexicon.normalised`.

    Raises
    ------
    InvalidInputError
        If there is no phone, or the probability is out of its range.
    """

    phones: tuple[str, ...]
    probability: float = 1.0

    def __post_init__(self) -> None:
        phones = tuple(map(clean, self.phones))
        object.__setattr__(self, "phones", phones)
        if not self.phones:
            raise InvalidInputError("a pronunciation has no phones; it must have at least one")
        for phone in self.phones:
            if fault := symbol_fault(phone):
                raise InvalidInputError(f"phone {phone!r} {fault}")
        if not 0 < self.probability <= 1:
            raise InvalidInputError(
                f"probability {self.probability:g} of the pronunciation {' '.join(self.phones)}: "
                "must be above 0 and at most 1"
            )

    def __str__(self) -> str:
        return " ".join(self.phones)


def most_probable(
    ways: Iterable[tuple[tuple[str, ...], float]],
) -> tuple[Pronunciation, ...]:
    """Return the pronunciations of a word; of several with the same phones, the most probable."""
    kept: dict[tuple[str, ...], float] = {}
    for phones, probability in ways:
        kept[phones] = max(probability, kept.get(phones, 0.0))
    return tuple(Pronunciation(phones, probability) for phones, probability in kept.items())


def symbol_fault(symbol: str) -> str | None:
    """Return the reason why a symbol is not allowed as a word or phone; None if it is allowed.

    Examples
    --------
    >>> symbol_fault("</s>")
    'is a symbol of graphs and language models; choose another name'
    >>> symbol_fault("d'accord") is None
    True
    """
    if fault := word_fault(symbol):
        return fault
    if symbol in RESERVED or (symbol[0] == "#" and symbol[1:].isdigit()):
        return "is a symbol of graphs and language models; choose another name"
    return None
