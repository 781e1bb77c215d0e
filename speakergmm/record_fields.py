"""Conversion of the declared fields of a class to arrays and JSON, and back.

A class declares its fields once, by the types of the parameters of its constructor, which are also
its attributes: every dataclass is a record. A class with another stored form defines
`record_types`, `record_parts` and `of_record`. The declared types determine where each field is
stored (arrays in a container under their path, such as ``statistics.counts``; everything else in
its JSON), and what is rejected on loading. Constructors check the rest, such as ranges of numbers.

A type is an array (`NDArray[np.float64]`, with letters for its axes as ``Annotated[..., "K D"]`` if
they must agree within a record), a record, a base class of several kinds of records (which sets
`record_has_kinds`), a plain value (bool, int, float, str, a Literal, None), a tuple, list, sequence
(which is read as a tuple) or union of these, a mapping of names to types (or None in its place),
`Given` for parameters of estimators, or Any for any JSON.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import choice

Arrays = dict[str, NDArray[Any]]
Types = Mapping[str, Any]

Given = NewType("Given", object)
"""A parameter of an estimator: a plain value, or numbers of any shape, stored as an array."""

_ABSENT: Any = object()
_PLAIN: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (float, int),
    str: (str,),
}
_NOT_FINITE = {str(value): value for value in (math.inf, -math.inf, math.nan)}
_GIVEN = int | float | str | bool | None


def parts(record: Any) -> dict[str, Any]:
    """Return the fields of a record by name."""
    if hasattr(record, "record_parts"):
        return dict(record.record_parts())
    return {name: getattr(record, name) for name in record_types(type(record))}


def is_record(kind: Any) -> bool:
    """Return whether a class declares fields, as dataclasses do."""
    return isinstance(kind, type) and (
        hasattr(kind, "__dataclass_fields__") or hasattr(kind, "record_types")
    )


def record_types(kind: Any) -> Types:
    """Return the types of the fields that a class declares, by name."""
    return _record_types(kind)


@cache
def _record_types(kind: Any) -> Types:
    cls = get_origin(kind) or kind
    if hasattr(cls, "record_types"):
        return dict(cls.record_types())
    of_attributes = get_type_hints(cls, include_extras=True)
    of_parameters = get_type_hints(cls.__init__, include_extras=True)
    named = dict(zip(getattr(cls, "__parameters__", ()), get_args(kind), strict=False))
    return {
        name: _named_type(of_attributes.get(name, of_parameters.get(name)), named)
        for name in list(inspect.signature(cls.__init__).parameters)[1:]
    }


def _named_type(kind: Any, named: Mapping[Any, Any]) -> Any:
    """Return a type in which the type parameters of a class are replaced by types."""
    if isinstance(kind, TypeVar):
        return named.get(kind, Any)
    free = getattr(kind, "__parameters__", ())
    return kind[tuple(named.get(name, Any) for name in free)] if free and named else kind


class Stored:
    """The arrays of a container, with a record of those that were used."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self.taken: set[str] = set()
        self._paths = {
            ".".join(names[: n + 1])
            for names in (name.split(".") for name in arrays)
            for n in range(len(names))
        }

    def __contains__(self, path: str) -> bool:
        """Return whether there is an array at a path or below it."""
        return path in self._paths

    def take(self, path: str) -> NDArray[Any]:
        """Return the array at a path; raise an error if it is missing."""
        if path not in self.arrays:
            raise InvalidInputError(f"array {path!r} is missing")
        self.taken.add(path)
        return self.arrays[path]


