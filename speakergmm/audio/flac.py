"""Streams of FLAC files, which may be concatenated, and their lengths, which may be left open."""

import re
from functools import cache
from itertools import pairwise
from typing import Any

from speakergmm.audio.headers import is_left_open
from speakergmm.audio.messages import truncated
from speakergmm.audio.splicing import AudioStream, BinaryFile, replaced, windows
from speakergmm.errors import AudioError

# A stream begins with this name and a metadata block of type 0 (the last one or not) of 34 bytes.
_BEGINNING = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_LENGTH_OF_BEGINNING = 8
# Position of the number of samples: the lower 36 bits of 8 bytes.
_TOTAL = 18
_TOTAL_BITS = (1 << 36) - 1
# Frames of speech are far smaller; the last one begins within so many bytes of the end.
_LARGEST_FRAME = 1 << 18
_MOST_TRIES = 2
_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 1 << n for n in range(8, 16)}}


def flac_streams(file: BinaryFile, size: int) -> list[AudioStream]:
    """Find the streams of a FLAC file, and complete the headers that leave the length open.

    Parameters
    ----------
    file : binary file
        A file that begins as FLAC does, possibly after an ID3 tag.
    size : int
        Its length in bytes.

    Returns
    -------
    list of AudioStream
        One stream, or several if files were concatenated; empty if no stream was found.

    Raises
    ------
    AudioError
        If a header promises more samples than the frames hold, or leaves the number open and the
        last frame is cut off.
    """
    # The first stream is searched for as well, since a tag may precede it.
    bounds = [
        start + match.start()
        for start, window in windows(file, 0, size, _LENGTH_OF_BEGINNING - 1)
        for match in _BEGINNING.finditer(window)
    ]
    streams = [_stream(file, *bound) for bound in pairwise([*bounds, size])]
    # A single stream with a correct header is read as it is.
    if len(streams) == 1 and len(streams[0].views[0]) == 1:
        return [AudioStream(check=streams[0].check)]
    return streams


def _stream(file: BinaryFile, start: int, end: int) -> AudioStream:
    """Return a stream whose header states the number of samples that its frames hold."""
    # The header holds the rate, the channels, the bits per sample and the number of samples.
    file.seek(start)
    header = file.read(_TOTAL + 8)
    fields = int.from_bytes(header[_TOTAL:], "big")
    promised = fields & _TOTAL_BITS
    largest_block = int.from_bytes(header[10:12], "big")
    # Encoders that read from a pipe copy the length that the header of the WAV file leaves open.
    n_channels, n_bits = 1 + (fields >> 41 & 7), 1 + (fields >> 36 & 31)
    if is_left_open(promised * n_channels * -(-n_bits // 8)):
        promised = 0
    # The last frame states its position, and so the number of samples in all frames.
    found = _samples_of_frames(file, start, end, promised, largest_block)
    if found is None and promised == 0:
        raise AudioError(
            "truncated FLAC file: its last frame is not whole, and its header states no length"
        )
    if found is not None and found < promised:
        rate = max(1, fields >> 44)
        raise truncated("FLAC", f"{found / rate:.2f} s", f"{promised / rate:.2f} s")
    if found is None or found == promised:
        return AudioStream((((start, end),),), check=_check_end if found is None else None)
    # The number of samples that was found is written into the header.
    total = (fields & ~_TOTAL_BITS | found).to_bytes(8, "big")
    return AudioStream((replaced(start, end, start + _TOTAL, total),))


def _check_end(sound: Any) -> None:
    """Raise an error if the last sample that the header promises cannot be decoded."""
    import soundfile

    try:
        sound.seek(sound.frames - 1)
        if len(sound.read(1)) == 1:
            return
    except soundfile.SoundFileError:
        pass
    raise AudioError(
        f"damaged or truncated {sound.format} file: the end of the "
        f"{sound.frames / sound.samplerate:.2f} s that its header promises cannot be decoded"
    )


def _samples_of_frames(
    file: BinaryFile, start: int, end: int, promised: int, largest_block: int
) -> int | None:
    """Return the sample at which the last frame ends; None if the stream does not end in a frame.

    Parameters
    ----------
    file : binary file
    start, end : int
        Bytes from which and up to which the stream extends.
    promised : int
        Number of samples that the header promises; a frame that ends there needs no checksum.
    largest_block : int
        Samples in the largest block; in all blocks but the last, if their size is fixed.
    """
    # The end of the stream, without the tags that may follow the last frame.
    first = max(start, end - _LARGEST_FRAME)
    file.seek(first)
    tail = file.read(end - first)
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    tail = tail.partition(b"APETAGEX")[0]
    # Search backwards for the beginning of a frame that extends to the end.
    place, tries = len(tail), _MOST_TRIES
    while tries and (place := tail.rfind(b"\xff", 0, place)) >= 0:
        samples = _end_of_frame(tail, place, largest_block)
        if samples is None:
            continue
        # Bytes inside a frame may look like a header with an 8-bit checksum, but the 16-bit
        # checksum of a whole frame is not right by chance.
        if samples == promised or _checksum(tail[place:], 0x8005, 16) == 0:
            return samples
        tries -= 1
    return None


def _end_of_frame(data: bytes, place: int, largest_block: int) -> int | None:
    """Return the number of the sample after a frame; None if no frame begins at `place`."""
    header = data[place : place + 16]
    if len(header) < 6 or header[1] & 0xFE != 0xF8:
        return None
    # Codes of block size and rate, and the number of bytes of the coded frame number.
    block, rate = header[2] >> 4, header[2] & 15
    coded = 1 if header[4] < 0x80 else 8 - (header[4] ^ 0xFF).bit_length()
    if block == 0 or rate == 15 or header[3] & 1 or header[4] & 0xC0 == 0x80 or coded > 7:
        return None
    # The frame number, or the number of its first sample, coded as UTF-8 codes characters.
    number = header[4] & (0x7F >> (coded if coded > 1 else 0))
    for byte in header[5 : 4 + coded]:
        number = number << 6 | byte & 0x3F
    at = 4 + coded
    # The block size follows if its code says so, then the rate, then the checksum of the header.
    samples = _SIZES.get(block, 0)
    if block in (6, 7):
        samples = 1 + int.from_bytes(header[at : at + block - 5], "big")
        at += block - 5
    at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if len(header) <= at or _checksum(header[: at + 1], 0x07, 8) != 0:
        return None
    return (number if header[1] & 1 else number * largest_block) + samples


def _checksum(data: bytes, polynomial: int, bits: int) -> int:
    """Return the remainder of FLAC's checksums; 0 if the data end in their own checksum."""
    remainder, table = 0, _table(polynomial, bits)
    for byte in data:
        remainder = remainder << 8 ^ table[remainder >> (bits - 8) ^ byte]
        remainder &= (1 << bits) - 1
    return remainder


@cache
def _table(polynomial: int, bits: int) -> list[int]:
    """Return the remainders of all bytes, shape (256,), for `_checksum`."""
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (bits - 1) & 1 else 0)
        table.append(value & ((1 << bits) - 1))
    return table
