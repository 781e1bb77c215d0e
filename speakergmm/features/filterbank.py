"""Banks of triangular filters on a mel or linear scale, and their product with spectra."""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import choice

# Number of filters per matrix product, which leaves out the bins that none of them covers.
_FILTERS_PER_PRODUCT = 16
_SCALES = ("htk", "slaney")


def hertz_to_mel(frequency: ArrayLike, *, scale: str = "htk") -> NDArray[np.float64]:
    """Convert Hz to mel.

    Parameters
    ----------
    frequency : array
        Frequencies in Hz, not negative.
    scale : {"htk", "slaney"}
        The scale 1127 ln(1 + f / 700) [1]_, or one that is linear below 1 kHz (15 mel) and
        logarithmic above [2]_.

    Returns
    -------
    array
        Values in mel, of the same shape.

    References
    ----------
    .. [1] Young et al., "The HTK Book", section 5.4, equation 5.13.
    .. [2] Slaney, "Auditory Toolbox", Technical Report 1998-010, Interval Research, 1998.

    Examples
    --------
    >>> float(hertz_to_mel(1000.0, scale="slaney"))
    15.0
    """
    hertz = np.asarray(frequency, dtype=np.float64)
    if choice("mel scale", scale, _SCALES) == "htk":
        return np.asarray(1127.0 * np.log1p(hertz / 700.0))
    # 27 mel above 15 mel are the logarithmic range from 1 kHz to 6.4 kHz.
    above = 15.0 + np.log(np.maximum(hertz, 1000.0) / 1000.0) * (27.0 / np.log(6.4))
    return np.where(hertz < 1000.0, hertz * 0.015, above)


def mel_to_hertz(mel: ArrayLike, *, scale: str = "htk") -> NDArray[np.float64]:
    """Convert mel to Hz, as the inverse of `hertz_to_mel`.

    Parameters
    ----------
    mel : array
        Values in mel, not negative.
    scale : {"htk", "slaney"}
        As in `hertz_to_mel`.

    Returns
    -------
    array
        Frequencies in Hz, of the same shape.
    """
    values = np.asarray(mel, dtype=np.float64)
    if choice("mel scale", scale, _SCALES) == "htk":
        return np.asarray(700.0 * np.expm1(values / 1127.0))
    above = 1000.0 * np.exp((np.maximum(values, 15.0) - 15.0) * (np.log(6.4) / 27.0))
    return np.where(values < 15.0, values / 0.015, above)


def warped_frequency(
    frequency: ArrayLike, *, factor: float, top_frequency: float
) -> NDArray[np.float64]:
    """Warp the frequency axis, as a shorter or longer vocal tract does.

    Parameters
    ----------
    frequency : array
        Frequencies in Hz, 0 to `top_frequency`.
    factor : float
        Warping factor > 0: 1.1 moves 1,000 Hz to 1,100 Hz, as a vocal tract shorter by a tenth.
    top_frequency : float
        Frequency in Hz that is not moved.

    Returns
    -------
    array
        Warped frequencies in Hz: `factor` times the frequency up to a knee, and a straight line
        from there to the top [1]_. At the knee the greater of the frequency and its warped value is
        0.85 of the top.

    References
    ----------
    .. [1] Lee and Rose, "A Frequency Warping Approach to Speaker Normalization", IEEE Transactions
       on Speech and Audio Processing 6 (1998) 49-60.

    Examples
    --------
    >>> warped_frequency([1000.0, 8000.0], factor=1.1, top_frequency=8000.0)
    array([1100., 8000.])
    """
    hertz = np.asarray(frequency, dtype=np.float64)
    knee = 0.85 * top_frequency * min(1.0, 1.0 / factor)
    slope = (top_frequency - factor * knee) / (top_frequency - knee)
    beyond = top_frequency + slope * (hertz - top_frequency)
    return np.where(hertz <= knee, factor * hertz, beyond)


