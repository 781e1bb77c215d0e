"""Recordings in and out: probe, read (whole or block by block), write; all refusals of bad files.

Samples are mono float32 with full scale at 1. Files are WAV, FLAC, OGG or MP3 (libsndfile through
`soundfile`); other rates are converted by `soxr`. Several channels are averaged. Nothing below this
module opens an audio file.
"""

import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import AudioError, InvalidInputError

_KNOWN_FORMATS = "WAV, FLAC, OGG or MP3"
# Bounds one read whatever the rate and the number of channels are: 4 MiB of float32.
_VALUES_PER_READ = 1 << 20
# Lists of segments round their times to hundredths of a second; an end that far beyond is the end.
_END_SLACK_SECONDS = 0.01
# Programs that stream and can't go back leave a length near these in a WAV header.
_STREAMED_WAV_LENGTH = 0x7FFFF000
# An Ogg page is at most this long, so the last one begins within it from the end.
_LARGEST_OGG_PAGE = 65307
# libsndfile's answer when a stream's header leaves the length open.
_UNKNOWN_LENGTH = 1 << 60


class AudioWarning(UserWarning):
    """Something about a recording that was set right silently would surprise."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording's header says.

    Attributes
    ----------
    path : Path
        The file.
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


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Read a recording's header; refuse what can't be a whole recording.

    Parameters
    ----------
    path : path-like
        A WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    AudioInfo
        The header's content. Damage inside the data shows on reading only.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, not audio, holds no samples, or is a WAV whose
        header promises more bytes than the file has.
    """
    with _opened(path) as file:
        return _info(Path(path), file)


