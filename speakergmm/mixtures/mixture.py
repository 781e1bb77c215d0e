"""Gaussian mixtures of four kinds, which never change once they are made."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.gaussians import frame_scoring
from speakergmm.gaussians.choices import CovarianceType, Precision
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.parameters import KINDS, Gaussians, covariance_kind, frozen
from speakergmm.gaussians.prepare import Prepared, Weighted, prepare_in_features
from speakergmm.ranges import whole_number, wrong_type

AnyMixture = TypeVar("AnyMixture", bound="Mixture")

# Number of mixtures that are kept prepared for scoring, if several are scored in turns.
_KEPT_READY = 16


@dataclass(frozen=True, slots=True, eq=False, init=False)
class Mixture(ABC):
    """A mixture of Gaussians: weights, means and covariances that never change.

    The arrays are copied, float64 and read-only. Weights are not negative and sum to one within
    1e-6; covariances are positive (definite). See the four kinds for their constructors.

    Attributes
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind, as scikit-learn calls it.
    weights : array, shape (K,)
        Prior probability of each component.
    gaussians : Gaussians
        The components.
    """

    # The record of a mixture contains which of the four kinds it is.
    record_has_kinds: ClassVar[bool] = True

    covariance_type: ClassVar[CovarianceType]

    weights: NDArray[np.float64]
    gaussians: Gaussians

    @abstractmethod
    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        """Copy, freeze and check the parameters, named as in each kind."""
        kind = KINDS[self.covariance_type]
        arrays = []
        for name, value, n_axes in (
            ("weights", weights, 1),
            ("means", means, 2),
            (kind.parameter, covariances, len(kind.axes)),
        ):
            arrays.append(array := frozen(name, value))
            if array.ndim != n_axes:
                raise InvalidInputError(
                    f"{name} must have {n_axes} axes, found an array of shape {array.shape}"
                )
        _check(kind, *arrays)
        object.__setattr__(self, "weights", arrays[0])
        covariance = kind.checked(arrays[2])
        object.__setattr__(self, "gaussians", Gaussians(kind, arrays[1], covariance))

    def with_parameters(
        self: AnyMixture, weights: NDArray[np.float64], gaussians: Gaussians
    ) -> AnyMixture:
        """Return a mixture of the same kind whose weights are known to be valid.

        Raises
        ------
        InvalidInputError
            If a mean or a covariance is not finite.
        """
        variances = gaussians.kind.own_variances(gaussians.covariances, gaussians.n_features)
        # A sum is not finite if any of its parts is not.
        total = gaussians.means.sum() + gaussians.covariances.sum()
        if not (variances.min() > 0 and np.isfinite(total)):
            return type(self)(weights, gaussians.means, gaussians.covariances)
        for array in (weights, gaussians.means, gaussians.covariances):
            array.setflags(write=False)
        new = object.__new__(type(self))
        object.__setattr__(new, "weights", weights)
        object.__setattr__(new, "gaussians", gaussians)
        return new

    def weighted(
        self,
    ) -> tuple[Gaussians, NDArray[np.float64], NDArray[np.float64]]:
        """Return the Gaussians, their log-weights, and their weights."""
        with np.errstate(divide="ignore"):
            return self.gaussians, np.log(self.weights), self.weights

    @property
    def means(self) -> NDArray[np.float64]:
        """Means of the components, shape (K, D), in feature units."""
        return self.gaussians.means

    @property
    def covariances(self) -> NDArray[np.float64]:
        """Variances or covariances in the shape of the kind: (K,), (K, D), (D, D), (K, D, D)."""
        return self.gaussians.covariances

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return self.gaussians.n_gaussians

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return self.gaussians.n_features

    def component_variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each component, shape (K, D)."""
        return self.gaussians.variances()

    def full_covariances(self) -> NDArray[np.float64]:
        """Covariance matrix of each component, shape (K, D, D), whatever the kind."""
        return self.gaussians.matrices()

    def colour(
        self, noise: NDArray[np.float64], components: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Return white noise (N, D) with the covariances of the components (N,) of its rows."""
        return self.gaussians.kind.colour(self.covariances, noise, components)

    def rescaled(
        self: AnyMixture, scale: NDArray[np.float64], shift: NDArray[np.float64]
    ) -> AnyMixture:
        """Return the mixture of ``x * scale + shift`` for frames x of this one; both (D,).

        A spherical mixture needs one scale for all features.
        """
        return self.with_parameters(self.weights, self.gaussians.rescaled(scale, shift))

    def log_density(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Return the joint log-density of each frame and component, log w_k + log N(x | k).

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            Precision in which the densities are evaluated; see `speakergmm.gaussians.prepare`.

        Returns
        -------
        array, shape (T, K)
            Natural logarithms, of the dtype that `precision` names. The whole matrix is held in
            memory: pass long recordings in pieces, or call `log_likelihood`.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_finite_frames(X, n_features=self.n_features)
        return frame_scoring.joint_log_densities(prepare_mixture(self), frames, precision=precision)

    def log_likelihood(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.float64]:
        """Return the log-likelihood of each frame under the mixture, log sum_k w_k N(x | k).

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            Precision in which the densities are evaluated.

        Returns
        -------
        array, shape (T,)
            Natural logarithms, one per frame (not summed), float64.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_finite_frames(X, n_features=self.n_features)
        return frame_scoring.frame_log_likelihoods(
            prepare_mixture(self), frames, precision=precision
        )

    def posteriors(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Return the posterior probability of each component given each frame.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            Precision in which the densities are evaluated.

        Returns
        -------
        array, shape (T, K)
            Rows sum to one; of the dtype that `precision` names.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_finite_frames(X, n_features=self.n_features)
        return frame_scoring.frame_posteriors(prepare_mixture(self), frames, precision=precision)

    def predict(self, X: ArrayLike, *, precision: Precision = "float32") -> NDArray[np.intp]:
        """Return the most probable component of each frame, shape (T,); of equal ones the first.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            Precision in which the densities are evaluated.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_finite_frames(X, n_features=self.n_features)
        return frame_scoring.most_probable_gaussians(
            prepare_mixture(self), frames, precision=precision
        )

    def select_top(
        self, X: ArrayLike, n_top: int, *, precision: Precision = "float32"
    ) -> tuple[NDArray[np.intp], NDArray[np.floating[Any]]]:
        """Return the components with the highest joint densities of each frame.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        n_top : int
            Number of components per frame, C; from 1 to K.
        precision : {"float32", "float64"}, default="float32"
            Precision in which the densities are evaluated.

        Returns
        -------
        indices : array, shape (T, C)
            Numbers of the components, best first.
        log_densities : array, shape (T, C)
            Their joint log-densities, log w_k + log N(x | k).

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns or `n_top` is not in 1..K.
        """
        whole_number("n_top", n_top, most=self.n_components)
        frames = check_finite_frames(X, n_features=self.n_features)
        return frame_scoring.top_gaussians(
            prepare_mixture(self), frames, n_top, precision=precision
        )

    def sample(self, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw independent frames from the mixture.

        Parameters
        ----------
        n : int
            Number of frames, not negative.
        rng : numpy.random.Generator
            Source of randomness; the same state gives the same frames.

        Returns
        -------
        array, shape (n, D)
            Frames in random order of components.
        """
        n = whole_number("n", n, least=0)
        chosen = rng.choice(self.n_components, size=n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.n_features))
        return np.asarray(self.means[chosen] + self.colour(noise, chosen))

    def global_moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and variance, both of shape (D,), of the mixture as a whole."""
        return self.gaussians.moments(self.weights)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes receive models in this way: they are checked, and read-only again.
        return type(self), (self.weights, self.means, self.covariances)

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the stored parts of a mixture of this kind, with their types."""
        names = ("weights", "means", KINDS[cls.covariance_type].parameter)
        return dict.fromkeys(names, NDArray[np.float64])

    def record_parts(self) -> dict[str, NDArray[np.float64]]:
        """Return the stored parts."""
        name = self.gaussians.kind.parameter
        return {"weights": self.weights, "means": self.means, name: self.covariances}


@dataclass(frozen=True, slots=True, eq=False, init=False)
class SphericalMixture(Mixture):
    """A mixture of Gaussians with the same variance in all directions.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    variances : array, shape (K,)
        In squared feature units; > 0.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or a variance is not positive.

    Examples
    --------
    >>> model = SphericalMixture([1.0], [[0.0, 0.0]], [4.0])
    >>> model.full_covariances()
    array([[[4., 0.],
            [0., 4.]]])
    """

    covariance_type: ClassVar[CovarianceType] = "spherical"

    def __init__(self, weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> None:
        Mixture.__init__(self, weights, means, variances)

    @property
    def variances(self) -> NDArray[np.float64]:
        """The same as `covariances`."""
        return self.gaussians.covariances


@dataclass(frozen=True, slots=True, eq=False, init=False)
class DiagonalMixture(Mixture):
    """A mixture of Gaussians with diagonal covariances.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    variances : array, shape (K, D)
        Variances (not deviations), in squared feature units; > 0.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or a variance is not positive.

    Notes
    -----
    The arrays are copied, float64 and read-only: a model never changes.

    Examples
    --------
    >>> model = DiagonalMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    >>> model.n_components, model.n_features
    (2, 1)
    >>> model.log_likelihood(np.array([[0.0]]), precision="float64").round(4)
    array([-1.4189])
    """

    covariance_type: ClassVar[CovarianceType] = "diag"

    def __init__(self, weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> None:
        Mixture.__init__(self, weights, means, variances)

    @property
    def variances(self) -> NDArray[np.float64]:
        """The same as `covariances`."""
        return self.gaussians.covariances


@dataclass(frozen=True, slots=True, eq=False, init=False)
class TiedMixture(Mixture):
    """A mixture of Gaussians with one covariance matrix for all.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    covariance : array, shape (D, D)
        Symmetric and positive definite, in squared feature units.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or the covariance is not symmetric and positive definite.

    Examples
    --------
    >>> model = TiedMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0]])
    >>> model.log_likelihood(np.array([[0.0]]), precision="float64").round(4)
    array([-1.4189])
    """

    covariance_type: ClassVar[CovarianceType] = "tied"

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariance: ArrayLike) -> None:
        Mixture.__init__(self, weights, means, covariance)

    @property
    def covariance(self) -> NDArray[np.float64]:
        """The same as `covariances`."""
        return self.gaussians.covariances


@dataclass(frozen=True, slots=True, eq=False, init=False)
class FullMixture(Mixture):
    """A mixture of Gaussians, each with a covariance matrix of its own.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    covariances : array, shape (K, D, D)
        Symmetric and positive definite, in squared feature units.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or a covariance is not symmetric and positive definite.

    Examples
    --------
    >>> model = FullMixture([1.0], [[0.0, 0.0]], [[[2.0, 1.0], [1.0, 2.0]]])
    >>> model.log_likelihood(np.zeros((1, 2)), precision="float64").round(4)
    array([-2.3872])
    """

    covariance_type: ClassVar[CovarianceType] = "full"

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        Mixture.__init__(self, weights, means, covariances)


MIXTURES: dict[str, type[Mixture]] = {
    mixture.covariance_type: mixture
    for mixture in (SphericalMixture, DiagonalMixture, TiedMixture, FullMixture)
}


def mixture_kind(covariance_type: str) -> type[Mixture]:
    """Return the class of mixtures with this type of covariance.

    Raises
    ------
    InvalidInputError
        If there is no such kind.
    """
    return MIXTURES[covariance_kind(covariance_type).name]


def make_mixture(
    covariance_type: CovarianceType | str,
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
) -> Mixture:
    """Return a mixture of the named kind.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind.
    weights : array, shape (K,)
        Not negative, summing to one.
    means : array, shape (K, D)
        In feature units.
    covariances : array, shape (K,), (K, D), (D, D) or (K, D, D)
        In the shape of the kind, in squared feature units.

    Raises
    ------
    InvalidInputError
        If the kind is unknown, or the parameters do not suit it.

    Examples
    --------
    >>> make_mixture("tied", [1.0], [[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]).covariance_type
    'tied'
    """
    if not isinstance(covariance_type, str):
        call = "; give make_mixture(covariance_type, weights, means, covariances)"
        raise wrong_type(covariance_type, "a covariance_type, such as 'diag',", call)
    return mixture_kind(covariance_type)(weights, means, covariances)


@lru_cache(maxsize=_KEPT_READY)
def prepare_mixture(model: Weighted) -> Prepared:
    """Return a mixture prepared for evaluation, which is kept for later calls."""
    gaussians, log_weights, weights = model.weighted()
    return prepare_in_features(gaussians, log_weights, weights=weights)


class HasMixture(Protocol):
    """A fitted estimator, which contains a mixture."""

    @property
    def mixture_(self) -> Mixture:
        """The mixture that was fitted."""


@overload
def mixture_of(model: AnyMixture, *, kind: None = None) -> AnyMixture: ...


@overload
def mixture_of(model: HasMixture, *, kind: None = None) -> Mixture: ...


@overload
def mixture_of(model: Any, *, kind: type[AnyMixture]) -> AnyMixture: ...


def mixture_of(model: Any, *, kind: type[Mixture] | None = None) -> Mixture:
    """Return a mixture, or the mixture of a fitted estimator, background or speaker model.

    Parameters
    ----------
    model : Mixture, or object with a `mixture_` or `mixture`
        The mixture, or the object that contains it.
    kind : class, optional
        The required kind, such as `DiagonalMixture`.

    Returns
    -------
    Mixture

    Raises
    ------
    InvalidTypeError
        If `model` is another object, or the mixture is of another kind; the message names the
        right call.
    """
    found: Any = model
    for name in ("mixture_", "mixture"):
        if not isinstance(found, Mixture):
            found = getattr(model, name, found)
    if isinstance(found, kind or Mixture):
        return found
    if isinstance(found, Mixture):
        assert kind is not None
        raise InvalidTypeError(
            f"a mixture of covariance_type {kind.covariance_type!r} is needed, found one of "
            f"{found.covariance_type!r}; fit it with covariance_type={kind.covariance_type!r}"
        )
    needed, what, way = "a mixture or a fitted estimator is needed", type(model).__name__, ""
    if isinstance(model, (str, os.PathLike)):
        what = f"the path {os.fspath(model)!r}"
        way = "; read it by BackgroundModel.load(path), or GaussianMixture.load(path)"
    elif isinstance(model, type):
        what = f"the class {model.__name__}"
        way = "; give a fitted object of it"
    elif hasattr(model, "covariances_"):
        way = " of another library; see speakergmm.estimators.from_scikit_learn"
    elif hasattr(model, "covars_"):
        way = "; give one of its states, model.state_mixture(0)"
    elif hasattr(model, "fit"):
        what += " that is not fitted"
        way = "; call its fit(X) first"
    else:
        way = "; build one by make_mixture(covariance_type, weights, means, covariances)"
    raise InvalidTypeError(f"{needed}, found {what}{way}")


def _check(
    kind: Covariances,
    weights: NDArray[np.float64],
    means: NDArray[np.float64],
    covariances: NDArray[np.float64],
) -> None:
    """Raise an error if arrays are not the parameters of a mixture of this kind.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, or weights do not sum to
        one.
    """
    n_components, n_features = means.shape
    expected = kind.shape(n_components, n_features)
    if weights.shape != (n_components,) or covariances.shape != expected:
        shape = f"({kind.axes},)" if len(kind.axes) == 1 else f"({', '.join(kind.axes)})"
        raise InvalidInputError(
            f"mixture parameters disagree: weights {weights.shape}, means {means.shape}, "
            f"{kind.parameter} {covariances.shape}; expected (K,), (K, D), {shape}"
        )
    if n_components == 0 or n_features == 0:
        raise InvalidInputError(
            f"a mixture needs components and features, found means of shape {means.shape}"
        )
    if weights.min() < 0 or abs(weights.sum() - 1.0) > 1e-6:
        raise InvalidInputError(
            f"weights must not be negative and must sum to 1, found a smallest weight of "
            f"{weights.min():g} and a sum of {weights.sum():.9g}"
        )
