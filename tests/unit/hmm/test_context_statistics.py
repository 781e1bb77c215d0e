"""Statistics of phones in context, and the questions that are made from them."""

import numpy as np
import pytest
from oracles import decision_trees as oracle
from oracles import hmm_training

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Lexicon, Topology, Tying, compile_transcript, viterbi
from speakergmm.hmm.models import PhoneQuestions
from speakergmm.hmm.training import (
    ContextStatistics,
    agglomerate,
    cluster_questions,
    path_contexts,
)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def test_frames_are_summed_by_context(rng):
    contexts = rng.integers([-1, 0, -1, 0], 2, size=(60, 4))
    frames = rng.normal(3.0, 1.0, size=(60, 2))
    found = ContextStatistics.of_frames(frames, contexts)
    expected = sorted(set(map(tuple, contexts.tolist())))
    assert [tuple(each) for each in found.contexts.tolist()] == expected
    for place, context in enumerate(expected):
        own = frames[(contexts == context).all(axis=1)]
        assert found.counts[place] == len(own)
        np.testing.assert_allclose(found.first[place], own.sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(found.second[place], (own**2).sum(axis=0), rtol=1e-12)


def test_sums_of_parts_are_those_of_the_whole(rng):
    contexts, frames = rng.integers(0, 3, size=(50, 4)), rng.normal(size=(50, 3))
    whole = ContextStatistics.of_frames(frames, contexts)
    first = ContextStatistics.of_frames(frames[:13], contexts[:13])
    merged = first.merge(ContextStatistics.of_frames(frames[13:], contexts[13:]))
    np.testing.assert_array_equal(merged.contexts, whole.contexts)
    np.testing.assert_allclose(merged.moments, whole.moments, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("frames", "contexts", "message"),
    [
        ([[np.nan]], [[0, 0, 0, 0]], "finite"),
        ([[1.0]], [[0, -1, 0, 0]], "negative"),
        ([[1.0]], [[-2, 0, 0, 0]], "negative"),
        ([[1.0]], [[0, 0, 0]], "contexts of shape"),
        ([[1.0], [2.0]], [[0, 0, 0, 0]], "contexts of shape"),
    ],
)
def test_refuses_what_are_no_frames_in_context(frames, contexts, message):
    with pytest.raises(InvalidInputError, match=message):
        ContextStatistics.of_frames(frames, contexts)


def test_refuses_to_add_other_features():
    one, two = (ContextStatistics.of_frames(np.ones((1, d)), [[0, 0, 0, 0]]) for d in (1, 2))
    with pytest.raises(InvalidInputError, match="different features"):
        one.merge(two)


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.0, {("B", "A", "A"), ("A", "A", None)}), (1.0, {("SIL", "A", "SIL"), (None, "SIL", None)})],
)
def test_contexts_of_a_path_cross_words_and_silences(rng, probability, expected):
    lexicon = Lexicon.from_dict({"ab": ["A B", "B"], "a": ["A"]})
    topologies = {unit: Topology.left_right(2) for unit in ("A", "B", "SIL")}
    models = hmm_training.random_models(rng, topologies, sizes=(1,))
    seen = set()
    for n_frames in (18, 25):
        frames = rng.normal(size=(n_frames, models.n_features))
        graph = compile_transcript(
            ["ab", "a", "a"], lexicon, models, silence_probability=probability
        )
        emissions = models.bank.evaluate(frames, graph.pdfs).log_emissions
        path = viterbi(graph.graph(models.transitions), emissions)
        units = tuple(models.units)
        found = path_contexts(graph, path.states, units, without_context={"SIL"})
        # The units on the path, each once, and the frames of each.
        on_path = []
        for state in path.states.tolist():
            instance = int(graph.state_unit[state])
            if not on_path or on_path[-1] != instance:
                on_path.append(instance)
        names = [None, *(graph.units[instance].unit for instance in on_path), None]
        for state, context in zip(path.states.tolist(), found.tolist(), strict=True):
            place = on_path.index(int(graph.state_unit[state])) + 1
            around = [names[place - 1], names[place], names[place + 1]]
            if names[place] == "SIL":
                around[0] = around[2] = None
            numbers = [-1 if name is None else units.index(name) for name in around]
            assert context == [*numbers, int(graph.state_position[state])]
            seen.add(tuple(around))
    assert expected <= seen


