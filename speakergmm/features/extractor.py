"""Feature extraction from files and samples, at once or block by block."""

import contextlib
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from speakergmm.errors import InsufficientDataError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.feature_matrix import Features
from speakergmm.features.held_blocks import HeldBlocks
from speakergmm.features.pipeline import Pipeline
from speakergmm.features.sample_blocks import Audio, SampleBlocks
from speakergmm.features.spectra import Spectra, SpectralAnalysis
from speakergmm.ranges import whole_number

_BLOCK_FRAMES = 4096


class FeatureExtractor:
    """Extractor of features according to a configuration.

    Parameters
    ----------
    config : FeatureConfig or str, default="speaker"
        A configuration, or the name of a preset or path of a file; see `FeatureConfig.load`.

    Attributes
    ----------
    config : FeatureConfig
        The configuration.
    feature_names : tuple of str
        Name of each column, such as ``"c1"``, ``"log_energy"``, ``"delta_c1"``, ``"delta2_c1"``.

    Raises
    ------
    InvalidInputError
        If the configuration is unknown, or has a filter that covers no bin of the spectrum.

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
        """Number of features, that is columns."""
        return len(self.feature_names)

    def extract(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        name: str | None = None,
    ) -> Features:
        """Compute the features of a recording at once.

        Parameters
        ----------
        audio : path-like, binary file, array of shape (n_samples,), or iterable of arrays
            A recording, or mono samples at once or in blocks: floating point with full scale at 1,
            or int16.
        sample_rate : int, optional
            Sampling rate of samples in Hz; by default that of the configuration, with a warning.
            Not allowed for files, which state their rate.
        start, end : float
            Part to use, in seconds; by default all. Not allowed for blocks. Times of the grid are
            relative to `start`.
        name : str, optional
            Name of the audio in messages; by default the path, or what it is.

        Returns
        -------
        Features
            Features of all frames, with a mask of speech, and weights if the configuration has any.

        Raises
        ------
        InsufficientDataError
            If the audio is shorter than one frame, or voice activity detection finds no speech.
        AudioError
            If the file cannot be read, or the part does not lie inside the audio.
        InvalidInputError
            If an array is not one-dimensional, has another type, or contains NaN or infinity.
        InvalidTypeError
            If `audio` is something else; the message names the right call.

        Warns
        -----
        AudioWarning
            If samples are given without `sample_rate`.
        """
        blocks = SampleBlocks(
            audio, self.config.sample_rate, sample_rate=sample_rate, start=start, end=end
        )
        blocks.name = blocks.name if name is None else name
        spectra = list(self._analysis.spectra(blocks.evenly()))
        parts = list(self._features(blocks.name, lambda: iter(spectra), _BLOCK_FRAMES))
        values = np.concatenate([part.values for part in parts])
        speech = np.concatenate([part.speech for part in parts])
        grid = self.config.grid(len(values))
        weights = [part.weights for part in parts if part.weights is not None]
        weighted = np.concatenate(weights) if weights else None
        return Features(values, speech, grid, self.feature_names, weighted)

    def stream(
        self,
        audio: Audio,
        *,
        sample_rate: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        name: str | None = None,
        block_frames: int = _BLOCK_FRAMES,
    ) -> Iterator[Features]:
        """Compute the features of a recording block by block, in constant memory.

        Parameters
        ----------
        audio, sample_rate, start, end, name
            As in `extract`. The audio is read once. If statistics of the whole recording are
            needed, its spectra are held, those of more than a minute in a temporary file (a
            megabyte a minute); otherwise features are computed as the blocks arrive.
        block_frames : int, default=4096
            Number of frames in each block but the last.

        Yields
        ------
        Features
            Features of consecutive frames; concatenated they equal the result of `extract` up to
            rounding.

        Raises
        ------
        InsufficientDataError, AudioError, InvalidInputError
            As in `extract`; the error about missing speech is raised at the end.
        """
        whole_number("block_frames", block_frames)
        blocks = SampleBlocks(
            audio,
            self.config.sample_rate,
            sample_rate=sample_rate,
            start=start,
            end=end,
        )
        blocks.name = blocks.name if name is None else name
        return self._streamed(blocks, block_frames)

    def _streamed(self, blocks: SampleBlocks, block_frames: int) -> Iterator[Features]:
        if self._pipeline.n_passes == 1:
            yield from self._features(
                blocks.name, lambda: self._analysis.spectra(blocks()), block_frames
            )
            return
        begun = HeldBlocks(lambda: self._analysis.spectra(blocks()))
        with contextlib.closing(begun) as spectra:
            yield from self._features(blocks.name, spectra, block_frames)

    def _features(
        self,
        name: str,
        spectra: Callable[[], Iterator[Spectra]],
        block_frames: int,
    ) -> Iterator[Features]:
        """Yield blocks of features; raise an error if there are no frames, or no speech."""
        n_frames, n_speech = 0, 0
        for block in self._pipeline.run(spectra, block_frames=block_frames):
            values, speech, weights = block
            grid = self.config.grid(len(values), first=n_frames)
            yield Features(values, speech, grid, self.feature_names, weights)
            n_frames += len(values)
            n_speech += int(np.count_nonzero(speech))
        if n_frames == 0:
            least = f"{self.config.frame_length:g} s"
            raise InsufficientDataError(
                f"{name}: too short for a single frame; at least {least} is needed"
            )
        if n_speech == 0:
            seconds = self.config.grid(n_frames).duration
            raise InsufficientDataError(
                f"{name}: no speech found in {seconds:.2f} s; the recording "
                "is silent, or too short, too quiet or too even to tell speech from background"
            )


@lru_cache(maxsize=4)
def cached_extractor(config: FeatureConfig) -> FeatureExtractor:
    """Return the extractor of a configuration, whose tables are computed once per process."""
    return FeatureExtractor(config)
