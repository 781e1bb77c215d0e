"""Single frames' conditionals by enumeration; the compiled sampler against its plain twin."""

import numpy as np
import pytest
from oracles import gibbs as oracle
from oracles.gibbs_partition import ReferencePartition
from scipy.special import softmax

from speakergmm.mixtures.gibbs import NormalInverseWishart, PartitionState, make_tables

# Kernels are no public names: loading them compiles them.
from speakergmm.mixtures.gibbs.sweep_kernels import (
    change_factor,
    choose,
    factorise,
    weigh_clusters,
)

KINDS = [("full", 1), ("full", 2), ("full", 5), ("diag", 1), ("diag", 3), ("diag", 11)]
BOTH = [PartitionState, ReferencePartition]


def make(covariance_type, n_features, n_frames, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n_frames, n_features)) + 3 * rng.integers(0, 3, n_frames)[:, None]
    prior = NormalInverseWishart.from_data(X, covariance_type=covariance_type)
    return X, prior


def log_weights(partition, frame, concentration):
    """What a sweep draws from, as logarithms up to a constant."""
    if isinstance(partition, ReferencePartition):
        return partition.log_weights(frame, concentration)
    weights = np.empty(partition.n_clusters + 1)
    arguments = (
        partition.n_clusters,
        np.log(concentration) + partition._prior[-1][frame],
        partition._clusters,
        partition._prior,
        weights,
        np.empty(partition.n_clusters + 1),
        np.empty(partition._frames.shape[1]),
    )
    own = int(partition.labels[frame])
    if not weigh_clusters(partition._frames[frame], own, *arguments):
        partition.labels[frame] = -1
        partition._rebuild()
        weigh_clusters(partition._frames[frame], -1, *arguments)
        partition.labels[frame] = own
        partition._rebuild()
    return weights


def plain(prior):
    return prior.mean, prior.mean_precision, prior.degrees_of_freedom, prior.scale


@pytest.mark.slow
@pytest.mark.parametrize("partition_type", BOTH)
@pytest.mark.parametrize(("covariance_type", "n_features"), KINDS)
def test_conditional_of_a_frame_is_the_ratio_of_joint_probabilities(
    partition_type, covariance_type, n_features
):
    X, prior = make(covariance_type, n_features, 6)
    for labels in ([0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5], [0, 1, 1, 0, 2, 0], [1, 0, 0, 1, 1, 0]):
        partition = partition_type(X, prior, np.array(labels))
        for frame in range(6):
            expected = oracle.conditional(frame, labels, X, plain(prior), 1.7)
            found = softmax(log_weights(partition, frame, 1.7))
            np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-24)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_moves_of_one_frame_leave_the_posterior_as_it_is(covariance_type):
    # pi P = pi for the transition matrix over all 15 partitions of 4 frames, built of what the
    # compiled sampler draws from: no Monte-Carlo error.
    X, prior = make(covariance_type, 2, 4)
    posterior = oracle.exact_posterior(X, plain(prior), 0.8)
    number = {labels: i for i, labels in enumerate(posterior)}
    stationary = np.array(list(posterior.values()))
    for frame in range(4):
        transitions = np.zeros((15, 15))
        for labels, row in number.items():
            partition = PartitionState(X, prior, np.array(labels))
            for k, p in enumerate(softmax(log_weights(partition, frame, 0.8))):
                moved = np.array(labels)
                moved[frame] = k
                order = {label: i for i, label in enumerate(dict.fromkeys(moved.tolist()))}
                transitions[row, number[tuple(order[label] for label in moved.tolist())]] += p
        np.testing.assert_allclose(stationary @ transitions, stationary, rtol=1e-11)


@pytest.mark.parametrize("partition_type", BOTH)
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_likelihood_of_a_partition_is_that_of_its_clusters(partition_type, covariance_type):
    X, prior = make(covariance_type, 3, 10)
    labels = np.array([0, 1, 1, 0, 2, 2, 2, 1, 0, 3])
    expected = sum(oracle.log_marginal(X[labels == k], *plain(prior)) for k in range(4))
    found = partition_type(X, prior, labels).log_likelihood()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["none", "one", "each"])
@pytest.mark.parametrize(("covariance_type", "n_features"), KINDS)
def test_compiled_sampler_and_its_twin_give_the_same_chain(covariance_type, n_features, start):
    n_frames = 30
    X, prior = make(covariance_type, n_features, n_frames, seed=1)
    labels = {"none": np.full(30, -1), "one": np.zeros(30, int), "each": np.arange(30)}[start]
    compiled, twin = (kind(X, prior, labels) for kind in BOTH)
    rng = np.random.default_rng(2)
    n_moves = 0
    for concentration in (0.5, 30.0, 3.0, 0.5):
        before = twin.labels.copy()
        order, uniforms = rng.permutation(n_frames), rng.random(n_frames)
        compiled.sweep(order, uniforms, concentration)
        twin.sweep(order, uniforms, concentration)
        np.testing.assert_array_equal(compiled.labels, twin.labels)
        np.testing.assert_allclose(compiled.log_likelihood(), twin.log_likelihood(), rtol=1e-11)
        n_moves += np.count_nonzero(before != twin.labels)
    assert n_moves > 10


