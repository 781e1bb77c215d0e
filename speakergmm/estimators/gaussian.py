"""Gaussian mixture with scikit-learn's interface, fitted by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import CollapsedComponentError, InvalidInputError
from speakergmm.estimators import initial_parameters, parameter_checks
from speakergmm.estimators.base import Progress
from speakergmm.estimators.history import FitHistory, FitIteration
from speakergmm.estimators.information_criteria import InformationCriteria
from speakergmm.estimators.input_frames import TrainingFrames
from speakergmm.estimators.restarts import FitState
from speakergmm.estimators.starts import SINGLE_FRAMES, find_mixture_start
from speakergmm.estimators.streaming import StepwiseFit
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.em import EMResult
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.mixtures.mixture import Mixture, make_mixture, mixture_of
from speakergmm.mixtures.mixture_options import EMOptions, MaximumLikelihoodOptions
from speakergmm.mixtures.mixture_training import train_from
from speakergmm.run_context import RunContext

# `reg_covar` keeps variances above zero in the units of the data; the first floor, relative to the
# variance of all frames, does so in any units, for clusters up to a billion deviations apart. The
# second limits the condition of a covariance matrix: float64 keeps six digits of a density there,
# and few beyond.
_DEFAULT_FLOOR, _LEAST_EIGENVALUE = 1e-18, 1e-10


@dataclass(eq=False, repr=False)
class GaussianMixture(InformationCriteria, StepwiseFit):
    """Gaussian mixture, fitted by expectation-maximisation.

    Parameters, attributes and methods are those of scikit-learn's ``GaussianMixture``; with the
    same `random_state` every iteration equals scikit-learn's to rounding. Added are weights of
    frames, frames in blocks or memory-mapped files, evaluation in float32 that is safe for data far
    from zero, variance floors relative to the data, revival of dead components, and memory that
    does not grow with frames x components.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        One covariance matrix per component; one matrix for all components; one variance per
        component and feature; one variance per component.
    tol : float, default=1e-3
        The fit has converged when the log-likelihood per frame changes by less, in nats.
    reg_covar : float, default=1e-6
        Number added to all variances, in squared feature units.
    max_iter : int, default=100
        Maximum number of iterations; with 0 the start itself is the result.
    n_init : int, default=1
        Number of restarts, of which the best is kept.
    init_params : {"kmeans", "k-means++", "random_from_data", "random", "splitting"}, \
