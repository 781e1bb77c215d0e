"""What every Gaussian mixture is, whatever its covariances: frozen parameters that score frames.

Each kind of covariance is a module beside this one: `diagonal`, `spherical`, `tied`, `full`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.gaussians.frames import check_frames

if TYPE_CHECKING:
    from speakergmm.mixtures.operations.conditioning import ConditionalMixtures, Dims

Precision = Literal["float32", "float64"]
CovarianceType = Literal["spherical", "diag", "tied", "full"]
AnyMixture = TypeVar("AnyMixture", bound="Mixture")


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
    means : array, shape (K, D)
        In feature units.
    """

    __slots__ = ()

    # A record of a mixture says which of the four it is.
    record_has_kinds: ClassVar[bool] = True

    covariance_type: ClassVar[CovarianceType]
    covariance_name: ClassVar[str]
    weights: NDArray[np.float64]
    means: NDArray[np.float64]

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        """Copy, freeze and check the parameters."""
        raise NotImplementedError

    @property
    def covariances(self) -> NDArray[np.float64]:
        """Variances or covariances in the shape of the kind: (K,), (K, D), (D, D), (K, D, D)."""
        return np.asarray(getattr(self, self.covariance_name))

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return int(self.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.means.shape[1])

    @abstractmethod
    def component_variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each component, shape (K, D)."""

    @abstractmethod
    def full_covariances(self) -> NDArray[np.float64]:
        """Covariance matrix of each component, shape (K, D, D), whatever the kind."""

    @abstractmethod
    def colour(
        self, noise: NDArray[np.float64], components: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Give white noise (N, D) the covariances of the components (N,) that its rows are of."""

    @abstractmethod
    def rescaled(
        self: AnyMixture, scale: NDArray[np.float64], shift: NDArray[np.float64]
    ) -> AnyMixture:
        """Give the mixture of ``x * scale + shift`` for frames x of this one; both of shape (D,).

        A spherical mixture needs one scale for all features.
        """

    @classmethod
    @abstractmethod
    def covariances_from_moments(
        cls,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        second_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Covariances about `means` of frames with these moments; rounding may leave them < 0.

        Parameters
        ----------
        counts : array, shape (K,)
            Occupancies; what a component without any is given means nothing.
        means : array, shape (K, D)
            First order divided by the counts.
        second_order : array
            As `MixtureStatistics` holds it for this kind.
        """

    @classmethod
    @abstractmethod
    def regularised(
        cls, covariances: NDArray[np.float64], regularisation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Add a variance, given for each feature, shape (D,), to those of the components."""

    @classmethod
    @abstractmethod
    def floored(
        cls, covariances: NDArray[np.float64], floor: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Raise variances below a floor, which is given for each feature, shape (D,).

        Returns
        -------
        covariances : array
            Where a matrix is below the floor in some direction, it is raised in that direction.
        was_floored : array of bool
            For each variance, eigenvalue or number that could be; the first axis is that of the
            components, except for a tied covariance.
        """

    def log_density(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Joint log-density of each frame and component, log w_k + log N(x | k).

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated; see `speakergmm.gaussians.density`.

        Returns
        -------
        array, shape (T, K)
            Natural logarithms, of the dtype that `precision` names. The whole matrix is held:
            give long recordings in pieces, or ask for `log_likelihood`.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_frames(X, n_features=self.n_features)
        from speakergmm.gaussians import density

        return density.log_density(density.natural_parameters(self), frames, precision=precision)

    def log_likelihood(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.float64]:
        """Log-likelihood of each frame under the mixture, log sum_k w_k N(x | k).

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated.

        Returns
        -------
        array, shape (T,)
            Natural logarithms, one per frame (not summed), float64.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_frames(X, n_features=self.n_features)
        from speakergmm.gaussians import density

        return density.log_likelihood(density.natural_parameters(self), frames, precision=precision)

    def posteriors(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Posterior probability of each component given each frame.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated.

        Returns
        -------
        array, shape (T, K)
            Rows sum to one; of the dtype that `precision` names.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_frames(X, n_features=self.n_features)
        from speakergmm.gaussians import density

        return density.posteriors(density.natural_parameters(self), frames, precision=precision)

    def predict(self, X: ArrayLike, *, precision: Precision = "float32") -> NDArray[np.intp]:
        """Most probable component of each frame, shape (T,); of equal ones the first.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.
        """
        frames = check_frames(X, n_features=self.n_features)
        from speakergmm.gaussians import density

        return density.predict(density.natural_parameters(self), frames, precision=precision)

    def select_top(
        self, X: ArrayLike, n_top: int, *, precision: Precision = "float32"
    ) -> tuple[NDArray[np.intp], NDArray[np.floating[Any]]]:
        """Find the components that give each frame the highest joint density.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        n_top : int
            How many components to keep per frame, C; from 1 to K.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated.

        Returns
        -------
        indices : array, shape (T, C)
            Component numbers, best first.
        log_densities : array, shape (T, C)
            Their joint log-densities, log w_k + log N(x | k).

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns or `n_top` lies outside 1..K.
        """
        if not 1 <= n_top <= self.n_components:
            raise InvalidInputError(
                f"n_top must lie between 1 and the {self.n_components} components, found {n_top}"
            )
        frames = check_frames(X, n_features=self.n_features)
        from speakergmm.gaussians import density

        return density.select_top(
            density.natural_parameters(self), frames, n_top, precision=precision
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
        if n < 0:
            raise InvalidInputError(f"the number of frames to sample must be >= 0, found {n}")
        chosen = rng.choice(self.n_components, size=n, p=self.weights / self.weights.sum())
        noise = rng.standard_normal((n, self.n_features))
        return np.asarray(self.means[chosen] + self.colour(noise, chosen))

    def marginal(self, dims: Dims) -> Mixture:
        """Return the mixture of some of the features."""
        from speakergmm.mixtures.operations.conditioning import marginal

        return marginal(self, dims)

    def condition(self, dims: Dims, values: ArrayLike) -> Mixture | ConditionalMixtures:
        """Give the mixture of the other features where `dims` have these values.

        Parameters
        ----------
        dims : int or sequence of int
            Features that are given, G of them.
        values : array, shape (G,) or (T, G)
            Their values; a matrix gives one conditional mixture for each row.

        See Also
        --------
        speakergmm.mixtures.operations.conditioning.condition : The same, with its formulas.
        """
        from speakergmm.mixtures.operations.conditioning import condition

        return condition(self, dims, values)

    def global_moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance, both of shape (D,), of the mixture as a whole."""
        mean = self.weights @ self.means
        variance = self.weights @ (self.component_variances() + (self.means - mean) ** 2)
        return mean, variance

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes get models by this way: through the checks, and read-only again.
        return type(self), (self.weights, self.means, self.covariances)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Give the parameters by name, ready to be stored."""
        return {
            "weights": self.weights,
            "means": self.means,
            self.covariance_name: self.covariances,
        }

    @classmethod
    def from_arrays(cls: type[AnyMixture], arrays: Mapping[str, ArrayLike]) -> AnyMixture:
        """Build a model of what `to_arrays` gave, validated anew.

        Raises
        ------
        InvalidInputError
            If an array is missing or the parameters are not those of a mixture.
        """
        names = ("weights", "means", cls.covariance_name)
        missing = [name for name in names if name not in arrays]
        if missing:
            kind = {"diag": "diagonal"}.get(cls.covariance_type, cls.covariance_type)
            raise InvalidInputError(
                f"a {kind} mixture needs weights, means and {cls.covariance_name}; missing: "
                f"{', '.join(missing)}"
            )
        return cls(*(arrays[name] for name in names))


class HasMixture(Protocol):
    """A fitted estimator."""

    @property
    def mixture_(self) -> Mixture:
        """What was fitted."""


@overload
def mixture_of(model: AnyMixture, *, kind: None = None) -> AnyMixture: ...


@overload
def mixture_of(model: HasMixture, *, kind: None = None) -> Mixture: ...


@overload
def mixture_of(model: Any, *, kind: type[AnyMixture]) -> AnyMixture: ...


def mixture_of(model: Any, *, kind: type[Mixture] | None = None) -> Mixture:
    """Give a mixture, or that of a fitted estimator, a background model or a speaker's model.

    Parameters
    ----------
    model : Mixture, or what holds one as `mixture_` or `mixture`
    kind : class, optional
        The kind that is needed, such as `DiagonalMixture`.

    Returns
    -------
    Mixture

    Raises
    ------
    InvalidTypeError
        If `model` is nothing of the sort, or the mixture of another kind; the message names the
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
        way = " of another library; see speakergmm.estimators.interchange.from_scikit_learn"
    elif hasattr(model, "covars_"):
        way = "; give one of its states, model.state_mixture(0)"
    elif hasattr(model, "fit"):
        what += " that is not fitted"
        way = "; call its fit(X) first"
    else:
        way = "; build one by make_mixture(covariance_type, weights, means, covariances)"
    raise InvalidTypeError(f"{needed}, found {what}{way}")


def freeze(
    model: Mixture, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike, *axes: str
) -> None:
    """Set and check the arrays of a model; `axes` name those of the covariances.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, or weights do not sum to
        one.
    """
    given: tuple[tuple[str, ArrayLike, int], ...] = (
        ("weights", weights, 1),
        ("means", means, 2),
        (model.covariance_name, covariances, len(axes)),
    )
    for name, value, n_axes in given:
        object.__setattr__(model, name, _frozen(name, value, n_axes))
    n_components, n_features = model.means.shape
    sizes = {"K": n_components, "D": n_features}
    expected = tuple(sizes[axis] for axis in axes)
    if model.weights.shape != (n_components,) or model.covariances.shape != expected:
        shape = f"({axes[0]},)" if len(axes) == 1 else f"({', '.join(axes)})"
        raise InvalidInputError(
            f"mixture parameters disagree: weights {model.weights.shape}, means "
            f"{model.means.shape}, {model.covariance_name} {model.covariances.shape}; "
            f"expected (K,), (K, D), {shape}"
        )
    if n_components == 0 or n_features == 0:
        raise InvalidInputError(
            f"a mixture needs components and features, found means of shape {model.means.shape}"
        )
    if model.weights.min() < 0 or abs(model.weights.sum() - 1.0) > 1e-6:
        raise InvalidInputError(
            f"weights must not be negative and must sum to 1, found a smallest weight of "
            f"{model.weights.min():g} and a sum of {model.weights.sum():.9g}"
        )


def positive(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give counts that can be divided by."""
    return np.maximum(counts, np.finfo(np.float64).tiny)


def _frozen(name: str, value: ArrayLike, n_axes: int) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.ndim != n_axes:
        raise InvalidInputError(
            f"{name} must have {n_axes} axes, found an array of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InvalidInputError(f"{name} must be finite, found NaN or infinity")
    array.setflags(write=False)
    return array
