"""The telephone: a band of about 300 to 3,400 Hz, a tilted spectrum and coarse steps at 8 kHz.

Lines are drawn from several kinds of filters. Butterworth filters of order 6 and mu-law, by which
telephones are simulated in the package's own tests of mismatch, are left out on purpose: what is
tested must not be what was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from speakergmm.corpora.augmentation.condition import Condition, Samples
from speakergmm.corpora.augmentation.quantisation import a_law, linear_pcm
from speakergmm.corpora.augmentation.sample_filters import at_rate, convolved, filtered

LINE_RATE = 8000
"""Sampling rate of the telephone network, in Hz."""

_BUTTERWORTH_ORDERS = (2, 3, 4, 5, 8)
# Below half the rate by the width of a filter's edge.
_HIGHEST = 0.47

Filter = Callable[[Iterator[Samples]], Iterator[Samples]]


@dataclass(frozen=True, slots=True)
class Telephone(Condition):
    """The telephone.

    Parameters
    ----------
    low, high : (float, float)
        Ranges of the edges of the band, in Hz.
    tilt : (float, float)
        Range of the coefficient a of the filter 1 - a / z, which raises high (a > 0) or low
        frequencies.
    bits : (int, int)
        Range of the bits of uniform steps; every other line has A-law.
    headroom_db : (float, float)
        Range of the distance of the loudest sample so far to the full scale of the steps, in dB.
    """

    low: tuple[float, float] = (180.0, 420.0)
    high: tuple[float, float] = (3000.0, 3750.0)
    tilt: tuple[float, float] = (-0.4, 0.4)
    bits: tuple[int, int] = (10, 13)
    headroom_db: tuple[float, float] = (0.0, 12.0)

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording as it arrives by telephone; see `Condition.change`."""
        line = min(rate, LINE_RATE)
        band = self._filter(line, rng)
        is_a_law = rng.random() < 0.5
        bits = int(rng.integers(self.bits[0], self.bits[1], endpoint=True))
        scale = 10.0 ** (-rng.uniform(*self.headroom_db) / 20.0)

        def send(received: Iterator[Samples]) -> Iterator[Samples]:
            peak = 0.0
            for piece in band(received):
                peak = max(peak, float(np.abs(piece).max(initial=0.0)))
                if peak > 0.0:
                    factor = np.float32(scale / peak)
                    scaled = piece * factor
                    piece = (a_law(scaled) if is_a_law else linear_pcm(scaled, bits)) / factor
                yield piece

        return at_rate(pieces, rate, line, send)

    def _filter(self, rate: int, rng: np.random.Generator) -> Filter:
        """Return a filter of the band."""
        from scipy import signal

        most = _HIGHEST * rate
        band = [min(rng.uniform(*self.low), most / 2), min(rng.uniform(*self.high), most)]
        tilt, ripple = rng.uniform(*self.tilt), rng.uniform(0.3, 2.0)
        kind = rng.integers(4)
        settings = {"btype": "bandpass", "fs": rate, "output": "sos"}
        if kind == 0:
            taps = signal.firwin(2 * rng.integers(24, 97) + 1, band, pass_zero=False, fs=rate)
            response = np.convolve(taps, [1.0, -tilt])
            return lambda pieces: convolved(pieces, response, delay=len(taps) // 2)
        if kind == 1:
            order = _BUTTERWORTH_ORDERS[rng.integers(len(_BUTTERWORTH_ORDERS))]
            sections = signal.butter(order, band, **settings)
        elif kind == 2:
            sections = signal.cheby1(rng.integers(3, 8), ripple, band, **settings)
        else:
            loss = rng.uniform(30.0, 50.0)
            sections = signal.ellip(rng.integers(3, 6), ripple, loss, band, **settings)
        sections = np.vstack([sections, [1.0, -tilt, 0.0, 1.0, 0.0, 0.0]])
        return lambda pieces: filtered(pieces, sections)
