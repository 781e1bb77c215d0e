"""Parts of decoding graphs: trees of pronunciations, and the states of units along them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.decoding.transducer import BEGINNING, ENTERING, WITHIN, DecodingGraph, Labels
from speakergmm.words import case_hint

if TYPE_CHECKING:
    from speakergmm.hmm.language.grammar import GrammarState
    from speakergmm.hmm.models.phone_models import PhoneModels
    from speakergmm.hmm.models.unit_edges import HasPronunciations


@dataclass(slots=True)
class PronunciationTree:
    """A node of a tree of pronunciations; `best` is the best log-probability of a word below it."""

    children: dict[int, PronunciationTree] = field(default_factory=dict)
    ends: list[tuple[int, int, float]] = field(
        default_factory=list
    )  # word, history after it, its log-probability
    best: float = -math.inf


class SpokenWords:
    """The pronunciations of the words of a grammar, as numbers of units.

    Raises
    ------
    InvalidInputError
        If a word has no pronunciation, a phone has no model, or a word contains a tee model.
    """

    def __init__(
        self,
        models: PhoneModels,
        numbers: Mapping[str, int],
        lexicon: HasPronunciations,
        words: Sequence[str],
    ) -> None:
        check_words(words, lexicon)
        self.index = {word: index for index, word in enumerate(words)}
        self.pronunciations: dict[str, list[tuple[tuple[int, ...], float]]] = {}
        unknown: dict[str, None] = {}
        for word in words:
            entries = []
            for pronunciation in lexicon[word]:
                unknown.update(dict.fromkeys(p for p in pronunciation.phones if p not in numbers))
                phones = tuple(numbers.get(phone, -1) for phone in pronunciation.phones)
                if not phones:
                    raise InvalidInputError(f"the word {word} has a pronunciation without phones")
                if pronunciation.probability > 0:
                    entries.append((phones, math.log(pronunciation.probability)))
            self.pronunciations[word] = entries
        check_units(numbers, list(unknown))
        for word, entries in self.pronunciations.items():
            for phones, _ in entries:
                skipped = [p for p in phones if models.topologies[p].is_tee]
                if skipped:
                    raise InvalidInputError(
                        f"the word {word} is pronounced with {models.units[skipped[0]]}, which may "
                        "take no frame; such a unit is allowed between words only"
                    )

    def tree(self, state: GrammarState, scale: float, penalty: float) -> PronunciationTree:
        """Build the tree of the words that may follow a history, with the best one per node."""
        root = PronunciationTree()
        for arc in state.arcs:
            base, word = scale * arc.log_probability + penalty, self.index[arc.word]
            for phones, log_probability in self.pronunciations[arc.word]:
                weight, node = base + log_probability, root
                for phone in phones:
                    child = node.children.get(phone)
                    if child is None:
                        child = node.children[phone] = PronunciationTree()
                    child.best = max(child.best, weight)
                    node = child
                node.ends.append((word, arc.target, weight))
        return root


class GraphBuilder:
    """Arcs of a decoding graph under construction.

    A junction is a list of states with log-probabilities, from which the next unit can be entered.
    Units are attached to junctions directly, so that there are no empty arcs between phones.
    """

    def __init__(self, models: PhoneModels) -> None:
        self.units = models.units
        self.labels = Labels.from_models(models)
        self.n_states = 0
        self.arcs: list[tuple[int, int, int, int, float]] = []
        self._models = models
        self._logs = models.transitions.log_probability()
        rows = (self.labels.unit, self.labels.position, self.labels.kind, self.labels.pdf)
        listed = zip(*(row.tolist() for row in rows), strict=True)
        self._label = {each: number + 1 for number, each in enumerate(listed)}
        self._shapes: dict[tuple[int, tuple[int, ...]], _Shape] = {}

    def _shape(self, unit: int, pdfs: tuple[int, ...] | None) -> _Shape:
        """Return the arcs of a unit whose states have some pdfs, by default those of the tying."""
        if pdfs is None:
            pdfs = tuple(self._models.tying.pdfs(unit).tolist())
        if (unit, pdfs) not in self._shapes:
            self._shapes[unit, pdfs] = self._made_shape(unit, pdfs)
        return self._shapes[unit, pdfs]

    def _made_shape(self, unit: int, pdfs: tuple[int, ...]) -> _Shape:
        topology = self._models.topologies[unit]
        arcs, first = topology.sorted_arcs, self._models.transitions.first
        weight = self._logs[first[unit] : first[unit + 1]].tolist()
        label = {
            (position, kind): self._label[unit, position, kind, pdf]
            for position, pdf in enumerate(pdfs)
            for kind in (WITHIN, ENTERING, BEGINNING)
            if (unit, position, kind, pdf) in self._label
        }
        return _Shape(
            topology.n_states,
            [(state, weight[a]) for a, state in arcs.entries if weight[a] > -math.inf],
            [
                (source, target, label[target, WITHIN], weight[a])
                for source, target, a in arcs.inner.T.tolist()
                if weight[a] > -math.inf
            ],
            [(state, weight[a]) for a, state in arcs.exits if weight[a] > -math.inf],
            next((weight[a] for a in arcs.tee if weight[a] > -math.inf), None),
            label,
        )

    def state(self) -> int:
        """Add a state and return its number."""
        self.n_states += 1
        return self.n_states - 1

    def join(
        self, junction: Iterable[tuple[int, float]], state: int, output: int = 0, weight: float = 0
    ) -> None:
        """Add empty arcs from a junction to a state."""
        for source, log_probability in junction:
            self.arcs.append((source, state, 0, output, log_probability + weight))

    def unit(
        self,
        junction: list[tuple[int, float]],
        unit: int,
        weight: float,
        kind: int,
        pdfs: tuple[int, ...] | None = None,
    ) -> list[tuple[int, float]]:
        """Attach the states of a unit to a junction, and return the junction after the unit."""
        # Arcs from the junction into the unit, within the unit, and the junction of its exits; if
        # the unit may take no frame, the junction before it is part of the one after it.
        shape, base = self._shape(unit, pdfs), self.n_states
        self.n_states += shape.n_states
        add = self.arcs.append
        for source, log_probability in junction:
            for target, entry in shape.entries:
                label = shape.label[target, kind]
                add((source, base + target, label, 0, log_probability + weight + entry))
        for first, second, label, inner in shape.inner:
            add((base + first, base + second, label, 0, inner))
        after = [(base + state, log_probability) for state, log_probability in shape.exits]
        if shape.tee is not None:
            after += [(source, weight + value + shape.tee) for source, value in junction]
        return after

    def tree(
        self, junction: list[tuple[int, float]], root: PronunciationTree, after: Mapping[int, int]
    ) -> None:
        """Attach a tree of pronunciations to a junction, and words to the states `after` them.

        Log-probabilities are pushed to the root: on entering a node, a path pays the difference
        between the best word below it and the best word below its parent.
        """
        waiting = [(junction, root, 0.0, BEGINNING)]
        while waiting:
            here, node, spent, kind = waiting.pop()
            for word, history, weight in node.ends:
                self.join(here, after[history], word + 1, weight - spent)
            for unit, child in node.children.items():
                beyond = self.unit(here, unit, child.best - spent, kind)
                waiting.append((beyond, child, child.best, ENTERING))

    def finish(self, final: Mapping[int, float], **fields: Any) -> DecodingGraph:
        """Return the graph."""
        numbers = np.array([arc[:4] for arc in self.arcs], np.int32).reshape(-1, 4)
        source, target, inputs, outputs = np.ascontiguousarray(numbers.T)
        ends = np.full(self.n_states, -np.inf)
        for state, log_probability in final.items():
            ends[state] = log_probability
        return DecodingGraph(
            n_states=self.n_states,
            source=source,
            target=target,
            input=inputs,
            output=outputs,
            log_probability=np.array([arc[4] for arc in self.arcs], np.float64),
            final_log_probability=ends,
            units=self.units,
            labels=self.labels,
            **fields,
        )


@dataclass(slots=True)
class _Shape:
    """The arcs of a unit, sorted by kind, with log-probabilities and labels."""

    n_states: int
    entries: list[tuple[int, float]]
    inner: list[tuple[int, int, int, float]]
    exits: list[tuple[int, float]]
    tee: float | None
    label: dict[tuple[int, int], int]


def check_words(words: Sequence[str], lexicon: HasPronunciations) -> None:
    """Raise an error that names all words of a grammar without a pronunciation, if any."""
    if missing := [word for word in words if word not in lexicon]:
        raise InvalidInputError(
            f"{len(missing)} words of the grammar have no pronunciation: {_listed(missing)}"
            + case_hint(missing, lexicon, "write them so")
        )


def check_units(numbers: Mapping[str, int], wanted: Sequence[str | None]) -> None:
    """Raise an error that names all units without a model, if any."""
    missing = [unit for unit in wanted if unit is not None and unit not in numbers]
    if missing:
        raise InvalidInputError(
            f"there is no model of {_listed(missing)}; there are {', '.join(numbers)}"
        )


def _listed(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
