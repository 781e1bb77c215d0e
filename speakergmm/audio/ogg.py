"""Ogg files: streams one after the other (chained), and whether a page is missing."""

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
# Streams cut out of a broadcast go on counting; no other begins with a page of a minute.
_LATE_START_SECONDS = 60.0


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
    first_position, last_position : int
        Samples up to the end of the first page that ends a packet of audio, and of the last page.
    is_flac : bool
        FLAC, which is read without its pages.
    """

    start: int
    end: int
    serial: int
    is_flac: bool
    bodies: list[tuple[int, int]] = field(default_factory=list)
    first_position: int = 0
    last_position: int = 0
    next_number: int = 0
    ended: bool = False

    def pieces(self) -> Pieces:
        """Return what to read."""
        if not self.is_flac:
            return ((self.start, self.end),)
        (first, end), *others = self.bodies
        return ((first + _BEFORE_FLAC, end), *others)

    def seconds(self, rate: int) -> float:
        """Return how long its pages say that it lasts, at a number of positions a second."""
        late = self.first_position > _LATE_START_SECONDS * rate
        return (self.last_position - (self.first_position if late else 0)) / rate


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
            is_flac = file.read(len(_FLAC_IN_OGG)) == _FLAC_IN_OGG
            streams.append(OggStream(position, end, serial, is_flac))
        if streams and serial == streams[-1].serial:
            _add_page(streams[-1], header, body, end, name)
        position = end
    if not streams or not streams[-1].ended:
        raise _truncated(name)
    return streams


def check_ogg_end(stream: OggStream, sound: Any, name: str) -> None:
    """Refuse a stream of which a part can't be decoded: libsndfile stops there silently.

    Parameters
    ----------
    stream : OggStream
    sound : soundfile.SoundFile
        What it is opened as.
    name : str
        What messages call it.

    Raises
    ------
    AudioError
        If the last page promises more.
    """
    # The page's position counts samples, always at 48 kHz for Opus.
    promised = stream.seconds(48000 if sound.subtype == "OPUS" else sound.samplerate)
    found = sound.frames / sound.samplerate
    if promised > found + 0.1:
        raise AudioError(
            f"{name}: damaged OGG file, {found:.2f} s can be decoded where its last page promises "
            f"{promised:.2f} s"
        )


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
        stream.first_position = stream.first_position or position
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
