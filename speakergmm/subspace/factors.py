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

from collections.abc import Iterator
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

# Number of components whose loadings are multiplied by inverse covariances at a time.
_PIECE_COMPONENTS = 32


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
                array = np.ascontiguousarray(value, np.float64).view()
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
    offsets : array, shape (K, H)
        Products of each component's mean, its inverse covariance and its loadings.
    grams : array, shape (K, P)
        Products of the loadings by the inverse covariances, packed; see `packed_layout`.
    """

    factors: Factors
    offsets: Array = field(init=False)
    grams: Array = field(init=False)

    def __post_init__(self) -> None:
        """Compute the products."""
        n_components, _, n_factors = self.factors.loadings.shape
        layout = packed_layout(n_factors)
        offsets = np.empty((n_components, n_factors))
        grams = np.empty((n_components, layout.n_places))
        for piece, weighed in self._weighed():
            offsets[piece] = np.matmul(self.factors.means[piece, None, :], weighed)[:, 0]
            products = self.factors.loadings[piece].swapaxes(1, 2) @ weighed
            grams[piece] = layout.pack(products)
        object.__setattr__(self, "offsets", offsets)
        object.__setattr__(self, "grams", grams)

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers receive the parameters, and prepare them anew.
        return type(self), (self.factors,)

    @cached_property
    def whitening(self) -> Whitening:
        """Coordinates of unit covariance."""
        return Whitening.of(self.factors.gaussians)

    @cached_property
    def whitened(self) -> Array:
        """Loadings in whitened coordinates, shape (K, D, H)."""
        return self.whitening.whiten(self.factors.loadings)

    @cached_property
    def gram_matrices(self) -> Array:
        """The same products as `grams`, as matrices, shape (K, H, H)."""
        return packed_layout(self.factors.loadings.shape[2]).unpack(self.grams)

    @cached_property
    def _whole_weighed(self) -> Array:
        return self.whitening.weigh(self.factors.loadings)

    def _weighed(self) -> Iterator[tuple[slice, Array]]:
        """Yield pieces of components with inverse covariances times loadings, (K', D, H).

        They are as large as the loadings, and computed in little of the time that a block of
        sessions takes: they are kept only where speakers are taken one by one.
        """
        loadings = self.factors.loadings
        if not self.factors.is_tied:
            yield slice(None), self._whole_weighed
            return
        for start in range(0, len(loadings), _PIECE_COMPONENTS):
            piece = slice(start, start + _PIECE_COMPONENTS)
            yield piece, self.whitening.part(piece).weigh(loadings[piece])

    def linear_terms(self, occupancy: Array, first_order: Array) -> Array:
        """Return the linear terms of the factors' log-densities (N, H), without the prior's.

        Parameters
        ----------
        occupancy : array, shape (N, K)
        first_order : array, shape (N, K, D)
            Sums of posterior times feature, about zero.
        """
        terms = occupancy @ -self.offsets
        for piece, weighed in self._weighed():
            part = first_order[:, piece]
            flat = part.reshape(len(part), weighed.shape[0] * weighed.shape[1])
            terms += flat @ weighed.reshape(flat.shape[1], terms.shape[1])
        return np.asarray(terms)

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
