"""Audio from which features are computed: recordings, arrays and streams of blocks."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from numbers import Real
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import AudioSource, AudioWarning, iter_audio, resample_blocks
from speakergmm.audio.reading import check_rate, find_stretch
from speakergmm.audio.sample_arrays import as_float_samples, as_samples, checked_samples
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.ranges import wrong_type

Audio = AudioSource | NDArray[Any] | Iterable[NDArray[Any]]
"""A path, a binary file, an array of samples, or an iterable of blocks of samples."""

# A tuple of samples and their rate, in either order.
_ONE_NUMBER = ([False, True], [True, False])
_BLOCK_SECONDS = 20.0
_BYTES_PER_READ = 1 << 22
HELD_SECONDS = 60.0
"""A recording of no more seconds is held, at 4 bytes per sample, and not read several times."""


class SampleBlocks:
    """Blocks of samples at one sampling rate, for one or more passes.

    Parameters
    ----------
    audio : path, binary file, array of shape (n,), or iterable of such arrays
        Source of the samples. If there is more than one pass, blocks of a generator are kept in a
        temporary file, and a recording of up to a minute is held in memory.
    rate : int
        Sampling rate of the blocks, in Hz.
    sample_rate : int, optional
        Sampling rate of samples in `audio`, in Hz; a recording states its own.
    start, end : float
        Part of a recording or an array, in seconds.
    n_passes : int, default=1
        Number of passes.

    Attributes
    ----------
    name : str
        Name of the audio in messages.

    Raises
    ------
    InvalidTypeError
        If `audio` has another type; the message names the right call.
    InvalidInputError
        If samples are not one-dimensional, have another type, are not finite or not in -1..1.

    Warns
    -----
    AudioWarning
        If samples are given without their rate, which is then assumed to be `rate`.

    Examples
    --------
    >>> halves = (part for part in np.split(np.zeros(16000), 2))
    >>> blocks = SampleBlocks(halves, 8000, sample_rate=16000, n_passes=2)
    >>> sum(map(len, blocks())), sum(map(len, blocks()))
    (8000, 8000)
    >>> blocks.close()
    """

    def __init__(
        self,
        audio: Audio,
        rate: int,
        *,
        sample_rate: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        n_passes: int = 1,
    ) -> None:
        self.rate = rate
        self._is_resampled = False
        self._kept: IO[bytes] | None = None
        self._held: list[NDArray[np.float32]] | None = None
        self._blocks: Callable[[], Iterator[NDArray[np.float32]]]
        if is_recording(audio):
            if sample_rate is not None:
                raise InvalidInputError(
                    "sample_rate is for arrays of samples; a file states its own rate"
                )
            self.name = str(audio) if isinstance(audio, str | os.PathLike) else "the file object"
            read = partial(iter_audio, audio, sample_rate=rate, start=start, end=end)
            self._blocks = read if n_passes == 1 else lambda: self._remembered(read)
            return
        blocks = _as_blocks(audio)
        given = _given_rate(sample_rate, rate)
        self._is_resampled = given != rate
        if blocks is None:
            self.name = "the array of samples"
            samples = as_samples(audio)
            first, last = find_stretch(self.name, len(samples), given, start, end)
            samples = checked_samples(samples[first:last])
            size = max(1, round(_BLOCK_SECONDS * given))
            starts = range(0, len(samples), size)
            self._blocks = lambda: resample_blocks(
                (as_float_samples(samples[at : at + size]) for at in starts), given, rate
            )
            return
        self.name = "the blocks of samples"
        if start != 0 or end is not None:
            raise InvalidInputError(
                "start and end are for recordings and arrays; omit blocks instead"
            )
        once = (as_float_samples(checked_samples(as_samples(block))) for block in blocks)
        self._blocks = lambda: resample_blocks(
            once if n_passes == 1 else self._replayed(once), given, rate
        )

    def __call__(self) -> Iterator[NDArray[np.float32]]:
        """Begin a pass, and return an iterator over its blocks."""
        return self._blocks()

    def evenly(self) -> Iterator[NDArray[np.float32]]:
        """Begin a pass in which samples that are resampled are in blocks of one size.

        The last bits of features depend on where blocks end, on some processors, and samples that
        are given at once are to have the same features as samples in blocks.
        """
        if not self._is_resampled:
            yield from self._blocks()
            return
        size = max(1, round(_BLOCK_SECONDS * self.rate))
        pending: list[NDArray[np.float32]] = []
        n_pending = 0
        for block in self._blocks():
            pending.append(block)
            n_pending += len(block)
            if n_pending >= size:
                joined = np.concatenate(pending)
                whole = len(joined) - len(joined) % size
                yield from np.split(joined[:whole], whole // size)
                pending, n_pending = [joined[whole:]], len(joined) - whole
        if n_pending:
            yield np.concatenate(pending)

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._kept is not None:
            self._kept.close()

    def _remembered(
        self, read: Callable[[], Iterator[NDArray[np.float32]]]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks of a recording, which is read once unless it is long."""
        if self._held is not None:
            yield from self._held
            return
        held: list[NDArray[np.float32]] = []
        n_samples = 0
        for block in read():
            n_samples += len(block)
            if n_samples <= HELD_SECONDS * self.rate:
                held.append(block)
            else:
                held.clear()
            yield block
        if held:
            self._held = held

    def _replayed(self, once: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks of a stream, which the first pass stores for the later ones."""
        if self._kept is None:
            # Without a name where the system supports that, so that a kill leaves nothing behind.
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            for block in once:
                self._kept.write(np.ascontiguousarray(block).tobytes())
                yield block
            return
        self._kept.seek(0)
        while content := self._kept.read(_BYTES_PER_READ):
            yield np.frombuffer(content, np.float32)


def is_recording(audio: Any) -> TypeGuard[AudioSource]:
    """Return whether audio is a path or a binary file rather than samples."""
    return isinstance(audio, str | os.PathLike) or callable(getattr(audio, "read", None))


def _as_blocks(audio: Any) -> Iterable[NDArray[Any]] | None:
    """Return an iterable of blocks; None if `audio` is an array or can be converted to one."""
    if hasattr(audio, "__array__") or isinstance(audio, np.ndarray):
        return None
    if isinstance(audio, tuple) and [isinstance(each, Real) for each in audio] in _ONE_NUMBER:
        raise InvalidTypeError(
            "samples and their rate are given as two arguments: "
            "samples, rate = read_audio(path); extract(samples, sample_rate=rate)"
        )
    if isinstance(audio, list | tuple):
        if audio and is_recording(audio[0]):
            raise InvalidTypeError("found several recordings in a list; give one at a time")
        return audio if audio and isinstance(audio[0], np.ndarray) else None
    if isinstance(audio, Iterator):
        return audio
    remedy = ""
    if isinstance(audio, bytes | bytearray | memoryview):
        remedy = "; give io.BytesIO(...) of a file's bytes, or np.frombuffer(...) of samples"
    elif hasattr(audio, "path"):
        remedy = "; give its .path, and its .start and .end as start= and end="
    wanted = "a path, a binary file, an array of samples or an iterator over such arrays"
    raise wrong_type(audio, wanted, remedy)


def _given_rate(sample_rate: int | None, rate: int) -> int:
    """Return the rate of samples; warn if it is not stated."""
    if sample_rate is None:
        warnings.warn(
            f"samples without sample_rate are assumed to be at {rate} Hz, the rate of the "
            f"features; give sample_rate=, such as sample_rate={rate}, since features of samples "
            "at another rate would be wrong",
            AudioWarning,
            stacklevel=4,
        )
        return rate
    check_rate(sample_rate)
    return int(sample_rate)
