"""The bond of a model of factor analysis to the background mixture whose statistics it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.mixtures.mixture import Mixture, mixture_of

# Digits of a digest by which messages name a mixture.
_DIGITS = 12


def mixture_digest(mixture: Mixture) -> str:
    """Return the SHA-256 (hexadecimal) of the parameters of a mixture."""
    return records.digest("mixture", mixture_of(mixture))


def check_mixture(digest: str, mixture: Mixture, model: str) -> None:
    """Raise an error if a mixture is not the one of a digest.

    Raises
    ------
    IncompatibleModelError
        If it is another; the message names the `model` and both digests.
    """
    found = mixture_digest(mixture)
    if found != digest:
        raise IncompatibleModelError(
            f"the {model} was trained with the background mixture {digest[:_DIGITS]}, not with "
            f"{found[:_DIGITS]}; train it again, or take the mixture it was trained with"
        )


def check_rank(name: str, dimension: int, mixture: Mixture) -> None:
    """Raise an error if there are more factors than means that they could move.

    Raises
    ------
    InvalidInputError
        If there are; the message names the option.
    """
    if dimension > mixture.means.size:
        n_components, n_features = mixture.means.shape
        raise InvalidInputError(
            f"{name} must be at most {mixture.means.size}, the means of {n_components} components "
            f"of {n_features} features, found {dimension}"
        )


def check_second_order(second_order: ArrayLike | None, mixture: Mixture) -> NDArray[Any]:
    """Return second-order statistics as an array.

    Raises
    ------
    InvalidInputError
        If they are missing, not finite, or of another shape than the covariances.
    """
    if second_order is None:
        raise InvalidInputError("update_covariances needs second_order statistics of the sessions")
    array = np.asarray(second_order, np.float64)
    if array.shape != mixture.covariances.shape or not np.isfinite(array).all():
        raise InvalidInputError(
            f"second_order must be finite and of the shape of the mixture's covariances, "
            f"{mixture.covariances.shape}, found {array.shape}"
        )
    return array
