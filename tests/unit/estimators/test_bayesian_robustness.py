"""BayesianGaussianMixture on frames that break others: constants, copies, offsets, scales."""

import numpy as np
import pytest

from speakergmm.estimators import BayesianGaussianMixture

KINDS = ("full", "tied", "diag", "spherical")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _frames():
    rng = np.random.default_rng(1)
    X = np.concatenate(
        [rng.normal(m, [1.0, 2.0, 0.5], (60, 3)) for m in ([0, 0, 0], [4, 1, 0], [0, 5, 3])]
    )
    return {
        "a constant column": np.column_stack([X, np.full(len(X), 7.0)]),
        "nothing but a constant": np.full((50, 3), 3.3),
        "copies": np.repeat(X[:7], 9, axis=0),
        "few": X[:7],
        "a plane": np.column_stack([X, 2.0 * X[:, 0] + X[:, 1]]),
        "an offset": X + 1e6,
        "small": X * 1e-6,
        "large": X * 1e6,
        "mixed units": X * [1e-6, 1.0, 1e6] + [1.0, 1e6, -1e6],
        "an outlier": np.vstack([X, [[1e6] * 3]]),
        "more features than frames": rng.normal(size=(8, 20)),
    }


FRAMES = _frames()


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FRAMES)
def test_everything_is_finite_and_the_bound_rises(name, kind, dtype):
    X = FRAMES[name].astype(dtype)
    mixture = BayesianGaussianMixture(
        n_components=6,
        covariance_type=kind,
        reg_covar=0.0,
        precision=dtype,
        max_iter=15,
        random_state=0,
    ).fit(X)
    for values in (
        mixture.weights_,
        mixture.means_,
        mixture.covariances_,
        mixture.precisions_,
        mixture.elbo_,
        mixture.score_samples(X),
        mixture.predict_proba(X),
        mixture.predictive_log_density(X),
    ):
        assert np.isfinite(values).all()
    # By how much float32's rounding may lower it, per frame.
    least = -1e-9 * abs(mixture.lower_bound_) if dtype == "float64" else -1e-3 * len(X)
    assert (np.diff(mixture.lower_bounds_) >= least).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_offset_breaks_nothing(kind, dtype):
    X = FRAMES["an offset"][:180].astype(dtype)
    # What the type has left of the frames, moved back without error.
    near = X.astype(np.float64) - 1e6
    options = {"n_components": 3, "covariance_type": kind, "random_state": 0, "max_iter": 20}
    there = BayesianGaussianMixture(init_params="random", **options).fit(X)
    here = BayesianGaussianMixture(init_params="random", **options).fit(near)
    np.testing.assert_allclose(
        there.posterior_.means - 1e6, here.posterior_.means, rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(
        there.posterior_.covariances, here.posterior_.covariances, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_column_changes_no_cluster(kind):
    X = FRAMES["a constant column"]
    options = {"n_components": 3, "covariance_type": kind, "random_state": 0, "tol": 1e-6}
    with_constant = BayesianGaussianMixture(**options).fit(X)
    without = BayesianGaussianMixture(**options).fit(X[:, :3])
    same = np.mean(with_constant.predict(X) == without.predict(X[:, :3]))
    assert same > 0.9
