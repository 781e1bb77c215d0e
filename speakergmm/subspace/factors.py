"""The model of factor analysis: the means of a mixture, moved by a few factors.

In session r of speaker s the means of the mixture's components, written as one supervector, are

    means + V y_s + D z_s + U x_sr,

with independent standard normal factors: y_s (loadings V, of low rank) and z_s (the residual D, a
number for each feature of each component) are the same in all sessions of a speaker, x_sr (loadings
U) is a session's own. Total variability has V alone, with a speaker for each session; eigenvoices
have V alone; inter-session variability has U, and D fixed as in relevance MAP; joint factor
analysis has all three.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians import Gaussians, covariance_kind
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.covariances import LOG_2PI
from speakergmm.subspace.packed import packed_layout
from speakergmm.subspace.whitening import Whitening

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Factors:
    """Parameters of factor analysis of K components, D features and H factors of low rank.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of the covariances.
    means : array, shape (K, D)
        The supervector when all factors are zero, in feature units.
    covariances : array
        Covariances within a session, in the shape of the kind.
    loadings : array, shape (K, D, H)
        The factors' effects on the means, in feature units: first those of the speaker (V), then
        those of the session (U).
    n_speaker : int
        Number of the speaker's factors, R <= H.
    residual : array, shape (K, D), or None
        The speaker's deviation in each feature beyond V (D), in units of the Gaussian's deviation;
        with matrices, of their whitened coordinates. None if there is none.
    prior_mean : array, shape (R,), or None
        Mean of the speaker's factors; None for zero.

    Raises
    ------
    InvalidInputError
        If shapes disagree, or a value is not finite or is out of range.
    """

    covariance_type: CovarianceType
    means: Annotated[NDArray[np.float64], "K D"]
    covariances: NDArray[np.float64]
    loadings: Annotated[NDArray[np.float64], "K D H"]
    n_speaker: int
    residual: Annotated[NDArray[np.float64], "K D"] | None = None
    prior_mean: Annotated[NDArray[np.float64], "R"] | None = None

    def __post_init__(self) -> None:
        """Check that the parts agree, and make the arrays read-only."""
        kind = covariance_kind(self.covariance_type)
        for name in ("means", "covariances", "loadings", "residual", "prior_mean"):
            if (value := getattr(self, name)) is not None:
                array = np.ascontiguousarray(value, np.float64)
                if not np.isfinite(array).all():
                    raise InvalidInputError(f"{name} must be finite, found NaN or infinity")
                array.flags.writeable = False
                object.__setattr__(self, name, array)
        if self.loadings.ndim != 3 or self.loadings.shape[:2] != self.means.shape:
            raise InvalidInputError(
                f"loadings of means of shape {self.means.shape} must be of shape (K, D, H), found "
                f"{self.loadings.shape}"
            )
        if not 0 <= self.n_speaker <= self.loadings.shape[2]:
            raise InvalidInputError(
                f"n_speaker must be in 0..{self.loadings.shape[2]}, found {self.n_speaker}"
            )
        for name, shape in (
            ("covariances", kind.shape(*self.means.shape)),
            ("residual", self.means.shape),
            ("prior_mean", (self.n_speaker,)),
        ):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise InvalidInputError(f"{name} must be of shape {shape}, found {value.shape}")
        kind.checked(self.covariances)

    def __repr__(self) -> str:
        n_components, n_features, _ = self.loadings.shape
        parts = f"{self.n_speaker} factors of the speaker, {self.n_session} of the session"
        return f"Factors({n_components} components, {n_features} features, {parts})"

    @property
    def n_session(self) -> int:
        """Number of the session's factors."""
        return int(self.loadings.shape[2]) - self.n_speaker

    @property
    def is_tied(self) -> bool:
        """Return whether the speaker's factors are all there is: no session's and no residual."""
        return self.n_session == 0 and self.residual is None

    @property
    def speaker_loadings(self) -> Array:
        """Loadings of the speaker's factors (V), shape (K, D, R)."""
        return self.loadings[:, :, : self.n_speaker]

    @property
    def session_loadings(self) -> Array:
        """Loadings of the session's factors (U), shape (K, D, H - R)."""
        return self.loadings[:, :, self.n_speaker :]

    @property
    def gaussians(self) -> Gaussians:
        """The Gaussians when all factors are zero."""
        return Gaussians(covariance_kind(self.covariance_type), self.means, self.covariances)

    def of_session(self) -> Factors:
        """Return the session's factors alone, as those of a speaker of one session."""
        return Factors(
            self.covariance_type,
            self.means,
            self.covariances,
            self.session_loadings,
            self.n_session,
        )


