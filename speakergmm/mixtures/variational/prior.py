"""What a Bayesian mixture believes before it has seen a frame."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import Covariances, CovarianceType
from speakergmm.gaussians.matrices import is_positive_definite
from speakergmm.gaussians.parameters import KINDS, frozen

if TYPE_CHECKING:
    from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.record_fields import parts

WeightConcentrationType = Literal["dirichlet_process", "dirichlet_distribution"]
CovariancePriorType = Literal["wishart", "conjugate"]

# Of a covariance in units of its deviations: how far from symmetric rounding may leave it.
_ASYMMETRY = 1e-6


def least_degrees_of_freedom(
    kind: Covariances, covariance_prior_type: CovariancePriorType, n_features: int
) -> int:
    """Return what the degrees of freedom must exceed for the distribution to exist."""
    of_numbers = covariance_prior_type == "conjugate" and not kind.is_matrix
    return 0 if of_numbers else n_features - 1


@dataclass(frozen=True, slots=True, eq=False)
class VariationalPrior:
    """Prior of the weights, means and precisions of a Gaussian mixture.

    Weights have a Dirichlet distribution, or come from breaking a stick again and again with
    fractions v_k ~ Beta(1, concentration), of which the first K are fitted (a Dirichlet process).
    A mean, given its precision matrix, is Gaussian about `mean` with `mean_precision` times that
    matrix. Precision matrices have Wishart distributions, as Notes say.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind of mixture.
    concentration : float
        Of the weights, > 0: the parameter of each component of the Dirichlet distribution, or that
        of the Dirichlet process. Small values leave components empty.
    mean : array, shape (D,)
        In feature units.
    mean_precision : float
        Frames that `mean` is worth, > 0.
    degrees_of_freedom : float
        Frames that `covariance` is worth, nu0; > D - 1, or > 0 for the conjugate prior of a
        diagonal or spherical mixture.
    covariance : array, shape (D, D) if full or tied, (D,) if diag, () if spherical
        Inverse scale of the Wishart distribution, in squared feature units; positive (definite).
        The expected precision is ``degrees_of_freedom * inverse(covariance)``.
    weight_concentration_type : {"dirichlet_process", "dirichlet_distribution"}
        Which of the two priors the weights have.
    covariance_prior_type : {"wishart", "conjugate"}, default="wishart"
        See Notes; no difference for full covariances.

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
        """Check what was given."""
        for name, choices in (
            ("covariance_type", CovarianceType),
            ("weight_concentration_type", WeightConcentrationType),
            ("covariance_prior_type", CovariancePriorType),
        ):
            if getattr(self, name) not in get_args(choices):
                raise InvalidInputError(
                    f"{name} must be one of {', '.join(map(repr, get_args(choices)))}, found "
                    f"{getattr(self, name)!r}"
                )
        for name in ("concentration", "mean_precision", "degrees_of_freedom"):
            number = getattr(self, name)
            if not 0 < number < np.inf:
                raise InvalidInputError(f"{name} must be finite and > 0, found {number}")
            object.__setattr__(self, name, float(number))
        for name in ("mean", "covariance"):
            object.__setattr__(self, name, frozen(name, getattr(self, name)))
        self._check_shapes()
        if not self.degrees_of_freedom > self.least_degrees_of_freedom:
            raise InvalidInputError(
                f"degrees_of_freedom must be greater than {self.least_degrees_of_freedom}, found "
                f"{self.degrees_of_freedom}"
            )

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
        """The formulas of the kind."""
        return KINDS[self.covariance_type]

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.mean.size)

    @property
    def least_degrees_of_freedom(self) -> int:
        """What `degrees_of_freedom` must exceed for the distribution to exist."""
        return least_degrees_of_freedom(self.kind, self.covariance_prior_type, self.n_features)

    def to_standard(self, standardisation: Standardisation) -> VariationalPrior:
        """Give the prior of z = (x - centre) / scale for this one of x."""
        scale = standardisation.scale
        mean = (self.mean - standardisation.centre) / scale
        return self._with(mean=mean, covariance=self.kind.rescaled(self.covariance, 1 / scale))

    def from_standard(self, standardisation: Standardisation) -> VariationalPrior:
        """Give the prior of x for this one of z."""
        scale = standardisation.scale
        mean = self.mean * scale + standardisation.centre
        return self._with(mean=mean, covariance=self.kind.rescaled(self.covariance, scale))

    def _with(self, **changes: NDArray[np.float64]) -> VariationalPrior:
        return VariationalPrior(**(parts(self) | changes))

    def __reduce__(self) -> tuple[Any, ...]:
        # Through the checks, and read-only again.
        return partial(VariationalPrior, **parts(self)), ()
