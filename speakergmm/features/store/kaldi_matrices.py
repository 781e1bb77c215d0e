"""Matrices in Kaldi's archives, and the lists (scp) that state where each lies.

The matrices are read and written by kaldiio. It is given an open file, bounded and placed at a
matrix in binary form: lists are read here, since kaldiio runs commands that lists contain, and
loads pickles that archives contain.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.kaldi_text import read_by_name
from speakergmm.corpora.locations import locate
from speakergmm.corpora.names import quoted, shown
from speakergmm.errors import CorpusError
from speakergmm.files import UnreadableFileError, open_regular
from speakergmm.text_files import FaultList, read_lines

# A path, an offset and a range of rows, whose last one is included.
_PLACE = re.compile(r"(?P<path>.*?)(?::(?P<offset>\d{1,18}))?(?:\[(?P<rows>\d{1,9}:\d{1,9})\])?")
_OTHER_RANGE = re.compile(r":\d+\[[\d:,]*\]$")
# Matrices and vectors of float32 and float64, and matrices that are compressed in three ways.
_BINARY = re.compile(rb"\0B(FM|FV|DM|DV|CM|CM2|CM3) ")
_LONGEST_MARK = 6
_REFUSALS = (ValueError, AssertionError, ArithmeticError, LookupError, MemoryError, struct.error)


class ArchivePlace(NamedTuple):
    """The place of a matrix, as a line of a list states it.

    Attributes
    ----------
    path : Path
        The archive, or a file of one matrix.
    offset : int
        Its first byte.
    rows : tuple of int or None
        First row and the one after the last; None for all.
    """

    path: Path
    offset: int
    rows: tuple[int, int] | None

    def __str__(self) -> str:
        rows = "" if self.rows is None else f"[{self.rows[0]}:{self.rows[1] - 1}]"
        return f"{shown(self.path)}:{self.offset}{rows}"


def read_scp(path: str | os.PathLike[str], folder: Path) -> dict[str, ArchivePlace]:
    """Read a list such as ``feats.scp``: a name and a place in each line.

    Parameters
    ----------
    path : path
        The list.
    folder : Path
        Folder to which paths in it are relative. (In Kaldi they are relative to the working
        directory.)

    Raises
    ------
    CorpusError
        With file and line, if a line is wrong or has a command, which is never run.
    """
    faults = FaultList(os.fspath(path), error=CorpusError, strict=True)
    found: Mapping[str, ArchivePlace] = read_by_name(
        "utterance", read_lines(path, faults), faults, lambda rest, _: _place_of(rest, folder)
    )
    if not found:
        raise CorpusError(f"{shown(path)}: lists nothing; a line is 'utterance archive:offset'")
    return dict(found)


def _place_of(rest: str, folder: Path) -> ArchivePlace:
    if rest.startswith("|") or rest.endswith("|"):
        raise CorpusError(
            f"{quoted(rest)} is a command; commands are never run, so write its output to a file "
            "and list that"
        )
    found = _PLACE.fullmatch(rest)
    if _OTHER_RANGE.search(rest) and found is not None and not found["rows"]:
        raise CorpusError(
            f"{quoted(rest)}: of ranges, only those of rows are read, such as archive:offset[0:9]; "
            "copy-feats writes others to an archive"
        )
    if rest == "-" or found is None:
        raise CorpusError(f"{quoted(rest)} is no place in a file; give archive:offset")
    rows = None
    if found["rows"]:
        first, last = map(int, found["rows"].split(":"))
        if last < first:
            raise CorpusError(f"{quoted(rest)}: the last row is before the first")
        rows = (first, last + 1)
    return ArchivePlace(locate(found["path"], folder), int(found["offset"] or 0), rows)


class _Bounded:
    """A file from which kaldiio cannot read more bytes than there are, or a negative number."""

    def __init__(self, file: IO[bytes], n_bytes: int) -> None:
        self._file = file
        self._left = n_bytes

    def read(self, size: int) -> bytes:
        """Return exactly so many bytes."""
        if not 0 <= size <= self._left:
            raise ValueError(f"{size:,} bytes are wanted, and {self._left:,} are left")
        self._left -= size
        return self._file.read(size)


def read_matrix(place: ArchivePlace) -> NDArray[np.float32]:
    """Read a matrix or vector of an archive; compressed ones are decompressed.

    Raises
    ------
    CorpusError
        If there is none, it is cut, damaged or empty, or it holds a number that is not finite.
    """
    from kaldiio import matio

    try:
        with open_regular(place.path) as file:
            left = os.fstat(file.fileno()).st_size - place.offset
            file.seek(place.offset)
            mark = file.read(_LONGEST_MARK)
            if not _BINARY.match(mark):
                raise CorpusError(f"{place}: {_kind_of(mark)}")
            file.seek(place.offset)
            with np.errstate(all="ignore"):
                found: Any = matio.read_matrix_or_vector(_Bounded(file, left))
                values = np.ascontiguousarray(found, np.float32)
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    except _REFUSALS as error:
        reason = " ".join(str(error).split())[:200]
        raise CorpusError(f"{place}: the matrix is cut or damaged ({reason})") from None
    if place.rows is not None:
        if values.ndim != 2 or place.rows[1] > len(values):
            raise CorpusError(f"{place}: the matrix has {len(values)} rows only")
        values = values[slice(*place.rows)]
    if not values.size:
        raise CorpusError(f"{place}: holds an empty matrix, of shape {values.shape}")
    if not np.isfinite(values).all():
        raise CorpusError(f"{place}: holds numbers that are NaN, infinite or beyond float32")
    return values


def _kind_of(mark: bytes) -> str:
    """Return what is wrong with the first bytes of something that is no matrix in binary form."""
    if mark.lstrip(b" \n").startswith(b"["):
        return "is a matrix in text form; copy-feats ark,t:IN ark,scp:OUT,SCP makes it binary"
    return "is no matrix in Kaldi's binary form; the offset or the file is wrong"


def write_matrix(file: IO[bytes], name: str, values: NDArray[np.float32]) -> int:
    """Append a matrix or vector to an archive, and return the offset for its list."""
    from kaldiio import save_ark

    offset = file.tell() + len(name.encode()) + 1
    save_ark(file, {name: np.ascontiguousarray(values, np.float32)})
    return offset
