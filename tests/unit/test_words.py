"""A word is one string, however it was typed."""

import unicodedata

import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.words import clean, fold, split_words, word_fault, words_of

PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"  # mi-khaham, with a non-joiner
SINHALA = "\u0dc1\u0dca\u200d\u0dbb\u0dd3"  # sri, with a joiner
MALAYALAM = "\u0d05\u0d35\u0d28\u0d4d\u200d"  # avan: the joiner at the end makes the chillu

REMOVED = "\u00ad\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\u061c"


@pytest.mark.parametrize("word", [PERSIAN, SINHALA, MALAYALAM, "d'accord", "x\u2013y", "\u0e01"])
def test_spelling_is_kept(word: str) -> None:
    assert clean(word) == word
    assert split_words(f" {word}\t{word} ") == (word, word)
    assert word_fault(word) is None


@pytest.mark.parametrize("mark", REMOVED)
def test_what_is_invisible_and_says_nothing_is_removed(mark: str) -> None:
    for text in (f"hel{mark}lo", f"{mark}hello", f"hello{mark}", f"{mark}{mark}hello"):
        assert clean(text) == "hello"
    # The accent meets its letter again.
    assert clean(f"cafe{mark}\u0301") == "caf\u00e9"


def test_the_zero_width_space_separates_words() -> None:
    khmer = "\u1781\u17d2\u1789\u17bb\u17c6", "\u1791\u17c5"
    assert split_words("\u200b".join(khmer)) == khmer
    assert split_words("\u200b \u200bone\u200b\u200b \u200btwo\u200b") == ("one", "two")
    assert clean("\u200bone\u200b") == "one"
    assert word_fault("one\u200btwo") == (
        "contains a zero width space (U+200B); it must be one word"
    )


def test_joiners_that_join_nothing_are_removed() -> None:
    assert clean("\u200chello \u200d\u200cyou\u200c") == "hello you"
    assert split_words("\u200c \u200d\u200b\u200c") == ()
    # The joiner at the end of a Malayalam word is spelling; a non-joiner behind it isn't.
    assert clean(MALAYALAM + "\u200c") == MALAYALAM


@pytest.mark.parametrize(
    ("typed", "case", "same"),
    [
        ("\u0390", "upper", "\u0399\u0308\u0301"),  # Greek iota with dialytika and tonos
        ("\u0399\u0308\u0301", "lower", "\u0390"),
        ("\u03aa\u0301", "lower", "\u0390"),
        ("\u03b0", "upper", "\u03ab\u0301"),
        ("\u039f\u0394\u039f\u03a3", "lower", "\u03bf\u03b4\u03bf\u03c2"),  # final sigma
        ("\u0130STANBUL", "lower", "istanbul"),
        ("I\u0307STANBUL", "lower", "istanbul"),
        ("i\u0307stanbul", "lower", "istanbul"),  # as other programs make it of the capital
        ("\u0131sparta", "upper", "ISPARTA"),
        ("Stra\u00dfe", "upper", "STRASSE"),
        ("STRA\u1e9eE", "upper", "STRASSE"),
        ("STRA\u1e9eE", "lower", "stra\u00dfe"),
        ("\u1e9e", "lower", "\u00df"),
        ("J\u030cA", "lower", "\u01f0a"),  # no capital has one character here
        ("\u01f0a", "upper", "J\u030cA"),
    ],
)
def test_case_is_changed_and_normalised_again(typed: str, case: str, same: str) -> None:
    folded = fold(typed, case)  # type: ignore[arg-type]
    assert folded == unicodedata.normalize("NFC", same)
    assert fold(folded, case) == folded  # type: ignore[arg-type]
    assert split_words(f"{typed} {typed}", case) == (folded, folded)  # type: ignore[arg-type]


def test_there_are_two_letter_cases() -> None:
    for bring in (fold, split_words, words_of):
        with pytest.raises(
            InvalidInputError, match="case must be 'upper', 'lower' or None, found 'Upper'"
        ):
            bring("yes", "Upper")  # type: ignore[operator]


@pytest.mark.parametrize("bad", ["\x07", "\x85", "\ud800", "\ufffe", "\U0010ffff", "\ufdd0"])
def test_what_is_no_character_is_a_fault(bad: str) -> None:
    assert word_fault(f"a{bad}b") == f"contains the character U+{ord(bad):04X}; remove it"


def test_white_space_is_a_fault() -> None:
    for white in (" ", "\u00a0", "\u3000", "\u2028"):
        assert word_fault(f"a{white}b") == "contains white space; it must be one word"
    assert word_fault("") == "is empty; it must have at least one character"
