"""Format of the toolkit's files: named arrays and JSON, checked on loading.

A file is a safetensors file with one header entry, which contains the format version, the kind of
content, JSON metadata and a SHA-256 hash of everything. Nothing is pickled: loading a file cannot
run code. Equal arrays and metadata yield equal bytes. Models are saved and loaded by
`speakergmm.records`, which determines their arrays and metadata.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.documents import DocumentError, parse_json
from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.file_kinds import describe_bytes, needed, with_article
from speakergmm.files import UnreadableFileError, atomic_writer, open_regular

FORMAT_VERSION = 2

LARGEST_MODEL = 1 << 33
"""Greatest size of a model file in bytes."""

_LARGEST_HEADER = 1 << 26
_FLOATS = ("float16", "float32", "float64")

# One entry for all fields: safetensors writes several in the order of a hash table, so that the
# same model would yield different bytes each time.
_HEADER_KEY = "speakergmm"


# Types of arrays that can be mapped, by their names in safetensors.
_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "BOOL": "?", "I64": "<i8", "U8": "u1"}


def pack_arrays(
    arrays: Mapping[str, NDArray[Any]], *, kind: str, metadata: Mapping[str, Any] | None = None
) -> bytes:
    """Return the bytes of a model file with named arrays and JSON metadata.

    Parameters
    ----------
    arrays : mapping of str to array
        Boolean, integer, float16, float32 or float64 arrays of any shape; floats must be finite.
    kind : str
        Kind of the content, such as ``"background model"``, which is checked on loading.
    metadata : mapping, optional
        Values that JSON can hold (no NaN, no infinity, whole numbers of 64 bits) and NumPy scalars.
        Bytes of file names that are not UTF-8 are stored as escapes.

    Returns
    -------
    bytes
        Equal for equal content.

    Raises
    ------
    InvalidInputError
        If an array has another type or is not finite, or the metadata cannot be written as JSON.

    Examples
    --------
    >>> packed = pack_arrays({"means": np.zeros((2, 3))}, kind="example", metadata={"seed": 0})
    >>> arrays, metadata = unpack_arrays(packed, kind="example")
    >>> arrays["means"].shape, metadata
    ((2, 3), {'seed': 0})
    """
    from safetensors.numpy import save

    checked = {name: _checked(name, array) for name, array in arrays.items()}
    try:
        readable = _plain(dict(metadata or {}))
        text = json.dumps(readable, allow_nan=False, sort_keys=True)
        parse_json(text)
    except DocumentError as error:  # nothing is written that cannot be read
        raise InvalidInputError(f"metadata of {with_article(kind)} {error}") from None
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"metadata of {with_article(kind)} cannot be written as JSON: {error}"
        ) from None
    header = {
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "metadata": text,
        "content_sha256": content_hash(checked, kind, text),
    }
    packed = save(checked, metadata={_HEADER_KEY: json.dumps(header, sort_keys=True)})
    length = int.from_bytes(packed[:8], "little")
    if 8 + length > _LARGEST_HEADER:
        raise InvalidInputError(
            f"metadata of {with_article(kind)} take {length:,} bytes; the most that is read is "
            f"{_LARGEST_HEADER:,}"
        )
    return packed


def unpack_arrays(
    packed: bytes, *, kind: str, source: str = "packed arrays"
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Check the bytes of a model file and return their content.

    Parameters
    ----------
    packed : bytes
        Result of `pack_arrays`.
    kind : str
        Required kind of the content.
    source : str
        Name for error messages, such as the path of the file.

    Returns
    -------
    arrays : dict of str to array
    metadata : dict

    Raises
    ------
    ModelFormatError
        If the bytes are not a model file, are damaged, of another kind or format version, or
        contain numbers that are not finite.
    """
    header = _header(packed, source)
    found = header["kind"]
    if found != kind:
        raise ModelFormatError(f"{source}: is {with_article(found)}, not {needed(kind)}")
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, NDArray[Any]] = load(packed)
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError) as error:
        raise ModelFormatError(f"{source}: damaged model file ({_one_line(error)})") from None
    metadata = _metadata(header, source)
    if content_hash(arrays, kind, header["metadata"]) != header["content_sha256"]:
        raise ModelFormatError(f"{source}: damaged: its content does not match its own hash")
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFormatError(f"{source}: array '{name}' contains numbers that are not finite")
    return arrays, metadata


def save_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    *,
    kind: str,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Write named arrays and JSON metadata to a file, whole or not at all.

    See `pack_arrays` for the parameters and `atomic_writer` for how the file is written.

    Raises
    ------
    InvalidInputError
        If the content cannot be stored.
    SpeakerGmmError
        If the file cannot be written; an existing file is not changed.
    """
    packed = pack_arrays(arrays, kind=kind, metadata=metadata)
    with atomic_writer(path) as file:
        file.write(packed)


def load_arrays(
    path: str | os.PathLike[str], *, kind: str
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read and check a file that `save_arrays` wrote.

    Parameters
    ----------
    path : path
        The file.
    kind : str
        Required kind of the content.

    Returns
    -------
    arrays : dict of str to array
    metadata : dict

    Raises
    ------
    ModelFormatError
        If the file is missing, not a model file, damaged, or of another kind or format version.
    """
    return unpack_arrays(_read(path, kind), kind=kind, source=os.fspath(path))


