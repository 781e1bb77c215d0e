"""Spectral analysis: log filter energies and frame energies of samples.

Most of the time of extraction is spent here. A few dozen frames at a time are windowed, transformed
and filtered in buffers that stay in the cache of the processor, in float32 throughout.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.config import FeatureConfig
from speakergmm.features.filterbank import FilterProduct, triangular_filters
from speakergmm.features.framing import frame_blocks, padded, window

_FRAMES_PER_STEP = 64


class Spectra(NamedTuple):
    """Log filter energies, shape (T, n_filters), and sums of squares of frames, shape (T,)."""

    log_filters: NDArray[np.float32]
    energy: NDArray[np.float32]


class SpectralAnalysis:
    """Log filter energies of blocks of samples.

    Parameters
    ----------
    config : FeatureConfig
        Configuration with framing, window, spectrum, filters and logarithm.

    Raises
    ------
    InvalidInputError
        If a filter covers no bin of the spectrum.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self._length = config.frame_samples
        self._n_fft = config.fft_points
        taper = window(config.window, self._length, periodic=config.window_periodic)
        self._window = taper.astype(np.float32)
        linear = config.kind == "lfcc"
        weights = triangular_filters(
            n_filters=config.n_filters,
            n_fft=self._n_fft,
            sample_rate=config.sample_rate,
            low_frequency=config.low_frequency,
            high_frequency=config.high_frequency,
            scale="linear" if linear else config.mel_scale,
            slopes=config.filter_slopes,
            normalisation=config.filter_normalisation,
            warp=config.frequency_warp,
        )
        self._is_power = config.spectrum == "power"
        self._filters = FilterProduct(weights, interleaved=self._is_power)

    def spectra(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[Spectra]:
        """Analyse consecutive blocks of samples.

        Parameters
        ----------
        blocks : iterable of float32 arrays, shape (n,)
            Consecutive samples in [-1, 1].

        Yields
        ------
        Spectra
            Results of consecutive frames, at least one.
        """
        # The zeros behind the frames, up to the length of the transform, are never overwritten.
        frames = np.zeros((_FRAMES_PER_STEP, self._n_fft), np.float32)
        scratch = np.empty((_FRAMES_PER_STEP, self._length), np.float32)
        # NumPy's annotations know double precision only; the transform keeps single precision.
        transform: Any = np.empty((_FRAMES_PER_STEP, self._n_fft // 2 + 1), np.complex64)
        for overlapping in self._frames(blocks):
            n_frames = len(overlapping)
            filters = np.empty((n_frames, self._filters.n_filters), np.float32)
            energy = np.empty(n_frames, np.float32)
            for some, frame in self._centred(overlapping, frames, energy):
                n = len(frame)
                self._shape(frame, scratch[:n])
                np.fft.rfft(frames[:n], out=transform[:n])
                self._filters(self._magnitudes(transform[:n]), filters[some])
            yield Spectra(self._logarithm(filters), energy)

    def energies(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Compute only the frame energies of `spectra`, which is much faster.

        Parameters
        ----------
        blocks : iterable of float32 arrays, shape (n,)
            Consecutive samples in [-1, 1].

        Yields
        ------
        array of float32, shape (T,)
            Sums of squares of consecutive frames.
        """
        frames = np.empty((_FRAMES_PER_STEP, self._length), np.float32)
        for overlapping in self._frames(blocks):
            energy = np.empty(len(overlapping), np.float32)
            for _ in self._centred(overlapping, frames, energy):
                pass
            yield energy

    def _frames(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield scaled frames, with padding if they are centred."""
        padding = self.config.padding_samples
        return frame_blocks(
            padded(blocks, padding) if padding else blocks,
            length=self._length,
            shift=self.config.shift_samples,
            scale=self.config.sample_scale,
        )

    def _centred(
        self,
        overlapping: NDArray[np.float32],
        buffer: NDArray[np.float32],
        energy: NDArray[np.float32],
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield a few dozen frames at a time, without their means; write their energies."""
        for first in range(0, len(overlapping), _FRAMES_PER_STEP):
            some = slice(first, min(first + _FRAMES_PER_STEP, len(overlapping)))
            frame = buffer[: some.stop - first, : self._length]
            np.copyto(frame, overlapping[some])
            if self.config.remove_dc:
                frame -= frame.mean(axis=1, keepdims=True)
            energy[some] = np.vecdot(frame, frame)
            yield some, frame

    def _shape(self, frames: NDArray[np.float32], scratch: NDArray[np.float32]) -> None:
        """Apply pre-emphasis and window in place."""
        coefficient = np.float32(self.config.pre_emphasis)
        if coefficient:
            np.multiply(frames[:, :-1], coefficient, out=scratch[:, 1:])
            np.multiply(frames[:, 0], coefficient, out=scratch[:, 0])
            frames -= scratch
        frames *= self._window

    def _magnitudes(self, transform: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Return interleaved squares of real and imaginary parts, or the magnitudes."""
        if not self._is_power:
            return np.asarray(np.abs(transform))
        parts = transform.view(np.float32)
        return np.asarray(np.square(parts, out=parts))

    def _logarithm(self, filters: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logarithm of filter energies, after raising them to the floor."""
        np.maximum(filters, np.float32(self.config.log_floor), out=filters)
        if self.config.logarithm == "natural":
            return np.log(filters, out=filters)
        np.log10(filters, out=filters)
        filters *= np.float32(10)
        return filters
