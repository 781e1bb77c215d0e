"""Recognition: the best words for frames, when each was said, the alternatives and how sure it is.

Small graphs are searched whole. In large ones the search is kaldi-decoder's: tokens on the states
of a decoding graph, of which those survive at each frame that lie within a beam of the best one;
where it comes to no end, the graph is searched whole, too. So a recording gives words at any beam,
if any path leads through it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.decoding.exact_search import ExactSearch
from speakergmm.hmm.decoding.hypotheses import (
    Hypothesis,
    list_hypotheses,
    read_path,
)
from speakergmm.hmm.decoding.lattice import GraphPath, Lattice, LatticeArrays
from speakergmm.hmm.decoding.transducer import DecodingGraph
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.ranges import number, whole_number

if TYPE_CHECKING:
    from speakergmm.hmm.models.phone_models import PhoneModels

_IMPOSSIBLE = -1e20
"""Stands for log 0 in the search, whose sums must stay finite."""
_SAME_SCORE = 1e-5
"""Relative difference of the scores that two searches give one path."""
_SMALL_GRAPH = 100_000
"""Arcs up to which a graph is searched whole, in 2 % of real time or less."""


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How wide to search, and what counts how much.

    Parameters
    ----------
    acoustic_scale : float, optional
        Factor of log-densities against the probabilities of the graph: those of neighbouring
        frames say the same thing again, and would drown the language model. By default that of
        what is searched: 0.15 for words and 0.25 for phones, which gave the fewest errors on
        held-out speakers of read speech (recipes/phones/RESULTS.md); for isolated words, whose
        ranking doesn't depend on it, 0.1.
    beam : float, default=13.0
        Tokens worse than the best one by more than this are dropped, in scaled natural logarithms,
        in graphs of more arcs than `small_graph`.
    max_active : int, default=7000
        No more tokens than about these are followed at a frame, when no lattice is kept; 2 or more.
        In large graphs, as the beam.
    lattice_beam : float, optional
        Keep all paths within this of the best one, which N-best lists, confidences and lattices
        need. Without it only the best path is found, several times faster.
    n_best : int, default=1
        How many different word sequences to return at most; more than one need a lattice beam.
    small_graph : int, default=100000
        Graphs of up to so many arcs are searched whole: the best path is found, whatever the beam.
        Large ones are when the beam has lost all paths that reach an end.

    Raises
    ------
    InvalidInputError
        If a value lies outside what is allowed.
    """

    acoustic_scale: float | None = None
    beam: float = 13.0
    max_active: int = 7000
    lattice_beam: float | None = None
    n_best: int = 1
    small_graph: int = _SMALL_GRAPH

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("acoustic_scale", "beam", "lattice_beam"):
            if (value := getattr(self, name)) is not None:
                number(name, value, above=0)
        for name, least in (("max_active", 2), ("n_best", 1), ("small_graph", 0)):
            whole_number(name, getattr(self, name), least=least)
        if self.n_best > 1 and self.lattice_beam is None:
            raise InvalidInputError(
                f"{self.n_best} alternatives need a lattice; give lattice_beam, such as 8"
            )


