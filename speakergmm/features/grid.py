"""Times of frames: the only place that converts between frames and seconds."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number, whole_number


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """Times of the frames of a recording.

    Attributes
    ----------
    frame_length, frame_shift : float
        Length and distance of frames, in seconds.
    start : float
        Start of the first frame in seconds, relative to the beginning of the recording or of the
        part of it that was extracted. Negative if frames are centred on their times.
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
        """Start of each frame in seconds, shape (n_frames,)."""
        return self.start + self.frame_shift * np.arange(self.n_frames, dtype=np.float64)

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centre of each frame in seconds, shape (n_frames,)."""
        return self.starts + self.frame_length / 2

    @property
    def duration(self) -> float:
        """Duration of all frames in seconds, with one frame shift per frame."""
        return self.seconds(self.n_frames)

    def seconds(self, n_frames: int) -> float:
        """Return the duration of `n_frames` frames in seconds, with one frame shift per frame."""
        return n_frames * self.frame_shift

    def count(self, seconds: float) -> int:
        """Return the number of frames in a duration in seconds, rounded to the nearest."""
        return round(seconds / self.frame_shift)

    def edges(self, frames: ArrayLike) -> NDArray[np.float64]:
        """Return the boundaries between frames in seconds, half a shift before their centres.

        Parameters
        ----------
        frames : array
            Indices of frames, which may be fractional; n_frames is the end.

        Returns
        -------
        array
            Times in seconds, of the same shape.

        Examples
        --------
        >>> grid = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=98)
        >>> grid.edges([0, 2.5, 98]).round(4).tolist()
        [0.0075, 0.0325, 0.9875]
        """
        first = self.start + self.frame_length / 2 - self.frame_shift / 2
        return first + np.asarray(frames, np.float64) * self.frame_shift

    def frame_at(self, seconds: float) -> int:
        """Return the index of the frame whose centre is nearest to a time, inside the grid.

        Parameters
        ----------
        seconds : float
            Time in seconds, relative to the same origin as `start`.

        Raises
        ------
        InvalidInputError
            If the grid has no frames.
        """
        if self.n_frames == 0:
            raise InvalidInputError(
                "a grid of 0 frames has no frame at any time; give a recording of one frame or more"
            )
        nearest = round((seconds - self.start - self.frame_length / 2) / self.frame_shift)
        return min(max(nearest, 0), self.n_frames - 1)

    def frames(self, start: float, end: float) -> slice:
        """Return the slice of the frames whose centres lie in ``[start, end)``.

        Parameters
        ----------
        start, end : float
            Times in seconds, relative to the same origin as the start of the grid.
        """
        # Rounded, so that a time that was computed from an index yields that index.
        positions = (np.array([start, end]) - self.start - self.frame_length / 2) / self.frame_shift
        first, last = np.clip(np.ceil(positions.round(6)), 0, self.n_frames).astype(int)
        return slice(int(first), int(max(first, last)))

    def part(self, first: int, n_frames: int) -> "FrameGrid":
        """Return the grid of `n_frames` frames from frame `first` on."""
        return replace(self, start=self.start + first * self.frame_shift, n_frames=n_frames)
