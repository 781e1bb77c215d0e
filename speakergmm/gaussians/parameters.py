"""Gaussians as means and one kind of covariance, without weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.covariances import (
    Array,
    Covariances,
    DiagonalCovariances,
    SphericalCovariances,
)
from speakergmm.gaussians.matrices import FullCovariances, TiedCovariances
from speakergmm.ranges import choice

KINDS: dict[str, Covariances] = {
    kind.name: kind
    for kind in (
        SphericalCovariances(),
        DiagonalCovariances(),
        TiedCovariances(),
        FullCovariances(),
    )
}


def covariance_kind(covariance_type: str) -> Covariances:
    """Return the kind of covariances of this name.

    Raises
    ------
    InvalidInputError
        If there is no such kind.
    """
    return KINDS[choice("covariance_type", covariance_type, KINDS)]


def frozen(name: str, value: ArrayLike) -> Array:
    """Return an array as a read-only copy in float64.

    Raises
    ------
    InvalidInputError
        If a number is not finite.
    """
    # In one memory layout: sums over another layout may round differently, and files keep none.
    array = np.array(value, dtype=np.float64, order="C")
    if not np.isfinite(array).all():
        raise InvalidInputError(f"{name} must be finite, found NaN or infinity")
    array.setflags(write=False)
    return array


@dataclass(frozen=True, slots=True, eq=False)
class Gaussians:
    """G Gaussians of D features; the caller has checked the arrays.

    Parameters
    ----------
    kind : Covariances
        The formulas of their kind of covariances.
    means : array, shape (G, D)
        In feature units, or in those of the coordinates.
    covariances : array
        In the shape of the kind; with an owner, one for each of the O owners.
    owner : array of int, shape (G,), optional
        Number of the covariance that each Gaussian has, if groups of Gaussians share one.
    """

    kind: Covariances
    means: Array
    covariances: Array
    owner: NDArray[np.intp] | None = None

    @property
    def covariance_type(self) -> CovarianceType:
        """Name of the kind."""
        return self.kind.name

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians, G."""
        return len(self.means)

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.means.shape[1])

    @property
    def own_covariances(self) -> Array:
        """Covariances in the shape of the kind, those of owners repeated."""
        return self.covariances if self.owner is None else self.covariances[self.owner]

    def variances(self) -> Array:
        """Variance of each feature in each Gaussian, shape (G, D)."""
        return self.kind.variances(self.own_covariances, self.means)

    def matrices(self) -> Array:
        """Covariance matrix of each Gaussian, shape (G, D, D)."""
        return self.kind.matrices(self.own_covariances, self.means)

    def rescaled(self, scale: Array, shift: Array) -> Gaussians:
        """Return the Gaussians of ``x * scale + shift``, both of shape (D,)."""
        covariances = self.kind.rescaled(self.covariances, scale)
        return Gaussians(self.kind, self.means * scale + shift, covariances, self.owner)

    def moments(self, weights: Array) -> tuple[Array, Array]:
        """Return mean and variance, both (D,), of the mixture with these weights (G,)."""
        mean = weights @ self.means
        return mean, weights @ (self.variances() + (self.means - mean) ** 2)

    def covariance(self, weights: Array) -> Array:
        """Return the covariance (D, D) of the mixture with these weights (G,)."""
        moved = self.means - weights @ self.means
        between = (weights[:, None] * moved).T @ moved
        return np.asarray(np.einsum("k,kij->ij", weights, self.matrices()) + between)
