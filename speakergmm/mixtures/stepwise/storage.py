"""The state of a stream as arrays by name, from which it goes on to the same mixtures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.kinds import mixture_kind
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.stepwise.steps import StepwiseState

# The two parts that are made of arrays themselves.
_STANDARD = "standard."
_STATISTICS = "statistics."
_VECTORS = ("centre", "scale", "mean", "variance")
_NUMBERS = ("n_steps", "weight", "log_likelihood")


def pack_state(state: StepwiseState) -> dict[str, NDArray[Any]]:
    """Give a state by name, ready to be stored.

    Parameters
    ----------
    state : StepwiseState
        After a step, or of a start that counts. The report of its last update is left out.
    """
    log_likelihood = [] if state.log_likelihood is None else [state.log_likelihood]
    return {
        **{_STANDARD + name: array for name, array in state.standard.to_arrays().items()},
        **{_STATISTICS + name: array for name, array in state.statistics.to_arrays().items()},
        "centre": state.standardisation.centre,
        "scale": state.standardisation.scale,
        "mean": state.mean,
        "variance": state.variance,
        "n_steps": np.array([state.n_steps]),
        "weight": np.array([state.weight]),
        "log_likelihood": np.array(log_likelihood, dtype=np.float64),
    }


def unpack_state(arrays: Mapping[str, NDArray[Any]], covariance_type: str) -> StepwiseState:
    """Build the state of what `pack_state` gave, validated anew.

    Raises
    ------
    InvalidInputError
        If an array is missing or malformed.
    """
    missing = [name for name in (*_VECTORS, *_NUMBERS) if name not in arrays]
    if missing:
        raise InvalidInputError(f"the state of a stream lacks {', '.join(missing)}")
    kind = mixture_kind(covariance_type)
    standard = kind.from_arrays(_part(arrays, _STANDARD))
    statistics = MixtureStatistics.from_arrays(
        _part(arrays, _STATISTICS), covariance_type=kind.covariance_type
    )
    if statistics.second_order is None or statistics.first_order.shape != standard.means.shape:
        raise InvalidInputError("the statistics of a stream are not those of its mixture")
    vectors = [np.array(arrays[name], dtype=np.float64) for name in _VECTORS]
    numbers = [np.array(arrays[name], dtype=np.float64) for name in _NUMBERS]
    if any(vector.shape != (standard.n_features,) for vector in vectors) or (
        [number.shape for number in numbers] not in ([(1,), (1,), (1,)], [(1,), (1,), (0,)])
    ):
        raise InvalidInputError("the state of a stream has parts of different shapes")
    centre, scale, mean, variance = vectors
    n_steps, weight = int(arrays["n_steps"][0]), float(arrays["weight"][0])
    if not (
        np.isfinite(np.concatenate(vectors + numbers)).all()
        and (scale > 0).all()
        and (variance >= 0).all()
        and min(n_steps, weight, statistics.n_frames) > 0
    ):
        raise InvalidInputError("the state of a stream holds numbers that are out of range")
    return StepwiseState(
        standard,
        Standardisation(centre, scale),
        statistics,
        mean,
        variance,
        n_steps=n_steps,
        weight=weight,
        log_likelihood=next((float(number) for number in numbers[2]), None),
    )


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
