"""Laws that lexicons, n-gram models and word errors keep on any input."""

import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.ngram import witten_bell

from speakergmm.hmm import (
    BackoffLanguageModel,
    Lexicon,
    LexiconError,
    Pronunciation,
    spell,
    train_ngram,
)
from speakergmm.hmm.language import symbol_fault
from speakergmm.metrics import word_errors

TOKENS = st.sampled_from(["a", "b", "c", "\u00e9t\u00e9", "-1.5", "d'or"])
SENTENCES = st.lists(st.lists(TOKENS, max_size=6), min_size=1, max_size=8)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    sentences=SENTENCES,
    order=st.integers(1, 4),
    method=st.sampled_from(["witten-bell", "kneser-ney"]),
    history=st.lists(TOKENS, max_size=4),
    begin=st.booleans(),
)
def test_any_history_leaves_probabilities_that_sum_to_one(sentences, order, method, history, begin):
    model = train_ngram(
        sentences,
        order=order,
        method=method,
        vocabulary=["a", "b", "c", "\u00e9t\u00e9", "-1.5", "d'or"],
    )
    history = (["<s>"] if begin else []) + history
    found = [
        10 ** model.log10_probability_of(word, history) for word in (*model.vocabulary, "</s>")
    ]
    assert sum(found) == pytest.approx(1, abs=1e-12)
    assert min(found) > 0


@settings(max_examples=40, deadline=None)
@given(sentences=SENTENCES, history=st.lists(TOKENS, max_size=2), word=TOKENS)
def test_witten_bell_is_its_recursion(sentences, history, word):
    vocabulary = ["a", "b", "c", "\u00e9t\u00e9", "-1.5", "d'or"]
    model = train_ngram(sentences, order=3, vocabulary=vocabulary)
    assert 10 ** model.log10_probability_of(word, history) == pytest.approx(
        witten_bell(sentences, vocabulary, tuple(history), word), rel=1e-12
    )


@settings(max_examples=30, deadline=None)
@given(sentences=SENTENCES, order=st.integers(1, 3), packed=st.booleans())
def test_a_written_model_says_the_same(sentences, order, packed):
    model = train_ngram(sentences, order=order)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lm.arpa.gz" if packed else "lm.arpa")
        model.write_arpa(path, decimals=12)
        again = BackoffLanguageModel.read_arpa(path)
    assert again.vocabulary == model.vocabulary
    for sentence in sentences:
        assert again.log_probability(sentence) == pytest.approx(
            model.log_probability(sentence), abs=1e-10
        )


WORDS = st.one_of(
    st.sampled_from(["f(2)", "(3)", "f(2)(1)", "0.5", "#x", ";;"]),
    st.text(min_size=1, max_size=5).filter(
        lambda word: symbol_fault(word) is None and word != "#" and not word.startswith(";;;")
    ),
)
PHONES = st.lists(
    st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=3).filter(
        lambda phone: symbol_fault(phone) is None
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        WORDS,
        st.dictionaries(
            PHONES.map(tuple), st.floats(1e-9, 1, exclude_min=True), min_size=1, max_size=3
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_a_written_lexicon_reads_back(words, weighted):
    try:
        lexicon = Lexicon.from_dict(
            {
                word: [Pronunciation(p, q if weighted else 1.0) for p, q in ways.items()]
                for word, ways in words.items()
            }
        )
    except ValueError:  # two normal forms of one word
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lexicon.txt")
        lexicon.write(path)
        again = Lexicon.read(path, stress="keep")
    assert again == lexicon


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_lexicon_or_refused_in_one_line(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "lexicon.txt")
        path.write_bytes(raw)
        message = "no error"
        try:
            assert len(Lexicon.read(path)) > 0
        except LexiconError as error:
            message = str(error)
    assert message
    assert message.isprintable()


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=8))
def test_spelling_gives_letters_and_is_stable(word):
    units = spell(word, digits="keep")
    if units is not None:
        assert all(symbol_fault(unit) is None for unit in units)
        assert spell("".join(units), digits="keep") == units


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(SENTENCES)
def test_what_is_repeated_has_no_error_and_what_is_silent_only_deletions(sentences):
    said = {str(place): words for place, words in enumerate(sentences)}
    same = word_errors(said, said)
    assert (same.counts.errors, same.sentence_error_rate) == (0, 0)
    silent = word_errors(said, {})
    assert silent.counts.deletions == silent.counts.n_reference == silent.counts.errors
    assert silent.missing == tuple(sorted(said))
