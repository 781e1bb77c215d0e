"""Samples of a recording: averaged to one channel, at the rate asked for, whole or in blocks."""

import warnings
from collections.abc import Iterator
from itertools import chain, repeat
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio.audio_sources import AudioSource
from speakergmm.audio.messages import reason, refusing
from speakergmm.audio.probing import AudioInfo, Recording, inspect_recording, open_sound
from speakergmm.audio.splicing import AudioStream
from speakergmm.errors import AudioError, InvalidInputError
from speakergmm.files import shown_path

# Bounds one read whatever the rate and the number of channels are: 4 MiB of float32.
_VALUES_PER_READ = 1 << 20
_BLOCK_SECONDS = 20.0
# Lists of segments round their times to hundredths of a second; an end that far beyond is the end.
ROUNDING_SECONDS = 0.01
# Ends may lie so far beyond that are cut with a warning, as Kaldi's extract-segments has it.
_OVERSHOOT_SECONDS = 0.5
# Times are bounded before they are counted in samples: an end may be infinite.
_LATEST = 1e12
# Floating-point files may overshoot full scale; 40 dB beyond, they hold something else.
_LARGEST_SAMPLE = 100.0
# Power of the average, as a part of the channels' own, below which they have cancelled: 50 dB.
# Two channels that have nothing in common leave a half.
_LEAST_COMMON_POWER = 1e-5
# Where decoding can begin at any sample. Elsewhere (GSM 6.10, ADPCM, G.72x) libsndfile can't, or
# gives others.
_SEEKABLE = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "ALAC", "VORBIS", "OPUS")
_UNSEEKABLE = {"PAF", "SDS"}
# Frames of MP3 borrow bits from up to nine before, and libsndfile says so on standard error where
# they are missing: near the beginning everything is decoded.
_NEAR_SECONDS = 60.0
_MPEG_LEAD = 32 * 1152


class AudioWarning(UserWarning):
    """Something about a recording that was set right silently would surprise."""


