"""Records: saving, loading, checking and hashing of models, estimators, statistics and states.

The declared fields of a class (`speakergmm.record_fields`) are stored in a file of named arrays and
JSON (`speakergmm.containers`), and checked on loading.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from numpy.typing import NDArray

from speakergmm import containers
from speakergmm.errors import (
    InvalidInputError,
    InvalidTypeError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.names_elsewhere import name_hint
from speakergmm.record_fields import Arrays, Stored, decode_record, encode_any, encode_record
from speakergmm.record_fields import Given as Given
from speakergmm.record_fields import Types as Types
from speakergmm.record_fields import is_optional as is_optional
from speakergmm.record_fields import is_record as is_record
from speakergmm.record_fields import parts as parts
from speakergmm.record_fields import record_types as record_types

Record = TypeVar("Record")

# Errors of constructors that are given parts which no type check can reject.
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
        An object whose class has a `file_kind`, the name of the kind in the header and in errors.
    path : path
        File to write; an existing file is replaced.

    Raises
    ------
    InvalidInputError
        If the record cannot be stored, for example because a number is not finite.
    SpeakerGmmError
        If the file cannot be written; an existing file is not changed.
    """
    arrays, tree = to_arrays(record)
    containers.save_arrays(path, arrays, kind=record.file_kind, metadata=tree)


def load(cls: type[Record], path: str | os.PathLike[str]) -> Record:
    """Read and check a record that `save` wrote.

    Parameters
    ----------
    cls : class
        Class of the record.
    path : path
        The file.

    Returns
    -------
    record

    Raises
    ------
    ModelFormatError
        If the file is missing, not a model file, damaged, or of another kind or format version.
    """
    kind = str(cls.file_kind)  # type: ignore[attr-defined]
    found = containers.load_arrays(path, kind=kind)
    record: Record = of_arrays(cls, *found, kind=kind, source=os.fspath(path))
    return record


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a description of the file of any record: kind, digest, JSON, and types of arrays.

    Raises
    ------
    ModelFormatError
        If the file is missing, not a model file, damaged, or of another format version.
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
    """Return the record of the bytes that `pack` returned; `source` is their name in errors."""
    kind = str(cls.file_kind)  # type: ignore[attr-defined]
    found = containers.unpack_arrays(packed, kind=kind, source=source)
    record: Record = of_arrays(cls, *found, kind=kind, source=source)
    return record


def to_arrays(record: Any, of: Any = None) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a record by path, and the rest as JSON can hold it.

    The class of the record may be given as `of`, with the parameters of a generic class.
    """
    arrays: Arrays = {}
    return arrays, encode_record(record, of or type(record), "", arrays)


def of_arrays(
    cls: Any, arrays: Mapping[str, NDArray[Any]], tree: Any, *, kind: str, source: str
) -> Any:
    """Return the record of a class, possibly generic, from the result of `to_arrays`.

    Raises
    ------
    ModelFormatError
        If a part is missing, superfluous or of another type, or the constructor rejects it. The
        message is one line that names the part, `kind` and `source`.
    """
    found = Stored(arrays)
    try:
        record = decode_record(tree, cls, "", found)
        if surplus := sorted(arrays.keys() - found.taken):
            raise InvalidInputError(f"array {surplus[0]!r} is not part of it")
    except _REFUSALS as error:
        reason = " ".join(str(error).split())[:300]
        if not isinstance(error, SpeakerGmmError):
            reason = f"{type(error).__name__}: {reason}"
        raise ModelFormatError(f"{source}: damaged {kind} ({reason})") from None
    return record


def digest(*values: Any) -> str:
    """Return the SHA-256, in hexadecimal, of arrays, records and values that JSON can hold.

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
    """Base of models that are stored in files of their own."""

    file_kind: ClassVar[str]

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Raise an error that names the right call for a path or an unknown parameter."""
        if len(given) == 1 and not named and isinstance(given[0], str | os.PathLike):
            raise InvalidTypeError(
                f"found the path {os.fspath(given[0])!r}; {cls.__name__}.load(path) reads a model"
            )
        if named:
            _refuse_unknown(cls, named)
        return super().__new__(cls)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file, whole or not at all.

        Raises
        ------
        SpeakerGmmError
            If the file cannot be written; an existing file is not changed.
        """
        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read and check a model that `save` wrote.

        Raises
        ------
        ModelFormatError
            If the file is not such a model, is damaged, or has another format version.
        """
        return load(cls, path)


def _refuse_unknown(cls: type[Filed], named: Mapping[str, Any]) -> None:
    """Raise an error that names the right parameter if the class lacks one of these."""
    known = _parameter_names(cls)  # type: ignore[arg-type] # mypy takes classes for unhashable
    unknown = [] if known is None else [name for name in named if name not in known]
    if known is not None and unknown:
        trained = f"; {cls.__name__}.train(...) trains a model" if hasattr(cls, "train") else ""
        hint = trained or name_hint(unknown[0], known)
        raise InvalidTypeError(f"{cls.__name__} has no parameter {unknown[0]!r}{hint}")


@cache  # reading a signature takes as long as a check of all parameters
def _parameter_names(cls: type[Filed]) -> tuple[str, ...] | None:
    """Return the names of the constructor's parameters; None if it takes any name."""
    known = inspect.signature(cls.__init__).parameters
    is_open = any(each.kind is each.VAR_KEYWORD for each in known.values())
    return None if is_open else tuple(known)
