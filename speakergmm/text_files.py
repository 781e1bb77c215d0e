"""Text files read line by line, with every fault of a file told at once.

Lexicons, transcripts and language models are written by people and by many programs. Whoever must
mend such a file wants all its faults with their lines, not the first one and then the next.
"""

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from speakergmm.errors import SpeakerGmmError
from speakergmm.file_kinds import recognised
from speakergmm.files import ByteSource, UnreadableFileError, kind_of, open_stream, shown_path
from speakergmm.words import clean

_MOST_TOLD = 10
_LONGEST_MESSAGE = 600
_MOST_FAULTS = 100_000
_BUFFER = 1 << 14
_LONGEST_LINE = 1 << 20
# What text becomes when it is unpacked: rarely more than twenty times as long.
_UNPACKED_AT_LEAST, _UNPACKED_AT_MOST = 1 << 20, 100
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
        The utterance that cannot be used for it, where there is one.
    """

    path: str
    line: int | None
    message: str
    utterance: str | None = None

    def __post_init__(self) -> None:
        # A message may quote a word, and a word of a hostile file be a megabyte long.
        if len(self.message) > _LONGEST_MESSAGE:
            half = _LONGEST_MESSAGE // 2
            object.__setattr__(self, "message", f"{self.message[:half]}...{self.message[-half:]}")

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{shown_path(self.path)}{line}: {self.message}"

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
    """Gathers the faults of a file, or of several, while they are read; or refuses the first.

    Parameters
    ----------
    path : str
        The file that is read.
    faults : list of Fault
        What was found so far.
    error : type of SpeakerGmmError
        What is raised where a file is refused.
    strict : bool
        Raise it for the first fault. Without it faults are gathered, and whoever notes one leaves
        out what it touches.

    Examples
    --------
    >>> found = FaultList("lexicon.txt")
    >>> found.add(7, "no phones")
    >>> with found.of_line(9):
    ...     raise SpeakerGmmError("no word")
    >>> print(*found.sorted(), sep=", ")
    lexicon.txt:7: no phones, lexicon.txt:9: no word
    """

    path: str
    faults: list[Fault] = field(default_factory=list)
    error: type[SpeakerGmmError] = FaultyFileError
    strict: bool = False

    def of(self, path: str | os.PathLike[str]) -> "FaultList":
        """Return the same list, for another file."""
        return replace(self, path=os.fspath(path))

    def add(self, line: int | None, message: str, *, utterance: str | None = None) -> None:
        """Note a fault.

        Raises
        ------
        SpeakerGmmError
            Of the class that is given, if strict, or if it is one of very many: they are of a file
            of another kind, and fill the memory.
        """
        if len(self.faults) >= _MOST_FAULTS:
            message = f"more than {_MOST_FAULTS:,} faults; the file seems to be of another kind"
            raise self.refusal(Fault(self.path, line, message))
        self.add_all([Fault(self.path, line, message, utterance)])

    def add_all(self, faults: Sequence[Fault]) -> None:
        """Note faults of one kind; if strict, the error names the first and how many there are."""
        if self.strict and faults:
            raise self.refusal(*faults)
        self.faults += faults

    @contextmanager
    def of_line(self, line: int | None, utterance: str | None = None) -> Iterator[None]:
        """Note what is raised in the block as a fault of a line.

        Such errors say nothing of the place. What follows the block must not need what the block
        did not come to.
        """
        try:
            yield
        except SpeakerGmmError as error:
            self.add(line, str(error), utterance=utterance)

    def sorted(self) -> tuple[Fault, ...]:
        """Return the faults by line, those of the whole file first."""
        return tuple(sorted(self.faults, key=lambda fault: fault.line or 0))

    def refusal(self, *faults: Fault) -> SpeakerGmmError:
        """Return the error for some faults."""
        if issubclass(self.error, FaultyFileError):
            return self.error(faults)
        return self.error(f"{faults[0]}{and_more(faults)}")

    def refuse(self, error: type[SpeakerGmmError] | None = None) -> None:
        """Raise the error, or another, with all faults, if there is any."""
        if self.faults:
            raise replace(self, error=error or self.error).refusal(*self.sorted())


def and_more(found: Sequence[object]) -> str:
    """Say how many other things a message that names the first one leaves out."""
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""


def open_text(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a text file or pipe, plain or compressed by gzip, for reading its bytes.

    Whether it is compressed is told by its first bytes, not its name.

    Parameters
    ----------
    path : path

    Returns
    -------
    BufferedReader
        The uncompressed bytes, to be closed by the caller. No more is held in memory than is asked
        for, and reading raises `UnreadableFileError` where `open_stream` does, where a line is
        longer than 1 MiB, where more than a hundred bytes come of each compressed one (beyond the
        first MiB), and where the compression is damaged.

    Raises
    ------
    UnreadableFileError
        As `open_stream`.
    """
    source = open_stream(path, buffer=_BUFFER)
    try:
        return io.BufferedReader(_Text(path, source), _BUFFER)
    except BaseException:
        source.close()
        raise


