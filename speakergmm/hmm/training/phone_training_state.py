"""What embedded training tells and keeps: its iterations, where it stands, what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.phone_statistics import AlignedPath


@dataclass(frozen=True, slots=True)
class TrainingIteration:
    """What an iteration saw and did.

    Parameters
    ----------
    iteration : int
        Counted from 0.
    log_likelihood : float
        Per frame, of the models that the iteration began with, at the iteration's acoustic scale;
        of the best paths where only they were looked at. NaN where frames were shared out equally.
    n_gaussians : int
        After the update.
    n_floored, n_removed : int
        Variances raised to the floor; Gaussians removed for want of frames.
    n_failed : int
        Utterances without a path, or too long for the memory allowed.
    """

    iteration: int
    log_likelihood: float
    n_gaussians: int
    n_floored: int
    n_removed: int
    n_failed: int


@dataclass(frozen=True, slots=True)
class FailedUtterance:
    """An utterance that was left out of an iteration, and why."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class TrainingState:
    """Where training stands between two iterations; what a checkpoint holds.

    Parameters
    ----------
    models : PhoneModels
        In standardised features.
    iteration : int
        The one to come.
    occupancy : array, shape (P,)
        Frames of each pdf in the last iteration.
    paths : tuple of AlignedPath or None
        Of Viterbi training, by utterance; None for an utterance without a path.
    history : tuple of TrainingIteration
    failed : tuple of FailedUtterance
        Of the last iteration that searched.
    """

    models: PhoneModels
    iteration: int
    occupancy: NDArray[np.float64]
    paths: tuple[AlignedPath | None, ...] = ()
    history: tuple[TrainingIteration, ...] = ()
    failed: tuple[FailedUtterance, ...] = ()

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the parts: of paths, each part of all of them together."""
        return {
            "models": PhoneModels,
            "iteration": int,
            "occupancy": NDArray[np.float64],
            "has_path": Annotated[NDArray[np.bool_], "U"],
            "pdfs": tuple[NDArray[np.int32], ...],
            "transitions": tuple[NDArray[np.int64], ...],
            "fixed": NDArray[np.float64],
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
            "pdfs": [path.pdfs for path in paths],
            "transitions": [path.transitions for path in paths],
            "fixed": np.array([path.fixed for path in paths], np.float64),
            "history": self.history,
            "failed": self.failed,
        }

    @classmethod
    def of_record(
        cls, *, has_path: NDArray[np.bool_], pdfs: Any, transitions: Any, fixed: Any, **parts: Any
    ) -> TrainingState:
        """Build the state from stored parts, checked anew.

        Raises
        ------
        InvalidInputError
            If a path goes where the models have nothing.
        """
        models: PhoneModels = parts["models"]
        limits = ((pdfs, models.n_pdfs), (transitions, models.transitions.n_arcs))
        if any(
            array.size and not 0 <= array.min() <= array.max() < limit
            for arrays, limit in limits
            for array in arrays
        ):
            raise InvalidInputError("its paths go where its models have nothing")
        if not len(pdfs) == len(transitions) == fixed.size == np.count_nonzero(has_path):
            raise InvalidInputError("its paths are not as many as it says")
        paths = map(AlignedPath, pdfs, transitions, fixed.tolist())
        return cls(paths=tuple(next(paths) if known else None for known in has_path), **parts)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Trained models, and how they came about.

    Parameters
    ----------
    models : PhoneModels
        In feature units.
    history : tuple of TrainingIteration
    failed : tuple of FailedUtterance
        Utterances that the last iteration left out.
    occupancy : array, shape (P,)
        Frames of each pdf in the last iteration.
    """

    models: PhoneModels
    history: tuple[TrainingIteration, ...]
    failed: tuple[FailedUtterance, ...]
    occupancy: NDArray[np.float64]
