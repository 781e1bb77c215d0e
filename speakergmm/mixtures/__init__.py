"""Gaussian mixtures: parameters, statistics and updates, apart from each other.

A model (a `Mixture`: `SphericalMixture`, `DiagonalMixture`, `TiedMixture`, `FullMixture`) scores
frames; `accumulate` turns frames into `MixtureStatistics`, which can be added, scaled and stored;
an update turns statistics into a new model (`update_maximum_likelihood`, `adapt`);
`expectation_maximisation` is the loop over the two, and `train_from` and `fit_mixture` are the
whole training. All kinds share one kernel: `basis` says of which functions of a frame their
log-densities are products. Another way to learn is an update beside `maximum_likelihood`.
"""

from speakergmm.gaussians.accumulation import accumulate, accumulate_blocks
from speakergmm.gaussians.diagonal import DiagonalMixture
from speakergmm.gaussians.em import EMResult, Iteration, UpdateReport, expectation_maximisation
from speakergmm.gaussians.frames import FrameSource
from speakergmm.gaussians.full import FullMixture
from speakergmm.gaussians.kinds import make_mixture
from speakergmm.gaussians.maximum_likelihood import (
    MaximumLikelihoodOptions,
    update_maximum_likelihood,
)
from speakergmm.gaussians.parameters import Mixture
from speakergmm.gaussians.spherical import SphericalMixture
from speakergmm.gaussians.splitting import grow, split_component
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.tied import TiedMixture
from speakergmm.mixtures.adaptation import adapt, adapt_means, adapt_weights
from speakergmm.mixtures.starts.initialisation import (
    initialise_kmeans,
    initialise_random,
    initialise_splitting,
)
from speakergmm.mixtures.starts.kmeans import kmeans
from speakergmm.mixtures.training import fit_mixture, train_from

__all__ = [
    "DiagonalMixture",
    "EMResult",
    "FrameSource",
    "FullMixture",
    "Iteration",
    "MaximumLikelihoodOptions",
    "Mixture",
    "MixtureStatistics",
    "SphericalMixture",
    "TiedMixture",
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
    "make_mixture",
    "split_component",
    "train_from",
    "update_maximum_likelihood",
]
