"""Streams of MP3 files: every frame is counted, since lengths in headers are often wrong.

Without a Xing header libsndfile guesses the length from the bit rate of the first frame, and stops
reading there; if two files were concatenated, it uses the length of the first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

from speakergmm.audio.messages import OF_SEVERAL_KINDS, truncated
from speakergmm.audio.splicing import (
    FIRST_WINDOW,
    LARGEST_WINDOW,
    AudioStream,
    BinaryFile,
    Pieces,
    read_at,
    replaced,
    windows,
)
from speakergmm.errors import AudioError

_TAGS = re.compile(rb"Xing|Info|VBRI")
_SYNCHRONISATION = re.compile(b"\xff")
_RATES = (44100, 48000, 32000)
# Bit rates in kbit/s by index, for layers I, II and III of version 1, then of version 2.
_BIT_RATES = {
    (1, 1): range(0, 480, 32),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# Most samples that an encoder may have added before and after, which a decoder removes.
_MOST_PADDING = 8190
# Most bytes that may follow the last frame without a tag: padding of archives and old players.
_LARGEST_REST = 4096


class _Header(NamedTuple):
    """Fields of the header of a frame."""

    length: int
    kind: tuple[int, int, int, int]  # samples per frame, rate, channels and layer
    tag: int  # position of a Xing header, if the frame holds one


@dataclass(slots=True)
class _Frames:
    """Consecutive frames of one kind, and their number according to the first of them.

    Attributes
    ----------
    start, end : int
        Bytes from which and up to which they extend.
    header : bytes
        First four bytes of the first frame.
    kind : tuple of int
        Samples per frame, rate in Hz, channels and layer.
    n_frames : int
        Number of frames of audio.
    promised : int or None
        Number of frames that a Xing header promises.
    counted_at : int or None
        Byte at which that number is stored.
    promised_bytes : int or None
        Number of bytes, from its own frame on, that a Xing header promises.
    tag_length : int
        Number of bytes of the frame that holds the Xing header.
    """

    start: int
    end: int
    header: bytes
    kind: tuple[int, int, int, int]
    n_frames: int = 0
    promised: int | None = None
    counted_at: int | None = None
    promised_bytes: int | None = None
    tag_length: int = 0

    @property
    def n_samples(self) -> int:
        """Number of samples in all frames; a decoder may drop those that an encoder added."""
        return self.n_frames * self.kind[0]

    @property
    def is_exact(self) -> bool:
        """True if a Xing header states the right number of frames."""
        return self.promised == self.n_frames

    @property
    def pieces(self) -> Pieces:
        """Pieces to read: a Xing header with the right number of frames, and the frames."""
        if self.is_exact or self.kind[3] != 3:
            return ((self.start, self.end),)
        count = self.n_frames.to_bytes(4, "big")
        if self.counted_at is not None:
            return replaced(self.start, self.end, self.counted_at, count)
        return (_xing_frame(self.header, count), (self.start + self.tag_length, self.end))


def mpeg_streams(file: BinaryFile, size: int) -> list[AudioStream]:
    """Find the streams of an MP3 file and count their frames; see `flac_streams`.

    Raises
    ------
    AudioError
        If a frame is cut off or damaged, or there are fewer frames than a header promises.
    """
    found = _counted_frames(file, size)
    for frames in found:
        _check_promise(frames, found[-1] is frames, size)
    if len({frames.kind for frames in found}) > 1:
        raise AudioError(OF_SEVERAL_KINDS)
    is_whole = len(found) == 1 and found[0].is_exact
    return [
        AudioStream(
            () if is_whole else (frames.pieces,),
            frames.n_samples,
            partial(_check_decodable, frames.n_samples),
        )
        for frames in found
    ]


def _check_decodable(n_samples: int, sound: Any) -> None:
    """Raise an error if libsndfile can decode fewer samples than the frames hold."""
    if sound.frames < n_samples - _MOST_PADDING:
        raise AudioError(
            f"MP3 file of which only {sound.frames} of {n_samples} samples can be decoded; "
            "convert it to WAV"
        )


def _counted_frames(file: BinaryFile, size: int) -> list[_Frames]:
    """Return the runs of frames, each with what a Xing header promises."""
    streams = []
    for start, end, n_frames in _runs(file, size):
        head = read_at(file, start, 58)
        found = _parsed(head[:4])
        assert found is not None
        stream = _Frames(start, end, head[:4], found.kind, n_frames)
        if _is_tag(head, found):
            stream.n_frames -= 1
            stream.tag_length = found.length
            _read_tag(stream, head[found.tag :], found.tag)
        if stream.n_frames:
            streams.append(stream)
    return streams


def _check_promise(stream: _Frames, is_last: bool, size: int) -> None:
    """Raise an error if there are fewer frames than a Xing header promises."""
    if stream.promised is None or stream.promised <= stream.n_frames:
        return
    # Some encoders count the frame of the header itself.
    is_short = stream.promised_bytes is not None and stream.promised_bytes > size - stream.start
    if stream.promised == stream.n_frames + 1 and not (is_last and is_short):
        return
    seconds = (n * stream.kind[0] / stream.kind[1] for n in (stream.n_frames, stream.promised))
    raise truncated("MP3", *(f"{each:.2f} s" for each in seconds))


def _runs(file: BinaryFile, size: int) -> Iterator[tuple[int, int, int]]:
    """Yield the first byte, the end and the number of frames of each run of frames of one kind.

    A run ends at a tag, and before a frame that holds a Xing header, with which another file began.
    """
    position, n_runs = 0, 0
    while position + 4 <= size:
        found = _frame_at(file, position, size)
        if found is None:
            # Between runs, tags and other bytes are skipped.
            after = _after_tag(file, position, size)
            if after is None:
                after = _after_junk(file, position, size, n_runs > 0)
            position = after
            continue
        start = position
        position, n_frames = _end_of_run(file, start, found.kind)
        if position > size:
            raise AudioError("truncated MP3 file: its last frame is not whole")
        yield start, position, n_frames
        n_runs += 1


def _end_of_run(file: BinaryFile, start: int, kind: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return the byte at which a run of frames ends, and the number of its frames."""
    position, n_frames, window = start, 0, FIRST_WINDOW
    while block := read_at(file, position, window):
        # Frames are followed from header to header; a frame with a Xing header needs 58 bytes.
        names = [found.start() for found in _TAGS.finditer(block)]
        place, last = 0, len(block) - 58 if len(block) == window else len(block) - 4
        while place <= last:
            found = _parsed(block[place : place + 4])
            if found is None or found.kind != kind:
                return position + place, n_frames
            if names and n_frames and _is_tag(block[place : place + 58], found):
                return position + place, n_frames
            place += found.length
            n_frames += 1
        position += place
        if len(block) < window:
            break
        window = min(2 * window, LARGEST_WINDOW)  # runs may be many and short
    return position, n_frames


