"""Steps from log filter energies to features, in blocks.

The order is: cepstra with energy, RASTA, deltas, normalisation, speech mask. Steps that depend on
few neighbours (deltas, votes, sliding windows) run over blocks with context; statistics of the
whole recording (mean energy, loudest filter, means and variances) are measured in passes before the
last one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.blocks import with_context
from speakergmm.features.cepstra import CepstralTransform
from speakergmm.features.config import FeatureConfig
from speakergmm.features.frame_weights import LocalSnr
from speakergmm.features.normalisation import FeatureNormalisation
from speakergmm.features.rasta import RastaFilter
from speakergmm.features.recording_level import EnergySample, RecordingLevel, neighbour_means
from speakergmm.features.slopes import with_deltas
from speakergmm.features.spectra import Spectra
from speakergmm.features.voice_activity import EnergyHistogram, SpeechRule
from speakergmm.features.warping import warp
from speakergmm.moments import Moments

_LEVEL_FRAMES = 4096


class FeatureBlock(NamedTuple):
    """Features of consecutive frames, shape (T, D), which are speech, and weights or None."""

    values: NDArray[np.float32]
    speech: NDArray[np.bool_]
    weights: NDArray[np.float32] | None


@dataclass(slots=True)
class _Recording:
    """Statistics of a whole recording that are measured before its features are computed."""

    level: RecordingLevel | None = None
    noise: NDArray[np.float64] | None = None
    loud_above: float = -np.inf
    least_log_filter: float = -np.inf
    moments: Moments | None = None


class Pipeline:
    """The steps that follow the spectral analysis.

    Parameters
    ----------
    config : FeatureConfig
        Configuration that determines the steps.

    Attributes
    ----------
    names : tuple of str
        Name of each feature.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self._cepstra = CepstralTransform(config)
        prefixes = ("", "delta_", "delta2_")[: config.deltas + 1]
        self.names = tuple(prefix + name for prefix in prefixes for name in self._cepstra.names)
        grid = config.grid(0)
        self._rule = SpeechRule(config)
        self._snr = LocalSnr(config) if config.frame_weights == "local_snr" else None
        moved = config.vad_peak is not None or config.vad_above_noise is not None
        self._needs_level = (
            self._snr is not None
            or config.energy == "relative_log_energy"
            or (moved and config.voice_activity != "none")
        )
        # A recording quieter than one step of 16 bits is not raised to the level of others.
        self._least_peak = config.frame_samples * (config.sample_scale / 32768.0) ** 2
        kind = config.normalisation
        self._normalisation = FeatureNormalisation(
            "window" if kind.startswith("sliding") else "utterance" if "mean" in kind else "none",
            variance=kind.endswith("variance"),
            window=max(1, grid.count(config.normalisation_window)),
        )
        # Number of frames on each side on which a result depends.
        self._context = max(
            config.deltas * config.delta_window, config.vad_context + self._rule.hangover
        )
        if self._normalisation.scope == "window" or kind == "warping":
            self._context += self._normalisation.window

    @property
    def n_passes(self) -> int:
        """Number of passes over a recording."""
        config = self.config
        of_all_frames = (
            config.dynamic_range is not None,
            self._needs_level or config.voice_activity != "none",
            self._snr is not None,
            self._normalisation.needs_moments,
        )
        return 1 + sum(of_all_frames)

    def run(
        self,
        spectra: Callable[[], Iterator[Spectra]],
        *,
        block_frames: int,
    ) -> Iterator[FeatureBlock]:
        """Yield features of consecutive frames; nothing if there are no frames.

        Parameters
        ----------
        spectra : callable
            Begins a pass over the recording, which yields results of `SpectralAnalysis.spectra`.
        block_frames : int
            Number of frames in each block but the last.

        Yields
        ------
        FeatureBlock
            Features with the mask of speech frames, and the weights of frames if there are any.
        """
        config = self.config
        recording = _Recording()
        # Pass for the loudest log filter energy, from which the lower limit is derived.
        if config.dynamic_range is not None:
            loudest = max((float(part.log_filters.max()) for part in spectra()), default=0.0)
            recording.least_log_filter = loudest - config.dynamic_range
        # Pass for the level and the threshold of voice activity detection.
        if self._needs_level or config.voice_activity != "none":
            self._measure_energies((part.energy for part in spectra()), recording)
        # Pass for the noise, of which weights are derived.
        if self._snr is not None and recording.level is not None:
            recording.noise = self._mean_noise(self._snr, spectra(), recording.level)
        # Pass for means and variances, over features that are not normalised yet.
        if self._normalisation.needs_moments:
            moments = Moments()
            for values, speech, _ in self._blocks(spectra(), recording, block_frames):
                moments.add(values[speech])
            recording.moments = moments
        # Last pass, which yields the result.
        yield from self._blocks(spectra(), recording, block_frames)

    def _measure_energies(
        self, energies: Iterable[NDArray[np.float32]], recording: _Recording
    ) -> None:
        """Measure the level of a recording and the energy above which its frames are loud."""
        if not self._needs_level:
            histogram = EnergyHistogram()
            for energy in energies:
                histogram.add(self._rule.log_energy(energy))
        else:
            sample = EnergySample()
            blocks = ((energy,) for energy in energies)
            for window in with_context(blocks, context=1, block_frames=_LEVEL_FRAMES):
                sample.add(neighbour_means(window.arrays[0])[window.wanted])
            if not len(sample.energies):
                return
            recording.level = sample.level(self._least_peak)
            histogram = EnergyHistogram.of(self._rule.log_energy(sample.energies, recording.level))
        if self.config.voice_activity != "none" and histogram.n_frames:
            recording.loud_above = self._rule.loud_above(histogram, recording.level)

    @staticmethod
    def _mean_noise(
        snr: LocalSnr, spectra: Iterable[Spectra], level: RecordingLevel
    ) -> NDArray[np.float64]:
        """Return the mean filter powers of the quiet frames of a recording."""
        total, n_frames = np.zeros(snr.config.n_filters), 0
        for window in with_context(spectra, context=1, block_frames=_LEVEL_FRAMES):
            log_filters, energy = window.arrays
            means = neighbour_means(energy)[window.wanted]
            # Digital silence is noise only if there is nothing else.
            quiet = (means <= level.quiet) & ((means > 0) | (level.quiet == 0))
            powers = snr.powers(log_filters[window.wanted][quiet], level)
            total += powers.sum(axis=0, dtype=np.float64)
            n_frames += len(powers)
        return total / max(n_frames, 1)

    def _static(
        self, spectra: Iterable[Spectra], recording: _Recording
    ) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield static features of consecutive frames, the mask of loud frames, and weights."""
        rasta = RastaFilter() if self.config.rasta else None
        level = recording.level
        for log_filters, energy in spectra:
            weights: tuple[NDArray[np.float32], ...] = ()
            if self._snr is not None and level is not None and recording.noise is not None:
                weights = (self._snr.weights(log_filters, level, recording.noise),)
            if recording.least_log_filter > -np.inf:
                log_filters = np.maximum(log_filters, np.float32(recording.least_log_filter))
            static = self._cepstra(log_filters, energy, level=level)
            if rasta is not None:
                static = rasta(static)
            loud = self._rule.log_energy(energy, level) > recording.loud_above
            yield static, loud, *weights

    def _blocks(
        self, spectra: Iterable[Spectra], recording: _Recording, block_frames: int
    ) -> Iterator[FeatureBlock]:
        """Run the local steps over windows with context, and yield the wanted frames of each."""
        config = self.config
        for window in with_context(
            self._static(spectra, recording), context=self._context, block_frames=block_frames
        ):
            static, loud, *weights = window.arrays
            values = with_deltas(static, order=config.deltas, window=config.delta_window)
            speech = loud if config.voice_activity == "none" else self._rule.smoothed(loud)
            if config.normalisation == "warping":
                values = warp(values, speech, window=self._normalisation.window)
            elif recording.moments is not None or not self._normalisation.needs_moments:
                # In the pass that measures the moments, features are not normalised.
                values = self._normalisation(values, speech=speech, moments=recording.moments)
            yield FeatureBlock(
                values[window.wanted],
                speech[window.wanted],
                weights[0][window.wanted] if weights else None,
            )
