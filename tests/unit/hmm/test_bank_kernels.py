"""Compiled sums over Gaussians against their twins in NumPy."""

import numpy as np
import pytest
from oracles import hmm_kernels as twin
from oracles import hmm_training as oracle
from scipy.special import logsumexp

from speakergmm.gaussians import Evaluator, GaussianSums, SparsePosteriors
from speakergmm.hmm import MixtureBank, Topology
from speakergmm.hmm.models import aligned_posteriors, sparse_posteriors, sum_by_pdf
from speakergmm.hmm.training import AlignedPath, PhoneExpectation

OFFSETS = np.array([0, 1, 4, 5, 7, 24])
TOLERANCE = {"float32": {"rtol": 1e-6, "atol": 1e-5}, "float64": {"rtol": 1e-12, "atol": 1e-12}}


def make_densities(dtype, *, spread, n_frames=50):
    rng = np.random.default_rng(0)
    return (rng.normal(-50.0, spread, (n_frames, OFFSETS[-1]))).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("spread", [0.0, 1.0, 30.0, 1e4, 1e20])
def test_sums_are_those_of_numpy_and_of_scipy(dtype, spread):
    densities = make_densities(dtype, spread=spread)
    found = sum_by_pdf(densities, OFFSETS)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, twin.sum_by_pdf(densities, OFFSETS), **TOLERANCE[dtype])
    exact = [logsumexp(densities[:, p].astype(np.float64), axis=1) for p in oracle.parts(OFFSETS)]
    np.testing.assert_allclose(found, np.stack(exact, axis=1), **TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_where_one_gaussian_is_out_of_reach(dtype):
    densities = make_densities(dtype, spread=1.0)
    densities[:, [2, 5, 8]] = -1e30
    exact = [logsumexp(densities[:, p].astype(np.float64), axis=1) for p in oracle.parts(OFFSETS)]
    np.testing.assert_allclose(
        sum_by_pdf(densities, OFFSETS), np.stack(exact, axis=1), **TOLERANCE[dtype]
    )


def test_a_density_far_below_in_one_pdf_is_not_lost_in_another():
    """Sums have the maximum of their own pdf taken off, not that of the frame."""
    densities = np.array([[0.0, 0.0, -5000.0, -5000.0]], np.float32)
    np.testing.assert_allclose(
        sum_by_pdf(densities, np.array([0, 2, 4])), [[np.log(2), -5000 + np.log(2)]], rtol=1e-6
    )


def test_pdfs_of_one_gaussian_are_given_as_they_are():
    densities = make_densities("float32", spread=1.0)
    assert sum_by_pdf(densities, np.arange(OFFSETS[-1] + 1)) is densities


def test_sums_of_no_frame():
    assert sum_by_pdf(np.empty((0, 24), np.float32), OFFSETS).shape == (0, 5)


def make_bank(seed=0, d=3):
    rng = np.random.default_rng(seed)
    n = OFFSETS[-1]
    weights = np.concatenate([rng.dirichlet(np.ones(size)) for size in np.diff(OFFSETS)])
    return MixtureBank.from_parameters(
        OFFSETS, weights, rng.normal(0.0, 1.5, (n, d)), rng.uniform(0.3, 2.0, (n, d))
    )


def accumulated(emissions, posteriors, frames, bank, least=1e-8):
    found = sparse_posteriors(
        emissions.densities, emissions.log_emissions, emissions.offsets, emissions.gaussians,
        posteriors, least,
    )  # fmt: skip
    sums = GaussianSums(bank.prepared(), dtype=np.dtype(np.float64), sparse=True)
    sums.add_sparse(frames, SparsePosteriors(*found, 0.0))
    statistics = bank.prepared().coordinates.standardisation.model_from_standard(sums.statistics())
    return statistics.counts, statistics.first_order, statistics.second_order


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("pdfs", [None, [3, 1], [4], [2, 0]])
def test_moments_are_products_of_matrices(precision, pdfs):
    rng = np.random.default_rng(1)
    bank, frames = make_bank(), rng.normal(0.0, 2.0, (60, 3)).astype(np.float32)
    emissions = bank.evaluate(frames, pdfs, precision=precision)
    posteriors = rng.dirichlet(np.full(len(emissions.offsets) - 1, 0.3), len(frames))
    counts, first, second = accumulated(emissions, posteriors, frames, bank)
    gamma = np.zeros((len(frames), bank.n_gaussians))
    gamma[:, emissions.gaussians] = twin.component_posteriors(
        emissions.densities, emissions.log_emissions, emissions.offsets, posteriors
    )
    wide = frames.astype(np.float64)
    tolerance = {"rtol": 1e-6, "atol": 1e-5}
    np.testing.assert_allclose(counts, gamma.sum(axis=0), **tolerance)
    np.testing.assert_allclose(first, gamma.T @ wide, **tolerance)
    np.testing.assert_allclose(second, gamma.T @ wide**2, **tolerance)
    # And the formula itself, in float64.
    of_pdfs = np.zeros((len(frames), bank.n_pdfs))
    of_pdfs[:, range(bank.n_pdfs) if pdfs is None else pdfs] = posteriors
    np.testing.assert_allclose(
        gamma, oracle.gaussian_posteriors(bank, wide, of_pdfs), rtol=2e-3, atol=2e-5
    )
    assert counts.sum() == pytest.approx(len(frames), rel=1e-4)


def test_moments_are_added_to_what_is_there():
    rng = np.random.default_rng(2)
    bank, frames = make_bank(), rng.normal(size=(10, 3)).astype(np.float32)
    emissions = bank.evaluate(frames)
    posteriors = rng.dirichlet(np.ones(5), len(frames))
    whole = accumulated(emissions, posteriors, frames, bank)
    parts = [
        accumulated(bank.evaluate(frames[p]), posteriors[p], frames[p], bank)
        for p in (slice(0, 4), slice(4, 10))
    ]
    for at_once, one, two in zip(whole, *parts, strict=True):
        np.testing.assert_allclose(at_once, one + two, rtol=1e-5, atol=1e-6)


def test_posteriors_below_the_least_are_left_out():
    bank = make_bank()
    frames = np.zeros((2, 3), np.float32)
    emissions = bank.evaluate(frames, [0, 2])
    posteriors = np.array([[1.0, 1e-9], [0.5, 0.5]])
    counts, *_ = accumulated(emissions, posteriors, frames, bank)
    np.testing.assert_allclose(counts[[0, 4]], [1.5, 0.5], rtol=1e-12)


def test_aligned_moments_are_those_of_certain_posteriors():
    rng = np.random.default_rng(3)
    topologies = {f"U{i}": Topology.left_right(1) for i in range(5)}
    models = oracle.random_models(
        rng, topologies, sizes=tuple(np.diff(OFFSETS)), n_features=3, spread=1.5
    )
    frames = rng.normal(0.0, 2.0, (80, 3)).astype(np.float32)
    pdfs = rng.integers(5, size=80).astype(np.int32)
    sums = PhoneExpectation(models).no_statistics()
    PhoneExpectation(models).add_aligned(AlignedPath(pdfs, np.array([], np.int64)), frames, sums)
    posteriors = np.eye(5)[pdfs]
    wide = frames.astype(np.float64)
    gamma = oracle.gaussian_posteriors(models.bank, wide, posteriors)
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    found = sums.gaussians.statistics()
    np.testing.assert_allclose(found.counts, gamma.sum(axis=0), **tolerance)
    np.testing.assert_allclose(found.first_order, gamma.T @ wide, **tolerance)
    np.testing.assert_allclose(found.second_order, gamma.T @ wide**2, **tolerance)
    expected = oracle.log_emissions(models.bank, wide)[np.arange(80), pdfs].sum()
    assert sums.gaussians.log_likelihood == pytest.approx(expected, rel=1e-6)
    assert sums.gaussians.n_frames == 80


def test_aligned_posteriors_far_from_all_gaussians():
    columns = np.zeros((2, 3), np.float32)
    columns[:, 0], columns[:, 2] = [0.0, -3.0], -0.5
    frames = np.array([[1e4]], np.float32)
    (places, gaussians, weights), likelihood = aligned_posteriors(
        frames, np.zeros(1, np.int32), np.array([0, 2]), columns
    )
    assert likelihood == pytest.approx(-0.5e8, rel=1e-6)
    assert weights.sum() == pytest.approx(1.0)
    assert (places.tolist(), gaussians.tolist()) == ([0, 0], [0, 1])


@pytest.mark.parametrize("second_order", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_posteriors_add_what_the_same_ones_as_a_matrix_do(dtype, second_order):
    """One class of sums takes both forms; in coordinates that are not those of the frames."""
    rng = np.random.default_rng(4)
    bank, frames = make_bank(), rng.normal(3.0, 5.0, (40, 3)).astype(dtype)
    prepared = bank.prepared()
    shares = rng.uniform(size=(40, bank.n_gaussians)) * (rng.uniform(size=(40, 24)) < 0.1)
    of = {"dtype": np.dtype(np.float64), "second_order": second_order}
    dense, sparse = GaussianSums(prepared, **of), GaussianSums(prepared, **of, sparse=True)
    evaluator = Evaluator(prepared, precision="float64")
    dense.add_posteriors(frames, evaluator.rows(frames), shares)
    places, gaussians = map(np.ascontiguousarray, np.nonzero(shares))
    for half in (slice(0, 30), slice(30, None)):
        part = places[half], gaussians[half], shares[places, gaussians][half]
        sparse.add_sparse(frames, SparsePosteriors(*part, -2.0))
    np.testing.assert_allclose(sparse.moments, dense.moments, rtol=1e-10, atol=1e-10)
    found = sparse.statistics()
    assert (found.log_likelihood, found.n_frames) == (-4.0, 80.0)
    wide = prepared.coordinates.standardisation.applied(frames)
    np.testing.assert_allclose(found.first_order, shares.T @ wide, rtol=1e-10, atol=1e-10)
    assert (found.second_order is not None) == second_order
