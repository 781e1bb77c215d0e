"""Kullback-Leibler divergence KL(p || q) between two mixtures, in nats.

Between two Gaussians there is a closed form, between mixtures there is none. `kl_monte_carlo`
estimates it with a standard error that can be made arbitrarily small; `kl_variational` is a cheap
approximation, and `kl_upper_bound` is an upper bound. All accept mixtures of different kinds and
numbers of components, but of the same features.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures.mixture import mixture_of
from speakergmm.moments import Moments
from speakergmm.ranges import number, whole_number

if TYPE_CHECKING:
    from speakergmm.mixtures.mixture import HasMixture, Mixture

# Number of draws that are held at once; the draws of a seed depend on it.
_BLOCK_SAMPLES = 16384


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over random draws, with its standard error.

    Parameters
    ----------
    value : float
        The mean.
    standard_error : float
        Standard deviation of the draws divided by the square root of their number.
    n_samples : int
        Number of draws.
    """

    value: float
    standard_error: float
    n_samples: int

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval by the normal approximation.

        Parameters
        ----------
        confidence : float, default=0.95
            Between 0 and 1, both excluded.

        Raises
        ------
        InvalidInputError
            If `confidence` is out of range.

        Examples
        --------
        >>> low, high = Estimate(2.0, 0.5, 100).interval()
        >>> round(low, 2), round(high, 2)
        (1.02, 2.98)
        """
        number("confidence", confidence, above=0, below=1)
        reach = NormalDist().inv_cdf(0.5 + confidence / 2) * self.standard_error
        return self.value - reach, self.value + reach


@dataclass(frozen=True, slots=True)
class VariationalBound:
    """An upper bound of a divergence.

    Parameters
    ----------
    value : float
        The lowest bound that was reached, in nats.
    history : tuple of float
        The bound before the first iteration (the convexity bound) and after each iteration; it
        never increases beyond rounding.
    converged : bool
        True if the last iteration changed the bound by less than the tolerance.
    """

    value: float
    history: tuple[float, ...]
    converged: bool


def component_divergences(p: Mixture | HasMixture, q: Mixture | HasMixture) -> NDArray[np.float64]:
    """Return the divergences between all Gaussians of two mixtures, in closed form.

    Parameters
    ----------
    p, q : Mixture
        Mixtures of the same features; their weights are not used.

    Returns
    -------
    array, shape (K of p, K of q)
        KL(p_a || q_b) in nats, not negative. For mixtures of one Gaussian this is the divergence
        of the mixtures.

    Raises
    ------
    InvalidInputError
        If the mixtures have different numbers of features.

    Examples
    --------
    >>> from speakergmm.mixtures.mixture import make_mixture
    >>> p = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    >>> q = make_mixture("diag", [1.0], [[2.0]], [[1.0]])
    >>> component_divergences(p, q)
    array([[2.]])
    """
    p, q = _of_same_features(p, q)
    of_matrices = p.gaussians.kind.is_matrix or q.gaussians.kind.is_matrix
    # A divergence that overflows float64 is infinite.
    with np.errstate(over="ignore"):
        return _full_divergences(p, q) if of_matrices else _diagonal_divergences(p, q)


def kl_monte_carlo(
    p: Mixture | HasMixture, q: Mixture | HasMixture, *, n_samples: int = 100_000, seed: int = 0
) -> Estimate:
    """Estimate the divergence from draws of the first mixture.

    Parameters
    ----------
    p, q : Mixture
        Mixtures of the same features.
    n_samples : int, default=100000
        Number of draws, at least 2; one block of them is held at a time.
    seed : int, default=0
        The same seed gives the same estimate.

    Returns
    -------
    Estimate
        Mean of log p(x) - log q(x) in nats, unbiased, with its standard error. It may be negative
        where the divergence is smaller than the error.

    Raises
    ------
    InvalidInputError
        If the mixtures have different numbers of features or `n_samples` is less than 2.

    Examples
    --------
    >>> from speakergmm.mixtures.mixture import make_mixture
    >>> p = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    >>> q = make_mixture("diag", [1.0], [[2.0]], [[1.0]])
    >>> estimate = kl_monte_carlo(p, q)
    >>> abs(estimate.value - 2.0) < 4 * estimate.standard_error
    True
    """
    p, q = _of_same_features(p, q)
    whole_number("n_samples", n_samples, least=2)
    rng = np.random.default_rng(whole_number("seed", seed, least=0))
    moments = Moments()
    while moments.n_frames < n_samples:
        frames = p.sample(min(_BLOCK_SAMPLES, n_samples - moments.n_frames), rng)
        log_ratios = p.log_likelihood(frames, precision="float64") - q.log_likelihood(
            frames, precision="float64"
        )
        moments.add(log_ratios[:, None])
    error = np.sqrt(moments.variance[0] / (n_samples - 1))
    return Estimate(float(moments.mean[0]), float(error), n_samples)


def kl_variational(p: Mixture | HasMixture, q: Mixture | HasMixture) -> float:
    """Approximate the divergence by the variational formula of Hershey and Olsen.

    Parameters
    ----------
    p, q : Mixture
        Mixtures of the same features.

    Returns
    -------
    float
        The approximation in nats; exact for K = 1 and zero for p = q. It is not a bound, and can be
        negative.

    Raises
    ------
    InvalidInputError
        If the mixtures have different numbers of features.

    Notes
    -----
    "The variational approximation" of [1]_. The cost is that of K_p (K_p + K_q) divergences of
    Gaussians.

    References
    ----------
    .. [1] Hershey, Olsen, "Approximating the Kullback Leibler Divergence Between Gaussian Mixture
       Models", ICASSP 2007, IV-317-320.

    Examples
    --------
    >>> from speakergmm.mixtures.mixture import make_mixture
    >>> p = make_mixture("diag", [0.5, 0.5], [[0.0], [4.0]], [[1.0], [1.0]])
    >>> q = make_mixture("diag", [0.5, 0.5], [[1.0], [5.0]], [[1.0], [1.0]])
    >>> round(kl_variational(p, q), 3)
    0.491
    """
    p, q = _of_same_features(p, q)
    similarity_to_own = _log_weights(p) - component_divergences(p, p)
    similarity_to_other = _log_weights(q) - component_divergences(p, q)
    own = np.logaddexp.reduce(similarity_to_own, axis=1)
    other = np.logaddexp.reduce(similarity_to_other, axis=1)
    return float(p.weights @ (own - other) / p.weights.sum())


def kl_upper_bound(
    p: Mixture | HasMixture, q: Mixture | HasMixture, *, max_iter: int = 1000, tol: float = 1e-9
) -> VariationalBound:
    """Return the variational upper bound of the divergence by Hershey and Olsen.

    Parameters
    ----------
    p, q : Mixture
        Mixtures of the same features.
    max_iter : int, default=1000
        Largest number of iterations; 0 yields the convexity bound.
    tol : float, default=1e-9
        The bound has converged when an iteration lowers it by less, in nats.

    Returns
    -------
    VariationalBound
        Its value is above the divergence at every iteration, converged or not.

    Raises
    ------
    InvalidInputError
        If the mixtures have different numbers of features or components so far apart that their
        divergence is infinite in float64, or an option is negative.

    Notes
    -----
    "The variational upper bound" of [1]_: the weights of both mixtures are shared out over all
    pairs of components, phi_ab summing to the weights of p over b and psi_ab to those of q over a;
    the bound
    ``sum phi (log phi - log psi + KL(p_a || q_b))`` is minimised over the one and the other in
    turn. It is convex in both together, so that the minimum does not depend on the start; near it
    the iterations are slow if components overlap.

    References
    ----------
    .. [1] Hershey, Olsen, "Approximating the Kullback Leibler Divergence Between Gaussian Mixture
       Models", ICASSP 2007, IV-317-320.

    Examples
    --------
    >>> from speakergmm.mixtures.mixture import make_mixture
    >>> p = make_mixture("diag", [0.5, 0.5], [[0.0], [4.0]], [[1.0], [1.0]])
    >>> q = make_mixture("diag", [0.5, 0.5], [[1.0], [5.0]], [[1.0], [1.0]])
    >>> round(kl_upper_bound(p, q).value, 3)
    0.5
    """
    p, q = _of_same_features(p, q)
    whole_number("max_iter", max_iter, least=0)
    number("tol", tol, least=0)
    # Components without weight do not contribute, and their logarithms would be infinite.
    rows, columns = np.flatnonzero(p.weights > 0), np.flatnonzero(q.weights > 0)
    divergences = component_divergences(p, q)[np.ix_(rows, columns)]
    log_p = _log_weights(p)[rows, None]
    log_q = _log_weights(q)[None, columns]
    log_phi = log_p + log_q
    log_psi = log_phi

    if not np.isfinite(divergences).all():
        raise InvalidInputError(
            "an upper bound needs components whose divergences are finite in float64, found some "
            "too far apart"
        )
    history = [_bound(log_phi, log_psi, divergences)]
    converged = False
    for _ in range(max_iter):
        log_psi = log_q + log_phi - np.logaddexp.reduce(log_phi, axis=0, keepdims=True)
        log_phi = log_psi - divergences
        log_phi = log_p + log_phi - np.logaddexp.reduce(log_phi, axis=1, keepdims=True)
        history.append(_bound(log_phi, log_psi, divergences))
        converged = history[-2] - history[-1] < tol
        if converged:
            break
    return VariationalBound(min(history), tuple(history), bool(converged))


def _bound(
    log_phi: NDArray[np.float64], log_psi: NDArray[np.float64], divergences: NDArray[np.float64]
) -> float:
    return float((np.exp(log_phi) * (log_phi - log_psi + divergences)).sum())


def _log_weights(mixture: Mixture) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(mixture.weights / mixture.weights.sum()))


def _diagonal_divergences(p: Mixture, q: Mixture) -> NDArray[np.float64]:
    p_variances = p.component_variances()
    result = np.empty((p.n_components, q.n_components))
    for b, (mean, variance) in enumerate(zip(q.means, q.component_variances(), strict=True)):
        excess = (p_variances - variance) / variance
        shift = (p.means - mean) ** 2 / variance
        # x - log(1 + x) keeps the digits of small divergences.
        result[:, b] = 0.5 * (excess - np.log1p(excess) + shift).sum(axis=1)
    return np.maximum(result, 0.0)


def _full_divergences(p: Mixture, q: Mixture) -> NDArray[np.float64]:
    n_components, n_features = p.means.shape
    p_roots = np.linalg.cholesky(p.full_covariances())
    q_roots = np.linalg.cholesky(q.full_covariances())
    p_log_roots, q_log_roots = (
        np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1) for roots in (p_roots, q_roots)
    )
    # Columns of all roots side by side, so that each Gaussian of q takes one solution.
    columns = p_roots.transpose(1, 0, 2).reshape(n_features, -1)
    result = np.empty((n_components, q.n_components))
    for b, root in enumerate(q_roots):
        solved = np.linalg.solve(root, np.hstack([columns, (p.means - q.means[b]).T]))
        ratios = solved[:, : columns.shape[1]].reshape(n_features, n_components, n_features)
        trace = np.einsum("iaj,iaj->a", ratios, ratios)
        shift = (solved[:, columns.shape[1] :] ** 2).sum(axis=0)
        result[:, b] = 0.5 * (trace - n_features + shift) + q_log_roots[b] - p_log_roots
    return np.maximum(result, 0.0)


def _of_same_features(p: Mixture | HasMixture, q: Mixture | HasMixture) -> tuple[Mixture, Mixture]:
    p, q = mixture_of(p), mixture_of(q)
    if p.n_features != q.n_features:
        raise InvalidInputError(
            f"a divergence needs mixtures of the same features, found {p.n_features} in the first "
            f"and {q.n_features} in the second"
        )
    return p, q
