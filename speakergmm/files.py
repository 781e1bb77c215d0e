"""Files are asked what they are before they are read, and written whole or not at all.

What is read by seeking (models, stores, recordings) must be a regular file: `open_regular`. Text
may come from a pipe as well, such as a shell's ``<(zcat lexicon.gz)``: `open_stream`. Devices never
end, and are never opened.
"""

import contextlib
import errno
import io
import os
import select
import stat
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import IO, Literal

from speakergmm.errors import SpeakerGmmError
from speakergmm.temporaries import CAN_LOCK, new_file, new_folder, temporary_beside

FileKind = Literal["file", "folder", "pipe", "device", "socket", "missing"]
"""What a path may be; a link is what it points to."""

LARGEST_STREAM = 1 << 32
"""Bytes that a text may have."""

# Without a writer nothing will come; a writer may have to sort before it writes.
_SECONDS_WITHOUT_WRITER, _SECONDS_WITHOUT_DATA = 5.0, 30.0
_TIMEOUT_VARIABLE = "SPEAKERGMM_PIPE_TIMEOUT"

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class UnreadableFileError(SpeakerGmmError):
    """A file cannot be read, or is not of a kind that can be.

    Parameters
    ----------
    path : path
        The file.
    reason : str
        What is wrong, such as ``"is a pipe; give a regular file"``.
    kind : str, optional
        What the path is, where that is the reason (see `FileKind`).
    """

    def __init__(
        self, path: str | os.PathLike[str], reason: str, kind: FileKind | None = None
    ) -> None:
        super().__init__(path, reason, kind)
        self.path = os.fspath(path)
        self.reason = reason
        self.kind = kind

    @property
    def shown_path(self) -> str:
        """The path as `shown_path` has it."""
        return shown_path(self.path)

    def __str__(self) -> str:
        return f"{self.shown_path}: {self.reason}"


def shown_path(path: object, *, limit: int = 800) -> str:
    """Return a path for a message: escaped where it is not printable, without its middle if long.

    Examples
    --------
    >>> shown_path("a/1.wav"), shown_path("a/" * 30 + "1.wav", limit=20)
    ('a/1.wav', 'a/a/a/a/a/...a/1.wav')
    """
    text = str(path)
    if len(text) > limit:
        text = f"{text[: limit // 2]}...{text[-(limit - limit // 2 - 3) :]}"
    return text if text.isprintable() else repr(text)


def name_fault(path: str | os.PathLike[str]) -> str | None:
    r"""Say why no file can have a name, or None if one can.

    Examples
    --------
    >>> name_fault("a\0"), name_fault("a\ud800"), name_fault("a")
    ('holds a NUL character', 'holds half of a character', None)
    """
    if "\0" in os.fspath(path):
        return "holds a NUL character"
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return "holds half of a character"
    return None


