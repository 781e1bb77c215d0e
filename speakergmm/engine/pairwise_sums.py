"""Sums in a fixed pairwise tree, whose bits do not depend on who computed which part."""

from collections.abc import Callable, Iterable
from typing import TypeVar

Part = TypeVar("Part")


def combine_in_pairs(parts: Iterable[Part], combine: Callable[[Part, Part], Part]) -> Part | None:
    """Combine parts in a fixed pairwise tree over their numbers; None if there is no part.

    Parts 0 and 1 are combined, then 2 and 3, then these two, and so on; what has no partner moves
    up as it is. The tree depends on the number of parts alone. It is built while parts arrive in
    order, with no more than the logarithm of their number waiting at any time. A subtree over an
    aligned run of 2^m parts is a node of the tree: whoever combines the parts of such runs
    elsewhere, and the results here, gets the same bits.

    Parameters
    ----------
    parts : iterable
        In the order of their numbers.
    combine : callable
        Combines a part with the one to the right of it; it may change and return the first.

    Examples
    --------
    >>> combine_in_pairs("abcdefg", lambda left, right: f"({left}{right})")
    '(((ab)(cd))((ef)g))'
    """
    # Complete subtrees from left to right, each with its height; heights fall strictly.
    waiting: list[tuple[int, Part]] = []
    for part in parts:
        height = 0
        while waiting and waiting[-1][0] == height:
            part = combine(waiting.pop()[1], part)
            height += 1
        waiting.append((height, part))
    if not waiting:
        return None
    _, total = waiting.pop()
    while waiting:
        total = combine(waiting.pop()[1], total)
    return total
