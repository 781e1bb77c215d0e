"""The level of a recording: its peak and its noise floor, from which levels of frames are counted.

Frames are loud or quiet in relation to the recording, whose gain is arbitrary. All percentiles are
of energies averaged over three frames, without digital silence, which was never recorded.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PEAK_SHARE, QUIET_SHARE = 0.98, 0.25
"""Share of the energies up to the peak, and share of the frames that are called quiet."""

# Of the frames that stand out of the noise by so many nats, at most this share is above the peak:
# seldom speech in long noise has a level of its own. Fewer of them are a click.
_STANDS_OUT, _LOUD_SHARE, _LEAST_LOUD = 2.0, 0.2, 10

# Held energies; from more, every second one is left out, so that memory is constant.
_MOST_HELD = 2**18


class RecordingLevel(NamedTuple):
    """Energies of a recording, as sums of squares of a frame.

    Attributes
    ----------
    peak : float
        98th percentile, which is the level of the recording. If less than a tenth of the frames,
        and at least ten, lie 2 nats or more above the noise, the 80th percentile of these.
    quiet : float
        Greatest energy of the quietest quarter of the frames.
    noise : float
        Mean energy of these.
    """

    peak: float
    quiet: float
    noise: float

    @property
    def log_peak(self) -> float:
        """Natural logarithm of the peak."""
        return math.log(self.peak)


def neighbour_means(energy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means over each frame and its two neighbours, of which the ends have one.

    Examples
    --------
    >>> neighbour_means(np.array([0.0, 3.0, 6.0, 0.0], np.float32)).tolist()
    [1.5, 3.0, 3.0, 3.0]
    """
    sums, counts = energy.copy(), np.ones(len(energy), np.float32)
    sums[1:] += energy[:-1]
    sums[:-1] += energy[1:]
    counts[1:] += 1
    counts[:-1] += 1
    return np.asarray(sums / counts, dtype=np.float32)


class EnergySample:
    """Energies of the frames of a recording, of which at most every second one is left out.

    Percentiles of a histogram would depend on where its bins lie, and so on the gain; these do not.
    Of recordings of more than 262,144 frames, every second energy is held, then every fourth.
    """

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float32]] = []
        self._step, self._n_held, self._n_frames = 1, 0, 0

    def add(self, energy: NDArray[np.float32]) -> None:
        """Add the energies of the next frames, shape (T,)."""
        part = energy[-self._n_frames % self._step :: self._step]
        self._n_frames += len(energy)
        self._n_held += len(part)
        self._parts.append(part)
        while self._n_held > _MOST_HELD:
            held = self.energies[::2]
            self._parts, self._n_held, self._step = [held], len(held), 2 * self._step

    @property
    def energies(self) -> NDArray[np.float32]:
        """The held energies in order, shape (n,)."""
        return np.concatenate([np.empty(0, np.float32), *self._parts])

    def level(self, least: float) -> RecordingLevel:
        """Return the level of the recording.

        Parameters
        ----------
        least : float
            Energy > 0 to which a lower peak is raised, as that of digital silence.
        """
        energies = self.energies
        energies = np.sort(energies[energies > 0])
        if not len(energies):
            return RecordingLevel(least, 0.0, 0.0)
        last = len(energies) - 1
        quiet = int(QUIET_SHARE * last)
        noise = float(energies[: quiet + 1].mean(dtype=np.float64))
        peak = int(PEAK_SHARE * last)
        n_loud = int(np.count_nonzero(energies > math.exp(_STANDS_OUT) * noise))
        if n_loud >= _LEAST_LOUD:
            peak = max(peak, last - int(_LOUD_SHARE * n_loud))
        return RecordingLevel(
            peak=max(float(energies[peak]), least), quiet=float(energies[quiet]), noise=noise
        )