def _frame_at(file: BinaryFile, position: int, size: int) -> _Header | None:
    """Return the header of the frame at `position`; None if no frame begins there."""
    found = _parsed(read_at(file, position, 4))
    after = size if found is None else position + found.length
    if after >= size:
        return found if after == size else None
    # A frame must be followed by another frame or a tag; otherwise any matching bits would do.
    is_followed = _parsed(read_at(file, after, 4)) or _after_tag(file, after, size) is not None
    return found if is_followed else None


def _after_junk(file: BinaryFile, position: int, size: int, is_behind_frames: bool) -> int:
    """Return the byte at which frames continue after other bytes, or the end of the file."""
    places = (
        start + match.start()
        for start, part in windows(file, position + 1, size)
        for match in _SYNCHRONISATION.finditer(part)
    )
    end = next((place for place in places if _frame_at(file, place, size)), size)
    if not is_behind_frames or (end - position <= _LARGEST_REST and end == size):
        return end
    if any(part.strip(b"\0") for _, part in windows(file, position, end)):
        raise AudioError(
            f"damaged MP3 file: {end - position} bytes from byte {position} on are not audio"
        )
    if end == size:
        raise AudioError(f"truncated MP3 file: its last {end - position} bytes are zeros")
    return end


def _after_tag(file: BinaryFile, position: int, size: int) -> int | None:
    """Return the end of the tag at `position`; None if no tag begins there."""
    head = read_at(file, position, 32)
    if head[:3] == b"ID3" and len(head) >= 10:
        return min(size, position + length_of_id3(head))
    if head[:3] == b"TAG":
        return min(size, position + 128)
    if head[:8] == b"APETAGEX":
        length = int.from_bytes(head[12:16], "little")
        is_header = head[23:24] and head[23] & 0x20
        return min(size, position + 32 + (length if is_header else 0))
    if head[:11] == b"LYRICSBEGIN":
        return size
    return None


def length_of_id3(head: bytes) -> int:
    """Return the length in bytes of an ID3 tag, from its first ten bytes, if there are so many."""
    if len(head) < 10:
        return len(head)
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length + (10 if head[5] & 0x10 else 0)


@lru_cache(maxsize=1 << 16)
def _parsed(head: bytes) -> _Header | None:
    """Return the header of a frame from its first four bytes; None if no frame begins with them."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or rate == 3 or bits in (0, 15):
        return None
    # Versions 2 and 2.5 have a half and a quarter of the rates, and layer III half the samples.
    old = version != 3
    rate = _RATES[rate] >> (0, 1, 2)[(3, 2, 0).index(version)]
    bits = 1000 * _BIT_RATES[1 + old, layer][bits]
    n_channels = 1 if head[3] >> 6 == 3 else 2
    if layer == 1:
        return _Header((12 * bits // rate + padding) * 4, (384, rate, n_channels, 1), 36)
    samples = 576 if old and layer == 3 else 1152
    tag = 4 + ((9 if n_channels == 1 else 17) if old else (17 if n_channels == 1 else 32))
    length = samples // 8 * bits // rate + padding
    return _Header(length, (samples, rate, n_channels, layer), tag)


def _is_tag(head: bytes, found: _Header) -> bool:
    """Return whether a frame holds a Xing or VBRI header instead of audio."""
    name = head[found.tag : found.tag + 4]
    if name in (b"Xing", b"Info") and not head[6 : found.tag].strip(b"\0"):
        return True
    return head[36:40] == b"VBRI"


def _read_tag(stream: _Frames, tag: bytes, place: int) -> None:
    """Store what a Xing header promises; other headers are later replaced by a Xing header."""
    flags = tag[7] if tag[:4] in (b"Xing", b"Info") else 0
    if flags & 1:
        stream.promised = int.from_bytes(tag[8:12], "big")
        stream.counted_at = stream.start + place + 8
        if flags & 2:
            stream.promised_bytes = int.from_bytes(tag[12:16], "big")


def _xing_frame(header: bytes, count: bytes) -> bytes:
    """Return a frame with a Xing header that states the number of frames, of the same kind."""
    # Without checksum and padding, at the lowest bit rate that leaves room for the header.
    for index in range(1, 15):
        head = bytes((0xFF, header[1] | 1, index << 4 | header[2] & 0x0C, header[3]))
        found = _parsed(head)
        if found is not None and found.length >= found.tag + 12:
            content = head.ljust(found.tag, b"\0") + b"Xing\0\0\0\1" + count
            return content.ljust(found.length, b"\0")
    raise AssertionError("every kind of frame has room at the highest bit rate")
