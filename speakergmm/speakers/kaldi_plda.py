"""PLDA that Kaldi has trained, in its binary or text form."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath
from speakergmm.corpora.names import shown
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import UnreadableFileError, open_regular
from speakergmm.subspace import Plda

_BEGINNING, _END = b"<Plda> ", b"</Plda> "
_DTYPES: dict[bytes, np.dtype[Any]] = {b"F": np.dtype("<f4"), b"D": np.dtype("<f8")}
# A model of ten thousand dimensions.
_LARGEST = 1 << 30


def read_kaldi_plda(path: AnyPath) -> Plda:
    """Read the PLDA of ``ivector-compute-plda``.

    Parameters
    ----------
    path : path
        The file, in binary or text form.

    Returns
    -------
    Plda
        For scores as Kaldi's, give it embeddings of the length that Kaldi's recipes give them, and
        score with ``expected_length=True``.

    Raises
    ------
    CorpusError
        If it is missing, no such file, cut, or its parts do not agree.
    """
    source = Path(path)
    try:
        with open_regular(source) as file:
            content = file.read(len(_BEGINNING) + 2)
            if _BEGINNING.strip() not in content:
                raise CorpusError(f"{shown(source)}: is no PLDA of Kaldi; it begins with <Plda>")
            content += file.read(_LARGEST)
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    try:
        is_binary = content.startswith(b"\0B" + _BEGINNING)
        mean, matrix, psi = _binary_parts(content) if is_binary else _text_parts(content)
        inverse = np.asarray(np.linalg.inv(matrix), np.float64)
        found = Plda(mean, inverse * np.sqrt(psi), inverse @ inverse.T)
    except (struct.error, ValueError, np.linalg.LinAlgError, InvalidInputError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CorpusError(f"{shown(source)}: is no whole PLDA of Kaldi ({reason})") from None
    return found


_Parts = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _binary_parts(content: bytes) -> _Parts:
    """Return the mean, the transform and the variances between speakers."""
    offset = 2 + len(_BEGINNING)
    parts = []
    for n_axes in (1, 2, 1):
        kind = content[offset : offset + 3]
        if kind[:1] not in _DTYPES or kind[1:] != (b"V " if n_axes == 1 else b"M "):
            raise ValueError(f"{'a vector' if n_axes == 1 else 'a matrix'} is missing")
        shape = struct.unpack_from("<" + "bi" * n_axes, content, offset + 3)[1::2]
        start = offset + 3 + 5 * n_axes
        dtype = _DTYPES[kind[:1]]
        count = int(np.prod(shape, dtype=object))
        if min(shape) < 1 or start + count * dtype.itemsize > len(content):
            raise ValueError("the file is cut off")
        values = np.frombuffer(content, dtype, count, start).reshape(shape)
        parts.append(values.astype(np.float64))
        offset = start + count * dtype.itemsize
    if content[offset:] != _END:
        raise ValueError(f"it must end in {_END.decode().strip()}")
    return _checked(*parts)


def _text_parts(content: bytes) -> _Parts:
    words = content.decode("ascii", errors="replace").split()
    if not words or words[0] != "<Plda>" or words[-1] != "</Plda>":
        raise ValueError("it must begin with <Plda> and end in </Plda>")
    parts: list[list[float]] = []
    for word in words[1:-1]:
        if word == "[":
            parts.append([])
        elif word != "]":
            if not parts:
                raise ValueError("a vector must begin with [")
            parts[-1].append(float(word))
    if len(parts) != 3:
        raise ValueError(f"it must have two vectors and a matrix, found {len(parts)} parts")
    mean, matrix, psi = map(np.array, parts)
    if len(matrix) != len(mean) ** 2:
        raise ValueError(f"{len(matrix)} numbers are no matrix of {len(mean)} dimensions")
    return _checked(mean, matrix.reshape(len(mean), len(mean)), psi)


def _checked(
    mean: NDArray[np.float64], matrix: NDArray[np.float64], psi: NDArray[np.float64]
) -> _Parts:
    size = len(mean)
    if matrix.shape != (size, size) or psi.shape != (size,):
        raise ValueError(f"parts of shapes {mean.shape}, {matrix.shape}, {psi.shape} do not agree")
    if not (np.isfinite(mean).all() and np.isfinite(matrix).all() and (psi >= 0).all()):
        raise ValueError("it holds numbers that are not finite, or negative variances")
    return mean, matrix, psi
