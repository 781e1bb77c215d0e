"""Probing of recordings: the streams of a file, and whether they are as long as it claims."""

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

# First bytes of the formats whose streams are followed frame by frame, after a tag or without one.
_STREAM_FINDERS = ((b"OggS", ogg_streams), (b"fLaC", flac_streams), (b"\xff", mpeg_streams))
# Length that libsndfile reports if the header of a stream leaves it open.
_UNKNOWN_LENGTH = 1 << 60
_VALUES_PER_READ = 1 << 20
# Rates of recordings of sound: at lower ones a small file would claim hours.
_LOWEST_RATE, _HIGHEST_RATE = 1000, 1_000_000
# Formats whose completeness can be checked; for others that libsndfile reads this is impossible, or
# it reports a wrong length. IRCAM, PAF and PVF claim no length, and are always whole.
_CHECKED = {*READABLE_FORMATS, "WAVEX", "HTK"}
_MOST_STREAMS = 4096
# Digital silence has 300 samples per byte in FLAC with the defaults of encoders, and at most 5,000;
# it has 3,000 in Opus.
_MOST_SAMPLES_PER_BYTE = 4000
# Results for files from this size on are kept: a list may have thousands of segments of one file.
_KEPT_FROM_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Format, rate and length of a recording.

    Attributes
    ----------
    path : Path
        The file; the name of a file that was given open.
    sample_rate : int
        Samples per second and channel.
    n_channels : int
        Number of channels in the file; reading averages them.
    n_samples : int
        Samples per channel.
    format, subtype : str
        Names of the format in libsndfile, such as ``"WAV"`` and ``"PCM_16"``.
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
    """A recording that was probed, with the streams to decode.

    Attributes
    ----------
    source : path or binary file
        The file.
    info : AudioInfo
        Its format, rate and length.
    streams : tuple of AudioStream
        Streams that are decoded one after the other; most recordings have one.
    """

    source: AudioSource
    info: AudioInfo
    streams: tuple[AudioStream, ...]


def probe(path: AudioSource) -> AudioInfo:
    """Read the header of a recording, and check that the file is as long as the header claims.

    Parameters
    ----------
    path : path-like or binary file
        A WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    AudioInfo
        Format, rate and length; the length is that of the frames or pages, if the header leaves it
        open or is wrong. Damage inside the data is found only on reading.

    Raises
    ------
    AudioError
        If the file is missing, a folder, a pipe, a device, empty or not audio, or holds no samples;
        if its header promises more audio than it holds, or its rate is not plausible.
    InvalidTypeError
        If `path` is neither a path nor a binary file.
    """
    return inspect_recording(path).info


def inspect_recording(source: AudioSource) -> Recording:
    """Return a recording with its streams; see `probe`."""
    path = source_path(source)
    with refusing(path), open_source(source) as (file, size):
        if size == 0:
            raise AudioError(f"is empty (0 bytes), not a {KNOWN_FORMATS} file")
        if size < _KEPT_FROM_BYTES or source is file:
            return _inspected(source, file, size)
        found = path.stat()
        return _inspected_once(path, size, (found.st_mtime_ns, found.st_ctime_ns, found.st_ino))


@lru_cache(maxsize=16)
def _inspected_once(path: Path, size: int, times: tuple[int, ...]) -> Recording:
    """Return a recording, from the cache if size, times and inode of the file are the same."""
    with open_source(path) as (file, _):
        return _inspected(path, file, size)


