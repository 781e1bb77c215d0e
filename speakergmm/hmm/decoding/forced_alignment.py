"""Forced alignment: the frames of each word, phone and state of a transcript, with posteriors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.hmm.decoding.decoding_options import AlignmentOptions
from speakergmm.hmm.decoding.segments import Alignment, Segment, cut_path
from speakergmm.hmm.inference.algorithms import forward_backward, search_within, viterbi
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.hmm.inference.recursions import ViterbiPath
from speakergmm.hmm.models.bank import BankEvaluator
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph

__all__ = ["Aligner", "Alignment", "Segment", "align"]

# Memory that one alignment may take.
_MOST_BYTES = 2 * 10**9
# Bytes per frame and state: the best arc into the state; with confidences a forward probability,
# which its posterior overwrites, and its level.
_BYTES_OF_PATH = 2
_BYTES_OF_POSTERIORS = 16
# Bytes per frame: of a Gaussian its density, of a pdf logarithms in two precisions and scaled ones.
_BYTES_OF_GAUSSIAN = 4
_BYTES_OF_PDF = 20
# Posteriors of words and pauses, and of phones, below which a path found in a beam is not trusted.
# Phones are short: even on the globally best path one in ten has a posterior below a half.
_DOUBTFUL = 0.5
_DOUBTFUL_PHONE = 0.1


class Aligner:
    """Forced alignment with models that are prepared once for many utterances; thread-safe.

    Parameters
    ----------
    models : PhoneModels
        Models of the units of the transcripts.
    options : AlignmentOptions, optional
        Options of the search and of posteriors.
    **changes
        Single options, in place of those of `options`.

    Raises
    ------
    InvalidInputError
        If an option is out of its range.

    Notes
    -----
    An alignment takes 16 bytes per frame and state of the utterance's graph, 2 without
    confidences, and little more; one of more than 2 GB is refused before it begins. Each thread
    takes as much.

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
        self, models: PhoneModels, options: AlignmentOptions | None = None, **changes: Any
    ) -> None:
        options = AlignmentOptions.of(options, changes)
        beam, retry_beam = options.beam, options.retry_beam
        self._evaluator = BankEvaluator(models.bank)
        self._n_features = models.n_features
        self._n_gaussians = np.diff(models.bank.offsets)
        self._logs = models.transitions.log_probability()
        self._beams: list[float | None] = [beam]
        if beam is not None and retry_beam is not None and retry_beam > beam:
            self._beams.append(retry_beam)
        self._confidences = options.confidences
        self._scale = options.posterior_scale
        self._goodness = options.goodness

    def align(self, utterance_graph: UtteranceGraph, X: ArrayLike) -> Alignment:
        """Find the most probable path of an utterance, and the posteriors of its parts.

        Parameters
        ----------
        utterance_graph : UtteranceGraph
            Graph of the transcript, compiled with these models.
        X : array_like, shape (T, D)
            All frames of the utterance, in feature units.

        Returns
        -------
        Alignment

        Raises
        ------
        NoPathError
            If there are fewer frames than the shortest pronunciation of the transcript takes, or
            the beam has lost every path.
        InvalidInputError
            If `X` is not a finite matrix of the models' features, or so long that the alignment
            would take more than 2 GB of memory.
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
        # Log-densities, computed once for both passes; the goodness needs those of all pdfs.
        pdfs = utterance_graph.pdfs
        everything = None
        if self._goodness:
            everything = self._evaluator.evaluate(frames).log_emissions
            log_emissions = np.ascontiguousarray(everything[:, pdfs])
        else:
            log_emissions = self._evaluator.evaluate(frames, pdfs).log_emissions
        best = None if everything is None else everything.max(axis=1)
        # The best path, within the beam and then within the wider one.
        path = search_within(lambda beam: viterbi(graph, log_emissions, beam=beam), self._beams)
        posteriors = None
        if self._confidences:
            softened, scaled = graph, log_emissions
            if self._scale != 1.0:
                softened = utterance_graph.graph_from_logs(self._scale * self._logs)
                scaled = log_emissions * np.float32(self._scale)
            # Summed over all paths: a sum over those in a beam would be too sure of them.
            posteriors = forward_backward(softened, scaled).state_posteriors

        def cut(path: ViterbiPath) -> Alignment:
            taken = log_emissions[np.arange(len(frames)), graph.pdf[path.states]]
            taken = taken.astype(np.float64)
            ratios = None if best is None else taken - best
            return cut_path(utterance_graph, path, taken, posteriors, ratios)

        # A path that contradicts the posteriors may be a loss of the beam: search without one.
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
            without = ", or do without confidences" if self._confidences else ""
            raise InvalidInputError(
                f"aligning {n_frames} frames with {n_states} states takes "
                f"{n_frames * of_frame / 1e9:.1f} GB, more than {_MOST_BYTES / 1e9:g}: cut the "
                f"recording and its transcript into parts{without}"
            )


def _is_doubtful(found: Alignment) -> bool:
    """Return whether the posteriors contradict a unit of the best path found within a beam."""
    pauses = [phone for phone in found.phones if phone.parent is None]
    return any(item.posterior < _DOUBTFUL for item in (*found.words, *pauses)) or any(
        phone.posterior < _DOUBTFUL_PHONE for phone in found.phones
    )


def align(
    models: PhoneModels,
    utterance_graph: UtteranceGraph,
    X: ArrayLike,
    options: AlignmentOptions | None = None,
    **changes: Any,
) -> Alignment:
    """Align one utterance with its transcript; `Aligner` does so for many.

    Parameters
    ----------
    models : PhoneModels
        Models of the units of the transcript.
    utterance_graph : UtteranceGraph
        Graph of the transcript, compiled with these models.
    X : array_like, shape (T, D)
        All frames of the utterance, in feature units.
    options : AlignmentOptions, optional
        Options of the search and of posteriors.
    **changes
        Single options, in place of those of `options`.

    Returns
    -------
    Alignment

    Raises
    ------
    NoPathError, InvalidInputError
        As `Aligner.align`.
    """
    return Aligner(models, options, **changes).align(utterance_graph, X)
