"""Text files read line by line, with every fault of a file told at once.

Lexicons, transcripts and language models are written by people and by many programs. Whoever must
mend such a file wants all its faults with their lines, not the first one and then the next.
"""

import gzip
import os
import re
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from speakergmm.errors import SpeakerGmmError

_MOST_TOLD = 10
# Bytes of control characters, but for white space: more of them, and of all bytes, has no text.
_CONTROL_BYTES = bytes({*range(32)} - {*b"\t\n\v\f\r"})
_MOST_CONTROLS, _MOST_CONTROLS_SHARE = 8, 0.02
# Control characters but the tab, and the two Unicode line ends, which break lines in some programs.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file.

    Parameters
    ----------
    path : str
        The file.
    line : int or None
        Its line, from 1; None for the file as a whole.
    message : str
        One line: what was found and what would be right.
    utterance : str or None
        The utterance that can't be used for it, where there is one.
    """

    path: str
    line: int | None
    message: str
    utterance: str | None = None

    def __str__(self) -> str:
        where = _shown(self.path) if self.line is None else f"{_shown(self.path)}:{self.line}"
        return f"{where}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return asdict(self)


class FaultyFileError(SpeakerGmmError):
    """A text file has faults; all of them are in `faults`.

    Parameters
    ----------
    faults : tuple of Fault
        At least one.

    Examples
    --------
    >>> print(FaultyFileError((Fault("lexicon.txt", 3, "no phones"),)))
    lexicon.txt:3: no phones
    """

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        # The faults alone are the argument, so that the error survives a trip between processes.
        super().__init__(faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        told = "; ".join(map(str, self.faults[:_MOST_TOLD]))
        more = len(self.faults) - _MOST_TOLD
        return f"{told}; and {more} more" if more > 0 else told


@dataclass(slots=True)
class FaultList:
    """Gathers the faults of one file while it is read.

    Parameters
    ----------
    path : str
        The file.
    faults : list of Fault
        What was found so far.

    Examples
    --------
    >>> found = FaultList("lexicon.txt")
    >>> found.add(7, "no phones")
    >>> found.sorted()[0].line
    7
    """

    path: str
    faults: list[Fault] = field(default_factory=list)

    def add(self, line: int | None, message: str, *, utterance: str | None = None) -> None:
        """Note a fault."""
        self.faults.append(Fault(self.path, line, message, utterance))

    def sorted(self) -> tuple[Fault, ...]:
        """Return the faults by line, those of the whole file first."""
        return tuple(sorted(self.faults, key=lambda fault: fault.line or 0))

    def refuse(self, error: type[FaultyFileError]) -> None:
        """Raise `error` with all faults, if there is any."""
        if self.faults:
            raise error(self.sorted())


def read_lines(path: str | os.PathLike[str], faults: FaultList) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 text file, plain or compressed by gzip, line by line.

    A byte order mark and carriage returns at the ends of lines are dropped, white space at both
    ends too, and blank lines are passed over. Text comes in Unicode normal form C, so that the
    same word is the same string in every file.

    Parameters
    ----------
    path : path
        The file. Whether it is compressed is told by its first bytes, not its name.
    faults : FaultList
        Gets a fault for every line that isn't UTF-8 or holds a control character; such a line is
        not yielded.

    Yields
    ------
    line : int
        From 1.
    text : str

    Raises
    ------
    FaultyFileError
        If the file can't be read at all, or is no text.
    """
    raw = _read_bytes(Path(path))
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FaultyFileError((Fault(os.fspath(path), None, "UTF-16 text; save it as UTF-8"),))
    if _is_binary(raw):
        raise FaultyFileError((Fault(os.fspath(path), None, "is no text; give a text file"),))
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            byte = line[error.start]
            faults.add(number, f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8 text")
            continue
        if found := _CONTROL.search(text):
            code = ord(found.group())
            faults.add(number, f"holds the control character U+{code:04X}; remove it")
        elif text:
            yield number, text if text.isascii() else unicodedata.normalize("NFC", text)


def _is_binary(raw: bytes) -> bool:
    """Tell a model or a recording from text in which a few bytes are wrong."""
    controls = len(raw) - len(raw.translate(None, _CONTROL_BYTES))
    return controls > max(_MOST_CONTROLS, _MOST_CONTROLS_SHARE * len(raw))


def _read_bytes(path: Path) -> bytes:
    name = os.fspath(path)
    try:
        if path.exists() and not path.is_file():
            raise FaultyFileError((Fault(name, None, "is no file; a text file is needed here"),))
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FaultyFileError((Fault(name, None, f"damaged gzip file ({error})"),)) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise FaultyFileError((Fault(name, None, f"can't be read: {reason}"),)) from error


def _shown(path: str) -> str:
    return path if path.isprintable() else repr(path)
