"""Offsets, precisions and collapsing components: results, errors and reports of a fit."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from speakergmm.errors import CollapsedComponentError, InvalidInputError
from speakergmm.estimators import GaussianMixture

KINDS = ["full", "tied", "diag", "spherical"]


@pytest.mark.parametrize("offset", [1e4, 1e6])
@pytest.mark.parametrize("kind", KINDS)
def test_an_offset_leaves_float64_variances_as_they_are(clusters, kind, offset):
    near = GaussianMixture(3, covariance_type=kind, random_state=0).fit(clusters)
    far = GaussianMixture(3, covariance_type=kind, random_state=0).fit(clusters + offset)
    assert_allclose(far.means_ - offset, near.means_, atol=1e-7)
    assert_allclose(far.covariances_, near.covariances_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("precision", ["auto", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_float32_frames_at_an_offset_of_ten_thousand(kind, precision):
    # Frames of variance 1; scikit-learn finds 304 in float32.
    frames = (np.random.default_rng(0).normal(size=(5000, 4)) + 1e4).astype(np.float32)
    truth = np.cov(frames.astype(np.float64).T, bias=True)
    fitted = GaussianMixture(1, covariance_type=kind, precision=precision).fit(frames)
    expected = {
        "full": truth[None],
        "tied": truth,
        "diag": np.diag(truth)[None],
        "spherical": np.diag(truth).mean(keepdims=True),
    }
    assert fitted.covariances_.dtype == np.float32
    assert_allclose(fitted.covariances_, expected[kind], rtol=3e-6, atol=3e-6)
    assert_allclose(fitted.mixture_.means[0], frames.mean(axis=0, dtype=np.float64), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_clusters_far_from_zero_keep_positive_covariances(kind):
    # Narrow clusters beside a large common offset: second moments in float32 would be negative.
    rng = np.random.default_rng(3)
    centres = rng.normal(0, 0.5, (4, 2))
    frames = np.concatenate([rng.normal(centre, 0.02, (200, 2)) for centre in centres]) + 300.0
    single = GaussianMixture(4, covariance_type=kind, random_state=0).fit(frames.astype(np.float32))
    double = GaussianMixture(4, covariance_type=kind, random_state=0).fit(frames)
    order, expected = single.means_[:, 0].argsort(), double.means_[:, 0].argsort()
    assert_allclose(single.means_[order], double.means_[expected], rtol=1e-6)
    if kind != "tied":
        assert_allclose(
            single.covariances_[order], double.covariances_[expected], rtol=2e-3, atol=2e-6
        )


@pytest.mark.parametrize("kind", KINDS)
def test_both_precisions_agree(clusters, kind):
    parameters = {"covariance_type": kind, "random_state": 0, "max_iter": 20, "tol": 1e-4}
    single = GaussianMixture(3, precision="float32", **parameters).fit(clusters)
    double = GaussianMixture(3, precision="float64", **parameters).fit(clusters)
    assert (single.precision_, double.precision_) == ("float32", "float64")
    assert_allclose(single.means_, double.means_, atol=1e-4)
    assert_allclose(single.covariances_, double.covariances_, rtol=1e-4, atol=1e-4)
    assert_allclose(single.score_samples(clusters), double.score_samples(clusters), atol=1e-3)


def _ill_conditioned(name):
    rng = np.random.default_rng(0)
    spreads = np.exp(rng.uniform(-4, 1, (5, 6)))
    frames = np.concatenate(
        [rng.normal(rng.normal(0, 3, 6), spread, (200, 6)) for spread in spreads]
    )
    if name == "offsets":
        return frames + 1e5 * rng.normal(size=6)
    if name == "scales":
        return frames * 10.0 ** rng.uniform(-6, 6, 6)
    if name == "correlated":
        return frames @ (np.eye(6) + 3 * rng.normal(size=(6, 6)))
    return np.c_[frames, frames[:, 0] + 1e-3 * rng.normal(size=len(frames))]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:reg_covar")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["offsets", "scales", "correlated", "nearly equal columns"])
def test_float32_is_as_close_to_float64_as_stated(name, kind):
    # The tolerances in the docstring of `precision`.
    frames = _ill_conditioned(name)
    parameters = {"covariance_type": kind, "random_state": 0, "max_iter": 10, "tol": 0}
    single = GaussianMixture(5, precision="float32", **parameters).fit(frames)
    double = GaussianMixture(5, precision="float64", **parameters).fit(frames)
    deviations = frames.std(axis=0)
    assert_allclose(single.lower_bound_, double.lower_bound_, rtol=2e-4)
    assert_allclose(single.score_samples(frames), double.score_samples(frames), atol=0.1)
    assert_allclose(single.means_ / deviations, double.means_ / deviations, rtol=0, atol=2e-3)


def test_precision_is_chosen_by_the_number_of_frames():
    frames = np.random.default_rng(0).normal(size=(2**16 + 1, 2))
    parameters = {"covariance_type": "diag", "init_params": "random_from_data", "max_iter": 0}
    assert GaussianMixture(2, **parameters).fit(frames[1:]).precision_ == "float64"
    assert GaussianMixture(2, **parameters).fit(frames).precision_ == "float32"


@pytest.mark.parametrize("unit", [1e-6, 1.0])
def test_a_regularisation_beyond_the_data_is_told(unit):
    frames = unit * np.random.default_rng(0).normal(size=(100, 2))
    frames[:, 0] = 3.0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        GaussianMixture(2, random_state=0).fit(frames)
    told = [str(w.message) for w in caught if "reg_covar" in str(w.message)]
    # The constant feature has no variance that could be exceeded.
    assert [("feature 1" in text) for text in told] == ([True] if unit < 1 else [])


def test_an_outlier_far_away_keeps_full_covariances():
    rng = np.random.default_rng(0)
    frames = np.concatenate([rng.normal(size=(300, 3)), rng.normal(6, 1, (300, 3))])
    for distance in (1e7, 1e10, 1e15):
        X = np.append(frames, np.full((1, 3), distance), axis=0)
        for init in ("k-means++", "kmeans", "random_from_data"):
            fitted = GaussianMixture(3, init_params=init, random_state=0).fit(X)
            assert np.isfinite(fitted.score_samples(X)).all()
            assert np.isfinite(fitted.covariances_).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", ["kmeans", "splitting"])
def test_a_collapse_is_refused_without_regularisation(kind, init):
    frames = np.repeat([[0.0, 0.0], [1.0, 1.0]], 10, axis=0)
    with pytest.raises(CollapsedComponentError, match="ill-defined empirical covariance"):
        GaussianMixture(4, covariance_type=kind, init_params=init, reg_covar=0).fit(frames)


def test_a_collapse_on_the_way_is_refused_without_regularisation():
    # A component begins near a far frame, and has it for itself after one step.
    rng = np.random.default_rng(0)
    frames = np.concatenate([rng.normal(size=(50, 2)), [[1e3, 1e3]]])
    start = {
        "weights_init": [0.5, 0.5],
        "means_init": [[0.0, 0.0], [999.0, 999.0]],
        "precisions_init": np.ones((2, 2)),
    }
    estimator = GaussianMixture(2, covariance_type="diag", reg_covar=0, **start)
    with pytest.raises(CollapsedComponentError, match="ill-defined empirical covariance"):
        estimator.fit(frames)
    floored = estimator.set_params(variance_floor=1e-6).fit(frames)
    variance = frames.var(axis=0)
    assert_allclose(floored.covariances_.min(axis=0), 1e-6 * variance, rtol=1e-3)
    assert "floored" in floored.history_.events[-1][0]


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_frames_than_components_are_refused(kind):
    with pytest.raises(InvalidInputError, match="n_components = 12, n_samples = 10"):
        GaussianMixture(12, covariance_type=kind).fit(np.ones((10, 2)))


def test_an_empty_cluster_is_revived_and_reported():
    frames = np.repeat(np.random.default_rng(0).normal(size=(3, 2)), 20, axis=0)
    fitted = GaussianMixture(4, covariance_type="diag", random_state=0).fit(frames)
    assert fitted.history_.iterations[0].revived
    assert fitted.weights_.min() > 0.01
    left = GaussianMixture(4, covariance_type="diag", random_state=0, min_occupancy=0).fit(frames)
    assert left.weights_.min() < 1e-10
    assert not any(left.history_.events)
