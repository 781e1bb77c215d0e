"""The prior of the weights, means and precisions of a Bayesian mixture."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.matrices import is_positive_definite
from speakergmm.gaussians.parameters import KINDS, frozen
from speakergmm.ranges import choice, number
from speakergmm.record_fields import parts

WeightConcentrationType = Literal["dirichlet_process", "dirichlet_distribution"]
CovariancePriorType = Literal["wishart", "conjugate"]

# Asymmetry of a covariance, in units of its deviations, that still counts as rounding.
_ASYMMETRY = 1e-6


def least_degrees_of_freedom(
    kind: Covariances, covariance_prior_type: CovariancePriorType, n_features: int
) -> int:
    """Return the number that the degrees of freedom must exceed."""
    of_numbers = covariance_prior_type == "conjugate" and not kind.is_matrix
    return 0 if of_numbers else n_features - 1


@dataclass(frozen=True, slots=True, eq=False)
class VariationalPrior:
    """A prior of the weights, means and precisions of a Gaussian mixture.

    Weights have a Dirichlet distribution, or that of a stick-breaking process with fractions
    v_k ~ Beta(1, concentration), of which the first K are fitted (a Dirichlet process).
    A mean, given its precision matrix, is Gaussian about `mean` with `mean_precision` times that
    matrix. Precision matrices have Wishart distributions; see Notes.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind of mixture.
    concentration : float
        Concentration of the weights, > 0: the parameter of each component of the Dirichlet
        distribution, or that of the Dirichlet process. Small values leave components empty.
    mean : array, shape (D,)
        Mean of the means, in feature units.
    mean_precision : float
        Number of frames for which `mean` counts, > 0.
    degrees_of_freedom : float
        Number of frames for which `covariance` counts, nu0; > D - 1, or > 0 for the conjugate
        prior of a diagonal or spherical mixture.
    covariance : array, shape (D, D) if full or tied, (D,) if diag, () if spherical
        Inverse scale of the Wishart distribution, in squared feature units; positive (definite).
        The expected precision is ``degrees_of_freedom * inverse(covariance)``.
    weight_concentration_type : {"dirichlet_process", "dirichlet_distribution"}
        Prior of the weights.
    covariance_prior_type : {"wishart", "conjugate"}, default="wishart"
        Prior of the precisions; see Notes. For full covariances there is no difference.

    Raises
    ------
    InvalidInputError
        If a parameter is out of range or has the wrong shape.

    Notes
    -----
    "wishart" is what scikit-learn computes: each of K components has a full precision matrix with
    a Wishart prior, and the kind of covariance restricts the *posterior*, whose scale matrix is
    diagonal, a multiple of the identity, or the same in all components. The bound is a bound on
    the evidence of the unrestricted model. "conjugate" restricts the model itself: one
    Gamma-distributed precision for each feature of each component (diag), one for each component
    (spherical), one Wishart-distributed matrix for all (tied, of K nu0 degrees of freedom and
    inverse scale K `covariance`). The two give the same covariances for the same
    responsibilities, and differ in the expected log-determinant of the precisions.

    References
    ----------
    Bishop (2006), Pattern Recognition and Machine Learning, section 10.2. Blei and Jordan (2006),
    Variational inference for Dirichlet process mixtures.
    """

    covariance_type: CovarianceType
    _: KW_ONLY
    concentration: float
    mean: NDArray[np.float64]
    mean_precision: float
    degrees_of_freedom: float
    covariance: NDArray[np.float64]
    weight_concentration_type: WeightConcentrationType = "dirichlet_process"
    covariance_prior_type: CovariancePriorType = "wishart"

    def __post_init__(self) -> None:
        """Raise an error if a parameter is not valid."""
        choice("covariance_type", self.covariance_type, KINDS)
        choice(
            "weight_concentration_type",
            self.weight_concentration_type,
            get_args(WeightConcentrationType),
        )
        choice("covariance_prior_type", self.covariance_prior_type, get_args(CovariancePriorType))
        for name in ("mean", "covariance"):
            object.__setattr__(self, name, frozen(name, getattr(self, name)))
        self._check_shapes()
        for name, least in (
            ("concentration", 0),
            ("mean_precision", 0),
            ("degrees_of_freedom", self.least_degrees_of_freedom),
        ):
            object.__setattr__(self, name, number(name, getattr(self, name), above=least))

    def _check_shapes(self) -> None:
        if self.mean.ndim != 1 or not self.mean.size:
            raise InvalidInputError(f"mean must have shape (D,), found {self.mean.shape}")
        d = self.n_features
        expected = (d,) * self.kind.axes.count("D")
        if self.covariance.shape != expected:
            raise InvalidInputError(
                f"covariance of a {self.covariance_type} prior must have shape {expected}, found "
                f"{self.covariance.shape}"
            )
        if self.covariance.ndim == 2:
            deviations = np.sqrt(np.abs(np.diag(self.covariance)))
            asymmetry = np.abs(self.covariance - self.covariance.T)
            crooked = (asymmetry > _ASYMMETRY * np.outer(deviations, deviations)).any()
            if crooked or not is_positive_definite(self.covariance):
                raise InvalidInputError(
                    "covariance must be symmetric and positive definite, found a matrix that is "
                    f"{'not symmetric' if crooked else 'not positive definite'}"
                )
        elif self.covariance.min() <= 0:
            raise InvalidInputError(f"covariance must be > 0, found {self.covariance.min():g}")

    @property
    def kind(self) -> Covariances:
        """Formulas of the kind of covariances."""
        return KINDS[self.covariance_type]

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.mean.size)

    @property
    def least_degrees_of_freedom(self) -> int:
        """Number that `degrees_of_freedom` must exceed."""
        return least_degrees_of_freedom(self.kind, self.covariance_prior_type, self.n_features)

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> VariationalPrior:
        """Return the prior of the mixture of ``x * scale + shift``, both of shape (D,)."""
        covariance = self.kind.rescaled(self.covariance, scale)
        return replace(self, mean=self.mean * scale + shift, covariance=covariance)

    def __reduce__(self) -> tuple[Any, ...]:
        # The constructor checks the arrays and makes them read-only.
        return partial(VariationalPrior, **parts(self)), ()
