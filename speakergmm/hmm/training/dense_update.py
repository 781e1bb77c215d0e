"""The M-step of a hidden Markov model: exact, with floors, under conjugate priors.

What is maximised is the auxiliary function plus the logarithm of the priors' density,

    Q(new) = sum of posteriors under the old model times log-probabilities under the new one,

over start, transitions, weights, means and covariances together, under the constraint that no
variance (no eigenvalue) is below its floor. Covariances are centred on the new means, transitions
and components of probability zero stay so. The maximum is in closed form: raising variances, or
eigenvalues, to the floor is the maximum under that constraint, for the log-density of a Gaussian
falls on either side of its best variance.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.matrices import floor_matrices
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors
from speakergmm.hmm.training.dense_expectation import HiddenMarkovStatistics

# Occupancy, in frames, that is no more than rounding.
_EMPTY = 1e-10
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class HiddenMarkovUpdate:
    """What an update did beyond its formulas.

    Parameters
    ----------
    n_floored : int
        Variances, or eigenvalues, that were raised to the floor.
    empty : tuple of (int, int)
        State and component of those that no frame belongs to; they keep their parameters.
    """

    n_floored: int
    empty: tuple[tuple[int, int], ...]


def update(
    statistics: HiddenMarkovStatistics,
    model: HiddenMarkovParameters,
    *,
    priors: HiddenMarkovPriors,
    floor: NDArray[np.float64],
    params: str = "stmcw",
) -> tuple[HiddenMarkovParameters, HiddenMarkovUpdate]:
    """Find the model that maximises the expected log-likelihood of sequences and priors.

    Parameters
    ----------
    statistics : HiddenMarkovStatistics
        Under `model`.
    model : HiddenMarkovParameters
        What made the statistics; parameters without data stay as they are there.
    priors : HiddenMarkovPriors
        In the coordinates of model and statistics.
    floor : array, shape (D,)
        Smallest variance of each feature, >= 0; spheres have the mean of it.
    params : str, default="stmcw"
        What is updated: start, transitions, means, covariances, weights.

    Returns
    -------
    model : HiddenMarkovParameters
    report : HiddenMarkovUpdate
    """
    # Occupancies may be as small as they like.
    with np.errstate(under="ignore"):
        return _update(statistics, model, priors, floor, params)


def _update(
    statistics: HiddenMarkovStatistics,
    model: HiddenMarkovParameters,
    priors: HiddenMarkovPriors,
    floor: NDArray[np.float64],
    params: str,
) -> tuple[HiddenMarkovParameters, HiddenMarkovUpdate]:
    counts = statistics.counts
    new = model
    if "s" in params:
        startprob = _probabilities(statistics.starts + priors.starts, model.startprob)
        new = replace(new, startprob=startprob)
    if "t" in params:
        transmat = _probabilities(statistics.transitions + priors.transitions, model.transmat)
        new = replace(new, transmat=transmat)
    if "w" in params:
        weights = _shares(counts + priors.weights, model.weights)
        new = replace(new, weights=weights)
    if "m" in params:
        divisor = counts + priors.means_weight
        there = (divisor > _EMPTY)[:, :, None]
        pull = priors.means_weight[:, :, None] * (priors.means - statistics.origins)
        quotients = (statistics.first_order + pull) / np.maximum(divisor, _EMPTY)[:, :, None]
        new = replace(new, means=np.where(there, statistics.origins + quotients, model.means))
    n_floored = 0
    if "c" in params:
        covars, n_floored = _covariances(statistics, new, priors, floor)
        new = replace(new, covars=covars)
    empty = tuple((int(s), int(m)) for s, m in np.argwhere(counts <= _EMPTY))
    return new, HiddenMarkovUpdate(n_floored, empty)


def _probabilities(counts: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of counts as probabilities; what was impossible before stays so."""
    return _shares(np.where(before > 0, counts, 0.0), before)


