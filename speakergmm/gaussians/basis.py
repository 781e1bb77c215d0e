"""The functions of a frame that log-densities are linear in, for each kind of covariance.

A log-density of a Gaussian is a sum of products: of 1, of the features z, and of squares or
products of features. With these as the rows of a matrix F, shape (B, T), densities of T frames
under K components are F^T P with natural parameters P, shape (B, K), and sufficient statistics
are F R with responsibilities R, shape (T, K).

- `DiagonalBasis`: 1, z, z^2; B = 2 D + 1.
- `SphericalBasis`: 1, z, |z|^2; B = D + 2. Also that of a tied covariance, in coordinates in which
  it is the identity.
- `FullBasis`: 1, z, and all products z_i z_j with i <= j; B = 1 + D + D (D + 1) / 2.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.full import FullMixture
from speakergmm.gaussians.parameters import Mixture

_LOG_2PI = float(np.log(2 * np.pi))


class Basis(ABC):
    """Rows of a frame's functions, and what mixtures and statistics are in them.

    Parameters
    ----------
    n_features : int
        Number of features of a frame, D.
    """

    def __init__(self, n_features: int) -> None:
        self.n_features = n_features

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of functions, B."""

    @abstractmethod
    def fill(self, rows: NDArray[np.floating[Any]]) -> None:
        """Fill the rows after the first D + 1, which hold 1 and z, of an array (B, T)."""

    @abstractmethod
    def columns(self, mixture: Mixture, log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Natural parameters (B, K) of a mixture whose log-weights are these, (K,)."""

    @abstractmethod
    def envelope(self, mixture: Mixture) -> NDArray[np.float64]:
        """Natural parameters (B,) of one Gaussian with the moments of the whole mixture."""

    @abstractmethod
    def size(self, mixture: Mixture) -> float:
        """Sum of the sizes of a log-density's terms, for the component where it is largest."""

    @abstractmethod
    def second_order(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Second-order statistics as `MixtureStatistics` holds them, from rows (B - D - 1, K)."""


class DiagonalBasis(Basis):
    """1, z, z^2."""

    @property
    def n_rows(self) -> int:
        """Number of functions, 2 D + 1."""
        return 2 * self.n_features + 1

    def fill(self, rows: NDArray[np.floating[Any]]) -> None:
        """Fill in the squares."""
        z = rows[1 : self.n_features + 1]
        np.multiply(z, z, out=rows[self.n_features + 1 :])

    def columns(self, mixture: Mixture, log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Constant, mean / variance, -1 / (2 variance)."""
        return _diagonal_columns(mixture.means, mixture.component_variances(), log_weights)

    def envelope(self, mixture: Mixture) -> NDArray[np.float64]:
        """Those of the Gaussian with the mixture's mean and variances."""
        mean, variance = mixture.global_moments()
        return _diagonal_columns(mean[None], variance[None], np.zeros(1))[:, 0]

    def size(self, mixture: Mixture) -> float:
        """Each feature's terms are of the size (mean^2 + variance) / variance."""
        terms = mixture.means**2 / mixture.component_variances() + 1.0
        return float(terms.sum(axis=1).max())

    def second_order(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squares, shape (K, D)."""
        return moments.T


class SphericalBasis(Basis):
    """1, z, |z|^2."""

    @property
    def n_rows(self) -> int:
        """Number of functions, D + 2."""
        return self.n_features + 2

    def fill(self, rows: NDArray[np.floating[Any]]) -> None:
        """Fill in the squared lengths."""
        z = rows[1 : self.n_features + 1]
        np.einsum("dt,dt->t", z, z, out=rows[self.n_features + 1])

    def columns(self, mixture: Mixture, log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Constant, mean / variance, -1 / (2 variance)."""
        return self._columns(mixture.means, mixture.component_variances()[:, 0], log_weights)

    def _columns(
        self,
        means: NDArray[np.float64],
        variances: NDArray[np.float64],
        log_weights: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        squares = (means**2).sum(axis=1)
        volume = self.n_features * (_LOG_2PI + np.log(variances))
        constants = log_weights - 0.5 * (volume + squares / variances)
        return np.concatenate(
            [constants[None], (means / variances[:, None]).T, -0.5 / variances[None]]
        )

    def envelope(self, mixture: Mixture) -> NDArray[np.float64]:
        """Those of the round Gaussian with the mixture's mean and mean variance."""
        mean, variance = mixture.global_moments()
        variances = np.array([variance.mean()])
        return self._columns(mean[None], variances, np.zeros(1))[:, 0]

    def size(self, mixture: Mixture) -> float:
        """Squared length of the mean in deviations, and one for each feature."""
        terms = (mixture.means**2).sum(axis=1) / mixture.component_variances()[:, 0]
        return float(terms.max()) + self.n_features

    def second_order(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Squared lengths, shape (K,)."""
        return np.asarray(moments[0])


class FullBasis(Basis):
    """1, z, and the products z_i z_j, i <= j, ordered by i."""

    def __init__(self, n_features: int) -> None:
        super().__init__(n_features)
        self._upper = np.triu_indices(n_features)

    @property
    def n_rows(self) -> int:
        """Number of functions, 1 + D + D (D + 1) / 2."""
        return 1 + self.n_features + len(self._upper[0])

    def fill(self, rows: NDArray[np.floating[Any]]) -> None:
        """Fill in the products."""
        z = rows[1 : self.n_features + 1]
        start = self.n_features + 1
        for i in range(self.n_features):
            stop = start + self.n_features - i
            np.multiply(z[i], z[i:], out=rows[start:stop])
            start = stop

    def columns(self, mixture: Mixture, log_weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Constant, precision times mean, -precision_ii / 2 and -precision_ij."""
        return self._columns(mixture.means, mixture.full_covariances(), log_weights)

    def _columns(
        self,
        means: NDArray[np.float64],
        covariances: NDArray[np.float64],
        log_weights: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        factors = np.linalg.cholesky(covariances)
        precisions = _precisions(factors)
        linear = np.einsum("kij,kj->ki", precisions, means)
        log_determinant = 2 * np.log(np.einsum("kdd->kd", factors)).sum(axis=1)
        constants = log_weights - 0.5 * (
            self.n_features * _LOG_2PI + log_determinant + (linear * means).sum(axis=1)
        )
        # Off the diagonal a product stands for two terms of the quadratic form.
        halves = np.where(self._upper[0] == self._upper[1], -0.5, -1.0)
        quadratic = halves[:, None] * precisions[:, self._upper[0], self._upper[1]].T
        return np.concatenate([constants[None], linear.T, quadratic])

    def envelope(self, mixture: Mixture) -> NDArray[np.float64]:
        """Those of the Gaussian with the mixture's mean and covariance."""
        assert isinstance(mixture, FullMixture)
        mean, covariance = mixture.weights @ mixture.means, mixture.global_covariance()
        return self._columns(mean[None], covariance[None], np.zeros(1))[:, 0]

    def size(self, mixture: Mixture) -> float:
        """Sum of |precision_ij| times the root mean squares of z_i and z_j."""
        precisions = np.abs(_precisions(np.linalg.cholesky(mixture.full_covariances())))
        spread = np.sqrt(mixture.means**2 + mixture.component_variances())
        return float(np.einsum("ki,kij,kj->k", spread, precisions, spread).max())

    def second_order(self, moments: NDArray[np.float64]) -> NDArray[np.float64]:
        """Products, shape (K, D, D)."""
        n_components = moments.shape[1]
        products = np.empty((n_components, self.n_features, self.n_features))
        products[:, self._upper[0], self._upper[1]] = moments.T
        products[:, self._upper[1], self._upper[0]] = moments.T
        return products


def _diagonal_columns(
    means: NDArray[np.float64], variances: NDArray[np.float64], log_weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    precisions = 1.0 / variances
    constants = log_weights - 0.5 * (
        np.log(2 * np.pi * variances).sum(axis=1) + (means**2 * precisions).sum(axis=1)
    )
    return np.concatenate([constants[None], (means * precisions).T, -0.5 * precisions.T])


def _precisions(factors: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Inverses of matrices (K, D, D) with these Cholesky factors, exactly symmetric."""
    inverses = np.linalg.inv(factors)
    return np.asarray(inverses.transpose(0, 2, 1) @ inverses)


_BASES: dict[str, type[Basis]] = {
    "diag": DiagonalBasis,
    "spherical": SphericalBasis,
    "tied": SphericalBasis,
    "full": FullBasis,
}


def basis_of(mixture: Mixture) -> Basis:
    """Give the basis in which a mixture is evaluated."""
    return _BASES[mixture.covariance_type](mixture.n_features)
