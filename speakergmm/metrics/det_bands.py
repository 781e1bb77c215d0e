"""The confidence band of a DET curve: how far the curve may lie along rays through the origin.

On a ray the ratio of P_miss to P_fa is constant. A curve falls from (0, 1) to (1, 0) and crosses
each ray once, so that its distance from the origin along the ray is measured across the curve, at
every size of the error rates. On the ray of ratio 1, the diagonal, both rates are the EER: the band
is the interval of the EER, for all ratios.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics.bootstrap import draw_trials, replicate_curves
from speakergmm.metrics.evaluation_options import EvaluationOptions
from speakergmm.metrics.scores import Scores, check_scores

_N_RAYS = 200


@dataclass(frozen=True, slots=True, eq=False)
class DetBand:
    """Both edges of a confidence band, from few misses to few false alarms.

    Attributes
    ----------
    low, high : array, shape (G, 2)
        P_fa and P_miss of the edges on each ray.
    confidence : float
        Nominal coverage on each ray by itself, not of the whole curve at once.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    confidence: float


def det_band(
    scores: Scores, options: EvaluationOptions | None = None, **changes: Any
) -> DetBand | None:
    """Bootstrap the DET curve over speakers.

    Parameters
    ----------
    scores : Scores
        Labelled trials.
    options : EvaluationOptions, optional
    **changes
        Fields of `EvaluationOptions`, in place of those of `options`: ``n_bootstrap``,
        ``confidence``, ``seed``, ``resampling``. The replicates are those of `bootstrap_intervals`.

    Returns
    -------
    DetBand or None
        None if no replicates are asked for, or if more than ``1 - confidence`` of them do not
        contain both kinds of trial: there are too few speakers.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or there are no target or no nontarget trials.

    References
    ----------
    .. [1] Macskassy, Provost, "Confidence Bands for ROC Curves: Methods and an Empirical Study",
       ROCAI 2004 (bands from intervals across the curve).
    """
    options = EvaluationOptions.of(options, changes)
    check_scores(scores, "det_band")
    if not options.n_bootstrap:
        return None
    draws = draw_trials(scores, options)
    # Beyond these ratios there is less than half an error of one kind.
    ends = 0.5 / scores.is_target.sum(), 2.0 * scores.is_nontarget.sum()
    ratios = np.append(np.geomspace(*ends, _N_RAYS), 1.0)
    angles = np.arctan(np.sort(ratios))
    rays = np.column_stack([np.cos(angles), np.sin(angles)])
    parts = [
        distances_along(curves.p_miss, curves.p_fa, rays)
        for curves in replicate_curves(scores, draws)
    ]
    distances = np.concatenate(parts, axis=1)
    good = distances[:, ~np.isnan(distances[0])]
    if good.shape[1] < options.confidence * options.n_bootstrap:
        return None
    tail = (1 - options.confidence) / 2
    low, high = np.quantile(good, [tail, 1 - tail], axis=1)
    return DetBand(low[:, None] * rays, high[:, None] * rays, options.confidence)


def distances_along(
    p_miss: NDArray[np.float64], p_fa: NDArray[np.float64], rays: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute how far from the origin many curves cross rays.

    Parameters
    ----------
    p_miss, p_fa : array, shape (C, R)
        Points of R curves by rising threshold, from (P_fa, P_miss) = (1, 0) to (0, 1); NaN in an
        undefined curve.
    rays : array, shape (G, 2)
        Directions of length 1, as P_fa and P_miss, both positive.

    Returns
    -------
    array, shape (G, R)
        Distances, interpolated linearly between points; NaN where the curve is undefined.
    """
    column = np.arange(p_miss.shape[1])
    along_fa, along_miss = rays[:, :1], rays[:, 1:]

    def excess(place: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(p_miss[place, column] * along_fa - p_fa[place, column] * along_miss)

    # It rises with the threshold: bisect to the two neighbours between which it crosses zero.
    left = np.zeros((len(rays), len(column)), dtype=np.int64)
    right = np.full_like(left, len(p_miss) - 1)
    for _ in range(len(p_miss).bit_length()):
        middle = (left + right) // 2
        above = excess(middle) >= 0
        right = np.where(above, middle, right)
        left = np.where(above, left, middle)
    below, above_zero = excess(left), excess(right)
    share = below / (below - above_zero)
    misses, alarms = (
        (1 - share) * rates[left, column] + share * rates[right, column] for rates in (p_miss, p_fa)
    )
    return np.asarray(np.hypot(misses, alarms))
