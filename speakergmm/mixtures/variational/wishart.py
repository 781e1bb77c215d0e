"""Wishart distributions of precisions: expected log-determinant, normaliser, divergence.

A precision matrix of p x p has the Wishart distribution of nu degrees of freedom and inverse scale
V where its expectation is nu V^-1. With p = 1 this is the Gamma distribution of shape nu / 2 and
rate V / 2. The constants of all formulas are those of Bishop (2006), appendix B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.parameters import Gaussians
from speakergmm.mixtures.variational.variational_prior import CovariancePriorType


@dataclass(frozen=True, slots=True, eq=False)
class WishartFactors:
    """The independent Wishart distributions of which a posterior (or prior) of precisions consists.

    Parameters
    ----------
    degrees_of_freedom : array of some shape
        Degrees of freedom of each distribution; > dimension - 1.
    log_determinants : array of the same shape
        Natural logarithm of the determinant of each inverse scale.
    dimension : int
        Dimension of the precision matrices, p.
    copies : int
        Number of times that each distribution occurs.
    repeats : int
        Number of features of a component that share one precision (of dimension 1).
    """

    degrees_of_freedom: NDArray[np.float64]
    log_determinants: NDArray[np.float64]
    dimension: int
    copies: int = 1
    repeats: int = 1

    @property
    def is_of_features(self) -> bool:
        """True if each feature of a component has a distribution of its own."""
        return self.degrees_of_freedom.ndim == 2

    def expected_log_determinants(self) -> NDArray[np.float64]:
        """Return the expected log-determinant of each precision (Bishop, equation B.81)."""
        from scipy.special import digamma

        halves = self._halves()
        constant = self.dimension * np.log(2.0) - self.log_determinants
        return np.asarray(digamma(halves).sum(axis=-1) + constant)

    def component_log_determinants(self, n_components: int) -> NDArray[np.float64]:
        """Return expected log-determinants (K,) of the D x D precisions of the components."""
        single = self.expected_log_determinants()
        if self.is_of_features:
            single = single.sum(axis=1)
        return np.array(np.broadcast_to(self.repeats * single, n_components))

    def log_normaliser(self) -> float:
        """Return the sum over the distributions of their log-normalisers."""
        from scipy.special import gammaln

        halves = self._halves()
        p = self.dimension
        single = (
            0.5 * self.degrees_of_freedom * (p * np.log(2.0) - self.log_determinants)
            + gammaln(halves).sum(axis=-1)
            + 0.25 * p * (p - 1) * np.log(np.pi)
        )
        return float(self.copies * single.sum())

    def pi_constant(self) -> float:
        """Return the part of `log_normaliser` that depends on the dimension only."""
        p = self.dimension
        count = self.copies * self.degrees_of_freedom.size
        return float(0.25 * p * (p - 1) * np.log(np.pi) * count)

    def divergence(self, prior: WishartFactors, trace: float) -> float:
        """Return the divergence from a prior of the same form, in nats.

        Parameters
        ----------
        prior : WishartFactors
            The same number of distributions of the same dimension.
        trace : float
            Sum over all the distributions of the trace of the prior's inverse scale times the
            expected precision.
        """
        nu = self.degrees_of_freedom
        change = 0.5 * (nu - prior.degrees_of_freedom) * self.expected_log_determinants()
        single = change - 0.5 * nu * self.dimension
        partition = prior.log_normaliser() - self.log_normaliser()
        return float(self.copies * single.sum() + 0.5 * trace + partition)

    def _halves(self) -> NDArray[np.float64]:
        steps = np.arange(self.dimension)
        return np.asarray(0.5 * (self.degrees_of_freedom[..., None] - steps))


def wishart_factors(
    gaussians: Gaussians,
    covariance_prior_type: CovariancePriorType,
    degrees_of_freedom: NDArray[np.float64],
) -> WishartFactors:
    """Return the distributions for degrees of freedom and covariances as in scikit-learn.

    Parameters
    ----------
    gaussians : Gaussians
        Gaussians whose covariances are the inverse expected precisions: inverse scales divided by
        nu.
    covariance_prior_type
        Family of the prior; see `VariationalPrior`.
    degrees_of_freedom : array, shape (K,), or () if tied
        Degrees of freedom of each component, nu.
    """
    kind, covariances, nu = gaussians.kind, gaussians.covariances, degrees_of_freedom
    k, d = gaussians.means.shape
    conjugate = covariance_prior_type == "conjugate"
    if kind.is_matrix or not conjugate:
        copies = k if kind.is_shared and not conjugate else 1
        if kind.is_shared and conjugate:
            nu = k * nu
        return WishartFactors(nu, d * np.log(nu) + kind.log_determinants(covariances, d), d, copies)
    # One precision for each variance; that of a sphere is shared by D features.
    nu = np.broadcast_to(kind.divisor(nu, d), covariances.shape)
    return WishartFactors(
        nu, np.log(nu) + np.log(covariances), 1, repeats=d if kind.is_isotropic else 1
    )
