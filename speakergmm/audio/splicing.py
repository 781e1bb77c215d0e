"""Streams inside a file, and files from which bytes seem to be cut, or into which bytes are put."""

import io
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import IO, Any

from speakergmm.files import ByteSource

BinaryFile = IO[bytes] | io.RawIOBase
Piece = bytes | tuple[int, int]
"""Bytes to put in, or a range of the file: its first byte and the one after its last."""

Pieces = tuple[Piece, ...]

FIRST_WINDOW = 1 << 13
"""Bytes that a search reads first: what is sought may be near, and searches may be many."""

LARGEST_WINDOW = 1 << 20
"""Most bytes that a search reads at once."""


@dataclass(frozen=True, slots=True)
class AudioStream:
    """One stream of a recording; recordings that were concatenated have several.

    Attributes
    ----------
    views : tuple of pieces
        Pieces of the file that are read, then pieces of the result, and so on; empty if the file
        is read as it is.
    n_samples : int
        Samples per channel, if they were counted; a decoder may drop some.
    check : callable or None
        Called with the stream as soundfile opened it; raises an error if samples are missing.
    """

    views: tuple[Pieces, ...] = ()
    n_samples: int = 0
    check: Callable[[Any], None] | None = None

    def within(self, pieces: Pieces) -> "AudioStream":
        """Return the same stream as part of a larger file, in whose `pieces` it was found."""
        return replace(self, views=(pieces, *self.views))


def windows(
    file: BinaryFile, start: int, end: int, overlap: int = 0
) -> Iterator[tuple[int, bytes]]:
    """Yield parts of a file with their positions, each with `overlap` bytes of the next part.

    They grow from `FIRST_WINDOW` to `LARGEST_WINDOW` bytes, so that the time of many searches that
    succeed at once does not grow with the length of the file.
    """
    n_bytes = FIRST_WINDOW
    while start < end:
        yield start, read_at(file, start, min(n_bytes, end - start) + overlap)
        start += n_bytes
        n_bytes = min(2 * n_bytes, LARGEST_WINDOW)


def read_at(file: BinaryFile, position: int, n_bytes: int) -> bytes:
    """Read `n_bytes` bytes from a position on; fewer at the end of the file."""
    file.seek(position)
    return file.read(n_bytes) or b""


def replaced(start: int, end: int, position: int, value: bytes) -> Pieces:
    """Return the range `start` to `end` of a file with `value` at a position."""
    return ((start, position), value, (position + len(value), end))


class Spliced(ByteSource):
    """Pieces of a file as a file of their own.

    Parameters
    ----------
    file : binary file
        A seekable file, which is not closed here.
    pieces : sequence of bytes and ranges
        The pieces to read, in order.

    Examples
    --------
    >>> file = io.BytesIO(b"length 0, audio")
    >>> Spliced(file, replaced(0, 15, 7, b"5")).read()
    b'length 5, audio'
    """

    def __init__(self, file: BinaryFile, pieces: Sequence[Piece]) -> None:
        self._file = file
        self._pieces = pieces
        lengths = (len(p) if isinstance(p, bytes) else p[1] - p[0] for p in pieces)
        self._starts = [0, *accumulate(lengths)]
        self._position = 0

    def seekable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes from the beginning of the first piece."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, and return it."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}
        self._position = max(0, origin[whence] + offset)
        return self._position

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes; fewer at the end of the last piece only."""
        taken: list[bytes] = []
        while size and self._position < self._starts[-1]:
            place = bisect_right(self._starts, self._position) - 1
            within = self._position - self._starts[place]
            wanted = min(size, self._starts[place + 1] - self._position)
            piece = self._pieces[place]
            if isinstance(piece, bytes):
                found = piece[within : within + wanted]
            else:
                self._file.seek(piece[0] + within)
                found = self._file.read(wanted) or b""
            if not found:
                break
            taken.append(found)
            size -= len(found)
            self._position += len(found)
        return b"".join(taken)
