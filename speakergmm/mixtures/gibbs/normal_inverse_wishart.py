"""The conjugate prior of a cluster's mean and covariance: updates and marginal likelihoods.

A Gaussian with unknown mean and covariance has a Normal-inverse-Wishart prior (full covariances) or
a Normal-inverse-gamma prior for each feature (diagonal ones). The posterior is of the same family,
and the marginal likelihood of a cluster has a closed form, which a collapsed sampler needs. The
formulas are those of Murphy (2007), "Conjugate Bayesian analysis of the Gaussian distribution",
sections 6 and 9.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.matrices import is_positive_definite
from speakergmm.gaussians.parameters import frozen
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.mixtures.gibbs.sampling_options import GibbsCovariance
from speakergmm.ranges import choice, number

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class NormalInverseWishart:
    """A distribution of the mean and covariance of one Gaussian.

    The covariance is inverse-Wishart with `degrees_of_freedom` and `scale`; given the covariance S,
    the mean is normal about `mean` with covariance S / `mean_precision`. With a `scale` of shape
    (D,) the features are independent, and this holds for each of them with D = 1: the variance is
    inverse-gamma with shape `degrees_of_freedom` / 2 and scale `scale` / 2.

    Parameters
    ----------
    mean : array, shape (D,)
        In feature units.
    mean_precision : float
        Number of frames for which the prior mean counts; > 0.
    degrees_of_freedom : float
        > D - 1 (full) or > 0 (diagonal).
    scale : array, shape (D, D) or (D,)
        Symmetric positive definite, or positive; in squared feature units.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, or a value is out of range.

    Examples
    --------
    >>> prior = NormalInverseWishart([0.0], 1.0, 3.0, [1.0])
    >>> posterior = prior.update([[2.0], [4.0]])
    >>> posterior.mean, posterior.scale
    (array([2.]), array([9.]))
    """

    mean: Array
    mean_precision: float
    degrees_of_freedom: float
    scale: Array

    def __post_init__(self) -> None:
        """Raise an error if a parameter is not valid."""
        for name in ("mean", "scale"):
            object.__setattr__(self, name, frozen(f"the prior's {name}", getattr(self, name)))
        shape = self.mean.shape
        if len(shape) != 1 or not self.mean.size or self.scale.shape not in (shape, 2 * shape):
            raise InvalidInputError(
                f"prior parameters disagree: mean {shape}, scale {self.scale.shape}; expected "
                f"(D,) and (D, D) for full or (D,) for diagonal covariances"
            )
        least = self.n_features - 1 if self.scale.ndim == 2 else 0
        for name, above in (("mean_precision", 0), ("degrees_of_freedom", least)):
            object.__setattr__(self, name, number(name, getattr(self, name), above=above))
        if not _is_positive(self.scale):
            raise InvalidInputError(
                "the prior's scale must be symmetric positive definite (full) or positive "
                "(diagonal), and it is not"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        values = (self.mean, self.mean_precision, self.degrees_of_freedom, self.scale)
        return type(self), values

    @classmethod
    def from_data(
        cls,
        X: ArrayLike,
        *,
        covariance_type: GibbsCovariance = "full",
        within_fraction: float = 0.2,
    ) -> NormalInverseWishart:
        """Return a weak prior with a given part of the data's covariance within clusters.

        The expected covariance of a cluster is `within_fraction` f times the covariance C of the
        data, and clusters' means scatter about the data's mean with the rest: `mean_precision` is
        f / (1 - f), so that the two add up to C. There are 2 D + 2 degrees of freedom (full) or 4
        (diagonal): D + 1 more than the least. With fewer, the covariances
        of small clusters in many dimensions are so uncertain that hundreds of frames form clusters
        of one or two, a state that the sampler takes long to leave.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames; T >= 1.
        covariance_type : {"full", "diag"}, default="full"
            Kind of the clusters' covariances.
        within_fraction : float, default=0.2
            Between 0 and 1, both excluded.

        Returns
        -------
        NormalInverseWishart
            It moves and scales with the data, so that offset and units do not matter.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix, or an option is out of range.
        InsufficientDataError
            If there is no frame.

        Notes
        -----
        Correlations are shrunk towards zero, as if D further frames had shown none, which keeps the
        prior proper with fewer frames than features and with redundant features. A constant
        feature has no unit; a deviation of 1 is assumed.
        """
        choice("covariance_type", covariance_type, get_args(GibbsCovariance))
        number("within_fraction", within_fraction, above=0, below=1)
        frames = check_finite_frames(X)
        moments = frame_moments(frames)
        deviation = moments.deviation()
        mean_precision = within_fraction / (1 - within_fraction)
        if covariance_type == "diag":
            return cls(moments.mean, mean_precision, 4.0, 2 * within_fraction * deviation**2)
        n_frames, n_features = frames.shape
        z = (frames - moments.mean) / deviation
        correlation = z.T @ z / (n_frames + n_features)
        np.fill_diagonal(correlation, 1.0)
        # A product of matrices need not be symmetric to the last bit.
        correlation = (correlation + correlation.T) / 2
        covariance = within_fraction * correlation * np.outer(deviation, deviation)
        freedom = 2.0 * n_features + 2.0
        return cls(moments.mean, mean_precision, freedom, (n_features + 1) * covariance)

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return len(self.mean)

    @property
    def covariance_type(self) -> GibbsCovariance:
        """Kind of the covariances, "full" or "diag"."""
        return "full" if self.scale.ndim == 2 else "diag"

    def rescale(self, centre: Array, unit: Array) -> NormalInverseWishart:
        """Return the same prior for z = (x - centre) / unit, where both are of shape (D,)."""
        units = np.outer(unit, unit) if self.scale.ndim == 2 else unit**2
        mean = (self.mean - centre) / unit
        return type(self)(mean, self.mean_precision, self.degrees_of_freedom, self.scale / units)

    def update(self, X: ArrayLike) -> NormalInverseWishart:
        """Return the posterior after the frames `X`, shape (T, D); T may be 0."""
        frames = np.asarray(X, dtype=np.float64)
        precision = self.mean_precision + len(frames)
        # All differences are from the posterior mean, so that no offset is squared.
        mean = self.mean + (frames - self.mean).sum(axis=0) / precision
        moved, step = frames - mean, mean - self.mean
        if self.scale.ndim == 2:
            scatter = moved.T @ moved + self.mean_precision * np.outer(step, step)
            scatter = (scatter + scatter.T) / 2
        else:
            scatter = (moved**2).sum(axis=0) + self.mean_precision * step**2
        freedom = self.degrees_of_freedom + len(frames)
        return type(self)(mean, precision, freedom, self.scale + scatter)

    def log_marginal(self, X: ArrayLike) -> float:
        """Return the marginal log-likelihood of frames `X`, shape (T, D), of one cluster.

        Returns
        -------
        float
            Natural logarithm of p(X).
        """
        frames = np.asarray(X, dtype=np.float64)
        change = self.update(frames)._log_normaliser() - self._log_normaliser()
        return float(change - 0.5 * frames.size * math.log(math.pi))

    def log_predictive(self, X: ArrayLike) -> Array:
        """Return the predictive log-density of each frame of `X`, shape (T, D), in this cluster.

        Returns
        -------
        array, shape (T,)
            Natural logarithms, by the multivariate Student distribution (full) or by a product of
            Student distributions (diagonal).
        """
        from scipy.special import gammaln

        moved = np.asarray(X, dtype=np.float64) - self.mean
        ratio = self.mean_precision / (self.mean_precision + 1.0)
        constant = 0.5 * math.log(ratio / math.pi)
        half = (self.degrees_of_freedom + 1.0) / 2
        if self.scale.ndim == 1:
            constant += float(gammaln(half) - gammaln(half - 0.5))
            growth = np.log1p(ratio * moved**2 / self.scale)
            return np.asarray((constant - 0.5 * np.log(self.scale) - half * growth).sum(axis=1))
        from scipy.linalg import solve_triangular

        n_features = self.n_features
        factor = np.linalg.cholesky(self.scale)
        distances = (solve_triangular(factor, moved.T, lower=True) ** 2).sum(axis=0)
        constant = n_features * constant + float(gammaln(half) - gammaln(half - n_features / 2))
        constant -= float(np.log(np.diag(factor)).sum())
        return np.asarray(constant - half * np.log1p(ratio * distances))

    def expected_covariance(self) -> Array:
        """Return the mean of the covariance, in the shape of `scale`.

        If it does not exist (too few degrees of freedom) it is `scale` / `degrees_of_freedom`.
        """
        freedom = self.degrees_of_freedom - (self.n_features if self.scale.ndim == 2 else 1) - 1
        return self.scale / (freedom if freedom > 0 else self.degrees_of_freedom)

    def _log_normaliser(self) -> float:
        # Logarithm of the normaliser of the density, without powers of 2 and pi that depend on the
        # number of frames only.
        from scipy.special import gammaln, multigammaln

        half, n_features = self.degrees_of_freedom / 2, self.n_features
        if self.scale.ndim == 2:
            log_gamma = float(multigammaln(half, n_features))
            log_determinant = 2 * float(np.log(np.diag(np.linalg.cholesky(self.scale))).sum())
        else:
            log_gamma = n_features * float(gammaln(half))
            log_determinant = float(np.log(self.scale).sum())
        precision_term = 0.5 * n_features * math.log(self.mean_precision)
        return log_gamma - half * log_determinant - precision_term


def _is_positive(scale: Array) -> bool:
    if scale.ndim == 1:
        return bool(scale.min() > 0)
    deviation = np.sqrt(np.abs(np.diag(scale)))
    if not deviation.min() > 0:
        return False
    # In units of the deviations, so that very different scales of features do not matter.
    correlation = scale / deviation[:, None] / deviation
    if not np.allclose(correlation, correlation.T, rtol=0, atol=1e-8):
        return False
    return is_positive_definite(correlation)
