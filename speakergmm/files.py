"""Opening of files after a check of their kind, and atomic writing.

Files that are read by seeking (models, stores, recordings) must be regular files: `open_regular`.
Text may also come from a pipe, such as a shell's ``<(zcat lexicon.gz)``: `open_stream`. Devices,
which may never end, are not opened.
"""

import contextlib
import errno
import io
import os
import select
import stat
import time
from collections.abc import Callable, Iterator
from itertools import takewhile
from pathlib import Path
from typing import IO, Literal

from speakergmm.errors import SpeakerGmmError
from speakergmm.temporaries import CAN_LOCK, hold_lock, new_file, new_folder, temporary_sibling

FileKind = Literal["file", "folder", "pipe", "device", "socket", "missing"]
"""Kind of a path; that of a link is the kind of its target."""

LARGEST_STREAM = 1 << 32
"""Greatest length of a text in bytes."""

# A pipe without a writer has no data; a writer may have to sort before it writes.
_SECONDS_WITHOUT_WRITER, _SECONDS_WITHOUT_DATA = 5.0, 30.0
_TIMEOUT_VARIABLE = "SPEAKERGMM_PIPE_TIMEOUT"

_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class UnreadableFileError(SpeakerGmmError):
    """A file cannot be read, or is of the wrong kind.

    Parameters
    ----------
    path : path
        The file.
    reason : str
        What is wrong, such as ``"is a pipe; give a regular file"``.
    kind : str, optional
        Kind of the path, if that is the reason (see `FileKind`).
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
        """The path for a message; see the function `shown_path`."""
        return shown_path(self.path)

    def __str__(self) -> str:
        return f"{self.shown_path}: {self.reason}"


class UnwritableFileError(SpeakerGmmError):
    """A file or folder cannot be written; the message names it and the reason."""


def shown_path(path: object, *, limit: int = 800) -> str:
    """Return a path for a message: escaped if not printable, without its middle if too long.

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
    r"""Return why a name is impossible for a file; None if it is possible.

    Examples
    --------
    >>> name_fault("a\0"), name_fault("a\ud800"), name_fault("a")
    ('contains a NUL character', 'contains half of a character', None)
    """
    if "\0" in os.fspath(path):
        return "contains a NUL character"
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return "contains half of a character"
    return None


def kind_of(path: str | os.PathLike[str]) -> FileKind:
    """Return the kind of a path, without opening it.

    Raises
    ------
    UnreadableFileError
        If the system cannot determine it: the name is too long or contains a NUL character, or
        there is no permission.

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
    """Open a regular file, for reading with seeking; the caller closes it.

    Parameters
    ----------
    path : path
        A regular file, or a link to one.

    Returns
    -------
    BufferedReader
        The open file, whose kind is checked again after opening, since it may have been replaced.

    Raises
    ------
    UnreadableFileError
        If it is missing, a folder, a pipe, a device or a socket, or cannot be read.
    """
    return os.fdopen(_opened(path, ("file",), "give a regular file"), "rb")


def open_stream(
    path: str | os.PathLike[str], *, limit: int = LARGEST_STREAM, buffer: int = 1 << 16
) -> io.BufferedReader:
    """Open a file or pipe, for reading from beginning to end; the caller closes it.

    Parameters
    ----------
    path : path
        A regular file or a pipe, or a link to one.
    limit : int, default=LARGEST_STREAM
        Greatest number of bytes that may be read.
    buffer : int, default=65536
        Number of bytes that are read at once.

    Returns
    -------
    BufferedReader
        Reading raises `UnreadableFileError` beyond the limit, and if a pipe yields no data for 5 s
        without a writer, or for 30 s with a writer. The environment variable
        ``SPEAKERGMM_PIPE_TIMEOUT`` sets both to another value in seconds.

    Raises
    ------
    UnreadableFileError
        If it is missing, a folder, a device or a socket, cannot be read, or is a regular file
        longer than the limit.
    """
    descriptor = _opened(path, ("file", "pipe"), "give a regular file or a pipe")
    return io.BufferedReader(_Stream(path, descriptor, limit), buffer)


def read_bytes(path: str | os.PathLike[str], *, limit: int) -> bytes:
    """Return the content of a regular file or pipe; see `open_stream`."""
    with open_stream(path, limit=limit) as file:
        return file.read()


class ByteSource(io.RawIOBase):
    """Base of streams that are read from beginning to end by `take`.

    Attributes
    ----------
    n_read : int
        Number of bytes that were read so far.
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
        """Return the next bytes, at most `size`; none at the end."""
        raise NotImplementedError


