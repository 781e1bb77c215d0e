"""Hidden Markov models whose states emit mixtures of Gaussians, with hmmlearn's interface."""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import parameter_checks
from speakergmm.estimators.estimator_records import Storable
from speakergmm.estimators.hmm.hmmlearn_conversion import HmmlearnConversion
from speakergmm.estimators.hmm.inference import HiddenMarkovInference
from speakergmm.estimators.hmm.monitor import FitMonitor
from speakergmm.estimators.starts import cluster
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.hmm.inference.sequences import Sequences, as_sequences, check_sequence_weights
from speakergmm.hmm.models.dense import PARAMETERS, HiddenMarkovParameters, check_parameters
from speakergmm.hmm.models.dense_graph import FINAL, is_left_right, start_of_topology
from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors, make_priors
from speakergmm.hmm.training.dense_options import DenseTrainingOptions
from speakergmm.hmm.training.dense_start import initialise_emissions
from speakergmm.hmm.training.dense_training import (
    HiddenMarkovIteration,
    sequence_moments,
    train_dense_model,
)
from speakergmm.mixtures.mixture import Mixture, make_mixture
from speakergmm.moments import Moments
from speakergmm.parallel import Workers
from speakergmm.records import Types

_log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class GaussianMixtureHMM(
    HiddenMarkovInference,
    HmmlearnConversion,
    Storable,
    BaseEstimator,  # type: ignore[misc]
):
    """Hidden Markov model with Gaussian mixtures as emissions, in the place of hmmlearn's GMMHMM.

    Parameters
    ----------
    n_components : int, default=1
        Number of states, S.
    n_mix : int, default=1
        Number of Gaussians of each state, M.
    min_covar : float, default=1e-3
        Smallest variance, or eigenvalue of a covariance, in squared feature units; of features
        whose variance is less than 1, as a part of that. Kept in every iteration (where hmmlearn
        looks at it only in the start): a state that deviates by less than 3 % of what the data do
        needs a smaller one. `history_` counts the variances that it holds.
    startprob_prior, transmat_prior, weights_prior : float or array, default=1.0
        Parameters of Dirichlet priors, that broadcast to (S,), (S, S) and (S, M).
    means_prior, means_weight : float or array, default=0.0
        Mean and precision (in frames) of the normal prior of means, that broadcast to (S, M, D)
        and (S, M).
    covars_prior, covars_weight : float or array, optional
        Inverse gamma ("spherical", "diag") or inverse Wishart ("tied", "full") prior of
        covariances; see `speakergmm.hmm.models.dense_priors` for the density that is
        maximised. By default there is none.
    algorithm : {"viterbi", "map"}, default="viterbi"
        How `decode` finds states: the best sequence, or the best state of each frame.
    covariance_type : {"diag", "spherical", "tied", "full"}, default="diag"
        Kind of covariances; "tied" shares one over the components of a state.
    random_state : int, RandomState or None
        Of the start, by k-means, and of `sample`.
    n_iter : int, default=10
        Most iterations.
    tol : float, default=1e-2
        Training ends when the log-likelihood of all sequences gains less.
    verbose : bool, default=False
        Whether each iteration is reported on standard error.
    params, init_params : str, default="stmcw"
        Which parameters are trained, and which ones the start sets: start, transitions, means,
        covariances, weights. Others keep the values of their attributes.
    implementation : {"log", "scaling"}, default="log"
        Of hmmlearn's interface, without effect: the one arithmetic there is can't underflow.
    topology : {"ergodic", "left-right", "bakis"} or array, shape (S, S), default="ergodic"
        Which transitions the start sets ("bakis" may skip a state); a matrix gives them. What is
        zero there stays zero.
    final : {"any", "last"}, default="any"
        Whether a sequence may end in any state, as in hmmlearn, or must end in the last one.
    variance_floor : float, default=0.0
        Smallest variance as a part of the variance of all frames; the larger of this and
        `min_covar` holds.
    precision : {"float32", "float64"}, default="float32"
        In which densities are evaluated, in standardised features; float64 takes over where
        float32 would not serve. Statistics are summed in float64.
    n_jobs : int, default=1
        Threads; -1 for all cores. Results don't depend on it, to the last bit.

    Attributes
    ----------
    startprob_ : array, shape (S,)
    transmat_ : array, shape (S, S)
    weights_ : array, shape (S, M)
    means_ : array, shape (S, M, D)
    covars_ : array
        Shape (S, M) for "spherical", (S, M, D) for "diag", (S, D, D) for "tied", (S, M, D, D) for
        "full".
    monitor_ : FitMonitor
        Convergence of the last fit; may be replaced before it, also by hmmlearn's own. Its
        ``history`` holds, for each iteration, the log-likelihood of all sequences plus the
        logarithm of the priors' density (0 without priors).
    history_ : tuple of HiddenMarkovIteration
        What each iteration did.
    n_features : int
        D.

    Notes
    -----
    Each iteration is exact expectation-maximisation: posteriors of all states and components over
    all sequences, then the maximum of the auxiliary function plus log-priors
    (`speakergmm.hmm.training.dense_update`). Rabiner, "A tutorial on hidden Markov models and
    selected applications in speech recognition", Proceedings of the IEEE 77 (1989).

    It has the methods and attributes of hmmlearn's models, is no subclass of its `BaseHMM`, and
    needs hmmlearn for nothing but `to_hmmlearn`. Unlike hmmlearn, covariances are centred on the
    new means, `min_covar` holds in each iteration, states and components without data keep their
    parameters instead of turning into NaN, and the start of ergodic models is uniform instead of
    random.

    Examples
    --------
    >>> X = np.array([[0.0], [0.2], [0.1], [5.0], [5.1], [4.8], [5.2]])
    >>> model = GaussianMixtureHMM(2, topology="left-right", random_state=0).fit(X)
    >>> model.predict(X)
    array([0, 0, 0, 1, 1, 1, 1])
    >>> model.means_.round(2).ravel()
    array([0.1 , 5.02])
    """

    file_kind = "Gaussian mixture HMM"

    n_components: int = 1
    n_mix: int = 1
    min_covar: float = 1e-3
    startprob_prior: ArrayLike = 1.0
    transmat_prior: ArrayLike = 1.0
    weights_prior: ArrayLike = 1.0
    means_prior: ArrayLike = 0.0
    means_weight: ArrayLike = 0.0
    covars_prior: ArrayLike | None = None
    covars_weight: ArrayLike | None = None
    algorithm: str = "viterbi"
    covariance_type: str = "diag"
    random_state: Any = None
    n_iter: int = 10
    tol: float = 1e-2
    verbose: bool = False
    params: str = "stmcw"
    init_params: str = "stmcw"
    implementation: str = "log"
    _: KW_ONLY
    topology: Any = "ergodic"
    final: str = "any"
    variance_floor: float = 0.0
    precision: str = "float32"
    n_jobs: int = 1
    _extra_types: ClassVar[dict[str, Any]] = {"objectives": list[float]}
    startprob_: NDArray[np.float64] = field(init=False)
    transmat_: NDArray[np.float64] = field(init=False)
    weights_: NDArray[np.float64] = field(init=False)
    means_: NDArray[np.float64] = field(init=False)
    covars_: NDArray[np.float64] = field(init=False)
    history_: tuple[HiddenMarkovIteration, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        """Make the monitor, which may be replaced before a fit."""
        self.monitor_ = FitMonitor(self.tol, self.n_iter, self.verbose)

    def fit(self, X: Any, lengths: Any = None, sample_weight: Any = None) -> Self:
        """Train the model by expectation-maximisation.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
            Frames of all sequences, one after another; or a list of sequences.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence; by default all frames are one sequence.
        sample_weight : array, shape (R,), optional
            Weight of each sequence, finite, >= 0, not all zero. A weight of 2 is the sequence
            twice (from the same start; k-means, where it is used, may find another).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, or frames, lengths or weights are no such.
        ImpossibleSequenceError
            If a sequence is impossible under the model, such as one of fewer frames than states
            that must all be passed; it is named.
        """
        self._check_options()
        sequences = as_sequences(X, lengths)
        weights = check_sequence_weights(sample_weight, len(sequences))
        moments = sequence_moments(sequences, weights)
        self._begin(sequences, weights, moments)
        monitor = self.monitor_
        if isinstance(monitor, FitMonitor):
            # Parameters may have been set since.
            monitor.tol, monitor.n_iter, monitor.verbose = self.tol, self.n_iter, self.verbose
        monitor._reset()

        def report(objective: float, model: HiddenMarkovParameters, rounding: float) -> bool:
            self._set_parameters(model)
            if isinstance(monitor, FitMonitor):
                monitor.expect_rounding(rounding)
            monitor.report(objective)
            return bool(monitor.converged)

        self.history_ = train_dense_model(
            sequences,
            weights,
            self._parameters(),
            DenseTrainingOptions(
                max_iter=self.n_iter,
                params=self.params,
                final=self.final,  # type: ignore[arg-type] # checked
                precision=self.precision,  # type: ignore[arg-type] # checked
                min_covar=self.min_covar,
                variance_floor=self.variance_floor,
            ),
            moments=moments,
            priors=self._priors(),
            report=report,
            workers=Workers(self.n_jobs),
        )
        return self

    def record_parts(self) -> dict[str, Any]:
        """Return the parameters, those that were fitted or set, and the course of the fit."""
        self._check()
        return super().record_parts() | {"objectives": list(self.monitor_.history)}

    def _restored(self, parts: Types) -> None:
        self._check()
        self.monitor_.history.extend(parts["objectives"])
        self.monitor_.iter = len(parts["objectives"])

    def state_mixture(self, state: int) -> Mixture:
        """Emission density of one state.

        Parameters
        ----------
        state : int
            Number of the state, from 0.

        Returns
        -------
        Mixture
            Of M components, of the model's kind.
        """
        model = self._parameters()
        weights = model.weights[state] / model.weights[state].sum()
        return make_mixture(model.covariance_type, weights, model.means[state], model.covars[state])

    def _priors(self) -> HiddenMarkovPriors:
        shape = self.n_components, self.n_mix, self.n_features
        return make_priors(self.covariance_type, *shape, parameter_checks.all_parameters(self))

    def _check_options(self) -> None:
        parameter_checks.check_integer(self, "n_components", least=1)
        parameter_checks.check_integer(self, "n_mix", least=1)
        parameter_checks.check_integer(self, "n_iter", least=0)
        parameter_checks.check_real(self, "min_covar", least=0.0)
        parameter_checks.check_real(self, "variance_floor", least=0.0, below=1.0)
        parameter_checks.check_choice(self, "implementation", ("log", "scaling"))
        parameter_checks.check_choice(self, "final", FINAL)
        parameter_checks.check_choice(self, "precision", ("float32", "float64"))
        for name in ("params", "init_params"):
            if not isinstance(getattr(self, name), str):
                raise parameter_checks.invalid_parameter(self, name, "a str of letters in 'stmcw'")
        covariance_kind(self.covariance_type)

    def _init(self, X: Any, lengths: Any = None) -> None:
        """Set the parameters that `init_params` names, or that are missing."""
        self._check_options()
        sequences = as_sequences(X, lengths)
        weights = np.ones(len(sequences))
        self._begin(sequences, weights, sequence_moments(sequences, weights))

    def _begin(self, sequences: Sequences, weights: NDArray[np.float64], moments: Moments) -> None:
        if getattr(self, "n_features", sequences.n_features) != sequences.n_features:
            raise InvalidInputError(
                f"Unexpected number of dimensions, got {sequences.n_features} but expected "
                f"{self.n_features}"
            )
        self.n_features = sequences.n_features
        chosen = sequences.lengths[weights > 0]
        needed = [name for name in PARAMETERS if self._needs_init(name)]
        start = start_of_topology(
            self.topology, self.n_components, mean_length=float(chosen.mean())
        )
        for name, values in zip(PARAMETERS, start, strict=False):
            if name in needed:
                setattr(self, name, values)
        if not set(needed) - {"startprob_", "transmat_"}:
            return
        found = initialise_emissions(
            sequences,
            weights,
            moments,
            partial(_cluster, check_random_state(self.random_state)),
            covariance_type=self.covariance_type,
            n_states=self.n_components,
            n_mix=self.n_mix,
            left_right=is_left_right(np.asarray(self.transmat_)),
            min_covar=float(self.min_covar),
        )
        for name, values in zip(PARAMETERS[2:], found, strict=True):
            if name in needed:
                setattr(self, name, values)

    def _needs_init(self, name: str) -> bool:
        """Tell whether the start sets an attribute; say so where one is lost by it."""
        code = name[0]
        if code not in self.init_params:
            return not hasattr(self, name)
        if hasattr(self, name):
            _log.warning(
                "the attribute %r is set and will be overwritten, for 'init_params' contains %r",
                name,
                code,
            )
        return True

    def _check(self) -> None:
        """Refuse attributes that are no parameters of such a model."""
        self._check_options()
        model = self._parameters()
        self.n_features = model.n_features

    def _parameters(self) -> HiddenMarkovParameters:
        """Check and give the parameters that were fitted or set."""
        check_is_fitted(self, PARAMETERS)
        given = {name: getattr(self, name) for name in PARAMETERS}
        model = check_parameters(self.covariance_type, self.n_components, self.n_mix, given)
        if not hasattr(self, "n_features"):
            self.n_features = model.n_features
        return model

    def _set_parameters(self, model: HiddenMarkovParameters) -> None:
        for name in PARAMETERS:
            setattr(self, name, getattr(model, name.rstrip("_")))


def _cluster(
    random_state: np.random.RandomState,
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    n_clusters: int,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return what k-means finds by a seed that is drawn."""
    seed = int(random_state.randint(np.iinfo(np.int32).max))
    return cluster(z, weights, n_clusters, np.random.RandomState(seed))
