"""The public functions of inference: what they take, refuse and say."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from oracles import hmm_inference as twin
from oracles.hmm import expectations

from speakergmm import hmm
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm import (
    Graph,
    NoPathError,
    expected_counts,
    forward_backward,
    sequence_log_likelihood,
    viterbi,
)

HALF = math.log(0.5)
FUNCTIONS = [forward_backward, expected_counts, sequence_log_likelihood, viterbi]
# Ours, and both arithmetics of its twin.
SUMS = [
    forward_backward,
    twin.forward_backward,
    partial(twin.forward_backward, arithmetic="log"),
]
each_sum = pytest.mark.parametrize("sums", SUMS, ids=["compiled", "numpy", "logarithms"])


def left_right(n_states, *, stay=0.6, pdf=None):
    arcs = []
    for j in range(n_states):
        arcs.append((j, j, math.log(stay)))
        if j + 1 < n_states:
            arcs.append((j, j + 1, math.log(1 - stay)))
    pdf = range(n_states) if pdf is None else pdf
    return Graph.from_arcs(list(pdf), arcs, [(0, 0.0)], [(n_states - 1, math.log(1 - stay))])


@pytest.fixture
def frames():
    return np.random.default_rng(3).normal(size=(5, 3)) * 4 - 50


def test_one_frame_takes_an_entry_and_an_exit_and_no_arc():
    graph = Graph.from_arcs(
        [1, 0], [(0, 1, 0.0)], [(0, -1.0), (0, -2.0), (1, -3.0)], [(0, -0.5), (1, -0.7)]
    )
    frame = np.array([[-4.0, -5.0]])
    terms = np.array([-1 - 5 - 0.5, -2 - 5 - 0.5, -3 - 4 - 0.7])
    total = np.logaddexp.reduce(terms)
    shares = np.exp(terms - total)
    for sums in SUMS:
        counts = sums(graph, frame)
        assert counts.log_likelihood == pytest.approx(total, rel=1e-14)
        assert counts.entry_counts == pytest.approx(shares, abs=1e-14)
        assert counts.exit_counts == pytest.approx([shares[:2].sum(), shares[2]], abs=1e-14)
        assert counts.state_posteriors[0] == pytest.approx(counts.exit_counts, abs=1e-14)
        assert counts.arc_counts.tolist() == [0.0]
    for by in (hmm, twin):
        path = by.viterbi(graph, frame)
        assert (path.log_probability, path.entry, path.exit) == (-6.5, 0, 0)
        assert path.states.tolist() == [0]
        assert path.arcs.shape == (0,)


def test_parallel_arcs_share_what_passes_between_their_states():
    graph = Graph.from_arcs(
        [0, 0], [(0, 1, math.log(0.1)), (0, 1, math.log(0.3))], [(0, 0.0)], [(1, 0.0)]
    )
    counts = forward_backward(graph, np.zeros((2, 1)))
    assert counts.log_likelihood == pytest.approx(math.log(0.4))
    assert counts.arc_counts == pytest.approx([0.25, 0.75])
    assert viterbi(graph, np.zeros((2, 1))).arcs.tolist() == [1]


def test_skipping_a_unit_is_the_sum_over_the_graphs_with_and_without_it(frames):
    """A unit that may be skipped, its tee arc joined with those around it: two graphs in one."""
    leave, skip, stay = 0.3, 0.25, 0.7
    log = math.log
    without = Graph.from_arcs(
        [0, 2],
        [(0, 0, log(stay)), (0, 1, log(leave * skip)), (1, 1, log(stay))],
        [(0, 0.0)],
        [(1, log(leave))],
    )
    whole_arcs = [(0, 0, log(stay)), (0, 1, log(leave * (1 - skip))), (1, 1, log(stay))]
    whole_arcs += [(1, 2, log(leave)), (2, 2, log(stay))]
    whole = Graph.from_arcs([0, 1, 2], whole_arcs, [(0, 0.0)], [(2, log(leave))])
    both_arcs = [*whole_arcs, (0, 2, log(leave * skip))]
    both = Graph.from_arcs([0, 1, 2], both_arcs, [(0, 0.0)], [(2, log(leave))])
    parts = [sequence_log_likelihood(graph, frames) for graph in (without, whole)]
    counts = forward_backward(both, frames)
    assert counts.log_likelihood == pytest.approx(np.logaddexp(*parts), rel=1e-13)
    # The skip is taken as often as the graph without the unit is the one.
    assert counts.arc_counts[-1] == pytest.approx(math.exp(parts[0] - counts.log_likelihood))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_single_precision_and_any_memory_order_give_the_same(function, frames):
    graph = left_right(3)
    single = frames.astype(np.float32)
    expected = function(graph, single.astype(np.float64))
    if function is sequence_log_likelihood:
        expected = (expected,)
    read_only = single.copy()
    read_only.flags.writeable = False
    for form in (single, np.asfortranarray(single), single[::-1][::-1], read_only, single.tolist()):
        found = function(graph, form)
        if function is sequence_log_likelihood:
            found = (found,)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_columns_that_no_state_uses_change_nothing(frames):
    graph = left_right(2, pdf=[2, 0])
    low = frames.copy()
    low[:, 1] = -np.inf
    high = frames.copy()
    high[:, 1] = 900.0
    expected = expectations(graph, frames)
    for changed in (low, high):
        counts = expected_counts(graph, changed)
        assert counts.log_likelihood == pytest.approx(expected.log_likelihood, rel=1e-13)
        np.testing.assert_allclose(counts.pdf_posteriors, expected.pdf_posteriors, atol=1e-13)


@pytest.mark.parametrize("function", FUNCTIONS)
class TestRefusals:
    def test_too_few_frames(self, function):
        with pytest.raises(NoPathError, match=r"^graph needs at least 3 frames, found 2$") as error:
            function(left_right(3), np.zeros((2, 3)))
        assert error.value.reason == "duration"
        assert isinstance(error.value, InsufficientDataError)

    def test_no_frames(self, function):
        with pytest.raises(NoPathError, match="at least 3 frames, found 0"):
            function(left_right(3), np.zeros((0, 3)))

    def test_a_graph_whose_exit_is_out_of_reach(self, function):
        graph = Graph.from_arcs([0, 1], [(1, 0, 0.0)], [(0, 0.0)], [(1, 0.0)])
        with pytest.raises(NoPathError, match="no path of the graph") as error:
            function(graph, np.zeros((5, 2)))
        assert error.value.reason == "probability"

    def test_a_duration_that_no_path_has(self, function):
        ring = Graph.from_arcs([0, 0], [(0, 1, 0.0), (1, 0, 0.0)], [(0, 0.0)], [(1, 0.0)])
        function(ring, np.zeros((4, 1)))
        with pytest.raises(NoPathError, match="probability 0 at frame 4 of 5"):
            function(ring, np.zeros((5, 1)))

    def test_a_frame_that_no_pdf_can_emit(self, function, frames):
        frames[2] = -np.inf
        with pytest.raises(NoPathError, match="probability 0 at frame 2 of 5") as error:
            function(left_right(3), frames)
        assert error.value.frame == 2

    def test_a_beam_that_loses_every_path(self, function):
        # What is best at the second frame leads to nothing at the third.
        graph = Graph.from_arcs(
            [0, 1, 2, 1, 2],
            [(0, 1, 0.0), (0, 2, 0.0), (1, 3, 0.0), (2, 4, 0.0)],
            [(0, 0.0)],
            [(3, 0.0), (4, 0.0)],
        )
        frames = np.array([[0.0, 0.0, 0.0], [0.0, -50.0, 0.0], [0.0, 0.0, -np.inf]])
        function(graph, frames, beam=60.0)
        message = "a beam of 20 lost every path at frame 2 of 3: a wider one keeps some"
        with pytest.raises(NoPathError, match=message) as error:
            function(graph, frames, beam=20.0)
        assert (error.value.reason, error.value.frame) == ("beam", 2)

    def test_a_beam_is_not_blamed_for_what_no_beam_could_save(self, function):
        frames = np.array([[0.0, 0.0], [0.0, -50.0], [0.0, -50.0], [-np.inf, -np.inf]])
        with pytest.raises(NoPathError, match="probability 0 at frame 3") as error:
            function(left_right(2), frames, beam=5.0)
        assert error.value.reason == "probability"

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_log_emissions_that_are_none(self, function, value, frames):
        frames[3, 1] = value
        message = f"below \\+inf, found {value} at frame 3, pdf 1"
        with pytest.raises(InvalidInputError, match=message):
            function(left_right(3), frames)

    @pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 3, 1)])
    def test_wrong_shapes(self, function, shape):
        with pytest.raises(InvalidInputError, match=r"shape \(T, 3\) or more columns, found"):
            function(left_right(3), np.zeros(shape))

    @pytest.mark.parametrize("beam", [0.0, -1.0, math.nan])
    def test_beams_of_no_width(self, function, beam, frames):
        with pytest.raises(InvalidInputError, match="beam must be finite and > 0"):
            function(left_right(3), frames, beam=beam)

    @pytest.mark.parametrize("beam", [1e18, 1e30, 1e308, math.inf])
    def test_beams_of_any_width(self, function, beam, frames):
        found, expected = (function(left_right(3), frames, beam=width) for width in (beam, None))
        np.testing.assert_equal(found, expected)


def test_a_path_far_below_another_one_that_comes_to_nothing_is_kept():
    """With numbers scaled by the sum of each frame, the path that lasts would be lost."""
    graph = Graph.from_arcs(
        [0, 1], [(0, 0, HALF), (0, 1, HALF), (1, 1, 0.0)], [(0, 0.0)], [(1, 0.0)]
    )
    frames = np.zeros((60, 2))
    # 4,000 below, until at the last frames the other one becomes impossible.
    frames[5:55, 1] = -80.0
    frames[20:, 0] = -np.inf
    frames[:20, 1] = -np.inf
    expected = 20 * HALF + 35 * -80.0
    assert sequence_log_likelihood(graph, frames) == pytest.approx(expected, rel=1e-14)
    frames[20:50, 0] = 0.0
    frames[5:50, 1] = -80.0
    counts = forward_backward(graph, frames)
    # Then it is best to leave at the last moment.
    assert counts.log_likelihood == pytest.approx(50 * HALF + 5 * -80.0, rel=1e-12)
    assert counts.arc_counts == pytest.approx([49.0, 1.0, 9.0])


def test_a_path_that_both_ends_hide_is_kept():
    """Far below at first, far above for a while, far below again: no end of it can be lost."""
    graph = Graph.from_arcs(
        [0, 1], [(0, 0, 0.0), (1, 1, 0.0)], [(0, 0.0), (1, 0.0)], [(0, 0.0), (1, 0.0)]
    )
    frames = np.zeros((30, 2))
    frames[:10, 1] = -100.0
    frames[10:20, 0] = -150.0
    frames[20:, 1] = -49.0
    counts = forward_backward(graph, frames)
    assert counts.log_likelihood == pytest.approx(np.logaddexp(-1500.0, -1490.0), rel=1e-14)
    assert counts.state_posteriors[:, 1] == pytest.approx(1 / (1 + math.exp(-10)), rel=1e-10)


@pytest.mark.parametrize("low", [-900.0, -1e5, -3e6, -1e30, -1e200])
def test_log_emissions_may_lie_any_way_apart(low):
    graph = left_right(2)
    frames = np.array([[0.0, low], [low, 0.0], [low, low], [0.0, 0.0]])
    found, truth = forward_backward(graph, frames), expectations(graph, frames)
    assert found.log_likelihood == pytest.approx(truth.log_likelihood, rel=1e-14)
    np.testing.assert_allclose(found.state_posteriors, truth.state_posteriors, atol=1e-12)


@pytest.mark.parametrize("low", [-900.0, -2e6, -1e30, -1e200])
def test_arcs_of_any_probability_share_what_passes(low):
    """Two equal arcs, and one that is nothing beside them; the path is as improbable as they."""
    arcs = [(0, 1, low), (0, 1, low), (0, 1, 2 * low), (1, 1, low)]
    graph = Graph.from_arcs([0, 0], arcs, [(0, low), (0, low)], [(1, low), (1, low)])
    counts = forward_backward(graph, np.zeros((3, 1)))
    assert counts.log_likelihood == pytest.approx(4 * low + 3 * math.log(2), rel=1e-14)
    assert counts.arc_counts == pytest.approx([0.5, 0.5, 0.0, 1.0], abs=1e-13)
    assert counts.entry_counts == pytest.approx([0.5, 0.5])
    assert counts.exit_counts == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("turn", [1, -1])
@each_sum
def test_an_arc_of_no_probability_hides_no_other_one(sums, turn):
    """It comes from a state beside which the other one's is nothing, until only that goes on."""
    arcs = [(0, 2, -math.inf), (1, 2, -0.5)][::turn]
    graph = Graph.from_arcs(
        [0, 1, 2], [*arcs, (0, 0, 0.0), (1, 1, 0.0)], [(0, 0.0), (1, 0.0)], [(2, 0.0), (0, -1.0)]
    )
    frames = np.array([[0.0, -2000.0, 0.0], [0.0, 0.0, 0.0], [-np.inf, -np.inf, 0.0]])
    counts = sums(graph, frames)
    assert counts.log_likelihood == pytest.approx(-2000.5, rel=1e-14)
    assert counts.arc_counts == pytest.approx([*[0.0, 1.0][::turn], 0.0, 1.0], abs=1e-12)


