"""Opening a recording: which streams it is made of, and whether they keep what it promises."""

import contextlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

from speakergmm.audio.containers import check_length, mpeg_in_wav
from speakergmm.audio.flac import flac_streams
from speakergmm.audio.messages import KNOWN_FORMATS, OF_SEVERAL_KINDS, described, reason
from speakergmm.audio.mpeg import MOST_PADDING, MpegStream, length_of_id3, mpeg_streams
from speakergmm.audio.ogg import OggStream, check_ogg_end, ogg_streams
from speakergmm.audio.sources import AudioSource, as_path, open_source
from speakergmm.audio.splicing import BinaryFile, Pieces, Spliced
from speakergmm.errors import AudioError, SpeakerGmmError
from speakergmm.file_kinds import describe_file

# libsndfile's answer when a stream's header leaves the length open.
_UNKNOWN_LENGTH = 1 << 60
_VALUES_PER_READ = 1 << 20
# Rates of recordings of sound; beyond them a small file would claim hours, or nothing is left.
_LOWEST_RATE, _HIGHEST_RATE = 1000, 1_000_000
# Of others that libsndfile reads nobody can know whether they are whole, or it knows it wrongly.
_CHECKED = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "SVX", "AU", "CAF", "NIST", "HTK", "FLAC"}
_CHECKED |= {"OGG", "MP3", "AVR", "WVE", "VOC", "SDS"}
# These claim nothing, and end where they end.
_CHECKED |= {"IRCAM", "PAF", "PVF"}
_MOST_STREAMS = 4096
# Digital silence has 300 in FLAC as encoders write it by default and 5,000 at the most; 3,000 in
# Opus.
_MOST_SAMPLES_PER_BYTE = 4000
# What a large file is made of is kept: a list may have thousands of stretches of it.
_KEPT_FROM_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording's header says.

    Attributes
    ----------
    path : Path
        The file; what it is called, where one was given that was open already.
    sample_rate : int
        Samples per second and channel.
    n_channels : int
        Channels in the file; reading averages them.
    n_samples : int
        Samples per channel.
    format, subtype : str
        libsndfile's names, such as ``"WAV"`` and ``"PCM_16"``.
    """

    path: Path
    sample_rate: int
    n_channels: int
    n_samples: int
    format: str
    subtype: str

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Part:
    """A stream of a recording; most recordings are one.

    Attributes
    ----------
    views : tuple of pieces
        What of the file is read, and of that again; none where the file is read as it is.
    n_samples : int
        Its samples per channel.
    """

    views: tuple[Pieces, ...]
    n_samples: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was looked at: what it says of itself, and what there is to decode.

    Attributes
    ----------
    source : path or binary file
    info : AudioInfo
    parts : tuple of Part
        Decoded one after the other.
    """

    source: AudioSource
    info: AudioInfo
    parts: tuple[Part, ...]


def probe(path: AudioSource) -> AudioInfo:
    """Read a recording's header; refuse what can't be a whole recording.

    Parameters
    ----------
    path : path-like or binary file
        A WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    AudioInfo
        The header's content, with the length that its frames or pages have, where a header leaves
        it open or is wrong. Damage inside the data shows on reading only.

    Raises
    ------
    AudioError
        If the file is missing, a folder, a pipe or a device, empty, not audio, or holds no samples;
        if its header promises more audio than it holds, or its rate is not one of sound.
    InvalidTypeError
        If `path` is neither a path nor a binary file.
    """
    return look_at(path).info


def look_at(source: AudioSource) -> Recording:
    """Find the streams of a recording; see `probe`."""
    path = as_path(source)
    with open_source(source) as (file, size):
        if size == 0:
            raise AudioError(f"{described(path)}: is empty (0 bytes), not a {KNOWN_FORMATS} file")
        if size < _KEPT_FROM_BYTES or source is file:
            return _looked_at(source, file, size)
        found = path.stat()
        return _kept(path, size, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino))


@lru_cache(maxsize=16)
def _kept(path: Path, size: int, times: tuple[int, ...]) -> Recording:
    with open_source(path) as (file, _):
        return _looked_at(path, file, size)


