"""Slow and obvious references for rooms and sounds."""

import math

import numpy as np


def naive_room_response(size, source, microphone, reflection, rate, seconds, order):
    """Sum the image sources one by one, as equation 10 of Allen and Berkley (1979) has them."""
    response = np.zeros(round(seconds * rate))
    cells = range(-order, order + 1)
    for l, m, n in ((l, m, n) for l in cells for m in cells for n in cells):  # noqa: E741
        for q, j, k in ((q, j, k) for q in (0, 1) for j in (0, 1) for k in (0, 1)):
            steps = [
                (1 - 2 * p) * s - r + 2 * cell * length
                for p, s, r, cell, length in zip(
                    (q, j, k), source, microphone, (l, m, n), size, strict=True
                )
            ]
            walls = sum(
                abs(cell - p) + abs(cell) for cell, p in zip((l, m, n), (q, j, k), strict=True)
            )
            distance = math.sqrt(sum(step * step for step in steps))
            place = round(distance / 343.0 * rate)
            if place < len(response):
                response[place] += reflection**walls / (4 * math.pi * distance)
    return response


def decay_time(response, rate, *, first_db=-5.0, last_db=-35.0):
    """Return the time of a decay by 60 dB, from Schroeder's backward integral and a line."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    used = (level <= first_db) & (level >= last_db)
    slope = np.polyfit(np.nonzero(used)[0] / rate, level[used], 1)[0]
    return -60.0 / slope