default="kmeans"
        Method that finds the start; see `speakergmm.estimators.starts`.
    weights_init : array-like of shape (K,), default=None
        Weights of the start, instead of those that `init_params` finds.
    means_init : array-like of shape (K, D), default=None
        Means of the start.
    precisions_init : array-like, default=None
        Inverse covariances of the start, of shape (K, D, D), (D, D), (K, D) or (K,), depending on
        `covariance_type`.
    random_state : int, RandomState or None, default=None
        Source of randomness of starts and of `sample`.
    warm_start : bool, default=False
        Whether `fit` continues from the last fit and ignores `n_init`. The last bound is compared
        only if frames, weights and regularisation are the same.
    verbose : int, default=0
        1 prints restarts and iterations, 2 also their times and changes of the bound; a progress
        bar is shown if standard error is a terminal.
    verbose_interval : int, default=10
        Number of iterations between two printed lines.
    precision : {"auto", "float32", "float64"}, default="auto"
        Type in which densities are evaluated, on data standardised to mean 0 and variance near 1;
        sums over blocks are float64. "auto" uses float64 for up to 65,536 frames, for which fits
        equal scikit-learn's to rounding, and float32 for more; components for which float32 is too
        coarse are evaluated in float64 in any case. On ill-conditioned data (offsets of 1e5,
        scales from 1e-6 to 1e6, ratios of spreads and correlations up to 1,000) ten iterations in
        float32 and float64 agree within 2e-4 in the bound, 0.1 nats in the log-likelihood of a
        frame, and 2e-3 standard deviations of the data in the means.
    variance_floor : float or None, default=None
        Smallest variance, as a fraction of the variance of all frames in the same feature (for
        matrices, smallest eigenvalue). None stands for 1e-18 if ``reg_covar > 0``, with a smallest
        eigenvalue of a matrix of 1e-10 of its own variances; if ``reg_covar = 0`` there is no
        floor, and a collapsing component stops the fit with an error.
    min_occupancy : float, default=1e-3
        A component whose occupancy, in frames, is smaller is dead: it is revived with a share of
        the heaviest component's data. At 0 no component is ever dead.
    n_jobs : int, optional
        Number of threads; -1 for all cores, None for the engine in use (`speakergmm.engine.use`),
        which is one thread unless told otherwise. Results do not depend on it.
    callback : callable, default=None
        Called with a `FitIteration` (restart, iteration, bound, seconds, n_floored, revived)
        after each iteration. An exception that it raises ends the fit.
    checkpoint : path, default=None
        File to which `fit` writes its state, and from which the same call of `fit` resumes after
        an exception or a kill, to exactly the same result. A fit that has ended removes the file;
        fits that run at the same time need a file each.
    checkpoint_seconds : float, default=5
        Least time between two writings, in seconds; writing takes less than 1 % of the time in any
        case. At 0 the state is written after every iteration.
    step_exponent : float, default=0.7
        Exponent of the decreasing steps of `partial_fit`, in (0.5, 1]: the nearer to 0.5, the
        faster earlier blocks are forgotten.
    step_offset : float, default=2
        Number that is added to the number of blocks in the formula of these steps; larger numbers
        make the first steps smaller.
    step_size : float, default=None
        Constant step instead of decreasing ones, in (0, 1], for streams that drift: the share of
        each block in the statistics after it. After n more blocks its share is
        ``step_size * (1 - step_size) ** n``.

    Attributes
    ----------
    mixture_ : Mixture
        The fitted mixture, frozen, in float64, from which the following parameters are derived.
    weights_, means_, covariances_, precisions_, precisions_cholesky_ : array
        Parameters, read-only, in the type of the frames.
    converged_ : bool
        True if the best restart converged.
    convergence_ : {"converged", "iteration_limit", "decreased"}
        Reason why the best restart ended.
    n_iter_ : int
        Number of iterations of the best restart.
    lower_bound_ : float
        Log-likelihood per frame in the last iteration of the best restart, before its update; if
        it decreased, that of the iteration before, whose mixture is kept.
    lower_bounds_ : list of float
        Log-likelihood per frame in each of its iterations. (scikit-learn's first one is smaller by
        ``log(T / K)`` after "k-means++" and "random_from_data", because its weights of these starts
        sum to K / T.)
    history_ : FitHistory
        Bounds, times and events of these iterations; the last bound of each restart.
    precision_ : {"float32", "float64"}
        Type in which densities were evaluated.
    n_steps_ : int
        Number of blocks that `partial_fit` has learnt from.
    n_features_in_ : int
        Number of features, D.
    feature_names_in_ : array of shape (D,)
        Names of the features, if `X` had names.

    Examples
    --------
    >>> X = np.array([[1.0, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> mixture = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> mixture.means_[mixture.means_[:, 0].argsort()].round(6)
    array([[ 1.,  2.],
           [10.,  2.]])
    >>> labels = mixture.predict([[0, 0], [12, 3]])
    >>> bool(labels[0] == labels[1])
    False
    """

    file_kind: ClassVar[str] = "gaussian mixture"
    _fit_state: ClassVar[Any] = FitState[Mixture, Mixture]
    _objective_parameters: ClassVar[tuple[str, ...]] = (
        "reg_covar",
        "variance_floor",
        "min_occupancy",
    )

    _: KW_ONLY
    weights_init: ArrayLike | None = None
    means_init: ArrayLike | None = None
    precisions_init: ArrayLike | None = None
    variance_floor: float | None = None
    min_occupancy: float = 1e-3

    @classmethod
    def from_mixture(cls, mixture: Mixture, **parameters: Any) -> Self:
        """Build a fitted estimator from a frozen mixture.

        Parameters
        ----------
        mixture : Mixture
            Mixture of any kind, in feature units; or an object that has one, such as a
            `BackgroundModel`.
        **parameters
            Further parameters of the constructor; `n_components` and `covariance_type` are the
            mixture's. With ``precision="auto"`` scores are computed in float64.

        Raises
        ------
        InvalidInputError
            If a parameter is out of range.

        Examples
        --------
        >>> from speakergmm.mixtures import SphericalMixture
        >>> mixture = SphericalMixture([0.5, 0.5], [[-1.0], [1.0]], [1.0, 1.0])
        >>> GaussianMixture.from_mixture(mixture).predict([[-3.0], [2.0]])
        array([0, 1])
        """
        mixture = mixture_of(mixture)
        estimator = cls(mixture.n_components, covariance_type=mixture.covariance_type, **parameters)
        estimator._check_parameters()
        estimator.mixture_ = mixture
        estimator.n_features_in_ = mixture.n_features
        estimator._dtype = np.dtype(np.float64)
        estimator.precision_ = "float64" if estimator.precision == "auto" else estimator.precision
        estimator.convergence_ = "iteration_limit"
        estimator.converged_ = False
        estimator.n_iter_ = 0
        estimator.lower_bound_ = -math.inf
        estimator.lower_bounds_ = []
        estimator.history_ = FitHistory()
        return estimator

    def _check_parameters(self) -> None:
        super()._check_parameters()
        parameter_checks.check_real(self, "variance_floor", least=0.0, below=1.0, none=True)
        parameter_checks.check_real(self, "min_occupancy", least=0.0)

    def _check_against_frames(self, frames: TrainingFrames) -> None:
        k, d = self.n_components, frames.n_features
        if self.weights_init is not None:
            initial_parameters.check_initial_weights(self.weights_init, k)
        if self.means_init is not None:
            initial_parameters.check_initial_means(self.means_init, k, d)
        if self.precisions_init is not None:
            initial_parameters.check_initial_precisions(
                self.precisions_init, self.covariance_type, k, d
            )

    def _floor(self) -> float:
        if self.variance_floor is not None:
            return float(self.variance_floor)
        return _DEFAULT_FLOOR if self.reg_covar > 0 else 0.0

    def _least_eigenvalue(self) -> float:
        return _LEAST_EIGENVALUE if self.variance_floor is None and self.reg_covar > 0 else 0.0

    def _begin(self, frames: TrainingFrames, random_state: np.random.RandomState) -> Mixture:
        k, d = self.n_components, frames.n_features
        # Parameters of the start that the user has passed.
        weights = means = covariances = None
        if self.weights_init is not None:
            weights = initial_parameters.check_initial_weights(self.weights_init, k)
        if self.means_init is not None:
            means = initial_parameters.check_initial_means(self.means_init, k, d)
        if self.precisions_init is not None:
            covariances = covariance_kind(self.covariance_type).inverses(
                initial_parameters.check_initial_precisions(
                    self.precisions_init, self.covariance_type, k, d
                )
            )
        if weights is None or means is None or covariances is None:
            # The others come from the chosen method, as statistics of each component.
            start = find_mixture_start(
                frames,
                self.init_params,
                n_components=k,
                covariance_type=self.covariance_type,
                random_state=random_state,
                unit=frames.weight_unit,
            )
            assert start.origins is not None
            weights = start.counts if weights is None else weights
            means = start.origins if means is None else means
            if covariances is None:
                covariances = initial_parameters.initial_covariances(
                    start,
                    reg_covar=self.reg_covar,
                    variance_floor=self._floor(),
                    least_eigenvalue=self._least_eigenvalue(),
                    data_variance=frames.moments.variance,
                    # A tied covariance is that of all the other frames.
                    of_single_frames=self.init_params in SINGLE_FRAMES and not start.kind.is_shared,
                )
        return make_mixture(self.covariance_type, weights / weights.sum(), means, covariances)

    def _resume(self, frames: TrainingFrames) -> Mixture:
        k, d = self.mixture_.means.shape
        if (k, d) != (self.n_components, frames.n_features) or (
            self.mixture_.covariance_type != self.covariance_type
        ):
            raise InvalidInputError(
                f"warm_start continues from {k} {self.mixture_.covariance_type} components of {d} "
                f"features, found {self.n_components} {self.covariance_type} of "
                f"{frames.n_features}"
            )
        return self.mixture_

    def _trainer(
        self, frames: TrainingFrames, precision: Precision
    ) -> Callable[..., EMResult[Mixture]]:
        def train(
            start: Mixture,
            *,
            previous: float | None,
            callback: Progress,
            checkpoint: Any,  # a Resumable, or None
        ) -> EMResult[Mixture]:
            return train_from(
                frames.source,
                start,
                EMOptions(
                    max_iter=self.max_iter,
                    tol=self.tol,
                    precision=precision,
                    update=self._update_options(),
                ),
                sample_weight=frames.sample_weight,
                moments=frames.moments,
                previous=previous,
                engine=parameter_checks.engine_of(self),
                run=RunContext(callback=callback, checkpoint=checkpoint),
            )

        return train

    def _update_options(self) -> MaximumLikelihoodOptions:
        return MaximumLikelihoodOptions(
            variance_floor=self._floor(),
            least_eigenvalue=self._least_eigenvalue(),
            min_occupancy=self.min_occupancy,
            reg_covar=self.reg_covar,
        )

    def _check_iteration(self, iteration: FitIteration) -> None:
        # Without a floor, a variance that was raised had vanished in rounding. This is tolerated in
        # the last iteration: the mixture is finite, and a warning mentions degenerate data.
        has_no_floor = self._floor() == 0 and self.reg_covar == 0
        if has_no_floor and iteration.n_floored and iteration.iteration < self.max_iter:
            raise CollapsedComponentError(initial_parameters.ILL_DEFINED)
