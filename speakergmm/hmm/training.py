"""Embedded training of phone models from a flat start, over utterances given one at a time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm.bank_update import allot_gaussians, grow_bank, update_bank
from speakergmm.hmm.embedded import (
    AlignedPath,
    EmbeddedStatistics,
    EmbeddedStep,
    equal_path,
)
from speakergmm.hmm.graph import NoPathError
from speakergmm.hmm.models import PhoneModels
from speakergmm.hmm.moments import Moments
from speakergmm.hmm.schedule import TrainingSchedule
from speakergmm.hmm.utterance_graph import UtteranceGraph
from speakergmm.mixtures.fingerprint import digest_arrays
from speakergmm.mixtures.standardisation import Standardisation
from speakergmm.parallel import threaded_map

# Utterances are summed up in as many parts, whatever the number of jobs: the same sums in the same
# order give the same bits.
_N_PARTS = 16


class FrameStore(Protocol):
    """Frames of utterances, held or read one utterance at a time."""

    def __len__(self) -> int:
        """Return the number of utterances."""

    def __getitem__(self, place: int, /) -> NDArray[np.floating[Any]]:
        """Frames (T, D) of one utterance, in feature units."""


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
        Utterances without a path.
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


def survey(frames: FrameStore) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Mean and variance (D,) of all frames, and their number.

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
        found = np.asarray(frames[place])
        if found.ndim != 2 or n_features not in (None, found.shape[1]):
            raise InvalidInputError(
                f"utterance {place}: frames must have shape (T, {n_features or 'D'}), found "
                f"{found.shape}"
            )
        if not np.isfinite(found).all():
            raise InvalidInputError(f"utterance {place}: frames must be finite, found NaN or inf")
        n_features = found.shape[1]
        moments.add(found)
    if moments.count < 2:
        raise InsufficientDataError(f"training needs frames of speech, found {moments.count}")
    return moments.mean, moments.variance, moments.count


class EmbeddedTrainer:
    """Embedded training as a loop that can be stopped and taken up after any iteration.

    Parameters
    ----------
    models : PhoneModels
        To begin with, in feature units; see `PhoneModels.flat`.
    graphs : sequence of UtteranceGraph
        Of the utterances.
    frames : FrameStore
        Of the same utterances, read as often as there are iterations.
    schedule : TrainingSchedule
    standardisation : Standardisation
        Of the frames.
    variance : array, shape (D,)
        Of all frames, in feature units, for the floor.
    silence_pdfs : array of int, optional
        Which `TrainingSchedule.boost_silence` is about.
    seed : int, default=0
        Of the directions in which Gaussians are split.
    n_jobs : int, default=1
        Threads; the result does not depend on it.
    flat : bool, default=True
        Whether the models know nothing yet, so that frames may be shared out equally at first.

    Raises
    ------
    InvalidInputError
        If the models have other than diagonal covariances, or models, graphs and frames do not
        belong together.
    """

    def __init__(
        self,
        models: PhoneModels,
        graphs: Sequence[UtteranceGraph],
        frames: FrameStore,
        *,
        schedule: TrainingSchedule,
        standardisation: Standardisation,
        variance: NDArray[np.float64],
        silence_pdfs: NDArray[np.int32] | None = None,
        seed: int = 0,
        n_jobs: int = 1,
        flat: bool = True,
    ) -> None:
        _check(models, graphs, frames, variance, seed)
        self._graphs = graphs
        self._frames = frames
        self._schedule = schedule
        self._standardisation = standardisation
        floor = schedule.variance_floor * variance / standardisation.scale**2
        # A feature that never varies is as wide as its unit.
        self._floor = np.where(variance > 0, np.maximum(floor, 1e-10), 1.0)
        self._silence_pdfs = silence_pdfs
        self._seed = seed
        self._n_jobs = n_jobs
        self._flat = flat
        self.state = TrainingState(
            _mapped(models, standardisation.model_to_standard), 0, np.zeros(models.n_pdfs)
        )

    def run(self, callback: Callable[[TrainingState], None] | None = None) -> TrainingResult:
        """Go on to the last iteration; `callback` is called after each.

        Raises
        ------
        InsufficientDataError
            If no utterance has a path.
        """
        while self.state.iteration < self._schedule.n_iterations:
            self.step()
            if callback is not None:
                callback(self.state)
        return self.result()

    def result(self) -> TrainingResult:
        """Return what was trained so far, in feature units."""
        return TrainingResult(
            _mapped(self.state.models, self._standardisation.model_from_standard),
            self.state.history,
            self.state.failed,
            self.state.occupancy,
        )

    def step(self) -> None:
        """Do one iteration.

        Raises
        ------
        InsufficientDataError
            If no utterance has a path.
        """
        state, schedule = self.state, self._schedule
        iteration = state.iteration
        first = iteration == 0 and self._flat and schedule.start == "equal"
        searches = (
            first or schedule.sums(iteration) or schedule.searches(iteration) or not state.paths
        )
        total, failed, paths = self._expectations(first=first, searches=searches)
        if total.n_frames == 0:
            reason = failed[0].reason if failed else "there is no utterance"
            raise InsufficientDataError(f"no utterance can be used for training: {reason}")
        models = state.models
        transitions = models.transitions
        if not first:
            transitions = transitions.updated(total.transitions, floor=schedule.transition_floor)
        bank, report = update_bank(
            models.bank,
            total.counts,
            total.first_order,
            total.second_order,
            variance_floor=self._floor,
            min_occupancy=min(schedule.min_occupancy, 3.0) if first else schedule.min_occupancy,
        )
        occupancy = np.add.reduceat(total.counts, models.bank.offsets[:-1])
        wanted = schedule.gaussians_after(iteration, bank.n_pdfs)
        # The last update is not followed by a split, whose halves nothing would tell apart.
        if wanted > bank.n_gaussians and iteration + 1 < schedule.n_iterations:
            sizes = allot_gaussians(
                occupancy,
                wanted,
                power=schedule.power,
                min_count=schedule.min_count,
                present=bank.sizes,
            )
            bank = grow_bank(
                bank, sizes, perturbation=schedule.perturbation, seed=(self._seed, iteration)
            )
        # A density to a power is the volume to that power, too.
        power = schedule.scale(iteration) if schedule.sums(iteration) else 1.0
        per_frame = total.log_likelihood / total.n_frames
        per_frame -= power * self._standardisation.log_volume
        done = TrainingIteration(
            iteration,
            float("nan") if first else per_frame,
            bank.n_gaussians,
            report.n_floored,
            report.n_removed,
            len(failed) if searches else state.history[-1].n_failed,
        )
        # One assignment, so that whoever interrupts this finds the old state or the new one.
        self.state = TrainingState(
            models.with_parameters(transitions=transitions, bank=bank),
            iteration + 1,
            occupancy,
            tuple(paths),
            (*state.history, done),
            tuple(failed) if searches else state.failed,
        )

    def _expectations(
        self, *, first: bool, searches: bool
    ) -> tuple[EmbeddedStatistics, list[FailedUtterance], list[AlignedPath | None]]:
        """Sum up all utterances, in parts that threads share."""
        schedule = self._schedule
        viterbi = not schedule.sums(self.state.iteration)
        step = EmbeddedStep(
            self.state.models,
            acoustic_scale=schedule.scale(self.state.iteration),
            transition_scale=schedule.transition_scale,
            beam=schedule.beam,
            retry_beam=schedule.retry_beam,
            boosted_pdfs=self._silence_pdfs,
            boost=schedule.boost_silence,
        )

        def part(
            places: NDArray[np.intp],
        ) -> tuple[EmbeddedStatistics, list[FailedUtterance], list[AlignedPath | None]]:
            sums = EmbeddedStatistics.zeros(self.state.models)
            failed: list[FailedUtterance] = []
            paths: list[AlignedPath | None] = []
            for place in places.tolist():
                graph = self._graphs[place]
                try:
                    path = None if searches else self.state.paths[place]
                    if path is None and not searches:
                        paths.append(None)
                        continue
                    frames = self._standardised(place)
                    if first:
                        path = equal_path(graph, len(frames))
                    elif viterbi and searches:
                        path = step.align(graph, frames)
                    if path is None:
                        step.baum_welch(graph, frames, sums)
                    else:
                        step.add_aligned(path, frames, sums)
                    paths.append(path if viterbi and not first else None)
                except NoPathError as error:
                    failed.append(FailedUtterance(place, str(error)))
                    paths.append(None)
            return sums, failed, paths

        count = len(self._graphs)
        parts = [
            p for p in np.array_split(np.arange(count), min(_N_PARTS, max(count, 1))) if p.size
        ]
        total = EmbeddedStatistics.zeros(self.state.models)
        all_failed: list[FailedUtterance] = []
        all_paths: list[AlignedPath | None] = []
        for sums, failed, paths in threaded_map(part, parts, n_jobs=self._n_jobs):
            total.add(sums)
            all_failed += failed
            all_paths += paths
        return total, all_failed, [] if first or not viterbi else all_paths

    def _standardised(self, place: int) -> NDArray[np.float32]:
        frames = np.asarray(self._frames[place])
        result = np.empty(frames.shape, np.float32)
        self._standardisation.apply(frames, result)
        return result


def _check(
    models: PhoneModels,
    graphs: Sequence[UtteranceGraph],
    frames: FrameStore,
    variance: NDArray[np.float64],
    seed: int,
) -> None:
    kind = models.bank.mixture.covariance_type
    if kind != "diag":
        raise InvalidInputError(f"embedded training needs diagonal covariances, found {kind!r}")
    if len(graphs) != len(frames):
        raise InvalidInputError(f"{len(graphs)} graphs for frames of {len(frames)} utterances")
    if variance.shape != (models.n_features,):
        raise InvalidInputError(
            f"the models have {models.n_features} features, the frames {variance.size}"
        )
    n_arcs = models.transitions.n_arcs
    for place, graph in enumerate(graphs):
        taken = (graph.arcs.transition, graph.entries.transition, graph.exits.transition)
        most = max(int(numbers.max(initial=-1)) for numbers in taken)
        if graph.pdfs.max() >= models.n_pdfs or most >= n_arcs:
            raise InvalidInputError(f"the graph of utterance {place} was compiled for other models")
    if seed < 0:
        raise InvalidInputError(f"a seed must not be negative, found {seed}")


def _mapped(models: PhoneModels, change: Callable[[Any], Any]) -> PhoneModels:
    bank = models.bank
    mixture = change(bank.mixture)
    return models.with_parameters(
        bank=type(bank).from_parameters(
            bank.offsets,
            bank.weights,
            mixture.means,
            mixture.covariances,
            covariance_type=mixture.covariance_type,
        )
    )


def train_embedded(
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
        As `EmbeddedTrainer` has them.
    callback : callable, optional
        Called with the state after each iteration.
    checkpoint : path, optional
        File to write the state to after iterations; see `speakergmm.hmm.checkpoint`. Where it is
        there already, training goes on from it, to the same result as if it had never stopped.
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
    mean, variance, n_frames = survey(frames)
    trainer = EmbeddedTrainer(
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
    if checkpoint is None:
        return trainer.run(callback)
    from speakergmm.hmm.checkpoint import EmbeddedCheckpoint

    fingerprint = {
        **schedule.to_dict(),
        "seed": seed,
        "flat": flat,
        "n_utterances": len(graphs),
        "n_frames": n_frames,
        "frames": digest_arrays(mean, variance),
        "transcripts": _graphs_digest(graphs),
        "models": _models_digest(models),
        "silence_pdfs": None if silence_pdfs is None else np.asarray(silence_pdfs).tolist(),
    }
    with EmbeddedCheckpoint(
        checkpoint, fingerprint=fingerprint, seconds=checkpoint_seconds
    ) as file:
        if file.state is not None:
            trainer.state = file.state

        def record(state: TrainingState) -> None:
            file.record(state)
            if callback is not None:
                callback(state)

        return trainer.run(record)


def _graphs_digest(graphs: Sequence[UtteranceGraph]) -> str:
    total = hashlib.sha256()
    for graph in graphs:
        total.update(json.dumps(graph.words).encode())
        skeleton = graph.skeleton
        parts = (graph.pdfs, skeleton.pdf, skeleton.source, skeleton.target)
        fixed = (graph.arcs.fixed, graph.entries.fixed, graph.exits.fixed)
        total.update(digest_arrays(*parts, *fixed).encode())
    return f"sha256:{total.hexdigest()[:32]}"


def _models_digest(models: PhoneModels) -> str:
    arrays, metadata = models.to_arrays()
    total = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    total.update(digest_arrays(*arrays.values()).encode())
    return f"sha256:{total.hexdigest()[:32]}"
