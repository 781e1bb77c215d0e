"""Affine transforms of a speaker's features towards a model: constrained MLLR (fMLLR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.parameters import Gaussians
from speakergmm.gaussians.semi_tied import invertible
from speakergmm.gaussians.sums import SparsePosteriors
from speakergmm.options import Options, one_of, real, whole

TransformKind = Literal["full", "diagonal", "offset"]

# Frames whose products are in memory at once: 14 MB of 40 features.
_BLOCK_FRAMES = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstrainedTransformOptions(Options):
    """Options of the estimation of a speaker's transform.

    Parameters
    ----------
    kind : {"full", "diagonal", "offset"}, default="full"
        What may differ from the identity: all, a scale and an offset of each feature, or offsets.
    min_frames : float, default=500
        Frames (a sum of posteriors) below which the transform stays the identity.
    max_iter : int, default=40
        Largest number of sweeps over the rows of a full transform.
    tol : float, default=1e-7
        Sweeps end when they gain no more than this per frame, in nats.
    """

    kind: TransformKind = one_of("full", get_args(TransformKind), "What a transform may change.")
    min_frames: float = real(500.0, "Frames that a speaker's transform needs.", least=0)
    max_iter: int = whole(40, "Largest number of sweeps over the rows of a transform.")
    tol: float = real(1e-7, "Gain per frame, in nats, at which sweeps end.", least=0)


@dataclass(frozen=True, slots=True, eq=False)
class ConstrainedStatistics:
    """Statistics of frames under diagonal Gaussians that determine a transform; they can be added.

    Parameters
    ----------
    count : float
        Sum of the posteriors.
    linear : array, shape (D, D + 1)
        K, ``sum_tg p_tg mean_gi / variance_gi (x_t, 1)`` in row i.
    quadratic : array, shape (D, D + 1, D + 1)
        G, ``sum_tg p_tg / variance_gi (x_t, 1)' (x_t, 1)`` in matrix i.
    """

    count: float
    linear: Array
    quadratic: Array

    @classmethod
    def zeros(cls, n_features: int) -> Self:
        """Return the statistics of no frame."""
        d = n_features
        return cls(0.0, np.zeros((d, d + 1)), np.zeros((d, d + 1, d + 1)))

    @classmethod
    def of(
        cls,
        frames: NDArray[np.floating[Any]],
        posteriors: NDArray[np.floating[Any]] | SparsePosteriors,
        gaussians: Gaussians,
    ) -> Self:
        """Return the statistics of some frames.

        Parameters
        ----------
        frames : array, shape (T, D)
        posteriors : array, shape (T, G), or SparsePosteriors
            Shares of the frames that belong to each Gaussian, from any model and any features of
            the same frames; rows of zeros for frames that do not count, such as silence.
        gaussians : Gaussians
            Diagonal Gaussians of the model that is adapted to.

        Notes
        -----
        A frame's shares of all Gaussians are first summed to one precision and one mean in units of
        it per feature; the products of its features are then summed by one matrix product.
        """
        if gaussians.covariance_type != "diag":
            raise InvalidInputError(
                "transforms of features are estimated under diagonal Gaussians, found "
                f"{gaussians.covariance_type}"
            )
        shares: Any = posteriors
        if isinstance(posteriors, SparsePosteriors):
            from scipy.sparse import csr_array

            places = (posteriors.frames, posteriors.gaussians)
            shape = (len(frames), gaussians.n_gaussians)
            shares = csr_array((posteriors.weights, places), shape=shape)
        if shares.shape != (len(frames), gaussians.n_gaussians):
            raise InvalidInputError(
                f"posteriors of shape {shares.shape} for {len(frames)} frames and "
                f"{gaussians.n_gaussians} Gaussians"
            )
        precisions = 1 / gaussians.variances()
        weights = shares @ precisions
        targets = shares @ (precisions * gaussians.means)
        return cls(float(shares.sum()), *_products(frames, weights, targets))

    @classmethod
    def emitted_by(cls, gaussians: Gaussians, weights: Array, n_frames: float) -> Self:
        """Return the statistics to be expected of frames that the Gaussians themselves emit.

        Added to those of a speaker they are a prior: the optimum of both lies between that of the
        speaker and the identity, and is exactly the identity for the prior alone.

        Parameters
        ----------
        gaussians : Gaussians
            Diagonal ones.
        weights : array, shape (G,)
            How often each emits, such as its occupancy in training; up to a factor.
        n_frames : float
            The number of frames, which is what the prior weighs.
        """
        share = weights * (n_frames / weights.sum())
        variances, means = gaussians.variances(), gaussians.means
        shares = share[:, None] / variances
        linear, quadratic = _products(means, shares, shares * means)
        # Within a Gaussian, features vary independently: sum_g share_g variance_gj / variance_gi.
        d = np.arange(gaussians.n_features)
        quadratic[:, d, d] += shares.T @ variances
        return cls(float(n_frames), linear, quadratic)

    def __add__(self, other: ConstrainedStatistics) -> ConstrainedStatistics:
        """Return the statistics of the frames of both."""
        return ConstrainedStatistics(
            self.count + other.count,
            self.linear + other.linear,
            self.quadratic + other.quadratic,
        )

    def objective(self, transform: Array) -> float:
        """Return the log-likelihood that a transform (D, D + 1) gives, up to a constant, in nats.

        The log-determinant is part of it: ``count log|det A| + sum(K W) - 1/2 sum_i w_i G_i w_i'``.
        """
        quadratic = np.einsum("ia,iab,ib->", transform, self.quadratic, transform)
        log_determinant = float(np.linalg.slogdet(transform[:, :-1])[1])
        linear = float((self.linear * transform).sum())
        return self.count * log_determinant + linear - 0.5 * float(quadratic)


@dataclass(frozen=True, slots=True, eq=False)
class ConstrainedTransform:
    """A transform of a speaker's features.

    Parameters
    ----------
    matrix : array, shape (D, D + 1)
        W = [A b], applied as ``x @ A.T + b``.
    count : float
        Frames of the speaker, a sum of posteriors.
    gains : tuple of float
        Gain of the objective per frame, with that of a prior, after each sweep; empty if the
        speaker has fewer frames than `min_frames`, and the matrix is the identity.
    """

    matrix: Array
    count: float
    gains: tuple[float, ...]

    @property
    def is_estimated(self) -> bool:
        """False if the speaker had too few frames, and the transform is the identity."""
        return bool(self.gains)

    @property
    def log_determinant(self) -> float:
        """Log-determinant of A, which each log-likelihood of a frame includes."""
        return float(np.linalg.slogdet(self.matrix[:, :-1])[1])


def estimate_constrained_transform(
    statistics: ConstrainedStatistics,
    options: ConstrainedTransformOptions | None = None,
    *,
    prior: ConstrainedStatistics | None = None,
    **changes: Any,
) -> ConstrainedTransform:
    """Return the affine transform of a speaker's features under which they are most likely.

    Parameters
    ----------
    statistics : ConstrainedStatistics
        Of the speaker.
    options : ConstrainedTransformOptions, optional
    prior : ConstrainedStatistics, optional
        See `ConstrainedStatistics.emitted_by`. With a prior of some hundred frames, `min_frames`
        may be 0: a speaker of few frames has a transform near the identity.
    **changes
        Options by keyword.

    Raises
    ------
    InsufficientDataError
        If the frames do not vary in all directions, and there is no prior.

    Notes
    -----
    Each row is set to its best given all others, as in [1]_: ``w_i = (a p_i + k_i) inv(G_i)`` with
    the cofactors p_i of A and a root a of ``a^2 p_i inv(G_i) p_i' + a p_i inv(G_i) k_i' = count``.
    No sweep loses. Of the two roots a full transform takes the better one. A diagonal one takes the
    positive one, as Kaldi's: the other would mirror a feature, which no voice does.

    A prior is preferred here to a basis of transforms (Povey and Yao 2012): it needs no other
    speakers and no basis that would have to be trained and stored with the model, weighs in frames,
    and leaves the optimum of many frames where it is.

    References
    ----------
    .. [1] Gales, "Maximum likelihood linear transformations for HMM-based speech recognition",
       Computer Speech and Language 12 (1998) 75-98.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> unit = DiagonalMixture([1.0], [[0.0]], [[1.0]]).gaussians
    >>> frames = np.array([[3.0], [7.0]])
    >>> statistics = ConstrainedStatistics.of(frames, np.ones((2, 1)), unit)
    >>> found = estimate_constrained_transform(statistics, min_frames=2)
    >>> frames @ found.matrix[:, :1].T + found.matrix[:, 1]
    array([[-1.],
           [ 1.]])
    """
    options = ConstrainedTransformOptions.of(options, changes)
    d = len(statistics.linear)
    matrix = np.eye(d, d + 1)
    total = statistics if prior is None else statistics + prior
    if statistics.count < options.min_frames or not total.count > 0:
        return ConstrainedTransform(matrix, statistics.count, ())
    start = last = total.objective(matrix)
    gains = list[float]()
    update = _SWEEPS[options.kind](total)
    while len(gains) < options.max_iter:
        update(matrix)
        objective = total.objective(matrix)
        gains.append((objective - start) / total.count)
        if options.kind != "full" or objective - last <= options.tol * total.count:
            break
        last = objective
    return ConstrainedTransform(matrix, statistics.count, tuple(gains))


class _Full:
    """A sweep over the rows of a full transform."""

    def __init__(self, statistics: ConstrainedStatistics) -> None:
        self._statistics = statistics
        self._inverses = invertible(statistics.quadratic, "a full transform")

    def __call__(self, matrix: Array) -> None:
        d = len(matrix)
        cofactors = np.zeros(d + 1)
        for row, inverse in enumerate(self._inverses):
            # Up to a factor, which the update does not see.
            cofactors[:d] = np.linalg.solve(matrix[:, :d], np.eye(d)[row])
            linear = self._statistics.linear[row]
            count = self._statistics.count
            matrix[row] = _best_row(count, linear, inverse, cofactors, mirrors=True)


class _Diagonal:
    """The best scale and offset of each feature."""

    def __init__(self, statistics: ConstrainedStatistics) -> None:
        d = len(statistics.linear)
        rows = np.arange(d)
        self._places = np.stack([rows, np.full(d, d)], axis=1)
        self._statistics = statistics
        parts = statistics.quadratic[rows[:, None, None], self._places[:, :, None],
                                     self._places[:, None, :]]  # fmt: skip
        self._inverses = invertible(parts, "a diagonal transform")

    def __call__(self, matrix: Array) -> None:
        for row, (places, inverse) in enumerate(zip(self._places, self._inverses, strict=True)):
            linear = self._statistics.linear[row, places]
            best = _best_row(self._statistics.count, linear, inverse, np.array([1.0, 0.0]))
            matrix[row, places] = best


class _Offset:
    """The best offset of each feature, whose scale is 1."""

    def __init__(self, statistics: ConstrainedStatistics) -> None:
        self._statistics = statistics

    def __call__(self, matrix: Array) -> None:
        rows = np.arange(len(matrix))
        linear, quadratic = self._statistics.linear[:, -1], self._statistics.quadratic
        matrix[:, -1] = (linear - quadratic[rows, rows, -1]) / quadratic[:, -1, -1]


_SWEEPS: dict[str, Any] = {"full": _Full, "diagonal": _Diagonal, "offset": _Offset}


def _best_row(
    count: float, linear: Array, inverse: Array, cofactors: Array, *, mirrors: bool = False
) -> Array:
    """Return the best row of a transform for the cofactors of its other rows.

    Unless it `mirrors`, the determinant keeps its sign.
    """
    along = cofactors @ inverse
    square, cross = float(along @ cofactors), float(along @ linear)
    middle = np.sqrt(cross * cross + 4 * square * count)
    roots = np.array([middle - cross, -middle - cross][: 1 + mirrors]) / (2 * square)
    values = count * np.log(np.abs(roots * square + cross)) - 0.5 * roots**2 * square
    return np.asarray((roots[values.argmax()] * cofactors + linear) @ inverse)


def _products(
    frames: NDArray[np.floating[Any]], weights: Array, targets: Array
) -> tuple[Array, Array]:
    """Return the sums of targets by extended frames, and of their products by weights."""
    n_frames, d = frames.shape
    i, j = np.triu_indices(d + 1)
    linear, packed = np.zeros((d, d + 1)), np.zeros((d, len(i)))
    for start in range(0, n_frames, _BLOCK_FRAMES):
        part = slice(start, start + _BLOCK_FRAMES)
        extended = np.hstack([frames[part], np.ones((len(frames[part]), 1))]).astype(np.float64)
        linear += targets[part].T @ extended
        packed += weights[part].T @ (extended[:, i] * extended[:, j])
    quadratic = np.empty((d, d + 1, d + 1))
    quadratic[:, i, j] = quadratic[:, j, i] = packed
    return linear, quadratic
