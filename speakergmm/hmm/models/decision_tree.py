"""Decision trees: the pdf of a state of a phone in its context (Young, Odell & Woodland 1994)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.phone_questions import CENTRE, NO_UNIT, STATE, PhoneQuestions
from speakergmm.hmm.models.topology import freeze
from speakergmm.hmm.models.tying import Tying
from speakergmm.ranges import refused

LEAF = -1
"""Position, question, children and gain of a node that asks nothing; pdf of one that asks."""


@dataclass(frozen=True, slots=True, eq=False)
class DecisionTree:
    """Trees of questions, one per root; each leaf is a pdf, and several leaves may share one.

    Parameters
    ----------
    roots : Tying
        The root of each state of each unit: what shares an identifier here shares a tree. Without
        any question, the identifiers of roots are the pdfs.
    questions : PhoneQuestions
        The questions about units.
    position : array of int, shape (N,)
        Column of the context that each node asks about, -1 for leaves. The first nodes are the
        roots; children stand after their parent.
    question : array of int, shape (N,)
        Number of the question; if the state is asked, the last state for which it is yes.
    yes, no : array of int, shape (N,)
        Nodes that follow the two answers.
    pdf_id : array of int, shape (N,)
        Pdf of each leaf, -1 for nodes that ask.
    gain : array, shape (N,)
        Log-likelihood gained by each split, in nats; 0 at leaves.
    occupancy : array, shape (N,)
        Frames of the training data at each node.

    Raises
    ------
    InvalidInputError
        If the nodes do not form trees, or name questions or pdfs that do not exist.

    References
    ----------
    .. [1] Young, Odell, Woodland, "Tree-based state tying for high accuracy acoustic modelling",
       HLT (1994) 307-312.
    """

    roots: Tying
    questions: PhoneQuestions
    position: NDArray[np.int32]
    question: NDArray[np.int32]
    yes: NDArray[np.int32]
    no: NDArray[np.int32]
    pdf_id: NDArray[np.int32]
    gain: NDArray[np.float64]
    occupancy: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy, freeze and check the nodes."""
        whole = dict.fromkeys(("position", "question", "yes", "no", "pdf_id"), np.int32)
        freeze(self, **whole, gain=np.float64, occupancy=np.float64)
        arrays = [getattr(self, name) for name in (*whole, "gain", "occupancy")]
        if {array.shape for array in arrays} != {(len(self.position),)}:
            raise InvalidInputError("arrays of the nodes of a tree must have the same length")
        if len(self.roots.first) != len(self.questions.units) + 1:
            raise InvalidInputError(
                f"roots of {len(self.roots.first) - 1} units, questions about "
                f"{len(self.questions.units)}; they must be about the same units"
            )
        asks = self.position != LEAF
        children = np.concatenate([self.yes[asks], self.no[asks]])
        below = np.arange(self.roots.n_pdfs, len(self.position))
        parents = np.concatenate([np.flatnonzero(asks)] * 2)
        if not np.array_equal(np.sort(children), below) or (children <= parents).any():
            raise InvalidInputError("nodes of a tree must stand once each, after their parents")
        states = int(np.diff(self.roots.first).max())
        limit = np.where(self.position == STATE, states, self.questions.n_questions)[asks]
        known = (self.position >= LEAF) & (self.position <= STATE)
        if not known.all() or ((self.question[asks] < 0) | (self.question[asks] >= limit)).any():
            raise InvalidInputError("a node of a tree asks a question that does not exist")
        pdfs = np.unique(self.pdf_id[~asks])
        if (self.pdf_id[asks] != LEAF).any() or not np.array_equal(pdfs, np.arange(len(pdfs))):
            raise InvalidInputError("pdf ids of leaves must be 0, 1, 2, ... without gaps")

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P."""
        return int(self.pdf_id.max()) + 1

    @property
    def n_leaves(self) -> int:
        """Number of leaves, at least P."""
        return int((self.position == LEAF).sum())

    @property
    def total_gain(self) -> float:
        """Log-likelihood that all splits gained, in nats."""
        return float(self.gain.sum())

    def leaves(self, contexts: ArrayLike) -> NDArray[np.int64]:
        """Return the leaf, as the number of a node, that each context comes to.

        Parameters
        ----------
        contexts : array of int, shape (C, 4)
            Unit before, unit, unit after (-1 for none) and state, by their numbers from 0.

        Returns
        -------
        array of int, shape (C,)

        Raises
        ------
        InvalidInputError
            If a unit or state does not exist.
        """
        given = self._checked(contexts)
        states = self.roots.first[given[:, CENTRE]] + given[:, STATE]
        nodes = np.array(self.roots.pdf_id[states], np.int64)
        while (asking := np.flatnonzero(self.position[nodes] != LEAF)).size:
            at = nodes[asking]
            position, question = self.position[at], self.question[at]
            value = given[asking, position]
            # What is no unit is in no set.
            unit = np.clip(value, 0, len(self.questions.units) - 1)
            row = np.where(position == STATE, 0, question)
            member = (value != NO_UNIT) & self._members()[row, unit]
            answer = np.where(position == STATE, value <= question, member)
            nodes[asking] = np.where(answer, self.yes[at], self.no[at])
        return nodes

    def pdfs(self, contexts: ArrayLike) -> NDArray[np.int32]:
        """Return the pdf (C,) of each context; see `leaves`."""
        return self.pdf_id[self.leaves(contexts)]

    def pdfs_below(self, nodes: ArrayLike) -> NDArray[np.int32]:
        """Return the pdfs of all leaves below some nodes, in ascending order."""
        reached = np.zeros(len(self.position), np.bool_)
        reached[np.asarray(nodes)] = True
        for node in np.flatnonzero(self.position != LEAF).tolist():  # parents before children
            if reached[node]:
                reached[[self.yes[node], self.no[node]]] = True
        return np.unique(self.pdf_id[reached & (self.position == LEAF)])

    def report(self) -> str:
        """Return the questions of all trees as indented text, with gains and occupancies.

        Below each question stand what follows the answers yes and no; gains are in nats of the
        training data, occupancies in frames.
        """
        return "\n".join(line for root in range(self.roots.n_pdfs) for line in self._lines(root))

    def _lines(self, root: int) -> Iterator[str]:
        """Yield the lines of one root."""
        yield f"{self._root_name(root)}: {self.occupancy[root]:.0f} frames"
        waiting = [(root, 1, "")]
        while waiting:
            node, depth, answer = waiting.pop()
            start = "  " * depth + answer
            if self.position[node] == LEAF:
                yield f"{start}pdf {self.pdf_id[node]}, {self.occupancy[node]:.0f} frames"
                continue
            asked = self.questions.text(int(self.position[node]), int(self.question[node]))
            yield f"{start}{asked}? gains {self.gain[node]:.1f}"
            waiting.append((int(self.no[node]), depth + 1, "no: "))
            waiting.append((int(self.yes[node]), depth + 1, "yes: "))

    def _root_name(self, root: int) -> str:
        """Return the units of a root, each with those of its states that belong to it."""
        names = []
        for number, unit in enumerate(self.questions.units):
            own = np.flatnonzero(self.roots.pdfs(number) == root) + 1
            if len(own) == len(self.roots.pdfs(number)):
                names.append(unit)
            else:
                names += [f"{unit}.{state}" for state in own.tolist()]
        return " ".join(names)

    def _members(self) -> NDArray[np.bool_]:
        """Return the sets of the questions, with a row even where there is no question."""
        members = self.questions.members
        return members if len(members) else np.zeros((1, len(self.questions.units)), np.bool_)

    def _checked(self, contexts: ArrayLike) -> NDArray[np.int64]:
        """Return contexts as numbers, if their units and states exist."""
        given = np.asarray(contexts)
        if given.ndim != 2 or given.shape[1] != 4 or given.dtype.kind not in "iu":
            raise refused("contexts", "whole numbers, 4 a context", given.shape)
        units, centre = given[:, :STATE], given[:, CENTRE]
        most = len(self.questions.units) - 1
        if units.size and (units.min() < NO_UNIT or units.max() > most or centre.min() < 0):
            raise refused("units of contexts", f"in 0..{most}, or -1 for no neighbour", units)
        if ((given[:, STATE] < 0) | (given[:, STATE] >= np.diff(self.roots.first)[centre])).any():
            raise InvalidInputError("a context names a state that its unit does not have")
        return given.astype(np.int64)
