"""Checks of what a field of a feature configuration holds, by how the field is declared."""

from typing import Annotated, Any, Literal, get_args, get_origin

from speakergmm.ranges import choice, number, refused, whole_number


def checked(name: str, value: Any, hint: Any) -> Any:
    """Return a field's value in its type.

    Parameters
    ----------
    name : str
    value : object
        What is given.
    hint : type
        Choices are a ``Literal``; numbers, which may be optional, are ``Annotated`` with the ends
        of their range, both of which are allowed.

    Raises
    ------
    InvalidInputError
        If the value is of another type, or out of its range.
    """
    if get_origin(hint) is Literal:
        return choice(name, value, get_args(hint))
    if get_origin(hint) is Annotated:
        kind, (low, high) = get_args(hint)
        kinds = get_args(kind) or (kind,)
        if value is None and type(None) in kinds:
            return None
        check = whole_number if int in kinds else number
        return check(name, value, least=low, most=high)
    if not isinstance(value, hint):
        raise refused(name, "true or false" if hint is bool else "a string", value)
    return value
