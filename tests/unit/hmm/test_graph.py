"""Graphs: what they check, what they share, and the distances within them."""

import itertools
import math
import pickle

import numpy as np
import pytest
from oracles import hmm_inference as twin
from oracles.hmm import all_paths

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Graph, NoPathError, forward_backward, viterbi
from speakergmm.hmm.inference import UNREACHABLE

HALF = math.log(0.5)
PARTS = {
    "pdf": [0, 1],
    "source": [0, 0, 1],
    "target": [0, 1, 1],
    "log_prob": [HALF, HALF, HALF],
    "entry_state": [0],
    "entry_log_prob": [0.0],
    "exit_state": [1],
    "exit_log_prob": [HALF],
}


def random_graph(rng, n_states, n_arcs):
    log_prob = np.where(rng.random(n_arcs) < 0.2, -np.inf, -rng.random(n_arcs))
    return Graph(
        np.arange(n_states),
        rng.integers(0, n_states, n_arcs),
        rng.integers(0, n_states, n_arcs),
        log_prob,
        rng.integers(0, n_states, 2),
        [0.0, -np.inf],
        rng.integers(0, n_states, 2),
        [-1.0, -np.inf],
    )


def test_arrays_are_of_fixed_types_and_not_to_be_written_to():
    graph = Graph(**PARTS)
    for name, values in PARTS.items():
        array = getattr(graph, name)
        assert array.dtype == (np.float64 if name.endswith("prob") else np.int32)
        np.testing.assert_array_equal(array, values)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_arrays_given_are_copied():
    pdf = np.array([0, 1], dtype=np.int32)
    log_prob = np.array(PARTS["log_prob"])
    graph = Graph(**PARTS | {"pdf": pdf, "log_prob": log_prob})
    pdf[0], log_prob[0] = 1, 3.0
    assert graph.pdf[0] == 0
    assert graph.log_prob[0] == HALF


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pdf": []}, "at least one state"),
        ({"entry_state": [], "entry_log_prob": []}, "at least one entry"),
        ({"exit_state": [], "exit_log_prob": []}, "at least one exit"),
        ({"pdf": [0, -1]}, "pdf needs indices .*found -1"),
        ({"source": [0, 0, 2]}, "source needs indices 0 to 1, found 2"),
        ({"target": [0, 1, -1]}, "target needs indices 0 to 1, found -1"),
        ({"exit_state": [5]}, "exit_state needs indices 0 to 1, found 5"),
        ({"entry_state": [0.5]}, "entry_state needs integers, found float64"),
        ({"pdf": [[0, 1]]}, r"pdf needs one axis, found shape \(1, 2\)"),
        ({"source": [0, 0]}, "same length, found 2 and 3"),
        ({"log_prob": [HALF, HALF]}, r"log_prob needs shape \(3,\), found \(2,\)"),
        ({"log_prob": [HALF, math.nan, HALF]}, "log_prob: .*found NaN"),
        ({"entry_log_prob": [math.inf]}, "entry_log_prob: .*below"),
        ({"exit_log_prob": [0.0, 0.0]}, r"exit_log_prob needs shape \(1,\)"),
    ],
)
def test_what_is_wrong_is_refused_in_one_line(changed, message):
    with pytest.raises(InvalidInputError, match=message) as refusal:
        Graph(**PARTS | changed)
    assert "\n" not in str(refusal.value)


def test_other_probabilities_share_what_was_sorted():
    graph = Graph(**PARTS)
    other = graph.with_log_probs([0.0, -1.0, -2.0], [-3.0], [-4.0])
    assert other.structure is graph.structure
    assert other.log_prob.tolist() == [0.0, -1.0, -2.0]
    assert (other.entry_log_prob[0], other.exit_log_prob[0]) == (-3.0, -4.0)
    with pytest.raises(InvalidInputError, match=r"log_prob needs shape \(3,\)"):
        graph.with_log_probs([0.0], [0.0], [0.0])


