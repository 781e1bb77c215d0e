import itertools
import math

import kaldifst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    BackoffLanguageModel,
    Grammar,
    Lexicon,
    PhoneModels,
    Topology,
    train_ngram,
    word_graph,
)
from speakergmm.hmm.decoding import make_transducer
from speakergmm.hmm.language import GrammarArc, GrammarState

WORDS = ("a", "b", "c", "d")
SENTENCES = [
    ["a", "b", "c"],
    ["a", "b", "d", "a", "b"],
    ["c", "c", "a"],
    ["d"],
    ["b", "a", "b", "c", "d", "a"],
    [],
]
sentences = st.lists(st.sampled_from(WORDS), max_size=7)


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def model(request):
    return train_ngram(SENTENCES, order=request.param, method="witten-bell")


def test_interpolated_models_are_kept_exactly(model):
    grammar = Grammar.ngram(model)

    @given(sentences)
    def check(sentence):
        expected = model.log_probability(sentence)
        own_way = sum(
            next_word(grammar, sentence[:place], word)
            for place, word in enumerate([*sentence, None])
        )
        assert own_way == pytest.approx(expected, abs=1e-9)
        best = grammar.score(sentence)
        if model.order <= 2:
            assert best == pytest.approx(expected, abs=1e-9)
        else:  # a path may gain by forgetting
            assert best >= expected - 1e-9

    check()


def test_probability_mass_is_one(model):
    """From each history, words, the end, and what backing off adds sum to one in the model."""
    short = [list(s) for n in range(3) for s in itertools.product(WORDS, repeat=n)]
    grammar = Grammar.ngram(model)
    for history in short:
        # P(word | history) as a difference of prefix scores: ends cancel in none of them.
        total = sum(math.exp(next_word(grammar, history, word)) for word in (*WORDS, None))
        assert total == pytest.approx(1.0, abs=1e-6)


def next_word(grammar, history, word):
    """Log-probability of one word (None: the end) along the best way of a history."""
    state = 0
    for said in history:
        _, state = follow(grammar, state, said)
    return follow(grammar, state, word)[0]


def follow(grammar, state, word):
    total = 0.0
    while True:
        here = grammar.states[state]
        if word is None and here.end > -math.inf:
            return total + here.end, None
        for arc in here.arcs:
            if arc.word == word:
                return total + arc.log_probability, arc.target
        total += here.backoff_log_probability
        state = here.backoff


def test_a_grammar_in_a_graph_gives_the_same_probabilities(model):
    """Through trees, look-ahead and back-off arcs: composed with a sentence as OpenFst does it."""
    lexicon = Lexicon.from_dict({"a": ["X"], "b": ["X Y"], "c": ["X Y X"], "d": ["Y"]})
    topology = Topology.left_right(1)
    models = PhoneModels.flat({"X": topology, "Y": topology}, mean=[0.0], variance=[1.0])
    graph = word_graph(models, lexicon, language_model=model, silence=None)
    fst = graph.prepared(make_transducer)
    exit_log_probability = math.log(0.25)
    rng = np.random.default_rng(0)
    for _ in range(30):
        said = rng.choice(WORDS, size=rng.integers(0, 6)).tolist()
        acceptor = kaldifst.make_linear_acceptor([graph.words.index(word) + 1 for word in said])
        kaldifst.arcsort(fst, sort_type="olabel")
        both = kaldifst.compose(fst, acceptor)
        best = kaldifst.shortest_path(both)
        _, _, outputs, weight = kaldifst.get_linear_symbol_sequence(best)
        assert [graph.words[label - 1] for label in outputs] == said
        phones = sum(len(lexicon[word][0].phones) for word in said)
        expected = graph.grammar.score(said) + phones * exit_log_probability
        assert -weight.value == pytest.approx(expected, abs=1e-4)


def ten(probability):
    return math.log10(probability)


