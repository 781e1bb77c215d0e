"""Memory that a worker process keeps for its next task."""

import contextlib
import ctypes
import sys
from functools import cache

# Parameters of mallopt, from malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3

_LARGEST_KEPT = 2**24
_MOST_KEPT = 2**26


@cache
def keep_freed_memory() -> None:
    """Let this process keep up to 64 MB of freed memory, if its C library is glibc.

    Workers do the same things again and again. By default, and more so under Dask, which sets
    ``MALLOC_TRIM_THRESHOLD_``, arrays are returned to the kernel as they are freed, which fills the
    next ones with zeros, page by page: a fifth of the time of extracting features.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):  # another C library
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        set_option(_M_TRIM_THRESHOLD, _MOST_KEPT)
