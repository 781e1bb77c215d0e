"""Reading of mono samples at any sampling rate, as a whole or in blocks."""

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
# Lists of segments round times to hundredths of a second: an end so far beyond the recording is its
# end.
ROUNDING_SECONDS = 0.01
# An end so far beyond the recording is cut with a warning, as Kaldi's extract-segments does.
_OVERSHOOT_SECONDS = 0.5
# Times are bounded before they are converted to samples: an end may be infinite.
_LATEST = 1e12
# Floating-point files may overshoot full scale; more than 40 dB beyond it, their unit is another.
_LARGEST_SAMPLE = 100.0
# Ratio of the power of the average to that of the channels below which channels cancel: -50 dB.
# For two uncorrelated channels it is a half.
_LEAST_COMMON_POWER = 1e-5
# Encodings in which decoding can begin at any sample. In others (GSM 6.10, ADPCM, G.72x) libsndfile
# cannot seek, or returns other samples.
_SEEKABLE = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW", "ALAC", "VORBIS", "OPUS")
_UNSEEKABLE = {"PAF", "SDS"}
# Frames of MP3 borrow bits from up to nine previous frames, and libsndfile complains on standard
# error if they are missing: near the beginning everything is decoded.
_NEAR_SECONDS = 60.0
_MPEG_LEAD = 32 * 1152


class AudioWarning(UserWarning):
    """A recording was changed on reading: averaged, cut or upsampled."""


