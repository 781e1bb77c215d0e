"""Time and memory of reading, which must grow in proportion to the length of a file."""

from __future__ import annotations

import gc
import time
import tracemalloc
from pathlib import Path

from .targets import FIXED_BYTES, Target


def check_growth(target: Target, path: Path, small: bytes, large: bytes) -> None:
    """Check a file and one of four times its length: sixteen times the time would be a square."""
    target.try_bytes(path, small)  # what is imported or compiled by the first reading
    shortest = min(_seconds(target, path, small) for _ in range(3))
    most = 9 * shortest + 0.1
    longest = _seconds(target, path, large)
    if longest >= most:  # once may be an accident
        longest = _seconds(target, path, large)
    assert longest < most, f"{shortest:.3f} s, {longest:.3f} s"
    allowed = FIXED_BYTES + target.memory * len(large)
    peak = _peak(target, path, large)
    if peak >= allowed:  # once may be what a thread of an earlier test holds
        peak = _peak(target, path, large)
    assert peak < allowed, f"{peak:,} bytes for {len(large):,}"


def _peak(target: Target, path: Path, content: bytes) -> int:
    """Return the largest number of bytes that are held at a time, by all threads."""
    tracemalloc.start()
    try:
        target.try_bytes(path, content)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _seconds(target: Target, path: Path, content: bytes) -> float:
    """Return the time of the processor, without that of collections of all objects of the suite."""
    gc.disable()
    try:
        began = time.process_time()
        target.try_bytes(path, content)
        return time.process_time() - began
    finally:
        gc.enable()
