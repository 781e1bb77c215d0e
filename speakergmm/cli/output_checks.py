"""Checks of outputs: a command replaces only an older file of the kind that it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.files import check_writable, kind_of, open_regular

_NAMES = {
    "model": "a background model",
    "system": "a speaker system",
    "acoustic model": "an acoustic model of phones",
    "word models": "an acoustic model of words",
    "language model": "a language model",
    "scores": "a score file",
    "statistics": "a statistics archive",
    "report": "a report",
    "settings": "a file with the settings of scores",
    "recognition": "a JSON file of decode",
}
# The kind of a model file and its units, as its header states them.
_MODELS = {
    "model": ("background model", None),
    "system": ("speaker system", None),
    "acoustic model": ("acoustic model", "phone"),
    "word models": ("acoustic model", "word"),
    "statistics": ("statistics archive", None),
}
# The beginnings of other files.
_BEGINS: dict[str, Callable[[bytes], bool]] = {
    "language model": lambda start: start.startswith(b"\x1f\x8b") or b"\\data\\" in start,
    # A list of trials begins with the same two columns.
    "scores": lambda start: start.startswith(b"model\tpath\tscore\t"),
    "report": lambda start: b'content="speakergmm"' in start,
    "settings": lambda start: b'"scores_sha256"' in start,
    "recognition": lambda start: start.startswith(b'{\n "model": ') and b'"model_digest"' in start,
}


def check_output(path: Path, kind: str) -> None:
    """Raise an error for an unsuitable output before the work begins, not after it.

    Parameters
    ----------
    path : Path
        The output of the command.
    kind : str
        The kind of file that it writes, a key of `_NAMES`. An older file of that kind, or an
        empty one, is replaced. Acoustic models of phones, from ``train-hmm``, and of words, from
        ``train-words``, do not replace each other.

    Raises
    ------
    SpeakerGmmError
        If the path is a file of another kind, such as an input, or cannot be written.
    """
    if kind_of(path) == "file" and path.stat().st_size > 0 and not _holds(path, kind):
        raise InvalidInputError(
            f"{path}: exists and is not {_NAMES[kind]}; give another name, or remove it first"
        )
    check_writable(path)


def _holds(path: Path, kind: str) -> bool:
    if kind not in _MODELS:
        with open_regular(path) as file:
            return _BEGINS[kind](file.read(4096))

    from speakergmm.containers import read_header

    try:
        header = read_header(path)
    except SpeakerGmmError:
        return False
    return (header["kind"], header["metadata"].get("unit_kind")) == _MODELS[kind]
