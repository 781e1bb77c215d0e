"""Reverberation: the echoes of a room."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.augmentation.condition import Condition, Samples
from speakergmm.corpora.augmentation.image_sources import Room, room_response, with_decay
from speakergmm.corpora.augmentation.sample_filters import convolved

_LEAST_SIZE, _LARGEST_SIZE = (2.5, 2.5, 2.3), (7.0, 6.0, 3.2)
_WALL_DISTANCE = 0.4  # metres of source and microphone to any wall, at least
# All images have the same sign, which Allen and Berkley correct by a high-pass filter.
_LOWEST_HZ = 60.0


@dataclass(frozen=True, slots=True)
class Reverberation(Condition):
    """The echoes of one of several rooms.

    Parameters
    ----------
    t60 : (float, float)
        Range of the time in which sound decays by 60 dB, in seconds.
    distance : (float, float)
        Range of the distance of the speaker to the microphone, in metres.
    n_rooms : int, default=100
        Rooms, which are made when they are needed and kept for the process.
    pool_seed : int, default=0
        Seed of the rooms.
    """

    t60: tuple[float, float] = (0.15, 0.6)
    distance: tuple[float, float] = (0.3, 2.0)
    n_rooms: int = 100
    pool_seed: int = 0

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording as it sounds in a room; see `Condition.change`.

        The direct sound is not delayed, and the mean power is kept for sounds of all frequencies.
        """
        return convolved(pieces, _response(self, int(rng.integers(self.n_rooms)), rate))

    def room(self, number: int) -> tuple[Room, float]:
        """Return one of the rooms, and the time in which its sound decays by 60 dB."""
        rng = np.random.default_rng(np.random.SeedSequence(self.pool_seed, spawn_key=(number,)))
        least, largest = np.array(_LEAST_SIZE), np.array(_LARGEST_SIZE)
        size = rng.uniform(least, largest)
        # The times of all rooms together cover the range evenly.
        t60 = float(np.interp((number + rng.random()) / self.n_rooms, [0.0, 1.0], self.t60))
        while True:
            source = rng.uniform(_WALL_DISTANCE, size - _WALL_DISTANCE)
            direction = rng.standard_normal(3) * [1.0, 1.0, 0.3]
            step = rng.uniform(*self.distance) * direction / np.linalg.norm(direction)
            microphone = source + step
            if np.all((microphone > _WALL_DISTANCE) & (microphone < size - _WALL_DISTANCE)):
                room = Room(_point(size), _point(source), _point(microphone), 0.5)
                return with_decay(room, t60), t60


@lru_cache(maxsize=256)
def _response(condition: Reverberation, number: int, rate: int) -> NDArray[np.float32]:
    """Return the response of a room from the direct sound on, with an energy of 1."""
    from scipy import signal

    room, t60 = condition.room(number)
    echoes = room_response(room, rate, room.delay + t60)[round(room.delay * rate) :]
    high_pass = signal.butter(2, min(_LOWEST_HZ, 0.1 * rate), "highpass", fs=rate, output="sos")
    echoes = signal.sosfilt(high_pass, echoes)
    return np.asarray(echoes / np.linalg.norm(echoes), np.float32)


def _point(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
