"""Temporary files and folders beside the files that they will replace, and locks of such files.

A writer that is killed cannot remove its temporary file. Each writer holds a lock on its temporary
file as long as it lives, and the next writer of the same name removes those without a lock.
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
"""Whether a temporary file remains open and locked until it has replaced its target."""

if sys.platform != "win32":
    import fcntl

_NAME = re.compile(r"\.(.+)\.[0-9a-f]{12}\.tmp", re.DOTALL)
_MOST_BYTES = 200  # of the name of the target; names may have 255
_LEAST_PART_OF_TIME = 100

_live: set[Path] = set()


@contextlib.contextmanager
def temporary_sibling(
    target: Path, make: Callable[[Path], int | None]
) -> Iterator[tuple[Path, int]]:
    """Create a temporary file or folder beside `target`, and remove it if it was not renamed.

    Parameters
    ----------
    target : Path
        The file or folder that the caller will replace by renaming the temporary one.
    make : callable
        `new_file` or `new_folder`, or a private one.

    Yields
    ------
    path : Path
        The temporary file or folder.
    descriptor : int
        File descriptor open for writing; -1 for a folder that cannot be locked. Closed here if
        `CAN_LOCK`, otherwise by the caller.
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
                continue  # another writer removed it before it was locked
            yield path, -1 if descriptor is None else descriptor
            return
        finally:
            _remove(path)
            _live.discard(path)
            if CAN_LOCK and descriptor is not None:
                os.close(descriptor)


def hold_lock(target: Path) -> Callable[[], None]:
    """Lock a file that need not exist, until the returned function is called or the process ends.

    The lock is a hidden file beside the target; what a killed process left of it locks nothing.
    Without locks on this system or file system, nothing is held.

    Raises
    ------
    BlockingIOError
        If another process, or another part of this one, holds the lock; ``filename`` is the target.
    OSError
        If the hidden file cannot be created.
    """
    if not CAN_LOCK:
        return lambda: None
    path = target.with_name(f".{_start_of_name(target)}.lock")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise BlockingIOError(error.errno, error.strerror, os.fspath(target)) from None
        except OSError:
            break  # a file system without locks
        if _is_still(descriptor, path):
            break
        os.close(descriptor)  # its holder has just removed it
    _live.add(path)
    return lambda: _let_go(path, descriptor)


def _let_go(path: Path, descriptor: int) -> None:
    # Removed while it is locked: a file of the same name that is made later is another one.
    _remove(path)
    _live.discard(path)
    with contextlib.suppress(OSError):
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Return whether a name is that of a temporary file, used or left behind by a kill.

    Examples
    --------
    >>> is_temporary(Path(".voices.db.0123456789ab.tmp")), is_temporary(Path("voices.db"))
    (True, False)
    """
    return _NAME.fullmatch(path.name) is not None


def new_file(path: Path) -> int:
    """Create and open an empty file, with the permissions of the process's mask."""
    # Not by the tempfile module, whose files remain readable by their owner only.
    binary = getattr(os, "O_BINARY", 0)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | binary, 0o666)


def new_private_file(path: Path) -> int:
    """Create and open an empty file that only its owner can read, whatever the mask is."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)


def new_folder(path: Path) -> int | None:
    """Create an empty folder, and open it if folders can be locked."""
    path.mkdir()
    return os.open(path, os.O_RDONLY) if CAN_LOCK else None


def new_private_folder(path: Path) -> int | None:
    """Create an empty folder that only its owner can read, and open it if folders can be locked."""
    path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY) if CAN_LOCK else None


def discard_temporaries() -> None:
    """Remove all temporary files and folders of this process before it is terminated."""
    for path in tuple(_live):
        _remove(path)


class _Seen(NamedTuple):
    """Temporary files in a folder by beginnings of names, and the time of the next scan."""

    again: float
    paths: dict[str, list[Path]]


_seen: dict[Path, _Seen] = {}


def _remove_dead(folder: Path, start: str) -> None:
    """Remove temporary files for a name whose writers no longer exist."""
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
    """Scan a folder for temporary files."""
    found: dict[str, list[Path]] = defaultdict(list)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".tmp") and (match := _NAME.fullmatch(entry.name)):
                found[match.group(1)].append(folder / entry.name)
    # Scans take at most 1 % of the time, also if many files are written into a large folder.
    spent = time.monotonic() - now
    return _Seen(now + _LEAST_PART_OF_TIME * spent, found)


def _remove_if_dead(path: Path) -> None:
    """Remove a temporary file of this user that no writer has locked."""
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
    """Lock a new temporary file; return False if it has been removed."""
    if not CAN_LOCK or descriptor is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return True  # on a file system without locks nothing is removed
    return _is_still(descriptor, path)


def _is_still(descriptor: int, path: Path) -> bool:
    """Return whether a path is still the open file."""
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
    """Return the beginning of a name, cut at a whole character."""
    cut = os.fsencode(target.name)[:_MOST_BYTES]
    return cut.decode("utf-8", "ignore") if len(cut) == _MOST_BYTES else target.name
