"""Hypothesis: invariances of partitions' probabilities, and of a sampler's chain, on any data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.gibbs_partition import ReferencePartition

from speakergmm.mixtures.gibbs import (
    NormalInverseWishart,
    PartitionState,
    coclustering,
    least_squares_partition,
    name_by_appearance,
    name_by_size,
    sample_dirichlet_process,
)

seeds = st.integers(0, 2**32 - 1)
kinds = st.sampled_from(["full", "diag"])
labellings = st.lists(st.integers(0, 4), min_size=1, max_size=12)


def frames_of(seed, n_frames, n_features):
    """Frames with outliers, repeated rows and now and then a constant feature."""
    rng = np.random.default_rng(seed)
    X = rng.standard_t(2, (n_frames, n_features))
    X[rng.integers(0, n_frames, n_frames // 3)] = X[0]
    if rng.random() < 0.2:
        X[:, 0] = 3.0
    return X


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(seeds, kinds, st.integers(1, 25), st.integers(1, 6), st.floats(0.01, 50))
def test_compiled_and_plain_sweeps_agree(seed, kind, n_frames, n_features, concentration):
    X = frames_of(seed, n_frames, n_features)
    prior = NormalInverseWishart.from_data(X, covariance_type=kind)
    rng = np.random.default_rng(seed)
    start = np.unique(rng.integers(0, 4, n_frames), return_inverse=True)[1]
    compiled = PartitionState(X, prior, start)
    plain = ReferencePartition(X, prior, start)
    for _ in range(2):
        order, uniforms = rng.permutation(n_frames), rng.random(n_frames)
        compiled.sweep(order, uniforms, concentration)
        plain.sweep(order, uniforms, concentration)
        np.testing.assert_array_equal(compiled.labels, plain.labels)
        np.testing.assert_allclose(
            compiled.log_likelihood(), plain.log_likelihood(), rtol=1e-9, atol=1e-9
        )


@settings(max_examples=30, deadline=None)
@given(seeds, kinds, st.integers(2, 12), st.integers(1, 4))
def test_likelihood_ignores_the_order_of_frames_and_names_of_clusters(seed, kind, n, n_features):
    X = frames_of(seed, n, n_features)
    prior = NormalInverseWishart.from_data(X, covariance_type=kind)
    rng = np.random.default_rng(seed)
    labels = np.unique(rng.integers(0, 3, n), return_inverse=True)[1]
    order, names = rng.permutation(n), rng.permutation(labels.max() + 1)
    before = PartitionState(X, prior, labels).log_likelihood()
    after = PartitionState(X[order], prior, names[labels[order]]).log_likelihood()
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 12), st.integers(1, 4))
def test_full_likelihood_turns_with_the_frames(seed, n_frames, n_features):
    rng = np.random.default_rng(seed)
    X = frames_of(seed, n_frames, n_features)
    rotation = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
    root = rng.standard_normal((n_features, n_features + 2))
    prior = NormalInverseWishart(np.ones(n_features), 0.5, n_features + 2.0, root @ root.T)
    turned_scale = rotation @ prior.scale @ rotation.T
    turned = NormalInverseWishart(
        rotation @ prior.mean, 0.5, n_features + 2.0, (turned_scale + turned_scale.T) / 2
    )
    np.testing.assert_allclose(
        turned.log_marginal(X @ rotation.T), prior.log_marginal(X), rtol=1e-8, atol=1e-8
    )


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 12), st.integers(1, 4))
def test_diagonal_likelihood_is_the_sum_over_features(seed, n_frames, n_features):
    X = frames_of(seed, n_frames, n_features)
    prior = NormalInverseWishart.from_data(X, covariance_type="diag")
    parts = [
        NormalInverseWishart(
            prior.mean[d : d + 1],
            prior.mean_precision,
            prior.degrees_of_freedom,
            [[prior.scale[d]]],
        ).log_marginal(X[:, d : d + 1])
        for d in range(n_features)
    ]
    np.testing.assert_allclose(prior.log_marginal(X), sum(parts), rtol=1e-10, atol=1e-10)


@settings(max_examples=20, deadline=None)
@given(seeds, kinds, st.integers(-20, 20), st.floats(-1e6, 1e6))
def test_a_chain_does_not_care_for_units_and_offsets(seed, kind, power, offset):
    X = frames_of(seed, 15, 2)
    options = {"covariance_type": kind, "n_sweeps": 5, "n_chains": 1, "init": "single"}
    before = sample_dirichlet_process(X, **options)
    after = sample_dirichlet_process(X * 2.0**power, **options)
    np.testing.assert_array_equal(after.labels, before.labels)
    # A constant feature has no unit.
    volume = 15 * np.count_nonzero(np.ptp(X, axis=0)) * power * np.log(2)
    np.testing.assert_allclose(
        after.log_probability, before.log_probability - volume, rtol=1e-9, atol=1e-9
    )
    moved = sample_dirichlet_process(X + offset, **options)
    np.testing.assert_allclose(
        moved.log_probability[:, 0], before.log_probability[:, 0], rtol=1e-6, atol=1e-4
    )


@given(labellings)
def test_names_keep_the_partition(labels):
    labels = np.array(labels)
    same = labels[:, None] == labels
    for named in (name_by_size(labels), name_by_appearance(labels)):
        np.testing.assert_array_equal(named[:, None] == named, same)
        assert set(named.tolist()) == set(range(len(set(labels.tolist()))))
    sizes = np.bincount(name_by_size(labels))
    assert (np.diff(sizes) <= 0).all()


@pytest.mark.slow
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=1, max_size=9
        )
    )
)
def test_least_squares_partition_is_the_best_of_those_given(partitions):
    partitions = np.array(partitions)
    together = coclustering(partitions)

    def loss(labels):
        return ((np.equal.outer(labels, labels) - together) ** 2).sum()

    found = least_squares_partition(partitions)
    assert loss(found) <= min(loss(p) for p in partitions) + 1e-9
    assert any(np.array_equal(found, name_by_appearance(p)) for p in partitions)
