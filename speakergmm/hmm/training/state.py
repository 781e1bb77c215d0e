"""What embedded training tells and keeps: its iterations, where it stands, what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.embedded import AlignedPath


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
