"""The extractor: from a file or an array of samples to features, at once or block by block."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import iter_audio, resample_blocks
from speakergmm.audio.reading import LARGEST_SAMPLE
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.container import Features
from speakergmm.features.grid import FrameGrid
from speakergmm.features.pipeline import Pipeline
from speakergmm.features.spectra import Spectra, SpectralAnalysis

Audio = str | os.PathLike[str] | NDArray[Any]

_BLOCK_FRAMES = 4096
_BLOCK_SECONDS = 20.0


class FeatureExtractor:
    """Compute features as a configuration says.

    Parameters
    ----------
    config : FeatureConfig or str, default="speaker"
        A configuration, or what `FeatureConfig.load` takes.

    Attributes
    ----------
    config : FeatureConfig
        The configuration.
    feature_names : tuple of str
        Name of each column, such as ``"c1"``, ``"log_energy"``, ``"delta_c1"``, ``"delta2_c1"``.

    Raises
    ------
    InvalidInputError
        If the configuration is unknown, or asks for filters that cover no bin.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    >>> features = FeatureExtractor("kaldi").extract(noise, sample_rate=16000)
    >>> features.values.shape, round(features.duration, 2)
    ((98, 13), 0.98)
    """

    def __init__(self, config: FeatureConfig | str = "speaker") -> None:
        self.config = config if isinstance(config, FeatureConfig) else FeatureConfig.load(config)
        self._analysis = SpectralAnalysis(self.config)
        self._pipeline = Pipeline(self.config)
        self.feature_names = self._pipeline.names

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return len(self.feature_names)

    def extract(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        start: float = 0.0,
        end: float | None = None,
    ) -> Features:
        """Compute the features of a recording.

        Parameters
        ----------
        audio : path-like or array, shape (n_samples,)
            A file, or mono samples: floating point with full scale at 1, or int16.
        sample_rate : int, optional
            Rate of an array's samples in Hz, by default the configuration's. Files state theirs.
        start, end : float
            Stretch to use, in seconds, by default all. The grid's times count from `start`.

        Returns
        -------
        Features
            Of all frames, with those of speech marked.

        Raises
        ------
        InsufficientDataError
            If the audio is shorter than one frame, or voice activity detection finds no speech.
        AudioError
            If the file can't be read, or lacks the stretch.
        InvalidInputError
            If an array is not one-dimensional, is of another type, or holds NaN or infinity.
        """
        samples = self._samples(audio, sample_rate, start, end)
        spectra = list(self._analysis.spectra(samples()))
        energies = [block.energy for block in spectra]
        n_frames = sum(len(energy) for energy in energies)
        values = np.empty((n_frames, self.n_features), np.float32)
        speech = np.empty(n_frames, np.bool_)
        done = 0
        for part in self._features(
            audio, lambda: iter(spectra), lambda: iter(energies), _BLOCK_FRAMES
        ):
            values[done : done + len(part.values)] = part.values
            speech[done : done + len(part.values)] = part.speech
            done += len(part.values)
        return Features(values, speech, self._grid(0, n_frames))

    def stream(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        block_frames: int = _BLOCK_FRAMES,
    ) -> Iterator[Features]:
        """Compute what `extract` computes, block by block, in constant memory.

        Parameters
        ----------
        audio, sample_rate, start, end
            As `extract` has them. A file is read up to three times, where statistics of the whole
            recording are asked for.
        block_frames : int, default=4096
            Frames in a block, save the last.

        Yields
        ------
        Features
            Consecutive frames; put together they are what `extract` returns, to rounding.

        Raises
        ------
        InsufficientDataError, AudioError, InvalidInputError
            As `extract`. That there is no speech is known, and raised, at the end only.
        """
        if block_frames < 1:
            raise InvalidInputError(f"block_frames must be at least 1, got {block_frames}")
        samples = self._samples(audio, sample_rate, start, end)
        return self._features(
            audio,
            lambda: self._analysis.spectra(samples()),
            lambda: self._analysis.energies(samples()),
            block_frames,
        )

    def _samples(
        self, audio: Audio, sample_rate: int | None, start: float, end: float | None
    ) -> Callable[[], Iterator[NDArray[np.float32]]]:
        """Return what gives blocks of samples at the configuration's rate, as often as asked."""
        rate = self.config.sample_rate
        if isinstance(audio, str | os.PathLike):
            if sample_rate is not None:
                raise InvalidInputError("sample_rate is for arrays of samples; a file states its")
            path = Path(audio)
            return lambda: iter_audio(path, sample_rate=rate, start=start, end=end)
        given = rate if sample_rate is None else sample_rate
        samples = _checked_samples(audio, given, start, end)
        size = max(1, round(_BLOCK_SECONDS * given))
        return lambda: resample_blocks(
            (_as_float(samples[at : at + size]) for at in range(0, len(samples), size)),
            given,
            rate,
        )

    def _features(
        self,
        audio: Audio,
        spectra: Callable[[], Iterator[Spectra]],
        energies: Callable[[], Iterator[NDArray[np.float32]]],
        block_frames: int,
    ) -> Iterator[Features]:
        """Yield blocks of features; refuse recordings without frames or without speech."""
        shift = self.config.shift_samples / self.config.sample_rate
        n_frames, n_speech = 0, 0
        for values, speech in self._pipeline.run(spectra, energies, block_frames=block_frames):
            yield Features(values, speech, self._grid(n_frames, len(values)))
            n_frames += len(values)
            n_speech += int(np.count_nonzero(speech))
        if n_frames == 0:
            raise InsufficientDataError(
                f"{_described(audio)}: too short for a single frame; at least "
                f"{self.config.frame_length:g} s are needed"
            )
        if n_speech == 0:
            raise InsufficientDataError(
                f"{_described(audio)}: no speech found in {n_frames * shift:.2f} s; the recording "
                "is silent, or too quiet or too even to tell speech from background"
            )

    def _grid(self, first: int, n_frames: int) -> FrameGrid:
        """Return times of frames from the recording's frame `first` on, by whole samples."""
        rate = self.config.sample_rate
        return FrameGrid(
            frame_length=self.config.frame_samples / rate,
            frame_shift=self.config.shift_samples / rate,
            start=(first * self.config.shift_samples - self._analysis.padding) / rate,
            n_frames=n_frames,
        )


