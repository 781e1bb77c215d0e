"""Features of a recording: a matrix, a mask of speech and the times of the frames."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.features.grid import FrameGrid


class WeightedFrames(NamedTuple):
    """Frames of speech and how much each of them counts.

    Attributes
    ----------
    values : array, shape (T, D)
        One row per frame.
    weights : array, shape (T,), or None
        Weight of each frame in counts and averages, from 0 to 1; None if all count fully.
    """

    values: NDArray[np.float32]
    weights: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Features:
    """Features of a recording or a part of it; converted to an array, they are `values`.

    Attributes
    ----------
    values : array of float32, shape (T, D)
        One row per frame, of all frames, whether speech or not.
    speech : array of bool, shape (T,)
        Frames that voice activity detection marks as speech; all frames if it is off.
    grid : FrameGrid
        Times of the frames.
    names : tuple of str
        Name of each column, such as ``"c1"`` or ``"delta_log_energy"``; may be empty.
    weights : array of float32, shape (T,), or None
        How much each frame counts as speech, from 0 to 1, where it is speech at all; None if all
        speech counts fully.

    Raises
    ------
    InvalidInputError
        If the shapes or the number of names disagree.

    Examples
    --------
    >>> grid = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=100)
    >>> features = Features(np.zeros((100, 2), np.float32), np.ones(100, bool), grid, ("c1", "c2"))
    >>> features
    Features(100 frames of 2 values, 1.00 s, 1.00 s of it speech)
    >>> len(features), np.asarray(features).shape
    (100, (100, 2))
    """

    values: NDArray[np.float32]
    speech: NDArray[np.bool_]
    grid: FrameGrid
    names: tuple[str, ...] = ()
    weights: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        frames = self.grid.n_frames
        if self.values.ndim != 2 or len(self.values) != frames or self.speech.shape != (frames,):
            raise InvalidInputError(
                f"features of {frames} frames need values (T, D) and speech (T,), found shapes "
                f"{self.values.shape} and {self.speech.shape}"
            )
        if self.weights is not None and self.weights.shape != (frames,):
            raise InvalidInputError(
                f"features of {frames} frames need weights of shape ({frames},), found "
                f"{self.weights.shape}"
            )
        columns = self.values.shape[1]
        if self.names and len(self.names) != columns:
            raise InvalidInputError(
                f"features of {columns} columns need as many names, found {len(self.names)}"
            )

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        frames, columns = self.values.shape
        return (
            f"Features({frames} frames of {columns} values, {self.duration:.2f} s, "
            f"{self.speech_seconds:.2f} s of it speech)"
        )

    def __array__(
        self, dtype: np.dtype[Any] | type | None = None, copy: bool | None = None
    ) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    @property
    def speech_values(self) -> NDArray[np.float32]:
        """Rows of speech frames, shape (number of speech frames, D)."""
        return self.values[self.speech]

    @property
    def speech_frames(self) -> WeightedFrames:
        """Rows of speech frames, and their weights."""
        weights = None if self.weights is None else self.weights[self.speech]
        return WeightedFrames(self.speech_values, weights)

    @property
    def speech_seconds(self) -> float:
        """Duration of speech in seconds, with one frame shift per frame."""
        return self.grid.seconds(int(np.count_nonzero(self.speech)))

    @property
    def duration(self) -> float:
        """Duration of all frames in seconds, with one frame shift per frame."""
        return self.grid.duration
