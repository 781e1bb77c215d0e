"""Inference on random sparse graphs against every path one by one, and against its twins."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import hmm_inference as twin
from oracles.hmm import all_paths, expectations, path_log_probability

from speakergmm import hmm
from speakergmm.hmm import (
    Graph,
    NoPathError,
    forward_backward,
    sequence_log_likelihood,
)

# Ours, and both arithmetics of its twin.
KINDS = [(hmm, {}), (twin, {"arithmetic": "scaled"}), (twin, {"arithmetic": "log"})]


@st.composite
def graphs(draw, *, most_states=4, most_arcs=6, most_frames=4, scales=(1.0, 30.0, 600.0, 5e3)):
    """A graph and log-emissions: parallel arcs, dead ends, zeros, and ratios of any size."""
    n_states = draw(st.integers(1, most_states))
    n_arcs = draw(st.integers(0, most_arcs))
    n_frames = draw(st.integers(1, most_frames))
    n_pdfs = draw(st.integers(1, 3))
    n_entries, n_exits = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    # Of the random generator, so that failures shrink to few numbers; scales are what matters.
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arc_scale, frame_scale = (draw(st.sampled_from(scales)) for _ in range(2))
    zeros = draw(st.sampled_from([0.0, 0.15]))

    def logs(*shape, scale):
        values = rng.normal(size=shape) * scale
        values[rng.random(shape) < zeros] = -np.inf
        return values

    def states(length):
        return rng.integers(0, n_states, length)

    graph = Graph(
        rng.integers(0, n_pdfs, n_states),
        states(n_arcs),
        states(n_arcs),
        logs(n_arcs, scale=arc_scale),
        states(n_entries),
        logs(n_entries, scale=arc_scale),
        states(n_exits),
        logs(n_exits, scale=arc_scale),
    )
    return graph, logs(n_frames, n_pdfs, scale=frame_scale)


def magnitude(graph, frames):
    """Most that the logarithms of a path add up to, which is what they are rounded at."""
    parts = (graph.log_prob, graph.entry_log_prob, graph.exit_log_prob)
    highest = max(np.abs(part[np.isfinite(part)]).max(initial=0.0) for part in (*parts, frames))
    return max(1.0, 2 * (len(frames) + 1) * highest)


def assert_close(counts, expected, size):
    assert counts[0] == pytest.approx(expected[0], rel=1e-13, abs=1e-15 * size)
    for ours, theirs in zip(counts[1:], expected[1:], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=max(1e-11, 1e-14 * size))


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graphs() | graphs(scales=(1.0, 3e6)))
def test_sums_are_those_over_all_paths(case):
    graph, frames = case
    truth = expectations(graph, frames)
    size = magnitude(graph, frames)
    for by, options in KINDS:
        if truth is None:
            for function in (by.forward_backward, by.expected_counts, by.sequence_log_likelihood):
                with pytest.raises(NoPathError):
                    function(graph, frames, **options)
            continue
        ends = (truth.arc_counts, truth.entry_counts, truth.exit_counts)
        counts = by.forward_backward(graph, frames, **options)
        assert_close(counts, (truth.log_likelihood, truth.state_posteriors, *ends), size)
        counts = by.expected_counts(graph, frames, **options)
        assert_close(counts, (truth.log_likelihood, truth.pdf_posteriors, *ends), size)
        alone = by.sequence_log_likelihood(graph, frames, **options)
        assert alone == pytest.approx(truth.log_likelihood, rel=1e-13, abs=1e-15 * size)


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(graphs())
def test_viterbi_finds_the_best_of_all_paths(case):
    graph, frames = case
    paths = all_paths(graph, frames)
    for by in (hmm, twin):
        if not paths:
            with pytest.raises(NoPathError):
                by.viterbi(graph, frames)
            continue
        best = max(path.log_probability for path in paths)
        found = by.viterbi(graph, frames)
        assert found.log_probability == pytest.approx(best, rel=1e-13, abs=1e-12)
        of_path = path_log_probability(graph, frames, found.entry, found.arcs, found.exit)
        assert of_path == pytest.approx(best, rel=1e-13, abs=1e-12)
        np.testing.assert_array_equal(graph.target[found.arcs], found.states[1:])
        assert found.states[0] == graph.entry_state[found.entry]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(graphs())
def test_of_equal_paths_the_lowest_exit_then_the_lowest_arcs_from_the_end_are_taken(case):
    graph, frames = case
    equal = graph.with_log_probs(
        np.zeros(graph.n_arcs), np.zeros(len(graph.entry_state)), np.zeros(len(graph.exit_state))
    )
    nothing = np.zeros(frames.shape)
    paths = all_paths(equal, nothing)
    assume(paths)
    lowest = min(paths, key=lambda path: (path.exit, path.arcs[::-1], path.entry))
    for by in (hmm, twin):
        found = by.viterbi(equal, nothing)
        assert found.log_probability == 0.0
        assert (found.exit, tuple(found.arcs), found.entry) == (
            lowest.exit,
            lowest.arcs,
            lowest.entry,
        )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(graphs(most_states=12, most_arcs=40, most_frames=40), st.sampled_from([None, 3.0, 100.0]))
def test_arithmetics_and_twins_agree_on_longer_graphs(case, beam):
    graph, frames = case
    for function in ("forward_backward", "expected_counts"):
        outcomes = []
        for by, options in KINDS:
            try:
                run = getattr(by, function)
                outcomes.append(run(graph, frames, **options, beam=beam))
            except NoPathError as error:
                outcomes.append((error.reason, error.frame))
        for outcome in outcomes[1:]:
            if isinstance(outcomes[0][0], str):
                assert outcome == outcomes[0]
            else:
                assert_close(outcome, outcomes[0], magnitude(graph, frames))
    paths = []
    for by in (hmm, twin):
        try:
            paths.append(by.viterbi(graph, frames, beam=beam))
        except NoPathError as error:
            paths.append((error.reason, error.frame))
    for ours, theirs in zip(*paths, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(graphs(most_states=8, most_arcs=30, most_frames=30))
def test_posteriors_and_counts_sum_to_what_they_are_of(case):
    graph, frames = case
    try:
        counts = forward_backward(graph, frames)
    except NoPathError:
        assume(False)
    assert counts.state_posteriors.sum(axis=1) == pytest.approx(1.0, abs=1e-12)
    assert counts.arc_counts.sum() == pytest.approx(len(frames) - 1, abs=1e-10)
    assert counts.entry_counts.sum() == pytest.approx(1.0, abs=1e-12)
    assert counts.exit_counts.sum() == pytest.approx(1.0, abs=1e-12)
    # Each state is entered, and left, as often as it is there.
    into, out = np.zeros(graph.n_states), np.zeros(graph.n_states)
    np.add.at(into, graph.target, counts.arc_counts)
    np.add.at(into, graph.entry_state, counts.entry_counts)
    np.add.at(out, graph.source, counts.arc_counts)
    np.add.at(out, graph.exit_state, counts.exit_counts)
    np.testing.assert_allclose(into, counts.state_posteriors.sum(axis=0), rtol=0, atol=1e-10)
    np.testing.assert_allclose(out, counts.state_posteriors.sum(axis=0), rtol=0, atol=1e-10)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(graphs(most_states=8, most_arcs=30, most_frames=20), st.floats(0.5, 50.0))
def test_a_beam_only_loses_paths_and_a_wide_one_loses_none(case, beam):
    graph, frames = case
    try:
        whole = forward_backward(graph, frames)
    except NoPathError:
        assume(False)
    wide = forward_backward(graph, frames, beam=1e9)
    np.testing.assert_array_equal(wide.state_posteriors, whole.state_posteriors)
    assert wide.log_likelihood == whole.log_likelihood
    assert math.isfinite(whole.log_likelihood)
    try:
        narrow = sequence_log_likelihood(graph, frames, beam=beam)
    except NoPathError as error:
        found = (error.reason, error.frame is not None)
    else:
        rounding = 1e-12 * max(1.0, abs(whole.log_likelihood))
        found = ("beam", narrow <= whole.log_likelihood + rounding)
    assert found == ("beam", True)
