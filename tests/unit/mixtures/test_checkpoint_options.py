"""Every keyword of a training is part of its checkpoint's fingerprint, or known to change nothing.

The tables are compared with the signatures, so that a keyword that is new has to be put in one.
"""

import inspect
from dataclasses import fields

import numpy as np
import pytest

from speakergmm.errors import IncompatibleModelError
from speakergmm.gaussians import frame_moments
from speakergmm.mixtures import (
    DiagonalMixture,
    EMOptions,
    MaximumLikelihoodOptions,
    MixtureOptions,
    TiedMixture,
    fit_mixture,
    train_from,
)
from speakergmm.mixtures.variational import (
    VariationalOptions,
    VariationalPrior,
    posterior_from_moments,
    train_variational,
)
from speakergmm.run_context import RunContext

FRAMES = np.random.default_rng(3).normal(size=(200, 2)) * [1.0, 3.0] + [5.0, 0.0]
OTHER_FRAMES = FRAMES[::-1].copy()
START = DiagonalMixture([0.5, 0.5], FRAMES[:2], np.ones((2, 2)))


class Interrupted(Exception):
    pass


def interrupt(number, iteration):
    raise Interrupted


def ignore(number, iteration):
    pass


def prior(kind="diag", **options):
    defaults = {
        "concentration": 0.1,
        "mean": [5.0, 0.0],
        "mean_precision": 1.0,
        "degrees_of_freedom": 3.0,
        "covariance": {"diag": [1.0, 1.0], "tied": np.eye(2), "full": np.eye(2), "spherical": 1.0}[
            kind
        ],
    }
    return VariationalPrior(kind, **(defaults | options))


def posterior(kind="diag", *, first=0, n_components=2, **options):
    squares = {
        "diag": np.ones((n_components, 2)),
        "tied": np.eye(2),
        "full": np.tile(np.eye(2), (n_components, 1, 1)),
        "spherical": np.ones(n_components),
    }[kind]
    means = FRAMES[first : first + n_components]
    return posterior_from_moments(
        np.full(n_components, 9.0), means, 9.0 * squares, prior=prior(kind, **options)
    )


# For each training: what is called first, and what of it decides about the result, with another
# value for each (and what else must change for that value to be allowed).
TRAININGS = {
    train_from: (
        {"source": FRAMES, "start": START, "max_iter": 20, "tol": 0.0},
        {
            "source": [{"source": OTHER_FRAMES}],
            "start": [
                {"start": DiagonalMixture([0.5, 0.5], FRAMES[1:3], np.ones((2, 2)))},
                {"start": DiagonalMixture([0.4, 0.6], FRAMES[:2], np.ones((2, 2)))},
                {"start": DiagonalMixture([0.5, 0.5], FRAMES[:2], np.full((2, 2), 2.0))},
            ],
            "sample_weight": [{"sample_weight": np.arange(200.0)}],
            "max_iter": [{"max_iter": 21}],
            "tol": [{"tol": 1e-9}],
            "update": [
                {"update": MaximumLikelihoodOptions(variance_floor=0.01)},
                {"update": MaximumLikelihoodOptions(min_occupancy=0.5)},
                {"update": MaximumLikelihoodOptions(least_eigenvalue=0.5)},
                {"update": MaximumLikelihoodOptions(reg_covar=0.5)},
                {"update": MaximumLikelihoodOptions(reg_covar=np.array([0.5, 0.25]))},
                {"update": MaximumLikelihoodOptions(refuse_collapse=True)},
            ],
            "precision": [{"precision": "float64"}],
            "final_update": [{"final_update": False}],
            "previous": [{"previous": -7.0}],
        },
        # The moments are those of the source; passing them changes nothing.
        {
            "engine": 2,
            "run": {"callback": ignore, "checkpoint_seconds": 7},
            "moments": frame_moments(FRAMES),
        },
    ),
    fit_mixture: (
        {"X": FRAMES, "n_components": 3, "max_iter": 20, "tol": 0.0},
        {
            "X": [{"X": OTHER_FRAMES}],
            "n_components": [{"n_components": 4}],
            "init": [
                {"init": "random"},
                {"init": "splitting"},
                {"init": START, "n_components": 2},
            ],
            "max_iter": [{"max_iter": 21}],
            "tol": [{"tol": 1e-9}],
            "variance_floor": [{"variance_floor": 0.01}],
            "min_occupancy": [{"min_occupancy": 0.5}],
            "precision": [{"precision": "float64"}],
            "seed": [{"seed": 1}],
        },
        {"engine": 2, "run": {"callback": ignore, "checkpoint_seconds": 7}},
    ),
    train_variational: (
        {"source": FRAMES, "start": posterior(), "prior": prior(), "max_iter": 20, "tol": 1e-6},
        {
            "source": [{"source": OTHER_FRAMES}],
            "start": [
                {"start": posterior(first=1)},
                {"start": posterior(n_components=3)},
                {"start": posterior("tied"), "prior": prior("tied")},
                {"start": posterior("full"), "prior": prior("full")},
                {"start": posterior("spherical"), "prior": prior("spherical")},
            ],
            "prior": [
                {"prior": prior(concentration=0.2)},
                {"prior": prior(mean=[5.0, 0.1])},
                {"prior": prior(mean_precision=2.0)},
                {"prior": prior(degrees_of_freedom=4.0)},
                {"prior": prior(covariance=[1.0, 2.0])},
                {
                    "prior": prior(weight_concentration_type="dirichlet_distribution"),
                    "start": posterior(weight_concentration_type="dirichlet_distribution"),
                },
                {
                    "prior": prior(covariance_prior_type="conjugate"),
                    "start": posterior(covariance_prior_type="conjugate"),
                },
            ],
            "max_iter": [{"max_iter": 21}],
            "tol": [{"tol": 1e-5}],
            "reg_covar": [{"reg_covar": 0.5}],
            "sample_weight": [{"sample_weight": np.arange(200.0)}],
            "precision": [{"precision": "float64"}],
            "previous": [{"previous": -7.0}],
        },
        {
            "engine": 2,
            "run": {"callback": ignore, "checkpoint_seconds": 7},
            "moments": frame_moments(FRAMES),
        },
    ),
}

