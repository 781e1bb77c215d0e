"""Files and folders in the making: beside their target, under a name that says whose they are.

A writer that is killed cannot tidy up. Each holds a lock on its temporary file as long as it lives,
and the next that writes to the same name removes those that nobody holds.
"""

import contextlib
import os
import re
import shutil
import stat
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

CAN_LOCK = sys.platform != "win32"
"""Whether a temporary file stays open and locked until it has taken its place."""

if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp", re.DOTALL)
_MOST_BYTES = 200  # of the target's name; a name may have 255
_LEAST_PART_OF_TIME = 100

_live: set[Path] = set()


@contextlib.contextmanager
def temporary_beside(
    target: Path, make: Callable[[Path], int | None]
) -> Iterator[tuple[Path, int]]:
    """Make a temporary file or folder beside `target`, and remove what is left of it.

    Parameters
    ----------
    target : Path
        What it is to become; whoever makes it renames it.
    make : callable
        `new_file` or `new_folder`.

    Yields
    ------
    path : Path
    descriptor : int
        Open for writing, if it is a file. Closed here where `CAN_LOCK`, by the user elsewhere.
    """
    start = _start_of_name(target)
    _remove_dead(target.parent, start)
    while True:
        path = target.with_name(f".{start}.{os.urandom(6).hex()}.tmp")
        _live.add(path)
        descriptor = None
        try:
            descriptor = make(path)
            if not _lock_own(descriptor, path):
                continue  # somebody took it for a dead one's before it was locked
            yield path, -1 if descriptor is None else descriptor
            return
        finally:
            _remove(path)
            _live.discard(path)
            if CAN_LOCK and descriptor is not None:
                os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Whether a name is one of a file in the making, or of what a kill left of it.

    Examples
    --------
    >>> is_temporary(Path(".voices.db.0123456789ab.tmp")), is_temporary(Path("voices.db"))
    (True, False)
    """
    return _NAME.fullmatch(path.name) is not None


def new_file(path: Path) -> int:
    """Make an empty file, readable as the process's mask says, and open it."""
    # Not the tempfile module: its files are readable by their owner only, for good.
    binary = getattr(os, "O_BINARY", 0)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | binary, 0o666)


def new_private_file(path: Path) -> int:
    """Make an empty file that only its owner can read, whatever the mask says, and open it."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)


def new_folder(path: Path) -> int | None:
    """Make an empty folder, and open it where a folder can be locked."""
    path.mkdir()
    return os.open(path, os.O_RDONLY) if CAN_LOCK else None


def discard_temporaries() -> None:
    """Remove what this process has in the making, before it is ended without more ado."""
    for path in tuple(_live):
        _remove(path)


class _Seen(NamedTuple):
    """Temporary files found in a folder, by the start of their names, and when to look again."""

    again: float
    paths: dict[str, list[Path]]


_seen: dict[Path, _Seen] = {}


def _remove_dead(folder: Path, start: str) -> None:
    """Remove temporary files for a name whose writers live no more."""
    if not CAN_LOCK:
        return
    now = time.monotonic()
    if folder not in _seen or now >= _seen[folder].again:
        with contextlib.suppress(OSError):
            _seen[folder] = _look(folder, now)
    if folder in _seen:
        for path in _seen[folder].paths.pop(start, ()):
            _remove_if_dead(path)


def _look(folder: Path, now: float) -> _Seen:
    found: dict[str, list[Path]] = defaultdict(list)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".tmp") and (match := _NAME.fullmatch(entry.name)):
                found[match.group(1)].append(folder / entry.name)
    # Writing many files into a large folder must not take the square of their number.
    spent = time.monotonic() - now
    return _Seen(now + _LEAST_PART_OF_TIME * spent, found)


def _remove_if_dead(path: Path) -> None:
    with contextlib.suppress(OSError):
        found = path.lstat()
        ours = found.st_uid == os.geteuid()
        if not ours or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if _is_still(descriptor, path):
                _remove(path)
        finally:
            os.close(descriptor)


def _lock_own(descriptor: int | None, path: Path) -> bool:
    """Lock a new temporary file; False if it is gone already."""
    if not CAN_LOCK or descriptor is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return True  # a file system without locks: nobody removes anything there
    return _is_still(descriptor, path)


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


def _start_of_name(target: Path) -> str:
    cut = os.fsencode(target.name)[:_MOST_BYTES]
    return cut.decode("utf-8", "ignore") if len(cut) == _MOST_BYTES else target.name
