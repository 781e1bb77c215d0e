"""Dense models are trained to the same bits on any engine, from sums as good as exact ones."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from speakergmm.engine import Engine, use
from speakergmm.estimators import GaussianMixtureHMM
from speakergmm.gaussians import prepare_in_features
from speakergmm.hmm.inference import ImpossibleSequenceError, as_sequences
from speakergmm.hmm.models.dense_graph import state_graph
from speakergmm.hmm.training.dense_expectation import SequencesPass

N_SEQUENCES = 60


@pytest.fixture(scope="module")
def frames():
    """Sequences of two blobs each, some thirty thousand frames in all."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(300, 700, N_SEQUENCES)
    return [
        np.concatenate([rng.normal(0, 1, (n // 2, 3)), rng.normal(3, 2, (n - n // 2, 3))])
        for n in lengths
    ]


def fitted(frames, n_jobs=None):
    model = GaussianMixtureHMM(2, n_mix=2, n_iter=3, tol=0.0, random_state=0, n_jobs=n_jobs)
    return model.fit(frames)


def bits(model):
    arrays = (model.means_, model.covars_, model.weights_, model.startprob_, model.transmat_)
    return [array.tobytes() for array in arrays], list(model.monitor_.history)


@pytest.fixture(scope="module")
def alone(frames):
    return fitted(frames)


@pytest.mark.slow
def test_threads_do_not_change_a_bit(frames, alone):
    for n_jobs in (2, 3):
        assert bits(fitted(frames, n_jobs)) == bits(alone)
    with ThreadPoolExecutor(2) as pool, use(pool):
        assert bits(fitted(frames)) == bits(alone)


@pytest.mark.slow
def test_processes_do_not_change_a_bit(frames, alone):
    """Nor do they hide which sequence is impossible."""
    from joblib.externals.loky import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as pool, use(pool) as engine:
        assert bits(fitted(frames)) == bits(alone)
        step = pass_of(alone, frames, engine)
        graph = step.graph.with_log_probs(
            np.full(step.graph.n_arcs, -np.inf), step.graph.entry_log_prob, np.zeros(2)
        )
        with pytest.raises(ImpossibleSequenceError, match="sequence 0 is impossible") as caught:
            replace(step, graph=graph).accumulate(prepared(alone))
        assert caught.value.sequence == 0


def prepared(model):
    gaussians, log_weights, weights = model._parameters().weighted()
    return prepare_in_features(gaussians, log_weights, weights=weights)


def pass_of(model, frames, engine=None, weights=None):
    sequences = as_sequences(frames)
    return SequencesPass(
        sequences=sequences,
        weights=np.ones(len(sequences)) if weights is None else weights,
        graph=state_graph(model.startprob_, model.transmat_, final="any"),
        n_mix=2,
        precision="float64",
        engine=Engine.of(engine),
    )


def numbers_of(found):
    gaussians = found.gaussians
    parts = (found.starts, found.transitions, gaussians.counts, gaussians.first_order)
    parts += (gaussians.second_order, [gaussians.log_likelihood, gaussians.n_frames])
    return np.concatenate([np.ravel(part) for part in parts])


def test_sums_differ_from_exact_ones_by_rounding_alone(frames, alone):
    """The oracle adds the statistics of single sequences without any rounding."""
    weights = np.random.default_rng(1).uniform(0.5, 2.0, N_SEQUENCES)
    found = pass_of(alone, frames, 2, weights).accumulate(prepared(alone))
    lengths = np.array([len(X) for X in frames])
    for counted, times in (
        (found.starts, weights),
        (found.transitions, weights * (lengths - 1)),
        (found.gaussians.counts, weights * lengths),
        (found.n_frames, weights * lengths),
    ):
        assert np.sum(counted) == pytest.approx(times.sum(), rel=1e-9)
    whole = numbers_of(found)
    each = [
        numbers_of(pass_of(alone, [X], weights=weights[n : n + 1]).accumulate(prepared(alone)))
        for n, X in enumerate(frames)
    ]
    exact = np.array([math.fsum(column) for column in np.transpose(each)])
    size = np.array([math.fsum(column) for column in np.abs(np.transpose(each))])
    assert (np.abs(whole - exact) <= 1e-13 * size).all()


@pytest.mark.parametrize("engine", [1, 2])
def test_the_impossible_sequence_of_many_is_named(frames, alone, engine):
    """One frame is too short for two states in a row, of which the last must be reached."""
    given = [*frames[:47], frames[47][:1], *frames[48:]]
    graph = state_graph(np.array([1.0, 0.0]), np.array([[0.5, 0.5], [0.0, 1.0]]), final="last")
    step = replace(pass_of(alone, given, engine), graph=graph)
    with pytest.raises(ImpossibleSequenceError, match="sequence 47 is impossible"):
        step.accumulate(prepared(alone))
