"""The frozen parameters of a diagonal Gaussian mixture, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import density
from speakergmm.mixtures.frames import check_frames

Precision = Literal["float32", "float64"]


@dataclass(frozen=True, slots=True, eq=False)
class DiagonalMixture:
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
    The arrays are copied, float64 and read-only: a model never changes under its users' hands.

    Examples
    --------
    >>> model = DiagonalMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    >>> model.n_components, model.n_features
    (2, 1)
    >>> model.log_likelihood(np.array([[0.0]]), precision="float64").round(4)
    array([-1.4189])
    """

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    def __init__(self, weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> None:
        for name, value, n_axes in (
            ("weights", weights, 1),
            ("means", means, 2),
            ("variances", variances, 2),
        ):
            object.__setattr__(self, name, _frozen(name, value, n_axes))
        n_components, n_features = self.means.shape
        if self.weights.shape != (n_components,) or self.variances.shape != self.means.shape:
            raise InvalidInputError(
                f"mixture parameters disagree: weights {self.weights.shape}, means "
                f"{self.means.shape}, variances {self.variances.shape}; "
                f"expected (K,), (K, D), (K, D)"
            )
        if n_components == 0 or n_features == 0:
            raise InvalidInputError(
                f"a mixture needs components and features, found means of shape {self.means.shape}"
            )
        if self.weights.min() < 0 or abs(self.weights.sum() - 1.0) > 1e-6:
            raise InvalidInputError(
                f"weights must not be negative and must sum to 1, found a smallest weight of "
                f"{self.weights.min():g} and a sum of {self.weights.sum():.9g}"
            )
        if self.variances.min() <= 0:
            component, feature = np.argwhere(self.variances <= 0)[0]
            raise InvalidInputError(
                f"variances must be positive, found {self.variances[component, feature]:g} "
                f"at component {component}, feature {feature}"
            )

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return int(self.means.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.means.shape[1])

    def log_density(
        self, X: ArrayLike, *, precision: Precision = "float32"
    ) -> NDArray[np.floating[Any]]:
        """Joint log-density of each frame and component, log w_k + log N(x | k).

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        precision : {"float32", "float64"}, default="float32"
            In which the densities are evaluated; see `speakergmm.mixtures.density`.

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
        return density.log_likelihood(density.natural_parameters(self), frames, precision=precision)

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
        return np.asarray(self.means[chosen] + np.sqrt(self.variances[chosen]) * noise)

    def global_moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and variance, both of shape (D,), of the mixture as a whole."""
        mean = self.weights @ self.means
        variance = self.weights @ (self.variances + (self.means - mean) ** 2)
        return mean, variance

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes get models by this way: through the checks, and read-only again.
        return type(self), (self.weights, self.means, self.variances)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Give the parameters by name, ready to be stored."""
        return {"weights": self.weights, "means": self.means, "variances": self.variances}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike]) -> DiagonalMixture:
        """Build a model of what `to_arrays` gave, validated anew.

        Raises
        ------
        InvalidInputError
            If an array is missing or the parameters are not those of a mixture.
        """
        missing = [name for name in ("weights", "means", "variances") if name not in arrays]
        if missing:
            raise InvalidInputError(
                f"a diagonal mixture needs weights, means and variances; missing: "
                f"{', '.join(missing)}"
            )
        return cls(arrays["weights"], arrays["means"], arrays["variances"])


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