def _shares(counts: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of counts as shares of their sum; rows without any stay as they were before.

    A prior may make a count negative: the largest posterior density is at zero then.
    """
    counts = np.maximum(counts, 0.0)
    sums = counts.sum(axis=-1, keepdims=True)
    there = sums > _EMPTY
    return np.asarray(np.where(there, counts / np.where(there, sums, 1.0), before))


def _covariances(
    statistics: HiddenMarkovStatistics,
    model: HiddenMarkovParameters,
    priors: HiddenMarkovPriors,
    floor: NDArray[np.float64],
) -> tuple[NDArray[np.float64], int]:
    """Covariances about the means of `model`, which are the new ones; how many were floored."""
    kind, counts, n_features = model.covariance_type, statistics.counts, model.n_features
    there = counts > _EMPTY
    # Of the frames of each component, seen from the points that the moments are about.
    means = model.means - statistics.origins
    own_means = np.where(
        there[:, :, None],
        statistics.first_order / np.maximum(counts, _EMPTY)[:, :, None],
        means,
    )
    # Squares about the mean of a component's frames, and what the distance to its mean adds: two
    # terms that are never negative, where squares about any other point would cancel.
    moved = own_means - means
    pulled = model.means - priors.means
    if kind in ("spherical", "diag"):
        added = counts[:, :, None] * moved**2 + priors.means_weight[:, :, None] * pulled**2
        squares = counts[:, :, None] * own_means**2
        if kind == "spherical":
            added, squares = added.sum(axis=2), squares.sum(axis=2)
            divisor = n_features * counts + priors.count
        else:
            divisor = counts[:, :, None] + priors.count
    else:
        added = np.einsum("sm,smi,smj->smij", counts, moved, moved)
        added += np.einsum("sm,smi,smj->smij", priors.means_weight, pulled, pulled)
        squares = np.einsum("sm,smi,smj->smij", counts, own_means, own_means)
        divisor = counts + priors.count if kind == "full" else counts.sum(axis=1) + priors.count
        if kind == "tied":
            added, squares = added.sum(axis=1), squares.sum(axis=1)
        divisor = divisor[..., None, None]
    sums = statistics.second_order - squares + added + priors.scatter
    known = divisor > _EMPTY
    covars = np.where(known, sums / np.where(known, divisor, 1.0), model.covars)
    # Rounding may leave a variance of zero, or just below, even without a floor.
    spread = np.ones(n_features)
    if statistics.origins.any():
        spread = _spread(covars, kind)
    floor = np.maximum(floor, _rounding(own_means[there], spread, kind))
    return _floored(covars, floor, kind, np.broadcast_to(known, covars.shape))


def _floored(
    covars: NDArray[np.float64],
    floor: NDArray[np.float64],
    kind: str,
    known: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], int]:
    if kind in ("spherical", "diag"):
        least = floor.mean() if kind == "spherical" else floor
        return np.maximum(covars, least), int(np.count_nonzero((covars < least) & known))
    n_features = len(floor)
    matrices, was_floored = floor_matrices(covars.reshape(-1, n_features, n_features), floor)
    was_floored = was_floored & known.reshape(-1, n_features, n_features)[:, :, 0]
    return matrices.reshape(covars.shape), int(np.count_nonzero(was_floored))


def _spread(covars: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Largest variance (D,), none less than what the frames themselves are rounded to."""
    if kind == "spherical":
        return np.full(1, max(float(covars.max()), _EPSILON))
    if kind != "diag":
        covars = np.diagonal(covars, axis1=-2, axis2=-1)
    return np.asarray(np.maximum(covars.reshape(-1, covars.shape[-1]).max(axis=0), _EPSILON))


def _rounding(
    means: NDArray[np.float64], spread: NDArray[np.float64], kind: str
) -> NDArray[np.float64]:
    """Say what float64 may leave (D,) of squares that should cancel to a variance of zero.

    They are squares of means, and of what varies about these: of the `spread`, which is 1 of
    standardised frames.
    """
    squares = spread + np.max(np.abs(means), axis=0, initial=0.0) ** 2
    operations = 8 if kind in ("spherical", "diag") else 8 * means.shape[1]
    return np.asarray(operations * _EPSILON * squares)
