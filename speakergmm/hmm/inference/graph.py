"""A sparse hidden Markov model as a graph: emitting states, arcs, entries and exits.

All inference runs over such graphs: a word model, the models of all pronunciations of an utterance,
or a loop of phones are compiled to one. It has no states without emission: whoever composes a graph
joins the arcs before and after such states.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.hmm.inference.graph_structure import UNREACHABLE, Structure

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


class NoPathError(InsufficientDataError):
    """No path through a graph has a probability above zero, given the frames.

    Attributes
    ----------
    reason : {"duration", "beam", "probability"}
        There are too few frames, the beam has lost every path, or all paths have probability zero.
    frame : int or None
        Frame at which the last path was lost, counted from 0.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: Literal["duration", "beam", "probability"] = "probability",
        frame: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.frame = frame


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A sparse hidden Markov model with S emitting states and A arcs.

    All probabilities are natural logarithms; they need not sum to one, and may be -inf. Parallel
    arcs, and repeated entries and exits, make different paths. A path enters a state at the first
    frame, takes one arc between two frames, and leaves after the last one; a path of one frame has
    an entry and an exit, but no arc.

    Parameters
    ----------
    pdf : array of int, shape (S,)
        Number of the pdf of each state: its column of the log-emissions.
    source, target : array of int, shape (A,)
        States that each arc leads from and to.
    log_prob : array, shape (A,)
        Log-probability of each arc.
    entry_state, entry_log_prob : array, shape (E,)
        States of the first frame, and the log-probability of starting there.
    exit_state, exit_log_prob : array, shape (F,)
        States of the last frame, and the log-probability of ending there.

    Raises
    ------
    InvalidInputError
        If there is no state, entry or exit, shapes differ, an index is out of range, or a
        log-probability is NaN or +inf.

    Examples
    --------
    Two states from left to right, each of which is left with probability 1/2:

    >>> half = np.log(0.5)
    >>> graph = Graph([0, 1], [0, 0, 1], [0, 1, 1], [half] * 3, [0], [0.0], [1], [half])
    >>> graph.n_states, graph.n_arcs, graph.n_pdfs, graph.shortest_duration
    (2, 3, 2, 2)
    """

    pdf: Indices
    source: Indices
    target: Indices
    log_prob: Floats
    entry_state: Indices
    entry_log_prob: Floats
    exit_state: Indices
    exit_log_prob: Floats
    structure: Structure = field(default=None, repr=False)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.structure is None:
            _put(self, "pdf", _indices(self.pdf, "pdf", UNREACHABLE))
            if not len(self.pdf):
                raise InvalidInputError("a graph needs at least one state, found none")
            for name in ("source", "target", "entry_state", "exit_state"):
                _put(self, name, _indices(getattr(self, name), name, len(self.pdf)))
            if len(self.source) != len(self.target):
                raise InvalidInputError(
                    f"source and target need the same length, found {len(self.source)} and "
                    f"{len(self.target)}"
                )
            for name in ("entry", "exit"):
                if not len(getattr(self, f"{name}_state")):
                    raise InvalidInputError(f"a graph needs at least one {name}, found none")
            ends = (self.source, self.target, self.entry_state, self.exit_state)
            _put(self, "structure", Structure.of(self.pdf, *ends))
        for name, states in (
            ("log_prob", self.source),
            ("entry_log_prob", self.entry_state),
            ("exit_log_prob", self.exit_state),
        ):
            _put(self, name, _log_probabilities(getattr(self, name), name, len(states)))

    @classmethod
    def from_arcs(
        cls,
        pdf: ArrayLike,
        arcs: list[tuple[int, int, float]],
        entries: list[tuple[int, float]],
        exits: list[tuple[int, float]],
    ) -> Graph:
        """Build a graph from lists of arcs, entries and exits.

        Parameters
        ----------
        pdf : array of int, shape (S,)
            Number of the pdf of each state.
        arcs : list of (source, target, log-probability)
        entries, exits : list of (state, log-probability)

        Examples
        --------
        >>> Graph.from_arcs([0], [(0, 0, -0.1)], [(0, 0.0)], [(0, -2.3)]).n_arcs
        1
        """
        columns = [list(column) for column in zip(*arcs, strict=True)] or [[], [], []]
        source, target, log_prob = columns
        entry_state, entry_log_prob = zip(*entries, strict=True) if entries else ((), ())
        exit_state, exit_log_prob = zip(*exits, strict=True) if exits else ((), ())
        parts: tuple[Any, ...] = (pdf, source, target, log_prob)
        parts += (entry_state, entry_log_prob, exit_state, exit_log_prob)
        return cls(*parts)

    @classmethod
    def dense(cls, start_probability: ArrayLike, transition_matrix: ArrayLike) -> Graph:
        """Build the graph of a model that may end in any state, with one pdf per state.

        Start and transition probabilities of zero have no entry and no arc.

        Parameters
        ----------
        start_probability : array, shape (S,)
            Probability of each state at the first frame.
        transition_matrix : array, shape (S, S)
            Row i contains the probabilities of the states that follow state i.

        Raises
        ------
        InvalidInputError
            If the shapes disagree, or a probability is negative, NaN or infinite.

        Examples
        --------
        >>> Graph.dense([1.0, 0.0], [[0.9, 0.1], [0.0, 1.0]]).n_arcs
        3
        """
        start = np.asarray(start_probability, dtype=np.float64)
        matrix = np.asarray(transition_matrix, dtype=np.float64)
        if start.ndim != 1 or matrix.shape != (len(start), len(start)):
            raise InvalidInputError(
                "start probabilities and the transition matrix need shapes (S,) and (S, S), found "
                f"{start.shape} and {matrix.shape}"
            )
        for name, values in (("start probabilities", start), ("transition matrix", matrix)):
            if not (np.isfinite(values).all() and (values >= 0).all()):
                raise InvalidInputError(f"{name}: probabilities must be finite and >= 0")
        source, target = np.nonzero(matrix)
        (entry,) = np.nonzero(start)
        n_states = len(start)
        states: Indices = np.arange(n_states, dtype=np.int32)
        return cls(
            pdf=states,
            source=source.astype(np.int32),
            target=target.astype(np.int32),
            log_prob=np.log(matrix[source, target]),
            entry_state=entry.astype(np.int32),
            entry_log_prob=np.log(start[entry]),
            exit_state=states,
            exit_log_prob=np.zeros(n_states),
        )

    def with_log_probs(
        self, log_prob: ArrayLike, entry_log_prob: ArrayLike, exit_log_prob: ArrayLike
    ) -> Graph:
        """Return the graph with other log-probabilities; both share the sorted arcs.

        Parameters
        ----------
        log_prob : array, shape (A,)
            Log-probabilities of the arcs.
        entry_log_prob : array, shape (E,)
            Log-probabilities of the entries.
        exit_log_prob : array, shape (F,)
            Log-probabilities of the exits.
        """
        return Graph(
            self.pdf,
            self.source,
            self.target,
            log_prob,  # type: ignore[arg-type]
            self.entry_state,
            entry_log_prob,  # type: ignore[arg-type]
            self.exit_state,
            exit_log_prob,  # type: ignore[arg-type]
            self.structure,
        )

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return len(self.pdf)

    @property
    def n_arcs(self) -> int:
        """Number of arcs, A."""
        return len(self.source)

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P: columns of log-emissions that the states need."""
        return int(self.pdf.max()) + 1

    @property
    def arcs_to_exit(self) -> Indices:
        """Fewest arcs of finite probability from each state to an exit, shape (S,).

        For states from which no exit can be reached it is `UNREACHABLE`.
        """
        return self.structure.arcs_to_exit(self.log_prob, self.exit_log_prob)

    @property
    def shortest_duration(self) -> int | None:
        """Fewest frames of any path of finite probability; None if there is no such path."""
        entries = self.entry_state[np.isfinite(self.entry_log_prob)]
        fewest = int(self.arcs_to_exit[entries].min(initial=UNREACHABLE))
        return None if fewest == UNREACHABLE else fewest + 1


