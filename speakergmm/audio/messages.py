"""Error messages about recordings: one line each, which begins with the name of the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from speakergmm.errors import AudioError
from speakergmm.files import shown_path

KNOWN_FORMATS = "WAV, FLAC, OGG or MP3"
OF_SEVERAL_KINDS = (
    "holds parts of different rates or channels one after the other; split them into files"
)


@contextlib.contextmanager
def refusing(path: Path | str) -> Iterator[None]:
    """Prefix the message of any `AudioError` raised inside with the name of a recording.

    Examples
    --------
    >>> with refusing("ana.wav"):
    ...     raise AudioError("holds no samples (length 0)")
    Traceback (most recent call last):
    ...
    speakergmm.errors.AudioError: ana.wav: holds no samples (length 0)
    """
    try:
        yield
    except AudioError as error:
        raise AudioError(f"{shown_path(path)}: {error}") from error


def truncated(kind: str, found: str, promised: str) -> AudioError:
    """Return the error for a recording that holds less than its header promises."""
    return AudioError(
        f"truncated {kind} file, holds {found} of audio where its header promises {promised}"
    )


def reason(error: BaseException) -> str:
    """Return in one line, without the path, what went wrong."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    words = " ".join(str(text).split()).rstrip(".").removeprefix("Error : ")
    # libsndfile's message about a file named .mp3 that does not contain MP3.
    return "Format not recognised" if words.startswith("File does not exist") else words
