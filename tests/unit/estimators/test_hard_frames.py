"""Frames on which other libraries fail: all estimators fit them, with finite results."""

import itertools
import warnings

import numpy as np
import pytest
from oracles.hidden_markov import assert_sound

from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture, GaussianMixtureHMM

KINDS = ("full", "tied", "diag", "spherical")
INITS = ("kmeans", "k-means++", "random_from_data", "random", "splitting")


def _frames():
    rng = np.random.default_rng(0)
    base = np.concatenate([rng.normal(centre, 1, (40, 3)) for centre in (0, 4, 8)])
    return {
        "constant column": np.c_[base, np.full(len(base), 7.0)],
        "all constant": np.full((20, 3), 3.3),
        "all constant and large": np.full((60, 3), 1e5),
        "few distinct frames": np.repeat(rng.normal(size=(3, 3)), 10, axis=0),
        "copies": np.repeat(base[:7], 9, axis=0),
        "as many frames as components": base[:5],
        "fewer frames than features": rng.normal(size=(8, 20)),
        "equal columns": np.c_[base, base[:, 0]] * 1e6,
        "a plane": np.c_[base, 2.0 * base[:, 0] + base[:, 1]],
        "offset 1e6": base + 1e6,
        "offset 1e12": base + 1e12,
        "offset 1e6 in float32": (base + 1e6).astype(np.float32),
        "scale 1e-6": base * 1e-6,
        "scale 1e6": base * 1e6,
        "mixed scales": base * [1e-6, 1.0, 1e6],
        "mixed scales and offsets": base * [1e-6, 1.0, 1e6] + [1.0, 1e6, -1e6],
        "mixed scales in float32": (base * [1e-6, 1.0, 1e6]).astype(np.float32),
        "an outlier": np.r_[base, [[1e8, 1e8, 1e8]]],
        "huge": base * 1e100,
        "tiny": base * 1e-100,
    }


FRAMES = _frames()
grid = pytest.mark.parametrize("name", FRAMES)
of_each_kind = pytest.mark.parametrize("kind", KINDS)
in_each_precision = pytest.mark.parametrize("precision", ["float32", "float64"])


@pytest.mark.slow
@in_each_precision
@of_each_kind
@grid
def test_mixtures_are_finite_from_every_start(name, kind, precision):
    frames = FRAMES[name]
    # Starts are computed alike in both precisions: in float64 there is one for each frame and kind.
    place = list(FRAMES).index(name) + KINDS.index(kind)
    for init in INITS if precision == "float32" else [INITS[place % len(INITS)]]:
        fitted = GaussianMixture(
            5, covariance_type=kind, init_params=init, random_state=0, precision=precision, tol=0.01
        ).fit(frames)
        parameters = (fitted.mixture_.weights, fitted.mixture_.means, fitted.mixture_.covariances)
        assert all(np.isfinite(values).all() for values in parameters), init
        assert np.isfinite(fitted.score_samples(frames)).all(), init
        assert np.array_equal(fitted.predict_proba(frames).argmax(axis=1), fitted.predict(frames))
        # The bound falls only where a floor or a revival was reported in the step before.
        bounds = fitted.history_.bounds
        for (before, after), events in zip(
            itertools.pairwise(bounds), fitted.history_.events, strict=False
        ):
            assert events or after >= before - 1e-6 * max(1.0, abs(before)), init


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("error::RuntimeWarning")
@in_each_precision
@of_each_kind
@grid
def test_bayesian_mixtures_are_finite_and_their_bounds_rise(name, kind, precision):
    X = FRAMES[name]
    mixture = BayesianGaussianMixture(
        n_components=5,
        covariance_type=kind,
        reg_covar=0.0,
        precision=precision,
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
    least = -1e-9 * abs(mixture.lower_bound_) if precision == "float64" else -1e-3 * len(X)
    assert (np.diff(mixture.lower_bounds_) >= least).all()


@of_each_kind
@grid
def test_hidden_markov_models_are_sound(name, kind):
    X = FRAMES[name]
    # Neighbours have another topology and floor: all kinds, and all frames, meet both.
    even = (list(FRAMES).index(name) + KINDS.index(kind)) % 2 == 0
    topology = "ergodic" if even else "left-right"
    floors = {"min_covar": 0.0} if even else {"variance_floor": 0.01}
    lengths = [len(X) // 3, 1, len(X) - len(X) // 3 - 1]
    model = GaussianMixtureHMM(
        3, 2, covariance_type=kind, topology=topology, random_state=0, tol=-np.inf, **floors
    )
    with warnings.catch_warnings():
        # Of k-means, that there are fewer points than clusters.
        warnings.simplefilter("ignore")
        model.fit(X, lengths)
    assert_sound(model, X)


def _elongated():
    rng = np.random.default_rng(1)
    return np.concatenate(
        [rng.normal(m, [1.0, 2.0, 0.5], (60, 3)) for m in ([0, 0, 0], [4, 1, 0], [0, 5, 3])]
    )


@of_each_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bayesian_mixtures_do_not_depend_on_an_offset(kind, dtype):
    X = (_elongated() + 1e6).astype(dtype)
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


@of_each_kind
def test_a_constant_column_changes_no_cluster_of_a_bayesian_mixture(kind):
    X = np.column_stack([_elongated(), np.full(180, 7.0)])
    options = {"n_components": 3, "covariance_type": kind, "random_state": 0, "tol": 1e-6}
    with_constant = BayesianGaussianMixture(**options).fit(X)
    without = BayesianGaussianMixture(**options).fit(X[:, :3])
    same = np.mean(with_constant.predict(X) == without.predict(X[:, :3]))
    assert same > 0.9
