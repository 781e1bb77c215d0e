"""Resampling of speakers, and the intervals that follow from the replicates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.metrics.evaluation_options import BootstrapOptions
from speakergmm.ranges import number, whole_number


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval.

    Attributes
    ----------
    low, high : float
        Ends of the interval, in the unit of the metric.
    confidence : float
        Nominal coverage, such as 0.95.
    """

    low: float
    high: float
    confidence: float

    def ends(self) -> list[float]:
        """Return both ends as JSON can hold them."""
        return [self.low, self.high]


def draw_multiplicities(n_speakers: int, *, n_bootstrap: int, seed: int) -> NDArray[np.int64]:
    """Draw the number of times that each speaker occurs in each replicate.

    Parameters
    ----------
    n_speakers : int
        Number of speakers; as many are drawn with replacement for each replicate.
    n_bootstrap : int
        Number of replicates.
    seed : int
        Seed of NumPy's default generator, at least 0.

    Returns
    -------
    array of int, shape (n_bootstrap, n_speakers)
        Rows sum to ``n_speakers``.

    Raises
    ------
    InvalidInputError
        If the seed is out of range.
    """
    rng = np.random.default_rng(whole_number("seed", seed, least=0))
    return rng.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), size=n_bootstrap)


def draw_within(
    multiplicities: NDArray[np.int64], speakers: NDArray[np.int64], *, seed: int
) -> NDArray[np.uint16]:
    """Draw recordings within the drawn speakers: the second level of a two-level bootstrap.

    Parameters
    ----------
    multiplicities : array of int, shape (R, S)
        Number of times that each speaker is drawn.
    speakers : array of int, shape (P,)
        Speaker of each recording.
    seed : int
        Seed of NumPy's default generator, at least 0; the stream is another one than that of
        `draw_multiplicities`.

    Returns
    -------
    array of int, shape (R, P)
        Each time that a speaker is drawn, as many recordings as the speaker has are drawn with
        replacement.
    """
    rng = np.random.default_rng([whole_number("seed", seed, least=0), 1])
    n_speakers, n_recordings = multiplicities.shape[1], len(speakers)
    order = np.argsort(speakers, kind="stable")
    sizes = np.bincount(speakers, minlength=n_speakers)
    starts = np.cumsum(sizes) - sizes
    drawn = np.zeros((len(multiplicities), n_recordings), dtype=np.uint16)
    for row, times in zip(drawn, multiplicities, strict=True):
        owner = np.repeat(np.arange(n_speakers), times * sizes)
        place = starts[owner] + (rng.random(len(owner)) * sizes[owner]).astype(np.int64)
        row[order] = np.bincount(place, minlength=n_recordings)
    return drawn


def ratio_interval(
    parts: ArrayLike,
    wholes: ArrayLike,
    options: BootstrapOptions | None = None,
    **changes: Any,
) -> Interval | None:
    """Bootstrap a ratio of sums over speakers, who are drawn with replacement.

    Parameters
    ----------
    parts, wholes : array, shape (S,)
        Numerator and denominator of each speaker, such as errors and recordings.
    options : BootstrapOptions, optional
    **changes
        Fields of `BootstrapOptions`, in place of those of `options`.

    Returns
    -------
    Interval or None
        None with fewer than two speakers.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """
    options = BootstrapOptions.of(options, changes)
    parts, wholes = np.asarray(parts), np.asarray(wholes)
    if len(wholes) < 2 or not options.n_bootstrap:
        return None
    drawn = draw_multiplicities(len(wholes), n_bootstrap=options.n_bootstrap, seed=options.seed)
    return percentile_interval(drawn @ parts / (drawn @ wholes), confidence=options.confidence)


def percentile_intervals(
    replicates: Mapping[str, NDArray[np.float64]], *, confidence: float
) -> dict[str, Interval | None]:
    """Compute the percentile interval of each metric; see `percentile_interval`."""
    return {
        name: percentile_interval(values, confidence=confidence)
        for name, values in replicates.items()
    }


def percentile_interval(
    values: NDArray[np.float64], *, confidence: float = 0.95
) -> Interval | None:
    """Compute the percentile interval of the replicates, with tails of equal probability.

    Parameters
    ----------
    values : array of float, shape (R,)
        Replicates; NaN where the metric is undefined.
    confidence : float, default=0.95
        Nominal coverage.

    Returns
    -------
    Interval or None
        None if more than ``1 - confidence`` of the replicates are NaN.

    Examples
    --------
    >>> percentile_interval(np.arange(101.0), confidence=0.5)
    Interval(low=25.0, high=75.0, confidence=0.5)
    """
    good = values[~np.isnan(values)]
    if len(good) < confidence * len(values):
        return None
    tail = (1 - confidence) / 2
    # Between infinite replicates there is nothing to interpolate.
    method: Any = "linear" if np.isfinite(good).all() else "inverted_cdf"
    low, high = np.quantile(good, [tail, 1 - tail], method=method).tolist()
    return Interval(low, high, confidence)


def wilson_interval(n_errors: int, n_total: int, *, confidence: float = 0.95) -> Interval:
    """Compute Wilson's score interval of a proportion.

    Parameters
    ----------
    n_errors, n_total : int
        Number of errors, and number of independent trials.
    confidence : float, default=0.95
        Nominal coverage, between 0 and 1.

    Returns
    -------
    Interval

    Raises
    ------
    InvalidInputError
        If a number is out of range.

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
