"""One linear transform after which diagonal covariances fit best: semi-tied covariances (MLLT)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.parameters import Gaussians
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.ranges import number, whole_number

# Least eigenvalue, relative to the largest one and in units of deviations, of statistics that have
# an inverse of some digits.
_LEAST_EIGENVALUE = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class SemiTiedTransform:
    """A transform of features under which diagonal Gaussians are most likely.

    Parameters
    ----------
    matrix : array, shape (D, D)
        A, by which features and means are multiplied: ``x @ matrix.T``.
    gains : tuple of float
        Gain in log-likelihood per frame, in nats and with the log-determinant, after each sweep.
    """

    matrix: Array
    gains: tuple[float, ...]

    @property
    def log_determinant(self) -> float:
        """Log-determinant of the matrix, which each log-likelihood of a frame includes."""
        return float(np.linalg.slogdet(self.matrix)[1])


def semi_tied_scatter(statistics: MixtureStatistics, gaussians: Gaussians) -> Array:
    """Return the scatter of frames about their Gaussians, by the variances of each feature.

    Parameters
    ----------
    statistics : MixtureStatistics
        Full second-order moments of each Gaussian, ``covariance_type="full"``.
    gaussians : Gaussians
        The G Gaussians of diagonal covariances whose posteriors they are.

    Returns
    -------
    array, shape (D, D, D)
        Matrix i is ``sum_g S_g / variance_gi``, S_g the scatter about the mean of Gaussian g.

    Raises
    ------
    InvalidInputError
        If the statistics are of another kind, or of other Gaussians.
    """
    second = statistics.second_order
    if statistics.covariance_type != "full" or second is None:
        raise InvalidInputError(
            "semi-tied covariances need full second-order moments of each Gaussian, found "
            f"{'none' if second is None else statistics.covariance_type}"
        )
    if gaussians.means.shape != statistics.first_order.shape:
        raise InvalidInputError(
            f"statistics of shape {statistics.first_order.shape} for Gaussians of shape "
            f"{gaussians.means.shape}"
        )
    origins = 0.0 if statistics.origins is None else statistics.origins
    shift = origins - gaussians.means
    about = statistics.kind.moved(second, statistics.counts, statistics.first_order, shift)
    return np.asarray(np.tensordot(1 / gaussians.variances(), about, axes=(0, 0)))


def estimate_semi_tied_transform(
    scatter: Array, count: float, *, max_iter: int = 200, tol: float = 1e-9
) -> SemiTiedTransform:
    """Return the transform of features under which diagonal Gaussians are most likely (MLLT).

    Parameters
    ----------
    scatter : array, shape (D, D, D)
        G, as `semi_tied_scatter` returns it.
    count : float
        Number of frames, a sum of posteriors.
    max_iter : int, default=200
        Largest number of sweeps over the rows.
    tol : float, default=1e-9
        Sweeps end when they gain no more than this per frame.

    Raises
    ------
    InsufficientDataError
        If the frames do not vary in all directions.

    Notes
    -----
    The objective is ``count log|det A| - 1/2 sum_i a_i G_i a_i'`` for rows a_i. Each row in turn is
    set to its best given all others, ``a_i = c_i inv(G_i) sqrt(count / (c_i inv(G_i) c_i'))`` with
    the row c_i of cofactors of A, so that no sweep loses. Variances stay as they are meanwhile;
    the next iteration of training adapts them.

    References
    ----------
    .. [1] Gales, "Semi-tied covariance matrices for hidden Markov models", IEEE Transactions on
       Speech and Audio Processing 7 (1999) 272-281.

    Examples
    --------
    >>> found = estimate_semi_tied_transform(np.array([[[400.0]]]), 100.0)
    >>> found.matrix, round(found.gains[-1], 4)
    (array([[0.5]]), 0.8069)
    """
    count = number("count", count, above=0)
    whole_number("max_iter", max_iter)
    d = len(scatter)
    inverses = invertible(scatter, "semi-tied covariances")
    matrix, last = np.eye(d), -0.5 * float(np.einsum("iii->", scatter))
    start, gains = last, list[float]()
    while len(gains) < max_iter:
        for row, inverse in enumerate(inverses):
            # Cofactors up to a factor, which the update does not see.
            cofactors = np.linalg.solve(matrix, np.eye(d)[row])
            found = cofactors @ inverse
            matrix[row] = found * np.sqrt(count / (found @ cofactors))
        quadratic = float(np.einsum("ia,iab,ib->", matrix, scatter, matrix))
        objective = count * float(np.linalg.slogdet(matrix)[1]) - 0.5 * quadratic
        gains.append((objective - start) / count)
        if objective - last <= tol * count:
            break
        last = objective
    return SemiTiedTransform(matrix, tuple(gains))


def invertible(scatters: Array, what: str) -> Array:
    """Return the inverses of a stack of symmetric matrices (N, D, D).

    Raises
    ------
    InsufficientDataError
        If one has none of any digits; it is named by its place, which is that of a feature.
    """
    deviations = np.sqrt(np.maximum(np.diagonal(scatters, axis1=1, axis2=2), 0.0))
    units = np.where(deviations > 0, deviations, 1.0)
    scale = units[:, :, None] * units[:, None, :]
    values, vectors = np.linalg.eigh(scatters / scale)
    singular = ~(values[:, 0] > _LEAST_EIGENVALUE * np.maximum(values[:, -1], 1e-300))
    if singular.any():
        place = int(singular.argmax())
        rank = int((values[place] > _LEAST_EIGENVALUE * values[place, -1]).sum())
        raise InsufficientDataError(
            f"{what}: the frames under feature {place} vary in {rank} of {values.shape[1]} "
            "directions; give more frames, or leave out features that follow from others"
        )
    inverses = (vectors / values[:, None, :]) @ vectors.swapaxes(1, 2)
    return np.asarray(inverses / scale)
