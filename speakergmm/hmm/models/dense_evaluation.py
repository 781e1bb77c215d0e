"""Log-densities of states with Gaussian-mixture emissions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.evaluator import Evaluator
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import LARGEST_ROUNDING, Prepared


class StateEvaluator:
    """Evaluator of blocks of up to `block_frames` frames, with its own buffers; not thread-safe.

    Parameters
    ----------
    prepared : Prepared
        The S M Gaussians, state by state.
    n_mix : int
        Number of components per state, M.
    precision : {"float32", "float64"}
        Precision of densities, as far as float32 is exact enough.
    largest_rounding : float, optional
        Largest acceptable rounding error of a log-density, in nats; Gaussians with a larger one are
        evaluated in float64.
    """

    def __init__(
        self,
        prepared: Prepared,
        n_mix: int,
        *,
        precision: str,
        largest_rounding: float = LARGEST_ROUNDING,
    ) -> None:
        from speakergmm.hmm.models import dense_kernels as kernels

        self._evaluator = Evaluator(
            prepared, precision=precision, largest_rounding=largest_rounding, compiled=True
        )
        self._n_mix, self.n_gaussians = n_mix, prepared.n_gaussians
        self.dtype, self.block_frames = self._evaluator.dtype, self._evaluator.block_frames
        is_single = self.dtype == np.float32
        self._mix: Any = kernels.mix_states_single if is_single else kernels.mix_states_double
        # Subtracted in float64, where it costs no digits.
        self.log_volume = prepared.coordinates.log_volume

    def evaluate(self, frames: Frames, parts: NDArray[Any], emissions: NDArray[np.float64]) -> None:
        """Fill in log-densities of states, and posteriors of components, for a block of frames.

        Parameters
        ----------
        frames : array, shape (T, D)
            Frames, in feature units.
        parts : array, shape (T, S M)
            Of `dtype`; filled with the posterior of each component given frame and state.
        emissions : array, shape (T, S)
            Filled with log-densities of states in standardised features, which exceed those in
            feature units by `log_volume`.
        """
        self._evaluator.log_densities(frames, parts, in_features=False)
        self._mix(parts, self._n_mix, emissions)

    def rows(self, frames: Frames, *, anew: bool) -> NDArray[np.floating[Any]]:
        """Return the functions (B, T) of a block; unless `anew`, of the block evaluated last."""
        return self._evaluator.rows(frames, anew=anew)

    def emissions(self, frames: Frames) -> NDArray[np.float64]:
        """Return the log-densities (T, S) of any number of frames, in feature units."""
        emissions = np.empty((len(frames), self.n_gaussians // self._n_mix))
        parts = np.empty((min(len(frames), self.block_frames), self.n_gaussians), self.dtype)
        for start in range(0, len(frames), self.block_frames):
            block = frames[start : start + self.block_frames]
            self.evaluate(block, parts[: len(block)], emissions[start : start + len(block)])
        emissions -= self.log_volume
        return emissions
