"""Changes to the bytes of a file, as disks, networks, programs and people make them.

A change is five whole numbers, so that Hypothesis can draw and shrink it, and Atheris's generator
can draw it as well. Any numbers are valid: places count modulo the length of the content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

Change = tuple[int, int, int, int, int]
"""Number of the kind of change, two places, a length and a choice."""

NUMBERS = (
    b"0", b"-1", b"1", b"1e999", b"-1e999", b"nan", b"inf", b"-0.0", b"1e-320", b"1_0", b"0x10",
    b"4294967295", b"4294967296", b"2147483648", b"9223372036854775808", b"18446744073709551616",
    b"9" * 400, b"0." + b"1" * 400, b"1e308", b"\xd9\xa1\xd9\xa2", b".", b"+", b"1.0.0",
)  # fmt: skip
"""Spellings of numbers that readers stumble over."""

TEXTS = (
    b"\0", b"\r", b"\n", b"\r\n", b"\t", b" ", b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", b"\xc2\xa0",
    b"\xe2\x80\xa8", b"\xe2\x80\x8b", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xff",
    b'"', b"''", b"\\", b"%20", b"%", b"../", b"/", b"|", b"<s>", b"#", b";;", b"[", b"{",
    b"e\xcc\x81", b"\xe2\x80\x8c" * 9,
)  # fmt: skip
"""White space, marks, quotations and bytes that are not UTF-8."""

INTEGERS = (
    b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff", b"\0\0\0\x80",
    b"\x80\0\0\0", b"\1\0\0\0", b"\0\0\0\1", b"\xff" * 8, b"\0" * 8, b"\xff" * 7 + b"\x7f", b"\0",
    b"\xff\xff", b"\0\0",
)  # fmt: skip
"""Binary numbers at the limits of their types, in both byte orders."""

_TOKEN = re.compile(rb"[^\s,;:=\"'()\[\]{}<>|]+")
_MANY = 64


def _flip(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    place = change[1] % len(content)
    return content[:place] + bytes((content[place] ^ 1 << change[4] % 8,)) + content[place + 1 :]


def _cut(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    return content[: change[1] % len(content)]


def _drop(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    place = change[1] % len(content)
    return content[:place] + content[place + 1 + change[3] % _MANY :]


def _repeat(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    place = change[1] % len(content)
    piece = content[place : place + 1 + change[3] % _MANY]
    return content[:place] + piece * (2 + change[4] % _MANY) + content[place + len(piece) :]


def _splice(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    place, other = change[1] % len(content), change[2] % len(content)
    return content[:place] + content[other : other + 1 + change[3] % len(content)]


def _overwrite(content: bytes, change: Change, tokens: Sequence[bytes]) -> bytes:
    place, piece = change[1] % len(content), tokens[change[4] % len(tokens)]
    return content[:place] + piece + content[place + len(piece) :]


def _insert(content: bytes, change: Change, tokens: Sequence[bytes]) -> bytes:
    place = change[1] % len(content)
    return content[:place] + tokens[change[4] % len(tokens)] + content[place:]


def _token(content: bytes, change: Change, tokens: Sequence[bytes]) -> bytes:
    """Put another token in the place of one, or exchange two of them."""
    found = list(_TOKEN.finditer(content))
    if not found:
        return content
    one, other = sorted((change[1] % len(found), change[2] % len(found)))
    first, second = found[one], found[other]
    if change[3] % 2 or one == other:
        piece = tokens[change[4] % len(tokens)]
        return content[: first.start()] + piece + content[first.end() :]
    between = content[first.end() : second.start()]
    return b"".join(
        (content[: first.start()], second[0], between, first[0], content[second.end() :])
    )


def _line(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    """Repeat a line elsewhere, or move it there."""
    lines = content.splitlines(keepends=True)
    one, other = change[1] % len(lines), change[2] % len(lines)
    line = lines[one] if change[3] % 2 else lines.pop(one)
    return b"".join((*lines[:other], line, *lines[other:]))


def _encode(content: bytes, change: Change, _: Sequence[bytes]) -> bytes:
    codings = ("utf-16", "utf-16-be", "utf-32", "utf-8-sig", "cp500")
    return content.decode("utf-8", "replace").encode(codings[change[4] % len(codings)], "replace")


KINDS: tuple[Callable[[bytes, Change, Sequence[bytes]], bytes], ...] = (
    _flip, _flip, _cut, _drop, _repeat, _splice, _overwrite, _overwrite, _insert, _insert, _token,
    _token, _token, _line, _line, _encode,
)  # fmt: skip
"""The kinds of changes; those that reach far into a reader are there more than once."""


def changed(content: bytes, changes: Sequence[Change], tokens: Sequence[bytes] = ()) -> bytes:
    """Return content after changes, one after the other; `tokens` are words of the format."""
    words = (*NUMBERS, *TEXTS, *INTEGERS, *tokens, *tokens, *tokens)
    for change in changes:
        if content:
            content = KINDS[change[0] % len(KINDS)](content, change, words)
    return content


def drawn(random: Random, n_changes: int) -> list[Change]:
    """Draw changes; small places are as likely as large ones, since headers stand first."""
    span = (1 << 20, 64)
    return [
        (
            random.randrange(len(KINDS)),
            random.randrange(span[random.randrange(2)]),
            random.randrange(1 << 20),
            random.randrange(1 << 10),
            random.randrange(1 << 10),
        )
        for _ in range(n_changes)
    ]
