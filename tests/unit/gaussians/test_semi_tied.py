"""Semi-tied covariances against a general optimiser, single frames and Kaldi's figures."""

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians import estimate_semi_tied_transform, semi_tied_scatter
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics


def objective(flat, scatter, count):
    matrix = flat.reshape(scatter.shape[1:])
    quadratic = sum(row @ each @ row for row, each in zip(matrix, scatter, strict=True))
    return -(count * np.linalg.slogdet(matrix)[1] - 0.5 * quadratic) / count


def gradient(flat, scatter, count):
    matrix = flat.reshape(scatter.shape[1:])
    pulled = np.stack([row @ each for row, each in zip(matrix, scatter, strict=True)])
    return -(np.linalg.inv(matrix).T - pulled / count).ravel()


@pytest.fixture
def case():
    rng = np.random.default_rng(8)
    roots = rng.normal(size=(4, 4, 9))
    return 50 * roots @ roots.swapaxes(1, 2), 400.0


def test_the_optimum_is_that_of_a_general_optimiser(case):
    found = estimate_semi_tied_transform(*case)
    start = np.eye(4).ravel()
    best = minimize(objective, start, case, jac=gradient, method="BFGS", options={"gtol": 1e-9})
    assert check_grad(objective, gradient, found.matrix.ravel() + 0.1, *case) < 1e-5
    assert objective(start, *case) - best.fun == pytest.approx(found.gains[-1], abs=1e-7)
    assert np.abs(gradient(found.matrix.ravel(), *case)).max() < 1e-4
    assert (np.diff([0.0, *found.gains]) > -1e-12).all()
    assert found.log_determinant == pytest.approx(np.log(abs(np.linalg.det(found.matrix))))


def test_scatter_is_that_of_single_frames_and_posteriors():
    rng = np.random.default_rng(2)
    model = DiagonalMixture([0.4, 0.6], rng.normal(size=(2, 3)), rng.uniform(0.5, 2, (2, 3)))
    frames, shares = rng.normal(size=(50, 3)), rng.dirichlet([1, 1], 50)
    for origins in (None, rng.normal(size=(2, 3))):
        moved = frames[:, None] - (0 if origins is None else origins)
        first = np.einsum("tg,tgi->gi", shares, np.broadcast_to(moved, (50, 2, 3)))
        second = np.einsum("tg,tgi,tgj->gij", shares, moved * np.ones((1, 2, 1)), moved)
        statistics = MixtureStatistics(
            shares.sum(axis=0), first, second, -1.0, 50, "full", origins=origins
        )
        true = np.zeros((3, 3, 3))
        for x, own in zip(frames, shares, strict=True):
            for share, mean, variance in zip(own, model.means, model.covariances, strict=True):
                for i in range(3):
                    true[i] += share * np.outer(x - mean, x - mean) / variance[i]
        np.testing.assert_allclose(semi_tied_scatter(statistics, model.gaussians), true)


def test_correlated_features_become_independent():
    rng = np.random.default_rng(4)
    mixing = np.array([[1.0, 0.0], [0.9, 0.4]])
    frames = rng.normal(size=(4000, 2)) @ mixing.T
    covariance = frames.T @ frames
    variances = covariance.diagonal() / 4000
    scatter = covariance / variances[:, None, None]
    after = estimate_semi_tied_transform(scatter, 4000).matrix @ covariance / 4000
    # One Gaussian: any root of the precision is an optimum; scaled it makes the frames white.
    found = estimate_semi_tied_transform(scatter, 4000)
    after = found.matrix @ covariance @ found.matrix.T / 4000 / np.sqrt(np.outer(*[variances] * 2))
    np.testing.assert_allclose(after, np.eye(2), atol=1e-3)


def test_statistics_of_another_kind_are_refused():
    model = DiagonalMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    diagonal = MixtureStatistics([9.0], [[0.0, 0.0]], [[1.0, 1.0]], -1.0, 9)
    with pytest.raises(InvalidInputError, match=r"full second-order moments.*, found diag"):
        semi_tied_scatter(diagonal, model.gaussians)
    other = MixtureStatistics([9.0], [[0.0]], [[[1.0]]], -1.0, 9, "full")
    with pytest.raises(InvalidInputError, match=r"shape \(1, 1\) for Gaussians of shape \(1, 2\)"):
        semi_tied_scatter(other, model.gaussians)
    one_line = np.ones((2, 2, 2))
    with pytest.raises(InsufficientDataError, match="feature 0 vary in 1 of 2 directions"):
        estimate_semi_tied_transform(one_line, 9)


def test_gains_and_matrix_are_those_of_kaldi(data_dir):
    case = data_dir / "kaldi_reference" / "cases" / "mllt"
    given, true = np.load(case / "accumulators.npz"), np.load(case / "result.npz")["mllt"]
    scatter = np.zeros((40, 40, 40))
    i, j = np.tril_indices(40)
    scatter[:, i, j] = scatter[:, j, i] = given["G_lower"]
    found = estimate_semi_tied_transform(scatter, float(given["beta"]), tol=0, max_iter=70)
    logged = (0.78166, 0.880612, 0.920018, 0.938988)
    assert found.gains[:4] == pytest.approx(logged, abs=1e-6)
    assert found.gains[60] == pytest.approx(0.966762, abs=1e-6)
    assert found.log_determinant == pytest.approx(-1.43236, abs=1e-4)
    np.testing.assert_allclose(found.matrix, true, atol=2e-3)
