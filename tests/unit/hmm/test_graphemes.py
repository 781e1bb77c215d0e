import unicodedata

import pytest

from speakergmm.corpora import read_transcripts
from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Lexicon, spell


@pytest.mark.parametrize(
    ("word", "units"),
    [
        ("CAB", "c a b"),
        ("d'accord", "d a c c o r d"),
        ("o\u2019clock", "o c l o c k"),
        ("Rock-n\u2010roll", "r o c k n r o l l"),
        ("\u0430\u0431\u0432", "\u0430 \u0431 \u0432"),  # Cyrillic
        ("\u0439", "\u0439"),  # composed: one letter
        ("\u0645\u0640\u0640\u0627", "\u0645 \u0627"),  # Arabic with a tatweel
        ("\u0645\u064e\u0627", "\u0645\u064e \u0627"),  # a vowel sign stays with its letter
        ("\u064e\u0645", "\u0645"),  # a sign with no letter before it is silent
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "\u0928 \u092e \u0938\u094d \u0924\u0947"),
        ("a\u200db", "a b"),  # a joiner
        ("\u1e69\u0325", None),  # below: whatever form, one unit
    ],
)
def test_words_are_spelled_by_letters(word, units):
    if units is None:
        assert len(spell(word)) == 1
    else:
        assert " ".join(spell(word)) == units
    decomposed = unicodedata.normalize("NFD", word)
    assert spell(decomposed) == spell(unicodedata.normalize("NFC", word))


def test_options():
    assert spell("AbC", fold_case=False) == ("A", "b", "C")
    assert spell("\u0645\u064e\u0627", marks="drop") == ("\u0645", "\u0627")
    assert spell("b2b", digits="keep") == ("b", "2", "b")
    for options in ({"digits": "speak"}, {"marks": "keep"}):
        with pytest.raises(InvalidInputError, match="must be"):
            spell("a", **options)


@pytest.mark.parametrize("word", ["", "--", "42", "b2b", "$", "a+b", "\u064e"])
def test_words_that_cannot_be_spelled(word):
    assert spell(word) is None


def test_lexicon_of_graphemes():
    lexicon = Lexicon.graphemes(["up", "UP", "up", "on"])
    assert lexicon.words == ("UP", "on", "up")
    assert lexicon["UP"] == lexicon["up"]
    assert lexicon.phones == ("n", "o", "p", "u")
    assert Lexicon.graphemes(["b2"], digits="keep").phones == ("2", "b")


def test_all_words_that_cannot_be_spelled_are_named():
    with pytest.raises(InvalidInputError, match=r"no letters to spell '\$', '1984', '2nd': "):
        Lexicon.graphemes(["2nd", "up", "1984", "$"])
    assert Lexicon.graphemes(["2nd", "up"], strict=False).words == ("up",)
    with pytest.raises(InvalidInputError, match="no letters to spell '2nd'"):
        Lexicon.graphemes(["2nd"], strict=False)


def test_graphemes_of_librispeech(data_dir):
    transcripts = read_transcripts(data_dir / "librispeech" / "text")
    lexicon = Lexicon.graphemes({word for words in transcripts.values() for word in words})
    assert lexicon.phones == tuple("abcdefghijklmnopqrstuvwxyz")
    assert lexicon.unknown(transcripts) == {}
