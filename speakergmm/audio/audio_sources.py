"""What a recording is read from: a path, or a binary file that is open already."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from speakergmm.audio.messages import reason
from speakergmm.errors import AudioError, InvalidTypeError
from speakergmm.files import UnreadableFileError, open_regular, shown_path
from speakergmm.ranges import wrong_type

AudioSource = str | os.PathLike[str] | IO[bytes]
"""A path, or a binary file that can be sought in, such as `io.BytesIO`."""


def source_path(source: AudioSource) -> Path:
    """Return the path, or what an open file is called in messages.

    Raises
    ------
    InvalidTypeError
        If it is neither a path nor a file; names the right call.
    """
    if isinstance(source, str | os.PathLike) and not isinstance(source, bytes):
        return Path(source)
    if callable(getattr(source, "read", None)):
        name = getattr(source, "name", None)
        return Path(name if isinstance(name, str) and name else "the file object")
    raise wrong_type(source, "a path or a binary file", _remedy(source))


@contextlib.contextmanager
def open_source(source: AudioSource) -> Iterator[tuple[IO[bytes], int]]:
    """Open what a recording is read from, without waiting for anything.

    Parameters
    ----------
    source : path or binary file
        A file that is open already stays open, and is read from its beginning.

    Yields
    ------
    file : binary file
    size : int
        In bytes.

    Raises
    ------
    AudioError
        If a path is no regular file, or can't be read; if a file can't be sought in, or is closed.
    InvalidTypeError
        If it is neither a path nor a binary file.
    """
    path = source_path(source)
    if isinstance(source, str | os.PathLike):
        try:
            with open_regular(path) as file:
                yield file, os.fstat(file.fileno()).st_size
        except UnreadableFileError as error:
            raise AudioError(_refusal(path, error)) from None
        return
    try:
        if not source.seekable():
            raise AudioError(
                "is a file that can't be sought in, such as a pipe; give io.BytesIO(file.read())"
            )
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        # Of text that is none, the first character can't be read.
        is_text = isinstance(source, io.TextIOBase) or not isinstance(source.read(1), bytes)
    except (OSError, ValueError, AttributeError) as error:
        raise AudioError(f"can't be read: {error}") from error
    if is_text:
        raise InvalidTypeError(f"{shown_path(path)}: is open as text; open it with mode 'rb'")
    yield source, size


def _refusal(path: Path, error: UnreadableFileError) -> str:
    found = error.reason.removeprefix("can't be read: ")
    if error.kind == "folder":
        found = "is a folder, not a recording"
    elif error.kind == "missing":
        # A file may stand where a folder should.
        with contextlib.suppress(FileNotFoundError):
            try:
                path.stat()
            except NotADirectoryError as wrong:
                found = reason(wrong)
    elif error.kind is not None:
        found = (
            f"is not a regular file but a {error.kind}, and recordings are read by seeking; copy "
            "it to a file first"
        )
    return found


def _remedy(source: Any) -> str:
    if isinstance(source, bytes | bytearray | memoryview):
        return "; give io.BytesIO(...) of it"
    if hasattr(source, "path"):
        return "; give its .path"
    return ""
