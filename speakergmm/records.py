"""Records: how every model, estimator, statistic and state is saved, loaded, checked and digested.

What a class declares of its fields (`speakergmm.record_fields`) becomes a file of named arrays and
JSON (`speakergmm.containers`), and is checked when it comes back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

from numpy.typing import NDArray

from speakergmm import containers
from speakergmm.errors import (
    InvalidInputError,
    InvalidTypeError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.record_fields import Arrays, Stored, decode_record, encode_any, encode_record
from speakergmm.record_fields import Given as Given
from speakergmm.record_fields import Types as Types
from speakergmm.record_fields import is_optional as is_optional
from speakergmm.record_fields import is_record as is_record
from speakergmm.record_fields import parts as parts
from speakergmm.record_fields import record_types as record_types

Record = TypeVar("Record")

# What constructors raise on parts of the wrong kind that no type tells apart.
_REFUSALS = (
    SpeakerGmmError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    MemoryError,
)


def save(record: Any, path: str | os.PathLike[str]) -> None:
    """Write a record to a file, whole or not at all.

    Parameters
    ----------
    record : record
        Its class has a `file_kind`, what the file is called in its header and in errors.
    path : path
        Where to; a file that is there is replaced.

    Raises
    ------
    InvalidInputError
        If the record cannot be stored, as with numbers that are not finite.
    SpeakerGmmError
        If the file cannot be written; what stood there before is left as it was.
    """
    arrays, tree = to_arrays(record)
    containers.save_arrays(path, arrays, kind=record.file_kind, metadata=tree)


def load(cls: type[Record], path: str | os.PathLike[str]) -> Record:
    """Read a record that `save` wrote, and check it.

    Parameters
    ----------
    cls : class
        Of the record.
    path : path

    Raises
    ------
    ModelFormatError
        If the file is missing, something else, damaged, of another kind or format version.
    """
    kind = str(cls.file_kind)  # type: ignore[attr-defined]
    found = containers.load_arrays(path, kind=kind)
    record: Record = of_arrays(cls, *found, kind=kind, source=os.fspath(path))
    return record


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the file of any record holds: its kind, digest, JSON, and arrays' types and axes.

    Raises
    ------
    ModelFormatError
        If the file is missing, something else, damaged, or of another format version.
    """
    header = containers.read_header(path)
    arrays, tree = containers.load_arrays(path, kind=header["kind"])
    return {
        "kind": header["kind"],
        "digest": header["content_sha256"],
        **{name: value for name, value in tree.items() if name not in ("kind", "digest")},
        "arrays": {name: [array.dtype.name, *array.shape] for name, array in arrays.items()},
    }


def pack(record: Any) -> bytes:
    """Return the bytes that `save` would write."""
    arrays, tree = to_arrays(record)
    return containers.pack_arrays(arrays, kind=record.file_kind, metadata=tree)


def unpack(cls: type[Record], packed: bytes, *, source: str = "packed record") -> Record:
    """Read what `pack` returned, as `load` reads a file; `source` names it in errors."""
    kind = str(cls.file_kind)  # type: ignore[attr-defined]
    found = containers.unpack_arrays(packed, kind=kind, source=source)
    record: Record = of_arrays(cls, *found, kind=kind, source=source)
    return record


def to_arrays(record: Any, of: Any = None) -> tuple[Arrays, dict[str, Any]]:
    """Return a record's arrays by path, and the rest as JSON can hold it.

    Its class, with its parameters where it has some, is `of`, or that which it is of.
    """
    arrays: Arrays = {}
    return arrays, encode_record(record, of or type(record), "", arrays)


def of_arrays(
    cls: Any, arrays: Mapping[str, NDArray[Any]], tree: Any, *, kind: str, source: str
) -> Any:
    """Build the record of a class (which may name its parameters) of what `to_arrays` returned.

    Raises
    ------
    ModelFormatError
        If a part is missing, superfluous or of another type, or the constructor refuses it. One
        line that names the part, with `kind` and `source` for what and where it is.
    """
    found = Stored(arrays)
    try:
        record = decode_record(tree, cls, "", found)
        if surplus := sorted(arrays.keys() - found.taken):
            raise InvalidInputError(f"array {surplus[0]!r} is no part of it")
    except _REFUSALS as error:
        reason = " ".join(str(error).split())[:300]
        if not isinstance(error, SpeakerGmmError):
            reason = f"{type(error).__name__}: {reason}"
        raise ModelFormatError(f"{source}: damaged {kind} ({reason})") from None
    return record


def digest(*values: Any) -> str:
    """Return a SHA-256 hash, in hexadecimal, of arrays, records, and what JSON can hold.

    Examples
    --------
    >>> import numpy as np
    >>> digest(np.zeros(2)) == digest(np.zeros(2)), digest(np.zeros(2)) == digest(np.zeros((1, 2)))
    (True, False)
    """
    arrays: Arrays = {}
    tree = encode_any(values, "", arrays)
    return containers.content_hash(arrays, "digest", json.dumps(tree, sort_keys=True))


class Filed:
    """A base of models that are kept in files of their own."""

    file_kind: ClassVar[str]

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Name the right call where a path is given."""
        if len(given) == 1 and not named and isinstance(given[0], str | os.PathLike):
            raise InvalidTypeError(
                f"found the path {os.fspath(given[0])!r}; {cls.__name__}.load(path) reads a model"
            )
        return super().__new__(cls)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, whole or not at all.

        Raises
        ------
        SpeakerGmmError
            If the file cannot be written; what stood there before is left as it was.
        """
        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model that `save` wrote, and check it.

        Raises
        ------
        ModelFormatError
            If the file is no such model, is damaged, or of a newer format.
        """
        return load(cls, path)
