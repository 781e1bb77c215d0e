"""Steps from log filter energies to features, in blocks.

The order is: cepstra with energy, RASTA, deltas, normalisation, speech mask. Steps that depend on
few neighbours (deltas, votes, sliding windows) run over blocks with context; statistics of the
whole recording (mean energy, loudest filter, means and variances) are measured in passes before the
last one.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.blocks import with_context
from speakergmm.features.cepstra import CepstralTransform
from speakergmm.features.config import FeatureConfig
from speakergmm.features.normalisation import FeatureNormalisation
from speakergmm.features.rasta import RastaFilter
from speakergmm.features.slopes import with_deltas
from speakergmm.features.spectra import Spectra
from speakergmm.features.voice_activity import EnergyHistogram, SpeechRule
from speakergmm.features.warping import warp
from speakergmm.moments import Moments

# Features, shape (T, D), and a mask, shape (T,), of loud frames or, later, of speech frames.
FeatureBlock = tuple[NDArray[np.float32], NDArray[np.bool_]]


@dataclass(slots=True)
class _Recording:
    """Statistics of a whole recording that are measured before its features are computed."""

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
        of_all_frames = (config.dynamic_range is not None, config.voice_activity != "none")
        return 1 + sum(of_all_frames) + self._normalisation.needs_moments

    def run(
        self,
        spectra: Callable[[], Iterator[Spectra]],
        energies: Callable[[], Iterator[NDArray[np.float32]]],
        *,
        block_frames: int,
    ) -> Iterator[FeatureBlock]:
        """Yield features and speech mask of consecutive frames; nothing if there are no frames.

        Parameters
        ----------
        spectra, energies : callable
            Begin a pass over the recording, which yields results of `SpectralAnalysis.spectra` or
            `SpectralAnalysis.energies`.
        block_frames : int
            Number of frames in each block but the last.

        Yields
        ------
        values : array of float32, shape (T, D)
            Features.
        speech : array of bool, shape (T,)
            Mask of speech frames.
        """
        config = self.config
        recording = _Recording()
        # Pass for the loudest log filter energy, from which the lower limit is derived.
        if config.dynamic_range is not None:
            loudest = max((float(part.log_filters.max()) for part in spectra()), default=0.0)
            recording.least_log_filter = loudest - config.dynamic_range
        # Pass for the threshold of voice activity detection.
        if config.voice_activity != "none":
            histogram = EnergyHistogram()
            for energy in energies():
                histogram.add(self._rule.log_energy(energy))
            if histogram.n_frames:
                recording.loud_above = self._rule.threshold(histogram)
        # Pass for means and variances, over features that are not normalised yet.
        if self._normalisation.needs_moments:
            moments = Moments()
            for values, speech in self._blocks(spectra(), recording, block_frames):
                moments.add(values[speech])
            recording.moments = moments
        # Last pass, which yields the result.
        yield from self._blocks(spectra(), recording, block_frames)

    def _static(self, spectra: Iterable[Spectra], recording: _Recording) -> Iterator[FeatureBlock]:
        """Yield static features of consecutive frames, and the mask of loud frames."""
        rasta = RastaFilter() if self.config.rasta else None
        for log_filters, energy in spectra:
            if recording.least_log_filter > -np.inf:
                log_filters = np.maximum(log_filters, np.float32(recording.least_log_filter))
            static = self._cepstra(log_filters, energy)
            if rasta is not None:
                static = rasta(static)
            yield static, self._rule.log_energy(energy) > recording.loud_above

    def _blocks(
        self, spectra: Iterable[Spectra], recording: _Recording, block_frames: int
    ) -> Iterator[FeatureBlock]:
        """Run the local steps over windows with context, and yield the wanted frames of each."""
        config = self.config
        for window in with_context(
            self._static(spectra, recording), context=self._context, block_frames=block_frames
        ):
            static, loud = window.arrays
            values = with_deltas(static, order=config.deltas, window=config.delta_window)
            speech = loud if config.voice_activity == "none" else self._rule.smoothed(loud)
            if config.normalisation == "warping":
                values = warp(values, speech, window=self._normalisation.window)
            elif recording.moments is not None or not self._normalisation.needs_moments:
                # In the pass that measures the moments, features are not normalised.
                values = self._normalisation(values, speech=speech, moments=recording.moments)
            yield values[window.wanted], speech[window.wanted]
