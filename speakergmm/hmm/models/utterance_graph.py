"""Graphs of transcripts: pronunciations, optional silences and tee models in one sparse HMM.

A graph is compiled once, without transition probabilities, and serves all iterations of training:
`UtteranceGraph.graph` inserts the current probabilities. Null nodes between words, to which no
frame belongs, and tee models, which may take no frame, are resolved here, so that every arc leads
from one emitting state to another. An arc records the transitions of the models that it is made of;
through this record, expected counts of arcs become expected counts of transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.inference.graph import Graph
from speakergmm.hmm.models.context_splitting import expand_contexts
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transitions import Transitions
from speakergmm.hmm.models.unit_edges import HasPronunciations, UnitEdge, transcript_edges


@dataclass(frozen=True, slots=True)
class UnitInstance:
    """A unit at one position of an utterance.

    Parameters
    ----------
    unit : str
        Name of the unit.
    word : int or None
        Number of the word of the transcript that it belongs to; None for silence.
    pronunciation : int
        Number of the pronunciation of that word.
    position : int
        Position in that pronunciation, from 0.
    """

    unit: str
    word: int | None
    pronunciation: int
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class ArcTransitions:
    """The transitions that the arcs of a graph are made of.

    Parameters
    ----------
    fixed : array, shape (A,)
        The part of each arc's log-probability that training does not change: pronunciations and
        silences.
    owner : array of int, shape (N,)
        Arc that each entry of `transition` belongs to.
    transition : array of int, shape (N,)
        Numbers of transitions, in the numbering of `Transitions`.
    """

    fixed: NDArray[np.float64]
    owner: NDArray[np.int64]
    transition: NDArray[np.int64]

    def log_prob(self, log_probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-probabilities (A,) of the arcs, given those of all transitions."""
        # Not bincount, which would turn -inf into NaN.
        total = self.fixed.copy()
        np.add.at(total, self.owner, log_probability[self.transition])
        return total

    def add_counts(self, arc_counts: NDArray[np.float64], counts: NDArray[np.float64]) -> None:
        """Add the expected counts (A,) of the arcs to the counts of all transitions."""
        np.add.at(counts, self.transition, arc_counts[self.owner])


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceGraph:
    """The sparse HMM of an utterance, in which the models' probabilities are inserted.

    Parameters
    ----------
    words : tuple of str
        The transcript.
    units : tuple of UnitInstance
        The U units of all pronunciations and silences.
    pdfs : array of int, shape (P,)
        Pdfs that occur, in the models' numbering; those of the graph are indices into this array.
    state_unit : array of int, shape (S,)
        Index into `units` of the unit that each state of the graph belongs to.
    state_position : array of int, shape (S,)
        Number of that state in the topology of its unit, from 0.
    skeleton : Graph
        The graph with the fixed parts of the log-probabilities alone.
    arcs, entries, exits : ArcTransitions
        Transitions that the arcs, entries and exits of the graph are made of.
    """

    words: tuple[str, ...]
    units: tuple[UnitInstance, ...]
    pdfs: NDArray[np.int32]
    state_unit: NDArray[np.int32]
    state_position: NDArray[np.int32]
    skeleton: Graph
    arcs: ArcTransitions
    entries: ArcTransitions
    exits: ArcTransitions

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return len(self.state_unit)

    @property
    def nbytes(self) -> int:
        """Number of bytes in memory, of units and arcs: an estimate."""
        skeleton, structure = self.skeleton, self.skeleton.structure
        arrays: list[NDArray[Any]] = [
            self.pdfs,
            self.state_unit,
            self.state_position,
            skeleton.pdf,
            structure.pdf,
        ]
        arrays += [getattr(skeleton, name) for name in ("source", "target", "log_prob")]
        arrays += [structure.incoming, structure.incoming_arc, structure.incoming_source]
        arrays += [structure.lowest_target, structure.highest_target]
        arrays += [a for part in self.parts for a in (part.fixed, part.owner, part.transition)]
        # Beside its numbers an array takes 112 bytes, a unit 90; entries and exits are few.
        return sum(array.nbytes + 112 for array in arrays) + 90 * len(self.units) + 2000

    @property
    def parts(self) -> tuple[ArcTransitions, ArcTransitions, ArcTransitions]:
        """Transitions that arcs, entries and exits are made of."""
        return self.arcs, self.entries, self.exits

    def graph(self, transitions: Transitions, *, scale: float = 1.0) -> Graph:
        """Return the graph with transition probabilities, raised to the power `scale`."""
        logs = transitions.log_probability()
        return self.graph_from_logs(logs if scale == 1.0 else scale * logs)

    def graph_from_logs(self, log_probability: NDArray[np.float64]) -> Graph:
        """Return the graph, given the log-probabilities of all transitions."""
        return self.skeleton.with_log_probs(
            *(part.log_prob(log_probability) for part in self.parts)
        )

    def add_counts(
        self,
        arc_counts: NDArray[np.float64],
        entry_counts: NDArray[np.float64],
        exit_counts: NDArray[np.float64],
        counts: NDArray[np.float64],
    ) -> None:
        """Add expected counts of arcs, entries and exits to the counts of all transitions.

        Parameters
        ----------
        arc_counts, entry_counts, exit_counts : array, shape (A,), (E,) and (F,)
            Expected counts, as `expected_counts` returns them.
        counts : array, shape (N,)
            Counts of all transitions of the models, which are added to in place.
        """
        of_parts = (arc_counts, entry_counts, exit_counts)
        for part, found in zip(self.parts, of_parts, strict=True):
            part.add_counts(found, counts)


