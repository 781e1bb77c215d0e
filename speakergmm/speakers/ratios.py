"""What a speaker's model adds to the background's likelihood: the terms that scoring multiplies.

With ``d_k(x) = log w_k N(x | speaker) - log w'_k N(x | background)``, ``d_k`` is linear in x where
only means (and weights) were adapted, since the quadratic terms are shared and cancel, and linear
in ``[x, x^2]`` otherwise. Features are centred on the background's mean first: single precision
then loses nothing to an offset.
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
    """Return slopes and offsets of all ``d_k``.

    Parameters
    ----------
    background, model : DiagonalMixture
        K components and D features each.
    parameters : collection of str
        What was adapted; with ``"variances"`` there are slopes of squares, too.
    dtype : dtype, default=float32

    Returns
    -------
    slopes : array, shape (K, D) or (K, 2 D)
    offsets : array, shape (K,)
    """
    centre = background.weights @ background.means
    means, background_means = model.means - centre, background.means - centre
    if "variances" not in parameters:
        # (a + b)(a - b) and not a^2 - b^2: nothing cancels.
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
    # A component without weight in the background can't have been adapted.
    offsets = constant + np.where(background.weights > 0, gain, 0.0)
    return slopes.astype(dtype), offsets.astype(dtype)


def pack_ratio(slopes: NDArray[Any], offsets: NDArray[Any]) -> bytes:
    """Return the bytes that a store keeps: little-endian float32, slopes before offsets."""
    return slopes.astype("<f4").tobytes() + offsets.astype("<f4").tobytes()


def unpack_ratio(
    packed: memoryview, slopes: NDArray[np.float32], offsets: NDArray[np.float32]
) -> bool:
    """Fill the arrays of one speaker with what `pack_ratio` returned; False if it doesn't fit."""
    if len(packed) != 4 * (slopes.size + offsets.size):
        return False
    values = np.frombuffer(packed, dtype="<f4")
    slopes[...] = values[: slopes.size].reshape(slopes.shape)
    offsets[...] = values[slopes.size :]
    return True
