"""Echoes of a room by image sources: each reflection is a copy of the source behind the walls."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

SPEED_OF_SOUND = 343.0
"""Speed of sound at 20 degrees Celsius, in metres per second."""

_MEASURING_RATE = 4000

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Room:
    """A room with the form of a box, a source and a microphone.

    Parameters
    ----------
    size, source, microphone : (float, float, float)
        Lengths of the walls, and places in the room, in metres.
    reflection : float
        Part of the sound pressure that every wall reflects, between 0 and 1.
    """

    size: Point
    source: Point
    microphone: Point
    reflection: float

    @property
    def distance(self) -> float:
        """Distance of the source to the microphone, in metres."""
        return float(np.linalg.norm(np.subtract(self.source, self.microphone)))

    @property
    def delay(self) -> float:
        """Time that the direct sound takes, in seconds."""
        return self.distance / SPEED_OF_SOUND


def with_decay(room: Room, t60: float) -> Room:
    """Return a room whose sound decays by 60 dB in a given time.

    Parameters
    ----------
    room : Room
        Its reflection does not matter.
    t60 : float
        Reverberation time in seconds.

    Notes
    -----
    Eyring's formula [1]_ assumes that sound comes from everywhere; of image sources in a box, those
    along the long axis decay by a seventh to a third more slowly. The logarithm of the reflection
    is corrected by the ratio of the measured decay to the wanted one.

    References
    ----------
    .. [1] Eyring, "Reverberation Time in 'Dead' Rooms", Journal of the Acoustical Society of
       America 1 (1930) 217-241.
    """
    x, y, z = room.size
    surface = 2.0 * (x * y + y * z + x * z)
    # 24 ln(10) / c = 0.161 s/m, in natural logarithms of energy; the half of it for pressure.
    loss = 12.0 * np.log(10.0) / SPEED_OF_SOUND * x * y * z / (surface * t60)
    first = replace(room, reflection=float(np.exp(-loss)))
    found = _decay_time(room_response(first, _MEASURING_RATE, first.delay + t60), _MEASURING_RATE)
    return replace(room, reflection=float(np.exp(-loss * found / t60)))


def _decay_time(response: NDArray[np.float64], rate: int) -> float:
    """Return the time of a decay by 60 dB, as it goes on from 5 to 35 dB (Schroeder 1965)."""
    # All images have the same sign, so that late ones add up at 0 Hz: only changes are measured.
    left = np.cumsum(np.diff(response)[::-1] ** 2)[::-1]
    below_5, below_35 = (int(np.argmax(left < left[0] * 10.0**-tenth)) for tenth in (0.5, 3.5))
    return 2.0 * (below_35 - below_5) / rate


def room_response(room: Room, rate: int, seconds: float) -> NDArray[np.float64]:
    """Return the impulse response from the source to the microphone of a room.

    Parameters
    ----------
    room : Room
    rate : int
        Sampling rate in Hz.
    seconds : float
        Length of the response.

    Returns
    -------
    array, shape (n,)
        Sum over all image sources of ``reflection ** n_walls / (4 pi distance)``, each at the
        sample that is nearest to its delay.

    References
    ----------
    .. [1] Allen, Berkley, "Image method for efficiently simulating small-room acoustics", Journal
       of the Acoustical Society of America 65 (1979) 943-950, equation 10.
    """
    n_samples = max(1, round(seconds * rate))
    squares, walls = zip(*(_images(room, axis, seconds) for axis in range(3)), strict=True)
    powers = room.reflection ** np.arange(1 + sum(int(each.max()) for each in walls))
    flat_squares = (squares[1][:, np.newaxis] + squares[2]).ravel()
    flat_walls = (walls[1][:, np.newaxis] + walls[2]).ravel()
    # Nearest first, so that what is too far away is cut off for each image along the first axis.
    order = np.argsort(flat_squares)
    flat_squares, flat_walls = flat_squares[order], flat_walls[order]
    farthest = ((n_samples - 0.5) / rate * SPEED_OF_SOUND) ** 2
    response = np.zeros(n_samples)
    for square, wall in zip(squares[0], walls[0], strict=True):
        stop = int(np.searchsorted(flat_squares, farthest - square))
        distances = np.sqrt(flat_squares[:stop] + square)
        places = np.rint(distances * (rate / SPEED_OF_SOUND)).astype(np.intp)
        strengths = powers[flat_walls[:stop] + wall] / (4.0 * np.pi * distances)
        response += np.bincount(places, strengths, n_samples + 1)[:n_samples]
    return response


def _images(room: Room, axis: int, seconds: float) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return squared distances along an axis of all images, and the walls that each passes."""
    size, source, microphone = room.size[axis], room.source[axis], room.microphone[axis]
    most = int(np.ceil(seconds * SPEED_OF_SOUND / (2.0 * size))) + 1
    cells = np.arange(-most, most + 1)
    # Each cell of twice the room has the source and its mirror image (p = 0, 1 of [1]).
    shifts = 2.0 * size * cells - microphone
    distances = np.concatenate([shifts + source, shifts - source])
    walls = np.concatenate([2 * np.abs(cells), np.abs(cells - 1) + np.abs(cells)])
    return distances**2, walls
