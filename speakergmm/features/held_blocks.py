"""Blocks of arrays of a recording for several passes, computed once."""

import tempfile
from collections.abc import Callable, Iterator
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

# Held in memory, a minute of forty filters every 10 ms; more lies in a temporary file.
_MOST_BYTES = 1 << 20

Block = TypeVar("Block", bound=tuple[NDArray[Any] | None, ...])

# The class of a block, and type and shape of each of its arrays.
_Kept = tuple[Any, list[tuple[np.dtype[Any], tuple[int, ...]] | None]]


class HeldBlocks(Generic[Block]):
    """Blocks that the first pass computes and stores for the later ones, to the last bit.

    Parameters
    ----------
    blocks : callable
        Begins the pass that computes them; called once. A block is a named tuple of arrays, such as
        `Spectra` or `WeightedFrames`; an array may be None.

    Notes
    -----
    Up to 1 MiB is held in memory, a minute of spectra of 40 filters; more lies in a temporary file
    without a name. Each pass is to end before the next one begins.

    Examples
    --------
    >>> from speakergmm.features import WeightedFrames
    >>> frames = WeightedFrames(np.ones((98, 2), np.float32), None)
    >>> held = HeldBlocks(lambda: iter([frames]))
    >>> [[part.values.shape for part in held()] for _ in range(2)]
    [[(98, 2)], [(98, 2)]]
    >>> held.close()
    """

    def __init__(self, blocks: Callable[[], Iterator[Block]]) -> None:
        self._blocks = blocks
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_BYTES)  # noqa: SIM115 - closed by `close`
        self._kept: list[_Kept] | None = None

    def __call__(self) -> Iterator[Block]:
        """Begin a pass, and return an iterator over the blocks."""
        return self._first() if self._kept is None else self._later(self._kept)

    def close(self) -> None:
        """Release the memory or the temporary file."""
        self._file.close()

    def _first(self) -> Iterator[Block]:
        kept: list[_Kept] = []
        for block in self._blocks():
            for array in block:
                if array is not None:
                    self._file.write(np.ascontiguousarray(array).tobytes())
            outlines = [None if array is None else (array.dtype, array.shape) for array in block]
            kept.append((type(block), outlines))
            yield block
        self._kept = kept

    def _later(self, kept: list[_Kept]) -> Iterator[Block]:
        self._file.seek(0)
        for kind, outlines in kept:
            yield kind(*(None if outline is None else self._read(*outline) for outline in outlines))

    def _read(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        return np.frombuffer(self._file.read(dtype.itemsize * prod(shape)), dtype).reshape(shape)
