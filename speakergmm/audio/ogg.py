"""Streams of Ogg files, which may be chained, and detection of missing pages.

An Ogg file is a sequence of pages; the first page of a stream has the flag "begins", the last one
the flag "ends", and the pages in between are numbered.
"""

import io
import zlib
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

from speakergmm.audio.flac import flac_streams
from speakergmm.audio.splicing import AudioStream, Spliced, windows
from speakergmm.errors import AudioError

_HEADER = 27
_CONTINUED, _BEGINS, _ENDS = 1, 2, 4
_FLAC_IN_OGG = b"\x7fFLAC"
# Bytes in front of a FLAC stream in its first packet.
_BEFORE_FLAC = 9
# The checksum of a page is that of zlib with the order of bits reversed.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_BITS = 0xFFFFFFFF


@dataclass(slots=True)
class _Pages:
    """The pages of one stream.

    Attributes
    ----------
    start, end : int
        Bytes from which and up to which its pages extend.
    serial : int
        Serial number of the stream.
    is_flac : bool
        Whether the stream holds FLAC, which is read without its pages.
    bodies : list of (int, int)
        First byte of the content of each page, and the one after its last.
    before_first, last_position : int
        Number of samples that a decoder drops at the beginning, and number of samples up to the
        end of the last page.
    next_number : int
        Number that the next page should have.
    ended : bool
        Whether a page with the flag "ends" was found.
    """

    start: int
    end: int
    serial: int
    is_flac: bool
    bodies: list[tuple[int, int]] = field(default_factory=list)
    before_first: int = 0
    last_position: int = 0
    next_number: int = 0
    ended: bool = False


def ogg_streams(file: IO[bytes], size: int) -> list[AudioStream]:
    """Find the streams of an Ogg file; see `flac_streams`.

    Raises
    ------
    AudioError
        If a page is missing, a stream has no end, or several streams are interleaved.
    """
    found = _read_pages(file, size)
    if len(found) == 1 and not found[0].is_flac:
        return [AudioStream(check=partial(_check_end, found[0], file))]
    streams = []
    for pages in found:
        if not pages.is_flac:
            check = partial(_check_end, pages, file)
            streams.append(AudioStream((((pages.start, pages.end),),), check=check))
            continue
        # libsndfile does not read FLAC in Ogg: it is given the contents of the pages instead.
        (first, end), *others = pages.bodies
        pieces = ((first + _BEFORE_FLAC, end), *others)
        inside = Spliced(file, pieces)
        length = inside.seek(0, io.SEEK_END)
        streams += [stream.within(pieces) for stream in flac_streams(inside, length)]
    return streams


def _read_pages(file: IO[bytes], size: int) -> list[_Pages]:
    """Read the headers of all pages, and group the pages by stream."""
    streams: list[_Pages] = []
    position = 0
    while (position := _next_page(file, position, size)) >= 0:
        # The header of a page ends with the lengths of its segments.
        file.seek(position)
        header = file.read(_HEADER)
        lengths = file.read(header[26]) if len(header) == _HEADER else b""
        body = position + _HEADER + len(lengths)
        end = body + sum(lengths)
        if len(header) < _HEADER or len(lengths) < header[26] or end > size:
            break
        serial = int.from_bytes(header[14:18], "little")
        if header[5] & _BEGINS:
            # A new stream may begin only after the one before has ended.
            if streams and not streams[-1].ended:
                if len(streams[-1].bodies) == 1:
                    raise AudioError(
                        "holds several interleaved streams, such as sound and pictures; give a "
                        "file with a single stream of sound"
                    )
                raise _truncated()
            head = file.read(12)
            streams.append(_Pages(position, end, serial, head.startswith(_FLAC_IN_OGG)))
            if head.startswith(b"OpusHead"):
                streams[-1].before_first = int.from_bytes(head[10:12], "little")
        if streams and serial == streams[-1].serial:
            _add_page(streams[-1], header, body, end)
        position = end
    if not streams or not streams[-1].ended:
        raise _truncated()
    return streams


def _check_end(stream: _Pages, file: IO[bytes], sound: Any) -> None:
    """Raise an error if a part of the stream cannot be decoded: libsndfile stops there silently.

    The position of the last page then exceeds the length that was decoded. A stream that was cut
    out of a longer one, whose pages continue its count, also has too large a position; only if it
    is Opus is it refused as well.
    """
    # Positions of pages count samples; those of Opus are always at 48 kHz.
    rate = 48000 if sound.subtype == "OPUS" else sound.samplerate
    promised = (stream.last_position - stream.before_first) / rate
    found = sound.frames / sound.samplerate
    if promised <= found + 0.1:
        return
    # Damage shows in the checksum of a page; a stream that was cut out has correct ones.
    if not _all_pages_are_right(stream, file):
        raise AudioError(
            f"damaged OGG file: {found:.2f} s can be decoded, but its last page promises "
            f"{promised:.2f} s"
        )
    if sound.subtype == "OPUS":
        # libsndfile starts such a stream with silence, and loses as much at its end.
        raise AudioError(
            f"Opus stream that was cut out of a longer one: its last page is at {promised:.2f} s, "
            f"but it lasts {found:.2f} s; convert it to WAV"
        )


def _all_pages_are_right(stream: _Pages, file: IO[bytes]) -> bool:
    """Return whether every page has the checksum that its header states."""
    start = stream.start
    for _, end in stream.bodies:
        file.seek(start)
        page = file.read(end - start)
        # The checksum is that of the page with zeros in its place.
        given = int.from_bytes(page[22:26], "little")
        cleared = page[:22] + bytes(4) + page[26:]
        found = zlib.crc32(cleared.translate(_REVERSED), _ALL_BITS) ^ _ALL_BITS
        if page[:4] != b"OggS" or int(f"{found:032b}"[::-1], 2) != given:
            return False
        start = end
    return True


def _add_page(stream: _Pages, header: bytes, body: int, end: int) -> None:
    """Add a page to its stream; raise an error if a page before it is missing."""
    number = int.from_bytes(header[18:22], "little")
    if stream.bodies and number != stream.next_number:
        raise AudioError(
            f"damaged or truncated OGG file: page {stream.next_number - 1} is followed by {number}"
        )
    stream.next_number = number + 1
    stream.bodies.append((body, end))
    stream.end = end
    position = int.from_bytes(header[6:14], "little", signed=True)
    if position > 0:
        stream.last_position = position
    stream.ended = stream.ended or bool(header[5] & _ENDS)


def _truncated() -> AudioError:
    return AudioError("truncated OGG file: its last page is not the end of a stream")


def _next_page(file: IO[bytes], position: int, size: int) -> int:
    """Return the byte at which the next page begins; -1 if there is none."""
    file.seek(position)
    if file.read(4) == b"OggS":
        return position
    # Decoders skip bytes between pages that are not part of a page.
    for start, window in windows(file, position, size, 3):
        if (found := window.find(b"OggS")) >= 0:
            return start + found
    return -1