def _checked_samples(
    audio: NDArray[Any], sample_rate: int, start: float, end: float | None
) -> NDArray[Any]:
    """Validate an array of samples and cut the stretch that was asked for."""
    samples = np.asarray(audio)
    if samples.ndim != 1 or not (samples.dtype.kind == "f" or samples.dtype == np.int16):
        raise InvalidInputError(
            "samples must be a path, or a one-dimensional array of floating point or int16, got "
            f"shape {samples.shape} and type {samples.dtype}"
        )
    if not isinstance(sample_rate, int | np.integer) or sample_rate < 1:
        raise InvalidInputError(f"sample_rate must be a positive integer, got {sample_rate!r}")
    last = len(samples) / sample_rate if end is None else end
    if not 0 <= start <= last <= len(samples) / sample_rate:
        raise InvalidInputError(
            f"start and end must lie in order within {len(samples) / sample_rate:g} s of samples, "
            f"got {start!r} and {end!r}"
        )
    samples = samples[round(start * sample_rate) : round(last * sample_rate)]
    if not np.isfinite(samples).all():
        raise InvalidInputError("samples must be finite, got NaN or infinity")
    peak = max(samples.max(), -samples.min()) if samples.dtype.kind == "f" and len(samples) else 0
    if peak > LARGEST_SAMPLE:
        raise InvalidInputError(
            f"samples of floating point must lie in -1..1 (overshoot up to {LARGEST_SAMPLE:g} is "
            f"taken), got {peak:.3g}; divide 16-bit units by 32768"
        )
    return samples


def _as_float(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples in float32 with full scale at 1."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / 32768)
    return samples.astype(np.float32, copy=False)


def _described(audio: Audio) -> str:
    return str(audio) if isinstance(audio, str | os.PathLike) else "the array of samples"
