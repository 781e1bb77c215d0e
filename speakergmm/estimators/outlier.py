"""Detection of anomalies: samples whose likelihood is below a threshold from held-out data."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.estimators.base import BaseMixtureEstimator
from speakergmm.estimators.gaussian import GaussianMixture
from speakergmm.estimators.input_frames import check_in_memory
from speakergmm.estimators.meta_estimator import MixtureMetaEstimator
from speakergmm.estimators.parameter_checks import engine_of
from speakergmm.estimators.threshold import (
    ThresholdCalibration,
    calibrate_threshold,
    check_validation_count,
    proportion_interval,
)
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.ranges import number

_DEFAULT_FALSE_ALARM = 0.05
# Number of samples that one thread scores at a time.
_SCORING_ROWS = 16384


@dataclass(eq=False, repr=False)
class GaussianMixtureOutlierDetector(OutlierMixin, MixtureMetaEstimator):  # type: ignore[misc]
    """Detector of anomalies by the density of a Gaussian mixture of normal data.

    The threshold is set on a validation set of normal data, either passed to `fit` or split off at
    random before training; scores of the training data themselves would be too high. Confidence
    intervals of the threshold and of its false-alarm rate are kept with it.

    Parameters
    ----------
    estimator : GaussianMixture, BayesianGaussianMixture or None, default=None
        The mixture, which is fitted as a clone; what it has learnt before has no effect
        (`from_mixture` takes a fitted one as it is). None is ``GaussianMixture()``.
    n_components : int or None, default=None
        Number of components, in place of the estimator's: ``n_components=4`` is
        ``estimator=GaussianMixture(4)``.
    false_alarm : float, optional
        Target of the false-alarm rate: the probability that a new normal sample is classified as
        an anomaly is at most this, on average over validation sets. If neither this nor `quantile`
        is given, it is 0.05, or, with a warning, the lowest rate for which N validation samples
        suffice, 1 / (N + 1). A rate that is given for which there are too few samples raises an
        error.
    quantile : float, optional
        The threshold is this quantile of the validation scores instead: an estimate that is too
        high as often as too low.
    validation_fraction : float, default=0.2
        Share of the samples that `fit` splits off if no validation set is passed.
    confidence : float, default=0.95
        Confidence of the intervals.
    random_state : int, RandomState or None, default=None
        Source of randomness of the split, and of the training of an estimator that has no
        `random_state` of its own.
    n_jobs : int, optional
        Number of threads that compute scores and, if `estimator` is None, train the mixture; -1 for
        all cores, None for the engine in use (`speakergmm.engine.use`). Results do not depend on
        it.

    Attributes
    ----------
    estimator_ : GaussianMixture or BayesianGaussianMixture
        The fitted clone.
    mixture_ : Mixture
        Its mixture, whose density is the score: of a Bayesian estimator the plain density at the
        expected parameters.
    threshold_, offset_ : float
        Log-likelihood, in nats, below which a sample is an anomaly; two names for one number.
    target_ : float
        False-alarm rate or quantile for which the threshold was set.
    threshold_interval_ : tuple of float
        Confidence interval, between two order statistics, of the requested quantile of normal
        scores; an end for which there are too few validation samples is infinite.
    false_alarm_rate_ : float
        Share of the validation samples below the threshold.
    false_alarm_interval_ : tuple of float
        Exact (Clopper-Pearson) confidence interval of this rate.
    n_validation_ : int
        Number of validation samples.
    validation_indices_ : array of int or None
        Rows of `X` that `fit` split off and did not train on; None if a set was passed.
    converged_ : bool
        True if the training of the mixture converged.
    n_iter_ : int
        Number of iterations of this training.
    n_features_in_ : int
        Number of features, D.

    See Also
    --------
    speakergmm.estimators.calibrate_threshold : Threshold from scores of any model.

    Notes
    -----
    `fit` does not take sample weights, because there are no exact intervals for weighted
    validation scores. To use weights, or blocks read from disk, fit a `GaussianMixture` and
    calibrate it with `from_mixture`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> detector = GaussianMixtureOutlierDetector(random_state=0).fit(rng.normal(size=(1000, 2)))
    >>> detector.predict([[0.0, 0.0], [6.0, 6.0]])
    array([ 1, -1])
    >>> detector.n_validation_, detector.false_alarm_rate_
    (200, 0.045)
    """

    file_kind: ClassVar[str] = "outlier detector"

    _: KW_ONLY
    false_alarm: float | None = None
    quantile: float | None = None
    validation_fraction: float = 0.2
    confidence: float = 0.95
    offset_: float = field(init=False)
    threshold_interval_: tuple[float, float] = field(init=False)
    target_: float = field(init=False)
    false_alarm_rate_: float = field(init=False)
    false_alarm_interval_: tuple[float, float] = field(init=False)
    n_validation_: int = field(init=False)
    validation_indices_: NDArray[np.intp] | None = field(init=False)

    @classmethod
    def from_mixture(
        cls, mixture: Mixture | BaseMixtureEstimator, X_validation: ArrayLike, **parameters: Any
    ) -> Self:
        """Build a detector from a fitted mixture, and calibrate it on validation data.

        Parameters
        ----------
        mixture : Mixture or fitted estimator
            Mixture that was fitted to normal data.
        X_validation : array-like, shape (N, D)
            Normal data that the mixture was not fitted to.
        **parameters
            Parameters of the constructor. By default `estimator`, which a later `fit` trains, has
            the same parameters as the mixture.

        Raises
        ------
        InvalidInputError
            As in `calibrate`, or if `mixture` is not a fitted mixture.

        Examples
        --------
        >>> from speakergmm.mixtures import DiagonalMixture
        >>> mixture = DiagonalMixture([1.0], [[0.0]], [[1.0]])
        >>> X_validation = np.random.default_rng(0).normal(size=(99, 1))
        >>> detector = GaussianMixtureOutlierDetector.from_mixture(
        ...     mixture, X_validation, false_alarm=0.01
        ... )
        >>> detector.predict([[1.0], [-4.0]])
        array([ 1, -1])
        """
        frozen: Mixture = mixture_of(mixture)
        if isinstance(mixture, BaseMixtureEstimator):
            # A later fit of the given estimator sets new attributes, and leaves the copy alone.
            fitted = copy(mixture)
        else:
            fitted = GaussianMixture.from_mixture(frozen)
        detector = cls(**{"estimator": clone(fitted)} | parameters)
        detector.estimator_ = fitted
        detector.n_features_in_ = frozen.n_features
        detector.validation_indices_ = None
        return detector.calibrate(X_validation)

    def fit(self, X: ArrayLike, y: Any = None, *, X_validation: ArrayLike | None = None) -> Self:
        """Fit the mixture to normal data, and set the threshold on held-out normal data.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Normal data.
        y : ignored
            Present for pipelines.
        X_validation : array-like, shape (M, D), optional
            Further normal data, none of which is in `X`. By default a random part of `X` is split
            off.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If samples are not a finite matrix, there are too few validation samples for the target
            (the message states how many are needed), or a parameter is out of range.
        """
        # One source of random numbers, first for the split, then for the start.
        random_state = check_random_state(self.random_state)
        estimator = self._clone_estimator(random_state)
        samples = check_in_memory(self, X, fitting=True, least=2)
        chosen = None
        if X_validation is None:
            chosen = self._choose_validation(len(samples), random_state)
            validation, samples = samples[chosen], np.delete(samples, chosen, axis=0)
        else:
            validation = check_in_memory(self, X_validation)
            self._check_enough(len(validation))
        self.estimator_ = estimator.fit(samples)
        self.validation_indices_ = chosen
        return self._set_threshold(validation)

    def calibrate(self, X_validation: ArrayLike) -> Self:
        """Set the threshold again, on other validation data or for another target; do not train.

        Parameters
        ----------
        X_validation : array-like, shape (N, D)
            Normal data that the mixture was not fitted to.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If samples are not a finite matrix of D columns, there are too few for the target (the
            message states how many are needed), or a parameter is out of range.
        """
        check_is_fitted(self, "mixture_")
        self._set_threshold(check_in_memory(self, X_validation))
        self.validation_indices_ = None
        return self

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the log-likelihood of each sample, in nats; the lower, the more anomalous.

        Parameters
        ----------
        X : array-like, shape (N, D)

        Returns
        -------
        array, shape (N,)
            Computed in float64, as the threshold is.
        """
        check_is_fitted(self, "threshold_")
        return self._score(check_in_memory(self, X))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return by how much log-likelihoods exceed the threshold, in nats; negative for anomalies.

        Parameters
        ----------
        X : array-like, shape (N, D)

        Returns
        -------
        array, shape (N,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Classify samples as anomalies, -1, or normal samples, 1.

        Parameters
        ----------
        X : array-like, shape (N, D)

        Returns
        -------
        array, shape (N,)
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def measure_false_alarms(self, X: ArrayLike) -> tuple[float, tuple[float, float]]:
        """Return the share of normal samples that are classified as anomalies, and its interval.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Normal data that was used neither for training nor for calibration.

        Returns
        -------
        rate : float
        interval : tuple of float
            Clopper-Pearson interval at `confidence`.
        """
        is_alarm = self.predict(X) == -1
        n_alarms = int(np.count_nonzero(is_alarm))
        interval = proportion_interval(n_alarms, len(is_alarm), confidence=self.confidence)
        return n_alarms / len(is_alarm), interval

    @property
    def mixture_(self) -> Mixture:
        """Mixture of the fitted estimator."""
        return self.estimator_.mixture_

    @property
    def threshold_(self) -> float:
        """Log-likelihood below which a sample is an anomaly, in nats; the same as `offset_`."""
        return self.offset_

    @threshold_.setter
    def threshold_(self, threshold: float) -> None:
        self.offset_ = threshold

    def _target(self, n_validation: int) -> dict[str, float | None]:
        if self.false_alarm is not None or self.quantile is not None:
            return {"false_alarm": self.false_alarm, "quantile": self.quantile}
        lowest = 1 / (n_validation + 1)
        if lowest > _DEFAULT_FALSE_ALARM:
            warnings.warn(
                f"{n_validation} validation samples are too few for the default false-alarm rate "
                f"of {_DEFAULT_FALSE_ALARM:g}; the threshold is set for {lowest:.3g}",
                UserWarning,
                stacklevel=4,
            )
        return {"false_alarm": max(_DEFAULT_FALSE_ALARM, lowest), "quantile": None}

    def _choose_validation(
        self, n_samples: int, random_state: np.random.RandomState
    ) -> NDArray[np.intp]:
        fraction = number("validation_fraction", self.validation_fraction, above=0, below=1)
        n_validation = min(max(round(fraction * n_samples), 1), n_samples - 1)
        self._check_enough(n_validation, f" ({fraction:g} of n_samples = {n_samples})")
        return np.sort(random_state.permutation(n_samples)[:n_validation])

    def _check_enough(self, n_validation: int, whence: str = "") -> None:
        """Raise an error, before training, if there are too few samples for a requested target."""
        if self.false_alarm is None and self.quantile is None:
            return
        check_validation_count(
            n_validation, false_alarm=self.false_alarm, quantile=self.quantile, whence=whence
        )

    def _score(self, samples: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        def score(piece: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
            return self.mixture_.log_likelihood(piece, precision="float64")

        pieces = (
            samples[start : start + _SCORING_ROWS]
            for start in range(0, len(samples), _SCORING_ROWS)
        )
        return np.concatenate(list(engine_of(self).map_threads(score, pieces)))

    def _set_threshold(self, validation: NDArray[np.floating[Any]]) -> Self:
        target = self._target(len(validation))
        found: ThresholdCalibration = calibrate_threshold(
            self._score(validation), confidence=self.confidence, **target
        )
        self.target_ = float(next(rate for rate in target.values() if rate is not None))
        self.offset_ = found.threshold
        self.threshold_interval_ = found.threshold_interval
        self.false_alarm_rate_ = found.false_alarm_rate
        self.false_alarm_interval_ = found.false_alarm_interval
        self.n_validation_ = found.n_validation
        return self
