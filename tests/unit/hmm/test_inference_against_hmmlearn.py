"""Dense models: forward, backward and Viterbi of hmmlearn, which knows no final probabilities."""

import numpy as np
import pytest
from oracles import hmm_inference as twin
from oracles.peers import hmmlearn_module

from speakergmm import hmm
from speakergmm.hmm import Graph, sequence_log_likelihood

_hmmc = hmmlearn_module("_hmmc")


@pytest.fixture(params=[(1, 30, 2.0), (4, 1, 1.0), (5, 60, 1.0), (8, 200, 20.0), (3, 300, 300.0)])
def problem(request):
    n_states, n_frames, scale = request.param
    rng = np.random.default_rng(n_states)
    start = rng.dirichlet(np.ones(n_states))
    matrix = rng.dirichlet(np.full(n_states, 0.5), size=n_states)
    return start, matrix, rng.normal(size=(n_frames, n_states)) * scale - 80.0


@pytest.mark.parametrize(
    ("by", "options"),
    [(hmm, {}), (twin, {"arithmetic": "scaled"}), (twin, {"arithmetic": "log"})],
    ids=["compiled", "numpy", "logarithms"],
)
def test_likelihood_posteriors_and_transitions(problem, by, options):
    start, matrix, frames = problem
    counts = by.forward_backward(Graph.dense(start, matrix), frames, **options)
    likelihood, forward = _hmmc.forward_log(start, matrix, frames)
    backward = _hmmc.backward_log(start, matrix, frames)
    assert counts.log_likelihood == pytest.approx(likelihood, rel=1e-12)
    posteriors = np.exp(forward + backward - likelihood)
    np.testing.assert_allclose(counts.state_posteriors, posteriors, rtol=0, atol=1e-9)
    transitions = np.exp(_hmmc.compute_log_xi_sum(forward, matrix, backward, frames))
    found = np.zeros_like(matrix)
    graph = Graph.dense(start, matrix)
    found[graph.source, graph.target] = counts.arc_counts
    np.testing.assert_allclose(found, transitions, rtol=1e-9, atol=1e-9)


def test_likelihood_alone(problem):
    start, matrix, frames = problem
    likelihood, _ = _hmmc.forward_log(start, matrix, frames)
    assert sequence_log_likelihood(Graph.dense(start, matrix), frames) == pytest.approx(
        likelihood, rel=1e-12
    )


@pytest.mark.parametrize("by", [hmm, twin], ids=["compiled", "numpy"])
def test_viterbi(problem, by):
    start, matrix, frames = problem
    path = by.viterbi(Graph.dense(start, matrix), frames)
    log_probability, states = _hmmc.viterbi(start, matrix, frames)
    assert path.log_probability == pytest.approx(log_probability, rel=1e-13)
    np.testing.assert_array_equal(path.states, states)
