"""The maximum-likelihood update, with variance floors and revival of dead components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import (
    CollapsedComponentError,
    InsufficientDataError,
    InvalidInputError,
)
from speakergmm.gaussians.centred import CentredStatistics
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.full import conditioned
from speakergmm.gaussians.parameters import AnyMixture, Mixture, mixture_of
from speakergmm.gaussians.regularisation import regularisation_slack
from speakergmm.gaussians.splitting import split_component
from speakergmm.gaussians.statistics import MixtureStatistics

# A smaller variance, as a part of the mean square, is the rounding of two float64 sums.
_LEAST_VARIANCE = 1e-12
# Occupancy, in frames (of all, where there are less than one), that is no more than rounding.
_EMPTY = 1e-10
_EPSILON = float(np.finfo(np.float64).eps)


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
        component. At 0 no component is ever dead. A frame of weight 2 is two frames, but where
        frames weigh less than 1 on average, the average weight is one frame.
    reg_covar : float or array, shape (D,), default=0.0
        Added to the variances (the diagonals of covariances), in squared feature units; >= 0.
    least_eigenvalue : float, default=0.0
        Smallest eigenvalue of a covariance matrix, as a part of that matrix's own variances; in
        0..1. What is far less has no digits left in float64.
    refuse_collapse : bool, default=False
        Whether a variance that is nothing but rounding is an error rather than floored.
    """

    variance_floor: float = 1e-3
    min_count: float = 1.0
    reg_covar: float | NDArray[np.float64] = 0.0
    least_eigenvalue: float = 0.0
    refuse_collapse: bool = False

    def __post_init__(self) -> None:
        """Refuse what lies out of range."""
        if not 0 <= self.variance_floor < 1:
            raise InvalidInputError(
                f"variance_floor must lie in 0..1 (below 1), found {self.variance_floor}"
            )
        if not 0 <= self.least_eigenvalue < 1:
            raise InvalidInputError(
                f"least_eigenvalue must lie in 0..1 (below 1), found {self.least_eigenvalue}"
            )
        if not 0 <= self.min_count < np.inf:
            raise InvalidInputError(f"min_count must be finite and >= 0, found {self.min_count}")
        reg_covar = np.asarray(self.reg_covar)
        if not ((reg_covar >= 0) & (reg_covar < np.inf)).all():
            raise InvalidInputError(f"reg_covar must be finite and >= 0, found {self.reg_covar}")


