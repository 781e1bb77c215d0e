"""A first look at all frames: how many, their mean and variance, which features are constant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.frames import FrameSource, read_blocks, regroup, weigh

_SURVEY_FRAMES = 8192
# Deviations of a smaller part of the mean are float64's rounding in whatever made the frames.
_LEAST_DEVIATION = 1e-14
# The square of a smaller deviation has few digits or none, and its inverse may overflow.
_LEAST_VARIANCE = 1e-290
# Beside a larger mean such deviations would be rounding.
_LARGEST_LOST = 1e-131


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """Number, weight, mean (D,) and variance (D,) of all frames of a source, in feature units.

    The variance of a constant feature is 0, and its mean that constant, bit by bit. So is that of
    one with deviations below 1e-145, whose squares are lost: `lost` (D,) tells which. The weight
    is the sum of the frames' weights, each 1 unless given.
    """

    n_frames: int
    weight: float
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    lost: NDArray[np.bool_]


def survey_frames(source: FrameSource, sample_weight: NDArray[np.float64] | None = None) -> Survey:
    """Count the frames of a source and find their mean and variance, in one pass.

    Raises
    ------
    InsufficientDataError
        If there is no frame, or none with a weight.
    InvalidInputError
        If frames are no finite matrix of D columns, or too large to be squared.

    Notes
    -----
    Blocks are merged by the formula of Chan, Golub and LeVeque (1983), which an offset does not
    harm.
    """
    n_frames = 0
    weight = 0.0
    mean = deviations = np.zeros(1)
    moves = np.zeros(1, np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        # Groups of one size, so that how the frames were cut changes no digit.
        groups = regroup(read_blocks(source), _SURVEY_FRAMES)
        for block, weights in weigh(groups, sample_weight):
            n_frames += len(block)
            if weights is not None:
                block, weights = block[weights > 0], weights[weights > 0]
                if not len(block):
                    continue
            # Seen from one of the frames, a constant is zero, and its sum has no rounding.
            origin = block[0].astype(np.float64)
            moved = block - origin
            if weights is None:
                block_weight = float(len(block))
                lever = weight * block_weight / (weight + block_weight)
                moved_mean = moved.mean(axis=0)
                block_deviations = ((moved - moved_mean) ** 2).sum(axis=0)
            else:
                block_weight = float(weights.sum())
                # A product of two weights may be too large or too small for a number.
                lever = weight * (block_weight / (weight + block_weight))
                moved_mean = weights @ moved / block_weight
                block_deviations = weights @ (moved - moved_mean) ** 2
            total = weight + block_weight
            difference = origin + moved_mean - mean
            deviations = deviations + block_deviations + difference**2 * lever
            # A mean that is not that of the first frame: they are not all the same.
            moves = moves | (moved_mean != 0) | ((difference != 0) & (weight > 0))
            mean = mean + difference * (block_weight / total)
            weight = total
    if n_frames == 0:
        raise InsufficientDataError("training needs frames, found none")
    if not weight > 0:
        raise InsufficientDataError("training needs frames with a weight, found weights of 0 only")
    variance = deviations / weight
    if not np.isfinite(variance).all():
        feature = int(np.flatnonzero(~np.isfinite(variance))[0])
        raise InvalidInputError(
            f"the variance of feature {feature} overflows; scale the features down"
        )
    varies = (np.sqrt(variance) > _LEAST_DEVIATION * np.abs(mean)) & (variance > _LEAST_VARIANCE)
    lost = moves & ~(variance > _LEAST_VARIANCE) & (np.abs(mean) < _LARGEST_LOST)
    variance = np.where(varies, variance, 0.0)
    return Survey(n_frames, weight, mean, variance, lost)
