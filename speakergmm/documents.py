"""Reading of JSON, TOML and YAML from files and texts.

The readers reject content that would cause other exceptions later: deeply nested brackets, numbers
with thousands of digits or that are not finite, repeated keys, and unpaired surrogates.
"""

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

from speakergmm.errors import InvalidInputError
from speakergmm.file_kinds import recognised
from speakergmm.files import read_bytes

LARGEST_DOCUMENT = 1 << 28
"""Greatest length of a document in bytes, unless the caller states another."""

_DEEPEST = 64
_TOO_DEEP = f"has brackets nested more than {_DEEPEST} deep"
_MOST_DOTS = 1000
# Its parser takes seconds for a megabyte.
_LONGEST_YAML = 1 << 16
_BRACKET = re.compile(r"[][{}]")
# A value takes about a hundred bytes of memory, but only a few bytes of text.
_MOST_VALUES = 10_000_000
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
_INTEGERS = range(-(1 << 63), 1 << 64)


class DocumentError(InvalidInputError):
    """A text is not valid JSON or TOML, or has content that cannot be read."""


def parse_json(text: str | bytes) -> Any:
    """Return the content of a JSON text.

    Parameters
    ----------
    text : str or bytes
        The text; bytes are UTF-8, with or without a byte order mark.

    Raises
    ------
    DocumentError
        If the text is not valid; the message is one line.

    Examples
    --------
    >>> parse_json('{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    >>> parse_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    speakergmm.documents.DocumentError: the key 'a' occurs twice
    """
    text = _decoded(text)
    if sum(map(text.count, ",[{")) > _MOST_VALUES:
        raise DocumentError(f"contains more than {_MOST_VALUES:,} values")
    found = _parsed(_DECODER.decode, text, "JSON")
    if _HALF_CHARACTER.search(text):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise DocumentError("contains half of a character (an unpaired surrogate)") from None
    return found


def parse_toml(text: str | bytes) -> dict[str, Any]:
    """Return the content of a TOML text; see `parse_json`."""
    text = _decoded(text)
    # The time for a key with many parts grows with the square of their number.
    if any(line.count(".") > _MOST_DOTS for line in text.split("\n")):
        raise DocumentError(f"has a line of more than {_MOST_DOTS} dots")
    found: dict[str, Any] = _parsed(partial(tomllib.loads, parse_float=_finite), text, "TOML")
    return found


def parse_yaml(text: str | bytes) -> Any:
    r"""Return the content of a YAML text of at most 64 KiB, whose single values remain texts.

    Anchors and tags have no effect, and an alias is refused: a few bytes of them may stand for
    gigabytes. Texts remain what they are, so that a phone ``no`` is not false.

    Raises
    ------
    DocumentError
        If the text is not valid, or too long.

    Examples
    --------
    >>> parse_yaml("phones: [no, a]\nversion: 1.0")
    {'phones': ['no', 'a'], 'version': '1.0'}
    """
    import yaml

    def load(text: str) -> Any:
        try:
            if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
                raise DocumentError("has an alias (*name); write out what it stands for")
            return yaml.load(text, yaml.BaseLoader)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from None

    text = _decoded(text)
    if len(text) > _LONGEST_YAML:
        raise DocumentError(f"is longer than {_LONGEST_YAML:,} characters")
    # The time for nested brackets grows with the square of their depth.
    depth = accumulate(1 if bracket in "[{" else -1 for bracket in _BRACKET.findall(text))
    if max(depth, default=0) > _DEEPEST:
        raise DocumentError(_TOO_DEEP)
    return _parsed(load, text, "YAML")


def read_json(path: str | os.PathLike[str], *, limit: int = LARGEST_DOCUMENT) -> Any:
    """Return the content of a JSON file or pipe.

    Raises
    ------
    UnreadableFileError
        If it cannot be read, or is longer than `limit` bytes.
    DocumentError
        If it is not valid JSON.
    """
    return parse_json(read_bytes(path, limit=limit))


def _decoded(text: str | bytes) -> str:
    """Return text, decoded from UTF-8 if it is bytes."""
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if (found := recognised(text[:4096])) is not None:
            raise DocumentError(f"is {found}, not text") from None
        raise DocumentError(f"byte 0x{text[error.start]:02x} is not UTF-8") from None


def _parsed(parse: Callable[[str], Any], text: str, language: str) -> Any:
    """Return the content of a text; convert all errors to `DocumentError`."""
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
    """Raise an error if brackets are nested too deep, or whole numbers too large."""
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
        raise DocumentError(f"contains a number of {len(digits)} digits; it must fit into 64 bits")
    return _in_range(int(digits))


def _in_range(value: int) -> int:
    if value not in _INTEGERS:
        raise DocumentError("contains a number that does not fit into 64 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if value - value != 0:
        raise DocumentError(f"contains {digits[:30]}; numbers must be finite")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise DocumentError(f"the key {twice[:60]!r} occurs twice")
    return found


_DECODER = json.JSONDecoder(
    parse_int=_integer, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_object
)
