"""Sampling of sequences from dense hidden Markov models."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.ranges import whole_number


def sample_sequence(
    model: HiddenMarkovParameters,
    n_frames: int,
    rng: np.random.RandomState,
    *,
    first: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw a sequence of frames, with its states, from a model.

    Parameters
    ----------
    model : HiddenMarkovParameters
        The model, in feature units.
    n_frames : int
        Number of frames T, at least 1.
    rng : numpy.random.RandomState
        Source of randomness.
    first : int, optional
        State of the first frame; by default it is drawn.

    Returns
    -------
    frames : array, shape (T, D)
    states : array of int, shape (T,)

    Raises
    ------
    InvalidInputError
        If `n_frames` is less than 1, or there is no such state.
    """
    whole_number("n_samples", n_frames)
    if first is not None:
        whole_number("currstate", first, least=0, most=model.n_states - 1)
    # The states, one after the other, by inversion of the cumulative probabilities.
    states = np.empty(n_frames, np.int64)
    chance = rng.random_sample(n_frames)
    cumulative = _cumulative(model.transmat)
    beginning = _cumulative(model.startprob[None])[0]
    state = int(np.searchsorted(beginning, chance[0], side="right")) if first is None else first
    states[0] = state
    for t in range(1, n_frames):
        state = int(np.searchsorted(cumulative[state], chance[t], side="right"))
        states[t] = state
    # The components of all frames, and then the frames.
    shares = _cumulative(model.weights)[states]
    components = (shares <= rng.random_sample((n_frames, 1))).sum(axis=1)
    flat = states * model.n_mix + components
    gaussians = model.gaussians
    noise = rng.standard_normal((n_frames, model.n_features))
    coloured = gaussians.kind.colour(gaussians.own_covariances, noise, flat)
    return np.asarray(gaussians.means[flat] + coloured), states


def _cumulative(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return cumulative sums along rows, which are exactly 1 from the last possible outcome on."""
    sums = np.cumsum(probabilities, axis=1)
    sums /= sums[:, -1:]
    return sums