class _Stream(ByteSource):
    """A file or pipe with a limit on the number of bytes and on the time without data."""

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
                # A pipe that has not been opened for writing yet looks like one at its end.
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
            self._path, f"contains more than {self._limit:,} bytes, the limit of reading"
        )


def _patience(seconds: float) -> float:
    """Return the time to wait for a pipe, which an environment variable may set."""
    try:
        return max(0.0, float(os.environ.get(_TIMEOUT_VARIABLE, seconds)))
    except ValueError:
        return seconds


def _was_closed(descriptor: int, seconds: float) -> bool:
    """Wait for data; return whether a writer has closed the pipe without writing any."""
    if not hasattr(select, "poll"):
        time.sleep(min(seconds, 0.05))
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    # In short steps, since the time to wait is longer if there is a writer.
    events = [event for _, event in poll.poll(min(1000 * seconds, 200))]
    return any(event & select.POLLHUP and not event & select.POLLIN for event in events)


def _opened(path: str | os.PathLike[str], allowed: tuple[FileKind, ...], remedy: str) -> int:
    """Open a path of an allowed kind, which is checked before and after opening."""

    def check(kind: FileKind) -> None:
        if kind == "missing":
            raise UnreadableFileError(path, "cannot be read: no such file", kind)
        if kind not in allowed:
            raise UnreadableFileError(path, f"is a {kind}; {remedy}", kind)

    check(kind_of(path))
    flags = os.O_RDONLY
    # Do not wait for a writer of a pipe; do not make a terminal the controlling one.
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
    """Return the kind of a file from its mode."""
    return _KINDS.get(stat.S_IFMT(mode), "device")


def _unreadable(path: str | os.PathLike[str], error: OSError | ValueError) -> UnreadableFileError:
    """Return the error for a path that the system, or Python, refuses."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
    else:
        reason = f"its name {name_fault(path) or 'is not valid'}"
    kind: FileKind | None = "missing" if isinstance(error, FileNotFoundError) else None
    return UnreadableFileError(path, f"cannot be read: {reason}", kind)


@contextlib.contextmanager
def atomic_writer(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` when it is complete and on disk.

    If the block raises an error, or the disk is full, `path` is not changed and the temporary file
    is removed; that of a writer that was killed is removed by the next writer of the same name. A
    symbolic link is kept, and its target is replaced. A pipe or device such as ``/dev/stdout``
    cannot be replaced and is written directly.

    Parameters
    ----------
    path : path
        File to write.
    durable : bool, default=True
        Wait until the file is on disk; otherwise a power failure may leave an empty file, but a
        kill cannot.

    Raises
    ------
    SpeakerGmmError
        If the file cannot be written: one line with the path and the reason.
    """
    if (fault := name_fault(path)) is not None:
        raise SpeakerGmmError(f"a file name {fault}; give another name")
    try:
        given, target = Path(path), Path(os.path.realpath(path))
        if target.is_dir():
            raise SpeakerGmmError(
                f"{shown_path(path)}: is a folder; give the name of a file to write"
            )
        # Checked for the given name, since /dev/stdout is a link to a pipe without a path.
        if given.exists() and not given.is_file():
            with os.fdopen(_opened_for_writing(given), "wb") as stream:
                yield stream
            return
        with temporary_sibling(target, new_file) as (temporary, descriptor):
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
    """Create a temporary folder that replaces `path`, which must not exist or be empty.

    Like `atomic_writer` for a whole tree, which appears complete or not at all.

    Parameters
    ----------
    path : path
        Folder to write; its parent must exist.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    OSError
        If the folder cannot be created, or `path` cannot be replaced.
    """
    target = Path(os.path.realpath(path))
    with temporary_sibling(target, new_folder) as (temporary, _):
        yield temporary
        if target.exists():
            target.rmdir()
        temporary.replace(target)