def _looked_at(source: AudioSource, file: IO[bytes], size: int) -> Recording:
    path = as_path(source)
    name = described(path)
    streams = _streams(file, size, name)
    if streams is None:
        with opened(source) as sound:
            # Found behind something else, such as zeros.
            is_mpeg = sound.format == "MP3"
        streams = (_mpeg(file, size, name) if is_mpeg else []) or [_Stream()]
    elif len(streams) == 1 and streams[0].mpeg is not None and streams[0].views:
        with opened(source) as sound:
            # At a constant rate of bits the guess is right, and nothing is to be put in.
            if sound.frames == streams[0].mpeg.n_samples:
                streams = [_Stream(mpeg=streams[0].mpeg)]
    if len(streams) > _MOST_STREAMS:
        raise AudioError(
            f"{name}: holds {len(streams)} recordings one after the other, more than the "
            f"{_MOST_STREAMS} that are read; split it"
        )
    infos, parts = [], []
    for stream in streams:
        with opened(source, stream.views) as sound:
            if stream.ogg is not None:
                check_ogg_end(stream.ogg, sound, file, name)
            n_samples = _length(path, sound, stream)
            infos.append(
                AudioInfo(
                    path, sound.samplerate, sound.channels, n_samples, sound.format, sound.subtype
                )
            )
        parts.append(Part(stream.views, n_samples))
    first = infos[0]
    if len({(info.sample_rate, info.n_channels) for info in infos}) > 1:
        raise AudioError(f"{name}: {OF_SEVERAL_KINDS}")
    total = replace(first, n_samples=sum(info.n_samples for info in infos))
    if total.n_samples * total.n_channels > _MOST_SAMPLES_PER_BYTE * size:
        raise AudioError(
            f"{name}: holds {total.duration / 3600:.1f} h of audio in {size} bytes, all of it the "
            "same value; give recordings of sound"
        )
    return Recording(source, total, tuple(parts))


@dataclass(frozen=True, slots=True)
class _Stream:
    """What is to be read, and what is known of its length before it is opened."""

    views: tuple[Pieces, ...] = ()
    ogg: OggStream | None = None
    mpeg: MpegStream | None = None
    has_end: bool = True


def _streams(file: IO[bytes], size: int, name: str) -> list[_Stream] | None:
    """Find the streams of a file by what it begins with; None if that says nothing."""
    file.seek(0)
    head = file.read(10)
    if head[:4] == b"OggS":
        return _ogg(file, size, name)
    if head[:3] == b"ID3":
        file.seek(length_of_id3(head))
        head = file.read(4)
    if head[:4] == b"fLaC":
        return _flac(file, size, name) or None
    if head[:1] == b"\xff":
        return _mpeg(file, size, name) or None
    pieces = check_length(file, size, name)
    if (inside := mpeg_in_wav(file, size)) is not None:
        frames = Spliced(file, (inside,))
        found = _mpeg(frames, inside[1] - inside[0], name)
        return [replace(stream, views=((inside,), *stream.views)) for stream in found] or None
    return None if pieces is None else [_Stream((pieces,))]


def _flac(file: BinaryFile, size: int, name: str) -> list[_Stream]:
    streams = flac_streams(file, size, name)
    if len(streams) == 1 and len(streams[0].pieces) == 1:
        return [_Stream(has_end=streams[0].ends_in_frame)]
    return [_Stream((stream.pieces,), has_end=stream.ends_in_frame) for stream in streams]


def _ogg(file: IO[bytes], size: int, name: str) -> list[_Stream]:
    streams = ogg_streams(file, size, name)
    if len(streams) == 1 and not streams[0].is_flac:
        return [_Stream(ogg=streams[0])]
    found = []
    for stream in streams:
        pieces = stream.pieces()
        if not stream.is_flac:
            found.append(_Stream((pieces,), ogg=stream))
            continue
        # libsndfile reads no FLAC in Ogg, but what is in it.
        inside = Spliced(file, pieces)
        length = inside.seek(0, io.SEEK_END)
        found += [
            replace(part, views=(pieces, *part.views)) for part in _flac(inside, length, name)
        ]
    return found


def _mpeg(file: BinaryFile, size: int, name: str) -> list[_Stream]:
    streams = mpeg_streams(file, size, name)
    if len(streams) == 1 and streams[0].is_exact:
        return [_Stream(mpeg=streams[0])]
    return [_Stream((stream.pieces(),), mpeg=stream) for stream in streams]


