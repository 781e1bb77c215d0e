"""Iterations, state and result of the training of phone models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.aligned_path import AlignedPath

# The arrays of a path, which are stored together for all paths.
_RUNS = ("runs", "durations", "taken", "times")


@dataclass(frozen=True, slots=True)
class TrainingIteration:
    """One iteration of a training: its log-likelihood and its changes to the models.

    Parameters
    ----------
    iteration : int
        Number of the iteration, counted from 0.
    log_likelihood : float
        Mean log-likelihood per frame, in nats, of the models that the iteration began with, at the
        iteration's acoustic scale; of the best paths alone if only they were used. NaN if frames
        were divided equally.
    n_gaussians : int
        Number of Gaussians after the iteration.
    n_floored, n_removed : int
        Number of variances raised to the floor, and of Gaussians removed for lack of frames.
    n_failed : int
        Number of utterances without a path, or too long for the memory allowed.
    """

    iteration: int
    log_likelihood: float
    n_gaussians: int
    n_floored: int
    n_removed: int
    n_failed: int


@dataclass(frozen=True, slots=True)
class FailedUtterance:
    """An utterance that was left out of an iteration.

    Parameters
    ----------
    place : int
        Number of the utterance, counted from 0.
    reason : str
        The reason, in one line.
    """

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrainingState:
    """State of a training between two iterations, as a checkpoint stores it.

    Parameters
    ----------
    models : PhoneModels
        Current models, in standardised features.
    iteration : int
        Number of the next iteration.
    occupancy : array, shape (P,)
        Occupancy of each pdf in the last iteration, in frames.
    paths : tuple of AlignedPath or None
        Paths of Viterbi training, by utterance; None for an utterance without a path.
    history : tuple of TrainingIteration
        All iterations so far.
    failed : tuple of FailedUtterance
        Utterances that failed in the last iteration that searched for paths.
    """

    models: PhoneModels
    iteration: int
    occupancy: NDArray[np.float64]
    paths: tuple[AlignedPath | None, ...] = ()
    history: tuple[TrainingIteration, ...] = ()
    failed: tuple[FailedUtterance, ...] = ()

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the stored parts; the fields of all paths are stored together."""
        return {
            "models": PhoneModels,
            "iteration": int,
            "occupancy": NDArray[np.float64],
            "has_path": Annotated[NDArray[np.bool_], "U"],
            "runs": tuple[NDArray[np.uint32], ...],
            "durations": tuple[NDArray[np.uint8], ...],
            "taken": tuple[NDArray[np.uint32], ...],
            "times": tuple[NDArray[np.uint8], ...],
            "fixed": Annotated[NDArray[np.float64], "P"],
            "history": tuple[TrainingIteration, ...],
            "failed": tuple[FailedUtterance, ...],
        }

    def record_parts(self) -> dict[str, Any]:
        """Return the parts that are stored."""
        paths = [path for path in self.paths if path is not None]
        return {
            "models": self.models,
            "iteration": self.iteration,
            "occupancy": self.occupancy,
            "has_path": np.array([path is not None for path in self.paths], np.bool_),
            **{name: [getattr(path, name) for path in paths] for name in _RUNS},
            "fixed": np.array([path.fixed for path in paths], np.float64),
            "history": self.history,
            "failed": self.failed,
        }

    @classmethod
    def of_record(
        cls, *, has_path: NDArray[np.bool_], fixed: NDArray[np.float64], **parts: Any
    ) -> TrainingState:
        """Build the state from stored parts, and check them.

        Raises
        ------
        InvalidInputError
            If a path names pdfs or transitions that the models do not have.
        """
        models: PhoneModels = parts["models"]
        runs = [parts.pop(name) for name in _RUNS]
        limits = ((runs[0], models.n_pdfs), (runs[2], models.transitions.n_arcs))
        if any(
            array.size and not array.max() < limit for arrays, limit in limits for array in arrays
        ):
            raise InvalidInputError(
                "its paths name pdfs or transitions that its models do not have"
            )
        if {len(each) for each in (*runs, fixed)} != {np.count_nonzero(has_path)}:
            raise InvalidInputError("the number of its paths differs from the number it states")
        paths = map(AlignedPath.of_runs, *runs, fixed.tolist())
        return cls(paths=tuple(next(paths) if known else None for known in has_path), **parts)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Trained models, with the history of their training.

    Parameters
    ----------
    models : PhoneModels
        The models, in feature units.
    history : tuple of TrainingIteration
        All iterations, in order.
    failed : tuple of FailedUtterance
        Utterances that the last search for paths left out.
    occupancy : array, shape (P,)
        Occupancy of each pdf in the last iteration, in frames.
    """

    models: PhoneModels
    history: tuple[TrainingIteration, ...]
    failed: tuple[FailedUtterance, ...]
    occupancy: NDArray[np.float64]
