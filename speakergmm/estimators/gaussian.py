"""The Gaussian mixture with scikit-learn's interface, fitted by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import CollapsedComponentError, InvalidInputError
from speakergmm.estimators import initial_parameters, parameter_checks
from speakergmm.estimators.history import FitHistory, FitIteration
from speakergmm.estimators.information_criteria import InformationCriteria
from speakergmm.estimators.input_frames import TrainingFrames
from speakergmm.estimators.restarts import FitState
from speakergmm.estimators.starts import SINGLE_FRAMES, find_mixture_start
from speakergmm.estimators.streaming import StepwiseFit
from speakergmm.gaussians.covariances import Precision
from speakergmm.gaussians.em import EMResult
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.mixtures.maximum_likelihood import MaximumLikelihoodOptions
from speakergmm.mixtures.mixture import Mixture, make_mixture, mixture_of
from speakergmm.mixtures.mixture_training import train_from

# Where reg_covar keeps variances from zero in the data's units, the first does in any; clusters may
# lie a billion deviations apart. The second holds within a matrix: float64 keeps six digits of a
# density there, and few below.
_DEFAULT_FLOOR, _LEAST_EIGENVALUE = 1e-18, 1e-10


@dataclass(eq=False, repr=False)
class GaussianMixture(InformationCriteria, StepwiseFit):
    """Gaussian mixture, fitted by expectation-maximisation.

    Parameters, attributes and methods are those of scikit-learn's ``GaussianMixture``; from the
    same `random_state` it follows the same path to rounding. What is added: weights of frames,
    frames that come in blocks or are memory-mapped, float32 that an offset can't break, floors
    relative to the data, revival of dead components, and memory that does not grow with frames x
    components.

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
        A covariance matrix for each component; one for all; variances of features for each; one
        variance for each.
    tol : float, default=1e-3
        The fit has converged when the log-likelihood per frame changes by less.
    reg_covar : float, default=1e-6
        Added to all variances, in squared feature units.
    max_iter : int, default=100
        Most iterations; at 0 the start is the result.
    n_init : int, default=1
        Restarts, of which the best is kept.
    init_params : {"kmeans", "k-means++", "random_from_data", "random", "splitting"}, \
