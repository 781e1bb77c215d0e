"""Cepstra of log filter energies: cosine transform, liftering and the energy column."""

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.config import FeatureConfig
from speakergmm.features.recording_level import RecordingLevel

# 20 nats, or 87 dB, below the peak: what is quieter is digital silence or the noise of last bits.
_LEAST_RELATIVE_ENERGY = np.exp(-20.0)


def cosine_transform(
    n_filters: int, n_ceps: int, *, scale: str = "orthonormal"
) -> NDArray[np.float64]:
    """Matrix of the transform from log filter energies to cepstra c0 ... c_n.

    Parameters
    ----------
    n_filters, n_ceps : int
        Number of filters N, and number of cepstra without c0.
    scale : {"orthonormal", "htk"}
        The scale is sqrt(2 / N) for n > 0; for c0 it is sqrt(1 / N) or sqrt(2 / N).

    Returns
    -------
    array, shape (n_filters, n_ceps + 1)
        The DCT-II, to be multiplied from the right: ``log_filters @ matrix``.

    References
    ----------
    .. [1] Young et al., "The HTK Book", section 5.6.1, equation 5.14.
    """
    order = np.arange(n_ceps + 1)
    angle = np.pi / n_filters * (np.arange(n_filters)[:, None] + 0.5) * order
    matrix = np.sqrt(2.0 / n_filters) * np.cos(angle)
    if scale == "orthonormal":
        matrix[:, 0] = np.sqrt(1.0 / n_filters)
    return np.asarray(matrix)


def lifter_weights(n_ceps: int, lifter: int) -> NDArray[np.float64]:
    """Weights of cepstra c0 ... c_n: 1 + L / 2 sin(pi n / L).

    Parameters
    ----------
    n_ceps, lifter : int
        Number of cepstra without c0, and L; 0 for weights of 1.

    Returns
    -------
    array, shape (n_ceps + 1,)
        Weights; that of c0 is 1.

    References
    ----------
    .. [1] Young et al., "The HTK Book", section 5.6.2, equation 5.15.
    """
    if lifter == 0:
        return np.ones(n_ceps + 1)
    return 1.0 + lifter / 2 * np.sin(np.pi * np.arange(n_ceps + 1) / lifter)


class CepstralTransform:
    """Transform of log filter energies and frame energies to static features.

    Parameters
    ----------
    config : FeatureConfig
        Configuration with the number and scale of cepstra, the lifter and the energy column.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        matrix = cosine_transform(config.n_filters, config.n_ceps, scale=config.cepstral_scale)
        matrix *= lifter_weights(config.n_ceps, config.lifter)
        columns = [*range(1, config.n_ceps + 1)]
        self.names = [f"c{n}" for n in columns]
        if config.energy != "none":
            at = 0 if config.energy_position == "first" else len(columns)
            # Log energy replaces c0, which is computed and overwritten.
            columns.insert(at, 0)
            self.names.insert(at, config.energy)
        self._matrix = np.ascontiguousarray(matrix[:, columns], dtype=np.float32)
        self._energy_column = columns.index(0) if config.energy.endswith("log_energy") else None

    def __call__(
        self,
        log_filters: NDArray[np.float32],
        energy: NDArray[np.float32],
        *,
        level: RecordingLevel | None = None,
    ) -> NDArray[np.float32]:
        """Return the static features of T frames, shape (T, len(names)).

        Parameters
        ----------
        log_filters : array of float32, shape (T, n_filters)
            Log filter energies.
        energy : array of float32, shape (T,)
            Sums of squares of the frames.
        level : RecordingLevel, optional
            Level of the recording, for its relative log energy.
        """
        static = log_filters @ self._matrix
        if self._energy_column is not None:
            floor = self.config.log_floor
            if self.config.energy == "relative_log_energy" and level is not None:
                energy, floor = energy / np.float32(level.peak), _LEAST_RELATIVE_ENERGY
            static[:, self._energy_column] = np.log(np.maximum(energy, np.float32(floor)))
        return static
