"""Interruption of commands: one line, no incomplete files, no surviving processes.

Ctrl-C, ``kill`` and a closed terminal raise `Stopped` in the command, so that incomplete
files are removed and worker processes ended as after any error. If that takes too long, a thread
that waits for signals ends the process. Only the ``speakergmm`` command does this: programs that
import the package keep their own handlers.

This module is imported first, and imports nothing that takes time.
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
"""Seconds that a command has for tidying up."""

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Stopped(BaseException):
    """The end of a command by a signal; ``except Exception`` does not catch it."""


class _State:
    """The state of this process."""

    stopped_by: int | None = None
    working = False


def answer_signals() -> None:
    """Install the handlers; ignored signals remain ignored, as ``nohup`` expects."""
    for name in _NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _on_signal)


def begin_work() -> None:
    """Make signals end the command in an orderly way from now on, not at once."""
    if signal.getsignal(signal.SIGTERM) is not _on_signal and (
        signal.getsignal(signal.SIGINT) is not _on_signal
    ):
        return  # the process of another program
    if _State.working:
        return
    sys.unraisablehook = _unless_stopped(sys.unraisablehook)
    warnings.showwarning = _unless_stopped(warnings.showwarning)
    if os.name == "posix":
        import threading

        # Python runs handlers between its own instructions, so that a long computation in a
        # library delays them; this pipe receives a signal at once.
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        threading.Thread(target=_cut_short, args=(reading,), daemon=True).start()
    _State.working = True


def end_work() -> None:
    """Make signals end the process at once from now on."""
    _State.working = False


def stopped() -> bool:
    """Return whether a signal has stopped the command, so that nothing more is to be printed."""
    return _State.stopped_by is not None


def leave(code: int) -> "NoReturn":
    """End the process with an exit code, or with that of a signal that has arrived."""
    if _State.stopped_by is not None:
        import atexit

        # The exit functions of libraries, without waiting for threads.
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
    """Remove incomplete files, end the workers, print one line and exit."""
    try:
        _tidy_up()
    finally:  # a module that is still being imported may lack what tidying up needs
        words = "interrupted" if number == signal.SIGINT else "terminated"
        line = f"speakergmm: {words}\n"
        try:
            if os.isatty(2):
                line = f"\r\x1b[K\x1b[?25h{line}"  # over a progress bar, which hides the cursor
            os.write(2, line.encode())
        finally:
            os._exit(128 + number)


def _tidy_up() -> None:
    temporaries = sys.modules.get("speakergmm.temporaries")
    if temporaries is not None:
        temporaries.discard_temporaries()
    processes = sys.modules.get("multiprocessing")
    for child in processes.active_children() if processes is not None else ():
        _kill(child.pid)


def _kill(process: int) -> None:
    try:  # noqa: SIM105 - importing contextlib takes time
        os.kill(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    except OSError:
        pass  # it has ended already


def _unless_stopped(show: "Callable[..., None]") -> "Callable[..., None]":
    """Return a function that calls another one unless the command has been stopped."""

    def shown(*arguments: "Any", **keywords: "Any") -> None:
        if not stopped():
            show(*arguments, **keywords)

    return shown