def map_arrays(
    path: str | os.PathLike[str], *names: str, kind: str, optional: Sequence[str] = ()
) -> tuple[NDArray[Any], ...]:
    """Map arrays of a file into memory, of which only what is used is read.

    The content is not checked: the caller knows that the file is as it was written.

    Parameters
    ----------
    path : path
        A file that `save_arrays` wrote.
    *names : str
        Names of its arrays.
    kind : str
        Required kind of the content.
    optional : sequence of str
        Names of further arrays, which are left out of the result if the file lacks them.

    Returns
    -------
    tuple of array
        Arrays that cannot be written to.

    Raises
    ------
    ModelFormatError
        If the file is missing, of another kind or format version, or has no such array.
    """
    source = os.fspath(path)
    if (found := read_header(path)["kind"]) != kind:
        raise ModelFormatError(f"{source}: is {with_article(found)}, not {needed(kind)}")
    raw = np.memmap(path, np.uint8, "r")
    begin = 8 + int.from_bytes(raw[:8].tobytes(), "little")
    entries = parse_json(raw[8:begin].tobytes())
    arrays = []
    there = [name for name in optional if isinstance(entries, dict) and name in entries]
    for name in (*names, *there):
        try:
            entry = entries[name]
            first, last = entry["data_offsets"]
            values = raw[begin + first : begin + last].view(_DTYPES[entry["dtype"]])
            arrays.append(values.reshape(entry["shape"]).view(np.ndarray))
        except (LookupError, TypeError, ValueError) as error:
            raise ModelFormatError(f"{source}: damaged {kind} ({_one_line(error)})") from None
    return tuple(arrays)


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the header of a file: ``format_version``, ``kind``, ``metadata``, ``content_sha256``.

    Raises
    ------
    ModelFormatError
        If the file is not a model file of this toolkit.
    """
    header = _header(_read(path, "model file", whole=False), os.fspath(path))
    return header | {"metadata": _metadata(header, os.fspath(path))}


def _plain(value: Any) -> Any:
    """Return a value for JSON, with plain numbers and text that can be encoded as UTF-8."""
    if isinstance(value, np.number | np.bool_):
        return value.item()
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _checked(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return an array in the byte order of the file; raise an error if it cannot be stored."""
    array = np.asarray(array)
    if array.dtype.kind not in "biu" and array.dtype.name not in _FLOATS:
        raise InvalidInputError(
            f"array '{name}' has type {array.dtype.name}; booleans, integers, float16, float32 and "
            "float64 can be stored"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InvalidInputError(f"array '{name}' contains numbers that are not finite")
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def content_hash(arrays: Mapping[str, NDArray[Any]], kind: str, metadata: str) -> str:
    """Return the SHA-256, in hexadecimal, of named arrays, a kind and metadata."""
    digest = hashlib.sha256()
    # Lengths and shapes are included, so that different contents are hashed as different bytes.
    for text in (str(FORMAT_VERSION), kind, metadata):
        digest.update(f"{len(text.encode())}:".encode() + text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{len(name.encode())}:{name}{array.dtype.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _header(packed: bytes, source: str) -> dict[str, Any]:
    """Parse the header directly: safetensors returns metadata of files, but not of bytes."""
    length = int.from_bytes(packed[:8], "little")
    if packed[8:9] != b"{":
        raise ModelFormatError(
            f"{source}: not a model file of speakergmm; it is {describe_bytes(packed)}"
        )
    if length > len(packed) - 8:
        raise ModelFormatError(
            f"{source}: truncated or damaged: its header is longer than the file"
        )
    try:
        entries = parse_json(packed[8 : 8 + length])
        metadata = entries.get("__metadata__", {})
        if _HEADER_KEY not in metadata:
            raise ModelFormatError(
                f"{source}: a safetensors file, but not one of speakergmm's (or a damaged one)"
            )
        header = parse_json(metadata[_HEADER_KEY])
        version, kind = header["format_version"], header["kind"]
        texts = (kind, header["metadata"], header["content_sha256"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelFormatError(f"{source}: damaged header ({_one_line(error)})") from None
    if not isinstance(version, int) or not all(isinstance(text, str) for text in texts):
        raise ModelFormatError(f"{source}: damaged header (a field has the wrong type)")
    if version != FORMAT_VERSION:
        newer = version > FORMAT_VERSION
        remedy = "a newer version may read it" if newer else "make the file again"
        raise ModelFormatError(
            f"{source}: {with_article(kind)} of format version {version}; this speakergmm reads "
            f"version {FORMAT_VERSION}; {remedy}"
        )
    return dict(header)


def _metadata(header: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Parse the metadata, which a header contains as text."""
    try:
        metadata = parse_json(header["metadata"])
    except DocumentError as error:
        raise ModelFormatError(f"{source}: damaged: its metadata {error}") from None
    if not isinstance(metadata, dict):
        raise ModelFormatError(f"{source}: damaged: its metadata is not a JSON object")
    return metadata


def _read(path: str | os.PathLike[str], wanted: str, *, whole: bool = True) -> bytes:
    """Read a model file, or only its header, or enough of another file to recognise it."""
    name = os.fspath(path)
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(4096)
            end = 8 + int.from_bytes(start[:8], "little")
            if start[8:9] != b"{" or end > size:
                return start
            if max(end, 8) > _LARGEST_HEADER or size > LARGEST_MODEL:
                raise ModelFormatError(
                    f"{name}: {size:,} bytes with a header of {end:,}, more than a model may have"
                )
            return start + file.read(max(0, (size if whole else end) - len(start)))
    except UnreadableFileError as error:
        reasons = {
            "missing": f"no such file; {needed(wanted)} was expected",
            "folder": f"is a folder, not {needed(wanted)}",
        }
        reason = reasons.get(error.kind or "", error.reason)
        raise ModelFormatError(f"{error.shown_path}: {reason}") from None
    except (OSError, MemoryError) as error:
        raise ModelFormatError(f"{name}: cannot be read ({_one_line(error)})") from None


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
