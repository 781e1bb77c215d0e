"""Resampling: how often each speaker is drawn, and the interval that the replicates give."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.ranges import number, whole_number


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval.

    Attributes
    ----------
    low, high : float
        Its ends, in the unit of the figure.
    confidence : float
        Nominal coverage, such as 0.95.
    """

    low: float
    high: float
    confidence: float

    def ends(self) -> list[float]:
        """Return both ends, as JSON has them."""
        return [self.low, self.high]


def check_resampling(n_bootstrap: int, confidence: float) -> None:
    """Refuse fewer than two replicates, and coverages that are none.

    Raises
    ------
    InvalidInputError
        If an option lies outside its range.
    """
    whole_number("n_bootstrap", n_bootstrap, least=2)
    number("confidence", confidence, above=0, below=1)


def draw_multiplicities(n_speakers: int, *, n_bootstrap: int, seed: int) -> NDArray[np.int64]:
    """Draw how often each speaker is in each replicate.

    Parameters
    ----------
    n_speakers : int
        Speakers, drawn ``n_speakers`` times with replacement.
    n_bootstrap : int
        Replicates.
    seed : int
        Of NumPy's default generator, 0 or above.

    Returns
    -------
    array of int, shape (n_bootstrap, n_speakers)
        Rows sum to ``n_speakers``.
    """
    rng = np.random.default_rng(whole_number("seed", seed, least=0))
    return rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_bootstrap)


def ratio_interval(
    parts: ArrayLike, wholes: ArrayLike, *, n_bootstrap: int, confidence: float, seed: int
) -> Interval | None:
    """Bootstrap a ratio of sums over speakers, drawn with replacement.

    Parameters
    ----------
    parts, wholes : array, shape (S,)
        Of each speaker, such as errors and recordings.
    n_bootstrap, confidence, seed
        As `draw_multiplicities` and `percentile_interval` have them.

    Returns
    -------
    Interval or None
        None with fewer than two speakers.
    """
    parts, wholes = np.asarray(parts), np.asarray(wholes)
    if len(wholes) < 2:
        return None
    drawn = draw_multiplicities(len(wholes), n_bootstrap=n_bootstrap, seed=seed)
    return percentile_interval(drawn @ parts / (drawn @ wholes), confidence=confidence)


def percentile_intervals(
    replicates: Mapping[str, NDArray[np.float64]], *, confidence: float
) -> dict[str, Interval | None]:
    """Cut equal tails off the replicates of each figure; see `percentile_interval`."""
    return {
        name: percentile_interval(values, confidence=confidence)
        for name, values in replicates.items()
    }


def percentile_interval(
    values: NDArray[np.float64], *, confidence: float = 0.95
) -> Interval | None:
    """Cut equal tails off the replicates.

    Parameters
    ----------
    values : array of float, shape (R,)
        Replicates; NaN where a figure does not exist.
    confidence : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Interval or None
        None where more than ``1 - confidence`` of the replicates are NaN.

    Examples
    --------
    >>> percentile_interval(np.arange(101.0), confidence=0.5)
    Interval(low=25.0, high=75.0, confidence=0.5)
    """
    good = values[~np.isnan(values)]
    if len(good) < confidence * len(values):
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(good, [tail, 1 - tail]).tolist()
    return Interval(low, high, confidence)


def wilson_interval(n_errors: int, n_total: int, *, confidence: float = 0.95) -> Interval:
    """Give Wilson's score interval of a proportion.

    Parameters
    ----------
    n_errors, n_total : int
        Errors among independent recordings.
    confidence : float, default=0.95

    References
    ----------
    .. [1] Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal
       of the American Statistical Association 22 (1927) 209-212.

    Examples
    --------
    >>> found = wilson_interval(1, 300)
    >>> round(found.low, 4), round(found.high, 4)
    (0.0006, 0.0186)
    """
    from statistics import NormalDist

    whole_number("n_total", n_total)
    whole_number("n_errors", n_errors, least=0, most=n_total)
    number("confidence", confidence, above=0, below=1)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, share = n_errors / n_total, z * z / n_total
    middle = (rate + share / 2) / (1 + share)
    half = math.sqrt(rate * (1 - rate) * share + share * share / 4) / (1 + share)
    return Interval(max(0.0, middle - half), min(1.0, middle + half), confidence)
