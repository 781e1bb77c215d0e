"""The maximum-likelihood update, with variance floors and revival of dead components."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.updates import (
    GaussianUpdate,
    check_statistics,
    global_variance,
    update_gaussians,
)
from speakergmm.mixtures.mixture import AnyMixture, mixture_of
from speakergmm.mixtures.mixture_options import MaximumLikelihoodOptions
from speakergmm.mixtures.splitting import split_component
from speakergmm.ranges import number, refused

# Part of a frame (or of all frames, where they are fewer) below which a component is empty: the
# sum of responsibilities that are nothing but rounding of float32.
_EMPTY = 1e-10


def update_maximum_likelihood(
    statistics: MixtureStatistics,
    model: AnyMixture,
    *,
    options: MaximumLikelihoodOptions | None = None,
    data_variance: ArrayLike | None = None,
    frame_weight: float = 1.0,
) -> tuple[AnyMixture, UpdateReport]:
    """Return the mixture that maximises the expected log-likelihood of the data.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics under `model`, with second-order moments.
    model : Mixture
        The mixture under which the statistics were accumulated, of any kind; a component without
        data keeps its parameters.
    options : MaximumLikelihoodOptions, optional
        Floors and revival; the defaults suit features of any unit.
    data_variance : array, shape (D,), optional
        Variance of all data behind the statistics, in their units, 0 for a constant feature. By
        default it is computed from the statistics, in which a constant feature can be distinguished
        from rounding only if they were accumulated in float64.
    frame_weight : float, default=1.0
        Weight of one frame in the statistics, > 0: the unit of `min_occupancy`. See
        `average_frame_weight`.

    Returns
    -------
    model : Mixture
        The new mixture, of the same kind.
    report : UpdateReport
        Floored variances and revived components; with a `reg_covar`, the largest fall of the
        objective that it may cause.

    Raises
    ------
    InvalidInputError
        If shapes disagree, the second-order moments are missing, `data_variance` contains a number
        that is not a variance, or `frame_weight` is not positive.
    InsufficientDataError
        If the statistics are those of no frame.
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
    options = MaximumLikelihoodOptions.of(options, {})
    model = mixture_of(model)
    old = model.gaussians
    check_statistics(statistics, old, needs_second_order=True)
    counts = statistics.counts
    total = counts.sum()
    if not total > 0:
        raise InsufficientDataError("a maximum-likelihood update needs frames, found none")
    number("frame_weight", frame_weight, above=0)
    # Components with too little occupancy are dead; those without any are empty as well, and have
    # no means and variances of their own.
    smallest = _EMPTY * min(total, frame_weight)
    alive = counts > max(options.min_occupancy * frame_weight, smallest)
    empty = counts <= smallest
    # Variance of all frames in each feature: the unit of the variance floor.
    if data_variance is None:
        variance = global_variance(statistics)
    else:
        variance = _checked_variance(data_variance, model.n_features)
    if old.kind.is_isotropic:
        # Spheres have the mean variance: a constant feature has no unit of its own there.
        variance = np.full_like(variance, variance.mean())
    # Means and covariances of greatest likelihood, regularised and floored.
    is_exact = not np.any(options.reg_covar)
    added = added_variances(options, model.n_features)
    found = update_gaussians(
        statistics,
        old,
        floor=options.variance_floor * np.where(variance > 0, variance, 1.0),
        data_variance=variance,
        regularisation=None if is_exact else added,
        least_eigenvalue=options.least_eigenvalue,
        refuse_collapse=options.refuse_collapse,
        empty=empty,
    )
    # Weights are shares of the occupancy; dead components receive half of the heaviest one.
    was_floored = found.was_floored if old.kind.is_shared else found.was_floored[alive]
    new = model.with_parameters(counts / total, found.gaussians)
    revived: tuple[int, ...] = ()
    if options.min_occupancy > 0 and not alive.all() and alive.any():
        revived = tuple(int(k) for k in np.flatnonzero(~alive))
        new = _revive(new, revived, found, variance, is_exact=is_exact)
    # With added variances the update is not the maximum: bound the fall of the likelihood.
    slack = None
    if not is_exact:
        slack = regularisation_slack(
            np.where(empty, 0.0, counts / total),
            found.exact,
            old.kind.regularised(found.exact, added),
            covariance_type=old.covariance_type,
            n_features=model.n_features,
        )
    return new, UpdateReport(
        n_floored=int(np.count_nonzero(was_floored)),
        revived=revived,
        is_exact=is_exact,
        slack=slack,
    )


