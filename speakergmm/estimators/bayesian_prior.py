"""Prior of a Bayesian estimator, from its parameters and, by default, from the frames."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_array

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import parameter_checks
from speakergmm.estimators.initial_parameters import check_positive_definite
from speakergmm.estimators.input_frames import TrainingFrames
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.mixtures.variational.default_prior import default_prior_covariance
from speakergmm.mixtures.variational.variational_prior import (
    VariationalPrior,
    least_degrees_of_freedom,
)


def check_prior_parameters(owner: BaseEstimator) -> None:
    """Raise an error if parameters of the prior are out of range, whatever the frames are.

    Raises
    ------
    InvalidInputError
        With the name of the parameter, its range and its value.
    """
    parameter_checks.check_choice(
        owner,
        "weight_concentration_prior_type",
        ("dirichlet_process", "dirichlet_distribution"),
    )
    parameter_checks.check_choice(owner, "covariance_prior_type", ("wishart", "conjugate"))
    for name in ("weight_concentration_prior", "mean_precision_prior", "degrees_of_freedom_prior"):
        value = getattr(owner, name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < np.inf:
            raise parameter_checks.invalid_parameter(
                owner, name, "a float in the range (0.0, inf) or None"
            )


def build_prior(owner: BaseEstimator, frames: TrainingFrames) -> VariationalPrior:
    """Return the prior of an estimator for the given frames.

    Raises
    ------
    InvalidInputError
        If a parameter of the prior does not suit the number of features.
    """
    settings: Any = owner
    d = frames.n_features
    kind = covariance_kind(settings.covariance_type)
    concentration = settings.weight_concentration_prior
    mean_precision = settings.mean_precision_prior
    mean = frames.moments.mean
    if settings.mean_prior is not None:
        array = check_array(settings.mean_prior, dtype=[np.float64, np.float32], ensure_2d=False)
        parameter_checks.check_shape("means", array, (d,))
        mean = np.asarray(array, np.float64)
    if settings.covariance_prior is not None:
        covariance = check_positive_definite(
            f"{kind.name} covariance_prior",
            settings.covariance_prior,
            kind,
            (d,) * kind.axes.count("D"),
        )
    else:
        covariance = default_prior_covariance(
            frames.source,
            frames.moments,
            kind.name,
            sample_weight=frames.sample_weight,
            reg_covar=settings.reg_covar,
        )
    degrees = settings.degrees_of_freedom_prior
    least = least_degrees_of_freedom(kind, settings.covariance_prior_type, d)
    if degrees is not None and not degrees > least:
        raise InvalidInputError(
            f"The parameter 'degrees_of_freedom_prior' should be greater than {least}, but got "
            f"{degrees:.3f}."
        )
    return VariationalPrior(
        kind.name,
        concentration=1.0 / settings.n_components if concentration is None else concentration,
        mean=mean,
        mean_precision=1.0 if mean_precision is None else mean_precision,
        degrees_of_freedom=d if degrees is None else degrees,
        covariance=covariance,
        weight_concentration_type=settings.weight_concentration_prior_type,
        covariance_prior_type=settings.covariance_prior_type,
    )
