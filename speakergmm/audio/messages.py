"""Words that messages about files share."""

from pathlib import Path

from speakergmm.files import shown_path

KNOWN_FORMATS = "WAV, FLAC, OGG or MP3"
OF_SEVERAL_KINDS = (
    "holds parts of different rates or channels one after the other; split them into files"
)


def described(path: Path) -> str:
    """Write a path so that it stays on one line whatever characters it holds."""
    return shown_path(path)


def reason(error: BaseException) -> str:
    """Say what went wrong without the path, in one line."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    words = " ".join(str(text).split()).rstrip(".").removeprefix("Error : ")
    # What libsndfile says of a file whose name ends in .mp3 and whose content does not bear it out.
    return "Format not recognised" if words.startswith("File does not exist") else words
