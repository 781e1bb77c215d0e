"""All ways to say a transcript, as one sparse HMM: pronunciations, optional silences, tee models.

A graph is compiled once, without transition probabilities, and serves all iterations of training:
`UtteranceGraph.graph` puts the present ones in. Between words lie null nodes, which no frame
belongs to; they and the units that can be passed over are resolved here, so that every arc of the
graph goes from one emitting state to another. An arc remembers which transitions of the models it
is made of, and so the expected counts of arcs become those of transitions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.inference.graph import Graph
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transitions import Transitions
from speakergmm.ranges import number


class HasPhones(Protocol):
    """One way to say a word."""

    @property
    def phones(self) -> Sequence[str]:
        """Units, in order."""

    @property
    def probability(self) -> float:
        """How probable this way is among those of the word."""


class HasPronunciations(Protocol):
    """A lexicon, or a dictionary."""

    def __contains__(self, word: object, /) -> bool: ...

    def __getitem__(self, word: str, /) -> Sequence[HasPhones]: ...

    def __iter__(self) -> Iterator[str]: ...


class UnknownWordError(InvalidInputError):
    """A word is not in the lexicon."""


@dataclass(frozen=True, slots=True)
class UnitInstance:
    """A unit at one place of an utterance.

    Parameters
    ----------
    unit : str
        Its name.
    word : int or None
        Which word of the transcript it belongs to; None for a silence between words.
    pronunciation : int
        Which of the word's pronunciations.
    position : int
        Its place in that pronunciation.
    """

    unit: str
    word: int | None
    pronunciation: int
    position: int


@dataclass(frozen=True, slots=True)
class UnitEdge:
    """A unit between two null nodes of a unit graph, or nothing where `unit` is None.

    Parameters
    ----------
    source, target : int
        Nodes, numbered so that ``source < target``.
    unit : str or None
        What is said; None passes without a frame.
    log_prob : float
        Natural logarithm.
    word, pronunciation, position : int
        See `UnitInstance`.
    """

    source: int
    target: int
    unit: str | None
    log_prob: float = 0.0
    word: int | None = None
    pronunciation: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Credits:
    """Which transitions each of some arcs is made of.

    Parameters
    ----------
    fixed : array, shape (A,)
        What does not change of the arcs' log-probabilities: pronunciations, silences.
    owner : array of int, shape (N,)
        Arc that each entry of `transition` belongs to.
    transition : array of int, shape (N,)
        Numbers of transitions, as `Transitions` counts them.
    """

    fixed: NDArray[np.float64]
    owner: NDArray[np.int64]
    transition: NDArray[np.int64]

    def log_prob(self, log_probability: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-probabilities (A,) of the arcs with these of all transitions."""
        # No bincount: it would turn -inf into NaN where an arc has none.
        total = self.fixed.copy()
        np.add.at(total, self.owner, log_probability[self.transition])
        return total

    def add_counts(self, arc_counts: NDArray[np.float64], counts: NDArray[np.float64]) -> None:
        """Add the expected counts (A,) of the arcs to those of all transitions."""
        np.add.at(counts, self.transition, arc_counts[self.owner])


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceGraph:
    """An utterance's sparse HMM, whose probabilities are those of the models put in.

    Parameters
    ----------
    words : tuple of str
        The transcript.
    units : tuple of UnitInstance
        Units at all places, U of them.
    pdfs : array of int, shape (P,)
        Pdfs that occur, as the models number them; the graph's are places in this.
    state_unit : array of int, shape (S,)
        Which of `units` each state of the graph belongs to.
    state_position : array of int, shape (S,)
        Which state of that unit's topology it is.
    skeleton : Graph
        With the fixed parts of the log-probabilities alone.
    arcs, entries, exits : Credits
        What the arcs, entries and exits of the graph are made of.
    """

    words: tuple[str, ...]
    units: tuple[UnitInstance, ...]
    pdfs: NDArray[np.int32]
    state_unit: NDArray[np.int32]
    state_position: NDArray[np.int32]
    skeleton: Graph
    arcs: Credits
    entries: Credits
    exits: Credits

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return len(self.state_unit)

    @property
    def credits(self) -> tuple[Credits, Credits, Credits]:
        """What arcs, entries and exits are made of."""
        return self.arcs, self.entries, self.exits

    def graph(self, transitions: Transitions, *, scale: float = 1.0) -> Graph:
        """Return the graph with these transition probabilities, raised to the power `scale`."""
        logs = transitions.log_probability()
        return self.graph_from_logs(logs if scale == 1.0 else scale * logs)

    def graph_from_logs(self, log_probability: NDArray[np.float64]) -> Graph:
        """Return the graph with these log-probabilities of all transitions."""
        return self.skeleton.with_log_probs(
            *(credits.log_prob(log_probability) for credits in self.credits)
        )

    def add_counts(
        self,
        arc_counts: NDArray[np.float64],
        entry_counts: NDArray[np.float64],
        exit_counts: NDArray[np.float64],
        counts: NDArray[np.float64],
    ) -> None:
        """Add expected counts of the graph's arcs, entries and exits to those of transitions."""
        of_credits = (arc_counts, entry_counts, exit_counts)
        for credits, found in zip(self.credits, of_credits, strict=True):
            credits.add_counts(found, counts)


