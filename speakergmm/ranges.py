"""Ranges of options: the checks, and the words in which a value outside is refused.

Each check takes the option's name and its value, returns the value, and raises
`InvalidInputError` with one line that says what is allowed and what was found:
``tol must be finite and >= 0, found -1``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from speakergmm.errors import InvalidInputError, InvalidTypeError


def refused(name: str, allowed: str, value: Any) -> InvalidInputError:
    """Return the error for an option `name` that is not what is `allowed`."""
    try:
        is_array = hasattr(value, "tolist") and not isinstance(value, type)
        shown = repr(value.tolist() if is_array else value)  # 3.0, no np.float64
    except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists
        shown = f"a value of type {type(value).__name__} that is too long to show"
    shown = " ".join(map(str.strip, shown.splitlines()))
    shown = shown if len(shown) <= 80 else f"{shown[:80]}..."
    return InvalidInputError(f"{name} must be {allowed}, found {shown}")


def wrong_type(given: object, wanted: str, remedy: str = "") -> InvalidTypeError:
    """Return the error that says what was given and what call would be right."""
    kind = given.__name__ if isinstance(given, type) else type(given).__name__
    return InvalidTypeError(f"got {kind} where {wanted} is wanted{remedy}")


def _held(value: Any) -> Any:
    """Return what an array without axes holds; anything else as it is."""
    return value.item() if getattr(value, "shape", None) == () else value


def whole_number(name: str, value: Any, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number in ``least..most``, as an int.

    Raises
    ------
    InvalidInputError
        If it is no whole number (True and 3.0 are none), or is out of range.

    Examples
    --------
    >>> whole_number("max_iter", 0)
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: max_iter must be a whole number >= 1, found 0
    """
    value = _held(value)
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        allowed = f">= {least}" if most is None else f"in {least}..{most}"
        raise refused(name, f"a whole number {allowed}", value)
    return int(value)


def number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite number in the range whose ends are given, as a float.

    Raises
    ------
    InvalidInputError
        If it is no real number, is not finite, or is out of range.

    Examples
    --------
    >>> number("confidence", 1.0, above=0, below=1)
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: confidence must be finite, > 0 and < 1, found 1.0
    """
    value = _held(value)
    ends = [(">=", least), (">", above), ("<=", most), ("<", below)]
    try:
        found = (
            float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
        )
    except OverflowError:  # a whole number beyond all floats
        found = math.inf
    if (
        math.isfinite(found)
        and (least is None or found >= least)
        and (above is None or found > above)
        and (most is None or found <= most)
        and (below is None or found < below)
    ):
        return found
    words = ["finite", *(f"{sign} {end:g}" for sign, end in ends if end is not None)]
    allowed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    raise refused(name, allowed, value)


def sequence(name: str, value: Any) -> tuple[Any, ...]:
    """Return the items of a sequence, as a tuple.

    Raises
    ------
    InvalidInputError
        If it is a single value, or a text.

    Examples
    --------
    >>> sequence("annealing", 0.1)
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: annealing must be a sequence, found 0.1
    """
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise refused(name, "a sequence", value)
    return tuple(value)


def choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return one of the words `choices`.

    Raises
    ------
    InvalidInputError
        If it is none of them.

    Examples
    --------
    >>> choice("kind", "flat", ("full", "diag"))
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: kind must be one of full, diag, found 'flat'
    """
    known = tuple(choices)
    if not isinstance(value, str) or value not in known:
        raise refused(name, f"one of {', '.join(known)}", value)
    return value


def switch(name: str, value: Any) -> bool:
    """Return True or False, also from a boolean of NumPy.

    Raises
    ------
    InvalidInputError
        If it is something else, such as 1.

    Examples
    --------
    >>> switch("progress", 1)
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: progress must be true or false, found 1
    """
    value = _held(value)
    if not isinstance(value, bool):
        raise refused(name, "true or false", value)
    return value
