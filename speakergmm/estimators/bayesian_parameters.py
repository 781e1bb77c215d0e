"""Parameters of a fitted posterior, and of its prior, under scikit-learn's names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.fitted import FittedParameters
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.prior import (
    CovariancePriorType,
    VariationalPrior,
    WeightConcentrationType,
)
from speakergmm.records import Types

Floats = NDArray[np.floating[Any]]


class PosteriorParameters(FittedParameters):
    """Read-only attributes of an estimator that holds a fitted `posterior_` and its `prior_`."""

    covariance_type: str
    weight_concentration_prior_type: WeightConcentrationType
    covariance_prior_type: CovariancePriorType
    posterior_: VariationalPosterior
    prior_: VariationalPrior
    elbo_: float

    def _set_posterior(self, posterior: VariationalPosterior, elbo: float) -> None:
        self.posterior_ = posterior
        # Of expected weights, means and inverse expected precisions.
        self.mixture_ = posterior.mixture
        self.elbo_ = elbo

    @property
    def weight_concentration_(self) -> Floats | tuple[Floats, Floats]:
        """Concentrations (K,) of a Dirichlet distribution, or both of the Beta distributions."""
        concentrations = self._cast(self.posterior_.concentrations)
        if concentrations.ndim == 1:
            return concentrations
        return concentrations[0], concentrations[1]

    @property
    def mean_precision_(self) -> Floats:
        """Frames that each mean rests on, shape (K,)."""
        return self._cast(self.posterior_.mean_precision)

    @property
    def degrees_of_freedom_(self) -> Floats | float:
        """Degrees of freedom of the precisions, shape (K,); one number if tied."""
        degrees = self.posterior_.degrees_of_freedom
        return self._cast(degrees) if degrees.ndim else float(degrees)

    @property
    def weight_concentration_prior_(self) -> float:
        """Concentration of the weights' prior."""
        return self.prior_.concentration

    @property
    def mean_precision_prior_(self) -> float:
        """Frames that the prior mean is worth."""
        return self.prior_.mean_precision

    @property
    def mean_prior_(self) -> NDArray[np.float64]:
        """Prior mean, shape (D,)."""
        return self.prior_.mean

    @property
    def degrees_of_freedom_prior_(self) -> float:
        """Frames that the prior covariance is worth."""
        return self.prior_.degrees_of_freedom

    @property
    def covariance_prior_(self) -> NDArray[np.float64] | float:
        """Inverse scale of the precisions' prior: (D, D), (D,), or one number if spherical."""
        covariance = self.prior_.covariance
        return covariance if covariance.ndim else float(covariance)

    def _restored(self, parts: Types) -> None:
        if not (
            self.prior_.covariance_type == self.posterior_.covariance_type
            and self.prior_.n_features == self.posterior_.n_features
        ):
            raise InvalidInputError("its prior and its posterior are of different mixtures")
        self._set_posterior(self.posterior_, self.elbo_)
        super()._restored(parts)  # type: ignore[misc] # of `Storable`
