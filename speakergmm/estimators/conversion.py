"""Conversion of mixtures from and to objects of scikit-learn and hmmlearn.

Parameters are copied from object to object; files of other libraries are never read. Only the
functions that build objects of hmmlearn require it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import NotFittedError
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError, MissingLibraryError
from speakergmm.estimators.mixture_attributes import precision_factors
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.mixtures.mixture import Mixture, make_mixture, mixture_of


def from_scikit_learn(estimator: GaussianMixture | BayesianGaussianMixture) -> Mixture:
    """Convert the mixture that an estimator of scikit-learn has fitted.

    Parameters
    ----------
    estimator : sklearn.mixture.GaussianMixture or sklearn.mixture.BayesianGaussianMixture
        Fitted estimator of any covariance type.

    Returns
    -------
    Mixture
        Mixture of the same kind. For a Bayesian estimator, it is the plain mixture of ``weights_``,
        ``means_`` and ``covariances_``, whose scores differ from the estimator's own: these account
        for the uncertainty of the parameters.

    Raises
    ------
    InvalidInputError
        If `estimator` is another object or is not fitted.

    Examples
    --------
    >>> from sklearn.mixture import GaussianMixture
    >>> X = np.array([[0.0], [1.0], [5.0], [6.0]])
    >>> fitted = GaussianMixture(2, random_state=0).fit(X)
    >>> np.sort(from_scikit_learn(fitted).means, axis=0).round(3)
    array([[0.5],
           [5.5]])
    """
    if not isinstance(estimator, (GaussianMixture, BayesianGaussianMixture)):
        raise InvalidInputError(
            f"expected a GaussianMixture or BayesianGaussianMixture of scikit-learn, found "
            f"{_name(estimator)}"
        )
    try:
        check_is_fitted(estimator, "covariances_")
    except NotFittedError:
        raise InvalidInputError(
            f"expected a fitted mixture of scikit-learn, found a {type(estimator).__name__} "
            f"that is not fitted"
        ) from None
    return _make(
        estimator.covariance_type, estimator.weights_, estimator.means_, estimator.covariances_
    )


def to_scikit_learn(mixture: Mixture) -> GaussianMixture:
    """Convert a mixture to a fitted GaussianMixture of scikit-learn.

    Parameters
    ----------
    mixture : Mixture
        Mixture of any kind; or an estimator of this package, whose `mixture_` is converted.

    Returns
    -------
    sklearn.mixture.GaussianMixture
        Estimator with the parameters of the mixture, which scores, predicts and samples. It is
        marked as converged after 0 iterations.

    Raises
    ------
    InvalidInputError
        If `mixture` is neither.

    Examples
    --------
    >>> mixture = make_mixture("spherical", [0.5, 0.5], [[-1.0], [1.0]], [1.0, 1.0])
    >>> to_scikit_learn(mixture).predict([[-3.0], [2.0]])
    array([0, 1])
    """
    mixture = mixture_of(mixture)
    estimator = GaussianMixture(mixture.n_components, covariance_type=mixture.covariance_type)
    estimator.weights_ = mixture.weights / mixture.weights.sum()
    estimator.means_ = mixture.means.copy()
    estimator.covariances_ = mixture.covariances.copy()
    estimator.precisions_cholesky_ = precision_factors(mixture)
    estimator.precisions_ = mixture.gaussians.kind.inverses(mixture.covariances)
    estimator.n_features_in_ = mixture.n_features
    estimator.converged_ = True
    estimator.n_iter_ = 0
    estimator.lower_bound_ = -np.inf
    estimator.lower_bounds_ = []
    return estimator


def from_hmmlearn(model: Any) -> list[Mixture]:
    """Convert the emission densities of a hidden Markov model of hmmlearn.

    Parameters
    ----------
    model : hmmlearn.hmm.GMMHMM or hmmlearn.hmm.GaussianHMM
        Model that is fitted, or whose parameters were set.

    Returns
    -------
    list of Mixture
        One mixture per state, with the model's covariance type; for a GaussianHMM, mixtures of one
        component. (With "tied", hmmlearn shares a covariance between the components of a state in a
        GMMHMM, and between all states in a GaussianHMM.)

    Raises
    ------
    InvalidInputError
        If `model` is another object or has no parameters yet.

    Examples
    --------
    >>> from hmmlearn.hmm import GaussianHMM
    >>> model = GaussianHMM(2, covariance_type="diag")
    >>> model.means_, model.covars_ = np.array([[0.0], [5.0]]), np.array([[1.0], [2.0]])
    >>> [float(state.means[0, 0]) for state in from_hmmlearn(model)]
    [0.0, 5.0]
    """
    # Classes are compared by name, so that the check works without the library.
    names = {
        kind.__name__ for kind in type(model).__mro__ if kind.__module__.startswith("hmmlearn.")
    }
    is_mixture = "GMMHMM" in names
    if not is_mixture and "GaussianHMM" not in names:
        raise InvalidInputError(
            f"expected a GMMHMM or GaussianHMM of hmmlearn, found {_name(model)}"
        )
    needed = ("means_", "weights_", "covars_") if is_mixture else ("means_", "_covars_")
    missing = [name.replace("_covars", "covars") for name in needed if not hasattr(model, name)]
    if missing:
        raise InvalidInputError(
            f"expected a {type(model).__name__} with parameters, found one without "
            f"{', '.join(missing)}"
        )
    kind = model.covariance_type
    if is_mixture:
        parameters = zip(model.weights_, model.means_, model.covars_, strict=True)
        return [_make(kind, *of_state) for of_state in parameters]
    means = np.asarray(model.means_)
    # The public `covars_` requires a number of features that only a fit sets, and repeats spherical
    # variances for each feature; the private attribute is compact.
    covariances = np.asarray(model._covars_)
    if kind == "spherical":
        covariances = covariances.reshape(len(means), -1)[:, 0]
    of_states = [covariances] * len(means) if kind == "tied" else covariances[:, None]
    return [
        _make(kind, np.ones(1), mean[None], covariance)
        for mean, covariance in zip(means, of_states, strict=True)
    ]


def _models_of_hmmlearn() -> Any:
    try:
        from hmmlearn import hmm
    except ImportError:
        raise MissingLibraryError(
            "a model of hmmlearn cannot be built, because hmmlearn is not installed (there are no "
            "wheels of it for Python 3.14 and later)"
        ) from None
    return hmm


def to_hmmlearn(
    states: Sequence[Mixture],
    *,
    startprob: ArrayLike | None = None,
    transmat: ArrayLike | None = None,
) -> Any:
    """Build a GMMHMM of hmmlearn from the mixtures of its states.

    Parameters
    ----------
    states : sequence of Mixture
        One mixture per state, all of the same kind, number of components and features.
    startprob : array, shape (S,), optional
        Initial probabilities of the states; by default uniform.
    transmat : array, shape (S, S), optional
        Transition probabilities, whose rows sum to one; by default uniform.

    Returns
    -------
    hmmlearn.hmm.GMMHMM
        Model with all parameters set and ``init_params=""``, so that training continues from them.

    Raises
    ------
    InvalidInputError
        If there is no state, states differ in kind or shape, or probabilities have a wrong shape
        or sum.
    MissingLibraryError
        If hmmlearn is not installed.

    Examples
    --------
    >>> state = make_mixture("diag", [0.4, 0.6], [[0.0], [1.0]], [[1.0], [2.0]])
    >>> to_hmmlearn([state, state]).n_mix
    2
    """
    models = _models_of_hmmlearn()
    mixtures = _check_states(states)
    kind, n_mix = mixtures[0].covariance_type, mixtures[0].n_components
    model = models.GMMHMM(len(mixtures), n_mix=n_mix, covariance_type=kind, init_params="")
    model.weights_ = np.stack([state.weights / state.weights.sum() for state in mixtures])
    model.means_ = np.stack([state.means for state in mixtures])
    model.covars_ = np.stack([state.covariances for state in mixtures])
    return _with_dynamics(model, mixtures, startprob, transmat)


def to_hmmlearn_gaussian(
    states: Sequence[Mixture],
    *,
    startprob: ArrayLike | None = None,
    transmat: ArrayLike | None = None,
) -> Any:
    """Build a GaussianHMM of hmmlearn from states that are mixtures of one Gaussian each.

    Parameters
    ----------
    states : sequence of Mixture
        One mixture of one component per state, all of the same kind and features. With "tied",
        their covariances must be equal, because hmmlearn shares one between all states.
    startprob : array, shape (S,), optional
        Initial probabilities of the states; by default uniform.
    transmat : array, shape (S, S), optional
        Transition probabilities, whose rows sum to one; by default uniform.

    Returns
    -------
    hmmlearn.hmm.GaussianHMM
        Model with all parameters set and ``init_params=""``, so that training continues from them.

    Raises
    ------
    InvalidInputError
        If there is no state, a state has several components, states differ in kind or features
        (or tied ones in their covariance), or probabilities have a wrong shape or sum.
    MissingLibraryError
        If hmmlearn is not installed.
    """
    models = _models_of_hmmlearn()
    mixtures = _check_states(states)
    kind = mixtures[0].covariance_type
    if mixtures[0].n_components != 1:
        raise InvalidInputError(
            f"a GaussianHMM needs states of one component, found {mixtures[0].n_components}"
        )
    covariances = np.stack([state.covariances for state in mixtures])
    if kind == "tied":
        if (covariances != covariances[0]).any():
            raise InvalidInputError(
                "a tied GaussianHMM has one covariance for all states, found different ones; "
                "use full covariances"
            )
        covariances = covariances[0]
    else:
        covariances = covariances[:, 0]
    model = models.GaussianHMM(len(mixtures), covariance_type=kind, init_params="")
    model.n_features = mixtures[0].n_features
    model.means_ = np.stack([state.means[0] for state in mixtures])
    model.covars_ = covariances
    return _with_dynamics(model, mixtures, startprob, transmat)


def _with_dynamics(
    model: Any,
    mixtures: list[Mixture],
    startprob: ArrayLike | None,
    transmat: ArrayLike | None,
) -> Any:
    n_states = len(mixtures)
    model.n_features = mixtures[0].n_features
    for name, probabilities, shape in (
        ("startprob", startprob, (n_states,)),
        ("transmat", transmat, (n_states, n_states)),
    ):
        values = (
            np.full(shape, 1 / n_states)
            if probabilities is None
            else np.array(probabilities, np.float64)
        )
        if values.shape != shape:
            raise InvalidInputError(
                f"{name} of {n_states} states must have shape {shape}, found {values.shape}"
            )
        if not ((values >= 0).all() and np.allclose(values.sum(axis=-1), 1.0)):
            raise InvalidInputError(
                f"{name} must contain probabilities that sum to 1, found sums of "
                f"{np.array2string(values.sum(axis=-1), threshold=5)}"
            )
        setattr(model, f"{name}_", values)
    return model


def _check_states(states: Sequence[Mixture]) -> list[Mixture]:
    mixtures = [mixture_of(state) for state in states]
    if not mixtures:
        raise InvalidInputError("a hidden Markov model needs one or more states, found none")
    first = mixtures[0]
    for number, state in enumerate(mixtures):
        if state.covariance_type != first.covariance_type or state.means.shape != first.means.shape:
            raise InvalidInputError(
                f"states must have mixtures of one kind and shape, found {first.covariance_type} "
                f"{first.means.shape} in state 0 and {state.covariance_type} {state.means.shape} "
                f"in state {number}"
            )
    return mixtures


def _make(kind: str, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> Mixture:
    """Build a mixture from parameters that may be float32, and correct their rounding errors."""
    shares = np.asarray(weights)
    if shares.dtype != np.float64:
        shares = shares.astype(np.float64)
        shares /= shares.sum()
    symmetric = covariance_kind(kind).symmetric(np.asarray(covariances, np.float64))
    return make_mixture(kind, shares, means, symmetric)


def _name(value: Any) -> str:
    kind = type(value)
    return (
        kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    )
