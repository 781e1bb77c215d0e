"""Writing files whole or not at all, and saying in one line why one can't be written."""

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from speakergmm.errors import SpeakerGmmError

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def atomic_writer(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` once it is whole and on disk.

    If the block raises, or the disk is full, `path` is left as it was and the temporary file is
    removed. A symbolic link keeps pointing to the file it names. What is no regular file (a pipe,
    ``/dev/stdout``) can't be replaced, and is written straight.

    Parameters
    ----------
    path : path
        Where the bytes go.
    durable : bool, default=True
        Wait until the file is on disk; without it a power cut may leave an empty file, though no
        kill can.

    Raises
    ------
    SpeakerGmmError
        If the file can't be written: one line with the path and the reason.
    """
    if "\0" in os.fspath(path):
        raise SpeakerGmmError("a file name holds a NUL character; give another name")
    given, target = Path(path), Path(os.path.realpath(path))
    if target.is_dir():
        raise SpeakerGmmError(f"{os.fspath(path)}: is a folder; give the name of a file to write")
    temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
    try:
        # Asked of the name as given: /dev/stdout is a link to a pipe, which has no path.
        if given.exists() and not given.is_file():
            with given.open("wb") as stream:
                yield stream
            return
        # Not the tempfile module: its files are readable by their owner only, for good.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(target.parent)
    except OSError as error:
        raise write_error(path, error) from None


@contextlib.contextmanager
def atomic_text_writer(
    path: str | os.PathLike[str], *, errors: str = "strict"
) -> Iterator[IO[str]]:
    """As `atomic_writer`, for UTF-8 text whose lines end in a line feed.

    Parameters
    ----------
    path : path
        Where the text goes.
    errors : str, default="strict"
        What is done with what UTF-8 can't hold (see :func:`codecs.register_error`).
    """
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=errors, newline="\n")
        try:
            yield text
        finally:
            # Writes what is left; from here on the file belongs to the atomic writer again.
            text.detach()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before hours of work, that a file can be written at its end.

    Raises
    ------
    SpeakerGmmError
        If its folder doesn't exist or can't be written, or `path` is a folder or device.
    """
    if "\0" not in os.fspath(path) and Path(path).is_file() and not os.access(path, os.W_OK):
        raise SpeakerGmmError(f"{os.fspath(path)}: is write-protected; give another name")
    # What could be in the way of writing is best found by going through the same steps.
    with contextlib.suppress(_NotReplaced), atomic_writer(path):
        raise _NotReplaced


class _NotReplaced(Exception):
    """Ends a trial of writing, so that nothing is replaced."""


def write_error(path: str | os.PathLike[str], error: OSError) -> SpeakerGmmError:
    """Return the one-line error for a file that the system won't let us write."""
    name = os.fspath(path)
    if error.errno in _FULL_DISK:
        return SpeakerGmmError(f"{name}: can't be written, the disk is full; nothing was changed")
    if error.errno == errno.ENOENT:
        return SpeakerGmmError(f"{name}: can't be written, its folder doesn't exist")
    return SpeakerGmmError(f"{name}: can't be written ({error.strerror or error})")


def _sync_folder(folder: Path) -> None:
    # Without it a crash may forget the new name. Some file systems don't allow it: no matter.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
