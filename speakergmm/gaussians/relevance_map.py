"""Adaptation of Gaussians to data by relevance MAP, shared by mixtures and banks of pdfs."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from speakergmm.gaussians.parameters import Gaussians
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.updates import GaussianPrior, update_gaussians, update_means


def adapt_gaussians(
    statistics: MixtureStatistics,
    prior: Gaussians,
    *,
    relevance_factor: float,
    parameters: Collection[str],
    variance_floor: float,
    variance_relevance_factor: float | None = None,
) -> tuple[Gaussians, int]:
    """Return Gaussians between a prior and the data, and the number of variances floored.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the data, in the coordinates of the prior; with second-order moments if
        variances are adapted.
    prior : Gaussians
        The Gaussians before any data; diagonal ones if variances are adapted.
    relevance_factor : float
        Occupancy, in frames, at which data and prior have the same weight; > 0.
    parameters : collection of {"means", "variances"}
        The parameters to adapt; names of others are ignored.
    variance_floor : float
        Smallest adapted variance, as a part of the prior's.
    variance_relevance_factor : float, optional
        Number of frames that the prior's variances count for; by default the `relevance_factor`.

    Notes
    -----
    Equations 12 and 13 of Reynolds, Quatieri and Dunn (2000), as the update with a conjugate prior
    that counts for `relevance_factor` frames; see `speakergmm.mixtures.adapt`. With a factor v of
    the variances, they are the mode (S + r (u - m)^2 + v P) / (n + v), for a scatter S of the data
    about the adapted mean u, and mean m and variance P of the prior.
    """
    of_variances = variance_relevance_factor or relevance_factor
    conjugate = GaussianPrior(
        prior.means,
        means_weight=np.full(prior.n_gaussians, relevance_factor),
        scatter=of_variances * prior.covariances,
        count=np.asarray(of_variances),
    )
    means, covariances, n_floored = prior.means, prior.covariances, 0
    if "means" in parameters:
        means = update_means(statistics, prior, prior=conjugate)
    if "variances" in parameters:
        adapted = update_gaussians(
            statistics,
            prior,
            prior=conjugate,
            floor=np.zeros(prior.n_features),
            empty=statistics.counts <= 0,
            moves_means="means" in parameters,
        ).gaussians.covariances
        floor = variance_floor * covariances
        n_floored = int(np.count_nonzero(adapted < floor))
        covariances = np.maximum(adapted, floor)
    return Gaussians(prior.kind, means, covariances, prior.owner), n_floored