def pipe_content(path: str | os.PathLike[str]) -> bytes | None:
    """Return what comes through a pipe, for whoever must read it twice; None of anything else.

    Raises
    ------
    UnreadableFileError
        As `open_text`.
    """
    if kind_of(path) != "pipe":
        return None
    with open_text(path) as file:
        return file.read()


def reopened(content: bytes | None) -> io.BufferedReader | None:
    """Return a reader of what `pipe_content` gave; None where that is None."""
    if content is None:
        return None
    return io.BufferedReader(cast("io.RawIOBase", io.BytesIO(content)), _BUFFER)


class _Text(ByteSource):
    """Bytes of a text, uncompressed, whose lines and whose compression stay within bounds."""

    def __init__(self, path: str | os.PathLike[str], source: io.BufferedReader) -> None:
        self._path = path
        self._source = source
        is_packed = source.peek(2).startswith(b"\x1f\x8b")
        self._unpacked = gzip.GzipFile(fileobj=source, mode="rb") if is_packed else None
        self._in_line = 0

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._source.close()

    def take(self, size: int) -> bytes:
        given = self._read(size)
        self.n_read += len(given)
        # Gaps between line ends within what is read at once are shorter than the buffer.
        end = given.rfind(b"\n")
        self._in_line = self._in_line + len(given) if end < 0 else len(given) - end
        if self._in_line > _LONGEST_LINE:
            reason = f"has a line of more than {_LONGEST_LINE:,} bytes; put line ends into it"
            raise UnreadableFileError(self._path, reason)
        return given

    def _read(self, size: int) -> bytes:
        if self._unpacked is None:
            return self._source.read1(size)
        try:
            given = self._unpacked.read1(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFileError(self._path, f"damaged gzip file ({error})") from None
        packed = cast("Any", self._source.raw).n_read
        if self.n_read + len(given) > _UNPACKED_AT_LEAST + _UNPACKED_AT_MOST * packed:
            raise UnreadableFileError(
                self._path,
                f"becomes more than {_UNPACKED_AT_MOST} times as long when it is unpacked, which "
                "no text does; unpack it and give the text",
            )
        return given


def raw_lines(
    path: str | os.PathLike[str], faults: FaultList, *, opened: io.BufferedReader | None = None
) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 text file or pipe, plain or compressed by gzip; lines stay as they stand.

    Parameters
    ----------
    path : path
        The file; see `open_text`.
    faults : FaultList
        Gets a fault for every line that is not UTF-8, in whose place an empty one comes.
    opened : BufferedReader, optional
        What `open_text` gave, if the file is open already; it is closed at the end.

    Yields
    ------
    line : int
        From 1.
    text : str
        With its end; of the first without a byte order mark.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read at all, or is no text.
    """
    with opened or open_text(path) as file:
        start = file.peek(_BUFFER)
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UnreadableFileError(path, "is UTF-16 text; save it as UTF-8")
        found = recognised(start)
        if _is_binary(start) or (found not in (None, "text") and b"\0" in start):
            what = "is not text" if found is None else f"is {found}, not text"
            raise UnreadableFileError(path, f"{what}; give a text file")
        for number, line in enumerate(file, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = error.object[error.start]
                message = f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8 text"
                faults.add(number, message)
                text = "\n"
            yield number, text


def read_lines(
    path: str | os.PathLike[str], faults: FaultList, *, opened: io.BufferedReader | None = None
) -> Iterator[tuple[int, str]]:
    """Read the lines of a text as words are taken in.

    White space at both ends is dropped, and blank lines are passed over. Text is clean as
    `speakergmm.words.clean` has it, so that the same word is the same string in every file.

    Parameters
    ----------
    path, faults, opened
        As `raw_lines` has them. A line that holds a control character is a fault, too; no line with
        a fault is yielded.

    Yields
    ------
    line : int
        From 1.
    text : str

    Raises
    ------
    SpeakerGmmError
        The error of `faults`, if the file cannot be read at all, or is no text.
    """
    try:
        for number, line in raw_lines(path, faults, opened=opened):
            text = line.strip()
            if found := _CONTROL.search(text):
                message = f"holds the control character U+{ord(found.group()):04X}; remove it"
                faults.add(number, message)
            elif text := clean(text).strip():
                yield number, text
    except UnreadableFileError as error:
        raise faults.refusal(Fault(os.fspath(path), None, error.reason)) from None


def read_text_lines(
    path: str | os.PathLike[str],
    *,
    error: type[SpeakerGmmError] = SpeakerGmmError,
    opened: io.BufferedReader | None = None,
) -> Iterator[tuple[int, str]]:
    """Read a text file as `read_lines` does; the first fault is an `error` of one line.

    Raises
    ------
    SpeakerGmmError
        Of the class that is given, with file and line.
    """
    faults = FaultList(os.fspath(path), error=error, strict=True)
    return read_lines(path, faults, opened=opened)


def _is_binary(raw: bytes) -> bool:
    """Tell a model or a recording from text in which a few bytes are wrong."""
    controls = len(raw) - len(raw.translate(None, _CONTROL_BYTES))
    return controls > max(_MOST_CONTROLS, _MOST_CONTROLS_SHARE * len(raw))