def read_audio(
    path: AudioSource,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, or a part of it, as mono samples.

    Parameters
    ----------
    path : path-like or binary file
        A WAV, FLAC, OGG or MP3 file; an open file stays open.
    sample_rate : int, optional
        Sampling rate of the result, in Hz; by default that of the file.
    start, end : float
        Part to read, in seconds; `end` is the end of the file by default. An end that lies up to
        half a second beyond the recording is replaced by its end.

    Returns
    -------
    samples : array of float32, shape (n_samples,)
        Samples with full scale at 1; several channels are averaged.
    sample_rate : int
        Sampling rate of `samples`, in Hz.

    Raises
    ------
    AudioError
        If the file cannot be read completely, is shorter than the part, or holds samples that are
        NaN, infinite or beyond 100 times full scale; if its channels cancel when averaged.
    InvalidInputError
        If `sample_rate` is not a positive whole number, or `path` is neither a path nor a binary
        file.

    Warns
    -----
    AudioWarning
        If channels are averaged, if the rate of the file is below `sample_rate`, or if `end` lies
        more than 10 ms beyond the recording.
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
    """Read a recording, or a part of it, in blocks of mono samples and constant memory.

    Parameters
    ----------
    path, sample_rate, start, end
        As in `read_audio`.
    block_seconds : float, default=20.0
        Greatest length of a block, in seconds; blocks of files with many channels or a high rate
        are shorter.

    Yields
    ------
    array of float32, shape (n,)
        Consecutive samples, n > 0; concatenated they are exactly the result of `read_audio`.

    Raises
    ------
    AudioError, InvalidInputError
        As in `read_audio`; damage inside the file is found when it is reached, and channels that
        cancel are found at the end.
    """
    if not block_seconds > 0:
        raise InvalidInputError(f"block_seconds must be positive, found {block_seconds!r}")
    return _opened(path, sample_rate, start, end, block_seconds)[0]


def _opened(
    path: AudioSource, sample_rate: int | None, start: float, end: float | None, seconds: float
) -> tuple[Iterator[NDArray[np.float32]], int]:
    """Return the blocks of a part of a recording, each of at most `seconds`, and their rate."""
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
        Sampling rates in Hz.
    name : str, optional
        Name of the audio in the warning about a low rate.

    Yields
    ------
    array of float32, shape (n,)
        Consecutive samples at `to_rate`, n > 0, converted at soxr's high quality.
    """
    if from_rate == to_rate:
        yield from blocks
        return
    if from_rate < to_rate:
        warnings.warn(
            f"{'' if name is None else name + ': '}audio of {from_rate} Hz is upsampled to "
            f"{to_rate} Hz, which leaves the upper band empty; to compute features at the rate of "
            f'the recording, use a file of features with preset = "speaker" and sample_rate = '
            f'{from_rate}, or FeatureConfig.preset("speaker").replace(sample_rate={from_rate})',
            AudioWarning,
            stacklevel=1,
        )
    yield from convert_rate(blocks, from_rate, to_rate)


def convert_rate(
    blocks: Iterator[NDArray[np.float32]], from_rate: int, to_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Convert consecutive blocks of samples as `resample_blocks` does, without its warning.

    Yields
    ------
    array of float32, shape (n,)
        n > 0, unless the rates are equal.
    """
    if from_rate == to_rate:
        yield from blocks
        return
    # Imported here because most recordings need no conversion; soxr has no type information.
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
    """Yield the samples first:last of a file, averaged over channels, at `sample_rate`."""
    info = recording.info
    block = max(1, min(int(block_seconds * info.sample_rate), _VALUES_PER_READ // info.n_channels))
    if info.n_channels > 1:
        warnings.warn(
            f"{shown_path(info.path)}: has {info.n_channels} channels, which are averaged to one",
            AudioWarning,
            stacklevel=1,
        )
    mono = _averaged(info, _decoded(recording, first, last, block))
    with refusing(info.path):
        yield from resample_blocks(mono, info.sample_rate, sample_rate, name=shown_path(info.path))


def _averaged(
    info: AudioInfo, blocks: Iterator[NDArray[np.float32]]
) -> Iterator[NDArray[np.float32]]:
    """Yield the average of the channels; raise an error if they cancel, or are not numbers."""
    # The powers of the channels and of their average are summed, to be compared at the end.
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
            f"averaging its {info.n_channels} channels cancels the signal, for they have opposite "
            "polarity; give a file with one of them"
        )


def _decoded(
    recording: Recording, first: int, last: int, block: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples first:last of a file at its own rate, shape (n, n_channels)."""
    before = 0
    for stream in recording.streams:
        start, stop = max(0, first - before), min(stream.n_samples, last - before)
        if start < stop:
            yield from _decoded_stream(recording, stream, before, start, stop, block)
        before += stream.n_samples


def _decoded_stream(
    recording: Recording, stream: AudioStream, before: int, first: int, last: int, block: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the samples first:last of a stream; raise an error if some cannot be decoded."""
    import soundfile

    info = recording.info
    failure: Exception | None = None
    with open_sound(recording.source, stream.views) as file:
        position = 0
        try:
            if begin := max(0, first - _lead(info, first)):
                position = file.seek(begin)
            while position < last:
                # Samples before `first` that must be decoded are dropped.
                stop = first if position < first else last
                wanted = min(block, stop - position)
                samples = file.read(wanted, dtype="float32", always_2d=True)
                position += len(samples)
                if len(samples) < wanted:
                    # Reading on would seek, and hide the missing samples.
                    break
                if stop == last:
                    yield samples
        except (soundfile.SoundFileError, OSError) as error:
            failure = error
    if failure is not None or position < last:
        raise AudioError(
            f"damaged {'or truncated ' if failure is None else ''}{info.format} file: ends after "
            f"{(before + position) / info.sample_rate:.2f} s, but its header promises "
            f"{info.duration:.2f} s{'' if failure is None else f' ({reason(failure)})'}"
        ) from failure


def _lead(info: AudioInfo, first: int) -> int:
    """Return how many samples before `first` must be decoded so that it is decoded correctly."""
    if info.subtype.startswith("MPEG"):
        return first if first < _NEAR_SECONDS * info.sample_rate else _MPEG_LEAD
    is_exact = info.subtype.startswith(_SEEKABLE) and info.format not in _UNSEEKABLE
    return 0 if is_exact else first


def sample_fault(samples: NDArray[np.floating[Any]]) -> str | None:
    """Return what is wrong with samples that are not finite or not in units of full scale."""
    peak = float(np.maximum(samples.max(), -samples.min())) if samples.size else 0.0
    if not np.isfinite(peak):
        return "samples that are NaN or infinite; every sample must be a finite number"
    if peak > _LARGEST_SAMPLE:
        return (
            f"samples of up to {peak:.3g} times full scale; floating-point audio must lie in "
            f"-1..1 (overshoot up to {_LARGEST_SAMPLE:g} is read); scale integers down"
        )
    return None


def find_stretch(
    name: str, n_samples: int, sample_rate: int, start: float, end: float | None
) -> tuple[int, int]:
    """Convert a part in seconds to a range of samples inside a recording.

    Parameters
    ----------
    name : str
        Name of the recording in messages.
    n_samples, sample_rate : int
        Its length in samples and its sampling rate in Hz.
    start, end : float
        As in `read_audio`.

    Returns
    -------
    first, last : int
        First sample, and the one after the last.

    Raises
    ------
    AudioError
        If the part is empty, or does not lie inside the recording.

    Warns
    -----
    AudioWarning
        If `end` lies more than 10 ms, and up to half a second, beyond the recording.
    """
    duration = n_samples / sample_rate
    lasts = f"which lasts {duration:.2f} s"
    if not (isfinite(start) and start >= 0):
        raise AudioError(f"{name}: start must be 0 s or later, found {start!r}")
    if end is not None and not start < end:
        raise AudioError(f"{name}: end must lie after start, found {start!r} to {end!r} s")
    # Compared in whole samples: times in decimals are rounded.
    beyond = 0 if end is None else round(min(end, _LATEST) * sample_rate) - n_samples
    if beyond > _OVERSHOOT_SECONDS * sample_rate:
        raise AudioError(f"{name}: end at {end:g} s lies beyond the recording, {lasts}")
    first = round(start * sample_rate)
    last = n_samples + min(beyond, 0)
    if first >= last:
        stop = duration if end is None else end
        raise AudioError(
            f"{name}: no samples between {start:g} and {stop:g} s of the recording, {lasts}"
        )
    if beyond > ROUNDING_SECONDS * sample_rate:
        message = f"{name}: end at {end:g} s lies beyond the recording, {lasts}"
        warnings.warn(f"{message}; the part is cut there", AudioWarning, stacklevel=1)
    return first, last


def check_rate(sample_rate: Any) -> None:
    """Raise an error if a sampling rate is not a positive whole number."""
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if not is_number or not isfinite(sample_rate) or sample_rate < 1 or sample_rate % 1:
        raise InvalidInputError(
            f"sample_rate must be a positive whole number of Hz, found {sample_rate!r}"
        )
