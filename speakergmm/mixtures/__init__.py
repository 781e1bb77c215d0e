"""Gaussian mixtures: parameters, statistics and updates, apart from each other.

A model (a `Mixture`: `SphericalMixture`, `DiagonalMixture`, `TiedMixture`, `FullMixture`) scores
frames; `accumulate` computes the `MixtureStatistics` of frames, which can be added, scaled and
stored; an update computes a new model from statistics (`update_maximum_likelihood`, `adapt`);
`expectation_maximisation` is the loop over the two, and `train_from` and `fit_mixture` are the
whole training. A mixture is weights of `Gaussians`; what these are, and how they are evaluated and
updated, is in `speakergmm.gaussians`, for hidden Markov models too.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.gaussians.em import EMResult as EMResult
    from speakergmm.gaussians.em import Iteration as Iteration
    from speakergmm.gaussians.em import UpdateReport as UpdateReport
    from speakergmm.gaussians.em import expectation_maximisation as expectation_maximisation
    from speakergmm.gaussians.frame_sources import FrameSource as FrameSource
    from speakergmm.gaussians.statistics import MixtureStatistics as MixtureStatistics
    from speakergmm.mixtures.accumulation import accumulate as accumulate
    from speakergmm.mixtures.accumulation import accumulate_blocks as accumulate_blocks
    from speakergmm.mixtures.adaptation import adapt as adapt
    from speakergmm.mixtures.adaptation import adapt_means as adapt_means
    from speakergmm.mixtures.adaptation import adapt_weights as adapt_weights
    from speakergmm.mixtures.fingerprint import frames_fingerprint as frames_fingerprint
    from speakergmm.mixtures.maximum_likelihood import regularisation_slack as regularisation_slack
    from speakergmm.mixtures.maximum_likelihood import (
        update_maximum_likelihood as update_maximum_likelihood,
    )
    from speakergmm.mixtures.mixture import MIXTURES as MIXTURES
    from speakergmm.mixtures.mixture import DiagonalMixture as DiagonalMixture
    from speakergmm.mixtures.mixture import FullMixture as FullMixture
    from speakergmm.mixtures.mixture import Mixture as Mixture
    from speakergmm.mixtures.mixture import SphericalMixture as SphericalMixture
    from speakergmm.mixtures.mixture import TiedMixture as TiedMixture
    from speakergmm.mixtures.mixture import make_mixture as make_mixture
    from speakergmm.mixtures.mixture import prepare_mixture as prepare_mixture
    from speakergmm.mixtures.mixture_options import VARIANCE_FLOOR as VARIANCE_FLOOR
    from speakergmm.mixtures.mixture_options import (
        VARIANCE_FLOOR_OF_FEW_FRAMES as VARIANCE_FLOOR_OF_FEW_FRAMES,
    )
    from speakergmm.mixtures.mixture_options import EMOptions as EMOptions
    from speakergmm.mixtures.mixture_options import (
        MaximumLikelihoodOptions as MaximumLikelihoodOptions,
    )
    from speakergmm.mixtures.mixture_options import MixtureOptions as MixtureOptions
    from speakergmm.mixtures.mixture_options import StepwiseOptions as StepwiseOptions
    from speakergmm.mixtures.mixture_options import VariationalOptions as VariationalOptions
    from speakergmm.mixtures.mixture_training import fit_mixture as fit_mixture
    from speakergmm.mixtures.mixture_training import train_from as train_from
    from speakergmm.mixtures.splitting import grow as grow
    from speakergmm.mixtures.splitting import split_component as split_component
    from speakergmm.mixtures.starts.initialisation import initialise_kmeans as initialise_kmeans
    from speakergmm.mixtures.starts.initialisation import initialise_random as initialise_random
    from speakergmm.mixtures.starts.initialisation import (
        initialise_splitting as initialise_splitting,
    )
    from speakergmm.mixtures.starts.kmeans_clustering import kmeans as kmeans

__getattr__, __dir__ = lazy_names(__name__)
