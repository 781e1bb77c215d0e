"""Expected counts are derivatives of the log-likelihood: seen by finite differences."""

import numpy as np
import pytest

from speakergmm.hmm import Graph, expected_counts, forward_backward, sequence_log_likelihood

STEP = 1e-5


@pytest.fixture
def problem():
    rng = np.random.default_rng(11)
    n_states, n_arcs = 6, 20
    graph = Graph(
        rng.integers(0, 4, n_states),
        rng.integers(0, n_states, n_arcs),
        rng.integers(0, n_states, n_arcs),
        rng.normal(size=n_arcs),
        [0, 2, 2],
        rng.normal(size=3),
        [5, 1, 5],
        rng.normal(size=3),
    )
    return graph, rng.normal(size=(9, 4)) * 2


def difference(function, values, index):
    """Central difference of a function of an array."""
    up, down = values.copy(), values.copy()
    up[index] += STEP
    down[index] -= STEP
    return (function(up) - function(down)) / (2 * STEP)


def test_of_arcs_entries_and_exits(problem):
    graph, frames = problem
    counts = forward_backward(graph, frames)
    parts = [graph.log_prob, graph.entry_log_prob, graph.exit_log_prob]
    for which, expected in enumerate((counts.arc_counts, counts.entry_counts, counts.exit_counts)):

        def likelihood(values, which=which):
            changed = [*parts[:which], values, *parts[which + 1 :]]
            return sequence_log_likelihood(graph.with_log_probs(*changed), frames)

        found = [difference(likelihood, parts[which], i) for i in range(len(parts[which]))]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)
        assert expected.max() > 0.1


def test_of_emissions(problem):
    graph, frames = problem
    expected = expected_counts(graph, frames).pdf_posteriors

    def likelihood(values):
        return sequence_log_likelihood(graph, values)

    found = [difference(likelihood, frames, index) for index in np.ndindex(frames.shape)]
    np.testing.assert_allclose(np.reshape(found, frames.shape), expected, rtol=0, atol=1e-8)


def test_pdfs_have_the_posteriors_of_their_states(problem):
    graph, frames = problem
    states = forward_backward(graph, frames)
    pdfs = expected_counts(graph, frames)
    expected = np.zeros(frames.shape)
    for j, p in enumerate(graph.pdf):
        expected[:, p] += states.state_posteriors[:, j]
    np.testing.assert_allclose(pdfs.pdf_posteriors, expected, rtol=1e-13)
    np.testing.assert_array_equal(pdfs.arc_counts, states.arc_counts)
