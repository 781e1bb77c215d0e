"""Preparation of Gaussians for evaluation: the one place where anything is inverted or rounded.

With f the functions of a frame w in the coordinates below, [1, w, w^2] for diagonal covariances,
the joint log-density of Gaussian k is f @ p_k: p_k holds a constant and its natural parameters,
such as mean / variance and -1 / (2 variance). In float32 each of the terms is rounded to 6e-8 of
its size, so the error of a log-density grows with (deviation of the data / deviation of the
Gaussian)^2: in 39 features it is 1e-5 or so for Gaussians as wide as the data, and at worst a few
1e-3 where they are up to thirty times narrower, as far as the default variance floor goes.

The error to expect, `Prepared.rounding`, is 1.2e-7 times the size of the largest terms of each
Gaussian. Over random mixtures of every kind in 6 and 20 features, with eigenvalues down to 1e-9 of
the data's, units from 1e-6 to 1e6 and large offsets, the log-likelihood of the worst of their own
frames was off by no more than 1.8 times that (or 5e-5), which is up to 5e-2; the mean over the
frames by up to 3e-3. `Prepared.plan` is the policy: Gaussians that the product does not serve are
evaluated about their own means (`exact`), the others stay in it. After a step of EM means were
within 2e-4 deviations of those of float64, and covariances within 1e-3 of themselves, in all cases
of `python -m tests.benchmarks.mixtures --accuracy`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.matrices import floor_matrices
from speakergmm.gaussians.parameters import KINDS, Gaussians
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.ranges import choice

# Log-weight of a component of weight zero: low enough for a responsibility of exactly zero at any
# sane frame, and not an infinity, which a matrix product could turn into NaN.
LOG_ZERO = -1e30
# Largest error of a log-density in float32, in nats, that evaluation and training accept.
LARGEST_ROUNDING = 5e-2
LARGEST_ROUNDING_IN_TRAINING = 5e-3
# The error in float32, in nats, at which float64 leaves an error of 1e-9.
_LARGEST_ROUNDING_FLOAT64 = 0.5
# If more than this part of the Gaussians need float64, the whole product is computed in it.
_LARGEST_PART = 1 / 8
# Whitening in float32 multiplies rounding by up to this.
_LARGEST_AMPLIFICATION = 16.0
# In whitened coordinates: what rounding of a singular covariance may leave.
_LEAST_DEVIATION = 1e-15
_EPSILON = float(np.finfo(np.float32).eps)


class Weighted(Protocol):
    """A model that shares frames out over Gaussians; hashed by identity, and never changed."""

    def __hash__(self) -> int:
        """Return the same for the same object."""

    def weighted(self) -> tuple[Gaussians, Array, Array]:
        """Return the Gaussians, the log-weights of the E-step, and the weights of the mixture."""


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """The map w = L^-1 z from standardised features z; without a factor L, w is z.

    `factor` is L, which is lower triangular, and `inverse` is L^-1; both are None or neither is.
    """

    standardisation: Standardisation
    factor: Array | None = None
    inverse: Array | None = None

    @property
    def log_volume(self) -> float:
        """Logarithm of the volume of a unit cube of w, in feature units."""
        volume = self.standardisation.log_volume
        if self.factor is not None:
            volume += float(np.log(self.factor.diagonal()).sum())
        return volume

    @property
    def linear_map(self) -> Array | None:
        """A, shape (D, D), with w = A (x - centre); None without a factor."""
        return None if self.inverse is None else self.inverse / self.standardisation.scale

    @property
    def needs_double(self) -> bool:
        """Return whether whitening in float32 would cost digits, as features are correlated."""
        if self.inverse is None:
            return False
        return bool(np.abs(self.inverse).sum(axis=1).max() > _LARGEST_AMPLIFICATION)

    def moments_to_standard(
        self, first_order: Array, second_order: Array | None
    ) -> tuple[Array, Array | None]:
        """Return moments of z from those of w: first order (G, D), second (D, D) or (G, D, D)."""
        if self.factor is None:
            return first_order, second_order
        if second_order is not None:
            second_order = self.factor @ second_order @ self.factor.T
        return first_order @ self.factor.T, second_order


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Gaussians that are prepared for the evaluation of their densities.

    Parameters
    ----------
    gaussians : Gaussians
        In standardised features z.
    log_weights : array, shape (G,)
        Logarithms of the weights, which are added to the log-densities.
    coordinates : Coordinates
        The coordinates w in which frames are evaluated.
    white : Gaussians
        The Gaussians in these coordinates w.
    columns : array, shape (B, G)
        Columns p_k, in natural logarithms of densities in these coordinates.
    envelope : array, shape (B,)
        The same for the one Gaussian that has the moments of the whole mixture.
    rounding : array, shape (G,)
        Error to expect of a log-density in float32, in nats, for frames near that Gaussian.
    """

    gaussians: Gaussians
    log_weights: Array
    coordinates: Coordinates
    white: Gaussians
    columns: Array
    envelope: Array
    rounding: Array
    kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def n_gaussians(self) -> int:
        """Number of Gaussians, G."""
        return int(self.columns.shape[1])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return self.gaussians.n_features

    @property
    def n_rows(self) -> int:
        """Number of functions of a frame, B."""
        return len(self.columns)

    def select(self, places: NDArray[np.integer[Any]]) -> Prepared:
        """Return some of the Gaussians, prepared in the same coordinates."""
        return replace(
            self,
            gaussians=_some(self.gaussians, places),
            log_weights=self.log_weights[places],
            white=_some(self.white, places),
            columns=self.columns.T[places].T,
            rounding=self.rounding[places],
            kept={},
        )

    def plan(
        self, precision: str, largest: float = LARGEST_ROUNDING
    ) -> tuple[np.dtype[Any], NDArray[np.intp]]:
        """Return the dtype of the product, and the Gaussians that must be evaluated exactly.

        Parameters
        ----------
        precision : {"float32", "float64"}
            The precision that the caller asked for.
        largest : float
            Largest error of a log-density that is accepted, in nats.

        Raises
        ------
        InvalidInputError
            If `precision` is neither of the two.
        """
        found: tuple[np.dtype[Any], NDArray[np.intp]] = self.keep(
            (precision, largest), lambda: self._planned(precision, largest)
        )
        return found

    def _planned(self, precision: str, largest: float) -> tuple[np.dtype[Any], NDArray[np.intp]]:
        dtype = check_precision(precision)
        narrow = self.beyond(precision, largest)
        if dtype == np.float32 and len(narrow) > _LARGEST_PART * self.n_gaussians:
            return np.dtype(np.float64), self.beyond("float64", largest)
        return dtype, narrow

    def beyond(self, precision: str, largest: float) -> NDArray[np.intp]:
        """Return the Gaussians for which a product in this precision is too coarse."""
        if precision == "float64":
            largest = _LARGEST_ROUNDING_FLOAT64
        above = np.flatnonzero(~(self.rounding <= largest))
        # A shared covariance is known as well as its narrowest use allows.
        return (
            np.arange(self.n_gaussians) if above.size and self.gaussians.kind.is_shared else above
        )

    def keep(self, name: Any, make: Any) -> Any:
        """Return the result of `make()`, which is called once for each name."""
        if name not in self.kept:
            self.kept[name] = make()
        return self.kept[name]


