"""Statistics of utterances for phone models: expected counts, or counts on the best path.

All models and frames here are in standardised features; `phone_trainer` converts them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.sums import GaussianSums, SparsePosteriors
from speakergmm.hmm.inference.algorithms import expected_counts, search_within, viterbi
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.hmm.models.bank import BankEvaluator
from speakergmm.hmm.models.bank_kernels import aligned_posteriors, sparse_posteriors
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.aligned_path import AlignedPath
from speakergmm.hmm.training.schedule import TrainingSchedule

# Posteriors below this are left out of the sums: together a millionth of a frame.
_LEAST_POSTERIOR = 1e-8


@dataclass(slots=True, eq=False)
class PhoneStatistics:
    """Sums over utterances; merged in a fixed order they have the same bits in every run.

    Parameters
    ----------
    gaussians : GaussianSums
        Statistics of all Gaussians of the bank, and the log-likelihood of the utterances.
    transitions : array, shape (N,)
        Expected number of times that each transition is taken.
    """

    gaussians: GaussianSums
    transitions: NDArray[np.float64]

    def merge(self, other: PhoneStatistics) -> None:
        """Add the sums over other utterances to these."""
        self.gaussians.merge(other.gaussians)
        self.transitions += other.transitions


class PhoneExpectation:
    """The expectation step of one iteration, for one utterance at a time; thread-safe.

    Parameters
    ----------
    models : PhoneModels
        The current models, in standardised features, with diagonal covariances.
    schedule : TrainingSchedule, optional
        Scales and beams; by default emissions and transitions are not scaled, and nothing is
        pruned.
    iteration : int, default=0
        Number of the iteration in the schedule, from 0.
    silence_pdfs : array of int, optional
        Pdfs whose likelihoods are multiplied by `TrainingSchedule.boost_silence` in the search for
        the best path.
    """

    def __init__(
        self,
        models: PhoneModels,
        schedule: TrainingSchedule | None = None,
        *,
        iteration: int = 0,
        silence_pdfs: NDArray[np.int32] | None = None,
    ) -> None:
        schedule = schedule or TrainingSchedule()
        self.models = models
        self._schedule = schedule
        self._evaluator = BankEvaluator(models.bank)
        self._logs = models.transitions.log_probability()
        self._acoustic_scale = schedule.acoustic_scale_at(iteration)
        beam = schedule.beam
        self._beams = [beam] if beam is None else [beam, schedule.retry_beam]
        self._silence_pdfs = np.array([], np.int32) if silence_pdfs is None else silence_pdfs
        # The frames are standardised already.
        d = models.n_features
        self._prepared = models.bank.prepared(Standardisation(np.zeros(d), np.ones(d)))
        self._columns = np.ascontiguousarray(self._prepared.columns.T, np.float32)

    def no_statistics(self) -> PhoneStatistics:
        """Return the sums over no utterance, to which utterances are added."""
        sums = GaussianSums(self._prepared, dtype=np.dtype(np.float64), sparse=True)
        return PhoneStatistics(sums, np.zeros(self.models.transitions.n_arcs))

    def baum_welch(
        self, graph: UtteranceGraph, frames: NDArray[np.float32], sums: PhoneStatistics
    ) -> None:
        """Add the expected counts of an utterance, over all its paths, to the sums.

        Parameters
        ----------
        graph : UtteranceGraph
        frames : array, shape (T, D)
            Standardised frames.
        sums : PhoneStatistics
            Added to in place.

        Raises
        ------
        NoPathError
            If no path fits the frames; the sums are unchanged.
        """
        # Posteriors of pdfs and expected counts of arcs, by forward-backward.
        emissions = self._evaluator.evaluate(frames, graph.pdfs)
        scaled = emissions.log_emissions * self._acoustic_scale
        with_logs = graph.graph_from_logs(self._logs)
        found = search_within(
            lambda beam: expected_counts(with_logs, scaled, beam=beam), self._beams
        )
        # A pdf's posterior is divided among its Gaussians in proportion to their densities.
        posteriors = sparse_posteriors(
            emissions.densities,
            emissions.log_emissions,
            emissions.offsets,
            emissions.gaussians,
            found.pdf_posteriors,
            _LEAST_POSTERIOR,
        )
        sums.gaussians.add_sparse(frames, SparsePosteriors(*posteriors, found.log_likelihood))
        graph.add_counts(found.arc_counts, found.entry_counts, found.exit_counts, sums.transitions)

    def align(self, graph: UtteranceGraph, frames: NDArray[np.float32]) -> AlignedPath:
        """Find the best path of an utterance of standardised frames (T, D).

        Raises
        ------
        NoPathError
            If no path fits the frames.
        """
        emissions = self._evaluator.evaluate(frames, graph.pdfs)
        scaled = emissions.log_emissions * self._acoustic_scale
        boost = np.log(self._schedule.boost_silence) * self._acoustic_scale
        scaled[:, np.isin(graph.pdfs, self._silence_pdfs)] += np.float32(boost)
        with_logs = graph.graph_from_logs(self._schedule.transition_scale * self._logs)
        found = search_within(lambda beam: viterbi(with_logs, scaled, beam=beam), self._beams)
        # Transitions on the path: each arc, entry and exit taken is made of several.
        arcs = np.bincount(found.arcs, minlength=with_logs.n_arcs).astype(np.float64)
        ends = np.zeros(len(graph.entries.fixed)), np.zeros(len(graph.exits.fixed))
        ends[0][found.entry] = ends[1][found.exit] = 1.0
        taken = np.zeros(self.models.transitions.n_arcs)
        graph.add_counts(arcs, *ends, taken)
        # The part of its probability that no update changes, and the pdf of each frame.
        pdfs = graph.pdfs[with_logs.pdf[found.states]]
        fixed = graph.arcs.fixed[found.arcs].sum()
        fixed += graph.entries.fixed[found.entry] + graph.exits.fixed[found.exit]
        numbers = np.repeat(np.arange(len(taken)), np.rint(taken).astype(np.int64))
        return AlignedPath(pdfs, numbers, float(fixed))

    def add_aligned(
        self, path: AlignedPath, frames: NDArray[np.float32], sums: PhoneStatistics
    ) -> None:
        """Add the counts of a known path, over standardised frames (T, D), to the sums.

        Raises
        ------
        InvalidInputError
            If the path has another number of frames.
        """
        if path.n_frames != len(frames):
            raise InvalidInputError(f"a path of {path.n_frames} frames for {len(frames)} frames")
        # Each frame belongs to one pdf, whose Gaussians share it; transitions are counted as taken.
        posteriors, log_likelihood = aligned_posteriors(
            frames, path.pdfs, self.models.bank.offsets, self._columns
        )
        total = float(log_likelihood + self._logs[path.transitions].sum() + path.fixed)
        sums.gaussians.add_sparse(frames, SparsePosteriors(*posteriors, total))
        np.add.at(sums.transitions, path.taken, path.times)


def equal_path(graph: UtteranceGraph, n_frames: int) -> AlignedPath:
    """Divide the frames of an utterance equally among the states of one of its paths.

    The path takes the first pronunciation of each word, with silence at both ends and none between
    words; if no unit belongs to a word, it takes all units. Its transitions are not counted.

    Parameters
    ----------
    graph : UtteranceGraph
    n_frames : int
        Number of frames, T.

    Returns
    -------
    AlignedPath

    Raises
    ------
    NoPathError
        If the utterance has fewer frames than the shortest of its paths needs.
    """
    needed = graph.skeleton.shortest_duration
    if needed is None or n_frames < needed:
        raise NoPathError(f"the transcript needs at least {needed} frames, found {n_frames}")
    # The units on the path, and their states in order.
    last = len(graph.units) - 1
    has_words = any(unit.word is not None for unit in graph.units)
    chosen = np.array(
        [
            unit.pronunciation == 0
            and (unit.word is not None or not has_words or place in (0, last))
            for place, unit in enumerate(graph.units)
        ]
    )
    states = np.flatnonzero(chosen[graph.state_unit])
    # Frame t belongs to state number t S / T of them.
    places = np.arange(n_frames) * len(states) // n_frames
    pdfs = graph.pdfs[graph.skeleton.pdf[states[places]]]
    return AlignedPath(pdfs, np.array([], np.int64))
