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
    tracemalloc.start()
    try:
        target.try_bytes(path, large)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < FIXED_BYTES + target.memory * len(large), f"{peak:,} bytes for {len(large):,}"


def _seconds(target: Target, path: Path, content: bytes) -> float:
    """Return the time of the processor, without that of collections of all objects of the suite."""
    gc.disable()
    try:
        began = time.process_time()
        target.try_bytes(path, content)
        return time.process_time() - began
    finally:
        gc.enable()
