"""Initial weights, means and precisions: checks of those that users pass, covariances of others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from speakergmm.errors import CollapsedComponentError, InvalidInputError
from speakergmm.estimators.parameter_checks import check_shape
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.statistics import MixtureStatistics

# A variance below this part of the variance of the data vanishes in the rounding of float64.
_ROUNDING = 1e-14

ILL_DEFINED = (
    "Fitting the mixture model failed because some components have ill-defined empirical "
    "covariance (for instance caused by singleton or collapsed samples). Try to decrease the "
    "number of components, increase reg_covar, or scale the input data."
)


def check_initial_weights(weights: Any, n_components: int) -> NDArray[np.float64]:
    """Return initial weights in float64.

    Raises
    ------
    ValueError
        If they are not K numbers in 0..1 that sum to one (within 1e-6 if float32, else 1e-8).
    """
    checked = check_array(weights, dtype=[np.float64, np.float32], ensure_2d=False)
    check_shape("weights", checked, (n_components,))
    if checked.min() < 0 or checked.max() > 1:
        # The message is scikit-learn's, which swaps the two numbers.
        raise InvalidInputError(
            f"The parameter 'weights' should be in the range [0, 1], but got max value "
            f"{checked.min():.5f}, min value {checked.max():.5f}"
        )
    tolerance = 1e-6 if checked.dtype == np.float32 else 1e-8
    if abs(1.0 - float(checked.sum())) > tolerance:
        raise InvalidInputError(
            f"The parameter 'weights' should be normalized, but got sum(weights) = "
            f"{checked.sum():.5f}"
        )
    return np.asarray(checked, np.float64)


def check_initial_means(means: Any, n_components: int, n_features: int) -> NDArray[np.float64]:
    """Return initial means in float64.

    Raises
    ------
    ValueError
        If their shape is not (K, D).
    """
    checked = check_array(means, dtype=[np.float64, np.float32], ensure_2d=False)
    check_shape("means", checked, (n_components, n_features))
    return np.asarray(checked, np.float64)


def check_initial_precisions(
    precisions: Any, covariance_type: str, n_components: int, n_features: int
) -> NDArray[np.float64]:
    """Return initial precisions in float64.

    Raises
    ------
    ValueError
        If their shape is not that of the kind of covariances, or they are not positive (definite).
    """
    kind = covariance_kind(covariance_type)
    shape = kind.shape(n_components, n_features)
    return check_positive_definite(f"{covariance_type} precision", precisions, kind, shape)


def check_positive_definite(
    name: str, value: Any, kind: Covariances, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return covariances or precisions in float64, and check that they are positive (definite).

    Raises
    ------
    ValueError
        If their shape is not `shape`, or they are not positive (definite).
    """
    # A single number has no axis of samples.
    array = check_array(
        value,
        dtype=[np.float64, np.float32],
        ensure_2d=False,
        allow_nd=len(shape) > 2,
        ensure_min_samples=min(len(shape), 1),
    )
    check_shape(name, array, shape)
    checked = np.asarray(array, np.float64)
    symmetric = not kind.is_matrix or np.allclose(checked, np.swapaxes(checked, -1, -2))
    if not symmetric or not kind.is_positive(checked):
        found = f"positive, found {checked.min():g}"
        right = "symmetric, positive-definite" if kind.is_matrix else found
        raise InvalidInputError(f"'{name}' should be {right}")
    return kind.symmetric(checked)


def initial_covariances(
    statistics: MixtureStatistics,
    *,
    reg_covar: float,
    variance_floor: float,
    least_eigenvalue: float,
    data_variance: NDArray[np.float64],
    of_single_frames: bool,
) -> NDArray[np.float64]:
    """Return the covariances of a start, regularised by `reg_covar` and floored as in the fit.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the start, about the means of its components.
    reg_covar : float
        Number that is added to all variances, in squared feature units.
    variance_floor : float
        Smallest variance, as a fraction of the variance of the data; at 0 there is no floor, and a
        covariance without an inverse raises an error.
    least_eigenvalue : float
        Smallest eigenvalue of a matrix, as a part of its own variances; at 0 there is no such
        floor.
    data_variance : array, shape (D,)
        Variance of all frames.
    of_single_frames : bool
        Whether each component is a single frame, which has no covariance of its own.

    Returns
    -------
    array
        In the shape of the kind of covariances.

    Raises
    ------
    CollapsedComponentError
        If a covariance has no inverse and there is no floor.
    """
    # The maximum-likelihood covariances of the start, with the regularisation.
    kind, scatter = statistics.kind, statistics.second_order
    assert scatter is not None
    covariances = kind.from_moments(statistics.counts, statistics.first_order, scatter)
    covariances = kind.regularised(covariances, np.full(len(data_variance), reg_covar))
    defined = kind.is_positive(covariances)
    scale = np.where(data_variance > 0, data_variance, 1.0)
    if variance_floor == 0:
        if not defined:
            raise CollapsedComponentError(ILL_DEFINED)
        return covariances
    # Single frames have no variance of their own, only `reg_covar`: it is raised no further than
    # float64 needs.
    part = _ROUNDING if defined and of_single_frames else variance_floor
    return kind.floored(covariances, part * scale, least_eigenvalue)[0]