def prepare_gaussians(
    gaussians: Gaussians,
    log_weights: Array,
    standardisation: Standardisation,
    *,
    weights: Array | None = None,
) -> Prepared:
    """Prepare Gaussians in standardised coordinates for evaluation.

    Parameters
    ----------
    gaussians : Gaussians
        The Gaussians, in coordinates z.
    log_weights : array, shape (G,)
        Logarithms of weights, which need not be normalised; -inf for a weight of 0.
    standardisation : Standardisation
        The map from frames to z.
    weights : array, shape (G,), optional
        Normalised weights of the mixture whose moments fix coordinates and envelope; by default
        those to which `log_weights` are proportional.
    """
    if weights is None:
        weights = np.exp(log_weights - log_weights.max())
        weights = weights / weights.sum()
    white, coordinates, factors = _whitened(gaussians, weights, standardisation)
    kind = white.kind
    log_weights = np.maximum(log_weights, LOG_ZERO)
    columns, sizes = kind.columns(white.own_covariances, white.means, log_weights, factors=factors)
    whole = _whole(white, weights)
    envelope, _ = kind.columns(whole.covariances, whole.means, np.zeros(1))
    return Prepared(
        gaussians=gaussians,
        log_weights=log_weights,
        coordinates=coordinates,
        white=white,
        columns=columns,
        envelope=envelope[:, 0],
        rounding=_EPSILON * sizes,
    )


