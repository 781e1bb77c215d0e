"""What a command may write over: nothing but an older file of the kind it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.files import check_writable, kind_of, open_regular

Kind = Literal[
    "model",
    "acoustic model",
    "word models",
    "language model",
    "scores",
    "report",
    "settings",
    "recognition",
]
_NAMES: dict[Kind, str] = {
    "model": "a background model",
    "acoustic model": "an acoustic model of phones",
    "word models": "an acoustic model of words",
    "language model": "a language model",
    "scores": "scores",
    "report": "a report",
    "settings": "the settings of scores",
    "recognition": "JSON of what was recognised",
}


def check_output(path: Path, kind: Kind) -> None:
    """Refuse an output before the work of an hour is done, not after it.

    Parameters
    ----------
    path : Path
        What the command would write.
    kind : Kind
        What it would write there; an older file of that kind, or an empty one, is replaced.
        Acoustic models of phones, from ``train-hmm``, and of words, from ``train-words``, don't
        replace each other.

    Raises
    ------
    SpeakerGmmError
        If the path holds something else, what the command reads among it, or can't be written.
    """
    if kind_of(path) == "file" and path.stat().st_size > 0 and not _holds(path, kind):
        raise InvalidInputError(
            f"{path}: exists and is not {_NAMES[kind]}; give another name, or remove it first"
        )
    check_writable(path)


def _holds(path: Path, kind: Kind) -> bool:
    if kind in ("model", "acoustic model", "word models"):
        return _model_kind(path) == kind
    with open_regular(path) as file:
        start = file.read(4096)
    if kind == "scores":  # a list of trials begins with the same two columns
        return start.startswith(b"model\tpath\tscore\t")
    if kind == "language model":  # compressed or not
        return start.startswith(b"\x1f\x8b") or b"\\data\\" in start
    if kind == "recognition":
        return start.startswith(b'{\n "model": ') and b'"model_digest"' in start
    return {"report": b'content="speakergmm"', "settings": b'"scores_sha256"'}[kind] in start


def _model_kind(path: Path) -> Kind | None:
    from speakergmm.containers import read_header

    try:
        header = read_header(path)
    except SpeakerGmmError:
        return None
    if header["kind"] == "background model":
        return "model"
    if header["kind"] != "acoustic model":
        return None
    is_of_words = header["metadata"].get("unit_kind") == "word"
    return "word models" if is_of_words else "acoustic model"
