"""Ogg files: streams one after the other (chained), and whether a page is missing."""

import zlib
from dataclasses import dataclass, field
from typing import IO, Any

from speakergmm.audio.splicing import Pieces
from speakergmm.errors import AudioError

_HEADER = 27
_CONTINUED, _BEGINS, _ENDS = 1, 2, 4
_FLAC_IN_OGG = b"\x7fFLAC"
# What stands before a FLAC stream in its first packet.
_BEFORE_FLAC = 9
# Junk between pages is passed over by decoders; a page is looked for in so many bytes at a time.
_WINDOW = 1 << 20
# Pages are checked as zlib does, but for the order of bits.
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_ALL_BITS = 0xFFFFFFFF


@dataclass(slots=True)
class OggStream:
    """One stream of a file.

    Attributes
    ----------
    start, end : int
        Where its pages lie.
    serial : int
        Its number.
    bodies : list of (int, int)
        Where the content of each page lies.
    before_first, last_position : int
        Samples that are dropped at its beginning, and up to the end of its last page.
    is_flac : bool
        FLAC, which is read without its pages.
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

    def pieces(self) -> Pieces:
        """Return what to read."""
        if not self.is_flac:
            return ((self.start, self.end),)
        (first, end), *others = self.bodies
        return ((first + _BEFORE_FLAC, end), *others)


def ogg_streams(file: IO[bytes], size: int, name: str) -> list[OggStream]:
    """Tell the streams of an Ogg file apart.

    Parameters
    ----------
    file : binary file
    size : int
        Its length in bytes.
    name : str
        What messages call it.

    Returns
    -------
    list of OggStream

    Raises
    ------
    AudioError
        If a page is missing, a stream has no end, or several run side by side.
    """
    streams: list[OggStream] = []
    position = 0
    while (position := _next_page(file, position, size)) >= 0:
        file.seek(position)
        header = file.read(_HEADER)
        lengths = file.read(header[26]) if len(header) == _HEADER else b""
        body = position + _HEADER + len(lengths)
        end = body + sum(lengths)
        if len(header) < _HEADER or len(lengths) < header[26] or end > size:
            break
        serial = int.from_bytes(header[14:18], "little")
        if header[5] & _BEGINS:
            if streams and not streams[-1].ended:
                if len(streams[-1].bodies) == 1:
                    raise AudioError(
                        f"{name}: holds several streams side by side, such as sound and pictures; "
                        "give a file with one of sound"
                    )
                raise _truncated(name)
            head = file.read(12)
            streams.append(OggStream(position, end, serial, head.startswith(_FLAC_IN_OGG)))
            if head.startswith(b"OpusHead"):
                streams[-1].before_first = int.from_bytes(head[10:12], "little")
        if streams and serial == streams[-1].serial:
            _add_page(streams[-1], header, body, end, name)
        position = end
    if not streams or not streams[-1].ended:
        raise _truncated(name)
    return streams


def check_ogg_end(stream: OggStream, sound: Any, file: IO[bytes], name: str) -> None:
    """Refuse a stream of which a part can't be decoded: libsndfile stops there silently.

    Parameters
    ----------
    stream : OggStream
    sound : soundfile.SoundFile
        What it is opened as.
    file : binary file
        What its pages are read from.
    name : str
        What messages call it.

    Raises
    ------
    AudioError
        If the last page promises more, and not because the stream was cut out of a longer one,
        which goes on counting. Of Opus such a stream is refused as well.
    """
    # The page's position counts samples, always at 48 kHz for Opus.
    rate = 48000 if sound.subtype == "OPUS" else sound.samplerate
    promised = (stream.last_position - stream.before_first) / rate
    found = sound.frames / sound.samplerate
    if promised <= found + 0.1:
        return
    if not _all_pages_are_right(stream, file):
        raise AudioError(
            f"{name}: damaged OGG file, {found:.2f} s can be decoded where its last page promises "
            f"{promised:.2f} s"
        )
    if sound.subtype == "OPUS":
        # libsndfile begins such a one with silence, and loses as much at its end.
        raise AudioError(
            f"{name}: Opus stream that was cut out of a longer one, its last page is at "
            f"{promised:.2f} s where it lasts {found:.2f} s; convert it to WAV"
        )


def _all_pages_are_right(stream: OggStream, file: IO[bytes]) -> bool:
    start = stream.start
    for _, end in stream.bodies:
        file.seek(start)
        page = file.read(end - start)
        given = int.from_bytes(page[22:26], "little")
        cleared = page[:22] + bytes(4) + page[26:]
        found = zlib.crc32(cleared.translate(_REVERSED), _ALL_BITS) ^ _ALL_BITS
        if page[:4] != b"OggS" or int(f"{found:032b}"[::-1], 2) != given:
            return False
        start = end
    return True


def _add_page(stream: OggStream, header: bytes, body: int, end: int, name: str) -> None:
    number = int.from_bytes(header[18:22], "little")
    if stream.bodies and number != stream.next_number:
        raise AudioError(
            f"{name}: damaged or truncated OGG file, after page {stream.next_number - 1} comes "
            f"page {number}"
        )
    stream.next_number = number + 1
    stream.bodies.append((body, end))
    stream.end = end
    position = int.from_bytes(header[6:14], "little", signed=True)
    if position > 0:
        stream.last_position = position
    stream.ended = stream.ended or bool(header[5] & _ENDS)


def _truncated(name: str) -> AudioError:
    return AudioError(f"{name}: truncated OGG file, its last page is not an end of stream")


def _next_page(file: IO[bytes], position: int, size: int) -> int:
    """Return where the next page begins, -1 if there is none."""
    file.seek(position)
    if file.read(4) == b"OggS":
        return position
    for start in range(position, size, _WINDOW):
        file.seek(start)
        found = file.read(_WINDOW + 3).find(b"OggS")
        if found >= 0:
            return start + found
    return -1
