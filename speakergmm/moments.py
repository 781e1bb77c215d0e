"""Moments of frames: count, mean and scatter, merged block by block without losing digits.

Training, normalisation of features and starts of fits take means and variances from here. Whether
a feature varies, and whether its values are too large or too small to be squared, is decided here
and nowhere else.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError

# A standard deviation below this part of the mean is rounding of float64 in whatever computed the
# frames.
_LEAST_DEVIATION = 1e-14
# The square of a smaller deviation has few digits or none, and its inverse may overflow.
_LEAST_VARIANCE = 1e-290
# Beside a mean larger than this, deviations that small would be rounding.
_LARGEST_LOST = 1e-131


class Moments:
    """Number, weight, mean and scatter of frames that come block by block.

    Parameters
    ----------
    full : bool, default=False
        Keep the products of any two features, for `covariance`, and not the squares alone.

    Attributes
    ----------
    n_frames : int
        Number of frames so far, those of weight 0 included.

    Notes
    -----
    Blocks are merged by the formula of Chan, Golub and LeVeque [1]_. All frames are seen from one
    of the heaviest: an offset costs no digits, and a constant feature is zero, so that its sum has
    no rounding. Weights are held in units of a power of two, so that any weight that float64 can
    hold may be used.

    References
    ----------
    .. [1] Chan, Golub, LeVeque, "Algorithms for Computing the Sample Variance: Analysis and
       Recommendations", The American Statistician 37 (1983) 242-247.

    Examples
    --------
    >>> moments = Moments()
    >>> moments.add(np.array([[1e9, 7.0], [1e9 + 2.0, 7.0]]))
    >>> moments.add(np.array([[1e9 + 4.0, 7.0]]))
    >>> moments.n_frames, (moments.mean - 1e9).tolist()[0], moments.variance.round(3).tolist()
    (3, 2.0, [2.667, 0.0])
    >>> moments.varies.tolist()
    [True, False]
    """

    __slots__ = (
        "_exponent",
        "_full",
        "_moves",
        "_origin",
        "_scatter",
        "_shift",
        "_weight",
        "n_frames",
    )

    def __init__(self, *, full: bool = False) -> None:
        self.n_frames = 0
        self._full = full
        # The mean is the sum of these two.
        self._origin: NDArray[np.float64] = np.zeros(1)
        self._shift: NDArray[np.float64] = np.zeros(1)
        # Sum of weights, and of weights times (products of) deviations, by 2 ** exponent.
        self._weight = 0.0
        self._scatter: NDArray[np.float64] = np.zeros((1, 1) if full else 1)
        self._exponent = 0
        self._moves: NDArray[np.bool_] = np.zeros(1, np.bool_)

    @classmethod
    def of(
        cls,
        frames: NDArray[np.floating[Any]],
        weights: NDArray[np.float64] | None = None,
        *,
        full: bool = False,
    ) -> Self:
        """Return the moments of one block.

        Parameters
        ----------
        frames : array, shape (T, D)
            Finite.
        weights : array, shape (T,), optional
            Finite and >= 0; by default 1 for each frame.
        full : bool, default=False
            As in the class.
        """
        moments = cls(full=full)
        moments.n_frames = len(frames)
        heaviest = 0
        if weights is not None:
            used = weights > 0
            if not used.all():
                frames, weights = frames[used], weights[used]
        if not len(frames):
            return moments
        if weights is not None:
            heaviest = int(weights.argmax())
            moments._exponent = math.frexp(weights[heaviest])[1]
            weights = np.ldexp(weights, -moments._exponent)
        moments._origin = frames[heaviest].astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            moved = frames - moments._origin
            if weights is None:
                moments._weight = float(len(frames))
                moments._shift = moved.mean(axis=0)
            else:
                moments._weight = float(weights.sum())
                moments._shift = weights @ moved / moments._weight
            moved -= moments._shift
            if full:
                heavy = moved if weights is None else moved * weights[:, None]
                moments._scatter = heavy.T @ moved
            elif weights is None:
                moments._scatter = (moved**2).sum(axis=0)
            else:
                moments._scatter = weights @ moved**2
        moments._moves = moments._squares > 0
        if not moments._moves.all():
            # Squares of small deviations may have become 0; the deviations have not.
            moments._moves |= (moved != 0).any(axis=0)
        return moments

    def add(
        self, frames: NDArray[np.floating[Any]], weights: NDArray[np.float64] | None = None
    ) -> None:
        """Add a block of frames; parameters are those of `of`."""
        self.merge(type(self).of(frames, weights, full=self._full))

    def merge(self, other: Moments) -> None:
        """Add other moments, of the same kind and features."""
        self.n_frames += other.n_frames
        if other._weight == 0:
            return
        if self._weight == 0:
            self._origin, self._shift = other._origin, other._shift
            self._scatter, self._moves = other._scatter, other._moves
            self._weight, self._exponent = other._weight, other._exponent
            return
        exponent = max(self._exponent, other._exponent)
        own, factor = _in_units(exponent, self)
        weight, other_factor = _in_units(exponent, other)
        total = own + weight
        with np.errstate(over="ignore", invalid="ignore"):
            step = (other._origin - self._origin) + (other._shift - self._shift)
            between = np.outer(step, step) if self._full else step**2
            # A product of two weights may be too large or too small for a number.
            self._scatter = (
                self._scatter * factor
                + other._scatter * other_factor
                + between * (own * (weight / total))
            )
            self._moves = self._moves | other._moves | (step != 0)
            # The heavier mean moves towards the lighter one: a light mean costs no digits.
            if weight > own:
                self._origin = other._origin
                self._shift = other._shift - step * (own / total)
            else:
                self._shift = self._shift + step * (weight / total)
        self._weight, self._exponent = total, exponent

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean (D,), in feature units; for a constant feature exactly that constant."""
        return self._origin + self._shift

    @property
    def weight(self) -> float:
        """Sum of the frames' weights; infinite if float64 cannot hold it."""
        try:
            return math.ldexp(self._weight, self._exponent)
        except OverflowError:
            return math.inf

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance (D,), with division by the weight; 0 for a feature that does not vary."""
        return np.where(self.varies, self._variance, 0.0)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance (D, D), with division by the weight; symmetric to the last bit."""
        covariance = self._scatter / (self._weight or 1.0)
        return (covariance + covariance.T) / 2

    @property
    def varies(self) -> NDArray[np.bool_]:
        """Mask (D,) of the features that vary by more than rounding of float64 at their mean."""
        variance = self._variance
        return (np.sqrt(variance) > _LEAST_DEVIATION * np.abs(self.mean)) & (
            variance > _LEAST_VARIANCE
        )

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Mask (D,) of the features that vary by less than 1e-145: too little to be squared."""
        small = ~(self._variance > _LEAST_VARIANCE) & (np.abs(self.mean) < _LARGEST_LOST)
        return self._moves & small

    def deviation(self, *, least: float = 0.0) -> NDArray[np.float64]:
        """Return the standard deviations (D,) as divisors: 1 for features of `least` or less.

        After the mean is subtracted, a constant feature that is divided by 1 stays near 0: nothing
        is known of the scale of a later frame that differs.
        """
        return divisor(np.sqrt(self.variance), least=least)

    def refuse_overflow(self) -> None:
        """Raise an error if values are too large to be squared.

        Raises
        ------
        InvalidInputError
            If a variance is not finite; the first such feature is named.
        """
        overflows = np.flatnonzero(~np.isfinite(self._variance))
        if overflows.size:
            raise InvalidInputError(
                f"feature {overflows[0]} has values too large to be squared; scale the features "
                "down"
            )

    @property
    def _squares(self) -> NDArray[np.float64]:
        return np.asarray(self._scatter.diagonal() if self._full else self._scatter)

    @property
    def _variance(self) -> NDArray[np.float64]:
        return self._squares / (self._weight or 1.0)


def divisor(deviation: NDArray[np.float64], *, least: float = 0.0) -> NDArray[np.float64]:
    """Return standard deviations as divisors, with 1 in place of those of `least` or less."""
    return np.where(deviation > least, deviation, 1.0)


def _in_units(exponent: int, moments: Moments) -> tuple[float, float]:
    """Return the weight of moments in units of 2 ** exponent, and the factor of their scatter."""
    factor = math.ldexp(1.0, moments._exponent - exponent)
    return moments._weight * factor, factor
