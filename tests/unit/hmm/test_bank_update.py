"""Updates of banks: the maximum of the auxiliary function, floors, removal, growth."""

import itertools

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import MixtureBank
from speakergmm.hmm.training import allot_gaussians, grow_bank, update_bank
from speakergmm.mixtures import MixtureStatistics

OFFSETS = np.array([0, 2, 3, 6])
NO_FLOOR = np.full(2, 1e-12)


def make_bank(seed=0, d=2):
    rng = np.random.default_rng(seed)
    weights = np.concatenate([rng.dirichlet(np.full(n, 5.0)) for n in np.diff(OFFSETS)])
    return MixtureBank.from_parameters(
        OFFSETS, weights, rng.normal(0.0, 2.0, (6, d)), rng.uniform(0.5, 1.5, (6, d))
    )


def make_posteriors(seed=1, n_frames=30, d=2):
    rng = np.random.default_rng(seed)
    return rng.normal(0.0, 2.0, (n_frames, d)), rng.dirichlet(np.full(6, 0.4), n_frames)


def moments(X, gamma):
    return gamma.sum(axis=0), gamma.T @ X, gamma.T @ X**2


def statistics_of(counts, first, second):
    return MixtureStatistics(counts, first, second, log_likelihood=0.0, n_frames=counts.sum())


def parameters(bank):
    return bank.weights, bank.gaussians.means, bank.gaussians.variances()


def test_update_is_the_maximum_of_the_auxiliary_function():
    """Its derivatives vanish, and it falls whichever way a parameter goes."""
    X, gamma = make_posteriors()
    updated, report = update_bank(
        make_bank(), statistics_of(*moments(X, gamma)), variance_floor=NO_FLOOR
    )
    assert (report.n_floored, report.n_removed, report.n_kept) == (0, 0, 0)
    best = oracle.auxiliary(X, gamma, *parameters(updated))
    step = 1e-4
    for which, g, d in itertools.product((1, 2), range(6), range(2)):
        values = []
        for sign in (-1, 1):
            moved = [array.copy() for array in parameters(updated)]
            moved[which][g, d] += sign * step
            values.append(oracle.auxiliary(X, gamma, *moved))
        assert max(values) < best
        slope = (values[1] - values[0]) / (2 * step)
        curvature = (values[0] + values[1] - 2 * best) / step**2
        assert abs(slope) < 1e-3 * abs(curvature) * step**0.5
    for part in oracle.parts(OFFSETS):
        for one, other in itertools.permutations(range(part.start, part.stop), 2):
            moved = [array.copy() for array in parameters(updated)]
            moved[0][one] += step
            moved[0][other] -= step
            assert oracle.auxiliary(X, gamma, *moved) < best


def test_update_is_mean_and_variance_by_the_book():
    X, gamma = make_posteriors()
    updated, _ = update_bank(
        make_bank(), statistics_of(*moments(X, gamma)), variance_floor=NO_FLOOR
    )
    for g in range(6):
        weights = gamma[:, g]
        mean = np.average(X, axis=0, weights=weights)
        np.testing.assert_allclose(updated.gaussians.means[g], mean, rtol=1e-12)
        np.testing.assert_allclose(
            updated.gaussians.variances()[g],
            np.average((X - mean) ** 2, axis=0, weights=weights),
            rtol=1e-9,
        )
    for part in oracle.parts(OFFSETS):
        counts = gamma[:, part].sum(axis=0)
        np.testing.assert_allclose(updated.weights[part], counts / counts.sum(), rtol=1e-12)


def test_variances_are_raised_to_the_floor_feature_by_feature():
    X, gamma = make_posteriors()
    free, _ = update_bank(make_bank(), statistics_of(*moments(X, gamma)), variance_floor=NO_FLOOR)
    variances = free.gaussians.variances()
    floor = np.array([np.median(variances[:, 0]), 1e-9])
    updated, report = update_bank(
        make_bank(), statistics_of(*moments(X, gamma)), variance_floor=floor
    )
    np.testing.assert_array_equal(updated.gaussians.variances(), np.maximum(variances, floor))
    assert report.n_floored == 3
    np.testing.assert_array_equal(updated.gaussians.means, free.gaussians.means)