def update_maximum_likelihood(
    statistics: MixtureStatistics | CentredStatistics,
    model: AnyMixture,
    *,
    options: MaximumLikelihoodOptions | None = None,
    data_variance: ArrayLike | None = None,
    frame_weight: float = 1.0,
) -> tuple[AnyMixture, UpdateReport]:
    """Find the mixture that maximises the expected log-likelihood of the data.

    Parameters
    ----------
    statistics : MixtureStatistics or CentredStatistics
        With second-order moments, under `model`.
    model : Mixture
        The mixture that made the statistics, of any kind; what a component without data keeps.
    options : MaximumLikelihoodOptions, optional
        Floors and revival; the defaults suit features of any unit.
    data_variance : array, shape (D,), optional
        Variance of all data behind the statistics, in their units, 0 for a constant feature. By
        default it is found from the statistics, which can tell a constant feature from rounding
        only if they were accumulated in float64.
    frame_weight : float, default=1.0
        What one frame weighs in the statistics, > 0: the unit of `min_count`. See
        `average_frame_weight`.

    Returns
    -------
    model : Mixture
        The new mixture, of the same kind.
    report : UpdateReport
        Floored variances and revived components; with a `reg_covar`, what it may cost.

    Raises
    ------
    InvalidInputError
        If shapes disagree, the second-order moments are missing, `data_variance` holds what is no
        variance, or `frame_weight` is not positive.
    InsufficientDataError
        If the statistics hold no frame.
    CollapsedComponentError
        If a component has no variance in some direction, and the options refuse that.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> model = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    >>> data = MixtureStatistics([4.0], [[8.0]], [[20.0]], log_likelihood=0.0, n_frames=4.0)
    >>> new, report = update_maximum_likelihood(data, model)
    >>> new.means, new.variances, report.n_floored
    (array([[2.]]), array([[1.]]), 0)
    """
    options = options or MaximumLikelihoodOptions()
    model = mixture_of(model)
    whole = origins = None
    if isinstance(statistics, CentredStatistics):
        # Means and covariances about the origins until the end: no digit cancels.
        whole, origins = statistics.about_zero(), statistics.origins
        statistics = statistics.about
    second_order = check_statistics(statistics, model, needs_second_order=True)
    assert second_order is not None
    counts = statistics.counts
    total = counts.sum()
    if not total > 0:
        raise InsufficientDataError("a maximum-likelihood update needs frames, found none")
    if not 0 < frame_weight < np.inf:
        raise InvalidInputError(f"frame_weight must be finite and > 0, found {frame_weight}")
    smallest = _EMPTY * min(total, frame_weight)
    alive = counts > max(options.min_count * frame_weight, smallest)
    empty = counts <= smallest
    divisor = np.where(empty, 1.0, counts)[:, None]
    old_means = model.means if origins is None else model.means - origins
    means = np.where(empty[:, None], old_means, statistics.first_order / divisor)
    exact = model.covariances_from_moments(np.where(empty, 0.0, counts), means, second_order)
    covariances = model.regularised(exact, np.broadcast_to(options.reg_covar, (model.n_features,)))
    is_exact = not np.any(options.reg_covar)
    slack = None
    if not is_exact:
        slack = regularisation_slack(
            np.where(empty, 0.0, counts / total),
            exact,
            covariances,
            covariance_type=model.covariance_type,
            n_features=model.n_features,
        )
    if model.covariance_type != "tied":
        covariances[empty] = model.covariances[empty]
    if data_variance is None:
        whole = whole or statistics
        data_variance = global_variance(whole, np.asarray(whole.second_order))
    else:
        data_variance = _checked_variance(data_variance, model.n_features)
    if model.covariance_type == "spherical":
        # Spheres have the mean variance: a constant feature has no unit of its own there.
        data_variance = np.full_like(data_variance, data_variance.mean())
    # Rounding may leave a variance of zero, or just below, even without a floor.
    spread = data_variance if origins is None else _variances(exact, model).max(axis=0)
    rounding = _rounding_of_variances(means, spread, data_variance, model)
    if options.refuse_collapse:
        _refuse_collapse(model.floored(covariances, rounding)[1])
    floor = options.variance_floor * np.where(data_variance > 0, data_variance, 1.0)
    covariances, was_floored = model.floored(covariances, np.maximum(floor, rounding))
    if options.least_eigenvalue > 0 and model.covariance_type in ("tied", "full"):
        covariances, was_raised = conditioned(covariances, options.least_eigenvalue)
        was_floored = was_floored | was_raised
    if model.covariance_type != "tied":
        was_floored = was_floored[alive]
    if origins is not None:
        means = origins + means
    new = type(model)(counts / total, means, covariances)
    revived: tuple[int, ...] = ()
    if options.min_count > 0 and not alive.all() and alive.any():
        revived = tuple(int(k) for k in np.flatnonzero(~alive))
        # Where frames are all the same, halves that part would only fit them worse; so they would
        # where those of a component are, and all of its variance was added.
        reach = np.tile(np.sqrt(data_variance), (model.n_components, 1))
        if not is_exact:
            reach = np.minimum(reach, np.sqrt(_variances(exact, model)))
        for component in revived:
            heaviest = int(new.weights.argmax())
            new = split_component(new, heaviest, into=component, reach=reach[heaviest])
            reach[component] = reach[heaviest]
    return new, UpdateReport(
        n_floored=int(np.count_nonzero(was_floored)),
        revived=revived,
        is_exact=is_exact,
        slack=slack,
    )


def average_frame_weight(sample_weight: NDArray[np.float64] | None) -> float:
    """Say what counts as one frame: the mean weight of those that have one, 1 at most.

    Weights may be numbers of frames, whose unit is one frame, or fractions that sum to one, whose
    unit is nothing. With the latter a model does not depend on their scale.

    Examples
    --------
    >>> average_frame_weight(np.array([2.0, 2.0])), average_frame_weight(np.array([0.1, 0.0, 0.3]))
    (1.0, 0.2)
    """
    if sample_weight is None or not sample_weight.any():
        return 1.0
    return min(1.0, float(sample_weight[sample_weight > 0].mean()))


