"""Questions about the neighbours of phones, by which decision trees tell contexts apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.topology import freeze

LEFT, CENTRE, RIGHT, STATE = range(4)
"""Columns of a context: the unit before, the unit, the unit after, and the state of the unit."""

NO_UNIT = -1
"""Neighbour at the ends of an utterance, and both neighbours of units that have no context."""


@dataclass(frozen=True, slots=True, eq=False)
class PhoneQuestions:
    """Questions whether a phone is one of a set; a question may be asked of any position.

    Parameters
    ----------
    units : tuple of str
        The U units, in the models' order.
    names : tuple of str
        Name of each question.
    members : array of bool, shape (Q, U)
        Units for which the answer is yes.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a unit occurs twice, or a set has no unit.

    Examples
    --------
    >>> units = ("SIL", "M", "N", "S")
    >>> questions = PhoneQuestions.of_sets(units, {"nasal": ["M", "N"]})
    >>> questions.members.tolist()
    [[False, True, True, False]]
    >>> questions.joined(PhoneQuestions.of_lists(units, [["N", "M"], ["S"]])).names
    ('nasal', 'S')
    """

    units: tuple[str, ...]
    names: tuple[str, ...]
    members: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Copy, freeze and check the sets."""
        freeze(self, members=np.bool_)
        if len(set(self.units)) < len(self.units):
            raise InvalidInputError("a unit occurs twice among the units of questions")
        if self.members.shape != (len(self.names), len(self.units)):
            raise InvalidInputError(
                f"members of questions have the shape {self.members.shape}; it must be "
                f"{(len(self.names), len(self.units))}, questions by units"
            )
        if not self.members.any(axis=1).all():
            empty = self.names[int(np.argmin(self.members.any(axis=1)))]
            raise InvalidInputError(f"question {empty!r} names no unit")

    @property
    def n_questions(self) -> int:
        """Number of questions, Q."""
        return len(self.names)

    @classmethod
    def of_sets(cls, units: Sequence[str], sets: Mapping[str, Sequence[str]]) -> Self:
        """Build questions of named sets of units.

        Parameters
        ----------
        units : sequence of str
            The U units, in the models' order.
        sets : mapping of str to sequence of str
            The units of each question, by its name.

        Raises
        ------
        InvalidInputError
            If a set names units that do not exist; all of them are listed.
        """
        place = {unit: number for number, unit in enumerate(units)}
        asked = dict.fromkeys(unit for members in sets.values() for unit in members)
        if unknown := [unit for unit in asked if unit not in place]:
            raise InvalidInputError(f"questions name unknown units: {', '.join(unknown)}")
        members = np.zeros((len(sets), len(place)), np.bool_)
        for row, named in zip(members, sets.values(), strict=True):
            row[[place[unit] for unit in named]] = True
        return cls(tuple(units), tuple(sets), members)

    @classmethod
    def of_lists(cls, units: Sequence[str], lists: Sequence[Sequence[str]]) -> Self:
        """Build questions of sets of units without names; they are called by their units."""
        place = {unit: number for number, unit in enumerate(units)}
        ordered = [sorted(named, key=lambda unit: place.get(unit, -1)) for named in lists]
        return cls.of_sets(units, {" ".join(named): named for named in ordered})

    def joined(self, other: Self) -> Self:
        """Return these questions and those of `other` that ask for other sets.

        Raises
        ------
        InvalidInputError
            If the questions are about other units.
        """
        if self.units != other.units:
            raise InvalidInputError("questions about different units cannot be joined")
        rows = np.concatenate([self.members, other.members])
        first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
        names = (*self.names, *other.names)
        return type(self)(self.units, tuple(names[row] for row in first), rows[first])

    def text(self, position: int, question: int) -> str:
        """Return a question about a position of the context, in words.

        Parameters
        ----------
        position : int
            `LEFT`, `CENTRE`, `RIGHT` or `STATE`.
        question : int
            Number of the question; for `STATE`, the last state, from 0, for which it is yes.

        Examples
        --------
        >>> questions = PhoneQuestions.of_sets(("M", "N", "S"), {"nasal": ["M", "N"]})
        >>> questions.text(RIGHT, 0), questions.text(STATE, 1)
        ('right nasal (M N)', 'state <= 2')
        """
        if position == STATE:
            return f"state <= {question + 1}"
        name = self.names[question]
        listed = " ".join(np.array(self.units)[self.members[question]].tolist())
        where = {LEFT: "left", CENTRE: "phone", RIGHT: "right"}[position]
        return f"{where} {name}" if name == listed else f"{where} {name} ({listed})"