def kind_of(path: str | os.PathLike[str]) -> FileKind:
    """Return what a path is, without opening it.

    Raises
    ------
    UnreadableFileError
        If the system does not say: a name that is too long or holds a NUL, no permission.

    Examples
    --------
    >>> kind_of("no such file"), kind_of(os.curdir), kind_of(os.devnull)
    ('missing', 'folder', 'device')
    """
    try:
        return _kind(Path(path).stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a file that is read by seeking; the caller closes it.

    Parameters
    ----------
    path : path
        A regular file, or a link to one.

    Returns
    -------
    BufferedReader
        Of a file that was asked again after opening: nothing else can have taken its place.

    Raises
    ------
    UnreadableFileError
        If it is missing, a folder, a pipe, a device or a socket, or cannot be read.
    """
    return os.fdopen(_opened(path, ("file",), "give a regular file"), "rb")


def open_stream(
    path: str | os.PathLike[str], *, limit: int = LARGEST_STREAM, buffer: int = 1 << 16
) -> io.BufferedReader:
    """Open a file or a pipe that is read from beginning to end; the caller closes it.

    Parameters
    ----------
    path : path
        A regular file or a pipe, or a link to one.
    limit : int, default=LARGEST_STREAM
        Most bytes that are read.
    buffer : int, default=65536
        Bytes that are read at once.

    Returns
    -------
    BufferedReader
        Reading raises `UnreadableFileError` beyond the limit, and where a pipe gives nothing: for
        5 s while nobody writes to it, for 30 s where somebody does. The environment variable
        ``SPEAKERGMM_PIPE_TIMEOUT`` gives both another value in seconds.

    Raises
    ------
    UnreadableFileError
        If it is missing, a folder, a device or a socket, cannot be read, or is a regular file
        above the limit.
    """
    descriptor = _opened(path, ("file", "pipe"), "give a regular file or a pipe")
    return io.BufferedReader(_Stream(path, descriptor, limit), buffer)


def read_bytes(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """Read a whole regular file or pipe; see `open_stream`."""
    with open_stream(path, limit=limit) as file:
        return file.read()


class ByteSource(io.RawIOBase):
    """Bytes to be read from beginning to end, which `take` gives.

    Attributes
    ----------
    n_read : int
        Bytes given so far.
    """

    n_read = 0

    def readable(self) -> bool:
        """Return true."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into a buffer."""
        given = self.take(len(buffer))
        buffer[: len(given)] = given
        return len(given)

    def take(self, size: int) -> bytes:
        """Return the next bytes, `size` at most; none at the end."""
        raise NotImplementedError


class _Stream(ByteSource):
    """A file or pipe that is not read beyond a limit, and not waited for without end."""

    def __init__(self, path: str | os.PathLike[str], descriptor: int, limit: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._limit = limit
        found = os.fstat(descriptor)
        self._is_pipe = not stat.S_ISREG(found.st_mode)
        if self._is_pipe and hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, False)
        elif found.st_size > limit:
            self.close()
            raise self._too_long()

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self._descriptor)

    def take(self, size: int) -> bytes:
        given = self._read(size)
        self.n_read += len(given)
        if self.n_read > self._limit:
            raise self._too_long()
        return given

    def _read(self, size: int) -> bytes:
        began = time.monotonic()
        while True:
            try:
                given, patience = os.read(self._descriptor, size), _SECONDS_WITHOUT_WRITER
            except BlockingIOError:
                given, patience = b"", _SECONDS_WITHOUT_DATA
            except OSError as error:
                raise _unreadable(self._path, error) from None
            else:
                # A pipe that nobody has opened for writing yet looks as one at its end.
                if given or not self._is_pipe or self.n_read:
                    return given
            patience = _patience(patience)
            left = began + patience - time.monotonic()
            if left <= 0:
                raise UnreadableFileError(
                    self._path, f"is a pipe to which nothing was written for {patience:g} s", "pipe"
                )
            if _was_closed(self._descriptor, left):
                return b""

    def _too_long(self) -> UnreadableFileError:
        return UnreadableFileError(
            self._path, f"holds more than {self._limit:,} bytes, the most that is read"
        )


def _patience(seconds: float) -> float:
    try:
        return max(0.0, float(os.environ.get(_TIMEOUT_VARIABLE, seconds)))
    except ValueError:
        return seconds


def _was_closed(descriptor: int, seconds: float) -> bool:
    """Wait for data, and tell whether a writer came and went without giving any."""
    if not hasattr(select, "poll"):
        time.sleep(min(seconds, 0.05))
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    # In short steps: somebody who opens the pipe and says nothing is waited for longer.
    events = [event for _, event in poll.poll(min(1000 * seconds, 200))]
    return any(event & select.POLLHUP and not event & select.POLLIN for event in events)


def _opened(path: str | os.PathLike[str], allowed: tuple[FileKind, ...], remedy: str) -> int:
    """Open what is of an allowed kind; what the kind is, is asked before and after."""

    def check(kind: FileKind) -> None:
        if kind == "missing":
            raise UnreadableFileError(path, "cannot be read: no such file", kind)
        if kind not in allowed:
            raise UnreadableFileError(path, f"is a {kind}; {remedy}", kind)

    check(kind_of(path))
    flags = os.O_RDONLY
    # A pipe without a writer would be waited for; a terminal would become ours.
    for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    try:
        check(_kind(os.fstat(descriptor).st_mode))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


