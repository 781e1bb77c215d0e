"""Every parameter of an estimator is part of the fingerprint of its checkpoint, or has no effect.

The tables are compared with the constructors, so that a parameter that is new has to be put in one.
"""

import numpy as np
import pytest

from speakergmm.errors import IncompatibleModelError
from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture

FRAMES = np.random.default_rng(3).normal(size=(120, 2)) * [1.0, 3.0] + [5.0, 0.0]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Interrupted(Exception):
    pass


def interrupt(iteration):
    raise Interrupted


def ignore(iteration):
    pass


BEGUN = {
    "n_components": 2,
    "covariance_type": "diag",
    "init_params": "random_from_data",
    "n_init": 2,
    "max_iter": 15,
    "tol": 0.0,
    "random_state": 0,
}
SHARED = {
    "n_components": 3,
    "covariance_type": "full",
    "tol": 1e-9,
    "reg_covar": 1e-3,
    "max_iter": 16,
    "n_init": 3,
    "init_params": "random",
    "random_state": 1,
    "warm_start": True,
    "precision": "float32",
}
OF_EFFECT = {
    GaussianMixture: SHARED
    | {
        "weights_init": [0.4, 0.6],
        "means_init": FRAMES[:2],
        "precisions_init": np.ones((2, 2)),
        "variance_floor": 0.01,
        "min_occupancy": 0.5,
        # Of `partial_fit` alone; refused as well, as nobody gains from an exception.
        "step_exponent": 0.8,
        "step_offset": 3.0,
        "step_size": 0.5,
    },
    BayesianGaussianMixture: SHARED
    | {
        "weight_concentration_prior_type": "dirichlet_distribution",
        "weight_concentration_prior": 0.2,
        "mean_precision_prior": 2.0,
        "mean_prior": [5.0, 0.1],
        "degrees_of_freedom_prior": 4.0,
        "covariance_prior": [1.0, 2.0],
        "covariance_prior_type": "conjugate",
    },
}
WITHOUT_EFFECT = {
    "verbose_interval": 3,
    "verbose": 1,
    "n_jobs": 2,
    "callback": ignore,
    "checkpoint_seconds": 7.0,
}


def begin(cls, path):
    with pytest.raises(Interrupted):
        cls(**BEGUN, checkpoint=path, checkpoint_seconds=0.0, callback=interrupt).fit(FRAMES)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls, values in OF_EFFECT.items() for name in values]
)
def test_another_value_of_any_parameter_is_refused(cls, name, tmp_path):
    path = tmp_path / "c"
    before = begin(cls, path)
    other = BEGUN | {name: OF_EFFECT[cls][name], "checkpoint": path}
    with pytest.raises(IncompatibleModelError, match=f"[ ,]{name}[ ,;]"):
        cls(**other).fit(FRAMES)
    assert path.read_bytes() == before


@pytest.mark.parametrize("cls", OF_EFFECT)
def test_other_frames_weights_and_estimators_are_refused(cls, tmp_path):
    path = tmp_path / "c"
    before = begin(cls, path)
    (other,) = set(OF_EFFECT) - {cls}
    for refused, X, weights in (
        (cls, FRAMES[::-1], None),
        (cls, FRAMES, np.arange(120)),
        (other, FRAMES, None),
    ):
        with pytest.raises(IncompatibleModelError):
            refused(**BEGUN, checkpoint=path).fit(X, sample_weight=weights)
        assert path.read_bytes() == before


@pytest.mark.parametrize("cls", OF_EFFECT)
def test_what_has_no_effect_may_differ(cls, tmp_path, capsys):
    begin(cls, tmp_path / "c")
    resumed = cls(**BEGUN, **WITHOUT_EFFECT, checkpoint=tmp_path / "c").fit(FRAMES)
    whole = cls(**BEGUN).fit(FRAMES)
    assert not (tmp_path / "c").exists()
    assert resumed.means_.tobytes() == whole.means_.tobytes()
    assert resumed.lower_bounds_ == whole.lower_bounds_


@pytest.mark.parametrize("cls", OF_EFFECT)
def test_no_parameter_is_left_out(cls):
    names = set(cls().get_params())
    assert names == {*OF_EFFECT[cls], *WITHOUT_EFFECT, "checkpoint"}
    begun = cls(**BEGUN).get_params()
    for name, value in OF_EFFECT[cls].items():
        assert np.any(np.asarray(value) != np.asarray(begun[name])), name
