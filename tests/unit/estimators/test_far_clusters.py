"""Clusters a million deviations apart, constant frames, numbers that float32 cannot represent."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles.peers import hmmlearn_module
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from speakergmm import GaussianMixture, GaussianMixtureHMM
from speakergmm.mixtures import DiagonalMixture, accumulate, fit_mixture

KINDS = ("full", "tied", "diag", "spherical")
DISTANCES = (1e4, 1e6, 1e7, 1e8)


def far_clusters(distance, n=200):
    """Return frames of unit deviation in runs of ten, and the cluster of each."""
    rng = np.random.default_rng(0)
    states = np.repeat(rng.permutation(np.arange(n // 10) % 2), 10)
    return rng.normal(size=(n, 2)) + distance * states[:, None], states


def within(X, states, kind):
    """Return the covariances within the clusters, in the shape of the kind."""
    moved = [X[states == s] - X[states == s].mean(axis=0) for s in (0, 1)]
    scatters = [frames.T @ frames / len(frames) for frames in moved]
    if kind == "full":
        return np.stack(scatters)
    if kind == "tied":
        return np.mean(scatters, axis=0)
    variances = np.stack([np.diag(scatter) for scatter in scatters])
    return variances if kind == "diag" else variances.mean(axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("distance", DISTANCES)
def test_mixtures_find_clusters_as_they_are(distance, kind):
    X, states = far_clusters(distance)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = GaussianMixture(2, covariance_type=kind, random_state=0, reg_covar=1e-9).fit(X)
    order = model.means_[:, 0].argsort()
    covariances = model.covariances_ if kind == "tied" else model.covariances_[order]
    assert_allclose(covariances, within(X, states, kind), rtol=1e-5, atol=1e-6)
    assert not model.history_.events[-1]
    assert np.diff(model.lower_bounds_).min() > -1e-9
    # SciPy takes the difference to the mean first.
    expected = logsumexp(
        [
            np.log(weight) + multivariate_normal(mean, covariance).logpdf(X)
            for weight, mean, covariance in zip(
                model.weights_, model.means_, model.mixture_.full_covariances(), strict=True
            )
        ],
        axis=0,
    )
    assert_allclose(model.score_samples(X), expected, atol=1e-6)
    assert_array_equal(order.argsort()[model.predict(X)], states)
    assert_allclose(model.predict_proba(X).max(axis=1), 1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_many_blocks_and_weights_are_summed_about_the_means_too(weighted):
    X, states = far_clusters(1e8, n=6000)
    weights = np.tile([1.0, 2.0], 3000) if weighted else None
    model = GaussianMixture(2, covariance_type="diag", random_state=0, reg_covar=1e-9, n_jobs=2)
    model.fit(np.split(X, [4000]), sample_weight=weights)
    order = model.means_[:, 0].argsort()
    for s in (0, 1):
        own = X[states == s]
        of_own = None if weights is None else weights[states == s]
        mean = np.average(own, axis=0, weights=of_own)
        expected = np.average((own - mean) ** 2, axis=0, weights=of_own)
        assert_allclose(model.covariances_[order[s]], expected, rtol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_mix", [1, 2])
@pytest.mark.parametrize("distance", DISTANCES)
def test_hidden_markov_models_never_fall(distance, n_mix, kind, precision):
    X, states = far_clusters(distance)
    model = GaussianMixtureHMM(
        1 if n_mix == 2 else 2,
        n_mix,
        covariance_type=kind,
        random_state=0,
        tol=-np.inf,
        precision=precision,
    ).fit(X)
    history = np.array(model.monitor_.history)
    assert len(history) == 10
    assert np.diff(history).min() > -1e-9
    assert not model.monitor_.fell
    order = model.means_[..., 0].ravel().argsort()
    expected = within(X, states, kind)
    if kind == "tied" and n_mix == 1:
        expected = within(X, states, "full")
    covars = model.covars_ if kind == "tied" and n_mix == 2 else None
    if covars is None:
        covars = model.covars_.reshape(2, *expected.shape[1:])[order]
    assert_allclose(covars.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)
    peer = hmmlearn_module().GMMHMM(model.n_components, n_mix, covariance_type=kind)
    for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
        setattr(peer, name, getattr(model, name))
    # hmmlearn takes the difference to the mean first, too.
    assert model.score(X) == pytest.approx(peer.score(X), abs=1e-3)
    assert history[-1] == pytest.approx(peer.score(X), abs=1e-3)


def test_an_outlier_does_not_swamp_two_clusters():
    X = np.repeat([[0.0, 0.0], [1.0, 1.0], [1e6, 1e6]], [20, 20, 1], axis=0)
    for kind in KINDS:
        model = GaussianMixture(3, covariance_type=kind, random_state=0).fit(X)
        labels = model.predict(X)
        assert len({labels[0], labels[20], labels[40]}) == 3
        assert model.mixture_.component_variances().max() < 1e-3


def test_a_background_mixture_keeps_a_narrow_component():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(300, 1)), 1e7 + rng.normal(size=(300, 1))])
    fitted = fit_mixture(X, n_components=2, variance_floor=0.0).model
    expected = [X[:300].var(), X[300:].var()]
    assert_allclose(fitted.variances[fitted.means[:, 0].argsort(), 0], expected, rtol=1e-5)
    statistics = accumulate(fitted, X)
    assert_allclose(np.sort(statistics.counts), [300.0, 300.0])
    assert_allclose(statistics.first_order.sum(axis=0), X.sum(axis=0))
    assert_allclose(statistics.second_order.sum(axis=0), (X**2).sum(axis=0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 + 0.1])
@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_the_bound_does_not_fall_on_constant_frames(kind, value, n_components):
    X = np.full((50, 3), value)
    model = GaussianMixture(
        n_components, covariance_type=kind, random_state=0, tol=0.0, max_iter=10
    ).fit(X)
    assert min(np.diff(model.lower_bounds_), default=0.0) >= -1e-9
    # One Gaussian of the variance that was added.
    expected = multivariate_normal(X[0], 1e-6 * np.eye(3)).logpdf(X[0])
    assert model.lower_bound_ == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [[25, 25], [10, 40], [5, 45]])
def test_the_bound_does_not_fall_on_two_points(kind, weights):
    X = np.repeat([[0.0, 0.0], [1.0, 1.0]], weights, axis=0)
    model = GaussianMixture(5, covariance_type=kind, random_state=0, tol=1e-9).fit(X)
    assert model.history_[0].revived
    assert min(np.diff(model.lower_bounds_), default=0.0) >= -1e-9
    # One Gaussian for each point, of the variance that was added.
    part = np.asarray(weights) / 50
    entropy = -(part * np.log(part)).sum()
    peak = multivariate_normal(np.zeros(2), 1e-6 * np.eye(2)).logpdf(np.zeros(2))
    assert model.lower_bound_ == pytest.approx(peak - entropy, abs=1e-6)


def test_a_constant_feature_beside_others_does_not_lower_the_bound():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=80).round(), np.full(80, 7.0)])
    model = GaussianMixture(30, covariance_type="diag", random_state=0, tol=0.0).fit(X)
    assert_allclose(model.means_[:, 1], 7.0, atol=1e-12)
    constant = GaussianMixtureHMM(2, 2, random_state=0, tol=-np.inf).fit(np.full((40, 2), 3.0))
    assert np.diff(constant.monitor_.history).min() > -1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("factor", "named"), [(2e37, "variances"), (1e-25, "variances")])
def test_what_float32_cannot_hold_is_said_and_given_in_float64(kind, factor, named):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(-1, 0.2, (80, 2)), rng.normal(1, 0.2, (80, 2))])
    options = {"n_components": 2, "covariance_type": kind, "random_state": 0, "reg_covar": 0.0}
    plain = GaussianMixture(**options).fit(X)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        model = GaussianMixture(**options).fit((X * factor).astype(np.float32))
    assert len(heard) == 1
    assert f"{named} like" in str(heard[0].message)
    assert "scale the features" in str(heard[0].message)
    assert model.covariances_.dtype == np.float64
    assert_allclose(model.covariances_, plain.covariances_ * factor**2, rtol=1e-4)
    assert_allclose(model.means_, plain.means_ * factor, rtol=1e-4)
    assert np.isfinite(model.precisions_).all()
    small = GaussianMixture(**options).fit(X.astype(np.float32))
    assert small.covariances_.dtype == np.float32


def test_a_stream_of_such_frames_is_told_too():
    X = np.random.default_rng(0).normal(size=(50, 2)) * 1e36
    with pytest.warns(UserWarning, match="do not fit float32"):
        model = GaussianMixture(1, covariance_type="diag").partial_fit(X.astype(np.float32))
    assert np.isfinite(model.covariances_).all()


def test_narrow_components_do_not_touch_the_frames_of_others():
    # A component of weight zero has no part in any frame.
    wide = DiagonalMixture([0.5, 0.5, 0.0], [[0.0], [1e7], [5.0]], [[1.0], [1.0], [1e-3]])
    X = np.array([[0.5], [-0.5], [1e7 + 0.5]])
    found = accumulate(wide, X)
    assert_allclose(found.counts, [2.0, 1.0, 0.0])
    # So far away that squares overflow: numbers, all the same.
    assert np.isfinite(wide.log_likelihood(np.array([[1e200], [-1e300]]))).all()


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_statistics_of_narrow_components_are_those_of_all_of_them(scale):
    """Only pairs of frame and component that contribute nothing are skipped."""
    rng = np.random.default_rng(4)
    means, deviation = rng.normal(size=(7, 3)) * scale, 1e-6 * scale
    means[1] = means[0] + 3 * deviation
    means[2] = means[0] + 30 * deviation
    mixture = DiagonalMixture(np.arange(1.0, 8.0) / 28, means, np.full((7, 3), deviation**2))
    between = rng.uniform(size=(40, 1)) * (means[2] - means[0]) + means[0]
    X = np.vstack(
        [means + deviation * rng.normal(size=means.shape), between, np.full((1, 3), 9 * scale)]
    )
    logs = np.stack(
        [
            np.log(w) + multivariate_normal(np.zeros(3), deviation**2 * np.eye(3)).logpdf(X - m)
            for w, m in zip(mixture.weights, means, strict=True)
        ],
        axis=1,
    )
    shares = np.exp(logs - logsumexp(logs, axis=1, keepdims=True))
    found = accumulate(mixture, X)
    assert_allclose(found.log_likelihood, logsumexp(logs, axis=1).sum(), rtol=1e-12)
    assert_allclose(found.counts, shares.sum(axis=0), rtol=1e-6)
    assert_allclose(found.first_order, shares.T @ X, rtol=1e-6, atol=1e-9 * scale)
