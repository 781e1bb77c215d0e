"""A word is the same string, whichever reader it comes from."""

import json
import math
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from speakergmm.cli.transcript_inputs import read_sentences, read_word_sequences
from speakergmm.corpora import Corpus, Transcripts, Utterance, read_transcripts
from speakergmm.hmm import BackoffLanguageModel, Lexicon, train_ngram
from speakergmm.metrics import TimedLabel, word_errors
from speakergmm.recognition import read_ctm, read_textgrid, write_textgrid
from speakergmm.words import fold, split_words

PERSIAN = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
WORDS = st.text(
    st.one_of(
        st.characters(categories=["L", "M"]),
        st.sampled_from("\u00ad\u200c\u200d\u200e\u2060\ufeff\u0301\u0308\u0130\u00df"),
    ),
    min_size=1,
    max_size=8,
)
EXAMPLES = ("caf\u00e9", "cafe\u0301", "co\u00adop", PERSIAN, "\ufeffyes", "\u1e9e", "I\u0307")


def from_text(folder, word, case):
    (folder / "text").write_text(f"u1 {word}\n", encoding="utf-8")
    return read_transcripts(folder / "text", case=case)["u1"].words


def from_list(folder, word, case):
    (folder / "list.tsv").write_text(f"path\ttext\na.wav\t{word}\n", encoding="utf-8")
    return read_transcripts(folder / "list.tsv", case=case)["a.wav"].words


def from_file_beside(folder, word, case):
    (folder / "a.txt").write_text(word, encoding="utf-8")
    corpus = Corpus((Utterance("u1", folder / "a.wav", None),), source="given")
    return read_transcripts(corpus, case=case)["u1"].words


def from_ctm(folder, word, case):
    (folder / "a.ctm").write_text(f"\ufeffu1 1 0.0 0.5 {word}\n", encoding="utf-8")
    read = read_ctm(folder / "a.ctm")["u1"][0].label
    (said,) = read_word_sequences(folder / "a.ctm", case)["u1"]
    assert said == fold(read, case)
    return (said,)


def from_json(folder, word, case):
    document = {"utterances": [{"utterance": "u1", "hypotheses": [{"words": [word]}]}]}
    (folder / "a.json").write_text(json.dumps(document))
    return read_word_sequences(folder / "a.json", case)["u1"]


def from_textgrid(folder, word, case):
    write_textgrid(folder / "a.TextGrid", {"words": [TimedLabel(0, 1, word)]}, duration=1)
    return (fold(read_textgrid(folder / "a.TextGrid")["words"][0].label, case),)


def from_lexicon(folder, word, case):
    (folder / "lexicon").write_text(f"{word} A\n", encoding="utf-8")
    return tuple(Lexicon.read(folder / "lexicon", case=case))


def from_dictionary(folder, word, case):
    return tuple(Lexicon.from_dict({word: "A"}).folded(case))


def from_sentences(folder, word, case):
    (folder / "sentences").write_text(f"{word}\n", encoding="utf-8")
    return tuple(read_sentences(folder / "sentences", False, case)[0])


def from_transcripts(folder, word, case):
    return tuple(fold(w, case) for w in Transcripts({"u1": (word,)})["u1"])


def from_language_model(folder, word, case):
    path = folder / "lm.arpa"
    path.write_text(
        "\\data\\\nngram 1=3\n\n\\1-grams:\n-99\t<s>\n-0.3\t</s>\n-0.3\t" + word + "\n\n\\end\\\n",
        encoding="utf-8",
    )
    given = {("<s>",): (-math.inf, 0.0), ("</s>",): (-0.3, 0.0), (word,): (-0.3, 0.0)}
    read = BackoffLanguageModel.read_arpa(path)
    assert read.vocabulary == BackoffLanguageModel((given,)).vocabulary
    assert math.isfinite(read.log_probability([word]))
    assert train_ngram([[word]]).vocabulary == read.vocabulary
    return tuple(fold(w, case) for w in read.vocabulary)


READERS = [value for name, value in list(globals().items()) if name.startswith("from_")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("words")


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@pytest.mark.parametrize("word", EXAMPLES, ids=ascii)
def test_examples_are_one_word_in_every_reader(folder, read, word):
    for case in (None, "upper", "lower"):
        assert read(folder, word, case) == (fold(word, case),)
        assert read(folder, unicodedata.normalize("NFD", word), case) == (fold(word, case),)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(WORDS, st.sampled_from([None, "upper", "lower"]))
@example("\u0399\u0308\u0301", "lower")
def test_any_word_is_one_word_in_every_reader(folder, word, case):
    assume(len(split_words(word)) == 1)
    assume(word not in ("path", "id", "text"))
    expected = split_words(word, case)
    assert {read.__name__: read(folder, word, case) for read in READERS} == {
        read.__name__: expected for read in READERS
    }


@given(WORDS)
def test_the_same_word_is_no_error_and_is_looked_up(word):
    assume(len(split_words(word)) == 1)
    typed = unicodedata.normalize("NFD", word)
    assert word_errors({"u\u00e9": [word]}, {"ue\u0301": [typed]}).counts.errors == 0
    lexicon = Lexicon.from_dict({typed: "A"})
    assert word in lexicon
    assert lexicon[word] == lexicon[typed]
    assert not lexicon.unknown([[word, typed]])
    # Capitals of one word are capitals of the other.
    assert word_errors({"u": [word.upper()]}, {"u": [typed]}, case="upper").counts.errors == 0