OPTIONS = {
    train_from: EMOptions,
    fit_mixture: MixtureOptions,
    train_variational: VariationalOptions,
}

OTHERS = [
    pytest.param(train, change, id=f"{train.__name__}-{name}-{number}")
    for train, (_, of_effect, _) in TRAININGS.items()
    for name, changes in of_effect.items()
    for number, change in enumerate(changes)
]


def begin(train, path):
    call = TRAININGS[train][0]
    with pytest.raises(Interrupted):
        train(**call, run=RunContext(checkpoint=path, checkpoint_seconds=0.0, callback=interrupt))
    return call, path.read_bytes()


@pytest.mark.parametrize(("train", "change"), OTHERS)
def test_another_value_of_any_keyword_is_refused(train, change, tmp_path):
    path = tmp_path / "c"
    call, before = begin(train, path)
    with pytest.raises(IncompatibleModelError) as caught:
        train(**(call | change), run=RunContext(checkpoint=path))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("train", "change", "name"),
    [
        (train_from, {"sample_weight": np.full(200, 2.0)}, "sample_weight"),
        (train_from, {"start": DiagonalMixture([1.0], [[5.0, 0.0]], [[1.0, 9.0]])}, "n_components"),
        (
            train_from,
            {"start": TiedMixture([0.5, 0.5], FRAMES[:2], np.eye(2))},
            "covariance_type",
        ),
        (train_variational, {"sample_weight": np.full(200, 2.0)}, "sample_weight"),
        (train_variational, {"start": posterior(n_components=3)}, "n_components"),
        (
            train_variational,
            {"start": posterior("full"), "prior": prior("full")},
            "covariance_type",
        ),
        (
            train_variational,
            TRAININGS[train_variational][1]["prior"][5],
            "weight_concentration_type",
        ),
    ],
)
def test_what_a_digest_would_tell_too_is_told_by_name(train, change, name, tmp_path):
    call, _ = begin(train, tmp_path / "c")
    with pytest.raises(IncompatibleModelError, match=rf" {name}[ ,;]"):
        train(**(call | change), run=RunContext(checkpoint=tmp_path / "c"))


@pytest.mark.parametrize("train", TRAININGS)
def test_what_has_no_effect_may_differ(train, tmp_path):
    call, _ = begin(train, tmp_path / "c")
    without_effect = TRAININGS[train][2]
    run = RunContext(checkpoint=tmp_path / "c", **without_effect["run"])
    resumed = train(**(call | without_effect | {"run": run}))
    whole = train(**call)
    assert not (tmp_path / "c").exists()
    assert resumed.model.means.tobytes() == whole.model.means.tobytes()
    assert resumed.model.covariances.tobytes() == whole.model.covariances.tobytes()


@pytest.mark.parametrize("train", TRAININGS)
def test_no_keyword_is_left_out(train):
    _, of_effect, without_effect = TRAININGS[train]
    known = {*of_effect, *without_effect}
    own = set(inspect.signature(train).parameters) - {"options", "changes"}
    options = set(OPTIONS[train].declarations())
    if train is fit_mixture:
        # Its options of the update are given by their own names.
        known = known - set(MaximumLikelihoodOptions.declarations()) | {"update"}
    assert known == own | options
    assert not of_effect.keys() & without_effect.keys()


def test_no_option_of_the_update_is_left_out():
    changes = TRAININGS[train_from][1]["update"]
    default = MaximumLikelihoodOptions()
    changed = {
        field.name
        for change in changes
        for field in fields(default)
        if np.any(getattr(change["update"], field.name) != getattr(default, field.name))
    }
    assert changed == {field.name for field in fields(default)}


def test_no_part_of_a_prior_is_left_out():
    changes = TRAININGS[train_variational][1]["prior"]
    changed = {
        name
        for change in changes
        for name in inspect.signature(VariationalPrior).parameters
        if np.any(getattr(change["prior"], name) != getattr(prior(), name))
    }
    # The kind is changed together with that of the start.
    assert changed | {"covariance_type"} == set(inspect.signature(VariationalPrior).parameters)