def _encode(value: Any, kind: Any, path: str, arrays: Arrays) -> Any:
    """Store the arrays of a value by path, and return the rest for JSON."""
    if isinstance(kind, Mapping):
        return None if value is None else _encode_fields(value, kind, path, arrays)
    kind, origin, args, dtype = _taken_apart(kind)
    if dtype is not None:
        arrays[path] = np.asarray(value, dtype)
        return _ABSENT
    if kind is Given:
        return _encode_given(value, path, arrays)
    if kind is Any or origin is Literal:
        return value
    if origin in (Union, types.UnionType):
        return None if value is None else _encode(value, _choice(value, args), path, arrays)
    if origin in (tuple, list):
        if (dtype := _dtype_of_items(args)) is not None:
            arrays[f"{path}.length"] = np.array([len(each) for each in value], np.int64)
            arrays[f"{path}.values"] = np.concatenate([np.zeros(0, dtype), *value]).astype(dtype)
            return _ABSENT
        return [
            None if (node := _encode(item, each, f"{path}.{place}", arrays)) is _ABSENT else node
            for place, (item, each) in enumerate(zip(value, _of_items(args, value), strict=True))
        ]
    if kind in _PLAIN:
        value = kind(value)
        return str(value) if kind is float and not math.isfinite(value) else value
    if origin is dict or kind in (dict, types.NoneType):
        return value
    return encode_record(value, kind, path, arrays)


def encode_record(record: Any, kind: Any, path: str, arrays: Arrays) -> Any:
    """Store the arrays of a record by path, and return the rest for JSON."""
    cls = get_origin(kind) or kind
    if _has_kinds(cls):
        node = encode_record(record, type(record), path, arrays)
        return {"type": type(record).__name__, **node}
    if _is_document(cls):
        return record.to_dict()
    return _encode_fields(parts(record), record_types(kind), path, arrays)


def _encode_fields(values: Types, fields: Types, path: str, arrays: Arrays) -> dict[str, Any]:
    """Encode values by name; optional ones may be missing."""
    tree = {}
    for name, kind in fields.items():
        if name in values or not is_optional(kind):
            node = _encode(values[name], kind, _below(path, name), arrays)
            if node is not _ABSENT:
                tree[name] = node
    return tree


def _encode_given(value: Any, path: str, arrays: Arrays) -> Any:
    """Store a parameter of several numbers as an array, or return a plain value."""
    if isinstance(value, np.ndarray | list | tuple):
        arrays[path] = np.asarray(value, np.float64)
        return _ABSENT
    value = value.item() if isinstance(value, np.generic) else value
    return _encode(value, float, path, arrays) if isinstance(value, float) else value


