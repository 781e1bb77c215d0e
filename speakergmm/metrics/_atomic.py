"""Write a text file whole or not at all."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from speakergmm.errors import SpeakerGmmError


def write_text_atomically(path: str | Path, chunks: Iterable[str], *, errors: str) -> None:
    """Write text so that a reader sees the old file or the new one, never half of one.

    The text goes to a temporary file in the same folder, reaches the disk, and takes the old
    file's place in one step. What is no regular file (a pipe, ``/dev/stdout``) can't be replaced
    and is written straight.

    Parameters
    ----------
    path : str or Path
        Where the text goes; a symbolic link is followed.
    chunks : iterable of str
        The text, in pieces; written as UTF-8.
    errors : str
        What the encoder does with what UTF-8 can't hold (see :func:`codecs.register_error`).

    Raises
    ------
    SpeakerGmmError
        If the file can't be written: no such folder, no permission, disk full.
    """
    target = Path(path)
    try:
        target = target.resolve()
        if target.is_dir():
            raise SpeakerGmmError(f"{path}: is a folder; name a file to write")
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            with target.open("w", encoding="utf-8", errors=errors, newline="\n") as stream:
                stream.writelines(chunks)
            return
        temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
        # 0o666 lets the umask decide, as it does for any file the user creates.
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        try:
            with os.fdopen(
                descriptor, "w", encoding="utf-8", errors=errors, newline="\n"
            ) as stream:
                stream.writelines(chunks)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SpeakerGmmError(
            f"{path!s}: can't be written: {reason}".replace("\0", "\\0")
        ) from None
