"""Opening a recording: which streams it is made of, and whether they keep what it promises."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any

from speakergmm.audio.audio_sources import AudioSource, open_source, source_path
from speakergmm.audio.container_formats import container_streams
from speakergmm.audio.flac import flac_streams
from speakergmm.audio.messages import KNOWN_FORMATS, OF_SEVERAL_KINDS, reason, refusing
from speakergmm.audio.mpeg import length_of_id3, mpeg_streams
from speakergmm.audio.ogg import ogg_streams
from speakergmm.audio.splicing import AudioStream, BinaryFile, Pieces, Spliced
from speakergmm.audio.suffixes import READABLE_FORMATS
from speakergmm.errors import AudioError, SpeakerGmmError
from speakergmm.file_kinds import describe_file

# What streams begin with that are no containers, behind a tag or without one.
_WALKERS = ((b"OggS", ogg_streams), (b"fLaC", flac_streams), (b"\xff", mpeg_streams))
# libsndfile's answer when a stream's header leaves the length open.
_UNKNOWN_LENGTH = 1 << 60
_VALUES_PER_READ = 1 << 20
# Rates of recordings of sound; beyond them a small file would claim hours, or nothing is left.
_LOWEST_RATE, _HIGHEST_RATE = 1000, 1_000_000
# Of others that libsndfile reads nobody can know whether they are whole, or it knows it wrongly.
# IRCAM, PAF and PVF claim nothing, and end where they end.
_CHECKED = {*READABLE_FORMATS, "WAVEX", "HTK"}
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
class Recording:
    """A recording that was looked at: what it says of itself, and what there is to decode.

    Attributes
    ----------
    source : path or binary file
    info : AudioInfo
    streams : tuple of Stream
        Decoded one after the other; most recordings are one.
    """

    source: AudioSource
    info: AudioInfo
    streams: tuple[AudioStream, ...]


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
    return inspect_recording(path).info


def inspect_recording(source: AudioSource) -> Recording:
    """Find the streams of a recording; see `probe`."""
    path = source_path(source)
    with refusing(path), open_source(source) as (file, size):
        if size == 0:
            raise AudioError(f"is empty (0 bytes), not a {KNOWN_FORMATS} file")
        if size < _KEPT_FROM_BYTES or source is file:
            return _looked_at(source, file, size)
        found = path.stat()
        return _kept(path, size, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino))


@lru_cache(maxsize=16)
def _kept(path: Path, size: int, times: tuple[int, ...]) -> Recording:
    with open_source(path) as (file, _):
        return _looked_at(path, file, size)


def _looked_at(source: AudioSource, file: IO[bytes], size: int) -> Recording:
    streams = _streams(source, file, size)
    if len(streams) > _MOST_STREAMS:
        raise AudioError(
            f"holds {len(streams)} recordings one after the other, more than the {_MOST_STREAMS} "
            "that are read; split it"
        )
    infos, whole = [], []
    for stream in streams:
        with open_sound(source, stream.views) as sound:
            whole.append(AudioStream(stream.views, _length(sound, stream)))
            told = (sound.samplerate, sound.channels, whole[-1].n_samples)
            infos.append(AudioInfo(source_path(source), *told, sound.format, sound.subtype))
    if len({(info.sample_rate, info.n_channels) for info in infos}) > 1:
        raise AudioError(OF_SEVERAL_KINDS)
    total = replace(infos[0], n_samples=sum(info.n_samples for info in infos))
    if total.n_samples * total.n_channels > _MOST_SAMPLES_PER_BYTE * size:
        raise AudioError(
            f"holds {total.duration / 3600:.1f} h of audio in {size} bytes, all of it the same "
            "value; give recordings of sound"
        )
    return Recording(source, total, tuple(whole))


def _streams(source: AudioSource, file: IO[bytes], size: int) -> list[AudioStream]:
    """Find the streams of a file by what it begins with, or by what libsndfile takes it for."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3":
        file.seek(length_of_id3(head))
        head = file.read(4)
    walk = next((walk for start, walk in _WALKERS if head.startswith(start)), container_streams)
    streams = walk(file, size)
    if not streams:
        with open_sound(source) as sound:
            is_mpeg = sound.format == "MP3"  # behind something else, such as zeros
        return (mpeg_streams(file, size) if is_mpeg else []) or [AudioStream()]
    if walk is mpeg_streams and len(streams) == 1 and streams[0].views:
        with open_sound(source) as sound:
            # At a constant rate of bits the guess is right, and nothing is to be put in.
            if sound.frames == streams[0].n_samples:
                return [replace(streams[0], views=())]
    return streams


@contextmanager
def open_sound(source: AudioSource, views: Sequence[Pieces] = ()) -> Iterator[Any]:
    """Open an audio file, or what is to be read of it, or say why it is none."""
    import soundfile

    path = source_path(source)
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
                # Names are bytes there and need not be UTF-8, as soundfile makes of a text.
                named = os.fsencode(path) if os.name == "posix" else path
                sound = stack.enter_context(_forward_file()(named))
        except (OSError, soundfile.SoundFileError) as error:
            raise AudioError(_no_recording(path, source, error)) from error
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


def _length(sound: Any, stream: AudioStream) -> int:
    """Return how many samples there are; refuse promises that the file can't keep."""
    if sound.format not in _CHECKED:
        raise AudioError(
            f"is a {sound.format} file, of which it can't be known whether it is whole; convert it "
            f"to {KNOWN_FORMATS}"
        )
    n_samples: int = sound.frames
    if stream.check is not None:
        stream.check(sound)
    if n_samples >= _UNKNOWN_LENGTH:
        n_samples = _count_samples(sound)
    if n_samples <= 0 or sound.samplerate <= 0:
        raise AudioError("holds no samples (length 0)")
    if not _LOWEST_RATE <= sound.samplerate <= _HIGHEST_RATE:
        raise AudioError(
            f"its header gives a rate of {sound.samplerate} Hz; recordings have {_LOWEST_RATE} to "
            f"{_HIGHEST_RATE} Hz"
        )
    return n_samples


def _count_samples(file: Any) -> int:
    """Count by decoding, for streams whose header leaves the length open."""
    import soundfile

    count = 0
    try:
        while n := len(file.read(_VALUES_PER_READ // file.channels, dtype="float32")):
            count += n
    except soundfile.SoundFileError as error:
        raise AudioError(f"damaged {file.format} file: {reason(error)}") from error
    return count