@dataclass(frozen=True, eq=False)
class PreparedFactors:
    """Factors with all that an expectation needs of them, computed once.

    Parameters
    ----------
    factors : Factors

    Attributes
    ----------
    projection : array, shape (K D, H)
        Inverse covariances times loadings: a product with first-order statistics about zero is the
        linear term of the factors' log-density, but for `offsets`.
    offsets : array, shape (K, H)
        The linear term of each component's mean.
    """

    factors: Factors
    projection: Array = field(init=False)
    offsets: Array = field(init=False)

    def __post_init__(self) -> None:
        factors = self.factors
        weighed = self.whitening.weigh(factors.loadings)
        offsets = np.matmul(factors.means[:, None, :], weighed)[:, 0]
        size = factors.means.size
        object.__setattr__(self, "projection", weighed.reshape(size, factors.loadings.shape[2]))
        object.__setattr__(self, "offsets", offsets)
        if factors.is_tied:
            _ = self.grams  # before threads share it

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers receive the parameters, and prepare them anew.
        return type(self), (self.factors,)

    @cached_property
    def whitening(self) -> Whitening:
        """Coordinates of unit covariance."""
        return Whitening.of(self.factors.gaussians)

    @cached_property
    def grams(self) -> Array:
        """Products of the loadings by the inverse covariances, packed, shape (K, P)."""
        n_components, n_features, n_factors = self.factors.loadings.shape
        layout = packed_layout(n_factors)
        weighed = self.projection.reshape(n_components, n_features, n_factors)
        grams = np.empty((n_components, layout.n_places))
        for row, own, other in zip(grams, self.factors.loadings, weighed, strict=True):
            row[:] = layout.pack(own.T @ other)
        return grams

    @cached_property
    def whitened(self) -> Array:
        """Loadings in whitened coordinates, shape (K, D, H)."""
        return self.whitening.whiten(self.factors.loadings)

    def linear_terms(self, occupancy: Array, first_order: Array) -> Array:
        """Return the linear terms of the factors (N, H), without those of the prior.

        Parameters
        ----------
        occupancy : array, shape (N, K)
        first_order : array, shape (N, K, D)
            Sums of posterior times feature, about zero.
        """
        flat = first_order.reshape(len(first_order), len(self.projection))
        return np.asarray(flat @ self.projection - occupancy @ self.offsets)

    def constant(self, occupancy: Array, first_order: Array, second_order: Array | None) -> float:
        """Return the part of the log-likelihood of all frames that no factor has a share in.

        Parameters
        ----------
        occupancy : array, shape (K,)
        first_order : array, shape (K, D)
            Sums over all sessions, about zero.
        second_order : array, or None
            Sums in the shape of the covariances. Without it the term that means and factors leave
            as it is, is left out.
        """
        gaussians = self.factors.gaussians
        kind, means = gaussians.kind, gaussians.means
        weighed = self.whitening.weigh(means[:, :, None])[:, :, 0]
        total = ((first_order - 0.5 * occupancy[:, None] * means) * weighed).sum()
        if second_order is not None:
            inverses = kind.inverses(gaussians.covariances)
            logarithms = kind.log_determinants(gaussians.covariances, gaussians.n_features)
            total -= 0.5 * (inverses * second_order).sum()
            total -= 0.5 * (occupancy * (logarithms + gaussians.n_features * LOG_2PI)).sum()
        return float(total)
