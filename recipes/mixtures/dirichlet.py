"""Numbers of clusters by Dirichlet processes: variational inference and collapsed Gibbs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from settings import Settings
from sklearn.cluster import KMeans

from speakergmm.errors import SpeakerGmmError
from speakergmm.estimators import BayesianGaussianMixture, DirichletProcessMixture

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters that both methods find in one set of frames."""

    frames: Array
    weights: Mapping[float, Array]  # by concentration: variational weights, in descending order
    n_used: Mapping[float, int]  # number of weights above 1 %
    ends: Mapping[float, str]  # reasons why the fits ended
    gibbs: DirichletProcessMixture
    r_hat: float
    effective_sample_size: float


def find_clusters(frames: Array, settings: Settings, *, jobs: int) -> Clusters:
    """Fit variational mixtures of several concentrations, and sample the number of clusters."""
    weights, used, ends = {}, {}, {}
    for concentration in settings.concentrations:
        model = BayesianGaussianMixture(
            n_components=min(settings.n_most, len(frames)),
            weight_concentration_prior=concentration,
            max_iter=1000,
            random_state=settings.seed,
        ).fit(frames)
        weights[concentration] = np.sort(model.mixture_.weights)[::-1]
        used[concentration] = model.n_effective()
        ends[concentration] = f"{model.convergence_} after {model.n_iter_} iterations"
    gibbs = DirichletProcessMixture(
        n_sweeps=settings.n_sweeps,
        within_fraction=settings.within_fraction,
        random_state=settings.seed,
        n_jobs=jobs,
    ).fit(frames[: settings.n_gibbs_frames])
    try:
        r_hat, size = gibbs.r_hat_["n_clusters"], gibbs.effective_sample_size_["n_clusters"]
    except SpeakerGmmError:  # without ArviZ
        r_hat = size = np.nan
    return Clusters(frames, weights, used, ends, gibbs, r_hat, size)


def plant(frames: Array, settings: Settings) -> Array:
    """Draw the same number of frames from a mixture with a known number of components.

    Its means are centres of k-means of the frames, its spherical standard deviation is a sixth of
    their smallest distance, and its weights are equal.
    """
    rng = np.random.default_rng(settings.seed)
    k = settings.n_planted
    means = KMeans(k, n_init=5, random_state=settings.seed).fit(frames).cluster_centers_
    distances = np.linalg.norm(means[:, None] - means, axis=2)
    deviation = distances[np.triu_indices(k, 1)].min() / 6
    return rng.normal(means[rng.integers(k, size=len(frames))], deviation)