def test_gaussians_with_too_few_frames_go():
    X, gamma = make_posteriors()
    counts, first, second = moments(X, gamma)
    counts[[0, 3, 5]] = [0.5, 0.2, 0.9]
    updated, report = update_bank(
        make_bank(),
        statistics_of(counts, first, second),
        variance_floor=NO_FLOOR,
        min_occupancy=1.0,
    )
    assert report.n_removed == 3
    assert updated.sizes.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(updated.weights, 1.0)
    free, _ = update_bank(
        make_bank(), statistics_of(counts, first, second), variance_floor=NO_FLOOR
    )
    np.testing.assert_array_equal(updated.gaussians.means, free.gaussians.means[[1, 2, 4]])


def test_weights_of_those_that_stay_are_in_proportion():
    X, gamma = make_posteriors()
    counts, first, second = moments(X, gamma)
    counts[4] = 0.1
    updated, _ = update_bank(
        make_bank(),
        statistics_of(counts, first, second),
        variance_floor=NO_FLOOR,
        min_occupancy=1.0,
    )
    assert updated.sizes.tolist() == [2, 1, 2]
    np.testing.assert_allclose(
        updated.weights[3:], counts[[3, 5]] / counts[[3, 5]].sum(), rtol=1e-12
    )


def test_the_heaviest_of_a_pdf_stays_as_it_was():
    bank = make_bank()
    counts = np.array([5.0, 5.0, 0.5, 0.1, 0.3, 0.2])
    updated, report = update_bank(
        bank, statistics_of(counts, np.ones((6, 2)), np.full((6, 2), 9.0)),
        variance_floor=NO_FLOOR, min_occupancy=1.0,
    )  # fmt: skip
    assert updated.sizes.tolist() == [2, 1, 1]
    assert report.n_removed == 2
    np.testing.assert_array_equal(updated.gaussians.means[2:], bank.gaussians.means[[2, 4]])
    np.testing.assert_array_equal(
        updated.gaussians.variances()[2:], bank.gaussians.variances()[[2, 4]]
    )
    np.testing.assert_array_equal(updated.weights[2:], 1.0)


@pytest.mark.parametrize("min_occupancy", [0.0, 1.0])
def test_pdfs_without_frames_stay_as_they_were(min_occupancy):
    bank = make_bank()
    counts = np.array([5.0, 5.0, 4.0, 0.0, 0.0, 0.0])
    updated, report = update_bank(
        bank, statistics_of(counts, counts[:, None] * [[1.0, 2.0]], counts[:, None] * [[3.0, 9.0]]),
        variance_floor=np.full(2, 0.1), min_occupancy=min_occupancy,
    )  # fmt: skip
    assert report.n_kept == 1
    assert updated.sizes.tolist() == bank.sizes.tolist()
    for new, old in zip(parameters(updated), parameters(bank), strict=True):
        np.testing.assert_allclose(new[3:], old[3:], rtol=1e-14)
    np.testing.assert_allclose(updated.gaussians.means[:3], [[1.0, 2.0]] * 3)


def test_a_gaussian_without_occupancy_keeps_its_place_but_no_weight():
    bank = make_bank()
    counts = np.array([5.0, 0.0, 4.0, 2.0, 1.0, 1.0])
    updated, _ = update_bank(
        bank, statistics_of(counts, counts[:, None] * [[1.0, 2.0]], counts[:, None] * [[3.0, 9.0]]),
        variance_floor=NO_FLOOR,
    )  # fmt: skip
    np.testing.assert_array_equal(updated.gaussians.means[1], bank.gaussians.means[1])
    assert updated.weights[:2].tolist() == [1.0, 0.0]


def test_allotment_by_hand():
    # With power 1 Gaussians have the same occupancy, with 0 pdfs the same number.
    occupancy = np.array([1000.0, 2000.0, 3000.0])
    assert allot_gaussians(occupancy, 12, power=1.0).tolist() == [2, 4, 6]
    assert allot_gaussians(occupancy, 12, power=0.0).tolist() == [4, 4, 4]
    assert allot_gaussians(occupancy**4, 12, power=0.25).tolist() == [2, 4, 6]


def test_allotment_asks_for_frames():
    occupancy = np.array([39.9, 40.0, 60.0, 0.0])
    assert allot_gaussians(occupancy, 100, min_frames_per_gaussian=20.0).tolist() == [1, 2, 3, 1]


