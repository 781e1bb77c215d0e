"""Arrays that stay on the workers of a Dask cluster for the next pass over them, within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# Part of the memory of all workers that may hold such arrays.
_PART_OF_MEMORY = 0.25
# Bytes of a worker that has no limit of memory.
_UNLIMITED_WORKER = 2**32


@dataclass(slots=True, eq=False)
class _Kept:
    """The future of an array, its bytes, and the pass that used it last."""

    future: Any
    n_bytes: int
    last_pass: int


@dataclass(slots=True, eq=False)
class KeptItems:
    """Arrays on workers, known by the digests of their contents.

    Data that do not fit, such as a long stream, are sent anew in each pass instead; arrays that
    neither this pass nor the one before has used make room for others.
    """

    most_bytes: int = 0
    pass_number: int = 0
    items: dict[bytes, _Kept] = field(default_factory=dict)

    def begin_pass(self, memory_limits: Iterable[int]) -> None:
        """Begin a pass on workers that have so many bytes of memory, or no limit (0)."""
        self.pass_number += 1
        memory = sum(limit or _UNLIMITED_WORKER for limit in memory_limits)
        self.most_bytes = int(memory * _PART_OF_MEMORY)

    def find(self, digest: bytes) -> Any:
        """Return the future of an array; None if it is not on a worker, or not any more."""
        found = self.items.get(digest)
        if found is None or found.future.status != "finished":
            self.items.pop(digest, None)
            return None
        found.last_pass = self.pass_number
        return found.future

    def has_room(self, n_bytes: int) -> bool:
        """Return whether an array can be kept, after those were given up that are not in use."""
        if self._n_bytes + n_bytes > self.most_bytes:
            for digest, each in list(self.items.items()):
                if each.last_pass < self.pass_number - 1:
                    self.items.pop(digest, None)
        return self._n_bytes + n_bytes <= self.most_bytes

    def add(self, digest: bytes, future: Any, n_bytes: int) -> None:
        """Keep an array."""
        self.items[digest] = _Kept(future, n_bytes, self.pass_number)

    @property
    def _n_bytes(self) -> int:
        return sum(each.n_bytes for each in list(self.items.values()))
