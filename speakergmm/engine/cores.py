"""The number of cores and of workers."""

import os

from speakergmm.errors import InvalidInputError


def count_cores() -> int:
    """Return the number of cores that this process may use, which batch systems limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def effective_jobs(n_jobs: int | None) -> int:
    """Return the number of processes or threads that `n_jobs` asks for; None asks for one.

    Raises
    ------
    InvalidInputError
        If it is 0 or not an integer.

    Examples
    --------
    >>> effective_jobs(3)
    3
    """
    if n_jobs is None:
        return 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise InvalidInputError(
            f"engine (n_jobs, --jobs) is {n_jobs!r}; give a positive number, or -1 for all cores"
        )
    if n_jobs > 0:
        return n_jobs
    return max(1, count_cores() + 1 + n_jobs)
