"""How many clusters? Dirichlet processes by variational inference and by collapsed Gibbs."""

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
class Found:
    """What was found in one set of frames."""

    frames: Array
    weights: Mapping[float, Array]  # by concentration: variational weights, falling
    n_used: Mapping[float, int]  # of them, those above 1 %
    ends: Mapping[float, str]  # how the fits ended
    gibbs: DirichletProcessMixture
    r_hat: float
    effective_sample_size: float


def find_clusters(frames: Array, settings: Settings, *, jobs: int) -> Found:
    """Let the process choose, at several concentrations; and sample how many clusters there are."""
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
    return Found(frames, weights, used, ends, gibbs, r_hat, size)


def plant(frames: Array, settings: Settings) -> Array:
    """Draw as many frames from a mixture whose number of components is known.

    Its means are centres of k-means of the frames, its round deviation a sixth of their least
    distance, its weights equal.
    """
    rng = np.random.default_rng(settings.seed)
    k = settings.n_planted
    means = KMeans(k, n_init=5, random_state=settings.seed).fit(frames).cluster_centers_
    distances = np.linalg.norm(means[:, None] - means, axis=2)
    deviation = distances[np.triu_indices(k, 1)].min() / 6
    return rng.normal(means[rng.integers(k, size=len(frames))], deviation)