def handmade(*, explicit):
    """A bigram model where backing off to b after a is worth 0.5 * 0.4."""
    return BackoffLanguageModel(
        (
            {
                ("<s>",): (-math.inf, ten(0.5)),
                ("a",): (ten(0.4), ten(0.5)),
                ("b",): (ten(0.4), ten(0.9)),
                ("</s>",): (ten(0.2), 0.0),
            },
            {("a", "b"): (ten(explicit), 0.0), ("<s>", "a"): (ten(0.7), 0.0)},
        )
    )


def test_the_best_way_may_be_the_shorter_history():
    likely = Grammar.ngram(handmade(explicit=0.3))
    assert likely.score(["a", "b"]) == pytest.approx(math.log(0.7 * 0.3 * 0.9 * 0.2))
    unlikely = Grammar.ngram(handmade(explicit=0.1))
    assert unlikely.score(["a", "b"]) == pytest.approx(math.log(0.7 * 0.5 * 0.4 * 0.9 * 0.2))


def test_a_history_without_followers_pays_its_way_back():
    grammar = Grammar.ngram(handmade(explicit=0.3))
    assert grammar.score(["b"]) == pytest.approx(math.log(0.5 * 0.4 * 0.9 * 0.2))


def test_backing_off_over_a_history_that_is_none():
    """After "a b" anything but "c" costs a weight, though "b" alone is no history of anything."""
    model = BackoffLanguageModel(
        (
            {
                ("<s>",): (-math.inf, 0.0),
                **{(word,): (ten(0.2), 0.0) for word in ("a", "b", "c", "d", "</s>")},
            },
            {("<s>", "a"): (ten(0.2), 0.0), ("a", "b"): (ten(0.9), ten(0.5))},
            {("a", "b", "c"): (ten(0.6), 0.0)},
        )
    )
    grammar = Grammar.ngram(model)
    assert len(grammar.states) == 4  # <s>, a, a b, and no history
    for sentence, probability in (
        (["a", "b", "d"], 0.2**3 * 0.45),
        (["a", "b", "c"], 0.54 * 0.2**2),
    ):
        assert model.log_probability(sentence) == pytest.approx(math.log(probability))
        assert grammar.score(sentence) == pytest.approx(math.log(probability))


def test_words_without_pronunciation_are_left_out_and_named():
    model = train_ngram(SENTENCES, order=3)
    grammar = Grammar.ngram(model, known=["a", "b", "zebra"])
    assert grammar.words == ("a", "b")
    assert grammar.omitted == ("c", "d")
    assert grammar.score(["a", "b"]) == pytest.approx(model.log_probability(["a", "b"]))
    assert grammar.score(["a", "c"]) == -math.inf
    with pytest.raises(InvalidInputError, match="no word of the language model"):
        Grammar.ngram(model, known=["zebra"])


def test_loops_and_lists():
    loop = Grammar.loop(["x", "y"])
    assert loop.score([]) == pytest.approx(math.log(1 / 3))
    assert loop.score(["x", "x"]) == pytest.approx(3 * math.log(1 / 3))
    once = Grammar.isolated(["x", "y"])
    assert once.score(["y"]) == pytest.approx(math.log(0.5))
    assert once.score([]) == once.score(["x", "y"]) == -math.inf
    weighted = Grammar.isolated({"x": 3.0, "y": 1.0, "z": 0.0})
    assert weighted.score(["x"]) == pytest.approx(math.log(0.75))
    assert weighted.words == ("x", "y")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grammar.loop([]), "no word to recognise"),
        (lambda: Grammar.loop(["x", "x"]), "the word x is listed twice"),
        (lambda: Grammar.loop(["x", ""]), "empty string, found ''"),
        (lambda: Grammar.isolated({"x": -1.0, "y": 2.0}), "finite and >= 0"),
        (lambda: Grammar.isolated({"x": 0.0}), "some above 0"),
        (lambda: Grammar(()), "needs a state"),
        (lambda: Grammar((GrammarState((GrammarArc("x", 0.0, 3),)),)), "leads to 3; there are 1"),
    ],
)
def test_what_a_grammar_refuses(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()
