"""A first look at all frames: how many, their mean and variance, which features are constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures.frames import FrameSource, read_blocks, regroup

_SURVEY_FRAMES = 8192
# Deviations of a smaller part of the mean are float64's rounding in whatever made the frames.
_LEAST_DEVIATION = 1e-14


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Number, mean (D,) and variance (D,) of all frames of a source, in feature units.

    The variance of a constant feature is 0, and its mean that constant, bit by bit.
    """

    n_frames: int
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def survey_frames(source: FrameSource) -> Survey:
    """Count the frames of a source and find their mean and variance, in one pass.

    Raises
    ------
    InsufficientDataError
        If there is no frame.
    InvalidInputError
        If frames are no finite matrix of D columns, or too large to be squared.

    Notes
    -----
    Blocks are merged by the formula of Chan, Golub and LeVeque (1983), which an offset does not
    harm.
    """
    n_frames = 0
    mean = deviations = np.zeros(1)
    with np.errstate(over="ignore", invalid="ignore"):
        # Groups of one size, so that how the frames were cut changes no digit.
        for block in regroup(read_blocks(source), _SURVEY_FRAMES):
            # Seen from one of the frames, a constant is zero, and its sum has no rounding.
            origin = block[0].astype(np.float64)
            moved = block - origin
            moved_mean = moved.mean(axis=0)
            block_deviations = ((moved - moved_mean) ** 2).sum(axis=0)
            total = n_frames + len(block)
            difference = origin + moved_mean - mean
            deviations = (
                deviations + block_deviations + difference**2 * (n_frames * len(block) / total)
            )
            mean = mean + difference * (len(block) / total)
            n_frames = total
    if n_frames == 0:
        raise InsufficientDataError("training needs frames, found none")
    variance = deviations / n_frames
    if not np.isfinite(variance).all():
        feature = int(np.flatnonzero(~np.isfinite(variance))[0])
        raise InvalidInputError(
            f"the variance of feature {feature} overflows; scale the features down"
        )
    variance = np.where(np.sqrt(variance) > _LEAST_DEVIATION * np.abs(mean), variance, 0.0)
    return Survey(n_frames, mean, variance)