default="kmeans"
        The start; see `speakergmm.estimators.starts`.
    weights_init : array-like of shape (K,), default=None
        Weights of the start, in place of those of `init_params`.
    means_init : array-like of shape (K, D), default=None
        Means of the start.
    precisions_init : array-like, default=None
        Inverse covariances of the start; of shape (K, D, D), (D, D), (K, D), (K,) by the kind.
    random_state : int, RandomState or None, default=None
        Source of randomness of starts and of `sample`.
    warm_start : bool, default=False
        Whether `fit` goes on from the last fit, and `n_init` is ignored. Its last bound counts
        only for the same frames, weights and regularisation: with others the fit converges anew.
    verbose : int, default=0
        1 prints restarts and iterations, 2 their times and changes; a progress bar is shown if
        standard error is a terminal.
    verbose_interval : int, default=10
        Iterations between two lines.
    precision : {"auto", "float32", "float64"}, default="auto"
        In which densities are evaluated, in coordinates in which the data have mean 0 and
        variance near 1; sums over blocks are float64. "auto" takes float64 up to
        65,536 frames, where fits are scikit-learn's to rounding, and float32 beyond; what float32
        can't evaluate is evaluated in float64 all the same. On ill-conditioned data (offsets of
        1e5, scales from 1e-6 to 1e6, spreads and correlations of 1 to 1,000) ten iterations in
        either agree within 2e-4 of the bound, 0.1 in a frame's log-likelihood, and 2e-3 deviations
        of the data in the means.
    variance_floor : float or None, default=None
        Smallest variance, as a part of the variance of all frames in that feature (of an
        eigenvalue for matrices). None is 1e-18 where ``reg_covar > 0``, and for eigenvalues of a
        matrix 1e-10 of its own variances; where it is 0 there is no floor, and a collapsing
        component stops the fit with an error.
    min_occupancy : float, default=1e-3
        A component of less occupancy, in frames, is dead and shares the heaviest one's data from
        then on. At 0 none is ever dead.
    n_jobs : int, default=1
        Threads; -1 for all cores. Results don't depend on it.
    callback : callable, default=None
        Called with a `FitIteration` (restart, iteration, bound, seconds, n_floored, revived)
        after each iteration. What it raises ends the fit.
    checkpoint : path, default=None
        A file to which `fit` writes where it stands, and from which the same call of `fit` goes on
        where it was interrupted, by an exception or by a kill, to exactly the same result. A fit
        that has ended removes it; fits that run at the same time need a file each.
    checkpoint_seconds : float, default=5
        Least time between two writings; they take less than 1 % of the time in any case. At 0
        every iteration is written.
    step_exponent : float, default=0.7
        How fast the steps of `partial_fit` become smaller, in (0.5, 1]: the nearer to 0.5, the
        more is forgotten.
    step_offset : float, default=2
        Blocks by which these steps are ahead: the larger, the smaller the first ones are.
    step_size : float, default=None
        A constant step in their place, in (0, 1]: the part that each block has in what is known
        after it, for streams that drift. After n more blocks ``(1 - step_size) ** n`` of it is
        left.

    Attributes
    ----------
    mixture_ : Mixture
        The fitted mixture, frozen, in float64; what the following are derived from.
    weights_, means_, covariances_, precisions_, precisions_cholesky_ : array
        Parameters, read-only, of the type of the frames.
    converged_ : bool
        Whether the best restart converged.
    convergence_ : {"converged", "iteration_limit", "decreased"}
        Why it ended.
    n_iter_ : int
        Iterations of the best restart.
    lower_bound_ : float
        Log-likelihood per frame of its last iteration, before the update; where it fell, of the
        one before, whose mixture is kept.
    lower_bounds_ : list of float
        Of all its iterations. (scikit-learn's first one is less by ``log(T / K)`` after
        "k-means++" and "random_from_data": its weights of these starts sum to K / T.)
    history_ : FitHistory
        Bounds, seconds and events of its iterations; the last bound of each restart.
    precision_ : {"float32", "float64"}
        What was chosen.
    n_steps_ : int
        Blocks that `partial_fit` has learnt from.
    n_features_in_ : int
        Number of features, D.
    feature_names_in_ : array of shape (D,)
        Their names, where `X` had them.

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
        """Build a fitted estimator of a frozen mixture.

        Parameters
        ----------
        mixture : Mixture
            Of any kind, in feature units; or what holds one, such as a `BackgroundModel`.
        **parameters
            Of the constructor; `n_components` and `covariance_type` are the mixture's. With
            ``precision="auto"`` scores are computed in float64.

        Raises
        ------
        InvalidInputError
            If a parameter is out of range.

        Examples
        --------
        >>> from speakergmm.mixtures.mixture import SphericalMixture
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
                    # Of tied ones the covariance is that of all the other frames.
                    of_single_frames=self.init_params in SINGLE_FRAMES and not start.kind.is_shared,
                )
        return make_mixture(self.covariance_type, weights / weights.sum(), means, covariances)

    def _resume(self, frames: TrainingFrames) -> Mixture:
        k, d = self.mixture_.means.shape
        if (k, d) != (self.n_components, frames.n_features) or (
            self.mixture_.covariance_type != self.covariance_type
        ):
            raise InvalidInputError(
                f"warm_start goes on from {k} {self.mixture_.covariance_type} components of {d} "
                f"features, found {self.n_components} {self.covariance_type} of "
                f"{frames.n_features}"
            )
        return self.mixture_

    def _trainer(
        self, frames: TrainingFrames, precision: Precision
    ) -> Callable[..., EMResult[Mixture]]:
        return partial(
            train_from,
            frames.source,
            sample_weight=frames.sample_weight,
            max_iter=self.max_iter,
            tol=self.tol,
            options=self._update_options(),
            precision=precision,
            n_jobs=self.n_jobs,
            final_update=True,
            moments=frames.moments,
        )

    def _update_options(self) -> MaximumLikelihoodOptions:
        return MaximumLikelihoodOptions(
            variance_floor=self._floor(),
            least_eigenvalue=self._least_eigenvalue(),
            min_occupancy=self.min_occupancy,
            reg_covar=self.reg_covar,
        )

    def _check_iteration(self, iteration: FitIteration) -> None:
        # Without a floor, what was raised was rounding in place of a variance. The last iteration
        # is let pass: the mixture is finite, and the warning tells of degenerate data.
        unheld = self._floor() == 0 and self.reg_covar == 0
        if unheld and iteration.n_floored and iteration.iteration < self.max_iter:
            raise CollapsedComponentError(initial_parameters.ILL_DEFINED)
