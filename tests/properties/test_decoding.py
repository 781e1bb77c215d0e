"""Laws that a search keeps on any graph and any frames: a wider beam never finds less."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles.decoding import best_score

from speakergmm.hmm import (
    DecodingOptions,
    Grammar,
    Lexicon,
    NoPathError,
    PhoneModels,
    Topology,
    build_decoding_graph,
)
from speakergmm.hmm.decoding import decode_emissions
from speakergmm.hmm.language import GrammarArc, GrammarState

LEXICON = Lexicon.from_dict({"ab": ["A B", "B"], "b": ["B"], "a": ["A"], "abab": ["A B A B"]})
BEAMS = (0.5, 2.0, 13.0, 30.0, 60.0)


def make_graph(rng):
    """Phones with skips, and a grammar in which many a word can't be the last one."""
    topologies = {
        "A": Topology.left_right(3),
        "B": Topology.left_right(2, skips=1),
        "SIL": Topology.ergodic(2),
    }
    models = PhoneModels.flat(topologies, mean=np.zeros(1), variance=np.ones(1))
    models = models.with_parameters(
        transitions=models.transitions.updated(rng.uniform(0.01, 1.0, models.transitions.n_arcs))
    )
    words = tuple(LEXICON)
    states = [
        GrammarState(
            tuple(
                GrammarArc(word, math.log(rng.uniform(0.05, 1.0)), place + 1)
                for place, word in enumerate(words)
                if rng.random() < 0.7
            ),
            math.log(0.3) if rng.random() < 0.4 else -math.inf,
        )
        for _ in range(len(words) + 1)
    ]
    states[-1] = GrammarState(states[-1].arcs, math.log(0.2))
    # Words that nothing leads to are none of the grammar.
    used = {arc.word for state in states for arc in state.arcs}
    first = tuple(GrammarArc(w, -2.0, i + 1) for i, w in enumerate(words) if w not in used)
    states[0] = GrammarState((*states[0].arcs, *first), states[0].end)
    return build_decoding_graph(
        models, LEXICON, Grammar(tuple(states)), silence_probability=rng.uniform(0.1, 0.9)
    )


def search(graph, emissions, **options):
    """The result, None where no path is found."""
    try:
        return decode_emissions(
            graph, emissions, options=DecodingOptions(acoustic_scale=1.0, **options)
        )
    except NoPathError:
        return None


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_frames=st.integers(1, 25),
    spread=st.sampled_from([1.0, 30.0, 300.0]),
    impossible=st.sampled_from([0.0, 0.4]),
)
def test_a_wider_beam_never_finds_less(seed, n_frames, spread, impossible):
    rng = np.random.default_rng(seed)
    graph = make_graph(rng)
    emissions = -spread * rng.exponential(size=(n_frames, len(graph.pdfs)))
    emissions[rng.random(emissions.shape) < impossible] = -np.inf
    emissions[:, 0] = np.maximum(emissions[:, 0], -10 * spread)  # something is always possible
    expected = best_score(graph, emissions)
    tolerance = 1e-9 * max(1.0, abs(expected)) if expected > -math.inf else 0.0
    for lattice_beam in (None, 5.0):
        for beam in BEAMS:
            found = search(graph, emissions, beam=beam, lattice_beam=lattice_beam)
            assert (found is None) == (expected == -math.inf)
            if found is not None:
                assert found.best.score == pytest.approx(expected, abs=tolerance)
            # Where a graph is large a beam may miss the best path, but not all of them.
            pruned = search(
                graph, emissions, beam=beam, lattice_beam=lattice_beam, small_graph=0, max_active=5
            )
            assert (pruned is None) == (expected == -math.inf)
            if pruned is not None:
                assert pruned.best.score <= expected + 1e-4 * max(1.0, abs(expected))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n_frames=st.integers(1, 20))
@example(seed=404191, n_frames=20)
def test_the_lattice_of_a_whole_graph_is_that_of_a_search_with_a_beam_wide_enough(seed, n_frames):
    rng = np.random.default_rng(seed)
    graph = make_graph(rng)
    emissions = -3.0 * rng.exponential(size=(n_frames, len(graph.pdfs)))
    options = {"lattice_beam": 4.0, "n_best": 20}
    whole = search(graph, emissions, **options)
    wide = search(graph, emissions, beam=1e4, small_graph=0, **options)
    assert (whole is None) == (wide is None)
    if whole is None:
        return
    ours, theirs = whole.lattice, wide.lattice
    assert ours.log_total == pytest.approx(theirs.log_total, abs=1e-3)
    assert ours.n_nodes == pytest.approx(theirs.n_nodes, abs=1)
    # What lies at the very edge of the lattice may be in the one and not in the other; so may
    # hypotheses that are as good as the last of twenty.
    least = whole.best.score - 3.9
    if len(whole.hypotheses) == options["n_best"]:
        least = max(least, whole.hypotheses[-1].score + 1e-4)
    certain = [h for h in whole.hypotheses if h.score > least]
    assert [h.score for h in certain] == pytest.approx(
        [h.score for h in wide.hypotheses if h.score > least], abs=1e-4
    )
    probable = {h.words: h.posterior for h in wide.hypotheses}
    for hypothesis in certain:
        assert hypothesis.posterior == pytest.approx(probable[hypothesis.words], abs=1e-3)


def test_long_recordings_are_gone_through_in_parts(monkeypatch):
    rng = np.random.default_rng(4)
    graph = make_graph(rng)
    emissions = -3.0 * rng.exponential(size=(300, len(graph.pdfs)))
    whole = search(graph, emissions), search(graph, emissions, lattice_beam=3.0)
    monkeypatch.setattr("speakergmm.hmm.decoding.exact_search._MOST_SCORES", 100 * graph.n_states)
    parts = search(graph, emissions), search(graph, emissions, lattice_beam=3.0)
    assert parts[0].best == whole[0].best
    assert parts[1].best == whole[1].best
    assert parts[1].lattice.n_arcs == whole[1].lattice.n_arcs > 300
    assert parts[0].best.score == pytest.approx(best_score(graph, emissions), rel=1e-12)
