import itertools
import math
import os
import subprocess
import sys

import pytest
from oracles.ngram import discounts_of_order, kneser_ney, witten_bell

from speakergmm.corpora import read_transcripts
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm import BackoffLanguageModel, train_ngram
from speakergmm.hmm.language import continuation_counts, count_ngrams, kneser_ney_discounts

TEXT = [
    line.split()
    for line in (
        "the cat sat on the mat",
        "the dog sat on the cat",
        "a cat and a dog",
        "the dog and the cat ran",
        "ran the dog",
        "",
        "on the mat sat a cat",
        "the cat the cat the cat",
    )
]
WORDS = sorted({word for words in TEXT for word in words})


def histories(model):
    """All histories of all lengths below the order, seen or not (a sample of those unseen)."""
    return [
        history
        for length in range(model.order)
        for history in itertools.product(("<s>", *WORDS[:4], "never"), repeat=length)
        if "<s>" not in history[1:]
    ]


@pytest.mark.parametrize("method", ["witten-bell", "kneser-ney"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_sum_to_one_after_every_history(method, order):
    model = train_ngram(TEXT, order=order, method=method, vocabulary=[*WORDS, "never", "seen"])
    for history in histories(model):
        total = sum(
            10 ** model.log10_probability_of(word, history) for word in (*model.vocabulary, "</s>")
        )
        assert total == pytest.approx(1, abs=1e-12), history
    assert model.log10_probability_of("<s>", ()) == -math.inf


@pytest.mark.parametrize("order", [1, 2, 3])
def test_witten_bell_is_its_formula(order):
    vocabulary = [*WORDS, "never"]
    model = train_ngram(TEXT, order=order, vocabulary=vocabulary)
    for history in histories(model):
        for word in ("cat", "on", "never", "</s>"):
            expected = witten_bell(TEXT, vocabulary, history, word)
            found = 10 ** model.log10_probability_of(word, history)
            assert found == pytest.approx(expected, rel=1e-12)


def counts_of_counts_text():
    """A text with n-grams of every size seen once, twice, three and four times."""
    sentences = []
    for times, word in enumerate("abcd", start=1):
        for variant in "wxyz":
            sentences += [[variant + word, word, "m", word]] * times
            sentences += [["n" + variant, word, variant + word + "q"]] * times
    return [*sentences, *TEXT]


@pytest.mark.slow
@pytest.mark.parametrize("order", [1, 2, 3])
def test_modified_kneser_ney_is_its_formula(order):
    text = counts_of_counts_text()
    vocabulary = [*sorted({word for words in text for word in words}), "never"]
    discounts = [discounts_of_order(text, order=order, size=n + 1) for n in range(order)]
    counts = continuation_counts(count_ngrams(text, order=order))
    for group, expected in zip(counts, discounts, strict=True):
        found = kneser_ney_discounts(group)
        if found.rule == "modified":
            assert [found.one, found.two, found.more] == pytest.approx(expected, rel=1e-12)
    used = [[found.one, found.two, found.more] for found in map(kneser_ney_discounts, counts)]
    model = train_ngram(text, order=order, method="kneser-ney", vocabulary=vocabulary)
    for history in [(), ("<s>",), ("cat",), ("m",), ("wa", "a"), ("<s>", "the"), ("never", "the")]:
        if len(history) >= order:
            continue
        for word in ("cat", "m", "a", "never", "</s>"):
            expected = kneser_ney(text, vocabulary, history, word, order=order, discounts=used)
            found = 10 ** model.log10_probability_of(word, history)
            assert found == pytest.approx(expected, rel=1e-12)


def test_modified_discounts_are_found_where_counts_allow():
    rules = {
        kneser_ney_discounts(group).rule
        for group in continuation_counts(count_ngrams(counts_of_counts_text(), order=2))
    }
    assert "modified" in rules


def test_discounts_of_known_counts_of_counts():
    # Ten n-grams seen once, four twice, three three times, two four times: Y = 10 / 18.
    counts = [1] * 10 + [2] * 4 + [3] * 3 + [4] * 2
    found = kneser_ney_discounts({(str(i),): count for i, count in enumerate(counts)})
    assert found.rule == "modified"
    assert [found.one, found.two, found.more] == pytest.approx(
        [1 - 2 * (5 / 9) * 0.4, 2 - 3 * (5 / 9) * 0.75, 3 - 4 * (5 / 9) * 2 / 3], rel=1e-14
    )


@pytest.mark.parametrize(
    ("counts", "rule", "discount"),
    [([1, 1, 2], "absolute", 0.5), ([1, 1], "fixed", 0.5), ([5], "fixed", 0.5)],
)
def test_discounts_fall_back_where_counts_of_counts_are_missing(counts, rule, discount):
    found = kneser_ney_discounts({(str(i),): count for i, count in enumerate(counts)})
    assert (found.rule, found.one, found.more) == (rule, discount, discount)


@pytest.mark.parametrize("method", ["witten-bell", "kneser-ney"])
def test_words_without_count_share_the_uniform_part(method):
    model = train_ngram(TEXT, method=method, vocabulary=[*WORDS, "never", "seen"])
    never, seen = (model.log10_probability_of(word, ["the"]) for word in ("never", "seen"))
    assert never == seen
    assert -math.inf < never < model.log10_probability_of("cat", ["the"])


def test_an_unknown_word_stands_for_all_others():
    model = train_ngram(TEXT, vocabulary=["the", "cat"], unknown_word="<unk>")
    assert model.unknown_word == "<unk>"
    assert model.vocabulary == ("cat", "the")
    as_unknown = [[w if w in ("the", "cat") else "<unk>" for w in words] for words in TEXT]
    same = train_ngram(as_unknown, vocabulary=["the", "cat", "<unk>"])
    assert model.ngrams == same.ngrams
    assert model.log_probability(["the", "dog"]) == model.log_probability(["the", "zebra"])
    measured = model.perplexity([["the", "zebra"], ["cat"]])
    assert (measured.n_words, measured.n_unknown) == (3, 1)


def test_order_of_sentences_and_words_does_not_matter():
    model, other = train_ngram(TEXT, order=3), train_ngram(TEXT[::-1], order=3)
    assert model.digest == other.digest


@pytest.mark.slow
@pytest.mark.parametrize("method", ["witten-bell", "kneser-ney"])
def test_the_order_of_words_is_that_of_any_process(method):
    program = (
        "from speakergmm.hmm import train_ngram; "
        "model = train_ngram(['a b'], vocabulary='a b c d e f g h i j'.split(), "
        f"method={method!r}); print([list(order) for order in model.ngrams])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    }  # fmt: skip
    assert len(said) == 1
    assert "('j',)" in said.pop()


def test_a_text_is_split_at_white_space():
    assert train_ngram(["a  b", "c"]).ngrams == train_ngram([["a", "b"], ["c"]]).ngrams


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "order must be a whole number >= 1, found 0"),
        ({"method": "katz"}, "method must be one of witten-bell, kneser-ney, found 'katz'"),
        ({"vocabulary": ["the"]}, r"outside the vocabulary: a \(3\), and \(2\)"),
        ({"vocabulary": [*WORDS, "</s>"]}, "'</s>' is a symbol"),
        ({"vocabulary": [*WORDS, "two words"]}, "'two words' contains white space"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(InvalidInputError, match=message):
        train_ngram(TEXT, **options)


def test_no_sentence_is_refused():
    with pytest.raises(InsufficientDataError, match="no sentence"):
        train_ngram([])


def test_the_librispeech_bigram_byte_for_byte(data_dir, tmp_path):
    given = data_dir / "librispeech_asr" / "word_2gram.arpa"
    transcripts = read_transcripts(data_dir / "librispeech" / "text")
    train = {path.stem for path in (data_dir / "librispeech" / "train-clean-100").iterdir()}
    model = train_ngram(
        [words for name, words in transcripts.items() if name in train],
        vocabulary=BackoffLanguageModel.read_arpa(given).vocabulary,
    )
    model.write_arpa(tmp_path / "lm.arpa")
    # The first line is blank in the one, a checksum in the other.
    (first, *lines), (blank, *expected) = (
        path.read_bytes().splitlines(keepends=True) for path in (tmp_path / "lm.arpa", given)
    )
    assert lines == expected
    assert (first[:9], blank) == (b"# SHA-256", b"\n")


@pytest.mark.parametrize(
    ("method", "order", "bound"), [("witten-bell", 2, 789.5), ("kneser-ney", 3, 570)]
)
def test_perplexity_on_librispeech(data_dir, method, order, bound):
    transcripts = read_transcripts(data_dir / "librispeech" / "text")
    test = {path.stem for path in (data_dir / "librispeech" / "test-other").iterdir()}
    model = train_ngram(
        [words for name, words in transcripts.items() if name not in test],
        order=order,
        method=method,
        vocabulary={word for words in transcripts.values() for word in words},
    )
    measured = model.perplexity([transcripts[name] for name in sorted(test)])
    assert measured.n_unknown == 0
    assert measured.perplexity < bound
