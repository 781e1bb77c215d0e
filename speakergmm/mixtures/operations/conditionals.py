"""Conditional mixtures of the remaining features, one for each row of known values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.mixtures.mixture import make_mixture

if TYPE_CHECKING:
    from speakergmm.mixtures.mixture import Mixture


@dataclass(frozen=True, slots=True, eq=False)
class ConditionalMixtures:
    """One mixture of the remaining features for each row of known values.

    The covariances of a component do not depend on the known values; its weight and its mean do.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of the mixture that was conditioned, and of every row.
    weights : array, shape (T, K)
        Posterior probability of each component given the row's values.
    means : array, shape (T, K, R)
        Conditional means of the R remaining features, in feature units.
    covariances : array, shape (K, R, R)
        Conditional covariance matrices, whatever the kind.
    """

    covariance_type: str
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, row: int) -> Mixture:
        """Return the mixture of the remaining features in one row."""
        return of_kind(self.covariance_type, self.weights[row], self.means[row], self.covariances)

    def mean(self) -> NDArray[np.float64]:
        """Return the conditional mean of each row, shape (T, R)."""
        return np.asarray(np.einsum("tk,tkr->tr", self.weights, self.means))

    def covariance(self) -> NDArray[np.float64]:
        """Return the conditional covariance of each row, shape (T, R, R).

        It is the mean of the components' covariances plus the covariance of their means.
        """
        deviations = self.means - self.mean()[:, None]
        between = np.einsum("tk,tkr,tks->trs", self.weights, deviations, deviations)
        return np.asarray(np.tensordot(self.weights, self.covariances, axes=1) + between)

    def variance(self) -> NDArray[np.float64]:
        """Return the conditional variance of each row and feature, shape (T, R)."""
        within = self.weights @ np.diagonal(self.covariances, axis1=1, axis2=2)
        deviations = self.means - self.mean()[:, None]
        return np.asarray(within + np.einsum("tk,tkr->tr", self.weights, deviations**2))

    def sample(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the remaining features of each row once, shape (T, R).

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness; the same state gives the same draws.
        """
        shares = self.weights.cumsum(axis=1)
        thresholds = rng.random((len(self), 1)) * shares[:, -1:]
        chosen = (shares <= thresholds).sum(axis=1)
        noise = rng.standard_normal((len(self), self.means.shape[2]))
        roots = np.linalg.cholesky(self.covariances)[chosen]
        rows = np.arange(len(self))
        return np.asarray(self.means[rows, chosen] + np.einsum("trs,ts->tr", roots, noise))

    def log_likelihood(self, Y: ArrayLike) -> NDArray[np.float64]:
        """Return the conditional log-likelihood of each row's remaining features, in nats.

        Parameters
        ----------
        Y : array, shape (T, R)
            Row t is scored by the mixture of row t.

        Returns
        -------
        array, shape (T,)

        Raises
        ------
        InvalidInputError
            If `Y` is not a finite matrix of T rows and R columns.
        """
        remaining = check_finite_frames(Y, n_features=self.means.shape[2])
        if len(remaining) != len(self):
            raise InvalidInputError(
                f"log_likelihood needs one row for each of the {len(self)} conditional mixtures, "
                f"found {len(remaining)}"
            )
        roots = np.linalg.cholesky(self.covariances)
        log_roots = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        log_densities = np.empty_like(self.weights)
        for k, root in enumerate(roots):
            whitened = np.linalg.solve(root, (remaining - self.means[:, k]).T)
            log_densities[:, k] = -0.5 * (whitened**2).sum(axis=0) - log_roots[k]
        with np.errstate(divide="ignore"):
            log_densities += np.log(self.weights)
        constant = 0.5 * remaining.shape[1] * np.log(2 * np.pi)
        return np.asarray(np.logaddexp.reduce(log_densities, axis=1) - constant)


def of_kind(
    kind: str,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> Mixture:
    """Return a mixture of a kind from (K, R, R) covariances that are known to have its form."""
    formulas = covariance_kind(kind)
    reduced = covariances[0] if formulas.is_shared else covariances
    if not formulas.is_matrix:
        reduced = np.diagonal(covariances, axis1=1, axis2=2)
    if formulas.is_isotropic:
        reduced = reduced[:, 0]
    return make_mixture(kind, weights, means, reduced)