def _revive(
    model: AnyMixture,
    dead: tuple[int, ...],
    found: GaussianUpdate,
    data_variance: NDArray[np.float64],
    *,
    is_exact: bool,
) -> AnyMixture:
    """Return the mixture with half of the heaviest component in place of each dead one.

    Halves move apart no farther than the frames vary. If all frames are equal, or those of the
    heaviest component are and its variance was added, they stay where they are: moving them would
    only lower the likelihood.
    """
    reach = np.tile(np.sqrt(data_variance), (model.n_components, 1))
    if not is_exact:
        own = model.gaussians.kind.own_variances(found.exact, model.n_features)
        reach = np.minimum(reach, np.sqrt(np.maximum(own, 0.0)))
    for component in dead:
        heaviest = int(model.weights.argmax())
        model = split_component(model, heaviest, into=component, reach=reach[heaviest])
        reach[component] = reach[heaviest]
    return model


def regularisation_slack(
    weights: NDArray[np.float64],
    exact: NDArray[np.float64],
    taken: NDArray[np.float64],
    *,
    covariance_type: CovarianceType,
    n_features: int,
) -> float:
    """Return a bound of the fall of the log-likelihood per frame after adding to variances.

    Let Q(model) be the expected log-likelihood of frames and components under the responsibilities
    of the step. By Jensen's inequality (Dempster, Laird and Rubin, 1977, theorem 1) the
    log-likelihood gains at least what Q gains. The exact step maximises Q over weights, means and
    covariances, so that a step of the same weights and means and other covariances gains no less
    than the weighted sum of the Kullback-Leibler divergences between Gaussians of the exact
    covariances S and the ones taken, C: (log|C| - log|S| + tr(C^-1 S) - D) / 2. It is attained
    where the step starts from the exact model of one component.
    """
    kind = covariance_kind(covariance_type)
    seen = slice(None) if kind.is_shared else weights > 0
    losses = kind.losses(exact[seen], taken[seen], n_features)
    return max(0.0, float(losses if kind.is_shared else weights[seen] @ losses))


def added_variances(options: MaximumLikelihoodOptions, n_features: int) -> NDArray[np.float64]:
    """Return the number that the options add to the variance of each feature.

    Raises
    ------
    InvalidInputError
        If `reg_covar` is neither one number nor one for each feature.
    """
    added = np.asarray(options.reg_covar, np.float64)
    if added.ndim > 1 or added.size not in (1, n_features):
        allowed = f"a number, or one for each of {n_features} features"
        raise refused("reg_covar", allowed, options.reg_covar)
    return np.broadcast_to(added, (n_features,))


def average_frame_weight(sample_weight: NDArray[np.float64] | None) -> float:
    """Return the weight of one frame: the mean weight of frames with a weight, at most 1.

    Weights may be numbers of frames, whose unit is one frame, or fractions that sum to one, which
    have no unit: a model does not depend on their scale.

    Examples
    --------
    >>> average_frame_weight(np.array([2.0, 2.0])), average_frame_weight(np.array([0.1, 0.0, 0.3]))
    (1.0, 0.2)
    """
    if sample_weight is None or not sample_weight.any():
        return 1.0
    return min(1.0, float(sample_weight[sample_weight > 0].mean()))


def _checked_variance(variance: ArrayLike, n_features: int) -> NDArray[np.float64]:
    variance = np.asarray(variance, dtype=np.float64)
    if variance.shape != (n_features,) or not (np.isfinite(variance) & (variance >= 0)).all():
        raise InvalidInputError(
            f"data_variance must be {n_features} finite numbers >= 0, found shape "
            f"{variance.shape}, minimum {variance.min(initial=np.inf):g}"
        )
    return variance
