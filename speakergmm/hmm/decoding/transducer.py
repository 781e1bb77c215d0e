"""A decoding graph as plain arrays, with the meaning of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.models.topology import ENTRY

if TYPE_CHECKING:
    from speakergmm.hmm.language.grammar import Grammar
    from speakergmm.hmm.models.phone_models import PhoneModels

Prepared = TypeVar("Prepared")

WITHIN, ENTERING, BEGINNING = 0, 1, 2
"""Kinds of frames: within a unit, the first of a unit, the first of a word."""

WORD_ACOUSTIC_SCALE, PHONE_ACOUSTIC_SCALE = 0.15, 0.25
"""Scales with the fewest errors on held-out speakers of LibriSpeech (recipes/phones/RESULTS.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The meaning of the inputs of a decoding graph; input i + 1 is entry i of each field.

    Parameters
    ----------
    unit : array of int, shape (L,)
        Number of the unit, as in the models.
    position : array of int, shape (L,)
        Number of the emitting state in the unit.
    kind : array of int, shape (L,)
        `WITHIN`, `ENTERING` or `BEGINNING`: from these, unlike from pdfs, the beginnings of phones
        and words on a path can be found.
    pdf : array of int, shape (L,)
        Pdf of that state.
    """

    unit: NDArray[np.int32]
    position: NDArray[np.int32]
    kind: NDArray[np.int8]
    pdf: NDArray[np.int32]

    @classmethod
    def from_models(cls, models: PhoneModels) -> Labels:
        """Assign numbers to all states of all units, one for each kind of frame possible in them.

        States that have other pdfs in other contexts have one for each pdf.

        Parameters
        ----------
        models : PhoneModels
            Models, whose topologies and tying are used.
        """
        rows: list[tuple[int, int, int, int]] = []
        for unit, topology in enumerate(models.topologies):
            entries = set(topology.target[topology.source == ENTRY].tolist())
            for position, pdfs in enumerate(models.state_pdfs(unit)):
                kinds = (WITHIN, ENTERING, BEGINNING) if position in entries else (WITHIN,)
                rows += [(unit, position, kind, pdf) for kind in kinds for pdf in pdfs]
        table = np.array(rows, np.int32)
        return cls(table[:, 0], table[:, 1], table[:, 2].astype(np.int8), table[:, 3])


@dataclass(frozen=True, eq=False)
class DecodingGraph:
    """A finite-state transducer from emitting states to words, as plain arrays.

    Parameters
    ----------
    n_states : int
        Number of states; a path begins in state 0.
    source, target : array of int, shape (A,)
        States that each arc leads from and to.
    input : array of int, shape (A,)
        1 + index into `labels` of the state that emits a frame on this arc; 0 for none.
    output : array of int, shape (A,)
        1 + index into `words` of the word that ends on this arc; 0 for none.
    log_probability : array, shape (A,)
        Natural logarithms of transitions, silences and pronunciations, and of the scaled grammar.
    final_log_probability : array, shape (n_states,)
        Log-probability of ending in each state; -inf if a path cannot end there.
    words : tuple of str
        The words of the grammar, or its phones.
    units : tuple of str
        Names of the units of the models.
    labels : Labels
        Meaning of the inputs.
    grammar : Grammar
        Grammar of the words.
    silence : str or None
        Unit of optional silence between words.
    language_scale, word_penalty : float
        Scale and penalty that are applied to the grammar.
    acoustic_scale : float, default=0.15
        Default factor of log-densities in a search.
    """

    n_states: int
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    input: NDArray[np.int32]
    output: NDArray[np.int32]
    log_probability: NDArray[np.float64]
    final_log_probability: NDArray[np.float64]
    words: tuple[str, ...]
    units: tuple[str, ...]
    labels: Labels
    grammar: Grammar
    silence: str | None
    language_scale: float = 1.0
    word_penalty: float = 0.0
    acoustic_scale: float = WORD_ACOUSTIC_SCALE

    @property
    def n_arcs(self) -> int:
        """Number of arcs, A."""
        return len(self.source)

    @cached_property
    def pdfs(self) -> NDArray[np.int32]:
        """The pdfs that occur in the graph, ascending, which must be evaluated."""
        used = np.unique(self.input)
        pdfs: NDArray[np.int32] = np.unique(self.labels.pdf[used[used > 0] - 1])
        return pdfs

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Column of `pdfs` of each label, shape (L,); 0 for labels that are not used."""
        columns = np.searchsorted(self.pdfs, self.labels.pdf)
        return np.where(columns < len(self.pdfs), columns, 0)

    @cached_property
    def shortest_duration(self) -> int | None:
        """Least number of frames from the start to an end; None if there is no path."""
        possible = self.log_probability > -np.inf
        source, target = self.source[possible], self.target[possible]
        takes = self.input[possible] > 0
        shorter = np.full(self.n_states, np.inf)
        shorter[0] = 0.0
        while True:
            distance = shorter.copy()
            np.minimum.at(shorter, target, distance[source] + takes)
            if np.array_equal(shorter, distance):
                break
        fewest = distance[self.final_log_probability > -np.inf].min(initial=np.inf)
        return int(fewest) if fewest < np.inf else None

    def prepared(self, prepare: Callable[[DecodingGraph], Prepared]) -> Prepared:
        """Return the graph prepared for a search by a function, which is called once per process.

        Parameters
        ----------
        prepare : callable
            Called with the graph at the first use; its result is kept with the graph.
        """
        kept: dict[Any, Any] = self.__dict__.setdefault("_prepared", {})
        if prepare not in kept:
            kept[prepare] = prepare(self)
        found: Prepared = kept[prepare]
        return found

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickling, without prepared searches, which cannot be pickled."""
        return {key: value for key, value in self.__dict__.items() if key != "_prepared"}