def read_audio(
    path: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> tuple[NDArray[np.float32], int]:
    """Read a recording, or a stretch of it, as mono samples.

    Parameters
    ----------
    path : path-like
        A WAV, FLAC, OGG or MP3 file.
    sample_rate : int, optional
        Rate wanted, in Hz; by default the file's own.
    start, end : float
        Stretch to read, in seconds; `end` defaults to the end of the file.

    Returns
    -------
    samples : array of float32, shape (n_samples,)
        Full scale is 1; several channels are averaged.
    sample_rate : int
        The rate of `samples`, in Hz.

    Raises
    ------
    AudioError
        If the file can't be read whole, holds NaN or infinite samples, or lacks the stretch.
    InvalidInputError
        If `sample_rate` is not a positive whole number.

    Warns
    -----
    AudioWarning
        If channels are averaged, or if the file's rate is below `sample_rate`.
    """
    blocks = list(iter_audio(path, sample_rate=sample_rate, start=start, end=end))
    rate = probe(path).sample_rate if sample_rate is None else sample_rate
    return np.concatenate(blocks), rate


def iter_audio(
    path: str | os.PathLike[str],
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    block_seconds: float = 20.0,
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
        As `read_audio`; damage inside the file is found when the reading comes to it.
    """
    _check_rate(sample_rate)
    if not block_seconds > 0:
        raise InvalidInputError(f"block_seconds must be positive, got {block_seconds!r}")
    with _opened(path) as file:
        info = _info(Path(path), file)
    first, last = _stretch(info, start, end)
    return _blocks(info, first, last, sample_rate or info.sample_rate, block_seconds)


def resample_blocks(
    blocks: Iterator[NDArray[np.float32]], from_rate: int, to_rate: int
) -> Iterator[NDArray[np.float32]]:
    """Convert consecutive blocks of mono samples to another rate.

    Parameters
    ----------
    blocks : iterator of float32 arrays
        Consecutive samples at `from_rate`.
    from_rate, to_rate : int
        Rates in Hz.

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
            "audio of a lower sampling rate than asked for is upsampled: its upper band is empty",
            AudioWarning,
            stacklevel=1,
        )
    # Imported here because most recordings need no conversion; soxr ships no type information.
    import soxr  # type: ignore[import-untyped]

    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        converted = stream.resample_chunk(np.ascontiguousarray(block))
        if len(converted):
            yield converted
    converted = stream.resample_chunk(np.empty(0, np.float32), last=True)
    if len(converted):
        yield converted


def write_audio(path: str | os.PathLike[str], samples: ArrayLike, sample_rate: int) -> None:
    """Write mono samples as 16-bit WAV or FLAC; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Where to write; the suffix, ``.wav`` or ``.flac``, says the format.
    samples : array, shape (n_samples,)
        Full scale is 1; what lies beyond is clipped. Samples read from a 16-bit file are written
        back unchanged.
    sample_rate : int
        Samples per second.

    Raises
    ------
    InvalidInputError
        If `samples` is empty, not one-dimensional or not finite, or the suffix or rate is wrong.
    AudioError
        If the file can't be written (no such folder, no permission, no space left).
    """
    import soundfile

    path = Path(path)
    file_format = {".wav": "WAV", ".flac": "FLAC"}.get(path.suffix.lower())
    if file_format is None:
        raise InvalidInputError(
            f"{_name(path)}: can write .wav and .flac, not {path.suffix or 'this'!r}"
        )
    _check_rate(sample_rate)
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise InvalidInputError(
            f"{_name(path)}: samples to write must have shape (n,), n > 0, got {values.shape}"
        )
    if not np.isfinite(values).all():
        raise InvalidInputError(
            f"{_name(path)}: samples to write must be finite, got NaN or infinity"
        )
    pcm = np.clip(np.rint(values * 32768.0), -32768, 32767).astype(np.int16)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            soundfile.write(file, pcm, sample_rate, format=file_format, subtype="PCM_16")
        temporary.replace(path)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"{_name(path)}: can't be written: {_reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _blocks(
    info: AudioInfo, first: int, last: int, sample_rate: int, block_seconds: float
) -> Iterator[NDArray[np.float32]]:
    """Yield samples first:last of a file, averaged over channels, at another rate."""
    block = max(1, min(int(block_seconds * info.sample_rate), _VALUES_PER_READ // info.n_channels))
    if info.n_channels > 1:
        warnings.warn(
            "recordings of several channels are averaged to one", AudioWarning, stacklevel=1
        )
    yield from resample_blocks(_decoded(info, first, last, block), info.sample_rate, sample_rate)


def _decoded(info: AudioInfo, first: int, last: int, block: int) -> Iterator[NDArray[np.float32]]:
    """Yield samples first:last of a file at its own rate; refuse what can't be decoded."""
    import soundfile

    average = np.full(info.n_channels, 1 / info.n_channels, np.float32)
    with _opened(info.path) as file:
        position = first
        try:
            if first:
                file.seek(first)
            while position < last:
                samples = file.read(min(block, last - position), dtype="float32", always_2d=True)
                if len(samples) == 0:
                    break
                mono = samples[:, 0] if info.n_channels == 1 else samples @ average
                if not np.isfinite(mono).all():
                    raise AudioError(
                        f"{_name(info.path)}: holds samples that are NaN or infinite; "
                        "every sample must be a finite number"
                    )
                position += len(samples)
                yield mono
        except (soundfile.SoundFileError, OSError) as error:
            raise AudioError(
                f"{_name(info.path)}: damaged {info.format} file, decoding fails after "
                f"{position / info.sample_rate:.2f} s of {info.duration:.2f} s: {_reason(error)}"
            ) from error
    if position < last:
        raise AudioError(
            f"{_name(info.path)}: damaged or truncated {info.format} file, ends after "
            f"{position / info.sample_rate:.2f} s where its header promises {info.duration:.2f} s"
        )


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open an audio file, or say in one line why it is none."""
    import soundfile

    path = Path(path)
    try:
        if path.is_dir():
            raise AudioError(f"{_name(path)}: is a folder, not a recording")
        size = path.stat().st_size
        if not path.is_file():
            raise AudioError(f"{_name(path)}: is not a regular file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = "no such file" if isinstance(error, FileNotFoundError) else _reason(error)
        raise AudioError(f"{_name(path)}: {reason}") from error
    if size == 0:
        raise AudioError(f"{_name(path)}: is empty (0 bytes), not a {_KNOWN_FORMATS} file")
    try:
        file = soundfile.SoundFile(path)
    except (OSError, soundfile.SoundFileError, TypeError) as error:  # TypeError: headerless .raw
        raise AudioError(
            f"{_name(path)}: is not a readable {_KNOWN_FORMATS} file: {_reason(error)}"
        ) from error
    with file:
        yield file


def _info(path: Path, file: Any) -> AudioInfo:
    """Gather what the header says and refuse promises that the file can't keep."""
    if file.format in ("WAV", "WAVEX"):
        _check_riff_size(path)
    if file.format == "OGG":
        _check_ogg_end(path, file)
    n_samples = file.frames
    if n_samples >= _UNKNOWN_LENGTH:
        n_samples = _count_samples(path, file)
    if n_samples <= 0 or file.samplerate <= 0:
        raise AudioError(f"{_name(path)}: holds no samples (length 0)")
    return AudioInfo(path, file.samplerate, file.channels, n_samples, file.format, file.subtype)


def _count_samples(path: Path, file: Any) -> int:
    """Count by decoding, for streams whose header leaves the length open."""
    import soundfile

    count = 0
    try:
        while n := len(file.read(_VALUES_PER_READ // file.channels, dtype="float32")):
            count += n
    except soundfile.SoundFileError as error:
        raise AudioError(f"{_name(path)}: damaged {file.format} file: {_reason(error)}") from error
    return count


def _check_riff_size(path: Path) -> None:
    """Refuse a WAV whose data chunk is longer than the file: libsndfile shortens it silently."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        riff = file.read(12)
        byte_order: Any = {b"RIFF": "little", b"RIFX": "big"}.get(riff[:4])
        if byte_order is None:
            return
        while len(header := file.read(8)) == 8:
            promised = int.from_bytes(header[4:], byte_order)
            if header[:4] == b"data":
                present = size - file.tell()
                if present < promised < _STREAMED_WAV_LENGTH:
                    raise AudioError(
                        f"{_name(path)}: truncated WAV file, holds {present} bytes of audio where "
                        f"its header promises {promised}"
                    )
                return
            file.seek(promised + promised % 2, os.SEEK_CUR)


def _check_ogg_end(path: Path, file: Any) -> None:
    """Refuse an Ogg stream that lacks its end or a part: libsndfile stops there silently."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LARGEST_OGG_PAGE))
        tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or not page[5] & 4:
        raise AudioError(
            f"{_name(path)}: truncated OGG file, its last page is not an end of stream"
        )
    # The page's position counts samples, always at 48 kHz for Opus.
    rate = 48000 if file.subtype == "OPUS" else file.samplerate
    promised = int.from_bytes(page[6:14], "little", signed=True) / rate
    found = file.frames / file.samplerate
    if promised > found + 0.1:
        raise AudioError(
            f"{_name(path)}: damaged OGG file, {found:.2f} s can be decoded where its last page "
            f"promises {promised:.2f} s"
        )


def _stretch(info: AudioInfo, start: float, end: float | None) -> tuple[int, int]:
    """Turn seconds into a range of samples that lies inside the file."""
    if not (isfinite(start) and start >= 0):
        raise AudioError(f"{_name(info.path)}: start must be 0 s or later, got {start!r}")
    if end is not None and not start < end:
        raise AudioError(
            f"{_name(info.path)}: end must lie after start, got {start!r} to {end!r} s"
        )
    if end is not None and end > info.duration + _END_SLACK_SECONDS:
        raise AudioError(
            f"{_name(info.path)}: end at {end:g} s lies beyond the recording, which lasts "
            f"{info.duration:.2f} s"
        )
    first = round(start * info.sample_rate)
    last = info.n_samples if end is None else min(round(end * info.sample_rate), info.n_samples)
    if first >= last:
        raise AudioError(
            f"{_name(info.path)}: no samples between {start:g} and "
            f"{info.duration if end is None else end:g} s; it lasts {info.duration:.2f} s"
        )
    return first, last


def _check_rate(sample_rate: int | None) -> None:
    if sample_rate is not None and (
        isinstance(sample_rate, bool) or sample_rate != int(sample_rate) or sample_rate < 1
    ):
        raise InvalidInputError(
            f"sample_rate must be a positive whole number of Hz, got {sample_rate!r}"
        )


def _name(path: Path) -> str:
    """Write a path so that it stays on one line whatever characters it holds."""
    name = str(path)
    return name if name.isprintable() else repr(name)


def _reason(error: BaseException) -> str:
    """Say what went wrong without the path, in one line."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split()).rstrip(".")