def _put(graph: Graph, name: str, value: object) -> None:
    object.__setattr__(graph, name, value)


def _indices(values: object, name: str, limit: int) -> Indices:
    """Return indices as a read-only array, if they are in 0..limit - 1."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise InvalidInputError(f"{name} needs one axis, found shape {array.shape}")
    if array.size:
        if array.dtype.kind not in "iu":
            raise InvalidInputError(f"{name} needs integers, found {array.dtype}")
        lowest, highest = int(array.min()), int(array.max())
        if lowest < 0 or highest >= limit:
            found = lowest if lowest < 0 else highest
            raise InvalidInputError(f"{name} needs indices 0 to {limit - 1}, found {found}")
    made = np.array(array, dtype=np.int32)
    made.flags.writeable = False
    return made


def _log_probabilities(values: object, name: str, length: int) -> Floats:
    """Return log-probabilities as a read-only array, if they are below +inf."""
    made = np.array(values, dtype=np.float64)
    if made.shape != (length,):
        raise InvalidInputError(f"{name} needs shape ({length},), found {made.shape}")
    # A comparison with NaN is false.
    if not made.max(initial=-np.inf) < np.inf:
        raise InvalidInputError(f"{name}: log-probabilities must be below +inf, found NaN or +inf")
    made.flags.writeable = False
    return made
