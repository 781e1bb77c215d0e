"""Passes that share the worker processes of this one, from whatever threads they come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from joblib import Parallel
from joblib._parallel_backends import LokyBackend
from joblib.executor import MemmappingExecutor
from joblib.externals.loky import reusable_executor

from speakergmm.engine.unnoticed_deaths import Watch


@dataclass(slots=True)
class _Passes:
    """The passes that are underway in this process, and the number of workers of them all."""

    count: int = 0
    n_workers: int = 0
    watch: Watch | None = None


_passes = _Passes()
_passes_lock = threading.Lock()


@contextmanager
def agreed_number(n_workers: int) -> Iterator[int]:
    """Enter a pass, and yield how many workers it has: as many as the pass that is underway.

    Joblib has one pool of workers for a process. A pass that changed its size while another one
    sends tasks to it would wait for that other one for ever.
    """
    with _passes_lock:
        if _passes.count == 0:
            _passes.n_workers = n_workers
            _passes.watch = Watch()
        _passes.count += 1
        n_workers = _passes.n_workers
    try:
        yield n_workers
    finally:
        with _passes_lock:
            _passes.count -= 1
            if _passes.count == 0 and _passes.watch is not None:
                _passes.watch.end()
                _passes.watch = None


class SharedWorkers(LokyBackend):  # type: ignore[misc]
    """The pool of workers, which a pass that fails leaves to the others that are underway."""

    def configure(self, *arguments: Any, **options: Any) -> Any:
        """Start workers, or take those of an earlier pass.

        Joblib would take the pool that somebody got from loky's `get_reusable_executor` for its
        own, and fail. It remains with whoever got it.
        """
        with reusable_executor._executor_lock:
            if not isinstance(reusable_executor._executor, MemmappingExecutor):
                reusable_executor._executor = None
        return super().configure(*arguments, **options)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the workers, so that none goes on in vain, unless another pass needs them."""
        with _passes_lock:
            is_shared = _passes.count > 1
        if not is_shared:
            tasks = self._workers._call_queue
            super().abort_everything(ensure_ready)
            if tasks is not None:  # the thread that sends a large one would wait for ever
                tasks._reader.close()


class QuietParallel(Parallel):  # type: ignore[misc]
    """Parallel calls of which not all results are wanted, as after an error or an interrupt."""

    def _warn_exit_early(self) -> Any:
        """Do not complain of it."""
