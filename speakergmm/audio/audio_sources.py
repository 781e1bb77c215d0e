"""Sources of recordings: paths and open binary files."""

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
"""A path, or a seekable binary file such as `io.BytesIO`."""


def source_path(source: AudioSource) -> Path:
    """Return the path of a source, or the name of an open file in messages.

    Raises
    ------
    InvalidTypeError
        If `source` is neither a path nor a file; the message names the right call.
    """
    if isinstance(source, str | os.PathLike) and not isinstance(source, bytes):
        return Path(source)
    if callable(getattr(source, "read", None)):
        name = getattr(source, "name", None)
        return Path(name if isinstance(name, str) and name else "the file object")
    raise wrong_type(source, "a path or a binary file", _remedy(source))


@contextlib.contextmanager
def open_source(source: AudioSource) -> Iterator[tuple[IO[bytes], int]]:
    """Open the source of a recording, without waiting for a pipe or a device.

    Parameters
    ----------
    source : path or binary file
        An open file stays open, and is read from its beginning.

    Yields
    ------
    file : binary file
        The open file.
    size : int
        Its size in bytes.

    Raises
    ------
    AudioError
        If a path is not a regular file or cannot be read, or if an open file is closed or not
        seekable.
    InvalidTypeError
        If `source` is neither a path nor a binary file.
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
            raise AudioError("is not seekable, such as a pipe; give io.BytesIO(file.read())")
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        # Reading one character of a binary file that was opened as text may fail.
        is_text = isinstance(source, io.TextIOBase) or not isinstance(source.read(1), bytes)
    except (OSError, ValueError, AttributeError) as error:
        raise AudioError(f"cannot be read: {error}") from error
    if is_text:
        raise InvalidTypeError(f"{shown_path(path)}: was opened as text; open it with mode 'rb'")
    yield source, size


def _refusal(path: Path, error: UnreadableFileError) -> str:
    """Return the message about a path that cannot be read as a recording."""
    found = error.reason.removeprefix("cannot be read: ")
    if error.kind == "folder":
        found = "is a folder, not a recording; give the files in it, such as FOLDER/*.wav"
    elif error.kind == "missing":
        # A part of the path may be a file instead of a folder.
        with contextlib.suppress(FileNotFoundError):
            try:
                path.stat()
            except NotADirectoryError as wrong:
                found = reason(wrong)
    elif error.kind is not None:
        found = (
            f"is not a regular file but a {error.kind}, in which a recording cannot be sought; "
            "copy it to a file first"
        )
    return found


def _remedy(source: Any) -> str:
    """Return what to do about a source of the wrong type."""
    if isinstance(source, bytes | bytearray | memoryview):
        return "; give io.BytesIO(...) of it"
    if hasattr(source, "path"):
        return "; give its .path"
    return ""
