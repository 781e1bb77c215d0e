"""Text files read line by line, with all faults of a file reported at once.

Lexicons, transcripts and language models are written by people and by many programs. Someone who
corrects such a file needs all its faults with their lines, not one after the other.
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

from speakergmm.errors import SpeakerGmmError, printable_message
from speakergmm.file_kinds import recognised
from speakergmm.files import ByteSource, UnreadableFileError, kind_of, open_stream, shown_path
from speakergmm.words import clean

_MOST_TOLD = 10
_LONGEST_MESSAGE = 600
_MOST_FAULTS = 100_000
_BUFFER = 1 << 14
_LONGEST_LINE = 1 << 20
# Limits of the length of a decompressed text: it is rarely more than twenty times as long.
_UNPACKED_AT_LEAST, _UNPACKED_AT_MOST = 1 << 20, 100
# Control characters without white space: text contains at most so many, or this share of all bytes.
_CONTROL_BYTES = bytes({*range(32)} - {*b"\t\n\v\f\r"})
_MOST_CONTROLS, _MOST_CONTROLS_SHARE = 8, 0.02
# Control characters except the tab, and the two Unicode line ends, at which some programs break
# lines.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a file.

    Parameters
    ----------
    path : str
        The file.
    line : int or None
        Line of the fault, from 1; None if it concerns the whole file.
    message : str
        One line: what was found and what would be right.
    utterance : str or None
        The utterance that cannot be used because of the fault, if any.
    """

    path: str
    line: int | None
    message: str
    utterance: str | None = None

    def __post_init__(self) -> None:
        # A message may quote a word, and a word of a hostile file may be a megabyte long.
        if len(self.message) > _LONGEST_MESSAGE:
            half = _LONGEST_MESSAGE // 2
            object.__setattr__(self, "message", f"{self.message[:half]}...{self.message[-half:]}")
        object.__setattr__(self, "message", printable_message(self.message))

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        return f"{shown_path(self.path)}{line}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)


class FaultyFileError(SpeakerGmmError):
    """A text file has faults, all of which are in the attribute `faults`.

    Parameters
    ----------
    faults : tuple of Fault
        The faults, at least one.

    Examples
    --------
    >>> print(FaultyFileError((Fault("lexicon.txt", 3, "no phones"),)))
    lexicon.txt:3: no phones
    """

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        # The faults are the only argument, so that the error can be sent between processes.
        super().__init__(faults)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        listed = "; ".join(map(str, self.faults[:_MOST_TOLD]))
        more = len(self.faults) - _MOST_TOLD
        return f"{listed}; and {more} more" if more > 0 else listed


@dataclass(slots=True)
class FaultList:
    """Collector of the faults of one or several files, or of an error at the first fault.

    Parameters
    ----------
    path : str
        The file that is being read.
    faults : list of Fault
        Faults found so far.
    error : type of SpeakerGmmError
        Class of the error that is raised.
    strict : bool
        Raise the error at the first fault. Otherwise faults are collected, and the reader leaves
        out the entries that they concern.

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
        """Return a collector with the same list of faults for another file."""
        return replace(self, path=os.fspath(path))

    def add(self, line: int | None, message: str, *, utterance: str | None = None) -> None:
        """Add a fault.

        Raises
        ------
        SpeakerGmmError
            The error of the collector, if it is strict, or if there are too many faults: the file
            is probably of another kind, and faults would fill the memory.
        """
        if len(self.faults) >= _MOST_FAULTS:
            message = f"more than {_MOST_FAULTS:,} faults; the file seems to be of another kind"
            raise self.refusal(Fault(self.path, line, message))
        self.add_all([Fault(self.path, line, message, utterance)])

    def add_all(self, faults: Sequence[Fault]) -> None:
        """Add faults of one kind; if strict, raise an error with the first one and their number."""
        if self.strict and faults:
            raise self.refusal(*faults)
        self.faults += faults

    @contextmanager
    def of_line(self, line: int | None, utterance: str | None = None) -> Iterator[None]:
        """Add errors that are raised in the ``with`` block as faults of a line.

        The messages of such errors do not state the place. Code after the block must not depend on
        what was not executed.
        """
        try:
            yield
        except SpeakerGmmError as error:
            self.add(line, str(error), utterance=utterance)

    def sorted(self) -> tuple[Fault, ...]:
        """Return the faults sorted by line, after those of the whole file."""
        return tuple(sorted(self.faults, key=lambda fault: fault.line or 0))

    def refusal(self, *faults: Fault) -> SpeakerGmmError:
        """Return the error that reports some faults."""
        if issubclass(self.error, FaultyFileError):
            return self.error(faults)
        return self.error(f"{faults[0]}{and_more(faults)}")

    def refuse(self, error: type[SpeakerGmmError] | None = None) -> None:
        """Raise the error, or one of another class, with all faults, if there are any."""
        if self.faults:
            raise replace(self, error=error or self.error).refusal(*self.sorted())


def and_more(found: Sequence[object]) -> str:
    """Return the end of a message that names the first of several things: how many others."""
    return f" (and {len(found) - 1} more)" if len(found) > 1 else ""


def open_text(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a text file or pipe, plain or compressed by gzip, for reading its bytes.

    Compression is recognised by the first bytes of the file, not by its name.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    BufferedReader
        Reader of the decompressed bytes, which the caller closes. Memory is limited to what is
        read; reading raises `UnreadableFileError` as `open_stream` does, and if a line is longer
        than 1 MiB, if a compressed byte yields more than a hundred bytes (beyond the first MiB),
        or if the compression is damaged.

    Raises
    ------
    UnreadableFileError
        As in `open_stream`.
    """
    source = open_stream(path, buffer=_BUFFER)
    try:
        return io.BufferedReader(_Text(path, source), _BUFFER)
    except BaseException:
        source.close()
        raise