def naive_clusters(parts, floor):
    """Return the sets in the order in which they are merged, trying every pair each time."""
    sets = [frozenset([n]) for n in range(len(parts))]

    def value(members):
        return oracle.log_likelihood(np.concatenate([parts[n] for n in sorted(members)]), floor)

    made = []
    while len(sets) > 1:
        pairs = [(a, b) for i, a in enumerate(sets) for b in sets[i + 1 :]]
        losses = [value(a) + value(b) - value(a | b) for a, b in pairs]
        a, b = pairs[int(np.argmin(losses))]
        sets = [each for each in sets if each not in (a, b)] + [a | b]
        made.append((a | b, min(losses)))
    return made


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_those_of_a_search_through_all_pairs(seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(rng.normal(size=2), 0.5, size=(rng.integers(2, 20), 2)) for _ in range(9)]
    floor = np.array([0.05, 0.05])
    moments = np.array([[len(x), *x.sum(axis=0), *(x * x).sum(axis=0)] for x in parts])
    sets = [frozenset([n]) for n in range(9)]
    for (kept, gone, loss), (expected, least) in zip(
        agglomerate(moments, floor), naive_clusters(parts, floor), strict=True
    ):
        sets[kept] |= sets[gone]
        assert sets[kept] == expected
        assert loss == pytest.approx(least, abs=1e-8)


def test_questions_find_the_classes_of_phones(rng):
    units = ("A", "E", "M", "N", "S", "X")
    contexts = np.column_stack([np.full(500, -1), np.arange(500) % 5, np.full(500, -1)])
    state = rng.integers(0, 2, size=500)
    means = np.array([[0.0, 0.0], [0.3, 0.0], [5.0, 0.0], [5.3, 0.0], [9.0, 9.0]])
    # In their other state phones of other pairs sound alike, and further apart.
    others = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 0.3], [50.0, 0.3], [25.0, 90.0]])
    frames = np.where(state[:, None] == 1, means[contexts[:, 1]], others[contexts[:, 1]])
    frames = frames + rng.normal(0, 0.5, size=(500, 2))
    statistics = ContextStatistics.of_frames(frames, np.column_stack([contexts, state]))
    found = cluster_questions(statistics, units, state=1)
    assert {"A E", "M N", "A E M N"} < set(found.names)
    assert set(units) < set(found.names)
    assert found.n_questions == 6 + 4  # the last set is all of the phones that were seen
    assert {"A M", "E N"} < set(cluster_questions(statistics, units).names)
    with pytest.raises(InvalidInputError, match="there are 3 units"):
        cluster_questions(statistics, units[:3])


def test_questions_of_users_and_of_data_are_joined():
    units = ("A", "E", "M")
    given = PhoneQuestions.of_sets(units, {"vowel": ["A", "E"], "nasal": ["M"]})
    made = PhoneQuestions.of_lists(units, [["E", "A"], ["E"]])
    assert given.joined(made).names == ("vowel", "nasal", "E")
    with pytest.raises(InvalidInputError, match="different units"):
        given.joined(PhoneQuestions.of_lists(("A",), [["A"]]))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"vowel": ["A", "O"], "stop": ["P", "A"]}, "unknown units: O, P"),
        ({"nothing": []}, "'nothing' names no unit"),
    ],
)
def test_refuses_questions_about_nothing(sets, message):
    with pytest.raises(InvalidInputError, match=message):
        PhoneQuestions.of_sets(("A", "E"), sets)


def test_refuses_members_of_another_shape():
    with pytest.raises(InvalidInputError, match="questions by units"):
        PhoneQuestions(("A", "E"), ("vowel",), np.ones((1, 3), np.bool_))
    with pytest.raises(InvalidInputError, match="occurs twice"):
        PhoneQuestions(("A", "A"), ("vowel",), np.ones((1, 2), np.bool_))


def test_roots_are_shared_by_groups_and_by_states():
    three = Topology.left_right(3)
    topologies = [Topology.left_right(1), three, three]
    assert Tying.roots(topologies).pdf_id.tolist() == [0, 1, 1, 1, 2, 2, 2]
    together = Tying.roots(topologies, [[0], [2, 1]], states_shared=False)
    assert together.pdf_id.tolist() == [0, 1, 2, 3, 1, 2, 3]
    apart = Tying.roots(topologies, states_shared=False)
    np.testing.assert_array_equal(apart.pdf_id, Tying.independent(topologies).pdf_id)
    for groups in ([[0, 1]], [[0, 1], [1, 2]], [[0, 1, 2, 3]]):
        with pytest.raises(InvalidInputError, match="each of the 3 units once"):
            Tying.roots(topologies, groups)