# An arc: source, target, the fixed part of its log-probability, and its transitions.
_Arc = tuple[int, int, float, tuple[int, ...]]


def _columns(arcs: list[_Arc]) -> tuple[NDArray[np.int32], NDArray[np.int32], ArcTransitions]:
    """Return the sources and targets of arcs, and the transitions that they are made of."""
    sizes = [len(passed) for *_, passed in arcs]
    return (
        np.array([source for source, *_ in arcs], np.int32),
        np.array([target for _, target, *_ in arcs], np.int32),
        ArcTransitions(
            np.array([fixed for _, _, fixed, _ in arcs], np.float64),
            np.repeat(np.arange(len(sizes)), sizes).astype(np.int64),
            np.array([number for *_, passed in arcs for number in passed], np.int64),
        ),
    )


_START = -1
# A path that has arrived at a null node: the state that it left (or the start), the fixed part of
# its log-probability since then, and the transitions that it went through.
_Arrival = tuple[int, float, tuple[int, ...]]


def compile_units(
    edges: Iterable[UnitEdge], models: PhoneModels, *, words: Sequence[str] = ()
) -> UtteranceGraph:
    """Expand a graph of units to a graph of their emitting states.

    Parameters
    ----------
    edges : iterable of UnitEdge
        Units between null nodes; node 0 is the start, the highest node the end.
    models : PhoneModels
        Models whose topologies and tying are used; the graph has no probabilities yet.
    words : sequence of str
        The transcript, which the result carries along.

    Returns
    -------
    UtteranceGraph

    Raises
    ------
    InvalidInputError
        If a unit has no model, an edge leads backwards, or a path takes no frame at all.
    """
    # 1. Walk along the edges: the units in order, and the arcs that lead from unit to unit, into
    #    the first ones and out of the last ones. Null nodes and tee models are gone after this.
    #    Before, units are split whose pdfs depend on their neighbours.
    if models.tree is not None:
        edges = expand_contexts(edges, models)
    arcs, entries, exits, units, pdf = _walk_edges(edges, models)
    # 2. States: those of all units one after the other, and the pdf of each. The graph numbers the
    #    pdfs that occur from 0, so that only these need be evaluated.
    numbers = [models.unit_number(unit.unit) for unit in units]
    n_states = np.diff(models.tying.first)[numbers]
    state_unit = np.repeat(np.arange(len(units)), n_states)
    first_states = np.cumsum(n_states) - n_states
    position = np.arange(len(state_unit)) - first_states[state_unit]
    pdfs, places = np.unique(pdf, return_inverse=True)
    # 3. Arcs: first those between units, then those among the states of a unit. The latter, which
    #    are most, are those of the topologies, moved to the first state of each unit at once.
    of_units = [models.topologies[number].sorted_arcs.inner for number in numbers]
    sizes, inner = [found.shape[1] for found in of_units], np.concatenate(of_units, axis=1)
    base = np.repeat(first_states, sizes)
    sources, targets, between = _columns(arcs)
    # 4. The transitions that each arc is made of. An arc within a unit is exactly one, numbered
    #    from the first transition of its unit, and has no fixed part.
    of_arcs = ArcTransitions(
        np.concatenate([between.fixed, np.zeros(len(base))]),
        np.concatenate([between.owner, len(between.fixed) + np.arange(len(base))]),
        np.concatenate(
            [between.transition, np.repeat(models.transitions.first[numbers], sizes) + inner[2]]
        ),
    )
    _, entry_state, of_entries = _columns(entries)
    exit_state, _, of_exits = _columns(exits)
    # 5. The graph, with the fixed parts of the log-probabilities alone.
    skeleton = Graph(
        pdf=places.astype(np.int32),
        source=np.concatenate([sources, base + inner[0]]).astype(np.int32),
        target=np.concatenate([targets, base + inner[1]]).astype(np.int32),
        log_prob=of_arcs.fixed,
        entry_state=entry_state,
        entry_log_prob=of_entries.fixed,
        exit_state=exit_state,
        exit_log_prob=of_exits.fixed,
    )
    return UtteranceGraph(
        tuple(words),
        tuple(units),
        pdfs.astype(np.int32),
        state_unit.astype(np.int32),
        position.astype(np.int32),
        skeleton,
        of_arcs,
        of_entries,
        of_exits,
    )


