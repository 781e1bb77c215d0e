"""What extraction gives: a matrix of features, the frames that hold speech, and their times."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.features.grid import FrameGrid


@dataclass(frozen=True, slots=True)
class Features:
    """Features of a recording, or of consecutive frames of it.

    Attributes
    ----------
    values : array of float32, shape (T, D)
        One row a frame, of all frames, speech or not.
    speech : array of bool, shape (T,)
        Frames that voice activity detection takes for speech; all where it is off.
    grid : FrameGrid
        The frames' times.

    Raises
    ------
    InvalidInputError
        If the shapes disagree.
    """

    values: NDArray[np.float32]
    speech: NDArray[np.bool_]
    grid: FrameGrid

    def __post_init__(self) -> None:
        frames = self.grid.n_frames
        if self.values.ndim != 2 or len(self.values) != frames or self.speech.shape != (frames,):
            raise InvalidInputError(
                f"features of {frames} frames need values (T, D) and speech (T,), got shapes "
                f"{self.values.shape} and {self.speech.shape}"
            )

    @property
    def speech_values(self) -> NDArray[np.float32]:
        """The rows of speech, shape (number of speech frames, D)."""
        return self.values[self.speech]

    @property
    def speech_seconds(self) -> float:
        """Seconds of speech, each frame counted as one frame shift."""
        return self.grid.seconds(int(np.count_nonzero(self.speech)))

    @property
    def duration(self) -> float:
        """Seconds that all frames stand for, each counted as one frame shift."""
        return self.grid.duration
