"""Mixtures by maximum likelihood: kinds of covariance, numbers of components, EM, k-means."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from settings import Settings
from sklearn.cluster import KMeans
from speech import Frames

from speakergmm.estimators import (
    FitIteration,
    GaussianMixture,
    Selection,
    count_parameters,
    select_n_components,
)
from speakergmm.mixtures import (
    Mixture,
    MixtureStatistics,
    SphericalMixture,
    UpdateReport,
    accumulate,
    expectation_maximisation,
)
from speakergmm.run_context import RunContext

KINDS = ("spherical", "diag", "tied", "full")
STARTS = ("kmeans", "k-means++", "random_from_data", "random", "splitting")
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """A mixture, with the mean log-likelihoods of training frames and of other speakers' frames."""

    kind: str
    n_components: int
    n_parameters: int
    mixture: Mixture
    fitted: float
    held_out: float


def compare_kinds(
    training: Array, others: Array, numbers: tuple[int, ...], seed: int
) -> list[Scored]:
    """Fit each kind of covariance with each number of components."""
    found = []
    for kind in KINDS:
        for k in numbers:
            model = GaussianMixture(k, covariance_type=kind, max_iter=200, random_state=seed).fit(
                training
            )
            size = count_parameters(kind, k, training.shape[1])
            scores = (model.score(training), model.score(others))
            found.append(Scored(kind, k, size, model.mixture_, *scores))
    return found


def select(speech: Frames, settings: Settings, *, jobs: int) -> dict[str, Selection]:
    """Select the number of full components by BIC, by held-out frames and by held-out speakers."""
    n_folds = min(settings.n_folds, len(np.unique(speech.speakers)))
    found = {}
    for name, criterion, groups in (
        ("BIC", "bic", None),
        ("random frames held out", "held_out", None),
        ("speakers held out", "held_out", speech.speakers),
    ):
        found[name] = select_n_components(
            speech.cepstra,
            settings.path,
            criterion=criterion,
            covariance_type="full",
            groups=groups,
            cv=n_folds,
            engine=jobs,
            seed=settings.seed,
            run=RunContext(progress=True),
        )
    return found


@dataclass(frozen=True, slots=True)
class Course:
    """One run of EM: the log-likelihood per frame in each iteration."""

    start: str
    seed: int
    bounds: Array
    seconds: float

    @property
    def largest_decrease(self) -> float:
        """Largest decrease of the log-likelihood between iterations; 0 if there is none."""
        return float(max(0.0, -np.diff(self.bounds).min(initial=0.0)))


def watch_em(frames: Array, settings: Settings) -> list[Course]:
    """Run EM until it converges, from several starts of each kind.

    Nothing is added to variances, so that each iteration is exact EM, and the log-likelihood cannot
    decrease.
    """
    courses = []
    for start in STARTS:
        # Splitting is not random.
        for restart in range(1 if start == "splitting" else settings.n_restarts):
            seen: list[FitIteration] = []
            began = perf_counter()
            GaussianMixture(
                settings.n_em_components,
                covariance_type="diag",
                init_params=start,
                reg_covar=0.0,
                variance_floor=1e-4,
                tol=1e-5,
                max_iter=200,
                random_state=settings.seed + restart,
                precision="float64",
                callback=seen.append,
            ).fit(frames)
            bounds = np.array([iteration.bound for iteration in seen])
            courses.append(Course(start, restart, bounds, perf_counter() - began))
    return courses


@dataclass(frozen=True, slots=True)
class Limit:
    """Mixtures with shrinking spherical covariances, and k-means from the same centres."""

    deviations: Array
    agreement: Array
    certainty: Array
    labels: Mapping[float, NDArray[np.integer]]
    kmeans: NDArray[np.integer]


def approach_kmeans(frames: Array, settings: Settings) -> Limit:
    """Fit weights and means with all covariances fixed to smaller and smaller spherical ones.

    Standard deviations are relative to the root of the mean variance of the data.
    """
    rng = np.random.default_rng(settings.seed)
    centres = frames[rng.choice(len(frames), settings.n_limit_components, replace=False)]
    hard = KMeans(len(centres), init=centres, n_init=1, tol=0.0, max_iter=1000).fit(frames)
    spread = np.sqrt(frames.var(axis=0).mean())
    agreement, certainty, labels = [], [], {}
    for deviation in settings.deviations:
        model = _fit_round(frames, centres, deviation * spread)
        labels[deviation] = model.predict(frames, precision="float64")
        agreement.append(np.mean(labels[deviation] == hard.labels_))
        certainty.append(model.posteriors(frames, precision="float64").max(axis=1).mean())
    return Limit(
        np.array(settings.deviations),
        np.array(agreement),
        np.array(certainty),
        labels,
        hard.labels_,
    )


def _fit_round(frames: Array, centres: Array, deviation: float) -> SphericalMixture:
    """Train weights and means by EM, with all covariances fixed to deviation^2 I."""
    k = len(centres)
    variances = np.full(k, deviation**2)

    def update(
        statistics: MixtureStatistics, model: SphericalMixture
    ) -> tuple[SphericalMixture, UpdateReport]:
        counts = statistics.counts[:, None]
        # The mean of a component without frames does not move, as in k-means.
        means = np.where(
            counts > 0, statistics.first_order / np.maximum(counts, 1e-300), model.means
        )
        return SphericalMixture(statistics.counts / len(frames), means, variances), UpdateReport()

    return expectation_maximisation(
        SphericalMixture(np.full(k, 1 / k), centres, variances),
        lambda model: accumulate(model, frames, precision="float64", second_order=False),
        update,
        max_iter=500,
        tol=1e-9,
    ).model
