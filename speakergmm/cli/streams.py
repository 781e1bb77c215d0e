"""The two streams of a command: what is written is safe for a terminal, and may fail.

Names, paths and metadata come from files and from people, and may hold anything. Whatever a command
prints goes through `visible`; a message for a person also through `one_line`. JSON stays exact.
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
"""Characters of a message, about ten lines of a terminal."""

_KEPT_OF_THE_END = 200
# Control characters, and those that reorder or break lines. Joiners and other invisible characters
# belong to words.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_UNSAFE_BUT_TABS = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0a-\x1f"))


def visible(text: str, *, tabs: bool = False) -> str:
    r"""Return text with escapes for what a terminal would obey instead of showing it.

    Parameters
    ----------
    text : str
    tabs : bool, default=False
        Let tabs stand, which separate columns.

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
    r"""Return a JSON document that means the same and holds nothing that a terminal would obey.

    Examples
    --------
    >>> print(visible_json('["\x9b31m"]'))
    ["\u009b31m"]
    """
    if text.isascii():  # the writer of JSON escapes those below 32; and U+007F does nothing
        return text

    def escape(found: re.Match[str]) -> str:
        character = found.group()
        return character if character in "\r\n\t" else f"\\u{ord(character):04x}"

    return _UNSAFE.sub(escape, text)


def one_line(text: str) -> str:
    r"""Return a message on one line, without white space at will, and not endless.

    Of a longer one `LONGEST_MESSAGE` characters are kept, from its beginning and its end.

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
    """A stream that may fail, which doesn't end the command; `failure` says why it did.

    Parameters
    ----------
    stream : text stream
        Where the text goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text, or nothing once it has failed."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Let out what is held back."""
        self._try(self._stream.flush)

    def _try(self, call: Any) -> None:
        if self.failure is not None:
            return
        try:
            call()
        except OSError as error:
            self.failure = error
            # What it still holds would fail again at the end of the process.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def guarded_streams() -> Iterator[GuardedStream]:
    """Put streams that may fail in the place of standard output and error; yields the former."""
    before = sys.stdout, sys.stderr
    guarded = []
    for stream in before:
        if stream is None:  # closed by who started us
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - lives on
        elif isinstance(stream, io.TextIOWrapper):
            # A name that the terminal can't show is written with escapes, and ends nothing.
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
    """Return in a few words what the operating system refused."""
    return {
        errno.ENOSPC: "the disk is full",
        errno.EFBIG: "the file may not grow that large",
        errno.EROFS: "the file system is read-only",
        errno.EACCES: "permission denied",
    }.get(error.errno or 0, error.strerror or str(error))
