"""Spectra of a recording for several passes, computed once."""

import tempfile
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.spectra import Spectra, SpectralAnalysis

# Held in memory, a minute of forty filters every 10 ms; more lies in a temporary file.
_MOST_BYTES = 1 << 20


class HeldSpectra:
    """Spectra that the first pass computes and stores for the later ones, to the last bit.

    Parameters
    ----------
    analysis : SpectralAnalysis
        Analysis of the samples.
    blocks : callable
        Begins the pass over the samples; called once.

    Notes
    -----
    Up to 1 MiB is held in memory, a minute for 40 filters; the spectra of a longer recording lie
    in a temporary file without a name. Each pass is to end before the next one begins.

    Examples
    --------
    >>> from speakergmm.features import FeatureConfig
    >>> samples = np.ones(16000, np.float32)
    >>> spectra = HeldSpectra(SpectralAnalysis(FeatureConfig()), lambda: iter([samples]))
    >>> [[len(part.energy) for part in spectra()] for _ in range(2)]
    [[98], [98]]
    >>> spectra.close()
    """

    def __init__(
        self, analysis: SpectralAnalysis, blocks: Callable[[], Iterator[NDArray[np.float32]]]
    ) -> None:
        self._analysis, self._blocks = analysis, blocks
        self._n_filters = analysis.config.n_filters
        self._file = tempfile.SpooledTemporaryFile(max_size=_MOST_BYTES)  # noqa: SIM115 - closed by `close`
        self._lengths: list[int] | None = None

    def __call__(self) -> Iterator[Spectra]:
        """Begin a pass, and return an iterator over the spectra of consecutive frames."""
        return self._first() if self._lengths is None else self._later(self._lengths)

    def close(self) -> None:
        """Release the memory or the temporary file."""
        self._file.close()

    def _first(self) -> Iterator[Spectra]:
        lengths = []
        for part in self._analysis.spectra(self._blocks()):
            for array in part:
                self._file.write(np.ascontiguousarray(array).tobytes())
            lengths.append(len(part.energy))
            yield part
        self._lengths = lengths

    def _later(self, lengths: list[int]) -> Iterator[Spectra]:
        self._file.seek(0)
        for length in lengths:
            yield Spectra(
                self._read(length * self._n_filters).reshape(length, self._n_filters),
                self._read(length),
            )

    def _read(self, n_values: int) -> NDArray[np.float32]:
        return np.frombuffer(self._file.read(4 * n_values), np.float32)
