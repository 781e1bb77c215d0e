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
    data_variance : array, shape (D,)
        Of all frames; beside it a variance may be rounding.
    params : str, default="stmcw"
        What is updated: start, transitions, means, covariances, weights.

    Returns
    -------
    model : HiddenMarkovParameters
    report : UpdateReport
    """
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
    # Occupancies may be as small as they like.
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
    """Rows of counts as shares of their sum; rows without any stay as they were before.

    A prior may make a count negative: the largest posterior density is at zero then.
    """
    counts = np.maximum(counts, 0.0)
    sums = counts.sum(axis=-1, keepdims=True)
    there = sums > smallest
    return np.asarray(np.where(there, counts / np.where(there, sums, 1.0), before))
