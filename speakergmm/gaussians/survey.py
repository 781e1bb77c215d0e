"""A first look at all frames: how many, their mean and variance, which features are constant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError
from speakergmm.gaussians.frames import FrameSource, read_blocks, regroup, weigh
from speakergmm.moments import Moments

_SURVEY_FRAMES = 8192


def survey_frames(source: FrameSource, sample_weight: NDArray[np.float64] | None = None) -> Moments:
    """Count the frames of a source and find their mean and variance, in one pass.

    Raises
    ------
    InsufficientDataError
        If there is no frame, or none with a weight.
    InvalidInputError
        If frames are no finite matrix of D columns, or too large to be squared.
    """
    moments = Moments()
    # Groups of one size, so that how the frames were cut changes no digit.
    groups = regroup(read_blocks(source), _SURVEY_FRAMES)
    for frames, weights in weigh(groups, sample_weight):
        moments.add(frames, weights)
    if moments.n_frames == 0:
        raise InsufficientDataError("training needs frames, found none")
    if not moments.weight > 0:
        raise InsufficientDataError("training needs frames with a weight, found weights of 0 only")
    moments.refuse_overflow()
    return moments
