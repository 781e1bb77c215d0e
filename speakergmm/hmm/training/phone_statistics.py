"""What one utterance says to the models: expected counts by Baum-Welch, or those of its best path.

Everything here is in standardised features: `training` brings frames there and models back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.sums import GaussianSums, SparsePosteriors
from speakergmm.hmm.inference.algorithms import expected_counts, viterbi, widening
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.hmm.models.bank import BankEvaluator
from speakergmm.hmm.models.bank_kernels import aligned_posteriors, sparse_posteriors
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.schedule import TrainingSchedule

# Posteriors below this are left out of sums: a millionth of a frame in all.
_LEAST_POSTERIOR = 1e-8


@dataclass(slots=True, eq=False)
class PhoneStatistics:
    """Sums over utterances; they can be merged, in a fixed order for the same bits.

    Parameters
    ----------
    gaussians : GaussianSums
        Of all Gaussians of the bank; its log-likelihood is that of the utterances.
    transitions : array, shape (N,)
        Expected number of times that each transition was taken.
    """

    gaussians: GaussianSums
    transitions: NDArray[np.float64]

    def merge(self, other: PhoneStatistics) -> None:
        """Add other utterances' sums to these."""
        self.gaussians.merge(other.gaussians)
        self.transitions += other.transitions


@dataclass(frozen=True, slots=True, eq=False)
class AlignedPath:
    """The path of an utterance that Viterbi training goes on with.

    Parameters
    ----------
    pdfs : array of int, shape (T,)
        Pdf of each frame, as the models number them.
    transitions : array of int, shape (N,)
        Numbers of the transitions that were taken, each as often as it was.
    fixed : float, default=0.0
        Log-probability of what training does not change: pronunciations and silences.
    """

    pdfs: NDArray[np.int32]
    transitions: NDArray[np.int64]
    fixed: float = 0.0


class PhoneExpectation:
    """One iteration's models, made ready for all utterances; may be used by several threads.

    Parameters
    ----------
    models : PhoneModels
        In standardised features, with diagonal covariances.
    schedule : TrainingSchedule, optional
        Its scales and beams are taken; by default emissions and transitions count as they are, and
        no path is given up.
    iteration : int, default=0
        Which of the schedule.
    silence_pdfs : array of int, optional
        Pdfs whose emissions count `TrainingSchedule.boost_silence` times in search of the best
        path.
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
        self._acoustic_scale = schedule.scale(iteration)
        beam = schedule.beam
        self._beams = [beam] if beam is None else [beam, schedule.retry_beam]
        self._silence_pdfs = np.array([], np.int32) if silence_pdfs is None else silence_pdfs
        # Frames come standardised.
        d = models.n_features
        self._prepared = models.bank.prepared(Standardisation(np.zeros(d), np.ones(d)))
        self._columns = np.ascontiguousarray(self._prepared.columns.T, np.float32)

    def nothing(self) -> PhoneStatistics:
        """Return sums over no utterance."""
        sums = GaussianSums(self._prepared, dtype=np.dtype(np.float64), sparse=True)
        return PhoneStatistics(sums, np.zeros(self.models.transitions.n_arcs))

    def baum_welch(
        self, graph: UtteranceGraph, frames: NDArray[np.float32], sums: PhoneStatistics
    ) -> None:
        """Add an utterance's expected counts, over all its paths, to the sums.

        Raises
        ------
        NoPathError
            If no path fits; the sums are as they were.
        """
        emissions = self._evaluator.evaluate(frames, graph.pdfs)
        scaled = emissions.log_emissions * self._acoustic_scale
        with_logs = graph.graph_from_logs(self._logs)
        found = widening(lambda beam: expected_counts(with_logs, scaled, beam=beam), self._beams)
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
        """Find an utterance's best path.

        Raises
        ------
        NoPathError
            If no path fits.
        """
        emissions = self._evaluator.evaluate(frames, graph.pdfs)
        scaled = emissions.log_emissions * self._acoustic_scale
        boost = np.log(self._schedule.boost_silence) * self._acoustic_scale
        scaled[:, np.isin(graph.pdfs, self._silence_pdfs)] += np.float32(boost)
        with_logs = graph.graph_from_logs(self._schedule.transition_scale * self._logs)
        found = widening(lambda beam: viterbi(with_logs, scaled, beam=beam), self._beams)
        arcs = np.bincount(found.arcs, minlength=with_logs.n_arcs).astype(np.float64)
        ends = np.zeros(len(graph.entries.fixed)), np.zeros(len(graph.exits.fixed))
        ends[0][found.entry] = ends[1][found.exit] = 1.0
        taken = np.zeros(self.models.transitions.n_arcs)
        graph.add_counts(arcs, *ends, taken)
        pdfs = graph.pdfs[with_logs.pdf[found.states]]
        fixed = graph.arcs.fixed[found.arcs].sum()
        fixed += graph.entries.fixed[found.entry] + graph.exits.fixed[found.exit]
        numbers = np.repeat(np.arange(len(taken)), np.rint(taken).astype(np.int64))
        return AlignedPath(pdfs, numbers, float(fixed))

    def add_aligned(
        self, path: AlignedPath, frames: NDArray[np.float32], sums: PhoneStatistics
    ) -> None:
        """Add the counts of a known path to the sums."""
        posteriors, log_likelihood = aligned_posteriors(
            frames, path.pdfs, self.models.bank.offsets, self._columns
        )
        total = float(log_likelihood + self._logs[path.transitions].sum() + path.fixed)
        sums.gaussians.add_sparse(frames, SparsePosteriors(*posteriors, total))
        np.add.at(sums.transitions, path.transitions, 1.0)


def equal_path(graph: UtteranceGraph, n_frames: int) -> AlignedPath:
    """Share out an utterance's frames equally over the states of one of its paths.

    The path takes the first pronunciation of each word, silence at the ends and none between
    words; where no unit belongs to a word, all units. It counts no transitions.

    Raises
    ------
    NoPathError
        If the utterance has fewer frames than the shortest of its paths needs.
    """
    needed = graph.skeleton.shortest_duration
    if needed is None or n_frames < needed:
        raise NoPathError(f"the transcript needs at least {needed} frames, found {n_frames}")
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
    places = np.arange(n_frames) * len(states) // n_frames
    pdfs = graph.pdfs[graph.skeleton.pdf[states[places]]]
    return AlignedPath(pdfs, np.array([], np.int64))