# An arc as it is found: source, target, the fixed part of its log-probability, its transitions.
_Arc = tuple[int, int, float, tuple[int, ...]]


def _columns(arcs: list[_Arc]) -> tuple[NDArray[np.int32], NDArray[np.int32], Credits]:
    """Give the sources and targets of arcs, and what they are made of."""
    sizes = [len(passed) for *_, passed in arcs]
    return (
        np.array([source for source, *_ in arcs], np.int32),
        np.array([target for _, target, *_ in arcs], np.int32),
        Credits(
            np.array([fixed for _, _, fixed, _ in arcs], np.float64),
            np.repeat(np.arange(len(sizes)), sizes).astype(np.int64),
            np.array([number for *_, passed in arcs for number in passed], np.int64),
        ),
    )


_START = -1
# What has come to a null node: from which state (or the start), the fixed part of the
# log-probability so far, and the transitions it went through.
_Arrival = tuple[int, float, tuple[int, ...]]


def compile_units(
    edges: Iterable[UnitEdge], models: PhoneModels, *, words: Sequence[str] = ()
) -> UtteranceGraph:
    """Turn a graph of units into one of states.

    Parameters
    ----------
    edges : iterable of UnitEdge
        Node 0 is the start, the highest the end.
    models : PhoneModels
        Topologies and tying; probabilities are put in later.
    words : sequence of str
        The transcript, for those who ask.

    Raises
    ------
    InvalidInputError
        If a unit has no model, an edge goes backwards, or the utterance may be passed over without
        a frame.
    """
    arcs, entries, exits, units = _walked(edges, models)
    numbers = [models.unit_number(unit.unit) for unit in units]
    tied_first = models.tying.first
    n_states = np.diff(tied_first)[numbers]
    state_unit = np.repeat(np.arange(len(units)), n_states)
    first_states = np.cumsum(n_states) - n_states
    position = np.arange(len(state_unit)) - first_states[state_unit]
    pdf = models.tying.pdf_id[tied_first[numbers][state_unit] + position]
    pdfs, places = np.unique(pdf, return_inverse=True)
    # Arcs among the states of a unit, which are most: whole units at a time, after those between.
    of_units = [models.topologies[number].sorted_arcs.inner for number in numbers]
    sizes, inner = [found.shape[1] for found in of_units], np.concatenate(of_units, axis=1)
    base = np.repeat(first_states, sizes)
    sources, targets, between = _columns(arcs)
    of_arcs = Credits(
        np.concatenate([between.fixed, np.zeros(len(base))]),
        np.concatenate([between.owner, len(between.fixed) + np.arange(len(base))]),
        np.concatenate(
            [between.transition, np.repeat(models.transitions.first[numbers], sizes) + inner[2]]
        ),
    )
    _, entry_state, of_entries = _columns(entries)
    exit_state, _, of_exits = _columns(exits)
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