@contextlib.contextmanager
def atomic_text_writer(
    path: str | os.PathLike[str], *, errors: str = "strict"
) -> Iterator[IO[str]]:
    """Open a temporary file for UTF-8 text that replaces `path`; see `atomic_writer`.

    Lines end in a line feed on all systems.

    Parameters
    ----------
    path : path
        File to write.
    errors : str, default="strict"
        Handling of characters that UTF-8 cannot encode (see :func:`codecs.register_error`).
    """
    with atomic_writer(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors=errors, newline="\n")
        try:
            yield text
        finally:
            # Flushes the text and returns the file to the atomic writer.
            text.detach()


def make_folders(path: str | os.PathLike[str]) -> None:
    """Create a folder and its parents, at any depth, if they are missing.

    Raises
    ------
    SpeakerGmmError
        If one cannot be created: there is a file, the name is too long, or no permission.
    """
    folder = Path(path)
    missing = list(takewhile(lambda each: kind_of(each) == "missing", (folder, *folder.parents)))
    try:
        # Not by Path.mkdir with parents, which is recursive.
        for each in reversed(missing or [folder]):
            each.mkdir(exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before hours of work, that its result can be written to a file.

    Raises
    ------
    SpeakerGmmError
        If its folder does not exist or is not writable, or `path` is a folder or write-protected.
    """
    kind = kind_of(path)
    if kind == "file" and not os.access(path, os.W_OK):
        raise SpeakerGmmError(f"{shown_path(path)}: is write-protected; give another name")
    if kind == "pipe":  # its reader would take the trial for the end
        return
    # A trial goes through the same steps as writing, but replaces nothing.
    with contextlib.suppress(_NotReplaced), atomic_writer(path):
        raise _NotReplaced


def hold(path: str | os.PathLike[str], user: str) -> Callable[[], None]:
    """Hold a file, or its place, for one user at a time.

    Parameters
    ----------
    path : path
        The file, which need not exist.
    user : str
        What uses it, for the message, such as ``"training"``.

    Returns
    -------
    callable
        Ends the hold, which also ends with the process.

    Raises
    ------
    SpeakerGmmError
        If another process, or another part of this one, holds it.
    """
    try:
        return hold_lock(Path(os.path.realpath(path)))
    except BlockingIOError:
        raise SpeakerGmmError(
            f"{shown_path(path)}: is in use by another {user} that still runs; wait for its end, "
            "or give another name"
        ) from None
    except OSError as error:
        raise write_error(path, error) from None


def _opened_for_writing(path: Path) -> int:
    """Open a pipe or device for writing; wait for a reader of a pipe for a limited time."""
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
                    f"{path}: is a pipe without a reader for {patience:g} s"
                ) from None
            time.sleep(0.02)
        else:
            if hasattr(os, "set_blocking"):
                os.set_blocking(descriptor, True)
            return descriptor


class _NotReplaced(Exception):
    """Raised to end a trial of writing, so that nothing is replaced."""


def write_error(path: str | os.PathLike[str], error: OSError) -> UnwritableFileError:
    """Return the one-line error for a file that the system does not allow to write."""
    reason = f" ({error.strerror or error})"
    if error.errno in _FULL_DISK:
        reason = ", the disk is full; nothing was changed"
    elif error.errno == errno.ENOENT:
        is_lost = not Path(path).is_absolute() and working_directory_is_gone()
        where = "the working directory" if is_lost else "its folder"
        reason = f", {where} does not exist"
    return UnwritableFileError(f"{shown_path(path)}: cannot be written{reason}")


def working_directory_is_gone() -> bool:
    """Return whether the working directory of this process has been removed."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to disk, on file systems that allow it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
