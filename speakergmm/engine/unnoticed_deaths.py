"""Deaths of worker processes that loky does not notice, so that nobody waits for ever.

A worker that is killed while it sends a large result leaves the thread that receives it waiting for
the rest: this process holds the sending end of the pipe itself, so that the pipe never ends.
"""

from __future__ import annotations

import threading
import time
from typing import Any

_LOOK_EVERY = 0.5  # seconds
_NOTICED_WITHIN = 1.0  # seconds; loky takes milliseconds


class Watch:
    """A thread that looks after joblib's worker processes until it is told to end."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="WatchOfWorkers", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End the watch."""
        self._ended.set()

    def _look(self) -> None:
        from joblib.externals.loky import reusable_executor

        seen, since = None, 0.0
        while not self._ended.wait(_LOOK_EVERY):
            pool = reusable_executor._executor
            if not _has_unnoticed_death(pool):
                seen = None
            elif seen is not pool:
                seen, since = pool, time.monotonic()
            elif time.monotonic() - since > _NOTICED_WITHIN:
                _break(pool)
                seen = None


def _has_unnoticed_death(pool: Any) -> bool:
    manager = getattr(pool, "_executor_manager_thread", None)
    if manager is None or pool._flags.broken or not pool._pending_work_items:
        return False
    if not manager.is_alive():
        return True
    return any(worker.exitcode is not None for worker in list(pool._processes.values()))


def _break(pool: Any) -> None:
    """Let the thread that manages a pool find it broken, and its pending calls fail."""
    from joblib.externals.loky.backend.utils import kill_process_tree
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    manager, tasks, results = pool._executor_manager_thread, pool._call_queue, pool._result_queue
    if manager is None or tasks is None or results is None:
        return  # shut down since
    death = TerminatedWorkerError("a worker process died, which was not noticed at once")
    terminate = manager.terminate_broken
    if not manager.is_alive():
        terminate(death)
        return
    manager.terminate_broken = lambda _: terminate(death)
    for worker in list(pool._processes.values()):
        kill_process_tree(worker)
    with pool._flags.shutdown_lock:  # under which it is found broken, and closes them itself
        if not pool._flags.broken:
            results._writer.close()  # nobody else has one: whoever reads comes to the end
            tasks._reader.close()  # nor one of these: whoever writes, too
