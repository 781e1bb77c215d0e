"""Recognition: the best words of a recording, with times, alternatives and confidences.

Small graphs are searched exactly. Large ones are searched by kaldi-decoder, which passes tokens
along the states of a decoding graph and keeps those within a beam of the best one at each frame;
if none of them reaches a final state, the graph is searched exactly after all. So every recording
for which there is a path has a result, at any beam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.decoding.decoding_options import DecodingOptions
from speakergmm.hmm.decoding.exact_search import ExactSearch
from speakergmm.hmm.decoding.hypotheses import (
    Hypothesis,
    list_hypotheses,
    read_path,
)
from speakergmm.hmm.decoding.lattice import GraphPath, Lattice, LatticeArrays
from speakergmm.hmm.decoding.transducer import DecodingGraph
from speakergmm.hmm.inference.graph import NoPathError

if TYPE_CHECKING:
    from speakergmm.hmm.models.phone_models import PhoneModels

_IMPOSSIBLE = -1e20
"""Replacement of log 0 in the engine, whose sums must stay finite."""
_SAME_SCORE = 1e-5
"""Largest relative difference between the scores of one path in two searches."""


@dataclass(frozen=True, slots=True)
class DecodingResult:
    """The words that were recognised in a recording, with alternatives.

    Parameters
    ----------
    hypotheses : tuple of Hypothesis
        One or more different word sequences, the best one first.
    n_frames : int
        Number of frames of the recording.
    beam : float
        Beam within which they were found, in scaled nats; inf if the graph was searched exactly.
    lattice : Lattice or None
        All paths within the lattice beam, if there was one.

    Notes
    -----
    With n-grams, posteriors and confidences treat different back-off paths of the same words as
    different paths: see `Hypothesis`.
    """

    hypotheses: tuple[Hypothesis, ...]
    n_frames: int
    beam: float
    lattice: Lattice | None = field(default=None, repr=False)

    @property
    def best(self) -> Hypothesis:
        """The best hypothesis."""
        return self.hypotheses[0]

    @property
    def words(self) -> tuple[str, ...]:
        """Words of the best hypothesis."""
        return self.best.words


def decode(
    models: PhoneModels,
    graph: DecodingGraph,
    X: ArrayLike,
    options: DecodingOptions | None = None,
    **changes: Any,
) -> DecodingResult:
    """Find the most probable words of a recording.

    Parameters
    ----------
    models : PhoneModels
        The models that the graph was built from.
    graph : DecodingGraph
        The sentences that are possible.
    X : array, shape (T, D)
        Frames, in feature units.
    options : DecodingOptions, optional
        Options of the search.
    **changes
        Single options, in place of those of `options`.

    Returns
    -------
    DecodingResult

    Raises
    ------
    NoPathError
        If no path with a probability above 0 reaches a final state of the grammar, or there are
        fewer frames than any path needs; or if the beam has lost all paths, and the graph is too
        large to be searched exactly in a recording of this length.
    InvalidInputError
        If the frames are not a finite matrix of D columns, or the graph belongs to other models.

    Notes
    -----
    Token passing within a beam, as in Kaldi: Povey et al., "Generating exact lattices in the WFST
    framework", ICASSP 2012.
    """
    if graph.units != models.units:
        raise InvalidInputError("the decoding graph was built from models of other units")
    return decode_emissions(graph, models.log_emissions(X, graph.pdfs), options, **changes)


def decode_emissions(
    graph: DecodingGraph,
    log_emissions: ArrayLike,
    options: DecodingOptions | None = None,
    **changes: Any,
) -> DecodingResult:
    """Find the most probable words of a recording, given log-densities.

    Parameters
    ----------
    graph : DecodingGraph
        The sentences that are possible.
    log_emissions : array, shape (T, P)
        Natural log-densities of the pdfs ``graph.pdfs``, in their order; -inf is allowed.
    options : DecodingOptions, optional
        Options of the search.
    **changes
        Single options, in place of those of `options`.

    Returns
    -------
    DecodingResult

    Raises
    ------
    NoPathError
        As `decode`.
    InvalidInputError
        If the log-densities have another shape, or are NaN or +inf.
    """
    options = DecodingOptions.of(options, changes)
    densities = np.asarray(log_emissions)
    if densities.ndim != 2 or densities.shape[1] != len(graph.pdfs):
        raise InvalidInputError(
            f"log_emissions must have shape (frames, {len(graph.pdfs)}), found {densities.shape}"
        )
    if densities.dtype not in (np.float32, np.float64):
        densities = densities.astype(np.float64)
    if len(densities) == 0:
        raise NoPathError("the recording has no frames to recognise words in", reason="duration")
    best = densities.max(axis=1, keepdims=True)
    if not np.isfinite(best).all():
        frame = int(np.flatnonzero(~np.isfinite(best[:, 0]))[0])
        raise InvalidInputError(f"log-densities of frame {frame} are all -inf, or NaN, or +inf")
    scale = graph.acoustic_scale if options.acoustic_scale is None else options.acoustic_scale
    # Differences from the best pdf of each frame, so that costs stay small in float32.
    scaled = scale * (densities - best).astype(np.float64)
    # Large graphs are searched within the beam; small ones, and lost causes, exactly.
    search = _Search(graph, densities, scale, scaled, options)
    if graph.n_arcs > options.small_graph:
        found = search.pruned()
        if found is not None:
            return found
        if not search.exact.fits(len(densities)):
            raise NoPathError(
                f"no path within a beam of {options.beam:g} reaches a final state of the grammar; "
                "widen the beam, or check the words",
                reason="beam",
            )
    return search.whole()


@dataclass(frozen=True, slots=True)
class _Search:
    """The search of one recording: log-densities, their scale, and scaled log-densities."""

    graph: DecodingGraph
    densities: NDArray[np.floating[Any]]
    scale: float
    scaled: NDArray[np.float64]
    options: DecodingOptions

    @property
    def exact(self) -> ExactSearch:
        """The exact search over this graph, which is prepared once per process."""
        return self.graph.prepared(ExactSearch.of)

    def whole(self) -> DecodingResult:
        """Search the whole graph, without pruning."""
        scaled, beam = np.ascontiguousarray(self.scaled), self.options.lattice_beam
        exact = self.exact
        found = exact.best_path(scaled) if beam is None else exact.lattice(scaled, beam)
        if found is None:
            raise _no_path(self.graph, len(scaled))
        return self._result(found, math.inf)

    def pruned(self) -> DecodingResult | None:
        """Search within the beam; return None if all paths, or the best one, are lost."""
        possible = np.maximum(self.scaled, _IMPOSSIBLE).astype(np.float32)
        inputs = np.take(possible, self.graph.columns, axis=1)
        found = self._engine(inputs, None)
        if self.options.lattice_beam is None:
            return found
        result = self._engine(inputs, self.options.lattice_beam)
        # At the same beam the engine's lattice search loses more paths than its other one, which
        # looks ahead to the next frame when it prunes. Alternatives must not cost the best words.
        if found is None or result is None:
            return result
        wanted = found.best
        if result.best.score >= wanted.score - _SAME_SCORE * max(1.0, abs(wanted.score)):
            return result
        if self.exact.fits(len(self.densities)):
            return None
        # The lattice lacks the best path: that path goes first, without a posterior.
        others = [h for h in result.hypotheses if h.words != wanted.words]
        return replace(result, hypotheses=(wanted, *others[: self.options.n_best - 1]))

    def _engine(
        self, inputs: NDArray[np.float32], lattice_beam: float | None
    ) -> DecodingResult | None:
        """Search with kaldi-decoder; return None if no final state is reached."""
        import kaldi_decoder

        from speakergmm.hmm.decoding.fst import make_transducer, read_lattice

        scores = kaldi_decoder.DecodableCtc(inputs)
        transducer = self.graph.prepared(make_transducer)
        options = self.options
        if lattice_beam is None:
            most = options.max_active
            decoder = kaldi_decoder.FasterDecoder(
                transducer,
                kaldi_decoder.FasterDecoderOptions(
                    beam=options.beam,
                    max_active=most,
                    # The engine requires its least number of tokens, 20, to be below the most.
                    min_active=min(20, most - 1),
                ),
            )
            decoder.decode(scores)
            if not decoder.reached_final():
                return None
            found, path = decoder.get_best_path(True)
        else:
            config = kaldi_decoder.LatticeSimpleDecoderConfig(
                beam=options.beam, lattice_beam=lattice_beam
            )
            decoder = kaldi_decoder.LatticeSimpleDecoder(transducer, config)
            if not decoder.decode(scores) or not math.isfinite(decoder.final_relative_cost()):
                return None
            found, path = decoder.get_raw_lattice(True)
        if not found:
            return None
        arrays = read_lattice(path)
        try:
            return self._result(
                arrays.only_path() if lattice_beam is None else arrays, options.beam
            )
        except NoPathError:  # the paths that survived have probability 0
            return None

    def _result(self, found: GraphPath | LatticeArrays, beam: float) -> DecodingResult:
        graph, densities, scale = self.graph, self.densities, self.scale
        if isinstance(found, GraphPath):
            hypothesis = read_path(graph, found, densities, acoustic_scale=scale)
            return DecodingResult((hypothesis,), len(densities), beam)
        lattice = Lattice.from_arrays(found, graph, densities, acoustic_scale=scale)
        hypotheses = tuple(list_hypotheses(lattice, self.options.n_best))
        return DecodingResult(hypotheses, len(densities), beam, lattice)


def _no_path(graph: DecodingGraph, n_frames: int) -> NoPathError:
    """Return the error that says why no path leads through a graph."""
    shortest = graph.shortest_duration
    if shortest is None:
        return NoPathError("no path of the decoding graph has a probability above 0")
    if n_frames < shortest:
        return NoPathError(
            f"the shortest sentence takes {shortest} frames, found {n_frames}",
            reason="duration",
        )
    return NoPathError(f"no path of {n_frames} frames that reaches a final state is possible")
