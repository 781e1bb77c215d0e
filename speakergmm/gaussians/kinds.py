"""The four kinds of mixtures by the names that scikit-learn gave them."""

from __future__ import annotations

from numpy.typing import ArrayLike

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.diagonal import DiagonalMixture
from speakergmm.gaussians.full import FullMixture
from speakergmm.gaussians.parameters import CovarianceType, Mixture
from speakergmm.gaussians.spherical import SphericalMixture
from speakergmm.gaussians.tied import TiedMixture

MIXTURE_KINDS: dict[str, type[Mixture]] = {
    kind.covariance_type: kind
    for kind in (SphericalMixture, DiagonalMixture, TiedMixture, FullMixture)
}


def mixture_kind(covariance_type: str) -> type[Mixture]:
    """Give the class of mixtures with this type of covariance.

    Raises
    ------
    InvalidInputError
        If there is none.
    """
    if not isinstance(covariance_type, str) or covariance_type not in MIXTURE_KINDS:
        raise InvalidInputError(
            f"covariance_type must be one of {', '.join(map(repr, MIXTURE_KINDS))}, found "
            f"{covariance_type!r}"
        )
    return MIXTURE_KINDS[covariance_type]


def make_mixture(
    covariance_type: CovarianceType | str,
    weights: ArrayLike,
    means: ArrayLike,
    covariances: ArrayLike,
) -> Mixture:
    """Build a mixture of the kind that is named.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind.
    weights : array, shape (K,)
        Not negative, summing to one.
    means : array, shape (K, D)
        In feature units.
    covariances : array, shape (K,), (K, D), (D, D) or (K, D, D)
        As the kind has it.

    Raises
    ------
    InvalidInputError
        If the kind is unknown or the parameters are not those of such a mixture.

    Examples
    --------
    >>> make_mixture("tied", [1.0], [[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]).covariance_type
    'tied'
    """
    return mixture_kind(covariance_type)(weights, means, covariances)
