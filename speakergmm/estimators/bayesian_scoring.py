"""What a fitted posterior gives: its parameters and its prior's, shares, scores, densities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.mixture_scoring import MixtureScoring
from speakergmm.gaussians.prepare import Weighted
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.predictive import predictive_log_density
from speakergmm.mixtures.variational.variational_prior import VariationalPrior
from speakergmm.ranges import number
from speakergmm.records import Types

Floats = NDArray[np.floating[Any]]


@dataclass(eq=False, repr=False)
class PosteriorScoring(MixtureScoring):
    """Attributes, and the methods that take frames, of a fitted `posterior_` and its `prior_`.

    Frames are shared out by expected log-densities, not by those of the expected mixture.
    """

    posterior_: VariationalPosterior = field(init=False)
    prior_: VariationalPrior = field(init=False)
    elbo_: float = field(init=False)

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

    @property
    def _shares(self) -> Weighted:
        posterior: Weighted = self.posterior_
        return posterior

    def n_effective(self, threshold: float = 0.01) -> int:
        """Count the components that the frames use.

        Parameters
        ----------
        threshold : float, default=0.01
            Expected weight that a component must exceed; in 0..1.
        """
        check_is_fitted(self, "posterior_")
        least = number("threshold", threshold, least=0, below=1)
        return int(np.count_nonzero(self.posterior_.weights > least))

    def predictive_log_density(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of the posterior predictive density: parameters integrated out.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            Of a proper density, in float64; `score_samples` is the normaliser of responsibilities
            instead, as in scikit-learn.
        """
        parts, _ = self._map(lambda frames: predictive_log_density(self.posterior_, frames), X)
        return np.concatenate(list(parts))