def test_allotment_takes_nothing_away():
    present = np.array([5, 1, 1])
    found = allot_gaussians(np.array([10.0, 1e4, 1e4]), 10, present=present)
    assert found.tolist() == [5, 3, 2]
    assert present.tolist() == [5, 1, 1]
    assert allot_gaussians(np.array([10.0, 1e4, 1e4]), 3, present=present).tolist() == [5, 1, 1]


@pytest.mark.parametrize("occupancy", [[-1.0, 2.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_allotment_refuses_what_is_no_occupancy(occupancy):
    with pytest.raises(InvalidInputError, match="occupancies"):
        allot_gaussians(np.array(occupancy), 5)


def test_growth_without_perturbation_leaves_the_density():
    bank = make_bank()
    grown = grow_bank(bank, np.array([5, 4, 3]), perturbation=0.0)
    assert grown.sizes.tolist() == [5, 4, 3]
    X = np.random.default_rng(2).normal(0.0, 3.0, (50, 2))
    np.testing.assert_allclose(
        oracle.log_emissions(grown, X), oracle.log_emissions(bank, X), rtol=1e-12
    )


def test_growth_moves_the_density_by_the_square_of_the_perturbation():
    """Halves go to both sides, so that the mean of each pdf stays."""
    bank, X = make_bank(), np.random.default_rng(2).normal(0.0, 2.0, (50, 2))
    before = np.exp(oracle.log_emissions(bank, X))
    changes = []
    for perturbation in (0.02, 0.01):
        grown = grow_bank(bank, np.array([3, 2, 4]), perturbation=perturbation)
        changes.append(np.abs(np.exp(oracle.log_emissions(grown, X)) - before).max())
        for old, new in zip(oracle.parts(bank.offsets), oracle.parts(grown.offsets), strict=True):
            np.testing.assert_allclose(
                grown.weights[new] @ grown.gaussians.means[new],
                bank.weights[old] @ bank.gaussians.means[old],
                rtol=1e-12,
            )
    assert changes[0] > 0
    assert changes[1] == pytest.approx(changes[0] / 4, rel=0.05)


def test_growth_splits_the_heaviest_in_halves_a_step_apart():
    bank = MixtureBank.from_parameters(
        [0, 3], [0.2, 0.5, 0.3], [[0.0], [1.0], [2.0]], [[1.0], [4.0], [9.0]]
    )
    grown = grow_bank(bank, np.array([4]), perturbation=0.1, seed=(7,))
    np.testing.assert_allclose(grown.weights, [0.2, 0.25, 0.3, 0.25])
    np.testing.assert_array_equal(grown.gaussians.variances()[[1, 3]], 4.0)
    np.testing.assert_array_equal(grown.gaussians.means[[0, 2]], [[0.0], [2.0]])
    step = 0.1 * 2.0 * np.random.default_rng([7, 0]).standard_normal(1)
    np.testing.assert_allclose(grown.gaussians.means[[1, 3], 0], [1 + step[0], 1 - step[0]])


def test_growth_depends_on_the_seed_alone_and_not_on_other_pdfs():
    bank = make_bank()
    one, two = (grow_bank(bank, np.array([3, 2, 4]), seed=(1, 2)) for _ in range(2))
    np.testing.assert_array_equal(one.gaussians.means, two.gaussians.means)
    other = grow_bank(bank, np.array([3, 2, 4]), seed=(1, 3))
    assert (one.gaussians.means != other.gaussians.means).any()
    last = grow_bank(bank, np.array([2, 1, 4]), seed=(1, 2))
    np.testing.assert_array_equal(last.pdf(2).means, one.pdf(2).means)


def test_growth_keeps_what_is_larger():
    bank = make_bank()
    grown = grow_bank(bank, np.array([1, 1, 1]))
    assert grown.sizes.tolist() == bank.sizes.tolist()
    np.testing.assert_array_equal(grown.gaussians.means, bank.gaussians.means)


def test_refuses_covariances_that_are_not_diagonal():
    bank = MixtureBank.from_parameters([0, 1], [1.0], [[0.0]], [[[1.0]]], covariance_type="full")
    with pytest.raises(InvalidInputError, match="diagonal"):
        update_bank(
            bank,
            statistics_of(np.ones(1), np.ones((1, 1)), np.ones((1, 1))),
            variance_floor=np.ones(1),
        )
