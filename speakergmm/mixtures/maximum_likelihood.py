"""The maximum-likelihood update, with variance floors and revival of dead components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures.diagonal import DiagonalMixture
from speakergmm.mixtures.em import UpdateReport
from speakergmm.mixtures.splitting import split_component
from speakergmm.mixtures.statistics import MixtureStatistics

# A smaller variance, as a part of the mean square, is the rounding of two float64 sums.
_LEAST_VARIANCE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumLikelihoodOptions:
    """What the update does beyond the formula.

    Parameters
    ----------
    variance_floor : float, default=1e-3
        Smallest variance, as a part of the variance of all data in that feature; in 0..1. A
        feature that does not vary in the data is floored at this number itself, in squared
        feature units.
    min_count : float, default=1.0
        A component with less occupancy, in frames, is dead: it is given half of the heaviest
        component. At 0 no component is ever dead.
    """

    variance_floor: float = 1e-3
    min_count: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what lies out of range."""
        if not 0 <= self.variance_floor < 1:
            raise InvalidInputError(
                f"variance_floor must lie in 0..1 (below 1), found {self.variance_floor}"
            )
        if not 0 <= self.min_count < np.inf:
            raise InvalidInputError(f"min_count must be finite and >= 0, found {self.min_count}")


def update_maximum_likelihood(
    statistics: MixtureStatistics,
    model: DiagonalMixture,
    *,
    options: MaximumLikelihoodOptions | None = None,
    data_variance: ArrayLike | None = None,
) -> tuple[DiagonalMixture, UpdateReport]:
    """Find the mixture that maximises the expected log-likelihood of the data.

    Parameters
    ----------
    statistics : MixtureStatistics
        With second-order moments, under `model`.
    model : DiagonalMixture
        The mixture that made the statistics; what a component without data keeps.
    options : MaximumLikelihoodOptions, optional
        Floors and revival; the defaults suit features of any unit.
    data_variance : array, shape (D,), optional
        Variance of all data behind the statistics, in their units, 0 for a constant feature. By
        default it is found from the statistics, which can tell a constant feature from rounding
        only if they were accumulated in float64.

    Returns
    -------
    model : DiagonalMixture
        The new mixture.
    report : UpdateReport
        Floored variances and revived components.

    Raises
    ------
    InvalidInputError
        If shapes disagree, the second-order moments are missing, or `data_variance` holds what is
        no variance.
    InsufficientDataError
        If the statistics hold no frame.

    Examples
    --------
    >>> model = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    >>> data = MixtureStatistics([4.0], [[8.0]], [[20.0]], log_likelihood=0.0, n_frames=4.0)
    >>> new, report = update_maximum_likelihood(data, model)
    >>> new.means, new.variances, report.n_floored
    (array([[2.]]), array([[1.]]), 0)
    """
    options = options or MaximumLikelihoodOptions()
    second_order = check_statistics(statistics, model, needs_second_order=True)
    assert second_order is not None
    counts = statistics.counts
    total = counts.sum()
    if not total > 0:
        raise InsufficientDataError("a maximum-likelihood update needs frames, found none")
    alive = counts > max(options.min_count, 1e-10) if options.min_count else counts > 1e-10
    divisor = np.where(counts > 1e-10, counts, 1.0)[:, None]
    means = np.where(counts[:, None] > 1e-10, statistics.first_order / divisor, model.means)
    variances = np.where(
        counts[:, None] > 1e-10, second_order / divisor - means**2, model.variances
    )
    if data_variance is None:
        data_variance = global_variance(statistics, second_order)
    else:
        data_variance = _checked_variance(data_variance, model.n_features)
    floor = options.variance_floor * np.where(data_variance > 0, data_variance, 1.0)
    # Rounding may leave a variance of zero, or just below, even without a floor.
    floor = np.maximum(floor, np.finfo(np.float64).eps * (1e-3 + np.abs(means).max(axis=0) ** 2))
    n_floored = int(np.count_nonzero((variances < floor)[alive]))
    new = DiagonalMixture(counts / total, means, np.maximum(variances, floor))
    revived: tuple[int, ...] = ()
    if options.min_count > 0 and not alive.all() and alive.any():
        revived = tuple(int(k) for k in np.flatnonzero(~alive))
        for component in revived:
            new = split_component(new, int(new.weights.argmax()), into=component)
    return new, UpdateReport(n_floored=n_floored, revived=revived)


def global_variance(
    statistics: MixtureStatistics, second_order: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Variance (D,) of all the frames behind float64 statistics; 0 where it is only rounding."""
    total = statistics.counts.sum()
    mean = statistics.first_order.sum(axis=0) / total
    square = second_order.sum(axis=0) / total
    variance = square - mean**2
    # Each of the two has lost its last digits to the sums.
    return np.where(variance > _LEAST_VARIANCE * square, variance, 0.0)


def _checked_variance(variance: ArrayLike, n_features: int) -> NDArray[np.float64]:
    variance = np.asarray(variance, dtype=np.float64)
    if variance.shape != (n_features,) or not (np.isfinite(variance) & (variance >= 0)).all():
        raise InvalidInputError(
            f"data_variance must be {n_features} finite numbers >= 0, found shape "
            f"{variance.shape}, minimum {variance.min(initial=np.inf):g}"
        )
    return variance


def check_statistics(
    statistics: MixtureStatistics, model: DiagonalMixture, *, needs_second_order: bool
) -> NDArray[np.float64] | None:
    """Refuse statistics of another shape than the model's; return the second-order moments.

    Raises
    ------
    InvalidInputError
        If shapes disagree, or second-order moments are needed and missing.
    """
    if statistics.first_order.shape != model.means.shape:
        raise InvalidInputError(
            f"statistics of shape {statistics.first_order.shape} (K, D) do not belong to a mixture "
            f"of shape {model.means.shape}"
        )
    if needs_second_order and statistics.second_order is None:
        raise InvalidInputError(
            "variances need second-order statistics; accumulate them with second_order=True"
        )
    return statistics.second_order
