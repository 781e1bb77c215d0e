"""Attributes of a fitted variational posterior and its prior, and scores of frames under it."""

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
    """Attributes of a fitted `posterior_` and its `prior_`, and methods that score frames.

    Responsibilities follow from expected log-densities, not from those of the expected mixture.
    """

    posterior_: VariationalPosterior = field(init=False)
    prior_: VariationalPrior = field(init=False)
    elbo_: float = field(init=False)

    def _set_posterior(self, posterior: VariationalPosterior, elbo: float) -> None:
        self.posterior_ = posterior
        # The mixture of expected weights, expected means and inverse expected precisions.
        self.mixture_ = posterior.mixture
        self.elbo_ = elbo

    @property
    def weight_concentration_(self) -> Floats | tuple[Floats, Floats]:
        """Parameters (K,) of a Dirichlet distribution, or both parameters of Beta distributions."""
        concentrations = self._cast(self.posterior_.concentrations)
        if concentrations.ndim == 1:
            return concentrations
        return concentrations[0], concentrations[1]

    @property
    def mean_precision_(self) -> Floats:
        """Number of frames that each mean rests on, shape (K,)."""
        return self._cast(self.posterior_.mean_precision)

    @property
    def degrees_of_freedom_(self) -> Floats | float:
        """Degrees of freedom of the precisions, shape (K,); one number for tied covariances."""
        degrees = self.posterior_.degrees_of_freedom
        return self._cast(degrees) if degrees.ndim else float(degrees)

    @property
    def weight_concentration_prior_(self) -> float:
        """Concentration of the prior of the weights."""
        return self.prior_.concentration

    @property
    def mean_precision_prior_(self) -> float:
        """Number of frames that the prior mean counts as."""
        return self.prior_.mean_precision

    @property
    def mean_prior_(self) -> NDArray[np.float64]:
        """Prior mean, shape (D,)."""
        return self.prior_.mean

    @property
    def degrees_of_freedom_prior_(self) -> float:
        """Number of frames that the prior covariance counts as."""
        return self.prior_.degrees_of_freedom

    @property
    def covariance_prior_(self) -> NDArray[np.float64] | float:
        """Inverse scale of the prior of the precisions: (D, D), (D,), or a number if spherical."""
        covariance = self.prior_.covariance
        return covariance if covariance.ndim else float(covariance)

    def _restored(self, parts: Types) -> None:
        if not (
            self.prior_.covariance_type == self.posterior_.covariance_type
            and self.prior_.n_features == self.posterior_.n_features
        ):
            raise InvalidInputError("its prior and its posterior belong to different mixtures")
        self._set_posterior(self.posterior_, self.elbo_)
        super()._restored(parts)  # type: ignore[misc] # of `Storable`

    @property
    def _shares(self) -> Weighted:
        posterior: Weighted = self.posterior_
        return posterior

    def n_effective(self, threshold: float = 0.01) -> int:
        """Return the number of components that the frames use.

        Parameters
        ----------
        threshold : float, default=0.01
            Expected weight that a component must exceed, in 0..1.

        Returns
        -------
        int
        """
        check_is_fitted(self, "posterior_")
        least = number("threshold", threshold, least=0, below=1)
        return int(np.count_nonzero(self.posterior_.weights > least))

    def predictive_log_density(self, X: Any) -> NDArray[np.float64]:
        """Return the log of the posterior predictive density, with parameters integrated out.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            In nats and float64. It is normalised, unlike `score_samples`, which returns the
            normaliser of the responsibilities, as in scikit-learn.
        """
        parts, _ = self._map(lambda frames: predictive_log_density(self.posterior_, frames), X)
        return np.concatenate(list(parts))