def global_variance(
    statistics: MixtureStatistics, second_order: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Variance (D,) of all the frames behind float64 statistics; 0 where it is only rounding.

    Spherical statistics know no more than the mean over the features, which all are given.
    """
    total = statistics.counts.sum()
    mean = statistics.first_order.sum(axis=0) / total
    squares = mean**2
    if statistics.covariance_type == "diag":
        square = second_order.sum(axis=0) / total
    elif statistics.covariance_type == "full":
        square = np.einsum("kdd->d", second_order) / total
    elif statistics.covariance_type == "tied":
        square = np.diag(second_order) / total
    else:
        square = np.full(len(mean), second_order.sum() / total / len(mean))
        squares = np.full(len(mean), squares.mean())
    variance = square - squares
    # Each of the two has lost its last digits to the sums.
    return np.where(variance > _LEAST_VARIANCE * square, variance, 0.0)


def _variances(covariances: NDArray[np.float64], model: Mixture) -> NDArray[np.float64]:
    """Variances (K, D), or (1, D), of covariances of the model's kind, none below zero."""
    if model.covariance_type == "spherical":
        covariances = np.repeat(covariances[:, None], model.n_features, axis=1)
    elif model.covariance_type != "diag":
        covariances = np.diagonal(covariances, axis1=-2, axis2=-1)
    return np.maximum(np.atleast_2d(covariances), 0.0)


def _rounding_of_variances(
    means: NDArray[np.float64],
    spread: NDArray[np.float64],
    data_variance: NDArray[np.float64],
    model: Mixture,
) -> NDArray[np.float64]:
    """Say what float64 may leave (D,) of squares that should cancel to a variance of zero.

    They are squares of means, and of what varies about these: of the `spread`.
    """
    squares = np.abs(means).max(axis=0) ** 2 + spread
    if spread is not data_variance:
        # What frames themselves are rounded to.
        squares = np.maximum(squares, _EPSILON * data_variance)
    if model.covariance_type == "spherical":
        squares = np.full_like(squares, squares.mean())
    # A constant feature around zero has no size of its own.
    squares = np.where(data_variance > 0, squares, np.maximum(squares, 1e-3))
    operations = 8 if model.covariance_type in ("diag", "spherical") else 8 * model.n_features
    return np.asarray(operations * _EPSILON * squares)


def _refuse_collapse(collapsed: NDArray[np.bool_]) -> None:
    if collapsed.any():
        components = np.flatnonzero(collapsed.reshape(len(collapsed), -1).any(axis=1))
        raise CollapsedComponentError(
            f"the covariance has collapsed at {len(components)} components or features, the first "
            f"of them {components[0]}; use fewer components, a reg_covar > 0 or a variance_floor"
        )


def _checked_variance(variance: ArrayLike, n_features: int) -> NDArray[np.float64]:
    variance = np.asarray(variance, dtype=np.float64)
    if variance.shape != (n_features,) or not (np.isfinite(variance) & (variance >= 0)).all():
        raise InvalidInputError(
            f"data_variance must be {n_features} finite numbers >= 0, found shape "
            f"{variance.shape}, minimum {variance.min(initial=np.inf):g}"
        )
    return variance


def check_statistics(
    statistics: MixtureStatistics, model: Mixture, *, needs_second_order: bool
) -> NDArray[np.float64] | None:
    """Refuse statistics of another shape or kind than the model's; return their second order.

    Raises
    ------
    InvalidInputError
        If shapes or kinds disagree, or second-order moments are needed and missing.
    """
    if statistics.first_order.shape != model.means.shape:
        raise InvalidInputError(
            f"statistics of shape {statistics.first_order.shape} (K, D) do not belong to a mixture "
            f"of shape {model.means.shape}"
        )
    if statistics.covariance_type != model.covariance_type:
        raise InvalidInputError(
            f"statistics of a mixture with covariance_type {statistics.covariance_type!r} do not "
            f"belong to one with {model.covariance_type!r}"
        )
    if needs_second_order and statistics.second_order is None:
        raise InvalidInputError(
            "variances need second-order statistics; accumulate them with second_order=True"
        )
    return statistics.second_order