_KINDS: dict[int, FileKind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def _kind(mode: int) -> FileKind:
    return _KINDS.get(stat.S_IFMT(mode), "device")


def _unreadable(path: str | os.PathLike[str], error: OSError | ValueError) -> UnreadableFileError:
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
    else:  # Python's own refusal
        reason = f"its name {name_fault(path) or 'is none'}"
    kind: FileKind | None = "missing" if isinstance(error, FileNotFoundError) else None
    return UnreadableFileError(path, f"cannot be read: {reason}", kind)


@contextlib.contextmanager
def atomic_writer(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` once it is whole and on disk.

    If the block raises, or the disk is full, `path` is left as it was and the temporary file is
    removed; that of a writer that was killed, by the next writer of the same name. A symbolic link
    keeps pointing to the file it names. What is no regular file (a pipe, ``/dev/stdout``) cannot be
    replaced, and is written straight.

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
        If the file cannot be written: one line with the path and the reason.
    """
    if (fault := name_fault(path)) is not None:
        raise SpeakerGmmError(f"a file name {fault}; give another name")
    given, target = Path(path), Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise SpeakerGmmError(
                f"{shown_path(path)}: is a folder; give the name of a file to write"
            )
        # Asked of the name as given: /dev/stdout is a link to a pipe, which has no path.
        if given.exists() and not given.is_file():
            with os.fdopen(_opened_for_writing(given), "wb") as stream:
                yield stream
            return
        with temporary_beside(target, new_file) as (temporary, descriptor):
            with os.fdopen(descriptor, "wb", closefd=not CAN_LOCK) as file:
                yield file
                file.flush()
                if durable:
                    os.fsync(descriptor)
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        if durable:
            _sync_folder(target.parent)
    except OSError as error:
        raise write_error(path, error) from None


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a temporary folder that takes the place of `path`, which must be absent or empty.

    As `atomic_writer`, for a whole tree: it appears whole or not at all.

    Parameters
    ----------
    path : path
        Where the folder goes; its parent must exist.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    OSError
        If it cannot be made, or cannot take its place.
    """
    target = Path(os.path.realpath(path))
    with temporary_beside(target, new_folder) as (temporary, _):
        yield temporary
        if target.exists():
            target.rmdir()
        temporary.replace(target)


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
        What is done with what UTF-8 cannot hold (see :func:`codecs.register_error`).
    """
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=errors, newline="\n")
        try:
            yield text
        finally:
            # Writes what is left; from here on the file belongs to the atomic writer again.
            text.detach()


def make_folders(path: str | os.PathLike[str]) -> None:
    """Make a folder and those that it lies in, however deep, where they are missing.

    Raises
    ------
    SpeakerGmmError
        If one cannot be made: a file stands there, the name is too long, no permission.
    """
    folder = Path(path)
    missing = list(takewhile(lambda each: kind_of(each) == "missing", (folder, *folder.parents)))
    try:
        # Not by Path.mkdir's own way through the parents, which is recursive.
        for each in reversed(missing or [folder]):
            each.mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before hours of work, that a file can be written at its end.

    Raises
    ------
    SpeakerGmmError
        If its folder does not exist or cannot be written, or `path` is a folder or device.
    """
    kind = kind_of(path)
    if kind == "file" and not os.access(path, os.W_OK):
        raise SpeakerGmmError(f"{shown_path(path)}: is write-protected; give another name")
    if kind == "pipe":  # whoever reads it would take the trial for its end
        return
    # What could be in the way of writing is best found by going through the same steps.
    with contextlib.suppress(_NotReplaced), atomic_writer(path):
        raise _NotReplaced


def _opened_for_writing(path: Path) -> int:
    """Open a pipe or device; a pipe that nobody reads is not waited for without end."""
    began = time.monotonic()
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno != errno.ENXIO or kind_of(path) != "pipe":
                raise
            patience = _patience(_SECONDS_WITHOUT_WRITER)
            if time.monotonic() - began > patience:
                raise SpeakerGmmError(
                    f"{path}: is a pipe that nobody has read for {patience:g} s"
                ) from None
            time.sleep(0.02)
        else:
            if hasattr(os, "set_blocking"):
                os.set_blocking(descriptor, True)
            return descriptor


class _NotReplaced(Exception):
    """Ends a trial of writing, so that nothing is replaced."""


def write_error(path: str | os.PathLike[str], error: OSError) -> SpeakerGmmError:
    """Return the one-line error for a file that the system will not let us write."""
    reason = f" ({error.strerror or error})"
    if error.errno in _FULL_DISK:
        reason = ", the disk is full; nothing was changed"
    elif error.errno == errno.ENOENT:
        reason = ", its folder does not exist"
    return SpeakerGmmError(f"{shown_path(path)}: cannot be written{reason}")


def _sync_folder(folder: Path) -> None:
    # Without it a crash may forget the new name. Some file systems do not allow it: no matter.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
