"""Gaussian mixture regression: a joint mixture of inputs and outputs, conditioned on inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.input_frames import check_in_memory, check_sample_weight, finite_chunks
from speakergmm.estimators.meta_estimator import MixtureMetaEstimator
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.mixtures.mixture import Mixture
from speakergmm.mixtures.operations.conditioning import (
    ConditionalMixtures,
    condition,
    conditional_mean,
)
from speakergmm.ranges import whole_number
from speakergmm.records import Types

# Number of rows whose conditional mixtures are held in memory at a time.
_BLOCK_ROWS = 2048


@dataclass(eq=False, repr=False)
class GaussianMixtureRegressor(RegressorMixin, MixtureMetaEstimator):  # type: ignore[misc]
    """Regression by a joint Gaussian mixture of inputs and outputs.

    The prediction is the conditional mean of the outputs: one linear regression per component,
    weighted by the posterior probabilities of the components given the input. The conditional
    distribution of the outputs is a mixture, too: its spread depends on the input, and it may have
    several modes.

    Parameters
    ----------
    estimator : GaussianMixture, BayesianGaussianMixture or None, default=None
        The joint mixture of inputs and outputs, which is fitted as a clone; what it has learnt
        before has no effect. None is ``GaussianMixture()``: one full component, which is ordinary
        linear regression. With "tied" covariances all components share their slopes; with "diag"
        and "spherical" ones the regression within a component is constant. `reg_covar`,
        `variance_floor`, priors and starts are in units of standardised inputs and outputs.
    n_components : int or None, default=None
        Number of components, in place of the estimator's: ``n_components=4`` is
        ``estimator=GaussianMixture(4)``.
    random_state : int, RandomState or None, default=None
        Source of randomness of an estimator that has no `random_state` of its own.
    n_jobs : int, optional
        Number of threads that train the mixture if `estimator` is None; -1 for all cores, None for
        the engine in use (`speakergmm.engine.use`). Results do not depend on it.

    Attributes
    ----------
    estimator_ : GaussianMixture or BayesianGaussianMixture
        The fitted clone, of standardised inputs and outputs.
    mixture_ : Mixture
        Its mixture, of the inputs followed by the outputs, in their own units.
    n_outputs_ : int
        Number of outputs, M.
    is_single_output_ : bool
        Whether `y` had one axis, as predictions then have.
    converged_ : bool
        True if the training of the mixture converged.
    n_iter_ : int
        Number of iterations of this training.
    n_features_in_ : int
        Number of inputs, D.

    Notes
    -----
    For training, inputs and outputs are standardised: each is divided by its standard deviation
    (with "spherical" covariances all by one number), so that the fit does not depend on their
    units. See [1]_ and, for regression by components, [2]_.

    References
    ----------
    .. [1] Ghahramani, Jordan, "Supervised learning from incomplete data via an EM approach",
       NIPS 6 (1994) 120-127.
    .. [2] Sung, "Gaussian mixture regression and classification", thesis, Rice University (2004).

    Examples
    --------
    A curve and its spread, which is larger on the right:

    >>> rng = np.random.default_rng(0)
    >>> x = rng.uniform(-3, 3, 2000)
    >>> y = np.abs(x) + np.where(x < 0, 0.1, 0.5) * rng.normal(size=2000)
    >>> regressor = GaussianMixtureRegressor(n_components=2, random_state=0).fit(x[:, None], y)
    >>> mean, deviation = regressor.predict([[-2.0], [2.0]], return_std=True)
    >>> mean.round(1), deviation.round(1)
    (array([2., 2.]), array([0.1, 0.5]))
    """

    file_kind: ClassVar[str] = "mixture regressor"

    mixture_: Mixture = field(init=False)
    n_outputs_: int = field(init=False)
    is_single_output_: bool = field(init=False)

    def _restored(self, parts: Types) -> None:
        n_features, n_outputs = self.mixture_.n_features, self.n_outputs_
        self.n_features_in_ = n_features - n_outputs
        if not (1 <= n_outputs < n_features) or (self.is_single_output_ and n_outputs != 1):
            raise ValueError(f"{n_outputs} outputs of a mixture of {n_features} features")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the joint mixture of inputs and outputs.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Inputs.
        y : array-like, shape (N,) or (N, M)
            Outputs.
        sample_weight : array-like, shape (N,), optional
            Weight of each sample, finite, >= 0, not all zero. A sample of weight 2 counts as two
            equal samples.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If inputs and outputs are not finite matrices of the same length, there are fewer
            samples than components, a weight is negative or not finite, or a parameter is out of
            range.

        Warns
        -----
        ConvergenceWarning
            If the best restart did not converge within `max_iter` iterations.
        """
        estimator = self._clone_estimator(self.random_state)
        inputs, outputs = validate_data(
            self,
            X,
            y,
            multi_output=True,
            y_numeric=True,
            dtype=np.float64,
            ensure_min_samples=2,
            ensure_all_finite=False,
        )
        # Values that are not finite are reported with their row and column.
        for _ in finite_chunks(inputs):
            pass
        self.is_single_output_ = outputs.ndim == 1
        outputs = np.asarray(outputs, np.float64).reshape(len(inputs), -1)
        joint = np.hstack([inputs, outputs])
        weights = check_sample_weight(sample_weight, len(joint))
        moments = frame_moments(joint, weights)
        # Train on standardised data, and transform the mixture back to the units of the data.
        scale = _deviations(moments.variance, shared=estimator.covariance_type == "spherical")
        standardised = (joint - moments.mean) / scale
        estimator.fit(standardised, sample_weight=weights)
        self.estimator_ = estimator
        self.mixture_ = estimator.mixture_.rescaled(scale, moments.mean)
        self.n_outputs_ = outputs.shape[1]
        return self

    def predict(
        self, X: ArrayLike, return_std: bool = False, return_cov: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict the conditional mean of the outputs, and optionally their spread.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Inputs.
        return_std : bool, default=False
            Whether to return the conditional standard deviations, too.
        return_cov : bool, default=False
            Whether to return the conditional covariances, too; not both.

        Returns
        -------
        mean : array, shape (N,) or (N, M)
            In the shape that the outputs of the fit had.
        std : array, shape (N,) or (N, M)
            Only with `return_std`: standard deviation of a new output given its input.
        covariance : array, shape (N, M, M)
            Only with `return_cov`: covariance of the outputs of a sample given its input.

        Raises
        ------
        ValueError
            If inputs are not a finite matrix of D columns or both spreads are requested.
        """
        check_is_fitted(self, "mixture_")
        if return_std and return_cov:
            raise InvalidInputError("predict takes return_std or return_cov, found both")
        inputs = self._check(X)
        if not (return_std or return_cov):
            return self._shaped(conditional_mean(self.mixture_, self._input_columns, inputs))
        mean = np.empty((len(inputs), self.n_outputs_))
        spread = np.empty((*mean.shape, self.n_outputs_) if return_cov else mean.shape)
        for block, conditionals in self._blocks(inputs):
            mean[block] = conditionals.mean()
            if return_cov:
                spread[block] = conditionals.covariance()
            else:
                spread[block] = np.sqrt(conditionals.variance())
        return self._shaped(mean), spread if return_cov else self._shaped(spread)

    def sample_y(
        self,
        X: ArrayLike,
        n_samples: int = 1,
        random_state: int | np.random.RandomState | None = 0,
    ) -> NDArray[np.float64]:
        """Draw outputs from their conditional distribution.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Inputs.
        n_samples : int, default=1
            Number of draws per input, >= 1.
        random_state : int, RandomState or None, default=0
            Source of randomness; the same number yields the same draws.

        Returns
        -------
        array, shape (N, n_samples) or (N, M, n_samples)
            Independent draws, in the shape that scikit-learn's Gaussian processes return.

        Raises
        ------
        ValueError
            If inputs are not a finite matrix of D columns or `n_samples` is less than 1.
        """
        check_is_fitted(self, "mixture_")
        whole_number("n_samples", n_samples)
        inputs = self._check(X)
        rng = np.random.default_rng(check_random_state(random_state).randint(2**31))
        draws = np.empty((len(inputs), self.n_outputs_, n_samples))
        for block, conditionals in self._blocks(inputs):
            for number in range(n_samples):
                draws[block, :, number] = conditionals.sample(rng)
        return draws[:, 0] if self.is_single_output_ else draws

    def log_predictive_density(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the conditional log-density log p(y | x) of each sample, in nats.

        Parameters
        ----------
        X : array-like, shape (N, D)
            Inputs.
        y : array-like, shape (N,) or (N, M)
            Outputs.

        Returns
        -------
        array, shape (N,)
            The number of components can be chosen by its mean over held-out samples.

        Raises
        ------
        ValueError
            If inputs or outputs are not finite matrices with the numbers of columns of the fit.
        """
        check_is_fitted(self, "mixture_")
        inputs = self._check(X)
        outputs = np.asarray(y, dtype=np.float64)
        if outputs.ndim == 1:
            outputs = outputs[:, None]
        if outputs.shape != (len(inputs), self.n_outputs_):
            raise InvalidInputError(
                f"y must have {self.n_outputs_} outputs for {len(inputs)} samples, found shape "
                f"{np.shape(y)}"
            )
        result = np.empty(len(inputs))
        for block, conditionals in self._blocks(inputs):
            result[block] = conditionals.log_likelihood(outputs[block])
        return result

    @property
    def _input_columns(self) -> list[int]:
        return list(range(self.n_features_in_))

    def _check(self, X: ArrayLike) -> NDArray[np.float64]:
        return check_in_memory(self, X).astype(np.float64, copy=False)

    def _blocks(self, inputs: NDArray[np.float64]) -> Iterator[tuple[slice, ConditionalMixtures]]:
        for start in range(0, len(inputs), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            conditionals = condition(self.mixture_, self._input_columns, inputs[block])
            assert isinstance(conditionals, ConditionalMixtures)
            yield block, conditionals

    def _shaped(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an array (N, M) in the shape that the outputs of the fit had."""
        return values[:, 0] if self.is_single_output_ else values


def _deviations(variance: NDArray[np.float64], *, shared: bool) -> NDArray[np.float64]:
    """Return standard deviations, 1 for constant features; if `shared`, one of all features."""
    if shared:
        variance = np.full_like(variance, variance.mean())
    return np.sqrt(np.where(variance > 0, variance, 1.0))
