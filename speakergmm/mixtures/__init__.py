"""Gaussian mixtures: parameters, statistics and updates, apart from each other.

A model (`DiagonalMixture`) scores frames; `accumulate` turns frames into `MixtureStatistics`, which
can be added, scaled and stored; an update turns statistics into a new model
(`update_maximum_likelihood`, `adapt`); `expectation_maximisation` is the loop over the two, and
`fit_mixture` the whole training. Another kind of mixture is a module of parameters beside
`parameters`, another way to learn is an update beside `maximum_likelihood`.
"""

from speakergmm.mixtures.accumulation import accumulate, accumulate_blocks
from speakergmm.mixtures.adaptation import adapt, adapt_means, adapt_weights
from speakergmm.mixtures.diagonal import DiagonalMixture
from speakergmm.mixtures.em import EMResult, Iteration, UpdateReport, expectation_maximisation
from speakergmm.mixtures.frames import FrameSource
from speakergmm.mixtures.initialisation import (
    initialise_kmeans,
    initialise_random,
    initialise_splitting,
)
from speakergmm.mixtures.kmeans import kmeans
from speakergmm.mixtures.maximum_likelihood import (
    MaximumLikelihoodOptions,
    update_maximum_likelihood,
)
from speakergmm.mixtures.splitting import grow, split_component
from speakergmm.mixtures.statistics import MixtureStatistics
from speakergmm.mixtures.training import fit_mixture

__all__ = [
    "DiagonalMixture",
    "EMResult",
    "FrameSource",
    "Iteration",
    "MaximumLikelihoodOptions",
    "MixtureStatistics",
    "UpdateReport",
    "accumulate",
    "accumulate_blocks",
    "adapt",
    "adapt_means",
    "adapt_weights",
    "expectation_maximisation",
    "fit_mixture",
    "grow",
    "initialise_kmeans",
    "initialise_random",
    "initialise_splitting",
    "kmeans",
    "split_component",
    "update_maximum_likelihood",
]
