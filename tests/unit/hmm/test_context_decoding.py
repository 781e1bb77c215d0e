"""Decoding graphs of phones in context against the graphs of all transcripts."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from oracles.context_models import UNITS, models_in_context

from speakergmm.hmm import (
    DecodingOptions,
    Grammar,
    Lexicon,
    NoPathError,
    Pronunciation,
    build_decoding_graph,
    compile_transcript,
    decode,
    phone_graph,
    train_ngram,
    viterbi,
    word_graph,
)
from speakergmm.hmm.language import GrammarArc, GrammarState

N_FRAMES = 4
WIDE = DecodingOptions(acoustic_scale=1.0, beam=1e4, lattice_beam=1e4, n_best=8)
LEXICON = Lexicon(
    {
        "ab": (Pronunciation(("A", "B")), Pronunciation(("B",), 0.5)),
        "b": (Pronunciation(("B",)),),
        "ca": (Pronunciation(("C", "A")),),
    }
)
WORDS = tuple(LEXICON)


def grammar_of(seed):
    """A grammar in which words depend on the word before."""
    rng = np.random.default_rng(seed)
    states = []
    for _ in range(len(WORDS) + 1):
        weights = np.log(rng.dirichlet(np.ones(len(WORDS) + 1)))
        arcs = [GrammarArc(word, float(weights[n]), n + 1) for n, word in enumerate(WORDS)]
        states.append(GrammarState(tuple(arcs), float(weights[-1])))
    return Grammar(tuple(states))


def of_grammar(grammar, sentence):
    total, state = 0.0, grammar.states[0]
    for word in sentence:
        arc = next(arc for arc in state.arcs if arc.word == word)
        total, state = total + arc.log_probability, grammar.states[arc.target]
    return total + state.end


def best_of_sentences(models, X, silences):
    """The log-probability of the best path through each transcript of up to four words."""
    found = {}
    for length in range(1, N_FRAMES + 1):
        for sentence in itertools.product(WORDS, repeat=length):
            graph = compile_transcript(sentence, LEXICON, models, **silences)
            emissions = models.log_emissions(X, graph.pdfs, precision="float64")
            try:
                path = viterbi(graph.graph(models.transitions), emissions)
            except NoPathError:
                continue
            found[sentence] = path.log_probability
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "silences",
    [
        {"silence": None},
        {"silence": "SIL", "silence_probability": 0.4},
        {"silence": "SIL", "silence_probability": 0.2, "edge_silence_probability": 0.7},
        {"silence": None, "short_pause": "sp"},
    ],
)
def test_the_best_sentences_are_those_of_all_transcripts(seed, silences):
    models, grammar = models_in_context(seed), grammar_of(seed)
    X = np.random.default_rng(seed).normal(0, 2, (N_FRAMES, 2))
    expected = {
        sentence: of_grammar(grammar, sentence) + score
        for sentence, score in best_of_sentences(models, X, silences).items()
    }
    ranked = sorted(expected.items(), key=lambda pair: -pair[1])
    result = decode(models, build_decoding_graph(models, LEXICON, grammar, **silences), X, WIDE)
    found = {each.words: each.score for each in result.hypotheses if each.words}
    for sentence, score in ranked[:4]:
        assert found[sentence] == pytest.approx(score, abs=2e-5)
    # The contexts count: without the tree the same mixtures would be elsewhere.
    assert len(models.pdfs("A")) > 1


def test_a_tree_without_questions_decodes_like_the_tying():
    models = models_in_context(0)
    whole = models_in_context(0, max_leaves=len(np.unique(models.tying.pdf_id)))
    plain = replace(whole, tree=None)
    X = np.random.default_rng(5).normal(0, 2, (12, 2))
    order = whole.tree.pdf_id[whole.tying.pdf_id]
    plain = replace(plain, bank=whole.bank.subset(order[np.unique(plain.tying.pdf_id)]))
    for make in (
        lambda each: word_graph(each, LEXICON),
        lambda each: phone_graph(each, silence="SIL"),
    ):
        results = [decode(each, make(each), X, WIDE) for each in (whole, plain)]
        assert results[0].best.words == results[1].best.words
        assert results[0].best.score == pytest.approx(results[1].best.score, abs=2e-5)


def test_n_grams_back_off_in_context():
    models = models_in_context(1)
    language = train_ngram([["ab", "b"], ["ca", "ab"], ["b"]], order=2)
    X = np.random.default_rng(2).normal(0, 2, (N_FRAMES, 2))
    silences = {"silence": "SIL", "silence_probability": 0.3}
    scores = best_of_sentences(models, X, silences)
    grammar = Grammar.ngram(language, known=list(WORDS))
    ends = {sentence: score + best_way(grammar, sentence) for sentence, score in scores.items()}
    best = max(ends, key=ends.get)
    graph = word_graph(models, LEXICON, language_model=language, **silences)
    result = decode(models, graph, X, WIDE)
    spoken = next(each for each in result.hypotheses if each.words)
    assert spoken.words == best
    assert spoken.score == pytest.approx(ends[best], abs=2e-5)


def best_way(grammar, sentence):
    """The log-probability of the best way through a grammar, which may back off anywhere."""
    best = -math.inf
    waiting = [(0, 0.0, 0)]
    while waiting:
        number, total, place = waiting.pop()
        state = grammar.states[number]
        if state.backoff is not None:
            waiting.append((state.backoff, total + state.backoff_log_probability, place))
        if place == len(sentence):
            best = max(best, total + grammar.ends[number])
            continue
        for arc in state.arcs:
            if arc.word == sentence[place]:
                waiting.append((arc.target, total + arc.log_probability, place + 1))
    return best


def test_segments_name_units_and_words_as_they_are_said():
    models = models_in_context(2)
    X = np.random.default_rng(3).normal(0, 2, (14, 2))
    best = decode(models, word_graph(models, LEXICON), X, WIDE).best
    assert best.word_segments
    assert {segment.label for segment in best.phone_segments} <= set(UNITS)
    spoken = [s.label for s in best.phone_segments if s.label != "SIL"]
    ways = [[way.phones for way in LEXICON[word]] for word in best.words]
    assert any(list(itertools.chain(*chosen)) == spoken for chosen in itertools.product(*ways))
