"""Length of the audio according to the header, for formats that are not made of chunks."""

import re
from dataclasses import dataclass
from typing import IO, Literal

from speakergmm.audio.splicing import Pieces, replaced
from speakergmm.errors import AudioError

# Programs that write to a stream cannot go back to the header: they leave 0, or a length just below
# 2^31 or 2^32.
_LEFT_OPEN = 0x1000
_MOST_BLOCKS = 4096
_BLOCKS_OF_SOUND = (1, 2, 9)


@dataclass(frozen=True, slots=True)
class Claim:
    """Position and length of the audio according to a header, and the field that holds the length.

    Attributes
    ----------
    audio : int
        Byte at which the audio begins.
    length : int
        Length of the audio in bytes, as the header states it.
    position, n_size, order : int, int, str
        Byte at which the length is stored, its number of bytes, and their order.
    extra : int
        Number of bytes that the stored length counts beyond the audio.
    """

    audio: int
    length: int
    position: int
    n_size: int
    order: Literal["little", "big"]
    extra: int = 0

    @property
    def is_open(self) -> bool:
        """True if the length was left open by a program that could not go back to the header."""
        if self.n_size == 8:
            return self.length <= 0 or self.length >= 1 << 62
        return is_left_open(self.length)

    def corrected(self, size: int, length: int) -> Pieces:
        """Return the pieces of a file of `size` bytes, with `length` written into the header."""
        value = (length + self.extra).to_bytes(self.n_size, self.order)
        return replaced(0, size, self.position, value)


def is_left_open(n_bytes: int) -> bool:
    """Return whether a 32-bit length is one that programs write if they leave the length open.

    Examples
    --------
    >>> is_left_open(0), is_left_open(0x7FFFF000), is_left_open(0xFFFFFFFF), is_left_open(96000)
    (True, True, True, False)
    """
    return -n_bytes % (1 << 31) <= _LEFT_OPEN


def of_au(file: IO[bytes], magic: bytes, size: int) -> Claim:
    """Read the length of the audio from an AU header.

    All functions of this module for a format take the same parameters, and return None if the
    header does not state the length.

    Parameters
    ----------
    file : binary file
    magic : bytes
        Its first 64 bytes.
    size : int
        Its length in bytes.

    Raises
    ------
    AudioError
        If the position of the audio cannot be determined from the header.
    """
    order: Literal["little", "big"] = "little" if magic.startswith(b"dns.") else "big"
    start, length = (int.from_bytes(magic[at : at + 4], order) for at in (4, 8))
    return Claim(start, length, 8, 4, order)


def of_avr(file: IO[bytes], magic: bytes, size: int) -> Claim:
    """Read the length from an AVR header: number of frames times bytes per frame."""
    frames, bits = int.from_bytes(magic[26:30], "big"), int.from_bytes(magic[14:16], "big")
    return Claim(128, frames * (2 if any(magic[12:14]) else 1) * bits // 8, 26, 4, "big")


def of_wve(file: IO[bytes], magic: bytes, size: int) -> Claim:
    """Read the length from a WVE header, whose samples have one byte each."""
    return Claim(32, int.from_bytes(magic[18:22], "big"), 18, 4, "big")


def of_sphere(file: IO[bytes], magic: bytes, size: int) -> Claim | None:
    """Read the length from a NIST SPHERE header: samples times bytes per sample times channels."""
    start = int(re.sub(rb"\D", b"", magic[8:16]) or 1024)
    file.seek(0)
    header = file.read(min(start, 1 << 16))
    words = dict(re.findall(rb"\b(\w+) -[is]\d* (\d{1,15})\b", header))
    factors = (b"sample_count", b"sample_n_bytes", b"channel_count")
    # If the samples are compressed, their number does not determine the number of bytes.
    if b"shorten" in header or not all(factor in words for factor in factors):
        return None
    count, width, channels = (int(words[factor]) for factor in factors)
    return Claim(start, count * width * channels, 0, 8, "big") if count else None


def of_sample_dump(file: IO[bytes], magic: bytes, size: int) -> Claim | None:
    """Read the length of a MIDI sample dump: packets of 127 bytes, 120 of them data."""
    if magic[3:4] != b"\1" or len(magic) < 21:
        return None
    bits, count = magic[6], magic[10] | magic[11] << 7 | magic[12] << 14
    per_packet = 120 // max(1, -(-bits // 7))
    length = 127 * -(-count // max(1, per_packet))
    file.seek(21)
    packets = file.read(min(length, size))
    # libsndfile complains about damaged packets on standard output, so they are found here.
    for place, byte in ((0, 0xF0), (1, 0x7E), (3, 0x02), (126, 0xF7)):
        if packets[place::127].strip(bytes([byte])):
            raise AudioError("damaged SDS file, it does not hold packets of 127 bytes")
    return Claim(21, length, 0, 8, "big")


def of_voice_blocks(file: IO[bytes], magic: bytes, size: int) -> Claim:
    """Sum the lengths of the blocks of a VOC file, which may end with a block of type 0."""
    position = start = int.from_bytes(magic[20:22], "little")
    n_sound = 0
    for _ in range(_MOST_BLOCKS):
        file.seek(position)
        header = file.read(4)
        if position >= size or header[:1] == b"\0":
            break
        n_sound += header[0] in _BLOCKS_OF_SOUND
        position += 4 + int.from_bytes(header[1:], "little")
    if n_sound > 1:
        raise AudioError(
            f"VOC file with {n_sound} blocks of sound, of which only one can be read; convert it "
            "to WAV"
        )
    return Claim(start, position - start, 0, 8, "little")
