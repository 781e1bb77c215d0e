"""The posterior of a Bayesian mixture: a distribution over weights, means and precisions.

Responsibilities are proportional to the exponential of expected log-densities. These are the
densities of an ordinary mixture whose weights (`effective_log_weights`) need not sum to one, so
that the E-step is that of any mixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.parameters import Gaussians
from speakergmm.mixtures.mixture import Mixture, make_mixture
from speakergmm.mixtures.variational.variational_prior import (
    CovariancePriorType,
    WeightConcentrationType,
)
from speakergmm.mixtures.variational.weights import expected_log_weights, expected_weights
from speakergmm.mixtures.variational.wishart import WishartFactors, wishart_factors
from speakergmm.record_fields import parts


@dataclass(frozen=True, eq=False, init=False)
class VariationalPosterior:
    """A posterior distribution over Gaussian mixtures.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind of mixture.
    concentrations : array, shape (K,) or (2, K)
        Parameters of a Dirichlet distribution, or both parameters of the Beta distributions of a
        stick-breaking process; > 0.
    means : array, shape (K, D)
        Expected means, in feature units.
    mean_precision : array, shape (K,)
        Number of frames on which each mean rests; > 0.
    degrees_of_freedom : array, shape (K,), or () if tied
        Degrees of freedom of the Wishart distributions, > 0.
    covariances : array, shape (K,), (K, D), (D, D) or (K, D, D)
        Inverses of the expected precisions, in the shape of the kind.
    covariance_prior_type : {"wishart", "conjugate"}, default="wishart"
        Family of the precisions' distributions; see `VariationalPrior`.

    Raises
    ------
    InvalidInputError
        If shapes disagree or a parameter is out of range.
    """

    covariance_type: CovarianceType
    concentrations: NDArray[np.float64]
    mean_precision: NDArray[np.float64]
    degrees_of_freedom: NDArray[np.float64]
    covariance_prior_type: CovariancePriorType
    mixture: Mixture

    def __init__(
        self,
        covariance_type: CovarianceType,
        concentrations: ArrayLike,
        means: ArrayLike,
        mean_precision: ArrayLike,
        degrees_of_freedom: ArrayLike,
        covariances: ArrayLike,
        covariance_prior_type: CovariancePriorType = "wishart",
    ) -> None:
        for name, value in (
            ("concentrations", concentrations),
            ("mean_precision", mean_precision),
            ("degrees_of_freedom", degrees_of_freedom),
        ):
            array = np.array(value, dtype=np.float64, order="C")
            if not (np.isfinite(array) & (array > 0)).all():
                raise InvalidInputError(f"{name} must be finite and > 0, found {array.min():g}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "covariance_type", covariance_type)
        object.__setattr__(self, "covariance_prior_type", covariance_prior_type)
        weights = expected_weights(self.concentrations)
        # In one memory layout, so that sums round in the same way as those of a copy.
        parameters = [np.array(values, np.float64, order="C") for values in (means, covariances)]
        object.__setattr__(self, "mixture", make_mixture(covariance_type, weights, *parameters))
        shapes = (self.mean_precision.shape, self.degrees_of_freedom.shape)
        k = self.n_components
        if shapes != ((k,), () if self.kind.is_shared else (k,)):
            raise InvalidInputError(
                f"mean_precision and degrees_of_freedom must have one entry for each of {k} "
                f"components (degrees_of_freedom one for all if tied), found shapes {shapes}"
            )

    @property
    def means(self) -> NDArray[np.float64]:
        """Expected means, shape (K, D)."""
        return self.mixture.means

    @property
    def covariances(self) -> NDArray[np.float64]:
        """Inverses of the expected precisions, in the shape of the kind."""
        return self.mixture.covariances

    @property
    def weights(self) -> NDArray[np.float64]:
        """Expected weights, shape (K,), normalised to one."""
        return self.mixture.weights

    @property
    def kind(self) -> Covariances:
        """Formulas of the kind of covariances."""
        return self.mixture.gaussians.kind

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return self.mixture.n_components

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return self.mixture.n_features

    @property
    def weight_concentration_type(self) -> WeightConcentrationType:
        """Kind of the weights' distribution, as the prior names it."""
        return "dirichlet_process" if self.concentrations.ndim == 2 else "dirichlet_distribution"

    @property
    def expected_log_weights(self) -> NDArray[np.float64]:
        """Expected logarithms of the weights, shape (K,)."""
        return expected_log_weights(self.concentrations)

    @property
    def precision_factors(self) -> WishartFactors:
        """The Wishart distributions of the precisions."""
        return wishart_factors(
            self.mixture.gaussians, self.covariance_prior_type, self.degrees_of_freedom
        )

    @cached_property
    def effective_log_weights(self) -> NDArray[np.float64]:
        """Numbers that take the place of the mixture's log-weights, shape (K,).

        With these, the joint log-density of `mixture` is the expectation of that of the unknown
        mixture: of the log-weight, plus half the log-determinant of the precision, minus half
        the squared distance from the unknown mean.
        """
        d = self.n_features
        logs = self.kind.log_determinants(self.covariances, d)
        log_determinants = self.precision_factors.component_log_determinants(self.n_components)
        # The second term cancels that of the mixture's own density.
        found = self.expected_log_weights + 0.5 * (log_determinants + logs)
        found -= 0.5 * d / self.mean_precision
        found.setflags(write=False)
        return found

    def weighted(
        self,
    ) -> tuple[Gaussians, NDArray[np.float64], NDArray[np.float64]]:
        """Return the Gaussians, the log-weights of the E-step, and the expected weights."""
        return self.mixture.gaussians, self.effective_log_weights, self.weights

    def rescaled(
        self, scale: NDArray[np.float64], shift: NDArray[np.float64]
    ) -> VariationalPosterior:
        """Return the posterior of the mixture of ``x * scale + shift``, both of shape (D,)."""
        covariances = self.kind.rescaled(self.covariances, scale)
        changes = {"means": self.means * scale + shift, "covariances": covariances}
        return VariationalPosterior(**(parts(self) | changes))

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructor checks the arrays and makes them read-only.
        return type(self), tuple(parts(self).values())