def test_threads_and_turns_of_different_sizes_get_the_same():
    """Each thread keeps memory from one call to the next, whatever stood in it."""
    rng = np.random.default_rng(5)
    cases = []
    for n_states, n_frames in [(3, 40), (30, 90), (7, 20), (12, 200), (40, 50)] * 4:
        cases.append((left_right(n_states), rng.normal(size=(n_frames, n_states)) * 9))
    expected = [twin.forward_backward(graph, frames) for graph, frames in cases]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            found = pool.map(lambda case: forward_backward(*case), cases)
            for ours, theirs in zip(found, expected, strict=True):
                assert ours.log_likelihood == pytest.approx(theirs.log_likelihood, rel=1e-13)
                for a, b in zip(ours[1:], theirs[1:], strict=True):
                    np.testing.assert_allclose(a, b, atol=1e-11)


def test_results_are_not_overwritten_by_the_next_call(frames):
    graph = left_right(3)
    first = forward_backward(graph, frames)
    kept = [np.array(part) for part in first]
    forward_backward(graph, frames[::-1] * 3)
    for ours, theirs in zip(first, kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@each_sum
@pytest.mark.parametrize("offset", [-1e12, -1e15, -1e30, 1e15])
def test_what_all_states_of_a_frame_share_changes_no_posterior(sums, offset):
    graph = Graph.dense([0.5, 0.5], [[0.7, 0.3], [0.4, 0.6]])
    frames = np.random.default_rng(0).normal(size=(6, 2))
    frames[3] += offset
    near = frames.copy()
    near[3] -= frames[3].max()
    truth = expectations(graph, near)
    found = sums(graph, frames)
    assert found.state_posteriors == pytest.approx(truth.state_posteriors, abs=1e-12)
    assert found.arc_counts == pytest.approx(truth.arc_counts, abs=1e-12)
    assert found.entry_counts == pytest.approx(truth.entry_counts, abs=1e-12)
    assert found.log_likelihood == pytest.approx(truth.log_likelihood + frames[3].max())
    for by in (hmm, twin):
        path = by.viterbi(graph, frames)
        assert path.states.tolist() == viterbi(graph, near).states.tolist()


@each_sum
def test_a_frame_far_below_a_state_that_no_path_is_in_keeps_what_is_known(sums):
    """The last state would be by far the best one of frames at which no path has come to it."""
    graph = left_right(3)
    frames = np.random.default_rng(1).integers(-3, 4, size=(6, 3)).astype(float)
    near = frames.copy()
    # Below 2^53: whole numbers are exact.
    frames[0, 2] = frames[1, 2] = 1e15
    near[0, 2] = near[1, 2] = -np.inf
    truth = expectations(graph, near)
    found = sums(graph, frames)
    assert found.state_posteriors.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert found.state_posteriors == pytest.approx(truth.state_posteriors, abs=1e-12)
    assert found.arc_counts == pytest.approx(truth.arc_counts, abs=1e-12)


@pytest.mark.slow
def test_more_arcs_into_a_state_than_sixteen_bits_can_number():
    rng = np.random.default_rng(4)
    n_arcs = 2**16 + 3000
    log_prob = rng.normal(size=n_arcs) - 30.0
    log_prob[[5, 2**16 + 5, 2**16 + 2000]] = [-1.0, -0.5, -0.25]
    parallel = [(0, 1, value) for value in log_prob]
    graph = Graph.from_arcs([0, 1], [(0, 0, -0.1), *parallel], [(0, 0.0)], [(1, -0.2)])
    frames = rng.normal(size=(4, 2))
    found, expected = viterbi(graph, frames), twin.viterbi(graph, frames)
    assert found.arcs[-1] == 1 + 2**16 + 2000
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("beam", [None, 2.0])
def test_numbers_of_arcs_of_either_width_give_the_same_path(beam):
    """A wide state beside narrow ones: its arcs of no probability change only their numbers."""
    rng = np.random.default_rng(6)
    n_states, n_arcs = 12, 40
    source, target = (rng.integers(0, n_states, n_arcs) for _ in range(2))
    arcs = list(
        zip(source.tolist(), target.tolist(), rng.normal(size=n_arcs).tolist(), strict=True)
    )
    ends = [(j, 0.0) for j in range(n_states)]
    narrow = Graph.from_arcs(list(range(n_states)), arcs, ends, ends)
    impossible = [(0, 0, -math.inf)] * (2**16 + 1)
    wide = Graph.from_arcs(list(range(n_states)), [*impossible, *arcs], ends, ends)
    frames = rng.normal(size=(50, n_states)) * 3
    found, expected = (viterbi(graph, frames, beam=beam) for graph in (wide, narrow))
    np.testing.assert_array_equal(found.states, expected.states)
    np.testing.assert_array_equal(found.arcs - len(impossible), expected.arcs)
    assert found.log_probability == expected.log_probability
    twins = twin.viterbi(wide, frames, beam=beam)
    np.testing.assert_array_equal(found.arcs, twins.arcs)