def prepare_in_features(
    gaussians: Gaussians, log_weights: Array, *, weights: Array | None = None
) -> Prepared:
    """Prepare Gaussians in feature units, in coordinates where the mixture is near (0, 1)."""
    if weights is None:
        weights = np.exp(log_weights - log_weights.max())
        weights = weights / weights.sum()
    standardisation = Standardisation.from_moments(
        *gaussians.moments(weights), isotropic=gaussians.kind.is_isotropic
    )
    standard = standardisation.model_to_standard(gaussians)
    return prepare_gaussians(standard, log_weights, standardisation, weights=weights)


def check_precision(precision: str) -> np.dtype[Any]:
    """Return the dtype that `precision` names.

    Raises
    ------
    InvalidInputError
        If it is neither "float32" nor "float64".
    """
    return np.dtype(choice("precision", precision, ("float32", "float64")))


def _some(gaussians: Gaussians, places: NDArray[np.integer[Any]]) -> Gaussians:
    covariances, owner = gaussians.covariances, gaussians.owner
    if owner is not None:
        owner = owner[places]
    elif not gaussians.kind.is_shared:
        covariances = covariances[places]
    return replace(gaussians, means=gaussians.means[places], covariances=covariances, owner=owner)


def _whitened(
    gaussians: Gaussians, weights: Array, standardisation: Standardisation
) -> tuple[Gaussians, Coordinates, Array | None]:
    """Move Gaussians of z to the coordinates best for float32; return Cholesky factors as well.

    A shared covariance becomes the identity; for full covariances, that of the mixture as a whole
    does, so that correlated features lose no digits. Other kinds stay where they are.
    """
    if not gaussians.kind.is_matrix:
        return gaussians, Coordinates(standardisation), None
    if gaussians.kind.is_shared:
        factor = np.asarray(np.linalg.cholesky(gaussians.covariances), np.float64)
        inverse = np.tril(np.linalg.inv(factor))
        white = Gaussians(
            KINDS["spherical"], gaussians.means @ inverse.T, np.ones(gaussians.n_gaussians)
        )
        return white, Coordinates(standardisation, factor, inverse), None
    factor = _factor_near(gaussians.covariance(weights))
    inverse = np.tril(np.linalg.inv(factor))
    # A product of triangles is one: these are the Cholesky factors of the white covariances.
    factors = inverse @ np.linalg.cholesky(gaussians.covariances)
    covariances = factors @ factors.transpose(0, 2, 1)
    if not np.einsum("kdd->kd", factors).min() > _LEAST_DEVIATION:
        covariances, _ = floor_matrices(
            covariances, np.full(gaussians.n_features, _LEAST_DEVIATION**2)
        )
        factors = np.linalg.cholesky(covariances)
    white = Gaussians(gaussians.kind, gaussians.means @ inverse.T, covariances, gaussians.owner)
    if gaussians.owner is not None:
        factors = factors[gaussians.owner]
    return white, Coordinates(standardisation, factor, inverse), factors


def _factor_near(covariance: Array) -> Array:
    """Return the Cholesky factor of a covariance, or of one near it that has such a factor.

    One Gaussian far from the others makes the covariance of all singular to rounding; for
    coordinates anything near it will do.
    """
    variance = covariance.diagonal()
    for addition in (0.0, 1e-14, 1e-12, 1e-10):
        try:
            factor = np.linalg.cholesky(covariance + np.diag(addition * variance))
        except np.linalg.LinAlgError:
            continue
        return np.asarray(factor, np.float64)
    return np.diag(np.sqrt(variance))


def _whole(white: Gaussians, weights: Array) -> Gaussians:
    """Return the one Gaussian of their kind that has, nearly, the moments of the mixture."""
    if white.kind.is_matrix:
        # This is what whitening is for.
        return Gaussians(white.kind, (weights @ white.means)[None], np.eye(white.n_features)[None])
    mean, variance = white.moments(weights)
    covariances = np.array([variance.mean()]) if white.kind.is_isotropic else variance[None]
    return Gaussians(white.kind, mean[None], covariances)
