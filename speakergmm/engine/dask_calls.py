"""Values on their way to the workers of a Dask cluster and back: functions, items, results."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from speakergmm.engine.blas import single_threaded_blas
from speakergmm.engine.processes import CallWithWarnings

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Sent(Generic[Item]):
    """A value as it is sent: as one string of bytes.

    Dask would pass arrays on as pieces of what it has received, at odd addresses, where NumPy adds
    up in another order. It does not look for futures inside this value either.
    """

    value: Item
    n_bytes: int = 0

    def __reduce__(self) -> Any:
        from distributed.protocol.pickle import dumps

        return _received, (dumps(self.value), self.n_bytes)

    def __sizeof__(self) -> int:
        return self.n_bytes + 64  # by this Dask judges what is worth moving between workers


def _received(pickled: bytes, n_bytes: int) -> Sent[Any]:
    return Sent(pickle.loads(pickled), n_bytes)


def same(value: Sent[Any]) -> Sent[Any]:
    """Return the value: its key is one that the scheduler can make again on any worker."""
    return value


def work(function: Sent[Callable[[Item], Result]], item: Sent[Item]) -> Any:
    """Run one task on a worker: its result with the warnings that it has issued."""
    from distributed import get_worker

    try:
        with single_threaded_blas():
            return Sent(CallWithWarnings(function.value)(item.value))
    except Exception as error:
        error.add_note(f"worker {get_worker().address}")
        raise
