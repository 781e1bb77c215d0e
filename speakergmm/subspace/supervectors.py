"""Supervectors of adapted mixtures, scaled so that their products are a kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.mixtures.mixture import DiagonalMixture, mixture_of


def scaled_supervectors(means: ArrayLike, background: DiagonalMixture) -> NDArray[np.float64]:
    """Return the means of mixtures as vectors, scaled by weights and deviations.

    Parameters
    ----------
    means : array, shape (N, K, D)
        Means of N mixtures that were adapted from the background model.
    background : DiagonalMixture
        Of K components and D features; its weights and variances are those of all.

    Returns
    -------
    array, shape (N, K * D)
        ``sqrt(weight_k) mean_k / deviation_k``, one component after the other.

    Raises
    ------
    IncompatibleModelError
        If the shapes of means and background model do not agree.
    InvalidInputError
        If a mean is not finite.

    Notes
    -----
    The product of two of them is the kernel ``sum_k weight_k mean_k' Sigma_k^-1 mean'_k``, and half
    their squared distance bounds the Kullback-Leibler divergence of the mixtures [1]_.

    References
    ----------
    .. [1] Campbell, Sturim, Reynolds, "Support vector machines using GMM supervectors for speaker
       verification", IEEE Signal Processing Letters 13 (2006) 308-311, equations 6 and 9.

    Examples
    --------
    >>> background = DiagonalMixture([1.0], [[0.0]], [[4.0]])
    >>> scaled_supervectors([[[2.0]], [[6.0]]], background)
    array([[1.],
           [3.]])
    """
    mixture = mixture_of(background, kind=DiagonalMixture)
    found = np.asarray(means, dtype=np.float64)
    if found.ndim != 3 or found.shape[1:] != mixture.means.shape:
        raise IncompatibleModelError(
            f"means of mixtures with {mixture.n_components} components and {mixture.n_features} "
            f"features must have shape (N, {mixture.n_components}, {mixture.n_features}), found "
            f"{found.shape}"
        )
    if not np.isfinite(found).all():
        raise InvalidInputError("means of mixtures must be finite")
    scale = np.sqrt(mixture.weights[:, None] / mixture.variances)
    return np.asarray((found * scale).reshape(len(found), scale.size))
