"""Forced alignment: which frames a transcript's words, phones and states take, and how surely."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.hmm.decoding.segments import Alignment, Segment, cut_path
from speakergmm.hmm.inference.algorithms import forward_backward, viterbi, widening
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.hmm.inference.recursions import ViterbiPath
from speakergmm.hmm.models.bank import BankEvaluator
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.ranges import number

__all__ = ["Aligner", "Alignment", "Segment", "align"]

# Memory that one alignment may take.
_MOST_BYTES = 2 * 10**9
# What is held of each frame for each state: the best arc into it; with confidences a forward
# probability, in whose place the posterior comes, and its level.
_BYTES_OF_PATH = 2
_BYTES_OF_POSTERIORS = 16
# For each Gaussian its density; for each pdf logarithms in both precisions, and scaled ones.
_BYTES_OF_GAUSSIAN = 4
_BYTES_OF_PDF = 20
# Posteriors of words and pauses, and of phones, below which a path found in a beam is not trusted.
# Phones are short, and of the best path of all one in ten is below a half.
_DOUBTFUL = 0.5
_DOUBTFUL_PHONE = 0.1


class Aligner:
    """Models made ready to align many utterances; may be used by several threads.

    Parameters
    ----------
    models : PhoneModels
        With any parameters.
    beam : float, optional
        Paths that are this many nats worse than the best of their frame are given up; by default
        none is, and the path is the best of all. A path that is the best in the end may lie
        thousands of nats behind at the start. With posteriors, which are summed over all paths
        whatever the beam, an alignment with a doubtful word, pause or phone is searched for again
        without one; without posteriors nobody notices what a beam has lost.
    retry_beam : float, optional
        Tried where no path is left with `beam`; by default such an utterance fails.
    confidences : bool, default=True
        Compute `Segment.posterior`; without it the work is less than half.
    posterior_scale : float, default=0.1
        Power of emissions and transitions in posteriors; the path is that of the models as they
        are. Frames overlap and deltas span nine of them, so that neighbours tell the same thing
        several times: at 1, posteriors are nearly all 0 or 1 and say little of what is right. On
        the synthetic corpus, of powers from 1 to 0.1, the last brought posteriors nearest to the
        share of frames that are right, and expected edges nearest to the true ones.
    goodness : bool, default=False
        Compute `Segment.goodness`, for which all pdfs are evaluated.

    Raises
    ------
    InvalidInputError
        If a beam or the scale is not above 0.

    Notes
    -----
    An alignment takes 16 bytes for each frame and state of the utterance's graph, 2 without
    confidences, and little beside; one of more than 2 GB is refused before it begins. Threads
    take as much each.

    References
    ----------
    .. [1] Rabiner, "A tutorial on hidden Markov models and selected applications in speech
       recognition", Proceedings of the IEEE 77(2), 1989: Viterbi (equations 32 to 35), posterior
       of a state (27).
    .. [2] Witt, Young, "Phone-level pronunciation scoring and assessment for interactive language
       learning", Speech Communication 30, 2000: goodness of pronunciation, here with the best
       state of each frame in place of a phone loop.
    """

    def __init__(
        self,
        models: PhoneModels,
        *,
        beam: float | None = None,
        retry_beam: float | None = None,
        confidences: bool = True,
        posterior_scale: float = 0.1,
        goodness: bool = False,
    ) -> None:
        options = {"beam": beam, "retry_beam": retry_beam, "posterior_scale": posterior_scale}
        for name, value in options.items():
            if value is not None and value != math.inf:
                number(name, value, above=0)
        self._evaluator = BankEvaluator(models.bank)
        self._n_features = models.n_features
        self._n_gaussians = np.diff(models.bank.offsets)
        self._logs = models.transitions.log_probability()
        self._beams: list[float | None] = [beam]
        if beam is not None and retry_beam is not None and retry_beam > beam:
            self._beams.append(retry_beam)
        self._confidences = confidences
        self._scale = posterior_scale
        self._goodness = goodness

    def align(self, utterance_graph: UtteranceGraph, X: ArrayLike) -> Alignment:
        """Find the most probable path, and how probable its parts are among all paths.

        Parameters
        ----------
        utterance_graph : UtteranceGraph
            All ways to say the transcript, compiled with these models.
        X : array_like, shape (T, D)
            Features of all frames.

        Returns
        -------
        Alignment
            Log-densities are computed once and serve both passes.

        Raises
        ------
        NoPathError
            If the frames are fewer than the shortest way to say the transcript takes, or no path
            is left in the beam.
        InvalidInputError
            If `X` is no finite matrix of the models' features, or is so long that memory of more
            than 2 GB would be needed.
        """
        frames = check_finite_frames(X, n_features=self._n_features)
        graph = utterance_graph.graph_from_logs(self._logs)
        least = graph.shortest_duration
        if least is None or len(frames) < least:
            raise NoPathError(
                f"the transcript needs at least {least} frames, found {len(frames)}: it is too "
                "long for the recording"
            )
        self._check_memory(len(frames), graph.n_states, utterance_graph.pdfs)
        pdfs = utterance_graph.pdfs
        everything = None
        if self._goodness:
            everything = self._evaluator.evaluate(frames).log_emissions
            log_emissions = np.ascontiguousarray(everything[:, pdfs])
        else:
            log_emissions = self._evaluator.evaluate(frames, pdfs).log_emissions
        best = None if everything is None else everything.max(axis=1)
        path = widening(lambda beam: viterbi(graph, log_emissions, beam=beam), self._beams)
        posteriors = None
        if self._confidences:
            softened, scaled = graph, log_emissions
            if self._scale != 1.0:
                softened = utterance_graph.graph_from_logs(self._scale * self._logs)
                scaled = log_emissions * np.float32(self._scale)
            # Over all paths: a sum over those in a beam would be sure of whatever they are.
            posteriors = forward_backward(softened, scaled).state_posteriors

        def cut(path: ViterbiPath) -> Alignment:
            taken = log_emissions[np.arange(len(frames)), graph.pdf[path.states]]
            taken = taken.astype(np.float64)
            ratios = None if best is None else taken - best
            return cut_path(utterance_graph, path, taken, posteriors, ratios)

        found = cut(path)
        if self._beams[0] is not None and _is_doubtful(found):
            found = cut(viterbi(graph, log_emissions))
        return found

    def _check_memory(self, n_frames: int, n_states: int, pdfs: NDArray[np.integer[Any]]) -> None:
        of_pdfs = self._n_gaussians if self._goodness else self._n_gaussians[pdfs]
        of_state = _BYTES_OF_POSTERIORS if self._confidences else _BYTES_OF_PATH
        of_frame = of_state * n_states + int(
            _BYTES_OF_GAUSSIAN * of_pdfs.sum() + _BYTES_OF_PDF * len(of_pdfs)
        )
        if n_frames * of_frame > _MOST_BYTES:
            without = ", or go without confidences" if self._confidences else ""
            raise InvalidInputError(
                f"to align {n_frames} frames with {n_states} states takes "
                f"{n_frames * of_frame / 1e9:.1f} GB, more than {_MOST_BYTES / 1e9:g}: cut the "
                f"recording and its transcript into stretches{without}"
            )


def _is_doubtful(found: Alignment) -> bool:
    """Whether all paths together see something else where the best path in a beam has a unit."""
    pauses = [phone for phone in found.phones if phone.parent is None]
    return any(item.posterior < _DOUBTFUL for item in (*found.words, *pauses)) or any(
        phone.posterior < _DOUBTFUL_PHONE for phone in found.phones
    )


def align(
    models: PhoneModels, utterance_graph: UtteranceGraph, X: ArrayLike, **options: Any
) -> Alignment:
    """Align one utterance; see `Aligner` for the options and `Aligner.align`."""
    return Aligner(models, **options).align(utterance_graph, X)
