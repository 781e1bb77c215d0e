"""Hidden Markov model with Gaussian mixtures as emission densities, with hmmlearn's interface."""

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
from speakergmm.records import Types

_log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class GaussianMixtureHMM(
    HiddenMarkovInference,
    HmmlearnConversion,
    Storable,
    BaseEstimator,  # type: ignore[misc]
):
    """Hidden Markov model with Gaussian mixtures as emissions, a replacement of hmmlearn's GMMHMM.

    Parameters
    ----------
    n_components : int, default=1
        Number of states, S.
    n_mix : int, default=1
        Number of Gaussians of each state, M.
    min_covar : float, default=1e-3
        Smallest variance, or eigenvalue of a covariance, in squared feature units; for features
        whose variance is less than 1, as a part of that variance. It is enforced in every iteration
        (in hmmlearn only in the start): for states whose standard deviation is less than 3 % of
        that of the data, use a smaller value. `history_` counts the variances that are raised.
    startprob_prior, transmat_prior, weights_prior : float or array, default=1.0
        Parameters of Dirichlet priors, which broadcast to (S,), (S, S) and (S, M).
    means_prior, means_weight : float or array, default=0.0
        Mean and precision (in frames) of the normal prior of means, which broadcast to (S, M, D)
        and (S, M).
    covars_prior, covars_weight : float or array, optional
        Inverse gamma ("spherical", "diag") or inverse Wishart ("tied", "full") prior of
        covariances; `speakergmm.hmm.models.dense_priors` documents the density that is maximised.
        By default there is no prior.
    algorithm : {"viterbi", "map"}, default="viterbi"
        Criterion of `decode`: the best sequence of states, or the best state of each frame.
    covariance_type : {"diag", "spherical", "tied", "full"}, default="diag"
        Kind of covariances; with "tied" the components of a state share one.
    random_state : int, RandomState or None
        Source of randomness of the start, by k-means, and of `sample`.
    n_iter : int, default=10
        Maximum number of iterations.
    tol : float, default=1e-2
        Training ends when the log-likelihood of all sequences gains less, in nats.
    verbose : bool, default=False
        Whether to print each iteration to standard error.
    params, init_params : str, default="stmcw"
        Letters of the parameters that are trained, and of those that the start sets: start
        probabilities, transitions, means, covariances, weights. Others keep the values of their
        attributes.
    implementation : {"log", "scaling"}, default="log"
        Part of hmmlearn's interface, without effect: there is one implementation, which cannot
        underflow.
    topology : {"ergodic", "left-right", "bakis"} or array, shape (S, S), default="ergodic"
        Initial transitions (with "bakis", a state may be skipped), or a matrix of them. Transitions
        that are initially zero remain zero.
    final : {"any", "last"}, default="any"
        State in which sequences end: any one, as in hmmlearn, or only the last.
    variance_floor : float, default=0.0
        Smallest variance as a fraction of the variance of all frames; the larger of this and
        `min_covar` applies.
    precision : {"float32", "float64"}, default="float32"
        Type in which densities are evaluated, on standardised features; densities for which
        float32 is too coarse are evaluated in float64. Statistics are summed in float64.
    n_jobs : int, optional
        Number of threads; -1 for all cores, None for the engine in use (`speakergmm.engine.use`).
        Results do not depend on it, to the last bit.

    Attributes
    ----------
    startprob_ : array, shape (S,)
        Initial probabilities of the states.
    transmat_ : array, shape (S, S)
        Transition probabilities, from rows to columns.
    weights_ : array, shape (S, M)
        Weights of the components of each state.
    means_ : array, shape (S, M, D)
        Means of the components.
    covars_ : array
        Covariances, of shape (S, M) for "spherical", (S, M, D) for "diag", (S, D, D) for "tied",
        (S, M, D, D) for "full".
    monitor_ : FitMonitor
        Monitor of the last fit. It can be replaced before a fit, also by hmmlearn's own. Its
        ``history`` contains, for each iteration, the log-likelihood of all sequences plus the log
        density of the priors (0 without priors).
    history_ : tuple of HiddenMarkovIteration
        Report of each iteration.
    n_features : int
        Number of features, D.

    Notes
    -----
    Each iteration is exact expectation-maximisation: posteriors of all states and components over
    all sequences, then the maximum of the auxiliary function plus log-priors
    (`speakergmm.hmm.training.dense_update`). Rabiner, "A tutorial on hidden Markov models and
    selected applications in speech recognition", Proceedings of the IEEE 77 (1989).

    The class has the methods and attributes of hmmlearn's models, but is not a subclass of
    `BaseHMM`, and requires hmmlearn only for `to_hmmlearn`. Unlike in hmmlearn, covariances are
    centred on the new means, `min_covar` is enforced in each iteration, states and components
    without data keep their parameters instead of becoming NaN, and ergodic models start from
    uniform instead of random probabilities.

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
    n_jobs: int | None = None
    _extra_types: ClassVar[dict[str, Any]] = {"objectives": list[float]}
    startprob_: NDArray[np.float64] = field(init=False)
    transmat_: NDArray[np.float64] = field(init=False)
    weights_: NDArray[np.float64] = field(init=False)
    means_: NDArray[np.float64] = field(init=False)
    covars_: NDArray[np.float64] = field(init=False)
    history_: tuple[HiddenMarkovIteration, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        """Create the monitor, which may be replaced before a fit."""
        self.monitor_ = FitMonitor(self.tol, self.n_iter, self.verbose)

    def fit(self, X: Any, lengths: Any = None, sample_weight: Any = None) -> Self:
        """Train the model by expectation-maximisation.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
            Frames of all sequences, concatenated; or a list of sequences.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence; by default all frames are one sequence.
        sample_weight : array, shape (R,), optional
            Weight of each sequence, finite, >= 0, not all zero. A sequence of weight 2 counts as
            two equal sequences (if the start is the same; that of k-means may differ).

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, or frames, lengths or weights are invalid.
        ImpossibleSequenceError
            If a sequence is impossible under the model, for example because it has fewer frames
            than a path through the states needs; the message names it.
        """
        self._check_options()
        sequences = as_sequences(X, lengths)
        weights = check_sequence_weights(sample_weight, len(sequences))
        moments = sequence_moments(sequences, weights)
        self._begin(sequences, weights, moments)
        monitor = self.monitor_
        if isinstance(monitor, FitMonitor):
            # Parameters may have been set after construction.
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
            engine=parameter_checks.engine_of(self),
        )
        return self

    def record_parts(self) -> dict[str, Any]:
        """Return the parameters, those that were fitted or set, and the history of the fit."""
        self._check()
        return super().record_parts() | {"objectives": list(self.monitor_.history)}

    def _restored(self, parts: Types) -> None:
        self._check()
        self.monitor_.history.extend(parts["objectives"])
        self.monitor_.iter = len(parts["objectives"])

    def state_mixture(self, state: int) -> Mixture:
        """Return the emission density of one state.

        Parameters
        ----------
        state : int
            Number of the state, from 0.

        Returns
        -------
        Mixture
            Mixture of M components, with the model's kind of covariances.
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
        """Set the parameters that `init_params` names or that are missing."""
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
        # Initial and transition probabilities follow from the topology and the mean length.
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
        # Emission densities come from k-means, within equal parts of the sequences if left-right.
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
        """Return whether the start sets an attribute; log a warning if it overwrites one."""
        code = name[0]
        if code not in self.init_params:
            return not hasattr(self, name)
        if hasattr(self, name):
            _log.warning(
                "the attribute %r will be overwritten, because 'init_params' contains %r",
                name,
                code,
            )
        return True

    def _check(self) -> None:
        """Raise an error if attributes are not valid parameters of a model."""
        self._check_options()
        model = self._parameters()
        self.n_features = model.n_features

    def _parameters(self) -> HiddenMarkovParameters:
        """Check and return the parameters that were fitted or set."""
        check_is_fitted(self, PARAMETERS)
        attributes = {name: getattr(self, name) for name in PARAMETERS}
        model = check_parameters(self.covariance_type, self.n_components, self.n_mix, attributes)
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
    """Cluster by k-means, with a seed drawn from `random_state`."""
    seed = int(random_state.randint(np.iinfo(np.int32).max))
    return cluster(z, weights, n_clusters, np.random.RandomState(seed))
