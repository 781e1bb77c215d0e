"""Graphs of utterances against every path, walked one by one."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    Lexicon,
    NoPathError,
    Pronunciation,
    Topology,
    UnknownWordError,
    compile_transcript,
    forward_backward,
    sequence_log_likelihood,
    viterbi,
)
from speakergmm.hmm.models import UnitEdge, compile_units, transcript_edges

TOPOLOGIES = {
    "A": Topology.left_right(1),
    "B": Topology.left_right(2, skips=1),
    "C": Topology.ergodic(2),
    "SIL": Topology.silence(3),
    "sp": Topology.short_pause(),
}
LEXICON = Lexicon(
    {
        "a": (Pronunciation(("A",)),),
        "ab": (Pronunciation(("A", "B"), 0.7), Pronunciation(("B",), 0.3)),
        "ca": (Pronunciation(("C", "A"), 0.2), Pronunciation(("A", "A", "B")), Pronunciation("C")),
        "pa": (Pronunciation(("sp", "A", "sp"), 0.9), Pronunciation(("sp", "B"), 0.4)),
    }
)
CASES = {
    "one word": (["a"], 3, {}),
    "one word without silence": (["ab"], 4, {"silence": None}),
    "pronunciations": (["ab", "ca"], 5, {}),
    "silence between": (["a", "a"], 6, {"probability": 0.2, "edge_probability": 0.9}),
    "silence never": (["ab", "a"], 4, {"probability": 0.0}),
    "silence at the ends alone": (["ab", "a"], 6, {"probability": 0.0, "edge_probability": 0.6}),
    "silence always": (["a", "a"], 12, {"probability": 1.0}),
    "short pause": (["ab", "a", "ab"], 5, {"short_pause": "sp"}),
    "short pause, no silence": (["a", "a", "a"], 5, {"short_pause": "sp", "silence": None}),
    "tee models in words": (["pa", "a"], 4, {"probability": 0.3}),
    "tee models next to each other": (["pa", "pa"], 5, {"short_pause": "sp", "silence": None}),
    "as short as it can be": (["ca", "ab"], 2, {}),
}  # fmt: skip


def make_models(seed=0, *, same_pdf=None):
    return oracle.random_models(
        np.random.default_rng(seed), TOPOLOGIES, sizes=(1, 2), same_pdf=same_pdf
    )


def options_of(silences):
    names = {"probability": "silence_probability", "edge_probability": "edge_silence_probability"}
    return {names.get(name, name): value for name, value in silences.items()}


def compiled(words, models, silences):
    return compile_transcript(words, LEXICON, models, **options_of(silences))


def emissions_of(models, n_frames, seed=1):
    X = np.random.default_rng(seed).normal(0.0, 2.0, (n_frames, 2))
    return oracle.log_emissions(models.bank, X)


def counts_of(graph, found, models):
    counts = np.zeros(models.transitions.n_arcs)
    graph.add_counts(found.arc_counts, found.entry_counts, found.exit_counts, counts)
    return counts


@pytest.mark.parametrize("same_pdf", [None, {("sp", 0): ("SIL", 1), ("A", 0): ("B", 1)}])
@pytest.mark.parametrize("case", CASES)
def test_sums_over_paths_are_those_of_walking_them_all(case, same_pdf):
    words, n_frames, silences = CASES[case]
    models = make_models(same_pdf=same_pdf)
    log_emissions = emissions_of(models, n_frames)
    paths = oracle.all_paths(words, LEXICON, models, n_frames, **silences)
    expected = oracle.expectations(paths, log_emissions, models.transitions.n_arcs)
    graph = compiled(words, models, silences)
    found = forward_backward(graph.graph(models.transitions), log_emissions[:, graph.pdfs])
    assert found.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(
        counts_of(graph, found, models), expected.transitions, rtol=1e-9, atol=1e-12
    )
    posteriors = np.zeros_like(log_emissions)
    np.add.at(posteriors.T, graph.pdfs[graph.skeleton.pdf], found.state_posteriors.T)
    np.testing.assert_allclose(posteriors, expected.pdf_posteriors, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", CASES)
def test_the_best_path_is_the_best_of_all(case):
    words, n_frames, silences = CASES[case]
    models = make_models()
    log_emissions = emissions_of(models, n_frames)
    paths = oracle.all_paths(words, LEXICON, models, n_frames, **silences)
    expected = oracle.expectations(paths, log_emissions, models.transitions.n_arcs)
    graph = compiled(words, models, silences)
    found = viterbi(graph.graph(models.transitions), log_emissions[:, graph.pdfs])
    assert found.log_probability == pytest.approx(expected.best_log_prob, rel=1e-12)
    units = [graph.units[graph.state_unit[state]] for state in found.states]
    assert [(u.unit, u.word, u.pronunciation, u.position) for u in units] == [
        (u.unit, u.word, u.pronunciation, u.position) for u in expected.best.labels
    ]
    assert graph.state_position[found.states].tolist() == list(expected.best.positions)


@pytest.mark.parametrize("case", CASES)
def test_shortest_duration_is_that_of_trying(case):
    words, _, silences = CASES[case]
    models = make_models()
    graph = compiled(words, models, silences).graph(models.transitions)
    n_frames = next(n for n in range(12) if oracle.all_paths(words, LEXICON, models, n, **silences))
    assert graph.shortest_duration == n_frames
    if n_frames > 1:
        with pytest.raises(NoPathError, match=f"at least {n_frames} frames"):
            sequence_log_likelihood(graph, emissions_of(models, n_frames - 1))


def test_probabilities_of_all_lengths_sum_to_one():
    """A proper distribution over pronunciations makes a proper one over utterances."""
    models = make_models()
    graph = compile_transcript(["ab", "a"], LEXICON, models)
    logs = [
        sequence_log_likelihood(graph.graph(models.transitions), np.zeros((n, len(graph.pdfs))))
        for n in range(2, 400)
    ]
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-9)


def test_transitions_can_be_scaled():
    models = make_models()
    graph = compile_transcript(["ab", "ca"], LEXICON, models)
    plain, scaled = graph.graph(models.transitions), graph.graph(models.transitions, scale=0.25)
    for credits, one, two in (
        (graph.arcs, plain.log_prob, scaled.log_prob),
        (graph.entries, plain.entry_log_prob, scaled.entry_log_prob),
        (graph.exits, plain.exit_log_prob, scaled.exit_log_prob),
    ):
        np.testing.assert_allclose(two - credits.fixed, 0.25 * (one - credits.fixed), rtol=1e-12)


def test_a_transition_never_taken_closes_its_arcs():
    models = make_models()
    logs = models.transitions.log_probability()
    (_, _, _, number), *_ = [arc for arc in oracle.arcs_of(models, "sp") if arc[1] == 1]
    logs = logs.copy()
    logs[number] = -math.inf
    graph = compile_transcript(["a", "a"], LEXICON, models, silence=None, short_pause="sp")
    assert graph.graph(models.transitions).shortest_duration == 2
    found = graph.graph_from_logs(logs)
    assert not np.isnan(found.log_prob).any()
    assert found.shortest_duration == 3


def test_only_pdfs_that_occur_are_asked_for():
    models = make_models(same_pdf={("sp", 0): ("SIL", 1)})
    graph = compile_transcript(["ab"], LEXICON, models, silence=None)
    expected = {oracle.pdf_of(models, "A", 0)} | {oracle.pdf_of(models, "B", i) for i in (0, 1)}
    assert graph.pdfs.tolist() == sorted(expected)
    assert graph.words == ("ab",)
    assert graph.n_states == 5
    assert graph.skeleton.n_pdfs == 3


def test_units_without_words():
    """Alternatives, detours and shared ends, as whoever compiles them likes."""
    models = make_models()
    edges = [
        UnitEdge(0, 1, "A", math.log(0.5)),
        UnitEdge(0, 2, "B", math.log(0.25)),
        UnitEdge(0, 1, None, math.log(0.25)),
        UnitEdge(1, 2, "C"),
        UnitEdge(2, 3, None, -0.1),
    ]
    graph = compile_units(edges, models)
    log_emissions = emissions_of(models, 4)
    total = []
    for fixed, units in ((0.5, "AC"), (0.25, "B"), (0.25, "C")):
        labels = [oracle.Label(unit, None, 0, 0) for unit in units]
        for log_prob, frames, _ in oracle.string_paths(labels, models, 4):
            pdfs = [oracle.pdf_of(models, units[place], state) for place, state in frames]
            emitted = sum(log_emissions[t, pdf] for t, pdf in enumerate(pdfs))
            total.append(math.log(fixed) - 0.1 + log_prob + emitted)
    found = sequence_log_likelihood(graph.graph(models.transitions), log_emissions[:, graph.pdfs])
    assert found == pytest.approx(np.logaddexp.reduce(total), rel=1e-12)
    assert graph.words == ()
    assert {unit.word for unit in graph.units} == {None}


def test_the_order_of_edges_does_not_matter():
    models, log_emissions = make_models(), emissions_of(make_models(), 7)
    edges = transcript_edges(["ab", "ca"], LEXICON)
    found = [
        sequence_log_likelihood(g.graph(models.transitions), log_emissions[:, g.pdfs])
        for g in (compile_units(edges, models), compile_units(edges[::-1], models))
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_a_dictionary_is_a_lexicon():
    models = make_models()
    way = SimpleNamespace(phones=("A",), probability=1.0)
    assert compile_transcript(["x"], {"x": [way]}, models, silence=None).n_states == 1


@pytest.mark.parametrize(
    ("words", "options", "message"),
    [
        ([], {}, "transcript is empty"),
        (["a"], {"silence_probability": 1.5}, "finite, >= 0 and <= 1, found 1.5"),
        (["a"], {"silence_probability": math.nan}, "finite, >= 0 and <= 1, found nan"),
        (["a"], {"edge_silence_probability": -0.5}, "finite, >= 0 and <= 1, found -0.5"),
        (["a"], {"silence": "X"}, "no model of 'X'"),
        (["a", "a"], {"short_pause": "X"}, "no model of 'X'"),
    ],
)
def test_refuses(words, options, message):
    with pytest.raises(InvalidInputError, match=message):
        compile_transcript(words, LEXICON, make_models(), **options)


def test_refuses_a_word_outside_the_lexicon():
    with pytest.raises(UnknownWordError, match="'who' is not in the lexicon"):
        compile_transcript(["a", "who"], LEXICON, make_models())
    with pytest.raises(UnknownWordError, match="'x'"):
        compile_transcript(["x"], {"x": []}, make_models())


def test_refuses_a_phone_without_a_model():
    with pytest.raises(InvalidInputError, match="no model of 'Q'; there are A, B, C, SIL, sp"):
        compile_transcript(["q"], Lexicon.from_dict({"q": "A Q"}), make_models())


@pytest.mark.parametrize("way", [{"phones": ()}, {"probability": 0.0}, {"probability": math.nan}])
def test_refuses_a_pronunciation_that_is_none(way):
    given = SimpleNamespace(**({"phones": ("A",), "probability": 1.0} | way))
    with pytest.raises(InvalidInputError, match="pronunciation of 'x'"):
        compile_transcript(["x"], {"x": [given]}, make_models())


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "no frame"),
        ([UnitEdge(0, 1, None)], "no frame"),
        ([UnitEdge(0, 1, "sp"), UnitEdge(1, 2, "sp")], "no frame"),
        ([UnitEdge(0, 1, "A"), UnitEdge(0, 1, None)], "no frame"),
        ([UnitEdge(0, 1, "A"), UnitEdge(1, 1, "A")], "from node 1 to 1"),
        ([UnitEdge(0, 2, "A"), UnitEdge(2, 1, "A")], "from node 2 to 1"),
        ([UnitEdge(1, 2, "A")], "entry"),
    ],
)
def test_refuses_units_that_make_no_utterance(edges, message):
    with pytest.raises(InvalidInputError, match=message):
        compile_units(edges, make_models())
