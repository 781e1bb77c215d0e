"""Grapheme lexicons: the letters of a word in place of its phones."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any, Literal

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.language.pronunciation import Pronunciation, symbol_fault
from speakergmm.ranges import choice
from speakergmm.words import clean, fold

_TATWEEL = "\u0640"
# Letters by their category that are mere decoration, or written in place of an apostrophe.
_SILENT_LETTERS = {_TATWEEL, "\u02bc", "\u02bb", "\u02b9"}
# Punctuation, separators, and format characters such as joiners and direction marks.
_SILENT_CATEGORIES = ("P", "Z", "Cf")


def spell_words(
    words: Iterable[str], *, strict: bool = True, **options: Any
) -> dict[str, tuple[Pronunciation, ...]]:
    """Return the pronunciation of each word that can be spelled; see `Lexicon.graphemes`."""
    spelled: dict[str, tuple[Pronunciation, ...]] = {}
    refused: list[str] = []
    for word in sorted(set(map(clean, words))):
        units = spell(word, **options)
        if units is None or symbol_fault(word):
            refused.append(word)
        else:
            spelled[word] = (Pronunciation(units),)
    if refused and (strict or not spelled):
        named = ", ".join(map(repr, refused[:20]))
        more = f" (and {len(refused) - 20} more)" if len(refused) > 20 else ""
        raise InvalidInputError(
            f"no letters to spell {named}{more}: words must be letters and marks; write numbers "
            "and signs as words"
        )
    return spelled


def spell(
    word: str,
    *,
    digits: Literal["refuse", "keep"] = "refuse",
    marks: Literal["attach", "drop"] = "attach",
    fold_case: bool = True,
) -> tuple[str, ...] | None:
    """Return the letters of a word; None if it has none, or a character that cannot be spelled.

    Parameters
    ----------
    word : str
        The word.
    digits, marks, fold_case
        As `Lexicon.graphemes` takes them.

    Examples
    --------
    >>> spell("x-ray"), spell("7up"), spell("7up", digits="keep")
    (('x', 'r', 'a', 'y'), None, ('7', 'u', 'p'))
    """
    choice("digits", digits, ("refuse", "keep"))
    choice("marks", marks, ("attach", "drop"))
    units: list[str] = []
    text = fold(word, "lower" if fold_case else None)
    for character in text:
        category = unicodedata.category(character)
        if character in _SILENT_LETTERS or category.startswith(_SILENT_CATEGORIES):
            continue
        if category.startswith("M"):
            # A mark without a preceding letter is silent.
            if marks == "attach" and units:
                units[-1] += character
        elif category.startswith("L") or (category.startswith("N") and digits == "keep"):
            units.append(character)
        else:
            return None
    return tuple(units) or None