def encode_any(value: Any, path: str, arrays: Arrays) -> Any:
    """Encode a value by its own type, for digests."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return "array"
    if isinstance(value, Mapping):
        return {str(k): encode_any(v, _below(path, str(k)), arrays) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [encode_any(v, _below(path, str(n)), arrays) for n, v in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return _encode_given(value, path, arrays)
    return {type(value).__name__: encode_record(value, type(value), path, arrays)}


def _decode(node: Any, kind: Any, path: str, arrays: Stored) -> Any:
    """Return a value from its part of the JSON (absent for an array) and the arrays of its path."""
    if isinstance(kind, Mapping):
        return None if node is None else _decode_fields(node, kind, path, arrays)
    kind, origin, args, dtype = _taken_apart(kind)
    if dtype is not None:
        return _decode_array(path, dtype, arrays)
    if kind is Given:
        return arrays.take(path) if node is _ABSENT else _decode(node, _GIVEN, path, arrays)
    if origin in (Union, types.UnionType):
        return _decode_union(node, args, path, arrays)
    if origin in (tuple, list) and (of_items := _dtype_of_items(args)) is not None:
        return origin(_decode_ragged(path, of_items, arrays))
    if node is _ABSENT:
        raise InvalidInputError(f"{path!r} is missing")
    if kind is Any:
        return node
    if origin is Literal:
        if not any(node == each and type(node) is type(each) for each in args):
            choices = ", ".join(map(repr, args))
            raise InvalidInputError(f"{path} must be one of {choices}, found {_short(node)}")
        return node
    if origin in (tuple, list):
        _check_type(node, list, path)
        kinds = _of_items(args, node)
        if len(node) != len(kinds):
            raise InvalidInputError(f"{path} must have {len(kinds)} items, found {len(node)}")
        return origin(
            _decode(item, each, f"{path}.{place}", arrays)
            for place, (item, each) in enumerate(zip(node, kinds, strict=True))
        )
    if kind in _PLAIN:
        return _decode_plain(node, kind, path)
    if origin is dict or kind is dict:
        _check_type(node, dict, path)
        return node
    return decode_record(node, kind, path, arrays)


def decode_record(node: Any, kind: Any, path: str, arrays: Stored) -> Any:
    """Return a record of a declared class from the result of `encode_record`.

    Raises
    ------
    InvalidInputError
        If a part is missing, superfluous or of another type. Constructors may raise other errors.
    """
    cls = get_origin(kind) or kind
    _check_type(node, dict, path or "its metadata")
    if _has_kinds(cls):
        known = {each.__name__: each for each in _subclasses(cls)}
        name = node.get("type")
        choice(_below(path, "type"), name, sorted(known))
        rest = {key: value for key, value in node.items() if key != "type"}
        return decode_record(rest, known[name], path, arrays)
    if _is_document(cls):
        return cls.from_dict(node)
    fields = record_types(kind)
    values = _decode_fields(node, fields, path, arrays)
    make: Callable[..., Any] = getattr(cls, "of_record", cls)
    return make(**values)


def _decode_fields(node: Any, fields: Types, path: str, arrays: Stored) -> dict[str, Any]:
    """Return the values of fields by name, after a check that axes with one letter agree."""
    _check_type(node, dict, path)
    if surplus := sorted(map(str, node.keys() - fields.keys())):
        raise InvalidInputError(f"{_below(path, surplus[0])!r} is not part of it")
    values: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for name, kind in fields.items():
        below = _below(path, name)
        if name not in node and below not in arrays and is_optional(kind):
            continue
        value = values[name] = _decode(node.get(name, _ABSENT), kind, below, arrays)
        letters = None if isinstance(kind, Mapping) else _bare(kind)[1]
        if letters is not None and value is not None:
            expected = tuple(sizes.get(axis, "any") for axis in letters)
            if len(letters) != value.ndim or any(
                sizes.setdefault(axis, size) != size
                for axis, size in zip(letters, value.shape, strict=True)
            ):
                raise InvalidInputError(
                    f"array {below!r} must have shape ({', '.join(letters)}), that is "
                    f"{expected}, found {value.shape}".replace("'any'", "any")
                )
    return values


def _decode_union(node: Any, args: tuple[Any, ...], path: str, arrays: Stored) -> Any:
    """Return a value of the first type of a union that accepts it."""
    if node is None and types.NoneType in args:
        return None
    choices = [each for each in args if each is not types.NoneType]
    for each in choices[:-1]:
        try:
            return _decode(node, each, path, arrays)
        except InvalidInputError:
            continue
    return _decode(node, choices[-1], path, arrays)


def _decode_array(path: str, dtype: Any, arrays: Stored) -> NDArray[Any]:
    """Return an array of a declared type."""
    array = arrays.take(path)
    if array.dtype != dtype:
        raise InvalidInputError(f"array {path!r} must hold {dtype}, found {array.dtype}")
    return array


def _decode_ragged(path: str, dtype: Any, arrays: Stored) -> list[NDArray[Any]]:
    """Return the arrays that were concatenated and stored with their lengths."""
    lengths = _decode_array(f"{path}.length", np.dtype(np.int64), arrays)
    values = _decode_array(f"{path}.values", dtype, arrays)
    if values.ndim != 1 or lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != len(values):
        raise InvalidInputError(f"arrays {path!r} do not have the lengths that are stored")
    return np.split(values, np.cumsum(lengths))[:-1]


def _decode_plain(node: Any, kind: type, path: str) -> Any:
    """Return a plain value of a declared type."""
    if kind is float and isinstance(node, str) and node in _NOT_FINITE:
        return _NOT_FINITE[node]
    if not isinstance(node, _PLAIN[kind]) or (isinstance(node, bool) and kind is not bool):
        raise InvalidInputError(f"{path} must be {_article(kind)}, found {_short(node)}")
    return kind(node)


@cache
def _bare(kind: Any) -> tuple[Any, list[str] | None]:
    """Return a type without the letters of its axes, and the letters."""
    if get_origin(kind) is Annotated:
        bare, letters, *_ = get_args(kind)
        return bare, letters.split()
    return kind, None


@cache
def _taken_apart(kind: Any) -> tuple[Any, Any, tuple[Any, ...], Any]:
    """Return a type without letters of axes, its origin and arguments, and an array's dtype."""
    bare, _ = _bare(kind)
    origin = get_origin(bare)
    return bare, tuple if origin is Sequence else origin, get_args(bare), _dtype(bare)