@contextmanager
def opened(source: AudioSource, views: Sequence[Pieces] = ()) -> Iterator[Any]:
    """Open an audio file, or what is to be read of it, or say in one line why it is none."""
    import soundfile

    path = as_path(source)
    with ExitStack() as stack:
        try:
            # Of a name that ends in .raw soundfile wants to know what the samples are.
            if views or not isinstance(source, str | os.PathLike) or path.suffix.lower() == ".raw":
                file: BinaryFile
                file, size = stack.enter_context(open_source(source))
                # An open file may be read by several at a time: each has a position of its own.
                for pieces in views or (((0, size),),):
                    file = Spliced(file, pieces)
                sound = stack.enter_context(_forward_file()(file))
            else:
                sound = stack.enter_context(_forward_file()(_openable(path)))
        except (OSError, soundfile.SoundFileError) as error:
            raise AudioError(f"{described(path)}: {_no_recording(path, source, error)}") from error
        yield sound


def _no_recording(path: Path, source: Any, error: Exception) -> str:
    """Say what a file is that can't be read, where it is something else than a recording."""
    found = None
    if isinstance(source, str | os.PathLike):
        with contextlib.suppress(OSError, SpeakerGmmError):
            found = describe_file(path)
    if found is None or found.endswith("recording") or found.startswith("of an unknown"):
        return f"is not a readable {KNOWN_FORMATS} file: {reason(error)}"
    return f"is {found}, not a {KNOWN_FORMATS} file"


@cache
def _forward_file() -> Any:
    """Return the class of files that are read from a position on, without seeking in between."""
    import soundfile

    class ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # it ships no types everywhere
        def seekable(self) -> bool:
            # After each block soundfile would seek to where it is: MP3 decoders lose what frames
            # have borrowed from those before, and a click is left.
            return False

    return ForwardFile


def _openable(path: Path) -> Path | bytes:
    # Names are bytes there and need not be UTF-8, which is what soundfile makes of a text.
    return os.fsencode(path) if os.name == "posix" else path


def _length(path: Path, sound: Any, stream: _Stream) -> int:
    """Return how many samples there are; refuse promises that the file can't keep."""
    name = described(path)
    if sound.format not in _CHECKED:
        raise AudioError(
            f"{name}: is a {sound.format} file, of which it can't be known whether it is whole; "
            f"convert it to {KNOWN_FORMATS}"
        )
    n_samples: int = sound.frames
    if stream.mpeg is not None and n_samples < stream.mpeg.n_samples - MOST_PADDING:
        raise AudioError(
            f"{name}: MP3 file of which {n_samples} of {stream.mpeg.n_samples} samples can be "
            "decoded; convert it to WAV"
        )
    if n_samples >= _UNKNOWN_LENGTH:
        n_samples = _count_samples(path, sound)
    if not stream.has_end:
        _check_last_sample(path, sound)
    if n_samples <= 0 or sound.samplerate <= 0:
        raise AudioError(f"{name}: holds no samples (length 0)")
    if not _LOWEST_RATE <= sound.samplerate <= _HIGHEST_RATE:
        raise AudioError(
            f"{name}: its header gives a rate of {sound.samplerate} Hz; recordings have "
            f"{_LOWEST_RATE} to {_HIGHEST_RATE} Hz"
        )
    return n_samples


def _check_last_sample(path: Path, file: Any) -> None:
    """Decode the end of a file that doesn't look as if it had the one that its header promises."""
    import soundfile

    try:
        file.seek(file.frames - 1)
        if len(file.read(1)) == 1:
            return
    except soundfile.SoundFileError:
        pass
    raise AudioError(
        f"{described(path)}: damaged or truncated {file.format} file, the end of the "
        f"{file.frames / file.samplerate:.2f} s that its header promises can't be decoded"
    )


def _count_samples(path: Path, file: Any) -> int:
    """Count by decoding, for streams whose header leaves the length open."""
    import soundfile

    count = 0
    try:
        while n := len(file.read(_VALUES_PER_READ // file.channels, dtype="float32")):
            count += n
    except soundfile.SoundFileError as error:
        raise AudioError(
            f"{described(path)}: damaged {file.format} file: {reason(error)}"
        ) from error
    return count
