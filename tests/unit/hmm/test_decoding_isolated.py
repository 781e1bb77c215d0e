import math

import numpy as np
import pytest
from oracles import decoding as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    DecodingOptions,
    Grammar,
    IsolatedWords,
    Lexicon,
    NoPathError,
    PhoneModels,
    Pronunciation,
    Topology,
    build_decoding_graph,
)
from speakergmm.hmm.decoding import decode_emissions

LEXICON = Lexicon(
    {
        "ab": (Pronunciation(("A", "B")), Pronunciation(("B", "B"), 0.25)),
        "b": (Pronunciation(("B",)),),
        "a": (Pronunciation(("A",)),),
    }
)


@pytest.fixture(scope="module")
def models():
    topologies = {
        "A": Topology.left_right(1),
        "B": Topology.left_right(2, skips=1),
        "SIL": Topology.ergodic(2),
    }
    return PhoneModels.flat(topologies, mean=np.zeros(1), variance=np.ones(1))


def test_posteriors_of_a_search_are_those_of_a_tenth_unless_another_is_asked_for(models):
    words = IsolatedWords(models, LEXICON)
    X = np.random.default_rng(12).normal(size=(9, models.n_features))
    for given, factor in ((None, 0.1), (0.4, 0.4)):
        found = words.decode(X, n_best=2, acoustic_scale=given).hypotheses
        expected = [score.posterior for score in words.rank(X, acoustic_scale=factor)[:2]]
        assert [h.posterior for h in found] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_likelihoods_are_sums_over_all_paths(models, seed):
    emissions = np.random.default_rng(seed).normal(-5, 3, (5, models.n_pdfs))
    words = IsolatedWords(models, LEXICON, silence_probability=0.3)
    assert words.pdfs.tolist() == list(range(models.n_pdfs))
    ranked = words.rank_emissions(emissions)
    paths = list(
        oracle.all_paths(
            models,
            LEXICON,
            {(word,): math.log(1 / 3) for word in LEXICON},
            emissions,
            silence="SIL",
            silence_probability=0.3,
        )
    )
    sequences, _, _, _ = oracle.posteriors(paths, 1.0, 5)
    assert [s.posterior for s in ranked] == sorted((s.posterior for s in ranked), reverse=True)
    for score in ranked:
        mine = [path for path in paths if path.words == (score.word,)]
        scores = [path.acoustic + path.transition for path in mine]
        assert score.log_likelihood == pytest.approx(np.logaddexp.reduce(scores), abs=1e-9)
        assert score.best_path_log_probability == pytest.approx(max(scores), abs=1e-9)
        assert score.posterior == pytest.approx(sequences[score.word,], rel=1e-9)


def test_the_search_finds_the_same_best_paths(models):
    emissions = np.random.default_rng(7).normal(-5, 3, (8, models.n_pdfs))
    words = IsolatedWords(models, LEXICON)
    graph = build_decoding_graph(models, LEXICON, Grammar.isolated(LEXICON))
    options = DecodingOptions(acoustic_scale=1.0, beam=1e4, lattice_beam=1e4, n_best=3)
    found = decode_emissions(graph, emissions, options=options).hypotheses
    paths = {s.word: s.best_path_log_probability for s in words.rank_emissions(emissions)}
    assert {h.words[0]: h.score for h in found} == pytest.approx(
        {word: path + math.log(1 / 3) for word, path in paths.items()}, abs=2e-5
    )
    posteriors = {s.word: s.posterior for s in words.rank_emissions(emissions)}
    assert {h.words[0]: h.posterior for h in found} == pytest.approx(posteriors, rel=1e-4)


def test_priors_and_scales(models):
    emissions = np.random.default_rng(1).normal(-5, 3, (6, models.n_pdfs))
    plain = {s.word: s for s in IsolatedWords(models, LEXICON).rank_emissions(emissions)}
    weighted = IsolatedWords(models, LEXICON, {"a": 1.0, "b": 3.0})
    ranked = weighted.rank_emissions(emissions, acoustic_scale=0.2)
    a, b = (0.2 * plain[word].log_likelihood for word in ("a", "b"))
    expected = 3 * math.exp(b - a) / (1 + 3 * math.exp(b - a))
    assert {s.word: s.posterior for s in ranked}["b"] == pytest.approx(expected, rel=1e-9)
    assert sum(s.posterior for s in ranked) == pytest.approx(1.0)


def test_words_longer_than_the_recording_are_impossible(models):
    words = IsolatedWords(models, LEXICON, ["ab", "a"], silence=None)
    ranked = words.rank(np.zeros((1, 1)))
    assert [s.word for s in ranked] == ["a", "ab"]
    assert ranked[1].posterior == 0.0
    assert ranked[1].log_likelihood == -math.inf
    long = IsolatedWords(models, LEXICON, ["ab"], silence=None)
    with pytest.raises(NoPathError, match="2 frames, found 1"):
        long.rank(np.zeros((1, 1)))


def test_refusals(models):
    with pytest.raises(InvalidInputError, match=r"words of the grammar have no pron.*: no, yes"):
        IsolatedWords(models, LEXICON, ["a", "yes", "no"])
    with pytest.raises(InvalidInputError, match="no word to recognise"):
        IsolatedWords(models, LEXICON, [])
    with pytest.raises(InvalidInputError, match="acoustic_scale"):
        IsolatedWords(models, LEXICON).rank(np.zeros((5, 1)), acoustic_scale=0.0)
    with pytest.raises(InvalidInputError, match=r"shape \(frames, 5\)"):
        IsolatedWords(models, LEXICON).rank_emissions(np.zeros((5, 2)))
