"""The iterations of phone training: expectations over utterances, updates, growth of mixtures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.em import run_training_loop
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.aligned_path import AlignedPath
from speakergmm.hmm.training.bank_update import (
    BankUpdateReport,
    adapt_bank,
    allot_gaussians,
    grow_bank,
    update_bank,
)
from speakergmm.hmm.training.expectation_task import (
    ExpectationTask,
    Outcome,
    ShardExpectation,
)
from speakergmm.hmm.training.map_options import MapOptions
from speakergmm.hmm.training.phone_statistics import PhoneStatistics
from speakergmm.hmm.training.phone_training_state import (
    FailedUtterance,
    TrainingIteration,
    TrainingResult,
    TrainingState,
)
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.utterance_shards import (
    FrameStore,
    Graphs,
    are_in_memory,
    check_graphs,
    make_shards,
    work_on,
)
from speakergmm.ranges import refused, whole_number


@dataclass(eq=False)
class PhoneTrainer:
    """Training of phone models as a loop that can be interrupted and resumed after any iteration.

    Parameters
    ----------
    models : PhoneModels
        Initial models, in feature units; see `PhoneModels.flat`.
    graphs : sequence of UtteranceGraph, or TranscriptTexts
        Graphs of the transcripts, one per utterance, or transcripts from which workers compile
        them.
    frames : FrameStore
        Frames of the same utterances, which are read once per iteration.
    schedule : TrainingSchedule
        Options of the iterations.
    standardisation : Standardisation
        Mean and scale of the frames; the models are trained in standardised features.
    variance : array, shape (D,)
        Variance of all frames, in squared feature units, from which the floor is computed.
    silence_pdfs : array of int, optional
        Pdfs of silence, to which `TrainingSchedule.boost_silence` applies.
    seed : int, default=0
        Seed of the directions in which Gaussians are split.
    engine : Engine
        Where the expectations are computed: threads if the frames are in memory, processes if these
        can read them from files. The result does not depend on it.
    flat : bool, default=True
        Whether the models are untrained, so that the first iteration is the schedule's `start`.
    adaptation : MapOptions, optional
        Options of updates by MAP, whose prior are the initial models; without it updates are those
        of maximum likelihood.
    description : str, optional
        Text of the progress of a pass over the frames; without it there is none.

    Raises
    ------
    InvalidInputError
        If the covariances of the models are not diagonal, or models, graphs and frames do not
        belong together.
    """

    models: InitVar[PhoneModels]
    graphs: Graphs
    frames: FrameStore
    _: KW_ONLY
    schedule: TrainingSchedule
    standardisation: Standardisation
    variance: NDArray[np.float64]
    silence_pdfs: NDArray[np.int32] | None = None
    seed: int = 0
    engine: Engine = ONE_WORKER
    flat: bool = True
    adaptation: MapOptions | None = None
    description: str | None = None
    state: TrainingState = field(init=False)
    _prior: PhoneModels = field(init=False)

    def __post_init__(self, models: PhoneModels) -> None:
        """Check the arguments, and take the models to standardised features."""
        self._check(models)
        self._shards = make_shards(self.frames, self.graphs)
        self._prior = _mapped(models, self.standardisation.model_to_standard)
        self.state = TrainingState(self._prior, 0, np.zeros(models.n_pdfs))

    def run(
        self,
        on_iteration: Callable[[TrainingState], None] | None = None,
        record: Callable[[TrainingState], None] | None = None,
    ) -> TrainingResult:
        """Run the remaining iterations and return the result.

        Parameters
        ----------
        on_iteration : callable, optional
            Called with the state after each iteration.
        record : callable, optional
            Called with the state before `on_iteration`, except after the last iteration.

        Raises
        ------
        InsufficientDataError
            If no utterance has a path, or all of them take too much memory.
        """
        run_training_loop(
            self.state,
            self.step,
            is_over=lambda state: state.iteration >= self.schedule.max_iter,
            record=record,
            callback=on_iteration,
        )
        return self.result()

    def result(self) -> TrainingResult:
        """Return the models trained so far, in feature units, and their history."""
        return TrainingResult(
            _mapped(self.state.models, self.standardisation.model_from_standard),
            self.state.history,
            self.state.failed,
            self.state.occupancy,
        )

    def step(self, state: TrainingState) -> TrainingState:
        """Run one iteration, store the state after it as `state`, and return it.

        Raises
        ------
        InsufficientDataError
            If no utterance has a path, or all of them take too much memory.
        """
        schedule, iteration = self.schedule, state.iteration
        # Expectation: over all paths, over the best ones found now, or over those found before.
        first = iteration == 0 and self.flat and schedule.start == "equal"
        sums = schedule.sums_over_paths(iteration, flat=self.flat)
        searches = first or sums or schedule.realigns(iteration) or not state.paths
        total, outcomes = self._expectations(equal=first, sums=sums, searches=searches)
        failed, paths = state.failed, state.paths
        if searches:
            failed = tuple(each for each in outcomes if isinstance(each, FailedUtterance))
            paths = tuple(each if isinstance(each, AlignedPath) else None for each in outcomes)
        found = total.gaussians.statistics()
        if found.n_frames == 0:
            reason = failed[0].reason if failed else "there is no utterance"
            raise InsufficientDataError(f"no utterance can be used for training: {reason}")
        # Maximisation, and then growth of the mixtures.
        models, report = self._updated(total.transitions, found, first=first)
        occupancy = np.add.reduceat(found.counts, state.models.bank.offsets[:-1])
        models = self._grown(models, occupancy)
        # Log-likelihood per frame in feature units: with an acoustic scale, the volume of the
        # standardisation is raised to that power as the densities are.
        power = schedule.acoustic_scale_at(iteration) if sums else 1.0
        per_frame = found.log_likelihood / found.n_frames
        per_frame -= power * self.standardisation.log_volume
        done = TrainingIteration(
            iteration,
            float("nan") if first else per_frame,
            models.n_gaussians,
            report.n_floored,
            report.n_removed,
            len(failed),
        )
        # A single assignment, so that an interruption leaves either the old state or the new one.
        self.state = TrainingState(
            models,
            iteration + 1,
            occupancy,
            () if first or sums else paths,
            (*state.history, done),
            failed,
        )
        return self.state

    def _updated(
        self, transitions: NDArray[np.float64], found: MixtureStatistics, *, first: bool
    ) -> tuple[PhoneModels, BankUpdateReport]:
        """Return the models of greatest likelihood, or adapted ones, and a report of the update.

        Frames that were divided equally carry no information about transitions, which stay; those
        of adapted models are the prior's.
        """
        models, schedule = self.state.models, self.schedule
        if self.adaptation is not None:
            fixed = None if self.adaptation.adapt_silence else self.silence_pdfs
            bank, report = adapt_bank(self._prior.bank, found, self.adaptation, fixed_pdfs=fixed)
            return models.with_parameters(bank=bank), report
        floor = schedule.variance_floor * self.variance / self.standardisation.scale**2
        bank, report = update_bank(
            models.bank,
            found,
            # The floor of a constant feature is one squared feature unit.
            variance_floor=np.where(self.variance > 0, np.maximum(floor, 1e-10), 1.0),
            min_occupancy=min(schedule.min_occupancy, 3.0) if first else schedule.min_occupancy,
        )
        if first:
            return models.with_parameters(bank=bank), report
        updated = models.transitions.updated(transitions, floor=schedule.transition_floor)
        return models.with_parameters(transitions=updated, bank=bank), report

    def _grown(self, models: PhoneModels, occupancy: NDArray[np.float64]) -> PhoneModels:
        """Split Gaussians until there are as many as the schedule wants after this iteration."""
        schedule, iteration = self.schedule, self.state.iteration
        wanted = schedule.gaussians_after(iteration, models.n_pdfs)
        # No split after the last update: no iteration would move the halves apart.
        if wanted <= models.n_gaussians or iteration + 1 >= schedule.max_iter:
            return models
        sizes = allot_gaussians(
            occupancy,
            wanted,
            power=schedule.power,
            min_frames_per_gaussian=schedule.min_frames_per_gaussian,
            present=models.bank.sizes,
        )
        seed = (self.seed, iteration)
        bank = grow_bank(models.bank, sizes, perturbation=schedule.perturbation, seed=seed)
        return models.with_parameters(bank=bank)

    def _expectations(
        self, *, equal: bool, sums: bool, searches: bool
    ) -> tuple[PhoneStatistics, list[Outcome]]:
        """Sum the statistics of all utterances, and return the outcome of each."""
        state = self.state
        task = ExpectationTask(
            models=state.models,
            schedule=self.schedule,
            iteration=state.iteration,
            standardisation=self.standardisation,
            silence_pdfs=self.silence_pdfs,
            equal=equal,
            sums=sums,
            searches=searches,
        )
        shards = self._shards
        if not searches:
            shards = [
                replace(shard, graphs=(), paths=state.paths[shard.first : shard.first + len(shard)])
                for shard in shards
            ]
        found = self.engine.map_reduce(
            task,
            shards,
            ShardExpectation.merge,
            in_memory=are_in_memory(self.frames),
            description=work_on(self.description, shards),
        )
        # Sums that have travelled cannot be turned into statistics: they left the models behind.
        total = task.expectation().no_statistics()
        if found is None:
            return total, []
        total.merge(found.sums)
        return total, found.outcomes

    def _check(self, models: PhoneModels) -> None:
        kind = models.bank.gaussians.covariance_type
        if kind != "diag":
            raise refused("covariances of trained pdfs", "diagonal", kind)
        if len(self.graphs) != len(self.frames):
            raise InvalidInputError(
                f"{len(self.graphs)} graphs for frames of {len(self.frames)} utterances"
            )
        if self.variance.shape != (models.n_features,):
            raise InvalidInputError(
                f"the models have {models.n_features} features, the frames {self.variance.size}"
            )
        check_graphs(self.graphs, models)
        whole_number("seed", self.seed, least=0)


def _mapped(models: PhoneModels, change: Callable[[Any], Any]) -> PhoneModels:
    bank = models.bank
    return models.with_parameters(bank=replace(bank, gaussians=change(bank.gaussians)))
