"""Training of phone models on transcribed utterances, with checkpoints."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.checkpoints import open_checkpoint, short_digest
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.map_options import MapOptions
from speakergmm.hmm.training.phone_trainer import PhoneTrainer
from speakergmm.hmm.training.phone_training_state import TrainingResult, TrainingState
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.utterance_shards import (
    FrameStore,
    Graphs,
    UtteranceShard,
    are_in_memory,
    make_shards,
    work_on,
)
from speakergmm.moments import Moments
from speakergmm.records import digest as digest_of
from speakergmm.run_context import RunContext


def utterance_moments(
    frames: FrameStore,
    *,
    digests: list[str] | None = None,
    engine: EngineLike = None,
    description: str | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Compute mean and variance of the frames of all utterances.

    Parameters
    ----------
    frames : FrameStore
        Frames of the utterances, which are read once.
    digests : list of str, optional
        The digest of each utterance's frames is appended to it.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done. The result does not depend on it.
    description : str, optional
        Text of the progress; without it there is none.

    Returns
    -------
    mean, variance : array, shape (D,)
        In feature units, and squared ones.
    n_frames : int
        Number of frames.

    Raises
    ------
    InsufficientDataError
        If there are fewer than two frames.
    InvalidInputError
        If the frames of an utterance are not a finite matrix with as many columns as the others.
    """
    n_features = None
    if len(frames):
        n_features = check_finite_frames(frames[0], name="utterance 0: frames").shape[1]
    shards = make_shards(frames)
    found = Engine.of(engine).map_reduce(
        _MomentsTask(n_features, with_digests=digests is not None),
        shards,
        _joined_moments,
        in_memory=are_in_memory(frames),
        description=work_on(description, shards),
    )
    moments, found_digests = found or (Moments(), [])
    if digests is not None:
        digests += found_digests
    if moments.n_frames < 2:
        raise InsufficientDataError(f"training needs two or more frames, found {moments.n_frames}")
    return moments.mean, moments.variance, moments.n_frames


_Surveyed = tuple[Moments, list[str]]


@dataclass(frozen=True, slots=True)
class _MomentsTask:
    """Moments of a shard of utterances, and the digest of each utterance's frames."""

    n_features: int | None
    with_digests: bool

    def __call__(self, shard: UtteranceShard) -> _Surveyed:
        moments, digests = Moments(), []
        for place in range(len(shard)):
            found = check_finite_frames(
                shard.frames[place],
                n_features=self.n_features,
                name=f"utterance {shard.first + place}: frames",
            )
            moments.add(found)
            if self.with_digests:
                # The digest covers the shape: with other boundaries it is another training.
                digests.append(digest_of(found))
        return moments, digests


def _joined_moments(left: _Surveyed, right: _Surveyed) -> _Surveyed:
    left[0].merge(right[0])
    return left[0], left[1] + right[1]


def train_phone_models(
    models: PhoneModels,
    graphs: Graphs,
    frames: FrameStore,
    schedule: TrainingSchedule | None = None,
    *,
    adaptation: MapOptions | None = None,
    silence_pdfs: NDArray[np.int32] | None = None,
    seed: int = 0,
    flat: bool = True,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> TrainingResult:
    """Train phone models on transcribed utterances ("embedded training", as HTK's HERest).

    Parameters
    ----------
    models : PhoneModels
        Initial models, in feature units; see `PhoneModels.flat`.
    graphs : sequence of UtteranceGraph, or TranscriptTexts
        Graphs of the transcripts, one per utterance; see `compile_transcript`. Transcripts take a
        hundredth of the memory: their graphs are compiled when they are needed.
    frames : FrameStore
        Frames (T, D) of the same utterances, in feature units, such as a list of arrays. They are
        read once per iteration, one utterance at a time.
    schedule : TrainingSchedule, optional
        Options of the iterations.
    adaptation : MapOptions, optional
        Update by MAP, as `adapt_phone_models` does, in place of maximum likelihood.
    silence_pdfs : array of int, optional
        Pdfs of silence, to which `TrainingSchedule.boost_silence` applies.
    seed : int, default=0
        Seed of the directions in which Gaussians are split.
    flat : bool, default=True
        Whether the models are untrained, so that the first iteration is the schedule's `start`.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done. A number is one of threads if the frames are in memory, and of
        processes if these can read them from files (`SharedFrameStore`). The result does not depend
        on it: sums are combined in a fixed pairwise tree over shards, and where a shard ends
        depends on the frames alone.
    run : RunContext, optional
        `callback` is called with the `TrainingState` after each iteration; `progress` shows frames
        per second and the time left of each pass over them. With `checkpoint`,
        training resumes from that file, to the same result as if it had not been interrupted.
    **changes
        Options of the schedule, in place of those of `schedule`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    InvalidInputError
        If models, graphs and frames do not belong together, frames are not finite, or an option
        is out of its range.
    InsufficientDataError
        If there are no frames, or no utterance has a path.
    IncompatibleModelError
        If the checkpoint belongs to another training.

    References
    ----------
    Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition",
    Proceedings of the IEEE 77(2), 1989, section III.C: re-estimation. Young et al., "The HTK Book",
    2006, section 8.5: embedded training.
    """
    schedule = TrainingSchedule.of(schedule, changes)
    run = RunContext.checked(run)
    # Mean, variance and digests of all frames, in one pass over them.
    digests: list[str] | None = None if run.checkpoint is None else []
    engine = Engine.of(engine)
    mean, variance, n_frames = utterance_moments(
        frames,
        digests=digests,
        engine=engine,
        description=run.description("statistics of the frames"),
    )
    trainer = PhoneTrainer(
        models,
        graphs,
        frames,
        schedule=schedule,
        standardisation=Standardisation.from_moments(mean, variance),
        variance=variance,
        silence_pdfs=silence_pdfs,
        seed=seed,
        engine=engine,
        flat=flat,
        adaptation=adaptation,
        description=run.description("pass over the frames"),
    )

    def fingerprint() -> dict[str, Any]:
        of_map = {} if adaptation is None else asdict(adaptation)
        return {
            **schedule.to_dict(),
            **{f"MAP {name}": value for name, value in of_map.items()},
            "seed": seed,
            "flat": flat,
            "n_utterances": len(graphs),
            "n_frames": n_frames,
            "frames": short_digest(digests),
            **_facts_of_graphs(graphs),
            "models": models,
            "silence_pdfs": None if silence_pdfs is None else np.asarray(silence_pdfs).tolist(),
        }

    with open_checkpoint(
        run.checkpoint, TrainingState, fingerprint=fingerprint, seconds=run.checkpoint_seconds
    ) as file:
        if file.state is not None:
            trainer.state = file.state
        return trainer.run(run.callback, file.record)


def _facts_of_graphs(graphs: Graphs) -> dict[str, Any]:
    """Return all that graphs depend on, by name, but for the models."""
    if isinstance(graphs, TranscriptTexts):
        said, ways = short_digest(list(graphs.transcripts)), short_digest(graphs.pronunciations)
        return {"transcripts": said, "pronunciations": ways, **graphs.silences}
    return {"transcripts": short_digest(list(map(_digest_of_graph, graphs)))}


def _digest_of_graph(graph: UtteranceGraph) -> str:
    states = graph.skeleton
    ends = (states.entry_state, states.exit_state)
    shape = (states.pdf, states.source, states.target, *ends)
    return digest_of(graph.words, graph.pdfs, *shape, *graph.parts)
