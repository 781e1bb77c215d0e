"""Bayesian Gaussian mixture with scikit-learn's interface, by variational inference."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.base import BaseMixtureEstimator, Progress
from speakergmm.estimators.bayesian_prior import build_prior, check_prior_parameters
from speakergmm.estimators.bayesian_scoring import PosteriorScoring
from speakergmm.estimators.input_frames import TrainingFrames
from speakergmm.estimators.parameter_checks import engine_of
from speakergmm.estimators.restarts import FitState
from speakergmm.estimators.starts import find_mixture_start
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.em import EMResult, Iteration
from speakergmm.mixtures.mixture_options import VariationalOptions
from speakergmm.mixtures.variational.closed_form import posterior_from_statistics
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.variational_training import train_variational
from speakergmm.run_context import RunContext


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Posterior that a restart trains, with the evidence bound of its last iteration."""

    posterior: VariationalPosterior
    elbo: float


@dataclass(eq=False, repr=False)
class BayesianGaussianMixture(PosteriorScoring, BaseMixtureEstimator):
    """Bayesian Gaussian mixture: a distribution over mixtures, by variational inference.

    Parameters, attributes and methods are those of scikit-learn's ``BayesianGaussianMixture``;
    with the same `random_state` every iteration equals scikit-learn's to rounding. Added are
    weights of frames, frames in blocks or memory-mapped files, the bound on the evidence with all
    its constants, conjugate priors of restricted covariances, the posterior predictive density,
    evaluation in float32 that is safe for data far from zero, and memory that does not grow with
    frames x components.

    Parameters
    ----------
    n_components : int, default=1
        Maximum number of components, K; those that the frames do not need stay empty.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        One covariance matrix per component; one matrix for all components; one variance per
        component and feature; one variance per component.
    tol : float, default=1e-3
        The fit has converged when the lower bound, summed over the frames, changes by less (or by
        less than its rounding error).
    reg_covar : float, default=1e-6
        Number added to the variances of the frames of each component, in squared feature units.
    max_iter : int, default=100
        Maximum number of iterations; with 0 the start itself is the result.
    n_init : int, default=1
        Number of restarts, of which the one with the best bound is kept.
    init_params : {"kmeans", "k-means++", "random_from_data", "random", "splitting"}, \
default="kmeans"
        Method that finds the start; see `speakergmm.estimators.starts`.
    weight_concentration_prior_type : {"dirichlet_process", "dirichlet_distribution"}, \
default="dirichlet_process"
        Prior of the weights: a stick-breaking process, or a Dirichlet distribution.
    weight_concentration_prior : float or None, default=None
        Concentration of the prior of the weights; the smaller, the fewer components. None stands
        for 1 / K.
    mean_precision_prior : float or None, default=None
        Number of frames that the prior mean counts as. None stands for 1.
    mean_prior : array-like of shape (D,), default=None
        Prior mean; by default the mean of the frames.
    degrees_of_freedom_prior : float or None, default=None
        Number of frames that the prior covariance counts as; > D - 1 (> 0 for a conjugate prior of
        diagonal or spherical covariances). None stands for D.
    covariance_prior : float or array-like, default=None
        Inverse scale of the prior of the precisions: an array of shape (D, D) for full and tied
        covariances, of shape (D,) for diagonal ones, a number for spherical ones. By default the
        covariance of the frames (for spherical ones, the mean of their variances), raised above
        zero where the frames do not vary.
    random_state : int, RandomState or None, default=None
        Source of randomness of starts and of `sample`.
    warm_start : bool, default=False
        Whether `fit` continues from the last fit and ignores `n_init`.
    verbose : int, default=0
        1 prints restarts and iterations, 2 also their times and changes of the bound; a progress
        bar is shown if standard error is a terminal.
    verbose_interval : int, default=10
        Number of iterations between two printed lines.
    covariance_prior_type : {"wishart", "conjugate"}, default="wishart"
        Prior whose expectations of the precisions are used: scikit-learn's, or that of a model in
        which the precisions themselves are restricted; see
        `speakergmm.mixtures.variational.VariationalPrior`.
    precision : {"auto", "float32", "float64"}, default="auto"
        Type in which densities are evaluated; see `GaussianMixture`. In float32 the bound, a sum
        over the frames, is accurate to about 1e-7 nats per frame and feature: a fit whose bound
        changes by less counts as converged, even if `tol` is smaller.
    n_jobs : int, optional
        Number of threads; -1 for all cores, None for the engine in use (`speakergmm.engine.use`),
        which is one thread unless told otherwise. Results do not depend on it.
    callback : callable, default=None
        Called with a `FitIteration` after each iteration. An exception that it raises ends the fit.
    checkpoint, checkpoint_seconds
        File from which an interrupted fit resumes; see `GaussianMixture`.

    Attributes
    ----------
    posterior_ : VariationalPosterior
        The fitted distribution, frozen, in float64, from which the following parameters are
        derived.
    prior_ : VariationalPrior
        The prior of the fit; its parameters are also available as `weight_concentration_prior_`,
        `mean_precision_prior_`, `mean_prior_`, `degrees_of_freedom_prior_` and `covariance_prior_`.
    mixture_ : Mixture
        Mixture of expected weights, expected means, and inverses of expected precisions.
    weights_, means_, covariances_, precisions_, precisions_cholesky_ : array
        Parameters of `mixture_`, in the type of the frames.
    weight_concentration_ : array of shape (K,), or tuple of two
        Parameters of the Dirichlet distribution, or of the Beta distributions of a Dirichlet
        process.
    mean_precision_, degrees_of_freedom_ : array of shape (K,)
        Numbers of frames that means and covariances rest on; for tied covariances, the latter is
        one number.
    elbo_ : float
        Lower bound on the log-evidence, in nats, with all constants; -inf without an iteration.
    lower_bound_ : float
        The bound as scikit-learn defines it, without its constants, summed over the frames.
    lower_bounds_ : list of float
        Bounds in all iterations of the best restart.
    converged_, convergence_, n_iter_, history_, precision_, n_features_in_, feature_names_in_
        See `GaussianMixture`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(m, 1.0, (150, 2)) for m in (-9.0, 0.0, 9.0)])
    >>> mixture = BayesianGaussianMixture(
    ...     n_components=8, weight_concentration_prior=1e-3, max_iter=500, random_state=0
    ... ).fit(X)
    >>> mixture.n_effective()
    3
    """

    file_kind: ClassVar[str] = "bayesian gaussian mixture"
    _fit_state: ClassVar[Any] = FitState[VariationalPosterior, _State]
    _objective_parameters: ClassVar[tuple[str, ...]] = (
        "reg_covar",
        "weight_concentration_prior",
        "mean_precision_prior",
        "mean_prior",
        "degrees_of_freedom_prior",
        "covariance_prior",
    )

    _: KW_ONLY
    n_components: int = 1
    weight_concentration_prior_type: Literal["dirichlet_process", "dirichlet_distribution"] = (
        "dirichlet_process"
    )
    weight_concentration_prior: float | None = None
    mean_precision_prior: float | None = None
    mean_prior: ArrayLike | None = None
    degrees_of_freedom_prior: float | None = None
    covariance_prior: float | ArrayLike | None = None
    covariance_prior_type: Literal["wishart", "conjugate"] = "wishart"

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_prior_parameters(self)

    def _check_against_frames(self, frames: TrainingFrames) -> None:
        self.prior_ = build_prior(self, frames)

    def _begin(self, frames: TrainingFrames, random_state: np.random.RandomState) -> _State:
        start = find_mixture_start(
            frames,
            self.init_params,
            n_components=self.n_components,
            covariance_type=self.covariance_type,
            random_state=random_state,
        )
        posterior = posterior_from_statistics(start, prior=self.prior_, reg_covar=self.reg_covar)
        return _State(posterior, -math.inf)

    def _resume(self, frames: TrainingFrames) -> _State:
        last = self.posterior_
        asked = (self.n_components, frames.n_features, self.covariance_type)
        found = (last.n_components, last.n_features, last.covariance_type)
        kinds = (self.weight_concentration_prior_type, self.covariance_prior_type)
        if asked != found or kinds != (last.weight_concentration_type, last.covariance_prior_type):
            raise InvalidInputError(
                f"warm_start continues from {found[0]} {found[2]} components of {found[1]} "
                f"features with the same kinds of priors, found {asked[0]} {asked[2]} of {asked[1]}"
            )
        return _State(last, -math.inf)

    def _trainer(
        self, frames: TrainingFrames, precision: Precision
    ) -> Callable[..., EMResult[_State]]:
        return partial(self._infer, frames, precision)

    def _infer(
        self,
        frames: TrainingFrames,
        precision: Precision,
        state: _State,
        *,
        previous: float | None,
        callback: Progress,
        checkpoint: Any,  # a Resumable, or None
    ) -> EMResult[_State]:
        # The training loop takes bounds and tolerances per frame, scikit-learn for the sum over all
        # frames.
        weight = frames.moments.weight

        def summed(iteration: Iteration) -> Iteration:
            return replace(iteration, objective=iteration.objective * weight)

        result = train_variational(
            frames.source,
            state.posterior,
            VariationalOptions(
                max_iter=self.max_iter,
                tol=self.tol / weight,
                reg_covar=self.reg_covar,
                precision=precision,
            ),
            prior=self.prior_,
            sample_weight=frames.sample_weight,
            moments=frames.moments,
            previous=None if previous is None else previous / weight,
            engine=engine_of(self),
            run=RunContext(
                callback=lambda number, iteration: callback(number, summed(iteration)),
                checkpoint=checkpoint,
            ),
        )
        history = tuple(summed(iteration) for iteration in result.em.history)
        return EMResult(_State(result.model, result.elbo), history, result.em.convergence)

    def _running_state(self, model: VariationalPosterior) -> _State:
        return _State(model, -math.inf)

    def _keep(self, frames: TrainingFrames, state: _State) -> None:
        self._set_posterior(state.posterior, state.elbo)
