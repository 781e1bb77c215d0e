"""Damage to files that the package writes and reads back: refused in one line, or without effect.

One check for every kind of file (`kept_files`): what reading a damaged file yields, its digest and
numbers computed from it, is exactly what reading the whole one yields, or reading is refused.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.errors import SpeakerGmmError

SMALL = 4096
"""Length up to which every byte is damaged in turn."""

_times = count(1_000_000_000, 1_000)


def flips(content: bytes, n_sampled: int, *, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield content with one bit of a byte flipped: each byte of a small file or of a header.

    Parameters
    ----------
    content : bytes
    n_sampled : int
        Number of bytes of the rest that are drawn.
    seed : int

    Yields
    ------
    what : str
    damaged : bytes
    """
    rng = np.random.default_rng(seed)
    for place in _places(content, n_sampled, rng):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        yield f"byte {place} of {len(content)}: {damaged[place]}", bytes(damaged)


def cuts(content: bytes, n_sampled: int, *, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield content cut at each length if it is small, else at some, most of them near its ends."""
    rng = np.random.default_rng([seed, 1])
    lengths = {*_places(content, n_sampled, rng), *range(max(0, len(content) - 64), len(content))}
    for length in sorted(lengths):
        yield f"{length} of {len(content)} bytes", content[:length]


def _places(content: bytes, n_sampled: int, rng: np.random.Generator) -> list[int]:
    if len(content) <= n_sampled:
        return list(range(len(content)))
    header = 8 + int.from_bytes(content[:8], "little")  # of safetensors; others begin with less
    header = min(header if header < SMALL else 512, n_sampled)
    rest = rng.choice(np.arange(header, len(content)), n_sampled - header, replace=False)
    return [*range(header), *sorted(int(place) for place in rest)]


def check_damage(
    path: Path, use: Callable[[Path], Any], damaged: Iterator[tuple[str, bytes]]
) -> tuple[int, int]:
    """Use a file in which each damage is put in turn; raise AssertionError if one has an effect.

    Parameters
    ----------
    path : Path
        The whole file, which is whole again at the end.
    use : callable
        Reads it, and returns what it holds and numbers computed from it, for comparison.
    damaged : iterator of (str, bytes)
        Damages and what is left.

    Returns
    -------
    n_refused, n_harmless : int
    """
    content = path.read_bytes()
    expected = _used(path, content, use)
    assert not isinstance(expected, SpeakerGmmError), str(expected)
    n_refused = n_harmless = 0
    try:
        for what, left in damaged:
            found = _used(path, left, use)
            if isinstance(found, SpeakerGmmError):
                assert str(found).isprintable(), f"{what}: {str(found)[:300]!r}"
                n_refused += 1
            else:
                assert found == expected, f"{what}: a changed number"
                n_harmless += 1
    finally:
        _used(path, content, lambda _: None)
    return n_refused, n_harmless


def _used(path: Path, content: bytes, use: Callable[[Path], Any]) -> Any:
    for beside in path.parent.glob(f"{path.name}-*"):  # logs of a database
        beside.unlink()
    path.write_bytes(content)
    # Two writings within a tick of the clock are two files nevertheless.
    os.utime(path, ns=(next(_times),) * 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return use(path)
    except SpeakerGmmError as error:
        return error