@dataclass(frozen=True, slots=True)
class DecodingResult:
    """What a recording may say.

    Parameters
    ----------
    hypotheses : tuple of Hypothesis
        Different word sequences, the best first; one at least.
    n_frames : int
        Frames of the recording.
    beam : float
        With which it was found; inf where the graph was searched whole.
    lattice : Lattice or None
        All paths kept.

    Notes
    -----
    With n-grams, posteriors and confidences count ways of backing off apart: see `Hypothesis`.
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
    *,
    options: DecodingOptions | None = None,
) -> DecodingResult:
    """Find what was most probably said.

    Parameters
    ----------
    models : PhoneModels
        That the graph was built from.
    graph : DecodingGraph
        What can be said.
    X : array, shape (T, D)
        Frames.
    options : DecodingOptions, optional
        How to search.

    Raises
    ------
    NoPathError
        If no path with a probability above 0 reaches an end of the grammar, or there are fewer
        frames than any path needs; or if the beam has lost all paths, and the graph is too large
        for its whole to be searched in a recording of this length.
    InvalidInputError
        If the frames are not a finite matrix of D columns, or the graph is of other models.
    """
    if graph.units != models.units:
        raise InvalidInputError("the decoding graph was built from models of other units")
    return decode_emissions(graph, models.log_emissions(X, graph.pdfs), options=options)


def decode_emissions(
    graph: DecodingGraph, log_emissions: ArrayLike, *, options: DecodingOptions | None = None
) -> DecodingResult:
    """Find what was most probably said, from log-densities.

    Parameters
    ----------
    graph : DecodingGraph
        What can be said.
    log_emissions : array, shape (T, P)
        Natural log-densities of the pdfs ``graph.pdfs``, in their order; -inf allowed.
    options : DecodingOptions, optional
        How to search.

    Raises
    ------
    NoPathError
        As `decode`.
    InvalidInputError
        If the log-densities have another shape, or are NaN or +inf.
    """
    options = options or DecodingOptions()
    densities = np.asarray(log_emissions)
    if densities.ndim != 2 or densities.shape[1] != len(graph.pdfs):
        raise InvalidInputError(
            f"log_emissions must have shape (frames, {len(graph.pdfs)}), found {densities.shape}"
        )
    if densities.dtype not in (np.float32, np.float64):
        densities = densities.astype(np.float64)
    if len(densities) == 0:
        raise NoPathError("there are no frames to recognise words in", reason="duration")
    best = densities.max(axis=1, keepdims=True)
    if not np.isfinite(best).all():
        frame = int(np.flatnonzero(~np.isfinite(best[:, 0]))[0])
        raise InvalidInputError(f"log-densities of frame {frame} are all -inf, or NaN, or +inf")
    scale = graph.acoustic_scale if options.acoustic_scale is None else options.acoustic_scale
    # Differences from the best of each frame, so that costs stay small for float32.
    scaled = scale * (densities - best).astype(np.float64)
    search = _Search(graph, densities, scale, scaled, options)
    if graph.n_arcs > options.small_graph:
        found = search.pruned()
        if found is not None:
            return found
        if not search.exact.fits(len(densities)):
            raise NoPathError(
                f"no path within a beam of {options.beam:g} reaches an end of the grammar; widen "
                "the beam, or the words may be others",
                reason="beam",
            )
    return search.whole()


@dataclass(frozen=True, slots=True)
class _Search:
    """One recording to be searched: log-densities as they are, their scale, and scaled ones."""

    graph: DecodingGraph
    densities: NDArray[np.floating[Any]]
    scale: float
    scaled: NDArray[np.float64]
    options: DecodingOptions

    @property
    def exact(self) -> ExactSearch:
        """The graph as a search without a beam goes through it."""
        return self.graph.kept(ExactSearch.of)

    def whole(self) -> DecodingResult:
        """Search the whole graph."""
        scaled, beam = np.ascontiguousarray(self.scaled), self.options.lattice_beam
        exact = self.exact
        found = exact.best_path(scaled) if beam is None else exact.lattice(scaled, beam)
        if found is None:
            raise _no_path(self.graph, len(scaled))
        return self._result(found, math.inf)

    def pruned(self) -> DecodingResult | None:
        """Search within the beam; None where that loses all paths, or the best of a lattice."""
        possible = np.maximum(self.scaled, _IMPOSSIBLE).astype(np.float32)
        inputs = np.take(possible, self.graph.columns, axis=1)
        found = self._engine(inputs, None)
        if self.options.lattice_beam is None:
            return found
        result = self._engine(inputs, self.options.lattice_beam)
        # At the same beam the engine's lattice search loses more paths than its other one, which
        # has an eye on the next frame when it prunes; asking for alternatives must not cost the
        # best words.
        if found is None or result is None:
            return result
        wanted = found.best
        if result.best.score >= wanted.score - _SAME_SCORE * max(1.0, abs(wanted.score)):
            return result
        if self.exact.fits(len(self.densities)):
            return None
        # The lattice has too little around this path to say how probable it is.
        others = [h for h in result.hypotheses if h.words != wanted.words]
        return replace(result, hypotheses=(wanted, *others[: self.options.n_best - 1]))

    def _engine(
        self, inputs: NDArray[np.float32], lattice_beam: float | None
    ) -> DecodingResult | None:
        """Let the engine search for the best path or a lattice; None where no end is reached."""
        import kaldi_decoder

        from speakergmm.hmm.decoding.fst import make_transducer, read_lattice

        scores = kaldi_decoder.DecodableCtc(inputs)
        transducer = self.graph.kept(make_transducer)
        options = self.options
        if lattice_beam is None:
            most = options.max_active
            decoder = kaldi_decoder.FasterDecoder(
                transducer,
                kaldi_decoder.FasterDecoderOptions(
                    beam=options.beam,
                    max_active=most,
                    # The engine wants its own least number of tokens (20) to be below the most.
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
        except NoPathError:  # what was left is impossible
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
    shortest = graph.shortest_duration
    if shortest is None:
        return NoPathError("no path of the decoding graph has a probability above 0")
    if n_frames < shortest:
        return NoPathError(
            f"what can be said takes {shortest} frames at least, found {n_frames}",
            reason="duration",
        )
    return NoPathError(f"no path of {n_frames} frames that reaches an end is possible")