def test_arcs_are_sorted_by_both_ends_with_lower_arcs_first():
    graph = random_graph(np.random.default_rng(0), 5, 30)
    structure = graph.structure
    for j in range(5):
        into = structure.incoming_arc[structure.incoming[j] : structure.incoming[j + 1]]
        assert into.tolist() == np.flatnonzero(graph.target == j).tolist()
        assert structure.lowest_target[j] == graph.target[graph.source >= j].min(initial=5)
        assert structure.highest_target[j] == graph.target[graph.source <= j].max(initial=-1)
    np.testing.assert_array_equal(structure.incoming_source, graph.source[structure.incoming_arc])


def test_distances_to_the_exit_are_those_of_the_shortest_path():
    rng = np.random.default_rng(1)
    seen = set()
    chain = Graph.from_arcs([0, 1, 2], [(2, 0, 0.0), (0, 1, 0.0)], [(2, 0.0)], [(1, 0.0)])
    made = [random_graph(rng, *rng.integers((1, 0), (4, 6))) for _ in range(60)]
    for graph in [chain, *made]:
        lengths = [
            n_frames
            for n_frames in range(1, 4)
            if all_paths(graph, np.zeros((n_frames, graph.n_states)))
        ]
        # A shortest path passes through no state twice.
        assert graph.shortest_duration == (lengths[0] if lengths else None)
        np.testing.assert_array_equal(graph.arcs_to_exit, twin.arcs_to_exit(graph))
        seen.add(graph.shortest_duration)
    assert seen == {None, 1, 2, 3}


def test_zeros_that_come_and_go_change_the_distances():
    graph = Graph(**PARTS)
    assert graph.arcs_to_exit.tolist() == [1, 0]
    cut = graph.with_log_probs([HALF, -np.inf, HALF], [0.0], [HALF])
    assert cut.arcs_to_exit.tolist() == [UNREACHABLE, 0]
    assert cut.shortest_duration is None
    assert graph.arcs_to_exit.tolist() == [1, 0]


def test_dense_models_have_an_arc_for_each_transition_above_zero():
    start, matrix = np.array([0.2, 0.0, 0.8]), np.array([[0.5, 0.5, 0], [0, 1, 0], [0.1, 0, 0.9]])
    graph = Graph.dense(start, matrix)
    assert np.exp(graph.log_prob) == pytest.approx(matrix[matrix > 0])
    assert list(zip(graph.source, graph.target, strict=True)) == [
        (i, j) for i, j in itertools.product(range(3), range(3)) if matrix[i, j]
    ]
    assert graph.entry_state.tolist() == [0, 2]
    assert np.exp(graph.entry_log_prob) == pytest.approx([0.2, 0.8])
    assert graph.exit_state.tolist() == [0, 1, 2]
    assert not graph.exit_log_prob.any()


@pytest.mark.parametrize(
    ("start", "matrix"),
    [
        ([0.5, 0.5], [[1.0]]),
        ([[1.0]], [[1.0]]),
        ([-0.5, 1.5], np.eye(2)),
        ([0.5, 0.5], [[math.nan, 1.0], [0.0, 1.0]]),
    ],
)
def test_dense_models_that_are_none_are_refused(start, matrix):
    with pytest.raises(InvalidInputError, match=r"probabilities"):
        Graph.dense(start, matrix)


def test_lists_of_arcs_make_the_same_graph():
    graph = Graph.from_arcs(
        [0, 1], [(0, 0, HALF), (0, 1, HALF), (1, 1, HALF)], [(0, 0.0)], [(1, HALF)]
    )
    for name, values in PARTS.items():
        np.testing.assert_array_equal(getattr(graph, name), values)
    assert Graph.from_arcs([0], [], [(0, 0.0)], [(0, 0.0)]).n_arcs == 0
    with pytest.raises(InvalidInputError, match="at least one entry"):
        Graph.from_arcs([0], [], [], [(0, 0.0)])


def test_the_error_of_no_path_says_why():
    error = NoPathError("none", reason="beam", frame=3)
    assert (str(error), error.reason, error.frame) == ("none", "beam", 3)


def test_a_graph_from_another_process_serves_as_well():
    graph = Graph(**PARTS)
    frames = np.array([[0.0, -1.0], [-2.0, 0.5]])
    arrived = pickle.loads(pickle.dumps(graph))
    for function in (forward_backward, viterbi):
        for ours, theirs in zip(function(arrived, frames), function(graph, frames), strict=True):
            np.testing.assert_array_equal(ours, theirs)
