"""Decoding graphs of phones in context: a graph of units is built, and then split by neighbours.

What `GraphBuilder` makes of units, their states at once, is kept here as arcs between nodes until
all of them are known. A unit is then split where its neighbours change its pdfs, as
`expand_contexts` does with utterances; here paths may go round in circles. It is the composition
with a context transducer, of which no more is made than the pdfs ask for.

References
----------
Mohri, Pereira, Riley, "Weighted finite-state transducers in speech recognition", Computer Speech
and Language 16 (2002) 69-88, section 3.2: context-dependency transducers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from speakergmm.hmm.decoding.graph_building import GraphBuilder
from speakergmm.hmm.decoding.transducer import DecodingGraph
from speakergmm.hmm.models.context_splitting import neighbour_groups
from speakergmm.hmm.models.phone_questions import NO_UNIT

if TYPE_CHECKING:
    from speakergmm.hmm.models.phone_models import PhoneModels


class _Passage(NamedTuple):
    """An arc between nodes on which no unit is spoken."""

    source: int
    target: int
    output: int
    weight: float


class _Spoken(NamedTuple):
    """An arc between nodes on which a unit is spoken."""

    source: int
    target: int
    unit: int
    kind: int
    weight: float


class ContextGraphBuilder(GraphBuilder):
    """A `GraphBuilder` of models with a decision tree, which splits units when it has all."""

    def __init__(self, models: PhoneModels) -> None:
        super().__init__(models)
        self._passages: list[_Passage] = []
        self._spoken: list[_Spoken] = []

    def join(
        self, junction: Iterable[tuple[int, float]], state: int, output: int = 0, weight: float = 0
    ) -> None:
        """Add passages from a junction to a node."""
        self._passages += [
            _Passage(source, state, output, log_probability + weight)
            for source, log_probability in junction
        ]

    def unit(
        self,
        junction: list[tuple[int, float]],
        unit: int,
        weight: float,
        kind: int,
        pdfs: tuple[int, ...] | None = None,
    ) -> list[tuple[int, float]]:
        """Add a unit after a junction, and return the node after it."""
        beyond = self.state()
        self._spoken += [
            _Spoken(source, beyond, unit, kind, weight + value) for source, value in junction
        ]
        return [(beyond, 0.0)]

    def finish(self, final: Mapping[int, float], **fields: Any) -> DecodingGraph:
        """Split the units by their neighbours, and return the graph of their states."""
        expansion = _Expansion(self._models, self._passages, self._spoken, final)
        ends = expansion.build()
        return expansion.builder.finish(ends, **fields)


class _Expansion:
    """A graph of units while it is split.

    Parameters
    ----------
    models : PhoneModels
    passages, spoken : list
        All arcs; paths begin in node 0.
    final : mapping of int to float
        Log-probability of ending in each node in which a path may end.
    """

    def __init__(
        self,
        models: PhoneModels,
        passages: list[_Passage],
        spoken: list[_Spoken],
        final: Mapping[int, float],
    ) -> None:
        self.builder = GraphBuilder(models)
        self._models, self._passages, self._spoken, self._final = models, passages, spoken, final
        self._start = self.builder.state()
        self._states: defaultdict[tuple[int, int, int], int] = defaultdict(self.builder.state)
        heads = [(arc.source, arc.target) for arc in passages]
        # The last units before each node and the next ones after it. A unit counts as one that may
        # come after a node even if nothing leads there, which costs states but no mistakes.
        self._before = _spread({0: {NO_UNIT}}, heads, ((arc.target, arc.unit) for arc in spoken))
        self._after = _spread(
            {node: {NO_UNIT} for node in final},
            [(target, source) for source, target in heads],
            ((arc.source, arc.unit) for arc in spoken),
        )

    def build(self) -> dict[int, float]:
        """Add all states and arcs to the builder, and return the final states."""
        join, states = self.builder.join, self._states
        for coming in sorted(self._after[0]):
            join([(self._start, 0.0)], states[0, NO_UNIT, coming])
        for source, target, output, weight in self._passages:
            for last in self._before[source]:
                for coming in self._after[target]:
                    join(
                        [(states[source, last, coming], weight)],
                        states[target, last, coming],
                        output,
                    )
        for arc in self._spoken:
            self._split(arc)
        return {
            states[node, last, NO_UNIT]: value
            for node, value in self._final.items()
            for last in sorted(self._before[node])
        }

    def _split(self, arc: _Spoken) -> None:
        """Add the parts of a unit, one for each group of neighbours on both sides."""
        builder, states = self.builder, self._states
        before, after = sorted(self._before[arc.source]), sorted(self._after[arc.target])
        pdfs = self._models.context_pdfs(arc.unit, before, after)
        lefts, rights = neighbour_groups(pdfs, before, after)
        entered = [
            self._met([states[arc.source, last, arc.unit] for last in group]) for group in lefts
        ]
        for group in rights:
            spoken: list[tuple[int, float]] = []
            for state, left in zip(entered, lefts, strict=True):
                own = pdfs[left[0], group[0]]
                spoken += builder.unit([(state, 0.0)], arc.unit, arc.weight, arc.kind, own)
            beyond = [states[arc.target, arc.unit, coming] for coming in group]
            # Where many follow, paths come together first.
            if len(beyond) > 1:
                common = builder.state()
                builder.join(spoken, common)
                spoken = [(common, 0.0)]
            for state in beyond:
                builder.join(spoken, state)

    def _met(self, sources: list[int]) -> int:
        """Return a state in which paths from several states come together."""
        if len(sources) == 1:
            return sources[0]
        state = self.builder.state()
        self.builder.join([(source, 0.0) for source in sources], state)
        return state


def _spread(
    given: Mapping[int, set[int]],
    passages: Iterable[tuple[int, int]],
    spoken: Iterable[tuple[int, int]],
) -> defaultdict[int, set[int]]:
    """Return the units at each node: those given and spoken there, and what passages bring."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for node, units in given.items():
        found[node] |= units
    for node, unit in spoken:
        found[node].add(unit)
    onwards: defaultdict[int, list[int]] = defaultdict(list)
    for source, target in passages:
        onwards[source].append(target)
    waiting = list(found)
    while waiting:
        node = waiting.pop()
        for target in onwards[node]:
            if not found[node] <= found[target]:
                found[target] |= found[node]
                waiting.append(target)
    return found
