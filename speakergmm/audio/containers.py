"""Files with a length in their header: whether all the audio is there that it claims.

libsndfile reads up to the end of a file that is too short and says nothing, and takes what follows
a length that was left open for audio, whatever it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Literal

from speakergmm.audio.headers import Claim, claim_of_header
from speakergmm.audio.splicing import Pieces
from speakergmm.errors import AudioError

# Real files have a dozen chunks.
_MOST_CHUNKS = 4096
# What follows audio of a length that was left open is looked for in so many bytes at the end.
_LARGEST_TRAILER = 1 << 24
_WINDOW = 1 << 20
# Chunks that hold no audio; of any other it is asked whether they end where the file ends.
_METADATA = re.compile(
    rb"LIST|JUNK|junk|iXML|[iI][dD]3 |bext|fact|cue |PEAK|_PMX|smpl|inst|cart|axml|afsp|PAD |FLLR"
    rb"|NAME|AUTH|ANNO|\(c\) |COMT|MARK|INST|APPL|MIDI|FVER|CHAN|strg|info|free|umid|uuid|pakt|chan"
)
# These are told by what is in them, too, where their own length was left open or they have none.
_TELLING = re.compile(
    rb"iXML.{4}\s{0,2}<|[iI][dD]3 .{4}ID3|LIST.{4}(?:INFO|adtl)|ID3[\2-\4]\0", re.DOTALL
)
_LONGEST_TELLING = 16
_BEGINNINGS = {b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff", b".snd", b"NIST"}
_MPEG_FORMATS = (b"\x50\0", b"\x55\0")
_PRINTABLE = re.compile(rb"[ -~]{4}")
_W64_RIFF = b"riff.\x91\xcf\x11\xa5\xd6(\xdb\x04\xc1\x00\x00"
_W64_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How chunks of a kind of file are written."""

    order: Literal["little", "big"]
    first: int  # where the first chunk begins
    audio: bytes
    n_id: int = 4
    n_size: int = 4
    alignment: int = 2
    size_counts_header: bool = False
    preamble: int = 0  # bytes of the audio's chunk that are no audio

    @property
    def header(self) -> int:
        return self.n_id + self.n_size


def check_length(file: IO[bytes], size: int, name: str) -> Pieces | None:
    """Check that a file holds the audio that its header claims.

    Parameters
    ----------
    file : binary file
        WAV, RF64, W64, AIFF, 8SVX, CAF, AU, NIST, AVR, WVE, VOC or SDS; what is none of these is
        passed over.
    size : int
        Its length in bytes.
    name : str
        What messages call it.

    Returns
    -------
    pieces or None
        What to read instead, where the header leaves the length open: as programs do that stream
        and can't go back, or were killed while recording. Chunks of metadata are not taken for
        audio.

    Raises
    ------
    AudioError
        If the header claims more audio than the file holds, or if more follows the audio than the
        header knows of: more audio, or another recording.
    """
    file.seek(0)
    magic = file.read(64)
    grammar = _grammar(magic)
    if grammar is None:
        claim = claim_of_header(file, magic, size, name)
    else:
        claim = _claim_of_chunks(file, grammar, size)
    if claim is None:
        return None
    present = size - claim.audio
    if claim.is_open:
        length = present
        if grammar is not None:
            length = _audio_before_chunks(file, grammar, claim.audio, size) - claim.audio
        if length <= 0:
            raise AudioError(f"{name}: holds no samples (length 0)")
        return claim.corrected(size, length)
    kind = _kind(magic)
    if claim.length > present:
        raise AudioError(
            f"{name}: truncated {kind} file, holds {max(0, present)} bytes of audio where its "
            f"header promises {claim.length}"
        )
    _check_rest(file, grammar, claim, size, f"{name}: damaged {kind} file")
    return None


def mpeg_in_wav(file: IO[bytes], size: int) -> tuple[int, int] | None:
    """Return where the frames of a WAV file lie that holds MPEG audio; None of any other."""
    file.seek(0)
    grammar = _grammar(file.read(64))
    if grammar is None or grammar.audio != b"data" or grammar.order != "little":
        return None
    is_mpeg = False
    for content, name, length in _chunks(file, grammar, grammar.first, size):
        if name == b"fmt ":
            file.seek(content)
            is_mpeg = file.read(2) in _MPEG_FORMATS
        if name == grammar.audio:
            return (content, min(size, content + length)) if is_mpeg else None
    return None


