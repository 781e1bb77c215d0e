"""Dirichlet-process mixture, sampled by collapsed Gibbs, with scikit-learn's interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, DensityMixin
from sklearn.utils import check_random_state

from speakergmm.estimators import parameter_checks
from speakergmm.estimators.estimator_records import Storable
from speakergmm.estimators.input_frames import Frames, check_in_memory
from speakergmm.estimators.mixture_scoring import MixtureScoring
from speakergmm.mixtures.gibbs import (
    GammaPrior,
    GibbsSweep,
    NormalInverseWishart,
    sample_dirichlet_process,
)
from speakergmm.mixtures.gibbs.samples import DirichletProcessSamples
from speakergmm.mixtures.mixture import Mixture
from speakergmm.records import Types
from speakergmm.run_context import RunContext


@dataclass(eq=False, repr=False)
class DirichletProcessMixture(
    Storable,
    MixtureScoring,
    DensityMixin,  # type: ignore[misc]
    ClusterMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Gaussian mixture with a Dirichlet process instead of a fixed number of components.

    Several chains of a collapsed Gibbs sampler draw partitions of the frames into clusters.
    `n_clusters_posterior_` is the posterior of the number of clusters, `r_hat_` shows whether the
    chains agree, and one representative partition becomes a mixture. `BayesianGaussianMixture` with
    its Dirichlet-process prior approximates the same model faster, by variational inference up to a
    maximum number of components. `score_samples` averages over partitions and parameters (for many
    frames `mixture_.log_likelihood` is much faster); `predict`, `predict_proba`, `sample`,
    `marginal` and `condition` are those of `mixture_`.

    Parameters
    ----------
    covariance_type : {"full", "diag"}, default="full"
        Kind of covariances of the clusters.
    concentration : float, pair of floats, or GammaPrior; default=(2.0, 4.0)
        Concentration of the Dirichlet process: the larger, the more clusters are expected. A pair
        (shape, rate) is a Gamma prior; the concentration is then sampled with the partitions.
    prior : NormalInverseWishart, optional
        Prior of the mean and covariance of a cluster, in feature units; by default
        `NormalInverseWishart.from_data`, which follows the location and scale of the data.
    within_fraction : float, default=0.2
        Share of the covariance of the data that the default prior expects within clusters.
    n_sweeps : int, default=200
        Number of sweeps over all frames in each chain, including the burn-in.
    burn_in : int, optional
        Number of first sweeps to discard; by default half of them.
    n_chains : int, default=4
        Number of independent chains.
    n_kept : int, default=50
        Maximum number of partitions per chain over which predictions are averaged.
    init : {"single", "singletons", "random", "sequential"} or int, default=20
        First partition of the chains; see `sample_dirichlet_process`.
    point_estimate : {"least_squares", "map"}, default="least_squares"
        Partition that defines `labels_` and `mixture_`: the kept one that is closest to the
        co-clustering probabilities (Dahl 2006), or the most probable one.
    random_state : int, RandomState or None, default=None
        Source of randomness of the chains and of `sample`; with an integer the chains are the same
        each time, whatever `n_jobs` is.
    n_jobs : int, optional
        Number of threads, on which chains run and frames are scored; -1 for all cores, None for the
        engine in use (`speakergmm.engine.use`).
    verbose : int, default=0
        1 shows a progress bar on a terminal.
    callback : callable, optional
        Called with a `GibbsSweep` after each sweep of each chain. An exception that it raises ends
        the fit.

    Attributes
    ----------
    samples_ : DirichletProcessSamples
        The chains: kept partitions, co-clustering probabilities, predictive density.
    labels_ : array of int, shape (T,)
        Cluster of each frame of the fit, 0 being the largest. The partition is a sample, and may
        differ from `predict` for frames between clusters.
    mixture_ : FullMixture or DiagonalMixture
        Mixture of the clusters of `labels_`, with posterior means of their parameters, in float64.
    weights_, means_, covariances_, precisions_, precisions_cholesky_ : arrays
        Parameters of `mixture_`, in the type of the frames.
    n_components_ : int
        Number of clusters of `labels_`.
    n_clusters_posterior_ : dict
        Posterior probability of each number of clusters.
    n_clusters_trace_, concentration_trace_, log_probability_trace_ : array, shape (C, S)
        Number of clusters, concentration, and log-probability of frames and partition after each
        sweep of each chain, those of the burn-in included.
    r_hat_, effective_sample_size_ : dict
        Convergence diagnostics of each trace after the burn-in, computed by ArviZ on access.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of features, D.

    Notes
    -----
    A file that `save` writes contains the frames of the fit, which `score_samples` needs.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(c, 0.5, (50, 2)) for c in (-5.0, 0.0, 5.0)])
    >>> model = DirichletProcessMixture(n_chains=2, random_state=0).fit(X)
    >>> model.n_components_, max(model.n_clusters_posterior_.values()) > 0.5
    (3, True)
    >>> len(set(model.predict([[-5.0, -5.0], [0.0, 0.0], [5.0, 5.0]]).tolist()))
    3
    """

    file_kind: ClassVar[str] = "dirichlet process mixture"
    _parameter_types: ClassVar[Types] = {
        "concentration": GammaPrior | tuple[float, float] | float,
        "prior": NormalInverseWishart | None,
    }

    # The sampler computes in float64, and so do scores.
    precision_ = "float64"

    covariance_type: Literal["full", "diag"] = "full"
    _: KW_ONLY
    concentration: float | tuple[float, float] | GammaPrior = (2.0, 4.0)
    prior: NormalInverseWishart | None = None
    within_fraction: float = 0.2
    n_sweeps: int = 200
    burn_in: int | None = None
    n_chains: int = 4
    n_kept: int = 50
    init: Literal["single", "singletons", "random", "sequential"] | int = 20
    point_estimate: Literal["least_squares", "map"] = "least_squares"
    random_state: Any = None
    n_jobs: int | None = None
    verbose: int = 0
    callback: Callable[[GibbsSweep], None] | None = None
    mixture_: Mixture = field(init=False)
    samples_: DirichletProcessSamples = field(init=False)
    labels_: Annotated[NDArray[np.int64], "T"] = field(init=False)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Sample partitions of the frames, and build a mixture from a representative one.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks of shape (T_i, D)
            Frames, all of which are held in memory in float64.
        y : ignored
            Present for pipelines.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, or frames are not a finite matrix (the message names the
            first bad row and column).

        Notes
        -----
        An interrupted fit leaves the estimator unchanged.
        """
        self._check_parameters()
        frames = check_in_memory(self, X, fitting=True)
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        samples = sample_dirichlet_process(
            frames,
            covariance_type=self.covariance_type,
            concentration=self.concentration,
            within_fraction=self.within_fraction,
            n_sweeps=self.n_sweeps,
            burn_in=self.burn_in,
            n_chains=self.n_chains,
            n_kept=self.n_kept,
            init=self.init,
            seed=seed,
            prior=self.prior,
            engine=parameter_checks.engine_of(self),
            run=RunContext(callback=self.callback, progress=bool(self.verbose)),
        )
        labels = samples.partition(self.point_estimate)
        self.mixture_ = samples.to_mixture(labels)
        self.labels_, self.samples_ = labels, samples
        self._set_numbers()
        self._set_dtype(frames.dtype, stacklevel=3)
        return self

    def _set_numbers(self) -> None:
        self.n_components_ = self.mixture_.n_components
        self.n_clusters_posterior_ = self.samples_.n_clusters_posterior()
        self.n_iter_ = self.samples_.n_sweeps

    def _restored(self, parts: Types) -> None:
        super()._restored(parts)
        if self.mixture_.n_features != self.samples_.prior.n_features:
            raise ValueError("mixture and samples have different numbers of features")
        if self.labels_.shape != self.samples_.best_labels.shape:
            raise ValueError(f"labels of shape {self.labels_.shape}")
        if not 0 <= self.labels_.min() <= self.labels_.max() < self.mixture_.n_components:
            raise ValueError("labels name components that the mixture does not have")
        self._set_numbers()

    # Scores average over partitions and parameters; posteriors are those of `mixture_`.
    def _log_likelihood(self, X: Frames) -> NDArray[np.floating[Any]]:
        return self.samples_.log_predictive(X)

    @property
    def n_clusters_trace_(self) -> NDArray[np.int64]:
        """Number of clusters, shape (C, S)."""
        return self.samples_.n_clusters

    @property
    def concentration_trace_(self) -> NDArray[np.float64]:
        """Concentration of the Dirichlet process, shape (C, S)."""
        return self.samples_.concentration

    @property
    def log_probability_trace_(self) -> NDArray[np.float64]:
        """Log-probability of frames and partition, shape (C, S)."""
        return self.samples_.log_probability

    @property
    def r_hat_(self) -> dict[str, float]:
        """R-hat of each trace after the burn-in; requires ArviZ."""
        return self.samples_.r_hat()

    @property
    def effective_sample_size_(self) -> dict[str, float]:
        """Effective number of independent draws in each trace after the burn-in; requires ArviZ."""
        return self.samples_.effective_sample_size()

    def _check_parameters(self) -> None:
        # The sampler checks the parameters that it receives.
        parameter_checks.check_choice(self, "point_estimate", ("least_squares", "map"))
        if self.prior is not None and not isinstance(self.prior, NormalInverseWishart):
            raise parameter_checks.invalid_parameter(
                self, "prior", "a NormalInverseWishart or None"
            )
        if not isinstance(self.verbose, bool | Integral):
            raise parameter_checks.invalid_parameter(self, "verbose", "an int")
        parameter_checks.check_callable(self, "callback")