def test_labels_have_no_gaps_and_counts_are_theirs():
    X, prior = make("full", 2, 60)
    partition = PartitionState(X, prior, np.arange(60))
    rng = np.random.default_rng(0)
    for concentration in (100.0, 0.1, 100.0, 0.1):
        partition.sweep(rng.permutation(60), rng.random(60), concentration)
        assert set(partition.labels.tolist()) == set(range(partition.n_clusters))


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_rank_one_updates_do_not_drift(covariance_type, monkeypatch):
    X, prior = make(covariance_type, 8, 200)
    partition = PartitionState(X, prior, np.zeros(200, int))
    rng = np.random.default_rng(0)
    with monkeypatch.context() as patch:
        patch.setattr(PartitionState, "_rebuild", lambda self: None)
        for _ in range(50):
            partition.sweep(rng.permutation(200), rng.random(200), 20.0)
    drifted = partition.log_likelihood()
    expected = ReferencePartition(X, prior, partition.labels).log_likelihood()
    # Fifty sweeps, thousands of moves, without counting anything anew.
    np.testing.assert_allclose(drifted, expected, rtol=1e-9)
    partition._rebuild()
    np.testing.assert_allclose(partition.log_likelihood(), expected, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_after_a_sweep_clusters_are_counted_anew(covariance_type):
    X, prior = make(covariance_type, 4, 50)
    partition = PartitionState(X, prior, np.zeros(50, int))
    rng = np.random.default_rng(0)
    for _ in range(5):
        partition.sweep(rng.permutation(50), rng.random(50), 5.0)
    fresh = PartitionState(X, prior, partition.labels)
    # To the last bit: no rounding of the sweeps is left.
    assert partition.log_likelihood() == fresh.log_likelihood()
    np.testing.assert_array_equal(log_weights(partition, 7, 1.0), log_weights(fresh, 7, 1.0))


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_frames_that_carry_a_cluster_are_removed_without_cancellation(covariance_type):
    # Without the outlier the cluster is a million times as narrow: all but three digits of the
    # determinant would cancel.
    rng = np.random.default_rng(3)
    X = rng.normal(0, 1e-4, (6, 2))
    X[0] = [200.0, -100.0]
    scale = np.eye(2) * 1e-8 if covariance_type == "full" else np.full(2, 1e-8)
    prior = NormalInverseWishart([0.0, 0.0], 0.1, 4.0, scale)
    for labels in (np.zeros(6, int), np.array([0, 0, 0, 1, 1, 1])):
        found = log_weights(PartitionState(X, prior, labels), 0, 1e-80)
        expected = log_weights(ReferencePartition(X, prior, labels), 0, 1e-80)
        np.testing.assert_allclose(found, expected, rtol=1e-9)
    compiled, twin = (kind(X, prior, np.zeros(6, int)) for kind in BOTH)
    for _ in range(20):
        order, uniforms = rng.permutation(6), rng.random(6)
        compiled.sweep(order, uniforms, 1.0)
        twin.sweep(order, uniforms, 1.0)
        np.testing.assert_array_equal(compiled.labels, twin.labels)


@pytest.mark.parametrize(("covariance_type", "n_features"), KINDS)
def test_only_negligible_clusters_are_left_out(covariance_type, n_features):
    X, prior = make(covariance_type, n_features, 40)
    X[:20] += 30.0
    labels = np.repeat(np.arange(4), 10)
    compiled, twin = (kind(X, prior, labels) for kind in BOTH)
    for frame in range(40):
        found, expected = log_weights(compiled, frame, 1.0), log_weights(twin, frame, 1.0)
        left_out = np.isinf(found)
        assert (expected[left_out] < expected.max() - 50).all()
        np.testing.assert_allclose(found[~left_out], expected[~left_out], rtol=1e-9)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_tables_follow_from_the_prior(covariance_type):
    X, prior = make(covariance_type, 3, 7)
    tables, marginals = make_tables(prior, 7)
    at_mean = prior.update(X)
    _, log_determinant = np.linalg.slogdet(
        at_mean.scale if covariance_type == "full" else np.diag(at_mean.scale)
    )
    predictive = at_mean.log_predictive(at_mean.mean[None])[0]
    np.testing.assert_allclose(
        tables[0, 7] - 0.5 * log_determinant, np.log(7) + predictive, rtol=1e-12
    )
    assert marginals[0] == 0


def test_rank_one_update_and_downdate_of_a_factor():
    rng = np.random.default_rng(4)
    root = rng.standard_normal((4, 6))
    matrix, vector = root @ root.T, rng.standard_normal(4)

    def factor_of(matrix):
        factor = np.zeros((5, 4))
        factor[:4] = np.triu(matrix)
        log_determinant = factorise(factor, True)
        np.testing.assert_allclose(log_determinant, np.linalg.slogdet(matrix)[1], rtol=1e-12)
        return factor

    factor = factor_of(matrix)
    upper = np.triu(factor[:4])
    np.testing.assert_allclose(upper.T @ upper, matrix, rtol=1e-12)
    assert change_factor(factor, True, vector.copy(), 1.0)
    expected = factor_of(matrix + np.outer(vector, vector))
    np.testing.assert_allclose(np.triu(factor[:4]), np.triu(expected[:4]), rtol=1e-12)
    np.testing.assert_allclose(factor[4], 1 / np.diag(factor), rtol=1e-14)
    assert change_factor(factor, True, vector.copy(), -1.0)
    np.testing.assert_allclose(np.triu(factor[:4]), upper, rtol=1e-11, atol=1e-12)
    # More than there is can't be taken away.
    assert not change_factor(factor, True, 100 * vector, -1.0)


def test_choice_by_inversion_takes_what_the_uniform_number_says():
    log_weights = np.log(np.array([0.2, 1e-300, 0.5, 0.3])) + 800.0
    log_weights[1] = -np.inf
    uniforms = [0.0, 0.199, 0.201, 0.699, 0.701, 1 - 2.0**-53]
    assert [choose(log_weights, 4, u) for u in uniforms] == [0, 0, 2, 2, 3, 3]