def _walked(
    edges: Iterable[UnitEdge], models: PhoneModels
) -> tuple[list[_Arc], list[_Arc], list[_Arc], list[UnitInstance]]:
    """List the arcs between units, into the first and out of the last ones, and the units."""
    ordered = sorted(edges, key=lambda edge: (edge.source, edge.target))
    arrivals: dict[int, list[_Arrival]] = {0: [(_START, 0.0, ())]}
    last = max((edge.target for edge in ordered), default=0)
    arcs: list[_Arc] = []
    entries: list[_Arc] = []
    units: list[UnitInstance] = []
    n_states, first_arcs = 0, models.transitions.first.tolist()
    for edge in ordered:
        if not edge.source < edge.target:
            raise InvalidInputError(f"an edge leads from node {edge.source} to {edge.target}")
        before = [
            (state, fixed + edge.log_prob, passed)
            for state, fixed, passed in arrivals.get(edge.source, [])
        ]
        after = arrivals.setdefault(edge.target, [])
        if edge.unit is None:
            after += before
            continue
        number = models.unit_number(edge.unit)
        topology, first_arc = models.topologies[number], first_arcs[number]
        shape = topology.sorted_arcs
        for state, fixed, passed in before:
            into = entries if state == _START else arcs
            for place, target in shape.entries:
                into.append((state, n_states + target, fixed, (*passed, first_arc + place)))
            after += [(state, fixed, (*passed, first_arc + place)) for place in shape.tee]
        after += [(n_states + state, 0.0, (first_arc + place,)) for place, state in shape.exits]
        units.append(UnitInstance(edge.unit, edge.word, edge.pronunciation, edge.position))
        n_states += topology.n_states
    exits = [(state, _START, fixed, passed) for state, fixed, passed in arrivals.get(last, [])]
    if any(state == _START for state, *_ in exits):
        raise InvalidInputError("an utterance can be passed over without a frame")
    if not units:
        raise InvalidInputError("an utterance needs a unit, found none")
    return arcs, entries, exits, units


def transcript_edges(
    words: Sequence[str],
    lexicon: HasPronunciations,
    *,
    silence: str | None = "SIL",
    silence_probability: float = 0.5,
    edge_silence_probability: float | None = None,
    short_pause: str | None = None,
) -> list[UnitEdge]:
    """List the edges of a transcript: all pronunciations, optional silence around every word.

    Parameters
    ----------
    words : sequence of str
        What was said.
    lexicon : mapping of str to sequence of pronunciations
        Units of each word, with probabilities.
    silence : str or None
        Unit of silence; None for no silence.
    silence_probability : float, default=0.5
        Of silence between two words, 0 to 1.
    edge_silence_probability : float, optional
        The same before the first word and after the last one; by default as between words.
    short_pause : str, optional
        A unit that follows every word but the last, in place of the optional silence between
        words: HTK's ``sp``, a tee model.

    Raises
    ------
    InvalidInputError
        If there is no word, a probability is none, or a pronunciation has no unit.
    UnknownWordError
        If a word has no pronunciation.
    """
    if not words:
        raise InvalidInputError("the transcript is empty; it needs a word")
    edge_probability = (
        silence_probability if edge_silence_probability is None else edge_silence_probability
    )
    for probability in (silence_probability, edge_probability):
        number("a probability of silence", probability, least=0, most=1)
    edges: list[UnitEdge] = []
    node = 0

    def pause(probability: float) -> None:
        nonlocal node
        if silence is None or probability == 0:
            return
        edges.append(UnitEdge(node, node + 1, silence, float(np.log(probability))))
        if probability < 1:
            edges.append(UnitEdge(node, node + 1, None, float(np.log1p(-probability))))
        node += 1

    pause(edge_probability)
    for place, word in enumerate(words):
        # A lexicon is no dictionary, and has no get.
        pronunciations = lexicon[word] if word in lexicon else ()  # noqa: SIM401
        if not pronunciations:
            raise UnknownWordError(f"the word {word!r} is not in the lexicon")
        if not all(way.phones and 0 < way.probability <= 1 for way in pronunciations):
            raise InvalidInputError(
                f"a pronunciation of {word!r} needs phones, and a probability above 0, at most 1"
            )
        # Inner nodes of all pronunciations come before the node where they meet.
        target = node + 1 + sum(len(way.phones) - 1 for way in pronunciations)
        inner = node + 1
        for which, way in enumerate(pronunciations):
            at = node
            for position, unit in enumerate(way.phones):
                onwards = target if position == len(way.phones) - 1 else inner
                log_prob = float(np.log(way.probability)) if position == 0 else 0.0
                edges.append(UnitEdge(at, onwards, unit, log_prob, place, which, position))
                at, inner = onwards, inner + (onwards == inner)
        node = target
        if place == len(words) - 1:
            pause(edge_probability)
        elif short_pause is not None:
            edges.append(UnitEdge(node, node + 1, short_pause))
            node += 1
        else:
            pause(silence_probability)
    return edges


def compile_transcript(
    words: Sequence[str],
    lexicon: HasPronunciations,
    models: PhoneModels,
    **silences: Any,
) -> UtteranceGraph:
    """Compile the graph of a transcript; see `transcript_edges`, also for options of silence."""
    return compile_units(transcript_edges(words, lexicon, **silences), models, words=words)
