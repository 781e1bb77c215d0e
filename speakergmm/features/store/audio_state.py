"""States of audio files, by which a changed recording is noticed without reading it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from speakergmm.files import UnreadableFileError, open_regular


class FileState(NamedTuple):
    """The state of a file, which is known without reading it.

    Attributes
    ----------
    size : int
        Size in bytes.
    modified : int
        Time of the last modification, in nanoseconds.
    changed : int
        Time of the last change of content, name or permissions, in nanoseconds. Unlike `modified`,
        which programs that copy files set back, it cannot be set.
    inode : int
        Number of the file in its file system.
    """

    size: int
    modified: int
    changed: int
    inode: int


def file_state(path: str | os.PathLike[str]) -> FileState | None:
    """Return the state of a file; None if there is none, or the system does not tell."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a path object would take as long again
    except (OSError, ValueError):
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def content_digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256, in hexadecimal, of a file.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_if_unchanged(file: tuple[Path, FileState]) -> str:
    """Return the SHA-256 of a file; an empty string if it cannot be read, or its state changes."""
    path, state = file
    try:
        digest = content_digest(path)
    except UnreadableFileError:
        return ""
    return digest if file_state(path) == state else ""