def pipe_content(path: str | os.PathLike[str]) -> bytes | None:
    """Return the content of a pipe, so that it can be read twice; None for any other file.

    Raises
    ------
    UnreadableFileError
        As in `open_text`.
    """
    if kind_of(path) != "pipe":
        return None
    with open_text(path) as file:
        return file.read()


def reopened(content: bytes | None) -> io.BufferedReader | None:
    """Return a reader of the result of `pipe_content`; None if that is None."""
    if content is None:
        return None
    return io.BufferedReader(cast("io.RawIOBase", io.BytesIO(content)), _BUFFER)


class _Text(ByteSource):
    """Decompressed bytes of a text, with limits on the lengths of lines and on compression."""

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
        # Lines inside the bytes that are read at once are shorter than the buffer.
        end = given.rfind(b"\n")
        self._in_line = self._in_line + len(given) if end < 0 else len(given) - end
        if self._in_line > _LONGEST_LINE:
            reason = f"has a line of more than {_LONGEST_LINE:,} bytes; insert line ends"
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
                f"becomes more than {_UNPACKED_AT_MOST} times as long when it is decompressed; "
                "decompress it and give the text",
            )
        return given


def raw_lines(
    path: str | os.PathLike[str], faults: FaultList, *, opened: io.BufferedReader | None = None
) -> Iterator[tuple[int, str]]:
    """Yield the unchanged lines of a UTF-8 text file or pipe, plain or compressed by gzip.

    Parameters
    ----------
    path : path
        The file; see `open_text`.
    faults : FaultList
        A fault is added for each line that is not UTF-8; an empty line is yielded in its place.
    opened : BufferedReader, optional
        Result of `open_text`, if the file is already open; it is closed at the end.

    Yields
    ------
    line : int
        Number of the line, from 1.
    text : str
        The line with its end, without the byte order mark of the first line.

    Raises
    ------
    UnreadableFileError
        If the file cannot be read at all, or is not text.
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
    """Yield the lines of a text, cleaned as words are.

    White space at both ends is removed, and blank lines are skipped. Text is cleaned by
    `speakergmm.words.clean`, so that the same word is the same string in every file.

    Parameters
    ----------
    path, faults, opened
        As in `raw_lines`. Control characters are faults as well; lines with faults are not yielded.

    Yields
    ------
    line : int
        Number of the line, from 1.
    text : str
        The cleaned line.

    Raises
    ------
    SpeakerGmmError
        The error of `faults`, if the file cannot be read at all, or is not text.
    """
    try:
        for number, line in raw_lines(path, faults, opened=opened):
            text = line.strip()
            if found := _CONTROL.search(text):
                message = f"contains the control character U+{ord(found.group()):04X}; remove it"
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
    """Yield the lines of a text file as `read_lines` does; raise an error at the first fault.

    Raises
    ------
    SpeakerGmmError
        An error of class `error`, with file and line.
    """
    faults = FaultList(os.fspath(path), error=error, strict=True)
    return read_lines(path, faults, opened=opened)


def stated_number(text: str) -> float:
    """Return the number that a text states, which may be infinite or NaN.

    Raises
    ------
    ValueError
        If it is none. Nor is "1_000", which `float` accepts and other programs would not.

    Examples
    --------
    >>> stated_number("1e3")
    1000.0
    """
    if "_" in text:
        raise ValueError(f"{text!r} is not a number")
    return float(text)


def _is_binary(raw: bytes) -> bool:
    """Return whether bytes are those of a model or recording rather than of text with faults."""
    controls = len(raw) - len(raw.translate(None, _CONTROL_BYTES))
    return controls > max(_MOST_CONTROLS, _MOST_CONTROLS_SHARE * len(raw))
