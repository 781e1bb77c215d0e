"""JSON and TOML as they are read from files: one reader of each, for whatever they hold.

Both refuse what would end in an exception of another kind later: brackets within brackets a
thousand deep, numbers of a thousand digits or that are not finite, a key that stands twice, halves
of characters.
"""

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from speakergmm.errors import InvalidInputError
from speakergmm.file_kinds import recognised
from speakergmm.files import read_bytes

LARGEST_DOCUMENT = 1 << 28
"""Bytes that a document may have, unless the caller says otherwise."""

_DEEPEST = 64
_TOO_DEEP = f"has brackets within brackets more than {_DEEPEST} deep"
_MOST_DOTS = 1000
# A value takes some hundred bytes of memory, and one byte of text where it is an empty list.
_MOST_VALUES = 10_000_000
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGERS = range(-(1 << 63), 1 << 64)


class DocumentError(InvalidInputError):
    """A text is not valid JSON or TOML, or holds what no reader here can take."""


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds.

    Parameters
    ----------
    text : str or bytes
        UTF-8 if bytes, with or without byte order mark.

    Raises
    ------
    DocumentError
        One line that says what is wrong.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    speakergmm.documents.DocumentError: the key 'a' stands twice
    """
    text = _decoded(text)
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise DocumentError(f"holds more than {_MOST_VALUES:,} values")
    found = _parsed(_DECODER.decode, text, "JSON")
    if _HALF_CHARACTER.search(text):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise DocumentError("holds half of a character (a surrogate alone)") from None
    return found


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Return the table that a TOML text holds; see `parse_json`."""
    text = _decoded(text)
    # A key of many parts takes the square of their number.
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise DocumentError(f"has a line of more than {_MOST_DOTS} dots")
    found: dict[str, Any] = _parsed(partial(tomllib.loads, parse_float=_finite), text, "TOML")
    return found


def read_json(path: str | os.PathLike[str], *, limit: int = LARGEST_DOCUMENT) -> Any:
    """Return what a JSON file (or pipe) holds.

    Raises
    ------
    UnreadableFileError
        If it cannot be read, or is longer than `limit` bytes.
    DocumentError
        If it is not valid JSON.
    """
    return parse_json(read_bytes(path, limit=limit))


def _decoded(text: str | bytes) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if (found := recognised(text[:4096])) is not None:
            raise DocumentError(f"is {found}, not text") from None
        raise DocumentError(f"byte 0x{text[error.start]:02x} is not UTF-8") from None


def _parsed(parse: Callable[[str], Any], text: str, language: str) -> Any:
    try:
        found = parse(text)
        _check_depth(found)
    except DocumentError:
        raise
    except RecursionError:
        raise DocumentError(_TOO_DEEP) from None
    except ValueError as error:
        reason = " ".join(str(error).split())[:200]
        if "integer string conversion" in reason:
            reason = "a number has thousands of digits"
        raise DocumentError(f"is not valid {language}: {reason}") from None
    return found


def _check_depth(found: Any) -> None:
    level = [found]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                below.extend(value.values())
            elif isinstance(value, list):
                below.extend(value)
            elif isinstance(value, int):
                _in_range(value)
        if not below:
            return
        level = below
    raise DocumentError(_TOO_DEEP)


def _integer(digits: str) -> int:
    if len(digits) > 20:
        raise DocumentError(f"holds a number of {len(digits)} digits; it must fit into 64 bits")
    return _in_range(int(digits))


def _in_range(value: int) -> int:
    if value not in _INTEGERS:
        raise DocumentError("holds a number that does not fit into 64 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if value - value != 0:
        raise DocumentError(f"holds {digits[:30]}; numbers must be finite")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise DocumentError(f"the key {twice[:60]!r} stands twice")
    return found


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_object
)
