"""Formats whose header states the length of the audio: checks that all of the audio is there.

libsndfile reads a file that is too short up to its end without an error; if the length was left
open, it takes everything that follows for audio.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal

from speakergmm.audio import headers
from speakergmm.audio.headers import Claim
from speakergmm.audio.messages import truncated
from speakergmm.audio.mpeg import mpeg_streams
from speakergmm.audio.splicing import AudioStream, Pieces, Spliced
from speakergmm.errors import AudioError

# Real files have a dozen chunks.
_MOST_CHUNKS = 4096
# If the length was left open, metadata are searched for in so many bytes at the end.
_LARGEST_TRAILER = 1 << 24
_WINDOW = 1 << 20
# Names of chunks of metadata; any other chunk must end where the file ends.
_METADATA = re.compile(
    rb"LIST|JUNK|junk|iXML|[iI][dD]3 |bext|fact|cue |PEAK|_PMX|smpl|inst|cart|axml|afsp|PAD |FLLR"
    rb"|NAME|AUTH|ANNO|\(c\) |COMT|MARK|INST|APPL|MIDI|FVER|CHAN|strg|info|free|umid|uuid|pakt|chan"
)
# Metadata recognised by their content, if their own length was left open or is not stated.
_RECOGNISABLE = re.compile(
    rb"iXML.{4}\s{0,2}<|[iI][dD]3 .{4}ID3|LIST.{4}(?:INFO|adtl)|ID3[\2-\4]\0", re.DOTALL
)
_LONGEST_MARK = 16
_BEGINNINGS = {b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff", b".snd", b"NIST"}
_MPEG_FORMATS = (b"\x50\0", b"\x55\0")
_PRINTABLE = re.compile(rb"[ -~]{4}")
_W64_RIFF = b"riff.\x91\xcf\x11\xa5\xd6(\xdb\x04\xc1\x00\x00"
_W64_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"


@dataclass(frozen=True, slots=True)
class _Grammar:
    """Layout of the chunks of a format."""

    order: Literal["little", "big"]
    first: int  # byte at which the first chunk begins
    audio: bytes
    n_id: int = 4
    n_size: int = 4
    alignment: int = 2
    size_counts_header: bool = False
    preamble: int = 0  # bytes of the audio chunk in front of the audio

    @property
    def header(self) -> int:
        """Number of bytes of the name and length of a chunk."""
        return self.n_id + self.n_size


_RIFF = _Grammar("little", 12, b"data")
_W64 = _Grammar("little", 40, b"data" + _W64_TAIL, 16, 8, 8, size_counts_header=True)

# First bytes of a format, bytes from byte 8 on, name, and how its length is read.
_LAYOUTS = (
    (b"RIFF", b"WAVE", "WAV", _RIFF),
    (b"RIFX", b"WAVE", "WAV", _Grammar("big", 12, b"data")),
    ((b"RF64", b"BW64"), b"WAVE", "RF64", _RIFF),
    (b"FORM", (b"AIFF", b"AIFC"), "AIFF", _Grammar("big", 12, b"SSND", preamble=8)),
    (b"FORM", (b"8SVX", b"16SV"), "SVX", _Grammar("big", 12, b"BODY")),
    (_W64_RIFF, b"", "W64", _W64),
    (b"caff", b"", "CAF", _Grammar("big", 8, b"data", 4, 8, 1, preamble=4)),
    ((b".snd", b"dns."), b"", "AU", headers.of_au),
    (b"2BIT", b"", "AVR", headers.of_avr),
    (b"ALawSoundFile**\0", b"", "WVE", headers.of_wve),
    (b"\xf0\x7e", b"", "SDS", headers.of_sample_dump),
    (b"Creative Voice File", b"", "VOC", headers.of_voice_blocks),
    (b"NIST_1A", b"", "NIST", headers.of_sphere),
)


def container_streams(file: IO[bytes], size: int) -> list[AudioStream]:
    """Check that a file holds all the audio that its header claims; see `flac_streams`.

    Parameters
    ----------
    file : binary file
        A file of any kind; formats that are not in the table of layouts are not checked.
    size : int
        Its length in bytes.

    Returns
    -------
    list of AudioStream
        Empty if the file is read as it is. If the header leaves the length open, as programs do
        that write to a stream or were killed while recording, a stream without the chunks of
        metadata at the end. For MPEG audio in WAV, the streams of its frames.

    Raises
    ------
    AudioError
        If the header claims more audio than the file holds, or if the audio is followed by more
        audio or by another recording.
    """
    # Recognise the format by its first bytes.
    file.seek(0)
    magic = file.read(64)
    fitting = (
        (kind, layout)
        for start, form, kind, layout in _LAYOUTS
        if magic.startswith(start) and magic[8:].startswith(form)
    )
    kind, layout = next(fitting, ("", None))
    if layout is None:
        return []
    # Compare the length that the header claims with the file.
    if not isinstance(layout, _Grammar):
        pieces = _checked(file, kind, None, layout(file, magic, size), size)
        return [] if pieces is None else [AudioStream((pieces,))]
    pieces = _checked(file, kind, layout, _claim_of_chunks(file, layout, size), size)
    # The frames of MPEG audio inside a WAV file are counted as those of an MP3 file.
    inside = _mpeg_inside(file, size) if layout is _RIFF else None
    if inside is not None:
        frames = Spliced(file, (inside,))
        return [s.within((inside,)) for s in mpeg_streams(frames, inside[1] - inside[0])]
    return [] if pieces is None else [AudioStream((pieces,))]


def _checked(
    file: IO[bytes], kind: str, grammar: _Grammar | None, claim: Claim | None, size: int
) -> Pieces | None:
    """Check a claimed length; return the pieces to read instead if it was left open."""
    if claim is None:
        return None
    present = size - claim.audio
    if claim.is_open:
        length = present
        if grammar is not None:
            length = _audio_before_chunks(file, grammar, claim.audio, size) - claim.audio
        if length <= 0:
            raise AudioError("holds no samples (length 0)")
        return claim.corrected(size, length)
    if claim.length > present:
        raise truncated(kind, f"{max(0, present)} bytes", str(claim.length))
    _check_rest(file, grammar, claim, size, f"damaged {kind} file")
    return None


def _mpeg_inside(file: IO[bytes], size: int) -> tuple[int, int] | None:
    """Return the range of the frames of MPEG audio in a WAV file; None if it holds other audio."""
    is_mpeg = False
    for content, name, length in _chunks(file, _RIFF, _RIFF.first, size):
        if name == b"fmt ":
            file.seek(content)
            is_mpeg = file.read(2) in _MPEG_FORMATS
        if name == _RIFF.audio:
            return (content, min(size, content + length)) if is_mpeg else None
    return None


def _chunks(
    file: IO[bytes], grammar: _Grammar, position: int, size: int
) -> Iterator[tuple[int, bytes, int]]:
    """Yield the first byte of the content, the name and the claimed length of each chunk."""
    for _ in range(_MOST_CHUNKS):
        if position + grammar.header > size:
            return
        file.seek(position)
        header = file.read(grammar.header)
        length = int.from_bytes(header[grammar.n_id :], grammar.order)
        if grammar.size_counts_header:
            length -= grammar.header
        position += grammar.header
        yield position, header[: grammar.n_id], length
        if length < 0:
            return
        position += length
        position += -position % grammar.alignment


def _claim_of_chunks(file: IO[bytes], grammar: _Grammar, size: int) -> Claim | None:
    """Return the length that the chunk of audio claims; None if there is no such chunk."""
    long_length: tuple[int, int] | None = None
    for content, name, length in _chunks(file, grammar, grammar.first, size):
        # RF64 has the true length in a chunk of its own, and 2^32 - 1 in that of the audio.
        if name == b"ds64":
            file.seek(content + 8)
            long_length = content + 8, int.from_bytes(file.read(8), "little")
        if name != grammar.audio:
            continue
        audio, counted = content + grammar.preamble, grammar.preamble
        if long_length is not None and length == 0xFFFFFFFF:
            return Claim(audio, long_length[1], long_length[0], 8, "little")
        if grammar.size_counts_header:
            counted += grammar.header
        position = content - grammar.n_size
        if grammar.n_size == 8 and length >= 1 << 63:
            length = -1
        return Claim(
            audio, length - grammar.preamble, position, grammar.n_size, grammar.order, counted
        )
    return None


def _audio_before_chunks(file: IO[bytes], grammar: _Grammar, start: int, size: int) -> int:
    """Return the byte at which audio of unknown length ends: metadata may follow it."""
    file.seek(start)
    if _METADATA.match(file.read(4)):
        return start
    # Search backwards for chunks that end where the file, or the chunk behind them, begins.
    end = size
    ends = set(range(size, size + grammar.alignment + 1))
    lowest = max(start, size - _LARGEST_TRAILER)
    for window in range(size, lowest, -_WINDOW):
        first = max(lowest, window - _WINDOW)
        file.seek(first)
        # The header of a chunk may extend across two windows.
        content = file.read(window - first + max(grammar.header, _LONGEST_MARK) - 1)
        names = [name.start() for name in re.finditer(rb"(?=[ -~]{4})", content)]
        for place in reversed(names):
            header = content[place : place + grammar.header]
            length = int.from_bytes(header[grammar.n_id :], grammar.order)
            if len(header) < grammar.header or length > size:
                continue
            after = first + place + length
            after += 0 if grammar.size_counts_header else grammar.header
            if after in ends or after + -after % grammar.alignment in ends:
                end = first + place
                ends.add(end)
        # Chunks whose length was left open are recognised by their content.
        if found := _RECOGNISABLE.search(content):
            end = min(end, first + found.start())
    return end


def _check_rest(
    file: IO[bytes], grammar: _Grammar | None, claim: Claim, size: int, blame: str
) -> None:
    """Raise an error if audio continues after its claimed end, or a recording follows it."""
    position = claim.audio + claim.length
    file.seek(position)
    rest = file.read(_WINDOW)
    if len(rest) < 8:
        return
    # Some programs add a byte to make the length even, and some do not.
    padding = 0 if grammar is None else -position % grammar.alignment
    names = (rest[:4], rest[padding : padding + 4])
    if any(name in _BEGINNINGS for name in names):
        raise AudioError(
            f"{blame}: another recording follows its audio at byte {position}; split them"
        )
    if grammar is not None and any(
        chunk == grammar.audio
        for start in {position, position + padding}
        for _, chunk, _ in _chunks(file, grammar, start, size)
    ):
        raise AudioError(f"{blame}: it holds a second chunk of audio, which would not be read")
    if grammar is not None and any(_PRINTABLE.match(name) for name in names):
        return
    if rest.strip(b"\0"):
        raise AudioError(
            f"{blame}: its header promises {claim.length} bytes of audio, and {size - position} "
            "more follow; correct its length"
        )
