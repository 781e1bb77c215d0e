"""The values of Kaldi's files in binary and text form: tokens, numbers, vectors, matrices.

A file is read once, to its length and no further: no number of a file makes an allocation that its
own bytes do not fill.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.corpus_inputs import AnyPath
from speakergmm.corpora.names import quoted, shown
from speakergmm.errors import ModelFormatError
from speakergmm.files import read_bytes

# A model of ten million numbers in text form.
_LARGEST = 1 << 28
_LONGEST_TOKEN = 64
_WORD = re.compile(rb"\s*(\S{1,65})")
_NUMBERS = re.compile(rb"\s*\[([^\[\]]*)\]")
_REAL = re.compile(rb"[FD][VM] ")
_LINE = re.compile(rb"[^\n]+")


class KaldiValues:
    """Values of a file in Kaldi's binary or text form, one after the other.

    Parameters
    ----------
    path : path
        The file; its first bytes tell its form.
    content : bytes, optional
        Its content, if it has been read already, as from a zip.

    Raises
    ------
    UnreadableFileError
        If it cannot be read, or has more than 256 MiB.

    Notes
    -----
    All methods raise `ModelFormatError` where a value is another one than is asked for, cut, or not
    finite; the message names file and byte.
    """

    def __init__(self, path: AnyPath, content: bytes | None = None) -> None:
        self._path = path
        self._content = read_bytes(path, limit=_LARGEST) if content is None else content
        self.is_binary = self._content.startswith(b"\0B")
        self._at = 2 if self.is_binary else 0

    def refuse(self, reason: str) -> NoReturn:
        """Raise an error with file and byte.

        Raises
        ------
        ModelFormatError
            Always.
        """
        raise ModelFormatError(f"{shown(self._path)}: byte {self._at:,}: {reason}")

    def token(self) -> str:
        """Return the next token, such as ``<Topology>``; none has white space."""
        if self.is_binary:
            end = self._content.find(b" ", self._at, self._at + _LONGEST_TOKEN + 1)
            found = self._content[self._at : end] if end >= 0 else b""
            following = end + 1
        else:
            match = _WORD.match(self._content, self._at)
            found, following = (match[1], match.end()) if match else (b"", self._at)
        if not 0 < len(found) <= _LONGEST_TOKEN:
            self.refuse("a token is missing; the file is cut or damaged")
        self._at = following
        return found.decode("ascii", "backslashreplace")

    def expect(self, *tokens: str) -> str:
        """Return the next token, which must be one of some."""
        start = self._at
        found = self.token()
        if found not in tokens:
            self._at = start
            self.refuse(f"found {quoted(found)} in place of {' or '.join(tokens)}")
        return found

    def integer(self, *, least: int = -(1 << 31), most: int = (1 << 31) - 1) -> int:
        """Return the next whole number, which must lie in a range."""
        start = self._at
        if self.is_binary:
            # The first byte is the number of bytes, negative if the type has no sign.
            head, raw = self._content[start : start + 1], self._content[start + 1 : start + 5]
            if head not in (b"\x04", b"\xfc") or len(raw) < 4:
                self.refuse("a whole number of 4 bytes is missing")
            found, self._at = int.from_bytes(raw, "little", signed=head == b"\x04"), start + 5
        else:
            found = self._stated(self.token(), start)
        if not least <= found <= most:
            self._at = start
            self.refuse(f"found {found} where a whole number in {least}..{most} is wanted")
        return found

    def _stated(self, word: str, start: int) -> int:
        if not re.fullmatch(r"-?[0-9]{1,10}", word):
            self._at = start
            self.refuse(f"{quoted(word)} is no whole number")
        return int(word)

    def count(self, *, least: int = 0) -> int:
        """Return the number of things that follow, at most the bytes that are left."""
        return self.integer(least=least, most=len(self._content) - self._at)

    def real(self) -> float:
        """Return the next number."""
        start = self._at
        if self.is_binary:
            size = self._content[start] if start < len(self._content) else 0
            raw = self._content[start + 1 : start + 1 + size]
            if size not in (4, 8) or len(raw) < size:
                self.refuse("a number of 4 or 8 bytes is missing")
            self._at += 1 + size
            found = float(np.frombuffer(raw, f"<f{size}")[0])
        else:
            found = self._number(self.token().encode())
        if not np.isfinite(found):
            self.refuse(f"found {found}; numbers must be finite")
        return found

    def integers(self) -> list[int]:
        """Return the next list of whole numbers."""
        if not self.is_binary:
            words = self._bracketed().split()
            return [self._stated(word.decode("ascii", "replace"), self._at) for word in words]
        if self._content[self._at : self._at + 1] != b"\x04":
            self.refuse("a list of whole numbers of 4 bytes is missing")
        raw = self._content[self._at + 1 : self._at + 5]
        if len(raw) < 4:
            self.refuse("a list is cut")
        self._at += 5
        found = self._array(np.dtype("<i4"), int.from_bytes(raw, "little", signed=True))
        return [int(each) for each in found]

    def vector(self, *, finite: bool = True) -> NDArray[np.float64]:
        """Return the next vector, shape (N,)."""
        if self.is_binary:
            return self._real_array("V", 1, finite)
        return self._finite(np.array(self._row(self._bracketed()), np.float64), finite)

    def matrix(self) -> NDArray[np.float64]:
        """Return the next matrix, shape (N, M)."""
        if self.is_binary:
            return self._real_array("M", 2, True)
        rows = [self._row(row) for row in _LINE.findall(self._bracketed()) if row.strip()]
        if len({len(row) for row in rows}) > 1:
            self.refuse("the rows of a matrix have different lengths")
        return self._finite(np.array(rows, np.float64).reshape(len(rows), -1), True)

    def end(self) -> None:
        """Raise an error if anything but white space follows."""
        if self._content[self._at : self._at + (1 << 16)].strip():
            self.refuse("the file goes on after its end")

    def _bracketed(self) -> bytes:
        found = _NUMBERS.match(self._content, self._at)
        if found is None:
            self.refuse("numbers in brackets are missing")
        self._at = found.end()
        return found[1]

    def _row(self, text: bytes) -> list[float]:
        return [self._number(word) for word in text.split()]

    def _number(self, word: bytes) -> float:
        try:
            if b"_" in word:
                raise ValueError
            return float(word)
        except ValueError:
            self.refuse(f"{quoted(word.decode('ascii', 'backslashreplace'))} is no number")

    def _real_array(self, kind: str, n_axes: int, finite: bool) -> NDArray[np.float64]:
        mark = self._content[self._at : self._at + 3]
        if not _REAL.fullmatch(mark) or chr(mark[1]) != kind:
            self.refuse(f"a {'vector' if kind == 'V' else 'matrix'} is missing")
        self._at += 3
        shape = [self.count() for _ in range(n_axes)]
        count = int(np.prod(shape, dtype=object))
        found = self._array(np.dtype("<f4" if mark[:1] == b"F" else "<f8"), count)
        return self._finite(found.astype(np.float64).reshape(shape), finite)

    def _array(self, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        left = len(self._content) - self._at
        if not 0 <= count * dtype.itemsize <= left:
            self.refuse(
                f"{count:,} numbers of {dtype.itemsize} bytes are wanted, {left:,} are left"
            )
        found = np.frombuffer(self._content, dtype, count, self._at)
        self._at += count * dtype.itemsize
        return found

    def _finite(self, found: NDArray[np.float64], finite: bool) -> NDArray[np.float64]:
        if finite and not np.isfinite(found).all():
            self.refuse("numbers before this byte are not finite")
        return found
