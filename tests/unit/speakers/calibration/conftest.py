"""Simulated trials of speakers who differ, and of scores that are log-likelihood ratios."""

import numpy as np
import pytest

from speakergmm.speakers import CalibrationTrials


def simulated_trials(n_speakers=8, n_tests=10, *, distance=4.0, seed=0, spread=0.0, **measures):
    """Everybody against everybody; scores are N(0, 1), `distance` higher in target trials.

    Each speaker has effects of deviation `spread` on all scores, as model and as test.
    """
    rng = np.random.default_rng(seed)
    names = np.array([f"s{number:03}" for number in range(n_speakers)])
    models, tests = (each.ravel() for each in np.meshgrid(names, np.repeat(names, n_tests)))
    same = models == tests
    place = {name: number for number, name in enumerate(names.tolist())}
    effects = (
        rng.normal(scale=spread, size=(2, n_speakers)) if spread else np.zeros((2, n_speakers))
    )
    shift = effects[0][[place[name] for name in models]] + effects[1][[place[n] for n in tests]]
    scores = distance * same + shift + rng.normal(size=len(same))
    return CalibrationTrials(scores, same, models, tests, measures)


@pytest.fixture(scope="session")
def trials():
    """Scores of two Gaussians of variance 1 at 0 and 4: their LLR is 4 s - 8."""
    return simulated_trials()
