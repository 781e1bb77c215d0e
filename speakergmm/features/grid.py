"""Frames to seconds and back: the only place that converts between them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number, whole_number


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Where the frames of a recording lie in time.

    Attributes
    ----------
    frame_length, frame_shift : float
        Seconds that a frame covers, and seconds from one frame to the next.
    start : float
        Seconds at which the first frame begins, counted from the beginning of the recording
        (of the stretch, where one was asked for: add its start yourself). Negative where frames
        are centred on their times.
    n_frames : int
        Number of frames.

    Examples
    --------
    >>> grid = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=98)
    >>> float(grid.centres[2].round(4))
    0.0325
    >>> grid.frames(0.1, 0.2)
    slice(9, 19, None)
    """

    frame_length: float
    frame_shift: float
    start: float
    n_frames: int

    def __post_init__(self) -> None:
        number("frame_length", self.frame_length, above=0)
        number("frame_shift", self.frame_shift, above=0)
        whole_number("n_frames", self.n_frames, least=0)

    @property
    def starts(self) -> NDArray[np.float64]:
        """Seconds at which each frame begins, shape (n_frames,)."""
        return self.start + self.frame_shift * np.arange(self.n_frames, dtype=np.float64)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Seconds at the middle of each frame, shape (n_frames,)."""
        return self.starts + self.frame_length / 2

    @property
    def duration(self) -> float:
        """Seconds that all frames stand for, each counted as one frame shift."""
        return self.seconds(self.n_frames)

    def seconds(self, n_frames: int) -> float:
        """Seconds that a number of frames stands for, each counted as one frame shift."""
        return n_frames * self.frame_shift

    def count(self, seconds: float) -> int:
        """Count the frames that stand for so many seconds, to the nearest."""
        return round(seconds / self.frame_shift)

    def edges(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Seconds at which frames begin to be nearest: half a shift before their centres.

        Parameters
        ----------
        frames : array
            Places counted in frames from the first, whole or between two; n_frames is the end.

        Examples
        --------
        >>> grid = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=98)
        >>> grid.edges([0, 2.5, 98]).round(4).tolist()
        [0.0075, 0.0325, 0.9875]
        """
        first = self.start + self.frame_length / 2 - self.frame_shift / 2
        return first + np.asarray(frames, np.float64) * self.frame_shift

    def frame_at(self, seconds: float) -> int:
        """Index of the frame whose centre is nearest to a time, kept inside the grid.

        Parameters
        ----------
        seconds : float
            A time, counted as `start` is.

        Raises
        ------
        InvalidInputError
            If the grid holds no frames.
        """
        if self.n_frames == 0:
            raise InvalidInputError("a frame grid without frames has none at any time")
        nearest = round((seconds - self.start - self.frame_length / 2) / self.frame_shift)
        return min(max(nearest, 0), self.n_frames - 1)

    def frames(self, start: float, end: float) -> slice:
        """Frames whose centres lie in ``[start, end)``, as a slice.

        Parameters
        ----------
        start, end : float
            Times in seconds, counted as the grid's `start` is.
        """
        # Rounded, so that a time computed from a frame's index gives back that index.
        positions = (np.array([start, end]) - self.start - self.frame_length / 2) / self.frame_shift
        first, last = np.clip(np.ceil(positions.round(6)), 0, self.n_frames).astype(int)
        return slice(int(first), int(max(first, last)))

    def part(self, first: int, n_frames: int) -> "FrameGrid":
        """Grid of `n_frames` frames from frame `first` on."""
        return replace(self, start=self.start + first * self.frame_shift, n_frames=n_frames)