def triangular_filters(
    *,
    n_filters: int,
    n_fft: int,
    sample_rate: float,
    low_frequency: float = 0.0,
    high_frequency: float | None = None,
    scale: str = "htk",
    slopes: str = "mel",
    normalisation: str = "none",
    warp: float = 1.0,
) -> NDArray[np.float64]:
    """Weights of overlapping triangular filters over the bins of a spectrum.

    Parameters
    ----------
    n_filters, n_fft : int
        Number of filters, and points of the Fourier transform.
    sample_rate, low_frequency, high_frequency : float
        Sampling rate and ends of the filters in Hz; `high_frequency` is half the sampling rate by
        default.
    scale : {"htk", "slaney", "linear"}
        Scale on which the ends and centres of the filters are evenly spaced.
    slopes : {"mel", "hertz"}
        Whether weights are linear on `scale` (HTK, Kaldi) or in Hz (librosa).
    normalisation : {"none", "area"}
        Triangles with peak 1, or with area 1 in Hz.
    warp : float, default=1
        Factor by which all ends and centres are moved; see `warped_frequency`.

    Returns
    -------
    array, shape (n_filters, n_fft // 2 + 1)
        Weights of filter m in row m; the ends of a filter are the centres of its neighbours.

    Raises
    ------
    InvalidInputError
        If a filter covers no bin, because there are too many filters or `n_fft` is too small.
    """
    high = sample_rate / 2 if high_frequency is None else high_frequency
    to_scale: Callable[[ArrayLike], NDArray[np.float64]] = np.asarray
    to_hertz = to_scale
    if scale != "linear":
        to_scale, to_hertz = partial(hertz_to_mel, scale=scale), partial(mel_to_hertz, scale=scale)
    # Ends and centres of all filters, evenly spaced on the scale, then warped.
    low, top = to_scale([low_frequency, high])
    ends: NDArray[np.float64] = np.linspace(low, top, n_filters + 2)
    ends_hertz = to_hertz(ends)
    if warp != 1.0:
        ends_hertz = warped_frequency(ends_hertz, factor=warp, top_frequency=high)
        ends = to_scale(ends_hertz)
    # Each weight is the lower of the two sides of the triangle, or 0 outside.
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    if slopes == "mel":
        bins = to_scale(bins)
    else:
        ends = ends_hertz
    left, centre, right = ends[:-2, None], ends[1:-1, None], ends[2:, None]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    # A bin exactly at the end of a filter may have a weight slightly above 0.
    empty = np.flatnonzero(weights.max(axis=1) < 1e-9)
    if len(empty):
        raise InvalidInputError(
            f"n_filters={n_filters} is too many for n_fft={n_fft}: filter {empty[0] + 1} would "
            "cover no bin of the spectrum; use fewer filters or a longer transform"
        )
    if normalisation == "area":
        weights *= 2.0 / (ends_hertz[2:] - ends_hertz[:-2])[:, None]
    return weights


class FilterProduct:
    """Product of spectra with a filter bank, without most of the weights that are 0.

    Parameters
    ----------
    weights : array, shape (n_filters, n_bins)
        Weights, with rows in order of frequency.
    interleaved : bool, default=False
        Whether spectra have two columns per bin, the squares of the real and imaginary parts, which
        are summed by the product.
    """

    def __init__(self, weights: NDArray[np.float64], *, interleaved: bool = False) -> None:
        self.n_filters = len(weights)
        columns = np.repeat(weights, 2, axis=1) if interleaved else weights
        self._parts: list[tuple[slice, slice, NDArray[np.float32]]] = []
        for first in range(0, self.n_filters, _FILTERS_PER_PRODUCT):
            filters = slice(first, min(first + _FILTERS_PER_PRODUCT, self.n_filters))
            used = np.flatnonzero(columns[filters].any(axis=0))
            bins = slice(int(used[0]), int(used[-1]) + 1)
            part = np.ascontiguousarray(columns[filters, bins].T, dtype=np.float32)
            self._parts.append((filters, bins, part))

    def __call__(self, spectra: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Write the filter energies (T, n_filters) of spectra (T, columns) to `out`."""
        for filters, bins, weights in self._parts:
            np.matmul(spectra[:, bins], weights, out=out[:, filters])
