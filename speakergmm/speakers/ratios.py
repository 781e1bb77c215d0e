"""The terms of the log-likelihood ratio of a speaker model to the background model.

With ``d_k(x) = log w_k N(x | speaker) - log w'_k N(x | background)``, ``d_k`` is linear in x where
only means (and weights) were adapted, since the quadratic terms are shared and cancel, and linear
in ``[x, x^2]`` otherwise. Features are centred on the mean of the background model first, so that
an offset costs no accuracy in single precision.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from speakergmm.mixtures import DiagonalMixture


def ratio_terms(
    background: DiagonalMixture,
    model: DiagonalMixture,
    parameters: Collection[str] = ("means", "weights"),
    *,
    dtype: DTypeLike = np.float32,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the slopes and offsets of all ``d_k``.

    Parameters
    ----------
    background, model : DiagonalMixture
        Mixtures of K components and D features each.
    parameters : collection of str
        The parameters that were adapted; with ``"variances"`` there are slopes of ``x^2`` as well.
    dtype : dtype, default=float32

    Returns
    -------
    slopes : array, shape (K, D) or (K, 2 D)
    offsets : array, shape (K,)
    """
    centre = background.weights @ background.means
    means, background_means = model.means - centre, background.means - centre
    if "variances" not in parameters:
        # (a + b)(a - b) instead of a^2 - b^2 avoids cancellation.
        slopes = (means - background_means) / background.variances
        quadratic = (means + background_means) * (means - background_means)
        constant = -0.5 * (quadratic / background.variances).sum(axis=1)
    else:
        linear = means / model.variances - background_means / background.variances
        square = -0.5 * (1 / model.variances - 1 / background.variances)
        slopes = np.hstack([linear, square])
        constant = -0.5 * (
            means**2 / model.variances
            - background_means**2 / background.variances
            + np.log(model.variances / background.variances)
        ).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.log(model.weights) - np.log(background.weights)
    # A component without weight in the background model cannot have been adapted.
    offsets = constant + np.where(background.weights > 0, gain, 0.0)
    return slopes.astype(dtype), offsets.astype(dtype)


def pack_ratio(slopes: NDArray[Any], offsets: NDArray[Any]) -> bytes:
    """Return the terms as the bytes that a store keeps: little-endian float32, slopes first."""
    return slopes.astype("<f4").tobytes() + offsets.astype("<f4").tobytes()


def unpack_ratio(
    packed: memoryview, slopes: NDArray[np.float32], offsets: NDArray[np.float32]
) -> bool:
    """Fill the arrays of one speaker with the terms that `pack_ratio` packed.

    Returns
    -------
    bool
        False if the number of bytes does not match the arrays, which are left as they are.
    """
    if len(packed) != 4 * (slopes.size + offsets.size):
        return False
    values = np.frombuffer(packed, dtype="<f4")
    slopes[...] = values[: slopes.size].reshape(slopes.shape)
    offsets[...] = values[slopes.size :]
    return True
