"""The maximisation step of dense hidden Markov models: exact, with floors and conjugate priors.

It maximises the auxiliary function plus the log-density of the priors,

    Q(new) = sum of posteriors under the old model times log-probabilities under the new one,

over start probabilities, transitions, weights, means and covariances together, under the constraint
that no variance (no eigenvalue) is below its floor. Covariances are centred on the new means;
transitions and components of probability zero stay so. The maximum has a closed form: raising
variances, or eigenvalues, to the floor is the maximum under the constraint, because the log-density
of a Gaussian falls on either side of its best variance.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.updates import update_gaussians, update_means
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors
from speakergmm.hmm.training.dense_expectation import HiddenMarkovStatistics


def update_dense_model(
    statistics: HiddenMarkovStatistics,
    model: HiddenMarkovParameters,
    *,
    priors: HiddenMarkovPriors,
    floor: NDArray[np.float64],
    data_variance: NDArray[np.float64],
    params: str = "stmcw",
) -> tuple[HiddenMarkovParameters, UpdateReport]:
    """Return the model that maximises the expected log-likelihood plus the log-density of priors.

    Parameters
    ----------
    statistics : HiddenMarkovStatistics
        Statistics of the sequences under `model`.
    model : HiddenMarkovParameters
        The current model; its parameters without data stay unchanged.
    priors : HiddenMarkovPriors
        Priors, in the coordinates of model and statistics.
    floor : array, shape (D,)
        Smallest variance of each feature, >= 0; spherical covariances have its mean as floor.
    data_variance : array, shape (D,)
        Variance of all frames, relative to which a variance may be mere rounding.
    params : str, default="stmcw"
        Parameters that are updated: start (s), transitions (t), means (m), covariances (c),
        weights (w).

    Returns
    -------
    model : HiddenMarkovParameters
    report : UpdateReport

    References
    ----------
    Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition",
    Proceedings of the IEEE 77(2), 1989, equations 40 and 52 to 54.
    """
    # Start probabilities, transitions and weights: expected counts plus those of the priors, as
    # shares of their sums.
    smallest, empty = statistics.smallest, statistics.empty
    startprob, transmat, weights = model.startprob, model.transmat, model.weights
    if "s" in params:
        starts = np.where(startprob > 0, statistics.starts + priors.starts, 0.0)
        startprob = _shares(starts, startprob, smallest)
    if "t" in params:
        transitions = np.where(transmat > 0, statistics.transitions + priors.transitions, 0.0)
        transmat = _shares(transitions, transmat, smallest)
    if "w" in params:
        counts = statistics.gaussians.counts.reshape(weights.shape)
        weights = _shares(counts + priors.weights, weights, smallest)
    gaussians, n_floored = model.gaussians, 0
    # Means and covariances. Occupancies may underflow to zero.
    with np.errstate(under="ignore"):
        if "c" in params:
            found = update_gaussians(
                statistics.gaussians,
                gaussians,
                floor=floor,
                data_variance=data_variance,
                prior=priors.gaussians,
                empty=empty,
                smallest=smallest,
                moves_means="m" in params,
            )
            gaussians, n_floored = found.gaussians, int(np.count_nonzero(found.was_floored))
        elif "m" in params:
            means = update_means(
                statistics.gaussians,
                gaussians,
                prior=priors.gaussians,
                empty=empty,
                smallest=smallest,
            )
            gaussians = replace(gaussians, means=means)
    new = HiddenMarkovParameters(startprob, transmat, weights, gaussians)
    return new, UpdateReport(n_floored=n_floored)


def _shares(
    counts: NDArray[np.float64], before: NDArray[np.float64], smallest: float
) -> NDArray[np.float64]:
    """Return rows of counts as shares of their sums; rows without counts stay as before.

    A prior may make a count negative; the posterior density is then largest at zero.
    """
    counts = np.maximum(counts, 0.0)
    sums = counts.sum(axis=-1, keepdims=True)
    there = sums > smallest
    return np.asarray(np.where(there, counts / np.where(there, sums, 1.0), before))
