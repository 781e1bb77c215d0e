"""Properties of words as they are taken in."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from speakergmm.words import clean, fold, split_words, word_fault

CASES = st.sampled_from(["upper", "lower", None])
# Letters, marks and what is invisible, more often than chance would have them side by side.
CHARACTERS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(
        "\u00ad\u200b\u200c\u200d\u200e\u2060\ufeff \u0301\u0308\u0307\u0345\u0345\u0323"
        "\u0399\u03c5\u03a3I\u0130\u0131\u00df\u1e9e\u1f80\ufb03"
    ),
)
TEXTS = st.text(CHARACTERS, max_size=12)


@given(TEXTS, CASES)
def test_what_was_taken_in_is_taken_in_unchanged(text, case):
    once = fold(text, case)
    assert fold(once, case) == once
    assert unicodedata.is_normalized("NFC", once)
    words = split_words(text, case)
    assert split_words(" ".join(words), case) == words
    assert tuple(fold(word, case) for word in words) == words


@given(TEXTS, CASES)
def test_normal_forms_are_one_word(text, case):
    words = split_words(text, case)
    assert split_words(unicodedata.normalize("NFD", text), case) == words
    assert split_words(unicodedata.normalize("NFC", text), case) == words
    assert split_words(clean(text), case) == words


@given(TEXTS, CASES)
def test_words_are_whole_or_hold_what_is_told(text, case):
    for word in split_words(text, case):
        fault = word_fault(word)
        assert fault is None or fault.startswith("contains the character U+")
