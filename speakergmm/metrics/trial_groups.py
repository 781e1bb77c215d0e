"""Groups of trials: the values of a further column of a list, or ranges of its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError

# A column of numbers with more distinct values than this is cut at its quantiles.
_MOST_VALUES, _N_QUANTILES = 8, 4
# A column of more different names tells single trials apart, not groups.
_MOST_NAMES = 12

NO_VALUE = "(none)"
"""The group of trials without a value."""


@dataclass(frozen=True, slots=True, eq=False)
class GroupColumn:
    """A column of the trial list: the group of each trial, such as the sex of the speaker.

    Parameters
    ----------
    name : str
        Name of the column.
    groups : tuple of str
        The groups, sorted; numbers by size.
    places : array of int, shape (N,)
        Place in `groups` of each trial.
    """

    name: str
    groups: tuple[str, ...]
    places: Annotated[NDArray[np.int32], "N"]

    def __post_init__(self) -> None:
        """Check that there is a group at each place."""
        last = len(self.groups) - 1
        if len(self.places) and not (self.places.min() >= 0 and self.places.max() <= last):
            raise InvalidInputError(f"column {self.name!r} must be in 0..{last}")

    @classmethod
    def of(cls, name: str, values: NDArray[Any]) -> Self:
        """Return the groups of the values of a column.

        Parameters
        ----------
        name : str
        values : array, shape (N,)
            Value of each trial, as text. If there are more than 8 different ones and all are
            numbers, the groups are the quarters between their quantiles.

        Examples
        --------
        >>> GroupColumn.of("sex", np.array(["m", "f", ""])).groups
        ('(none)', 'f', 'm')
        >>> GroupColumn.of("seconds", np.arange(12.0)).groups
        ('0 to 2.75', '2.75 to 5.5', '5.5 to 8.25', '8.25 to 11')
        """
        named, places = np.unique(values.astype(str), return_inverse=True)
        numbers = _as_numbers(named)
        if numbers is None:
            groups = [value or NO_VALUE for value in named.tolist()]
        elif len(named) <= _MOST_VALUES:
            order = np.argsort(numbers, kind="stable")
            groups, places = named[order].tolist(), np.argsort(order)[places]
        else:
            number = numbers[places]
            edges = np.unique(np.quantile(number, np.linspace(0, 1, _N_QUANTILES + 1)))
            places = np.clip(np.searchsorted(edges, number, side="right") - 1, 0, len(edges) - 2)
            groups = [f"{a:.4g} to {b:.4g}" for a, b in pairwise(edges)]
        return cls(name, tuple(groups), places.astype(np.int32))

    @property
    def tells_groups(self) -> bool:
        """False for a column of so many names that they tell single trials apart."""
        return len(self.groups) <= _MOST_NAMES

    def masks(self) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each group with the mask of its trials, shape (N,)."""
        for place, group in enumerate(self.groups):
            yield group, self.places == place


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return texts as finite numbers; None if one of them is none."""
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
