"""The output streams of a command: text is made safe for terminals, and writing may fail.

Names, paths and metadata come from files and may contain any character. All output of commands
passes through `visible`, messages also through `one_line`. JSON remains exact.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast

LONGEST_MESSAGE = 1000
"""Largest number of characters of a message, about ten lines of a terminal."""

_KEPT_OF_THE_END = 200
# Control characters, and those that reorder or break lines. Joiners and other invisible characters
# belong to words.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_BUT_TABS = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0a-\x1f"))


def visible(text: str, *, tabs: bool = False) -> str:
    r"""Return text in which characters that control a terminal are escaped.

    Parameters
    ----------
    text : str
    tabs : bool, default=False
        Keep tabs, which separate columns.

    Examples
    --------
    >>> print(visible("a\x1b[31mb\nc"))
    a\x1b[31mb\nc
    """
    if text.isascii() and text.isprintable():
        return text
    pattern = _UNSAFE_BUT_TABS if tabs else _UNSAFE
    return pattern.sub(lambda found: found.group().encode("unicode_escape").decode(), text)


def visible_json(text: str) -> str:
    r"""Return an equivalent JSON document without characters that control a terminal.

    Examples
    --------
    >>> print(visible_json('["\x9b31m"]'))
    ["\u009b31m"]
    """
    if text.isascii():  # JSON escapes characters below 32, and U+007F has no effect
        return text

    def escape(found: re.Match[str]) -> str:
        character = found.group()
        return character if character in "\r\n\t" else f"\\u{ord(character):04x}"

    return _UNSAFE.sub(escape, text)


def one_line(text: str) -> str:
    r"""Return a message on one line of limited length, with single spaces.

    Of a longer message, `LONGEST_MESSAGE` characters from its beginning and its end are kept.

    Examples
    --------
    >>> one_line("two\nlines")
    'two lines'
    >>> len(one_line("word " * 100_000)) < 1100
    True
    """
    line = visible(" ".join(text.split()))
    left_out = len(line) - LONGEST_MESSAGE
    if left_out <= 0:
        return line
    end = len(line) - _KEPT_OF_THE_END
    return f"{line[: end - left_out]} [{left_out:,} characters left out] {line[end:]}"


class GuardedStream:
    """A stream whose errors do not end the command; `failure` is the first of them.

    Parameters
    ----------
    stream : text stream
        The stream that is written to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text; after a failure, nothing is written."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._try(self._stream.flush)

    def _try(self, call: Any) -> None:
        if self.failure is not None:
            return
        try:
            call()
        except OSError as error:
            self.failure = error
            # Its buffered text would fail again at the end of the process.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def guarded_streams() -> Iterator[GuardedStream]:
    """Replace standard output and error by guarded streams; yields the former."""
    before = sys.stdout, sys.stderr
    guarded = []
    for stream in before:
        if stream is None:  # closed by the parent process
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives on
        elif isinstance(stream, io.TextIOWrapper):
            # Characters outside the encoding of the terminal are written as escapes.
            stream.reconfigure(errors="backslashreplace")
        guarded.append(GuardedStream(stream))
    sys.stdout, sys.stderr = (cast(TextIO, stream) for stream in guarded)
    try:
        yield guarded[0]
    finally:
        for stream in guarded:
            stream.flush()
        if before[0] is not None:
            sys.stdout = before[0]
        if before[1] is not None:
            sys.stderr = before[1]


def system_reason(error: OSError) -> str:
    """Return the reason of an error of the operating system in a few words."""
    return {
        errno.ENOSPC: "the disk is full",
        errno.EFBIG: "the file may not grow that large",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
    }.get(error.errno or 0, error.strerror or str(error))
