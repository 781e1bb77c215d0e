"""Babble: several people who talk at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from speakergmm.corpora.augmentation.active_speech import mixed
from speakergmm.corpora.augmentation.condition import Condition, Samples
from speakergmm.corpora.augmentation.talkers import Talkers, talker_pool


@dataclass(frozen=True, slots=True)
class Babble(Condition):
    """Other voices.

    Parameters
    ----------
    n_talkers : (int, int)
        Range of the number of talkers, who are equally loud and different, if the pool has as many.
        Each begins at a place of its own and repeats what is said.
    snr_db : (float, float)
        Range of the ratio of active speech to the sum of the voices, in dB.
    recordings : tuple of str or Talkers, optional
        Recordings of the voices; by default, synthetic voices.
    pool_seed : int, default=0
        Seed of the synthetic voices.
    """

    n_talkers: tuple[int, int] = (3, 8)
    snr_db: tuple[float, float] = (5.0, 15.0)
    recordings: tuple[str, ...] | Talkers | None = None
    pool_seed: int = 0

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording among other voices; see `Condition.change`."""
        pool = talker_pool(rate, self.pool_seed, self.recordings)
        snr = rng.uniform(*self.snr_db)
        number = int(rng.integers(self.n_talkers[0], self.n_talkers[1], endpoint=True))
        chosen = [pool[place] for place in rng.permutation(len(pool))[:number]]
        places = [int(rng.integers(len(voice))) for voice in chosen]

        def sound(n: int) -> Samples:
            total = np.zeros(n, np.float32)
            for each, voice in enumerate(chosen):
                done = 0
                while done < n:
                    part = voice[places[each] : places[each] + n - done]
                    total[done : done + len(part)] += part
                    done += len(part)
                    places[each] = (places[each] + len(part)) % len(voice)
            return total

        return mixed(pieces, rate, sound, snr)
