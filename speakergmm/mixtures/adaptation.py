"""Adaptation of a mixture to a speaker by relevance MAP."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.relevance_map import adapt_gaussians
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.updates import check_statistics
from speakergmm.mixtures.mixture import AnyMixture, DiagonalMixture, mixture_of
from speakergmm.ranges import number, wrong_type


def adapt(
    statistics: MixtureStatistics,
    prior: AnyMixture,
    *,
    relevance_factor: float = 16.0,
    parameters: Collection[str] = ("means",),
    variance_floor: float = 1e-3,
) -> tuple[AnyMixture, UpdateReport]:
    """Adapt a background mixture to the data of one speaker.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the speaker's frames under `prior`, with second-order moments if variances
        are adapted.
    prior : Mixture
        The background model, of any kind; or an object that contains one.
    relevance_factor : float, default=16.0
        Occupancy, in frames, at which speaker and background have the same weight; > 0. One factor
        serves all parameters.
    parameters : collection of {"means", "weights", "variances"}, default=("means",)
        The parameters to adapt; the others stay those of the background. Variances are adapted in
        diagonal mixtures only.
    variance_floor : float, default=1e-3
        Smallest adapted variance, as a part of the prior's variance of that component and feature.

    Returns
    -------
    model : Mixture
        The speaker's model; components without data stay those of the background.
    report : UpdateReport
        Number of floored variances.

    Raises
    ------
    InvalidInputError
        If shapes disagree, an option is out of range, or second-order moments are missing.
    InvalidTypeError
        If `statistics` are frames or a mixture; the message names the right call.

    Notes
    -----
    Equations 8 to 14 of [1]_ with alpha_k = n_k / (n_k + r). Weights are scaled to sum to one. A
    variance is that about the mean of the new model: with adapted means, equation 13 as it stands,

    alpha E_k[x^2] + (1 - alpha) (variance_k + mean_k^2) - adapted mean_k^2;

    where the means stay those of the background, alpha E_k[(x - mean_k)^2] +
    (1 - alpha) variance_k.

    References
    ----------
    .. [1] Reynolds, Quatieri, Dunn, "Speaker Verification Using Adapted Gaussian Mixture
       Models", Digital Signal Processing 10 (2000) 19-41.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture, accumulate
    >>> prior = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    >>> frames_of_speaker = np.full((16, 1), 2.0)
    >>> speaker, _ = adapt(accumulate(prior, frames_of_speaker), prior)
    >>> speaker.means
    array([[1.]])
    """
    if not isinstance(statistics, MixtureStatistics):
        call = "; give adapt(accumulate(prior, X), prior)"
        raise wrong_type(statistics, "statistics of a speaker's frames", call)
    prior = mixture_of(prior)
    chosen = set(parameters)
    unknown = chosen - {"means", "weights", "variances"}
    if unknown or isinstance(parameters, str):
        raise InvalidInputError(
            f"parameters must be several of 'means', 'weights', 'variances', such as ['means'], "
            f"found {parameters!r}"
        )
    number("variance_floor", variance_floor, least=0, below=1)
    check_statistics(statistics, prior.gaussians, needs_second_order="variances" in chosen)
    number("relevance_factor", relevance_factor, above=0)
    if "variances" in chosen and not isinstance(prior, DiagonalMixture):
        raise InvalidInputError(
            f"variances can be adapted in diagonal mixtures only, found covariance_type "
            f"{prior.covariance_type!r}"
        )
    weights = prior.weights
    if "weights" in chosen:
        weights = adapt_weights(statistics.counts, weights, relevance_factor=relevance_factor)
    gaussians, n_floored = adapt_gaussians(
        statistics,
        prior.gaussians,
        relevance_factor=relevance_factor,
        parameters=chosen,
        variance_floor=variance_floor,
    )
    made = type(prior)(weights, gaussians.means, gaussians.covariances)
    return made, UpdateReport(n_floored=n_floored)


def adapt_means(
    counts: ArrayLike,
    first_order: ArrayLike,
    prior_means: ArrayLike,
    *,
    relevance_factor: float = 16.0,
) -> NDArray[np.float64]:
    """Return means between those of the background and those of the data.

    Parameters
    ----------
    counts : array, shape (K,)
        Occupancy of each component, in frames.
    first_order : array, shape (K, D)
        Sum of responsibility times feature.
    prior_means : array, shape (K, D)
        Means of the background model, in feature units.
    relevance_factor : float, default=16.0
        Occupancy, in frames, at which both have the same weight; > 0.

    Returns
    -------
    array, shape (K, D)
        Row k is the background mean where ``counts[k] == 0``.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a count is negative, or
        ``relevance_factor <= 0``.

    Notes
    -----
    Equation 12 of Reynolds, Quatieri and Dunn (2000), written as (f + r m) / (n + r): a component
    without data needs no case of its own.
    """
    number("relevance_factor", relevance_factor, above=0)
    n = np.asarray(counts, dtype=np.float64)
    f = np.asarray(first_order, dtype=np.float64)
    m = np.asarray(prior_means, dtype=np.float64)
    if n.ndim != 1 or f.shape != m.shape or f.ndim != 2 or len(f) != len(n):
        raise InvalidInputError(
            f"counts, first_order and prior_means must have shapes (K,), (K, D), (K, D), found "
            f"{n.shape}, {f.shape}, {m.shape}"
        )
    if not (np.isfinite(n).all() and np.isfinite(f).all() and np.isfinite(m).all()):
        raise InvalidInputError("counts, first_order and prior_means must be finite")
    if n.size and n.min() < 0:
        raise InvalidInputError(f"counts must be >= 0, found {n.min():g}")
    return np.asarray((f + relevance_factor * m) / (n + relevance_factor)[:, None])


def adapt_weights(
    counts: ArrayLike, prior_weights: ArrayLike, *, relevance_factor: float = 16.0
) -> NDArray[np.float64]:
    """Return weights between those of the background and of the data, which sum to one.

    Parameters
    ----------
    counts : array, shape (K,)
        Occupancy of each component, in frames.
    prior_weights : array, shape (K,)
        Weights of the background model.
    relevance_factor : float, default=16.0
        As for the means.

    Returns
    -------
    array, shape (K,)
        The prior's weights where there is no data at all.

    Notes
    -----
    Equation 11 of Reynolds, Quatieri and Dunn (2000); their gamma is the division by the sum.
    """
    number("relevance_factor", relevance_factor, above=0)
    n = np.asarray(counts, dtype=np.float64)
    prior = np.asarray(prior_weights, dtype=np.float64)
    total = n.sum()
    if not total > 0:
        return prior
    weights = (n * (n / total) + relevance_factor * prior) / (n + relevance_factor)
    return np.asarray(weights / weights.sum())
