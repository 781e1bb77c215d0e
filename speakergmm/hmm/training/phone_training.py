"""Embedded training of phone models from a flat start, over utterances given one at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.checkpoints import open_checkpoint, short_digest
from speakergmm.errors import InsufficientDataError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.phone_trainer import FrameStore, PhoneTrainer
from speakergmm.hmm.training.phone_training_state import TrainingResult, TrainingState
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.moments import Moments
from speakergmm.records import digest as digest_of


def utterance_moments(
    frames: FrameStore, *, digests: list[str] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Mean and variance (D,) of all frames, and their number.

    Parameters
    ----------
    frames : FrameStore
        Read once.
    digests : list of str, optional
        Gets the digest of each utterance's frames.

    Raises
    ------
    InsufficientDataError
        If there are fewer than two frames.
    InvalidInputError
        If an utterance's are no finite matrix of as many columns as the others'.
    """
    moments = Moments()
    n_features = None
    for place in range(len(frames)):
        name = f"utterance {place}: frames"
        found = check_finite_frames(frames[place], n_features=n_features, name=name)
        n_features = found.shape[1]
        moments.add(found)
        if digests is not None:
            # With their shape: frames that move to the next utterance make another training.
            digests.append(digest_of(found))
    if moments.n_frames < 2:
        raise InsufficientDataError(f"training needs frames of speech, found {moments.n_frames}")
    return moments.mean, moments.variance, moments.n_frames


def train_phone_models(
    models: PhoneModels,
    graphs: Sequence[UtteranceGraph],
    frames: FrameStore,
    *,
    schedule: TrainingSchedule | None = None,
    silence_pdfs: NDArray[np.int32] | None = None,
    seed: int = 0,
    n_jobs: int = 1,
    flat: bool = True,
    callback: Callable[[TrainingState], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 5.0,
) -> TrainingResult:
    """Train models on utterances, from a flat start or further.

    Parameters
    ----------
    models, graphs, frames, schedule, silence_pdfs, seed, n_jobs, flat
        As `PhoneTrainer` has them.
    callback : callable, optional
        Called with the state after each iteration.
    checkpoint : path, optional
        File to write the state to after iterations; see `speakergmm.checkpoints`. Where
        it is there already, training goes on from it, to the same result as if it had never
        stopped.
    checkpoint_seconds : float, default=5
        Least time between two writings.

    Raises
    ------
    InvalidInputError
        If models, graphs and frames do not belong together, or frames are not finite.
    InsufficientDataError
        If there are no frames, or no utterance has a path.
    IncompatibleModelError
        If the checkpoint belongs to another training.
    """
    schedule = schedule or TrainingSchedule()
    digests: list[str] | None = None if checkpoint is None else []
    mean, variance, n_frames = utterance_moments(frames, digests=digests)
    trainer = PhoneTrainer(
        models,
        graphs,
        frames,
        schedule=schedule,
        standardisation=Standardisation.from_moments(mean, variance),
        variance=variance,
        silence_pdfs=silence_pdfs,
        seed=seed,
        n_jobs=n_jobs,
        flat=flat,
    )

    def fingerprint() -> dict[str, Any]:
        return {
            **schedule.to_dict(),
            "seed": seed,
            "flat": flat,
            "n_utterances": len(graphs),
            "n_frames": n_frames,
            "frames": short_digest(digests),
            "transcripts": short_digest(list(map(_digest_of_graph, graphs))),
            "models": models,
            "silence_pdfs": None if silence_pdfs is None else np.asarray(silence_pdfs).tolist(),
        }

    with open_checkpoint(
        checkpoint, TrainingState, fingerprint=fingerprint, seconds=checkpoint_seconds
    ) as file:
        if file.state is not None:
            trainer.state = file.state
        return trainer.run(callback, file.record)


def _digest_of_graph(graph: UtteranceGraph) -> str:
    states = graph.skeleton
    ends = (states.entry_state, states.exit_state)
    shape = (states.pdf, states.source, states.target, *ends)
    return digest_of(graph.words, graph.pdfs, *shape, *graph.credits)
