"""Graphs of phones in context against every path, whose pdfs are looked up one by one."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from oracles import hmm_training as oracle
from oracles.context_models import TOPOLOGIES, UNITS, models_in_context

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import (
    Lexicon,
    MixtureBank,
    PhoneModels,
    Pronunciation,
    Tying,
    compile_transcript,
    sequence_log_likelihood,
    viterbi,
)
from speakergmm.hmm.models import (
    NO_UNIT,
    DecisionTree,
    PhoneQuestions,
    UnitEdge,
    compile_units,
    expand_contexts,
    transcript_edges,
)
from speakergmm.hmm.training import path_contexts
from speakergmm.records import of_arrays, to_arrays

LEXICON = Lexicon(
    {
        "a": (Pronunciation(("A",)),),
        "ab": (Pronunciation(("A", "B"), 0.7), Pronunciation(("B",), 0.3)),
        "ca": (Pronunciation(("C", "A"), 0.2), Pronunciation(("A", "B", "C")), Pronunciation("C")),
        "pa": (Pronunciation(("sp", "A", "sp"), 0.9), Pronunciation(("sp", "B"), 0.4)),
    }
)
CASES = {
    "one word": (["a"], 4, {}),
    "pronunciations": (["ab", "ca"], 6, {}),
    "words on both sides": (["ca", "ab", "ca"], 7, {"silence_probability": 0.3}),
    "silence never": (["ab", "a", "ca"], 6, {"silence": None}),
    "silence always": (["a", "ab"], 13, {"silence_probability": 1.0}),
    "tee models": (["pa", "ab", "pa"], 7, {"short_pause": "sp", "silence": None}),
}


def unit_paths(edges):
    """Yield the edges of each path from node 0 to the highest node, without those of no unit."""
    end = max(edge.target for edge in edges)

    def onwards(node):
        if node == end:
            yield ()
        for edge in edges:
            if edge.source == node:
                for rest in onwards(edge.target):
                    yield (edge, *rest)

    yield from onwards(0)


def described(path, pdfs):
    """What a path says: its units with their places and pdfs, and its log-probability."""
    spoken = [edge for edge in path if edge.unit is not None]
    places = tuple((e.unit, e.word, e.pronunciation, e.position) for e in spoken)
    return places, tuple(pdfs), round(sum(edge.log_prob for edge in path), 9)


def looked_up(path, models):
    """The pdfs of the units of a path, each state asked for by itself."""
    numbers = [UNITS.index(edge.unit) for edge in path if edge.unit is not None]
    around = [NO_UNIT, *numbers, NO_UNIT]
    for left, unit, right in zip(around, numbers, around[2:], strict=False):
        states = range(models.topologies[unit].n_states)
        yield tuple(int(models.tree.pdfs([[left, unit, right, state]])[0]) for state in states)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_each_path_is_there_once_with_the_pdfs_of_its_contexts(case, seed):
    words, _, silences = CASES[case]
    models = models_in_context(seed)
    edges = transcript_edges(words, LEXICON, **silences)
    expected = Counter(described(path, looked_up(path, models)) for path in unit_paths(edges))
    expanded = expand_contexts(edges, models)
    found = Counter(
        described(path, [edge.pdfs for edge in path if edge.unit is not None])
        for path in unit_paths(expanded)
    )
    assert found == expected
    assert len(found) >= len(words)


@pytest.mark.parametrize("case", CASES)
def test_sums_over_paths_are_those_of_walking_them_all(case):
    words, n_frames, silences = CASES[case]
    models = models_in_context(1)
    emitted = oracle.log_emissions(
        models.bank, np.random.default_rng(1).normal(0, 2, (n_frames, 2))
    )
    total = []
    for path in unit_paths(transcript_edges(words, LEXICON, **silences)):
        pdfs = list(looked_up(path, models))
        spoken = [edge for edge in path if edge.unit is not None]
        labels = [oracle.Label(e.unit, e.word, e.pronunciation, e.position) for e in spoken]
        for log_prob, frames, _ in oracle.string_paths(labels, models, n_frames):
            along = sum(emitted[t, pdfs[place][state]] for t, (place, state) in enumerate(frames))
            total.append(sum(edge.log_prob for edge in path) + log_prob + along)
    graph = compile_transcript(words, LEXICON, models, **silences)
    found = graph.graph(models.transitions)
    assert sequence_log_likelihood(found, emitted[:, graph.pdfs]) == pytest.approx(
        np.logaddexp.reduce(total), rel=1e-12
    )
    best = viterbi(found, emitted[:, graph.pdfs])
    assert best.log_probability == pytest.approx(max(total), rel=1e-12)
    # The pdfs along the best path are those that its contexts have in the tree.
    if "sp" not in {unit.unit for unit in graph.units}:
        contexts = path_contexts(graph, best.states, UNITS)
        np.testing.assert_array_equal(
            models.tree.pdfs(contexts), graph.pdfs[graph.skeleton.pdf[best.states]]
        )


def test_a_tree_without_questions_is_the_tying():
    plain = oracle.random_models(np.random.default_rng(3), TOPOLOGIES, sizes=(1, 2))
    n = len(plain.tying.pdf_id)
    questions = PhoneQuestions.of_sets(UNITS, {"A": ["A"]})
    leaf, zeros = np.full(n, -1), np.zeros(n)
    tree = DecisionTree(plain.tying, questions, *[leaf] * 4, np.arange(n), zeros, zeros)
    models = replace(plain, tree=tree)
    for words, n_frames, silences in CASES.values():
        X = np.random.default_rng(4).normal(size=(n_frames, 2))
        graphs = [compile_transcript(words, LEXICON, each, **silences) for each in (plain, models)]
        assert graphs[0].n_states == graphs[1].n_states
        logs = [
            sequence_log_likelihood(
                graph.graph(plain.transitions), plain.log_emissions(X, graph.pdfs)
            )
            for graph in graphs
        ]
        assert logs[0] == pytest.approx(logs[1], rel=1e-12)


def test_neighbours_with_the_same_pdfs_share_a_part():
    models = models_in_context(0, max_leaves=14)
    edges = transcript_edges(["ca", "ab", "ca"], LEXICON)
    plain = compile_units(edges, replace(models, tree=None, bank=_bank_of(models.tying.n_pdfs)))
    graph = compile_units(edges, models)
    assert plain.n_states < graph.n_states < 3 * plain.n_states
    contexts = {
        (unit, left, right)
        for path in unit_paths(edges)
        for left, unit, right in _around([e.unit for e in path if e.unit is not None])
    }
    assert len(graph.units) < sum(len(models.pdfs(unit)) for unit, _, _ in contexts)


def _around(units):
    padded = [None, *units, None]
    return zip(padded, units, padded[2:], strict=False)


def _bank_of(n_pdfs):
    shape = (n_pdfs, 2)
    return MixtureBank.from_parameters(
        np.arange(n_pdfs + 1), np.ones(n_pdfs), np.zeros(shape), np.ones(shape)
    )


def test_units_that_lead_nowhere_are_left_out():
    models = models_in_context(2)
    edges = [UnitEdge(0, 1, "A"), UnitEdge(0, 3, "B"), UnitEdge(2, 3, "C"), UnitEdge(1, 3, "C")]
    found = {edge.unit: edge.pdfs for edge in expand_contexts(edges, models) if edge.unit}
    assert set(found) == {"A", "B", "C"}
    assert found["C"] == models.context_pdfs(2, [0], [NO_UNIT])[0, NO_UNIT]


def test_models_in_context_are_stored_and_read():
    models = models_in_context(0)
    again = of_arrays(PhoneModels, *to_arrays(models), kind="models", source="a test")
    assert again.structure_digest == models.structure_digest
    assert again.structure_digest != models_in_context(1).structure_digest
    np.testing.assert_array_equal(again.tree.pdf_id, models.tree.pdf_id)


def test_pdfs_of_a_unit_are_those_of_all_its_contexts():
    models = models_in_context(0)
    every = range(-1, len(UNITS))
    for number, unit in enumerate(UNITS):
        rows = models.context_pdfs(number, every, every).values()
        reached = {pdf for row in rows for pdf in row}
        assert reached <= set(models.pdfs(unit).tolist())
    assert len(models.pdfs("SIL")) == 3


def test_a_tree_of_other_models_is_refused():
    models = models_in_context(0)
    questions = replace(models.tree.questions, units=("A", "B", "C", "SIL", "Z"))
    with pytest.raises(InvalidInputError, match="asks about other units than the models have"):
        replace(models, tree=replace(models.tree, questions=questions))
    independent = Tying.independent(models.topologies)
    ids = independent.pdf_id[::-1].copy()
    other = Tying.from_ids(models.topologies, ids)
    with pytest.raises(InvalidInputError, match="must be its roots"):
        replace(models, tying=other)
    with pytest.raises(InvalidInputError, match="pdfs of models must be"):
        replace(models, bank=_bank_of(models.n_pdfs + 1))