def _kind(magic: bytes) -> str:
    for start, kind in (
        (b"RIF", "WAV"),
        (b"FORM", "SVX" if magic[8:12] in (b"8SVX", b"16SV") else "AIFF"),
        (b"riff", "W64"),
        (b"caff", "CAF"),
        (b"NIST", "NIST"),
        (b"2BIT", "AVR"),
        (b"ALaw", "WVE"),
        (b"Crea", "VOC"),
        (b"\xf0\x7e", "SDS"),
        (b"RF64", "RF64"),
        (b"BW64", "RF64"),
    ):
        if magic.startswith(start):
            return kind
    return "AU"


def _grammar(magic: bytes) -> _Grammar | None:
    """Return how the chunks of a file are written; None if it isn't made of chunks."""
    kind, form = magic[:4], magic[8:12]
    if form == b"WAVE" and kind in (b"RIFF", b"RF64", b"BW64"):
        return _Grammar("little", 12, b"data")
    if form == b"WAVE" and kind == b"RIFX":
        return _Grammar("big", 12, b"data")
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _Grammar("big", 12, b"SSND", preamble=8)
    if kind == b"FORM" and form in (b"8SVX", b"16SV"):
        return _Grammar("big", 12, b"BODY")
    if magic[:16] == _W64_RIFF:
        return _Grammar("little", 40, b"data" + _W64_TAIL, 16, 8, 8, size_counts_header=True)
    if kind == b"caff":
        return _Grammar("big", 8, b"data", 4, 8, 1, preamble=4)
    return None


def _chunks(
    file: IO[bytes], grammar: _Grammar, position: int, size: int
) -> Iterator[tuple[int, bytes, int]]:
    """Yield where each chunk's content begins, what it is called and how long it claims to be."""
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
    """Find the chunk of audio."""
    long_length: tuple[int, int] | None = None
    for content, name, length in _chunks(file, grammar, grammar.first, size):
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
    """Return where chunks of metadata begin that follow audio of unknown length, or the end."""
    file.seek(start)
    if _METADATA.match(file.read(4)):
        return start
    end = size
    ends = set(range(size, size + grammar.alignment + 1))
    lowest = max(start, size - _LARGEST_TRAILER)
    for window in range(size, lowest, -_WINDOW):
        first = max(lowest, window - _WINDOW)
        file.seek(first)
        # The last chunk's header may lie across the windows.
        content = file.read(window - first + max(grammar.header, _LONGEST_TELLING) - 1)
        names = [found.start() for found in re.finditer(rb"(?=[ -~]{4})", content)]
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
        if told := _TELLING.search(content):
            end = min(end, first + told.start())
    return end


def _check_rest(
    file: IO[bytes], grammar: _Grammar | None, claim: Claim, size: int, blame: str
) -> None:
    """Refuse audio that goes on after its claimed end, or a recording that follows it."""
    position = claim.audio + claim.length
    file.seek(position)
    rest = file.read(_WINDOW)
    if len(rest) < 8:
        return
    # Programs differ in whether a byte is added to make the length even.
    padding = 0 if grammar is None else -position % grammar.alignment
    names = (rest[:4], rest[padding : padding + 4])
    if any(name in _BEGINNINGS for name in names):
        raise AudioError(
            f"{blame}, another recording follows its audio at byte {position}; split them"
        )
    if grammar is not None and any(
        chunk == grammar.audio
        for start in {position, position + padding}
        for _, chunk, _ in _chunks(file, grammar, start, size)
    ):
        raise AudioError(f"{blame}, it holds a second chunk of audio, of which nothing is read")
    if grammar is not None and any(_PRINTABLE.match(name) for name in names):
        return
    if rest.strip(b"\0"):
        raise AudioError(
            f"{blame}, its header promises {claim.length} bytes of audio, and {size - position} "
            "others follow; correct its length"
        )
