"""The joint posterior distribution of the factors of one speaker and of the speaker's sessions.

The residual is integrated out first, which is exact: given the factors of low rank, its elements
are independent. What is left are y and the x_r of all sessions, jointly normal, with a precision
that is a sum over the components of products of loadings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.subspace.factors import PreparedFactors

Array = NDArray[np.float64]

# Numbers of weighed loadings that are multiplied at a time: 16 MB.
_PIECE_NUMBERS = 1 << 21


class ResidualPosterior(NamedTuple):
    """Posterior moments of a speaker's residual factors z, in whitened coordinates.

    Parameters
    ----------
    means, squares : array, shape (K, D)
        Expectations of z and z^2.
    products : array, shape (K, D, H)
        Expectation of z times the sum, over the sessions, of occupancy times factors.
    deviations : array, shape (K, D)
        First-order statistics of the speaker about the means of the model, whitened.
    """

    means: Array
    squares: Array
    products: Array
    deviations: Array


class SpeakerPosterior(NamedTuple):
    """Posterior moments of the factors of a speaker's S sessions.

    Parameters
    ----------
    means : array, shape (S, H)
        Factors of each session: those of the speaker, then its own.
    covariances : array, shape (S, H, H)
    residual : ResidualPosterior or None
    log_likelihood : float
        Log-likelihood of the statistics beyond that of a model without factors and residual.
    """

    means: Array
    covariances: Array
    residual: ResidualPosterior | None
    log_likelihood: float


def speaker_posterior(
    prepared: PreparedFactors, occupancy: Array, first_order: Array
) -> SpeakerPosterior:
    """Return the posterior distribution of all factors, given the sessions of one speaker.

    Parameters
    ----------
    prepared : PreparedFactors
        Of any factors.
    occupancy : array, shape (S, K)
        Zeroth-order statistics of the speaker's S sessions.
    first_order : array, shape (S, K, D)
        First-order statistics, about zero.

    Notes
    -----
    The posterior of [1]_ (theorem 1), without its approximation for many sessions: the sessions'
    factors depend on each other through the residual.

    References
    ----------
    .. [1] Kenny, "Joint Factor Analysis of Speaker and Session Variability: Theory and
       Algorithms", CRIM-06/08-13 (2005).
    """
    factors = prepared.factors
    n_speaker, n_session, n_sessions = factors.n_speaker, factors.n_session, len(occupancy)
    total = occupancy.sum(axis=0)
    deviations = first_order.sum(axis=0) - total[:, None] * factors.means
    whitened = prepared.whitening.whiten(deviations[:, :, None])[:, :, 0]
    shrinkage = _shrinkage(factors.residual, total)
    precision = _precision(prepared, occupancy, total, shrinkage)
    linear = prepared.linear_terms(occupancy, first_order)
    if shrinkage is not None:
        removed = np.matmul((shrinkage * whitened)[:, None, :], prepared.whitened)[:, 0]
        linear -= occupancy @ removed
    joint = np.concatenate([linear[:, :n_speaker].sum(axis=0), linear[:, n_speaker:].ravel()])
    gain = 0.0
    if factors.prior_mean is not None:
        joint[:n_speaker] += factors.prior_mean
        gain -= 0.5 * float(factors.prior_mean @ factors.prior_mean)
    solution, covariance, logarithm = _solved(precision, joint)
    gain += 0.5 * (float(joint @ solution) - logarithm)
    if factors.residual is not None and shrinkage is not None:
        gain += 0.5 * float((shrinkage * whitened**2).sum())
        gain -= 0.5 * float(np.log1p(total[:, None] * factors.residual**2).sum())
    means = np.empty((n_sessions, n_speaker + n_session))
    means[:, :n_speaker] = solution[:n_speaker]
    means[:, n_speaker:] = solution[n_speaker:].reshape(n_sessions, n_session)
    blocks = _Blocks.of(covariance, n_speaker, n_sessions)
    residual = None
    if factors.residual is not None:
        residual = _residual(prepared, occupancy, means, blocks, whitened)
    return SpeakerPosterior(means, blocks.of_sessions(), residual, gain)


def _shrinkage(residual: Array | None, total: Array) -> Array | None:
    """Return d^2 / (1 + N d^2) of deviations d (K, D) and occupancies N (K,); None for d = 0."""
    if residual is None or not residual.any():
        return None
    squares = residual**2
    return np.asarray(squares / (1.0 + total[:, None] * squares))


def _precision(
    prepared: PreparedFactors, occupancy: Array, total: Array, shrinkage: Array | None
) -> Array:
    """Return the joint precision of y and the x of S sessions, shape (R + S M, R + S M)."""
    n_speaker, n_session = prepared.factors.n_speaker, prepared.factors.n_session
    n_sessions, grams = len(occupancy), prepared.gram_matrices
    # Where the residual is the same in all features of a component, what it takes away is a sum
    # over components as well.
    is_even = shrinkage is None or bool((shrinkage == shrinkage[:, :1]).all())
    lost = shrinkage[:, 0] if is_even and shrinkage is not None else np.zeros(len(total))
    precision = np.eye(n_speaker + n_sessions * n_session)
    y, x = slice(0, n_speaker), slice(n_speaker, None)
    precision[y, y] += np.tensordot(total * (1.0 - lost * total), grams[:, y, y], 1)
    if n_session:
        crossed = np.tensordot(occupancy * (1.0 - lost * total), grams[:, y, x], 1)
        crossed = crossed.transpose(1, 0, 2).reshape(n_speaker, n_sessions * n_session)
        precision[y, x] += crossed
        precision[x, y] += crossed.T
        shares = np.eye(n_sessions)[:, :, None] * occupancy
        shares -= lost * occupancy[:, None, :] * occupancy[None, :, :]
        between = np.tensordot(shares, grams[:, x, x], 1).transpose(0, 2, 1, 3)
        precision[x, x] += between.reshape(n_sessions * n_session, n_sessions * n_session)
    if shrinkage is not None and not is_even:
        precision -= _taken(prepared, occupancy, total, shrinkage)
    return precision


def _taken(prepared: PreparedFactors, occupancy: Array, total: Array, shrinkage: Array) -> Array:
    """Return the precision that an uneven residual takes away: a product over all features."""
    n_speaker, n_session = prepared.factors.n_speaker, prepared.factors.n_session
    n_components, n_features, _ = prepared.whitened.shape
    size = n_speaker + len(occupancy) * n_session
    taken = np.zeros((size, size))
    step = max(1, _PIECE_NUMBERS // max(1, n_features * size))
    for start in range(0, n_components, step):
        piece = slice(start, start + step)
        roots = np.sqrt(shrinkage[piece])[:, :, None] * prepared.whitened[piece]
        of_speaker = total[piece, None, None] * roots[:, :, :n_speaker]
        n = occupancy[:, piece].T[:, None, :, None]
        of_sessions = (n * roots[:, :, None, n_speaker:]).reshape(
            len(roots), n_features, len(occupancy) * n_session
        )
        columns = np.concatenate([of_speaker, of_sessions], axis=2)
        columns = columns.reshape(len(roots) * n_features, size)
        taken += columns.T @ columns
    return taken


def _solved(precision: Array, linear: Array) -> tuple[Array, Array, float]:
    """Return solution, inverse and log-determinant of a positive definite system."""
    from scipy.linalg import lapack

    if not len(linear):
        return linear, precision, 0.0
    factor, failed = lapack.dpotrf(precision, lower=1)
    if failed:
        raise InvalidInputError("the precision of a posterior is not positive definite")
    logarithm = 2.0 * float(np.log(factor.diagonal()).sum())
    solution = lapack.dpotrs(factor, linear, lower=1)[0].ravel()
    lower = np.tril(lapack.dpotri(factor, lower=1)[0])
    return solution, lower + np.tril(lower, -1).T, logarithm


class _Blocks(NamedTuple):
    """The blocks of a joint covariance: of y, of y and x_r, of x_r and x_s."""

    speaker: Array  # (R, R)
    crossed: Array  # (S, R, M)
    between: Array  # (S, S, M, M)

    @classmethod
    def of(cls, covariance: Array, n_speaker: int, n_sessions: int) -> _Blocks:
        speaker = covariance[:n_speaker, :n_speaker]
        crossed = covariance[:n_speaker, n_speaker:]
        n_session = crossed.shape[1] // n_sessions
        crossed = crossed.reshape(n_speaker, n_sessions, n_session).swapaxes(0, 1)
        between = covariance[n_speaker:, n_speaker:]
        between = between.reshape(n_sessions, n_session, n_sessions, n_session).swapaxes(1, 2)
        return cls(speaker, crossed, between)

    def of_sessions(self) -> Array:
        """Return the covariances of the factors of each session, shape (S, H, H)."""
        own = self.between[np.arange(len(self.crossed)), np.arange(len(self.crossed))]
        speaker = np.broadcast_to(self.speaker, (len(self.crossed), *self.speaker.shape))
        return _joined(speaker, self.crossed, own)

    def of_sums(self, occupancy: Array) -> Array:
        """Return the covariances of sums of occupancy (S, K) times factors, shape (K, H, H)."""
        total = occupancy.sum(axis=0)
        speaker = (total**2)[:, None, None] * self.speaker
        crossed = total[:, None, None] * np.tensordot(occupancy.T, self.crossed, 1)
        pairs = occupancy[:, None, :] * occupancy[None, :, :]
        return _joined(speaker, crossed, np.tensordot(pairs.T, self.between, 2))


def _joined(speaker: Array, crossed: Array, own: Array) -> Array:
    """Return matrices whose blocks are these."""
    upper = np.concatenate([speaker, crossed], axis=2)
    lower = np.concatenate([crossed.swapaxes(1, 2), own], axis=2)
    return np.concatenate([upper, lower], axis=1)


def _residual(
    prepared: PreparedFactors, occupancy: Array, means: Array, blocks: _Blocks, whitened: Array
) -> ResidualPosterior:
    """Return the moments of the residual, whose distribution given the factors is known."""
    residual, loadings = prepared.factors.residual, prepared.whitened
    assert residual is not None
    total = occupancy.sum(axis=0)[:, None]
    variances = 1.0 / (1.0 + total * residual**2)
    slopes = residual * variances
    sums = occupancy.T @ means
    explained = np.matmul(loadings, sums[:, :, None])[:, :, 0]
    expected = slopes * (whitened - explained)
    spread = loadings @ blocks.of_sums(occupancy)
    squares = variances + slopes**2 * (spread * loadings).sum(axis=2) + expected**2
    products = sums[:, None, :] * expected[:, :, None] - slopes[:, :, None] * spread
    return ResidualPosterior(expected, squares, products, whitened)
