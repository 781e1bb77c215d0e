"""Embeddings from elsewhere: NumPy arrays with a list of names, and Kaldi's archives of vectors."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath
from speakergmm.corpora.kaldi_text import BLANKS, read_by_name
from speakergmm.corpora.names import first_few, quoted, shown
from speakergmm.errors import CorpusError
from speakergmm.features import read_matrix, read_scp
from speakergmm.files import UnreadableFileError, open_regular
from speakergmm.text_files import FaultList, read_lines

_LONGEST_NAME = 4096
# A vector in binary form: mark, type, and the number of elements behind the size of that number.
_VECTOR = struct.Struct("<2s3sbi")
_NUMPY = b"\x93NUMPY"
_DTYPES: dict[bytes, np.dtype[Any]] = {b"FV ": np.dtype("<f4"), b"DV ": np.dtype("<f8")}


@dataclass(frozen=True, eq=False)
class EmbeddingTable:
    """Embeddings by name, and their speakers where these are known.

    Parameters
    ----------
    names : tuple of str
        Names of N sessions.
    vectors : array, shape (N, D)
    speakers : tuple of str, optional
        Names of their speakers.
    """

    names: tuple[str, ...]
    vectors: NDArray[np.float64]
    speakers: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Return the number of embeddings."""
        return len(self.names)

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def rows(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the embeddings of some sessions, in the order of their names.

        Raises
        ------
        CorpusError
            If there is none of a name.
        """
        if missing := [name for name in names if name not in self._places]:
            raise CorpusError(f"there is no embedding of {first_few(missing)}")
        return self.vectors[[self._places[name] for name in names]]


def read_embeddings(
    path: AnyPath, *, ids: AnyPath | None = None, speakers: AnyPath | None = None
) -> EmbeddingTable:
    """Read embeddings that another program has extracted.

    Parameters
    ----------
    path : path
        A NumPy file (``.npy``) of a matrix with one embedding per row, a list of vectors in Kaldi's
        archives (``.scp``), or such an archive in binary or text form.
    ids : path, optional
        For a NumPy file, a text with the name of each row, and behind it the speaker if wanted; by
        default the file beside it that ends in ``.ids``.
    speakers : path, optional
        A text of lines ``name speaker``, as Kaldi's ``utt2spk``.

    Returns
    -------
    EmbeddingTable
        In the order of the file.

    Raises
    ------
    CorpusError
        If a file is missing, cut or damaged, embeddings have different dimensions or numbers that
        are not finite, names are missing, occur twice or do not match, or a session has no speaker.
    """
    source = Path(path)
    named: Mapping[str, str | None]
    if source.suffix == ".npy":
        listed = Path(ids) if ids is not None else source.with_suffix(".ids")
        vectors = _read_array(source)
        named = _read_names(listed)
        if len(named) != len(vectors):
            raise CorpusError(
                f"{shown(source)} has {len(vectors)} embeddings, {shown(listed)} {len(named)} names"
            )
        names = tuple(named)
    else:
        if ids is not None:
            raise CorpusError(f"{shown(source)} has names of its own; only .npy files take ids")
        found = dict(_vectors_of_kaldi(source))
        names, vectors = tuple(found), _stacked(source, found)
        named = dict.fromkeys(names)
    if speakers is not None:
        named = _read_names(Path(speakers))
    known = [named.get(name) for name in names]
    if speakers is None and not any(known):
        return EmbeddingTable(names, vectors)
    if missing := [name for name, speaker in zip(names, known, strict=True) if speaker is None]:
        where = shown(listed if speakers is None else speakers)
        raise CorpusError(f"{where}: states no speaker of {first_few(missing)}")
    return EmbeddingTable(names, vectors, tuple(map(str, known)))


def _read_names(path: Path) -> Mapping[str, str | None]:
    """Return the names that a list begins its lines with, and the speaker behind each, if any."""

    def read_speaker(rest: str, _: int) -> str | None:
        if BLANKS.search(rest):
            raise CorpusError(f"{quoted(rest)} is more than a speaker; a line is 'name speaker'")
        return rest or None

    faults = FaultList(os.fspath(path), error=CorpusError, strict=True)
    found = read_by_name("embedding", read_lines(path, faults), faults, read_speaker)
    if not found:
        raise CorpusError(f"{shown(path)}: lists nothing; a line is the name of an embedding")
    return found


def _read_array(path: Path) -> NDArray[np.float64]:
    """Return the matrix of a NumPy file."""
    try:
        with open_regular(path) as file:
            if file.read(len(_NUMPY)) != _NUMPY:
                raise ValueError("it does not begin as NumPy files do")
        # Mapped first: a header that promises more than the file holds is refused before any memory
        # is asked for.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        vectors = np.array(mapped, dtype=np.float64)
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    except Exception as error:  # NumPy parses the header as Python, which may raise anything
        reason = " ".join(str(error).split())[:200]
        raise CorpusError(f"{shown(path)}: is no whole array of numbers ({reason})") from None
    if vectors.ndim != 2 or not vectors.size:
        raise CorpusError(
            f"{shown(path)}: must hold a matrix with one embedding per row, found shape "
            f"{vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        row = int(np.argmin(np.isfinite(vectors).all(axis=1)))
        raise CorpusError(f"{shown(path)}: row {row} holds numbers that are NaN or infinite")
    return vectors


def _stacked(path: Path, found: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return vectors of one dimension as a matrix."""
    size: int | None = None
    for name, vector in found.items():
        if vector.ndim != 1:
            raise CorpusError(f"{shown(path)}: {quoted(name)} is a matrix, not a vector")
        if size is not None and len(vector) != size:
            raise CorpusError(
                f"{shown(path)}: {quoted(name)} has {len(vector)} dimensions, those before it have "
                f"{size}"
            )
        size = len(vector)
    return np.stack(list(found.values())).astype(np.float64)


def _vectors_of_kaldi(path: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the vectors of a list or an archive by name."""
    if path.suffix == ".scp":
        for name, place in read_scp(path, path.parent).items():
            yield name, read_matrix(place).astype(np.float64)
        return
    try:
        with open_regular(path) as file:
            if b" \0B" in file.read(_LONGEST_NAME):
                # Mapped, so that no more is in memory than the vectors that are there.
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    yield from _binary_vectors(path, content)
                return
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    yield from _text_vectors(path)


def _binary_vectors(path: Path, content: mmap.mmap) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the vectors of an archive in binary form, one after the other."""
    seen: set[str] = set()
    offset = 0
    while offset < len(content):
        name = _name_at(path, content, offset)
        if name in seen:
            raise CorpusError(f"{shown(path)}: {quoted(name)} occurs twice")
        seen.add(name)
        start = content.find(b" ", offset) + 1
        offset = start + _VECTOR.size
        if offset > len(content):
            raise CorpusError(f"{shown(path)}: {quoted(name)} is cut off")
        mark, kind, width, length = _VECTOR.unpack_from(content, start)
        if mark != b"\0B" or kind not in _DTYPES or width != 4 or length < 1:
            raise CorpusError(f"{shown(path)}: {quoted(name)} is no vector in binary form")
        dtype = _DTYPES[kind]
        if offset + dtype.itemsize * length > len(content):
            raise CorpusError(f"{shown(path)}: {quoted(name)} is cut off")
        vector = np.frombuffer(content, dtype, length, offset).astype(np.float64)
        if not np.isfinite(vector).all():
            raise CorpusError(
                f"{shown(path)}: {quoted(name)} holds numbers that are NaN or infinite"
            )
        yield name, vector
        offset += dtype.itemsize * length


def _name_at(path: Path, content: mmap.mmap, offset: int) -> str:
    """Return the name that a vector begins with."""
    end = content.find(b" ", offset, offset + _LONGEST_NAME)
    try:
        name = content[offset:end].decode() if end > offset else ""
    except UnicodeDecodeError:
        name = ""
    if not name or not name.isprintable():
        raise CorpusError(f"{shown(path)}: at byte {offset} there is no name of a vector")
    return name


def _text_vectors(path: Path) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the vectors of an archive in text form: ``name [ 1 2 3 ]``."""
    faults = FaultList(os.fspath(path), error=CorpusError, strict=True)

    def read_vector(rest: str, _: int) -> NDArray[np.float64]:
        return _numbers_in_brackets(rest)

    found = read_by_name("embedding", read_lines(path, faults), faults, read_vector)
    if not found:
        raise CorpusError(f"{shown(path)}: holds no vector; a line is 'name [ 1.5 2 3 ]'")
    yield from found.items()


def _numbers_in_brackets(text: str) -> NDArray[np.float64]:
    words = text.split()
    if len(words) < 3 or words[0] != "[" or words[-1] != "]":
        raise CorpusError(f"{quoted(text)} is no vector; a line is 'name [ 1.5 2 3 ]'")
    try:
        vector = np.array([float(word) for word in words[1:-1]])
    except ValueError:
        raise CorpusError(f"{quoted(text)} is no vector of numbers") from None
    if not np.isfinite(vector).all():
        raise CorpusError(f"{quoted(text)} holds numbers that are NaN or infinite")
    return vector
