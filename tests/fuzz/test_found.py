"""What fuzzing has found: exceptions of Python, and times that grew with the square of a file."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from . import seeds
from .growth import check_growth
from .targets import TARGETS

SMALL, LARGE = 1 << 14, 1 << 16
JOINER, SPACE = "\u200c".encode(), "\u200b".encode()


def mpeg_frame(rate: int) -> bytes:
    """Return a frame of 24 bytes of MPEG 2, layer III, at 8 kbit/s, at one of three rates."""
    return bytes((0xFF, 0xF3, 0x10 | rate << 2, 0xC0)) + bytes(20)


def ogg_page(number: int) -> bytes:
    begins = 0 if number else 2
    return b"OggS\0" + bytes((begins,)) + bytes(8) + struct.pack("<III", 1, number, 0) + b"\1\1x"


def flac_without_rate() -> bytes:
    whole = bytearray(seeds.sound("FLAC", "PCM_16"))
    whole[18:22] = bytes((0, 0, 0, whole[21]))  # the rate, and more samples than there are
    whole[22:26] = b"\0\xff\xff\xff"
    return bytes(whole)


FOUND = {
    "a tag of three bytes": ("audio-mp3", lambda: b"ID3"),
    "a tag in the last bytes": ("audio-mp3", lambda: seeds.sound("MP3", "MPEG_LAYER_III") + b"ID3"),
    "a dump of six bytes": ("audio-sds", lambda: b"\xf0\x7e\0\1\0\0"),
    "a FLAC file at 0 Hz": ("audio-flac", flac_without_rate),
    "tiers named by control characters": (
        "textgrid", lambda: seeds.textgrids()[1].replace(b"points", b"a\\nb").replace(
            b"words", b"points\x04").replace(b'"a\\nb"', b'"points\x04"'),
    ),
    "a phone that is no character": ("lexicon", lambda: "a B\uffff\na B\uffff\n".encode()),
    "columns that are invisible": ("list", lambda: b"path\t" + JOINER * 5000 + b"\ts\na\tb\tc\n"),
}  # fmt: skip

GROWN: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "runs of MPEG frames": (
        "audio-mp3", lambda n: (mpeg_frame(0) * 2 + mpeg_frame(1) * 2) * (n // 96),
    ),
    "pages between other bytes": (
        "audio-ogg", lambda n: b"".join(ogg_page(number) + b"-" for number in range(n // 30)),
    ),
    "one word in a header": ("audio-sph", lambda n: b"NIST_1A\n   99999\n\0" + b"a" * n),
    "joiners before a letter": ("sentences", lambda n: b"a" + JOINER * (n // 3) + b"a"),
    "separators before a letter": ("ctm", lambda n: b"u 1 0 1 " + SPACE * (n // 3) + b"a\n"),
    "lines with faults": ("lexicon", lambda n: b"a\n" * (n // 2)),
    "blank lines": ("list", lambda n: b"\n" * (n // 8)),
    "many lines beside a recording": ("text-beside", lambda n: b"a\n" * (n // 2)),
}  # fmt: skip


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_refused_or_read(what: str, tmp_path: Path) -> None:
    name, make = FOUND[what]
    TARGETS[name].try_bytes(TARGETS[name].prepare(tmp_path), make())


@pytest.mark.parametrize("what", GROWN)
def test_time_and_memory_grow_with_the_length(what: str, tmp_path: Path) -> None:
    name, make = GROWN[what]
    target = TARGETS[name]
    check_growth(target, target.prepare(tmp_path), make(SMALL), make(LARGE))
