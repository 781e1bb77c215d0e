"""Expansion of graphs of units by context: a unit is split where its neighbours change its pdfs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.phone_questions import NO_UNIT
from speakergmm.hmm.models.unit_edges import UnitEdge

# Nodes of the expanded graph, named so that they sort in the order in which paths come to them: the
# node where paths with the same neighbours meet, and those before and after the parts of a unit.
_Node = tuple[int, ...]
_MEETING, _BEFORE, _AFTER = 0, 1, 2
_START: _Node = (-1,)


def expand_contexts(edges: Iterable[UnitEdge], models: PhoneModels) -> list[UnitEdge]:
    """Split the units of a graph by their neighbours, and state the pdfs of each part.

    Parameters
    ----------
    edges : iterable of UnitEdge
        Units between null nodes; node 0 is the start, the highest node the end.
    models : PhoneModels
        Models with a decision tree.

    Returns
    -------
    list of UnitEdge
        Edges of a graph with the same paths, each once and with the same probability. Those of
        units have `UnitEdge.pdfs`.

    Raises
    ------
    InvalidInputError
        If a unit has no model.

    Notes
    -----
    Paths through a node are told apart by the last unit before it and the next one after it.
    Silence is a neighbour like any other unit; before the first and after the last unit there is
    none. Neighbours among which a unit has the same pdfs share one part of it, so that the graph
    grows where the tree asks, not with all contexts that are possible.
    """
    ordered = sorted(edges, key=lambda edge: (edge.source, edge.target))
    numbers = {
        edge.unit: models.unit_number(edge.unit) for edge in ordered if edge.unit is not None
    }
    end = max((edge.target for edge in ordered), default=0)
    befores, afters = _neighbours(ordered, numbers, end)

    def meeting(node: int, last: int, coming: int) -> _Node:
        """Return the node of paths with these neighbours; at the end all come together."""
        return (node, _MEETING, NO_UNIT if node == end else last, coming)

    # 1. The start leads to all units that may come first.
    made = [(_START, meeting(0, NO_UNIT, unit), _NOTHING) for unit in afters[0]]
    for place, edge in enumerate(ordered):
        before, after = befores[edge.source], afters[edge.target]
        # 2. Past an edge without a unit, neighbours stay as they are.
        if edge.unit is None:
            made += [
                (meeting(edge.source, *around), meeting(edge.target, *around), edge)
                for around in product(before, after)
            ]
            continue
        # 3. A unit has a part for each group of neighbours on the left and on the right. Paths
        #    come together before it by groups on the left, and part after it by the others.
        unit = numbers[edge.unit]
        pdfs = models.context_pdfs(unit, before, after)
        lefts, rights = neighbour_groups(pdfs, before, after)
        entered = [(edge.source, _BEFORE, place, group[0]) for group in lefts]
        left_by = [(edge.source, _AFTER, place, group[0]) for group in rights]
        for node, group in zip(entered, lefts, strict=True):
            made += [(meeting(edge.source, last, unit), node, _NOTHING) for last in group]
        for (source, left), (target, right) in product(
            zip(entered, lefts, strict=True), zip(left_by, rights, strict=True)
        ):
            made.append((source, target, replace(edge, pdfs=pdfs[left[0], right[0]])))
        for node, group in zip(left_by, rights, strict=True):
            made += [(node, meeting(edge.target, unit, coming), _NOTHING) for coming in group]
    names = sorted({name for source, target, _ in made for name in (source, target)})
    place_of = {name: place for place, name in enumerate(names)}
    return [
        replace(edge, source=place_of[source], target=place_of[target])
        for source, target, edge in made
    ]


# An edge that takes no frame and costs nothing; its nodes are those of where it stands.
_NOTHING = UnitEdge(0, 1, None)


def _neighbours(
    ordered: Sequence[UnitEdge], numbers: dict[str, int], end: int
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """Return the last units before each node and the next ones after it, on any path."""
    before: defaultdict[int, set[int]] = defaultdict(set, {0: {NO_UNIT}})
    after: defaultdict[int, set[int]] = defaultdict(set, {end: {NO_UNIT}})
    for edge in ordered:
        passed = before[edge.source]
        before[edge.target] |= passed if edge.unit is None or not passed else {numbers[edge.unit]}
    for edge in reversed(ordered):
        coming = after[edge.target]
        after[edge.source] |= coming if edge.unit is None or not coming else {numbers[edge.unit]}
    return tuple(  # type: ignore[return-value]
        {node: sorted(units) for node, units in found.items()} for found in (before, after)
    )


def neighbour_groups(
    pdfs: Mapping[tuple[int, int], tuple[int, ...]], before: Sequence[int], after: Sequence[int]
) -> tuple[list[list[int]], list[list[int]]]:
    """Return groups of neighbours on the left and on the right that make no difference to a unit.

    Parameters
    ----------
    pdfs : mapping of (int, int) to tuple of int
        Pdfs of the states of the unit between each two neighbours; see `PhoneModels.context_pdfs`.
    before, after : sequence of int
        The neighbours.
    """
    lefts: dict[Hashable, list[int]] = {}
    rights: dict[Hashable, list[int]] = {}
    for last in before:
        lefts.setdefault(tuple(pdfs[last, coming] for coming in after), []).append(last)
    for coming in after:
        rights.setdefault(tuple(pdfs[last, coming] for last in before), []).append(coming)
    return list(lefts.values()), list(rights.values())
