"""What a command may write over: nothing but an older file of the kind it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.files import check_writable

Kind = Literal["model", "acoustic model", "scores", "report", "settings"]
_NAMES: dict[Kind, str] = {
    "model": "a background model",
    "acoustic model": "an acoustic model",
    "scores": "scores",
    "report": "a report",
    "settings": "the settings of scores",
}


def check_output(path: Path, kind: Kind) -> None:
    """Refuse an output before the work of an hour is done, not after it.

    Parameters
    ----------
    path : Path
        What the command would write.
    kind : {"model", "acoustic model", "scores", "report", "settings"}
        What it would write there; an older file of that kind, or an empty one, is replaced.

    Raises
    ------
    SpeakerGmmError
        If the path holds something else, what the command reads among it, or can't be written.
    """
    if path.is_file() and path.stat().st_size > 0 and not _holds(path, kind):
        raise InvalidInputError(
            f"{path}: exists and is not {_NAMES[kind]}; give another name, or remove it first"
        )
    check_writable(path)


def _holds(path: Path, kind: Kind) -> bool:
    if kind in ("model", "acoustic model"):
        wanted = "background model" if kind == "model" else kind
        from speakergmm.serialization import read_header

        try:
            return bool(read_header(path)["kind"] == wanted)
        except SpeakerGmmError:
            return False
    with path.open("rb") as file:
        start = file.read(512)
    if kind == "scores":  # a list of trials begins with the same two columns
        return start.startswith(b"model\tpath\tscore\t")
    return {"report": b'content="speakergmm"', "settings": b'"scores_sha256"'}[kind] in start
