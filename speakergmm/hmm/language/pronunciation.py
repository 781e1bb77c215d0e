"""Pronunciations, and what words and phones may be called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.words import clean, word_fault

RESERVED = frozenset({"<eps>", "<s>", "</s>"})
"""Symbols of graphs and language models, which neither words nor phones may be called."""


VARIANT = re.compile(r"(.+)\([0-9]+\)$")
"""A word with the number of its pronunciation behind it, as CMUdict has it."""


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """One way to say a word.

    Parameters
    ----------
    phones : tuple of str
        At least one; kept as `speakergmm.words.clean` has them.
    probability : float, default=1.0
        Above 0 and at most 1. Those of a word need not sum to one: see `Lexicon.normalised`.

    Raises
    ------
    InvalidInputError
        If there is no phone, or the probability lies outside.
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
    """Return the pronunciations of a word; of those with the same phones the most probable."""
    kept: dict[tuple[str, ...], float] = {}
    for phones, probability in ways:
        kept[phones] = max(probability, kept.get(phones, 0.0))
    return tuple(Pronunciation(phones, probability) for phones, probability in kept.items())


def symbol_fault(symbol: str) -> str | None:
    """Say why a word or phone can't be called so; None where it can.

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