def _walk_edges(
    edges: Iterable[UnitEdge], models: PhoneModels
) -> tuple[list[_Arc], list[_Arc], list[_Arc], list[UnitInstance], NDArray[np.int32]]:
    """List the arcs between units, into the first and out of the last ones, the units, and pdfs."""
    # In this order, all edges into a node come before those out of it.
    ordered = sorted(edges, key=lambda edge: (edge.source, edge.target))
    # Per node, the paths that have arrived there since the last emitting state.
    arrivals: dict[int, list[_Arrival]] = {0: [(_START, 0.0, ())]}
    last = max((edge.target for edge in ordered), default=0)
    arcs: list[_Arc] = []
    entries: list[_Arc] = []
    units: list[UnitInstance] = []
    pdfs: list[NDArray[np.int32] | tuple[int, ...]] = []
    n_states, first_arcs = 0, models.transitions.first.tolist()
    for edge in ordered:
        if not edge.source < edge.target:
            raise InvalidInputError(f"an edge leads from node {edge.source} to {edge.target}")
        # The paths at the start of the edge pay its log-probability.
        before = [
            (state, fixed + edge.log_prob, passed)
            for state, fixed, passed in arrivals.get(edge.source, [])
        ]
        after = arrivals.setdefault(edge.target, [])
        # Without a unit they arrive at its end as they are.
        if edge.unit is None:
            after += before
            continue
        number = models.unit_number(edge.unit)
        topology, first_arc = models.topologies[number], first_arcs[number]
        kinds = topology.sorted_arcs
        for state, fixed, passed in before:
            # Each path continues to each first state of the unit: one arc of the graph, made of all
            # transitions since the last state, and the one into the unit.
            into = entries if state == _START else arcs
            for place, target in kinds.entries:
                into.append((state, n_states + target, fixed, (*passed, first_arc + place)))
            # In a tee model a path may also go past all states.
            after += [(state, fixed, (*passed, first_arc + place)) for place in kinds.tee]
        # At the end of the edge, paths arrive that have left the unit by its last states.
        after += [(n_states + state, 0.0, (first_arc + place,)) for place, state in kinds.exits]
        units.append(UnitInstance(edge.unit, edge.word, edge.pronunciation, edge.position))
        pdfs.append(models.tying.pdfs(number) if edge.pdfs is None else edge.pdfs)
        n_states += topology.n_states
    # Paths that have arrived at the last node leave the graph.
    exits = [(state, _START, fixed, passed) for state, fixed, passed in arrivals.get(last, [])]
    if any(state == _START for state, *_ in exits):
        raise InvalidInputError("a path through the utterance takes no frame")
    if not units:
        raise InvalidInputError("an utterance needs a unit, found none")
    return arcs, entries, exits, units, np.concatenate(pdfs)


def compile_transcript(
    words: Sequence[str],
    lexicon: HasPronunciations,
    models: PhoneModels,
    **silences: Any,
) -> UtteranceGraph:
    """Compile the graph of a transcript: all pronunciations, with optional silence.

    Parameters
    ----------
    words : sequence of str
        The words spoken.
    lexicon : mapping of str to sequence of pronunciations
        Pronunciations of each word, with probabilities.
    models : PhoneModels
        Models of the units.
    **silences
        Options of silence, as `transcript_edges` takes them.

    Returns
    -------
    UtteranceGraph

    Raises
    ------
    InvalidInputError, UnknownWordError
        As `transcript_edges` and `compile_units`.

    References
    ----------
    Young et al., "The HTK Book", 2006, section 3.1: composite models of transcripts.
    """
    return compile_units(transcript_edges(words, lexicon, **silences), models, words=words)