@cache
def _dtype(kind: Any) -> Any:
    """Return the dtype of the type of an array; None for another type."""
    if kind == ArrayLike:
        return np.dtype(np.float64)
    return np.dtype(get_args(get_args(kind)[1])[0]) if get_origin(kind) is np.ndarray else None


def _is_open(args: tuple[Any, ...]) -> bool:
    """Return whether a list or tuple has any number of items, all of the first type."""
    return len(args) == 1 or args[1] is Ellipsis


def _of_items(args: tuple[Any, ...], items: Sized) -> Sequence[Any]:
    """Return the types of the items of a list or tuple."""
    return [args[0]] * len(items) if _is_open(args) else args


def _dtype_of_items(args: tuple[Any, ...]) -> Any:
    """Return the dtype of the items of a list or tuple of arrays; None for other items."""
    return _dtype(args[0]) if _is_open(args) else None


def _has_kinds(cls: Any) -> bool:
    """Return whether records of a class belong to a subclass, whose name is stored."""
    return bool(vars(cls).get("record_has_kinds", False))


def _is_document(cls: Any) -> bool:
    """Return whether a class reads and writes its own JSON, as feature configurations do."""
    return (
        hasattr(cls, "to_dict") and hasattr(cls, "from_dict") and not hasattr(cls, "record_types")
    )


def is_optional(kind: Any) -> bool:
    """Return whether a field of a type may be missing."""
    if isinstance(kind, Mapping):
        return False
    kind, _ = _bare(kind)
    return kind is Given or (
        get_origin(kind) in (Union, types.UnionType) and types.NoneType in get_args(kind)
    )


def _choice(value: Any, args: tuple[Any, ...]) -> Any:
    """Return the type of a union, other than None, to which a value belongs."""
    kinds = [each for each in args if each is not types.NoneType]
    if len(kinds) == 1:
        return kinds[0]
    plain = type(value.item() if isinstance(value, np.generic) else value)
    for each in kinds:
        cls = get_origin(each) or each
        cls = tuple | list if cls in (tuple, list) else cls
        if plain in _PLAIN[each] if each in _PLAIN else isinstance(value, cls):
            return each
    raise InvalidInputError(f"{value!r} cannot be stored")


def _subclasses(cls: Any) -> Iterator[Any]:
    """Yield all concrete subclasses of a class."""
    for each in cls.__subclasses__():
        if not (inspect.isabstract(each) or _has_kinds(each)):
            yield each
        yield from _subclasses(each)


def _check_type(node: Any, kind: type, path: str) -> None:
    """Raise an error if a part of the JSON has another type."""
    if not isinstance(node, kind):
        raise InvalidInputError(f"{path} must be {_article(kind)}, found {_short(node)}")


def _article(kind: type) -> str:
    """Return the name of a type for messages, with its article."""
    return {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a JSON object",
    }[kind]


def _below(path: str, name: str) -> str:
    """Return the path of a part."""
    return f"{path}.{name}" if path else name


def _short(node: Any) -> str:
    """Return a part of the JSON for a message."""
    return "nothing" if node is _ABSENT else repr(node)[:80]
