"""What a command does when it is told to stop: one line, nothing half-written, no survivors.

Ctrl-C, ``kill`` and a closed terminal raise `Stopped` in the command, so that files in the making
are removed and worker processes ended as after any error. What takes too long is cut short by a
thread that waits for signals beside the command. Only ``speakergmm`` itself does this: programs
that import the package keep their own handlers.

It is imported before anything else, and imports nothing that takes time.
"""

import os
import signal
import sys
import warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn

GRACE = 1.5
"""Seconds that a command has for putting things in order."""

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Stopped(BaseException):
    """Ends a command from wherever it is; no ``except Exception`` may hold it up."""


class _State:
    """What has happened to this process."""

    stopped_by: int | None = None
    working = False


def answer_signals() -> None:
    """Install the handlers; those signals that are ignored stay so, as ``nohup`` wants it."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def begin_work() -> None:
    """From here on a signal ends the command in order, and not on the spot."""
    if signal.getsignal(signal.SIGTERM) is not _on_signal and (
        signal.getsignal(signal.SIGINT) is not _on_signal
    ):
        return  # a program's own process
    if _State.working:
        return
    sys.unraisablehook = _unless_stopped(sys.unraisablehook)
    warnings.showwarning = _unless_stopped(warnings.showwarning)
    if os.name == "posix":
        import threading

        # Python runs handlers between its own instructions, which a long computation in a library
        # delays; this pipe gets the signal at once.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=_cut_short, args=(reading,), daemon=True).start()
    _State.working = True


def end_work() -> None:
    """From here on a signal ends the process on the spot again."""
    _State.working = False


def stopped() -> bool:
    """Return whether the command has been told to stop, so that nothing more is worth saying."""
    return _State.stopped_by is not None


def leave(code: int) -> "NoReturn":
    """End the process with an exit code, or as the signal says that came meanwhile."""
    if _State.stopped_by is not None:
        import atexit

        # What libraries tidy up at the end of a process, though without waiting for threads.
        atexit._run_exitfuncs()
        _end_now(_State.stopped_by)
    sys.exit(code)


def _on_signal(number: int, _frame: "FrameType | None") -> None:
    again, _State.stopped_by = _State.stopped_by is not None, number
    if again or not _State.working:
        _end_now(number)
    raise Stopped


def _cut_short(reading: int) -> None:
    import time

    answered = {int(getattr(signal, name)) for name in _NAMES if hasattr(signal, name)}
    while True:
        number = os.read(reading, 1)
        if number and number[0] in answered:
            break
    time.sleep(GRACE)
    _end_now(number[0])


def _end_now(number: int) -> "NoReturn":
    """Remove what is half-written, end the workers, say one line and be gone."""
    try:
        temporaries = sys.modules.get("speakergmm.temporaries")
        if temporaries is not None:
            temporaries.discard_temporaries()
        processes = sys.modules.get("multiprocessing")
        for child in processes.active_children() if processes is not None else ():
            _kill(child.pid)
        words = "interrupted" if number == signal.SIGINT else "terminated"
        line = f"speakergmm: {words}\n"
        if os.isatty(2):
            line = f"\r\x1b[K\x1b[?25h{line}"  # over a progress bar, which hides the cursor
        os.write(2, line.encode())
    finally:
        os._exit(128 + number)


def _kill(process: int) -> None:
    try:  # noqa: SIM105 - importing contextlib takes time
        os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    except OSError:
        pass  # gone already


def _unless_stopped(show: "Callable[..., None]") -> "Callable[..., None]":
    """Print what comes up by the way, as before, but nothing after the command was stopped."""

    def shown(*arguments: "Any", **keywords: "Any") -> None:
        if not stopped():
            show(*arguments, **keywords)

    return shown
