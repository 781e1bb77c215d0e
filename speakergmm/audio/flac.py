"""FLAC files: streams one after the other, and their lengths, which a header may leave open."""

import re
from functools import cache
from itertools import pairwise
from typing import Any

from speakergmm.audio.headers import is_left_open
from speakergmm.audio.messages import truncated
from speakergmm.audio.splicing import AudioStream, BinaryFile, replaced, windows
from speakergmm.errors import AudioError

# A stream begins with this, a block of type 0 (the last or not) and its length, 34 bytes.
_BEGINNING = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_LENGTH_OF_BEGINNING = 8
# Where the number of samples stands: the lower 36 bits of 8 bytes.
_TOTAL = 18
_TOTAL_BITS = (1 << 36) - 1
# The largest frame of speech is far below; the last one begins so far from the end at most.
_LARGEST_FRAME = 1 << 18
_MOST_TRIES = 2
_SIZES = {1: 192, **{n: 576 << (n - 2) for n in range(2, 6)}, **{n: 1 << n for n in range(8, 16)}}


def flac_streams(file: BinaryFile, size: int) -> list[AudioStream]:
    """Tell the streams of a FLAC file apart, and complete their headers.

    Parameters
    ----------
    file : binary file
        What begins as FLAC does, after an ID3 tag or without one.
    size : int
        Its length in bytes.

    Returns
    -------
    list of Stream
        One, unless files were put one after the other; none if nothing begins as a stream does.

    Raises
    ------
    AudioError
        If a header promises more samples than the frames have, or leaves their number open and
        the last frame is cut off.
    """
    # The first is looked for as well, behind a tag.
    bounds = [
        start + match.start()
        for start, window in windows(file, 0, size, _LENGTH_OF_BEGINNING - 1)
        for match in _BEGINNING.finditer(window)
    ]
    streams = [_stream(file, *bound) for bound in pairwise([*bounds, size])]
    if len(streams) == 1 and len(streams[0].views[0]) == 1:
        return [AudioStream(check=streams[0].check)]
    return streams


def _stream(file: BinaryFile, start: int, end: int) -> AudioStream:
    """Return what to read for a stream, with the number of samples that its frames have."""
    file.seek(start)
    header = file.read(_TOTAL + 8)
    fields = int.from_bytes(header[_TOTAL:], "big")
    promised = fields & _TOTAL_BITS
    largest_block = int.from_bytes(header[10:12], "big")
    # Encoders that are fed through a pipe copy what the header of a WAV file leaves open.
    n_channels, n_bits = 1 + (fields >> 41 & 7), 1 + (fields >> 36 & 31)
    if is_left_open(promised * n_channels * -(-n_bits // 8)):
        promised = 0
    found = _samples_of_frames(file, start, end, promised, largest_block)
    if found is None and promised == 0:
        raise AudioError(
            "truncated FLAC file, its last frame is not whole, and its header says no length"
        )
    if found is not None and found < promised:
        rate = fields >> 44
        raise truncated("FLAC", f"{found / rate:.2f} s", f"{promised / rate:.2f} s")
    if found is None or found == promised:
        return AudioStream((((start, end),),), check=_check_end if found is None else None)
    total = (fields & ~_TOTAL_BITS | found).to_bytes(8, "big")
    return AudioStream((replaced(start, end, start + _TOTAL, total),))


def _check_end(sound: Any) -> None:
    """Decode the end of a file that doesn't look as if it had the one that its header promises."""
    import soundfile

    try:
        sound.seek(sound.frames - 1)
        if len(sound.read(1)) == 1:
            return
    except soundfile.SoundFileError:
        pass
    raise AudioError(
        f"damaged or truncated {sound.format} file, the end of the "
        f"{sound.frames / sound.samplerate:.2f} s that its header promises can't be decoded"
    )


def _samples_of_frames(
    file: BinaryFile, start: int, end: int, promised: int, largest_block: int
) -> int | None:
    """Return where the last frame ends, in samples; None if the stream doesn't end in a frame.

    Parameters
    ----------
    file : binary file
    start, end : int
        Where the stream lies.
    promised : int
        Samples that the header promises: a frame that ends there is believed.
    largest_block : int
        Samples of its largest block; of all blocks but the last, where their size is fixed.
    """
    first = max(start, end - _LARGEST_FRAME)
    file.seek(first)
    tail = file.read(end - first)
    if tail[-128:-125] == b"TAG":
        tail = tail[:-128]
    tail = tail.partition(b"APETAGEX")[0]
    place, tries = len(tail), _MOST_TRIES
    while tries and (place := tail.rfind(b"\xff", 0, place)) >= 0:
        samples = _end_of_frame(tail, place, largest_block)
        if samples is None:
            continue
        # A look-alike inside a frame passes 8 bits of a checksum, and not 16.
        if samples == promised or _checksum(tail[place:], 0x8005, 16) == 0:
            return samples
        tries -= 1
    return None


def _end_of_frame(data: bytes, place: int, largest_block: int) -> int | None:
    """Return the number of the sample after a frame; None where no frame begins."""
    header = data[place : place + 16]
    if len(header) < 6 or header[1] & 0xFE != 0xF8:
        return None
    block, rate = header[2] >> 4, header[2] & 15
    coded = 1 if header[4] < 0x80 else 8 - (header[4] ^ 0xFF).bit_length()
    if block == 0 or rate == 15 or header[3] & 1 or header[4] & 0xC0 == 0x80 or coded > 7:
        return None
    number = header[4] & (0x7F >> (coded if coded > 1 else 0))
    for byte in header[5 : 4 + coded]:
        number = number << 6 | byte & 0x3F
    at = 4 + coded
    samples = _SIZES.get(block, 0)
    if block in (6, 7):
        samples = 1 + int.from_bytes(header[at : at + block - 5], "big")
        at += block - 5
    at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if len(header) <= at or _checksum(header[: at + 1], 0x07, 8) != 0:
        return None
    return (number if header[1] & 1 else number * largest_block) + samples


def _checksum(data: bytes, polynomial: int, bits: int) -> int:
    """Return the remainder that FLAC's checksums have; 0 of data that end in their own."""
    remainder, table = 0, _table(polynomial, bits)
    for byte in data:
        remainder = remainder << 8 ^ table[remainder >> (bits - 8) ^ byte]
        remainder &= (1 << bits) - 1
    return remainder


@cache
def _table(polynomial: int, bits: int) -> list[int]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = value << 1 ^ (polynomial if value >> (bits - 1) & 1 else 0)
        table.append(value & ((1 << bits) - 1))
    return table