def read_audio(
    path: AudioSource,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, or a stretch of it, as mono samples.

    Parameters
    ----------
    path : path-like or binary file
        A WAV, FLAC, OGG or MP3 file; one that is open stays open.
    sample_rate : int, optional
        Rate wanted, in Hz; by default the file's own.
    start, end : float
        Stretch to read, in seconds; `end` defaults to the end of the file. An end up to half a
        second beyond the recording is taken for the recording's.

    Returns
    -------
    samples : array of float32, shape (n_samples,)
        Full scale is 1; several channels are averaged.
    sample_rate : int
        The rate of `samples`, in Hz.

    Raises
    ------
    AudioError
        If the file can't be read whole, lacks the stretch, or holds samples that are NaN,
        infinite or beyond 100 times full scale; if its channels cancel when they are averaged.
    InvalidInputError
        If `sample_rate` is not a positive whole number, or `path` neither a path nor a binary file.

    Warns
    -----
    AudioWarning
        If channels are averaged, if the file's rate is below `sample_rate`, or if `end` lies more
        than 10 ms beyond the recording.
    """
    blocks, rate = _opened(path, sample_rate, start, end, _BLOCK_SECONDS)
    return np.concatenate(list(blocks)), rate


def iter_audio(
    path: AudioSource,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    block_seconds: float = _BLOCK_SECONDS,
) -> Iterator[NDArray[np.float32]]:
    """Read what `read_audio` reads, block by block, in constant memory.

    Parameters
    ----------
    path, sample_rate, start, end
        As `read_audio` has them.
    block_seconds : float, default=20.0
        Most seconds a block holds; files of many channels or a high rate come in shorter ones.

    Yields
    ------
    array of float32, shape (n,)
        Consecutive samples, n > 0; put together they are exactly what `read_audio` returns.

    Raises
    ------
    AudioError, InvalidInputError
        As `read_audio`; damage inside the file is found when the reading comes to it, and that
        channels cancel at the end.
    """
    if not block_seconds > 0:
        raise InvalidInputError(f"block_seconds must be positive, got {block_seconds!r}")
    return _opened(path, sample_rate, start, end, block_seconds)[0]


def _opened(
    path: AudioSource, sample_rate: int | None, start: float, end: float | None, seconds: float
) -> tuple[Iterator[NDArray[np.float32]], int]:
    """Return the blocks of a stretch, of so many seconds at most, and their rate."""
    if sample_rate is not None:
        check_rate(sample_rate)
    recording = inspect_recording(path)
    info = recording.info
    first, last = find_stretch(shown_path(info.path), info.n_samples, info.sample_rate, start, end)
    rate = sample_rate or info.sample_rate
    return _blocks(recording, first, last, rate, seconds), rate


def resample_blocks(
    blocks: Iterator[NDArray[np.float32]],
    from_rate: int,
    to_rate: int,
    *,
    name: str | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Convert consecutive blocks of mono samples to another rate.

    Parameters
    ----------
    blocks : iterator of float32 arrays
        Consecutive samples at `from_rate`.
    from_rate, to_rate : int
        Rates in Hz.
    name : str, optional
        What the warning about a low rate calls the audio.

    Yields
    ------
    array of float32, shape (n,)
        Consecutive samples at `to_rate`, by soxr's high-quality converter, n > 0.
    """
    if from_rate == to_rate:
        yield from blocks
        return
    if from_rate < to_rate:
        warnings.warn(
            f"{'' if name is None else name + ': '}audio of {from_rate} Hz is upsampled to "
            f"{to_rate} Hz: its upper band is empty; features at its own rate avoid that: "
            f"--features FILE with sample_rate = {from_rate}, or "
            f"FeatureConfig.preset(...).replace(sample_rate={from_rate})",
            AudioWarning,
            stacklevel=1,
        )
    # Imported here because most recordings need no conversion; soxr ships no type information.
    import soxr  # type: ignore[import-untyped]

    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    end = (np.empty(0, np.float32), True)
    for block, last in chain(zip(blocks, repeat(False)), [end]):
        converted = stream.resample_chunk(np.ascontiguousarray(block), last=last)
        if len(converted):
            yield converted


def _blocks(
    recording: Recording, first: int, last: int, sample_rate: int, block_seconds: float
) -> Iterator[NDArray[np.float32]]:
    """Yield samples first:last of a file, averaged over channels, at another rate."""
    info = recording.info
    block = max(1, min(int(block_seconds * info.sample_rate), _VALUES_PER_READ // info.n_channels))
    if info.n_channels > 1:
        warnings.warn(
            f"{shown_path(info.path)}: has {info.n_channels} channels; recordings of several "
            "channels are averaged to one",
            AudioWarning,
            stacklevel=1,
        )
    mono = _averaged(info, _decoded(recording, first, last, block))
    with refusing(info.path):
        yield from resample_blocks(mono, info.sample_rate, sample_rate, name=shown_path(info.path))


def _averaged(
    info: AudioInfo, blocks: Iterator[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Yield the average of channels, of samples that are numbers; refuse it if they cancel."""
    average = np.full(info.n_channels, 1 / info.n_channels, np.float32)
    power, common_power = 0.0, 0.0
    for samples in blocks:
        if fault := sample_fault(samples):
            raise AudioError(f"holds {fault}")
        mono = samples[:, 0]
        if info.n_channels > 1:
            mono = samples @ average
            power += float(np.vdot(samples, samples)) / info.n_channels
            common_power += float(np.vdot(mono, mono))
        yield mono
    if common_power < _LEAST_COMMON_POWER * power:
        raise AudioError(
            f"averaging its {info.n_channels} channels cancels the signal, they are of opposite "
            "polarity; give a file with one of them"
        )


def _decoded(
    recording: Recording, first: int, last: int, block: int
) -> Iterator[NDArray[np.float32]]:
    """Yield samples first:last of a file at its own rate, shape (n, n_channels)."""
    before = 0
    for stream in recording.streams:
        start, stop = max(0, first - before), min(stream.n_samples, last - before)
        if start < stop:
            yield from _decoded_stream(recording, stream, before, start, stop, block)
        before += stream.n_samples


def _decoded_stream(
    recording: Recording, stream: AudioStream, before: int, first: int, last: int, block: int
) -> Iterator[NDArray[np.float32]]:
    """Yield samples first:last of a stream; refuse what can't be decoded."""
    import soundfile

    info = recording.info
    failure: Exception | None = None
    with open_sound(recording.source, stream.views) as file:
        position = 0
        try:
            if begin := max(0, first - _lead(info, first)):
                position = file.seek(begin)
            while position < last:
                # What lies before is decoded and dropped where it can't be passed over.
                stop = first if position < first else last
                wanted = min(block, stop - position)
                samples = file.read(wanted, dtype="float32", always_2d=True)
                position += len(samples)
                if len(samples) < wanted:
                    # Reading on would seek, and patch over what is missing.
                    break
                if stop == last:
                    yield samples
        except (soundfile.SoundFileError, OSError) as error:
            failure = error
    if failure is not None or position < last:
        raise AudioError(
            f"damaged {'or truncated ' if failure is None else ''}{info.format} file, ends after "
            f"{(before + position) / info.sample_rate:.2f} s where its header promises "
            f"{info.duration:.2f} s{'' if failure is None else f' ({reason(failure)})'}"
        ) from failure


def _lead(info: AudioInfo, first: int) -> int:
    """Return how many samples before one are to be decoded so that it comes out right."""
    if info.subtype.startswith("MPEG"):
        return first if first < _NEAR_SECONDS * info.sample_rate else _MPEG_LEAD
    is_exact = info.subtype.startswith(_SEEKABLE) and info.format not in _UNSEEKABLE
    return 0 if is_exact else first


def sample_fault(samples: NDArray[np.floating[Any]]) -> str | None:
    """Say which samples are no numbers, or in other units than full scale; None if none is."""
    peak = float(np.maximum(samples.max(), -samples.min())) if samples.size else 0.0
    if not np.isfinite(peak):
        return "samples that are NaN or infinite; every sample must be a finite number"
    if peak > _LARGEST_SAMPLE:
        return (
            f"samples of up to {peak:.3g} times full scale; floating-point audio must lie in "
            f"-1..1 (overshoot up to {_LARGEST_SAMPLE:g} is read), divide integers by theirs"
        )
    return None


def find_stretch(
    name: str, n_samples: int, sample_rate: int, start: float, end: float | None
) -> tuple[int, int]:
    """Turn seconds into a range of samples that lies inside a recording.

    Parameters
    ----------
    name : str
        What messages call the recording.
    n_samples, sample_rate : int
        Its length and its rate, in Hz.
    start, end : float
        As `read_audio` has them.

    Returns
    -------
    first, last : int

    Raises
    ------
    AudioError
        If the recording lacks the stretch.

    Warns
    -----
    AudioWarning
        If `end` lies more than 10 ms, and up to half a second, beyond the recording.
    """
    duration = n_samples / sample_rate
    lasts = f"which lasts {duration:.2f} s"
    if not (isfinite(start) and start >= 0):
        raise AudioError(f"{name}: start must be 0 s or later, got {start!r}")
    if end is not None and not start < end:
        raise AudioError(f"{name}: end must lie after start, got {start!r} to {end!r} s")
    # Compared in whole samples: times in decimals are rounded.
    beyond = 0 if end is None else round(min(end, _LATEST) * sample_rate) - n_samples
    if beyond > _OVERSHOOT_SECONDS * sample_rate:
        raise AudioError(f"{name}: end at {end:g} s lies beyond the recording, {lasts}")
    first = round(start * sample_rate)
    last = n_samples + min(beyond, 0)
    if first >= last:
        stop = duration if end is None else end
        raise AudioError(f"{name}: no samples between {start:g} and {stop:g} s of it, {lasts}")
    if beyond > ROUNDING_SECONDS * sample_rate:
        message = f"{name}: end at {end:g} s lies beyond the recording, {lasts}"
        warnings.warn(f"{message}; the stretch is cut there", AudioWarning, stacklevel=1)
    return first, last


def check_rate(sample_rate: Any) -> None:
    """Refuse a sampling rate that is not a positive whole number."""
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if not is_number or not isfinite(sample_rate) or sample_rate < 1 or sample_rate % 1:
        raise InvalidInputError(
            f"sample_rate must be a positive whole number of Hz, got {sample_rate!r}"
        )