def _inspected(source: AudioSource, file: IO[bytes], size: int) -> Recording:
    """Find, check and measure the streams of an open recording."""
    streams = _streams(source, file, size)
    if len(streams) > _MOST_STREAMS:
        raise AudioError(
            f"holds {len(streams)} concatenated recordings, more than the {_MOST_STREAMS} that are "
            "read; split it"
        )
    infos, whole = [], []
    for stream in streams:
        with open_sound(source, stream.views) as sound:
            whole.append(AudioStream(stream.views, _length(sound, stream)))
            numbers = (sound.samplerate, sound.channels, whole[-1].n_samples)
            infos.append(AudioInfo(source_path(source), *numbers, sound.format, sound.subtype))
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
    """Find the streams of a file by its first bytes, or by the format that libsndfile finds."""
    file.seek(0)
    head = file.read(10)
    if head[:3] == b"ID3":
        file.seek(length_of_id3(head))
        head = file.read(4)
    finders = (finder for start, finder in _STREAM_FINDERS if head.startswith(start))
    find_streams = next(finders, container_streams)
    streams = find_streams(file, size)
    if not streams:
        with open_sound(source) as sound:
            is_mpeg = sound.format == "MP3"  # after other bytes, such as zeros
        return (mpeg_streams(file, size) if is_mpeg else []) or [AudioStream()]
    if find_streams is mpeg_streams and len(streams) == 1 and streams[0].views:
        with open_sound(source) as sound:
            # At a constant bit rate libsndfile guesses the length right, and no header is needed.
            if sound.frames == streams[0].n_samples:
                return [replace(streams[0], views=())]
    return streams


@contextmanager
def open_sound(source: AudioSource, views: Sequence[Pieces] = ()) -> Iterator[Any]:
    """Open an audio file, or pieces of it, with soundfile.

    Raises
    ------
    AudioError
        If it is not a recording; the message says what it is.
    """
    import soundfile

    path = source_path(source)
    with ExitStack() as stack:
        try:
            # For a name that ends in .raw soundfile would ask for the format of the samples.
            if views or not isinstance(source, str | os.PathLike) or path.suffix.lower() == ".raw":
                file: BinaryFile
                file, size = stack.enter_context(open_source(source))
                # Several readers may share an open file: each needs a position of its own.
                for pieces in views or (((0, size),),):
                    file = Spliced(file, pieces)
                sound = stack.enter_context(_forward_file()(file))
            else:
                # File names are bytes on POSIX systems; soundfile would encode a text as UTF-8.
                named = os.fsencode(path) if os.name == "posix" else path
                sound = stack.enter_context(_forward_file()(named))
        except (OSError, soundfile.SoundFileError) as error:
            raise AudioError(_unreadable(path, source, error)) from error
        yield sound


def _unreadable(path: Path, source: Any, error: Exception) -> str:
    """Return the message about a file that libsndfile cannot open: what it is, if that is known."""
    found = None
    if isinstance(source, str | os.PathLike):
        with contextlib.suppress(OSError, SpeakerGmmError):
            found = describe_file(path)
    if found is None or found.endswith("recording") or found.startswith("of an unknown"):
        return f"is not a readable {KNOWN_FORMATS} file: {reason(error)}"
    return f"is {found}, not a {KNOWN_FORMATS} file"


@cache
def _forward_file() -> Any:
    """Return a class of sound files that are read without seeking between blocks."""
    import soundfile

    class ForwardFile(soundfile.SoundFile):  # type: ignore[misc]  # it ships no types everywhere
        def seekable(self) -> bool:
            # soundfile would seek to the current position after each block: MP3 decoders then lose
            # the bits that frames borrow from previous frames, which leaves a click.
            return False

    return ForwardFile


def _length(sound: Any, stream: AudioStream) -> int:
    """Return the number of samples per channel; raise an error if some of them are missing."""
    if sound.format not in _CHECKED:
        raise AudioError(
            f"is a {sound.format} file, whose completeness cannot be checked; convert it to "
            f"{KNOWN_FORMATS}"
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
            f"its header states a rate of {sound.samplerate} Hz; recordings have {_LOWEST_RATE} to "
            f"{_HIGHEST_RATE} Hz"
        )
    return n_samples


def _count_samples(file: Any) -> int:
    """Count samples by decoding, for streams whose header leaves the length open."""
    import soundfile

    count = 0
    try:
        while n := len(file.read(_VALUES_PER_READ // file.channels, dtype="float32")):
            count += n
    except soundfile.SoundFileError as error:
        raise AudioError(f"damaged {file.format} file: {reason(error)}") from error
    return count
