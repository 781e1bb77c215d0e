"""What features are computed of: recordings, arrays of samples, and blocks that come one by one."""

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from typing import IO, Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import AudioSource, AudioWarning, iter_audio, resample_blocks
from speakergmm.audio.reading import check_rate, find_stretch, sample_fault
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.ranges import wrong_type

Audio = AudioSource | NDArray[Any] | Iterable[NDArray[Any]]
"""A path, a binary file, an array of samples, or blocks of samples that come one by one."""

# Of samples and their rate, in either order; a rate alone is refused otherwise.
_ONE_NUMBER = ([False, True], [True, False])
_BLOCK_SECONDS = 20.0
_BYTES_PER_READ = 1 << 22


class SampleBlocks:
    """Blocks of samples at one rate, gone through as often as asked.

    Parameters
    ----------
    audio : path, binary file, array of shape (n,), or iterable of such arrays
        What comes once only, such as a generator, is kept in a temporary file, if it is to be gone
        through more than once.
    rate : int
        Rate that is wanted, in Hz.
    sample_rate : int, optional
        Rate of samples that are given; a recording states its own.
    start, end : float
        Stretch of a recording or an array, in seconds.
    n_passes : int, default=1
        How often the blocks are gone through.

    Attributes
    ----------
    name : str
        What messages call the audio.

    Raises
    ------
    InvalidTypeError
        If `audio` is none of these; names the right call.
    InvalidInputError
        If samples are not one-dimensional, of another type, not finite or not in -1..1.

    Warns
    -----
    AudioWarning
        If samples are given without their rate: that wanted is taken for theirs.

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
        self._kept: IO[bytes] | None = None
        self._blocks: Callable[[], Iterator[NDArray[np.float32]]]
        if _is_recording(audio):
            if sample_rate is not None:
                raise InvalidInputError(
                    "sample_rate is for arrays of samples; a file states its own"
                )
            self.name = str(audio) if isinstance(audio, str | os.PathLike) else "the file object"
            self._blocks = lambda: iter_audio(audio, sample_rate=rate, start=start, end=end)
            return
        blocks = _as_blocks(audio)
        given = _given_rate(sample_rate, rate)
        if blocks is None:
            self.name = "the array of samples"
            samples = _as_samples(audio)
            first, last = find_stretch(self.name, len(samples), given, start, end)
            samples = _checked(samples[first:last])
            size = max(1, round(_BLOCK_SECONDS * given))
            starts = range(0, len(samples), size)
            self._blocks = lambda: resample_blocks(
                (_as_float(samples[at : at + size]) for at in starts), given, rate
            )
            return
        self.name = "the blocks of samples"
        if start != 0 or end is not None:
            raise InvalidInputError(
                "start and end are for recordings and arrays; leave out blocks instead"
            )
        once = (_as_float(_checked(_as_samples(block))) for block in blocks)
        self._blocks = lambda: resample_blocks(
            once if n_passes == 1 else self._replayed(once), given, rate
        )

    def __call__(self) -> Iterator[NDArray[np.float32]]:
        """Return an iterator over the blocks, from the first on."""
        return self._blocks()

    def close(self) -> None:
        """Remove the temporary file, if there is one."""
        if self._kept is not None:
            self._kept.close()

    def _replayed(self, once: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        if self._kept is None:
            # Without a name where the system can do that: nothing is left behind by a kill.
            self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
            for block in once:
                self._kept.write(np.ascontiguousarray(block).tobytes())
                yield block
            return
        self._kept.seek(0)
        while content := self._kept.read(_BYTES_PER_READ):
            yield np.frombuffer(content, np.float32)


def _is_recording(audio: Any) -> TypeGuard[AudioSource]:
    return isinstance(audio, str | os.PathLike) or callable(getattr(audio, "read", None))


def _as_blocks(audio: Any) -> Iterable[NDArray[Any]] | None:
    """Return blocks that come one by one; None of an array, or what can be one."""
    if hasattr(audio, "__array__") or isinstance(audio, np.ndarray):
        return None
    if isinstance(audio, tuple) and [isinstance(each, Real) for each in audio] in _ONE_NUMBER:
        raise InvalidTypeError(
            "samples and their rate are given as two arguments: "
            "samples, rate = read_audio(path); extract(samples, sample_rate=rate)"
        )
    if isinstance(audio, list | tuple):
        if audio and _is_recording(audio[0]):
            raise InvalidTypeError("recordings are given one at a time, got several in a list")
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
    if sample_rate is None:
        warnings.warn(
            f"samples without sample_rate are taken to be at {rate} Hz, the rate of the features; "
            f"give sample_rate=, such as sample_rate={rate}, since features of samples at another "
            "rate would be wrong",
            AudioWarning,
            stacklevel=4,
        )
        return rate
    check_rate(sample_rate)
    return int(sample_rate)


def _as_samples(given: Any) -> NDArray[Any]:
    try:
        samples = np.asarray(given)
    except ValueError:  # lists of different lengths
        samples = np.array(None)
    if samples.ndim != 1 or not (samples.dtype.kind == "f" or samples.dtype == np.int16):
        raise InvalidInputError(
            "samples must be a one-dimensional array of floating point or int16, got "
            f"shape {samples.shape} and type {samples.dtype}"
        )
    return samples


def _checked(samples: NDArray[Any]) -> NDArray[Any]:
    """Refuse samples that are no numbers, or in other units than full scale."""
    if samples.dtype.kind == "f" and (fault := sample_fault(samples)):
        raise InvalidInputError(f"got {fault}")
    return samples


def _as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples in float32 with full scale at 1."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / 32768)
    return samples.astype(np.float32, copy=False)
