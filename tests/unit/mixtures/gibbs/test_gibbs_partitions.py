"""Partitions: their prior against the restaurant, least-squares clustering against its matrices."""

import math

import numpy as np
import pytest
from oracles import gibbs as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures.gibbs import (
    coclustering,
    least_squares_partition,
    log_partition_prior,
    name_by_appearance,
    name_by_size,
    split_by_label,
)


@pytest.mark.parametrize("concentration", [0.1, 1.0, 7.5])
def test_prior_of_partitions_is_the_restaurants_and_sums_to_one(concentration):
    total = 0.0
    for labels in oracle.set_partitions(6):
        found = log_partition_prior(np.bincount(labels), concentration)
        expected = oracle.log_chinese_restaurant(labels, concentration)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        total += math.exp(found)
    assert abs(total - 1) < 1e-12


def test_enumeration_meets_bells_numbers():
    assert [len(oracle.set_partitions(n)) for n in range(1, 7)] == [1, 2, 5, 15, 52, 203]


def test_names_by_size_and_by_appearance():
    labels = np.array([7, 3, 3, 9, 7, 3])
    np.testing.assert_array_equal(name_by_size(labels), [1, 0, 0, 2, 1, 0])
    np.testing.assert_array_equal(name_by_appearance(labels), [0, 1, 1, 2, 0, 1])
    # Of equal clusters the first to appear comes first.
    np.testing.assert_array_equal(name_by_size([5, 2, 2, 5]), [0, 1, 1, 0])


def test_split_gives_each_clusters_frames():
    parts = split_by_label(np.array([1, 0, 2, 1, 0]))
    assert [part.tolist() for part in parts] == [[1, 4], [0, 3], [2]]


def test_least_squares_partition_has_the_least_loss():
    rng = np.random.default_rng(0)
    for n_clusters in (2, 3, 5):
        partitions = rng.integers(0, n_clusters, (30, 8))
        losses = [oracle.dahl_loss(p, partitions) for p in partitions]
        found = least_squares_partition(partitions)
        assert oracle.dahl_loss(found, partitions) <= min(losses) + 1e-9
        assert min(losses) < max(losses)
        best = partitions[int(np.argmin(losses))]
        np.testing.assert_array_equal(found, name_by_appearance(best))


def test_least_squares_partition_counts_repeated_partitions_under_any_names():
    partitions = [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 2, 2], [4, 4, 2, 2], [0, 0, 0, 0]]
    np.testing.assert_array_equal(least_squares_partition(partitions), [0, 0, 1, 1])


def test_coclustering_is_the_share_of_partitions():
    found = coclustering([[0, 0, 1], [0, 1, 1], [2, 2, 2], [0, 1, 2]])
    np.testing.assert_array_equal(found, [[1, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 1]])


def test_no_partition_is_refused():
    with pytest.raises(InvalidInputError, match=r"S >= 1, found \(0, 3\)"):
        least_squares_partition(np.zeros((0, 3), int))
