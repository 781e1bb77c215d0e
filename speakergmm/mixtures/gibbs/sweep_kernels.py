"""One compiled sweep of the collapsed Gibbs sampler, which draws the cluster of every frame.

A cluster is kept as the number of its frames, the posterior mean of its mean, and the posterior
scale matrix P = U^T U of its covariance as an upper Cholesky factor, whose last row holds the
reciprocals of U's diagonal; with diagonal covariances the two rows are P and 1 / P. Quantities that
depend on the number of frames alone come from tables (see `make_tables`). The oracles of the tests
are a few lines of NumPy that produce the same chain.

It is fast for three reasons, none of which changes a result beyond rounding:

- A frame is compared with its own cluster without removing it. With q the distance of the frame
  from the mean in terms of P, removing it multiplies the determinant of P by 1 - s q, which is all
  that the density needs (matrix determinant lemma). Only a frame that moves costs a downdate.
- A triangular system is solved row by row, and the distance only grows: as soon as a cluster's
  probability is certain to be less than exp(-60) times the best one, it is skipped.
- Factors change by rank-one updates; they are recomputed after each sweep, so that rounding cannot
  add up, and a removal that would cancel most digits recomputes its cluster at once.
"""

import math

import numpy as np
from numpy.typing import NDArray

from speakergmm.kernels import compiled

# Rows of the tables, indexed by the number of frames of a cluster without the present frame.
CONSTANT, POWER, RATIO, SHRINK = 0, 1, 2, 3
_NEGLIGIBLE = 60.0
_MOST_CANCELLATION = 1e-6


Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Clusters = tuple[
    Labels,  # counts (K,): frames
    Array,  # means (K, D), posterior
    Array,  # factors (K, D + 1 or 2, D) of P
    Array,  # log_determinants (K,) of P
]
"""The arrays of all clusters."""

Prior = tuple[
    bool,  # full
    Array,  # mean (D,)
    float,  # mean_precision
    Array,  # scale (D or 1, D)
    Array,  # factor of the scale
    float,  # log_determinant of the scale
    Array,  # tables (4, T + 1)
    Array,  # log_empty (T,)
]
"""The parameters of a cluster without frames, and the tables for n frames."""


@compiled(at_first_call=True)
def log_change(
    x: Array, mean: Array, factor: Array, full: bool, ratio: float, limit: float, work: Array
) -> float:
    """Return the change of the log-determinant of P by a frame `x`; inf if above `limit`.

    `ratio` times the product of deviations of `x` is added to P; it is negative where `x` leaves,
    and -inf then means that hardly a digit would be left.
    """
    n_features = len(x)
    if full:
        # Distance of x by forward substitution, given up as soon as it exceeds the limit.
        most = math.expm1(limit) / ratio if limit < 700.0 else np.inf
        for d in range(n_features):
            work[d] = x[d] - mean[d]
        distance = 0.0
        for j in range(n_features):
            z = work[j] * factor[n_features, j]
            distance += z * z
            if distance > most:
                return np.inf
            for d in range(j + 1, n_features):
                work[d] -= z * factor[j, d]
        if 1.0 + ratio * distance < _MOST_CANCELLATION:
            return -np.inf
        return math.log1p(ratio * distance)
    if ratio < 0.0:
        for d in range(n_features):
            difference = x[d] - mean[d]
            if 1.0 + ratio * difference * difference * factor[1, d] < _MOST_CANCELLATION:
                return -np.inf
    change = 0.0
    for start in range(0, n_features, 8):
        # One logarithm for the product of eight features.
        product = 1.0
        for d in range(start, min(start + 8, n_features)):
            difference = x[d] - mean[d]
            product *= 1.0 + ratio * difference * difference * factor[1, d]
        change += math.log(product)
        if change > limit:
            return np.inf
    return change


@compiled(at_first_call=True)
def weigh_clusters(
    x: Array,
    own: int,
    n_clusters: int,
    log_new: float,
    clusters: Clusters,
    prior: Prior,
    log_weights: Array,
    changes: Array,
    work: Array,
) -> bool:
    """Write the log-weight of each cluster, and last of a new one, for the frame `x`.

    `own` is the cluster that contains it (-1: none). `changes` receives the growth of the
    log-determinant of each cluster with the frame, and the loss of its own cluster without it.
    Return False if the frame must leave its cluster before the weights can be computed.
    """
    counts, means, factors, log_determinants = clusters
    full, _, _, _, _, _, tables, _ = prior
    best = log_new
    log_weights[n_clusters] = log_new
    if own >= 0:
        n_rest = counts[own] - 1
        log_weights[own] = -np.inf
        if n_rest > 0:
            ratio = -tables[SHRINK, n_rest + 1]
            change = log_change(x, means[own], factors[own], full, ratio, np.inf, work)
            if change == -np.inf:
                return False
            changes[own] = change
            log_weights[own] = (
                tables[CONSTANT, n_rest]
                - 0.5 * log_determinants[own]
                + (tables[POWER, n_rest] - 0.5) * change
            )
            best = max(best, log_weights[own])
    for k in range(n_clusters):
        if k == own:
            continue
        n = counts[k]
        highest = tables[CONSTANT, n] - 0.5 * log_determinants[k]
        limit = (highest - best + _NEGLIGIBLE) / tables[POWER, n]
        log_weights[k] = -np.inf
        if limit < 0.0:
            continue
        change = log_change(x, means[k], factors[k], full, tables[RATIO, n], limit, work)
        if change < np.inf:
            changes[k] = change
            log_weights[k] = highest - tables[POWER, n] * change
            best = max(best, log_weights[k])
    return True


@compiled(at_first_call=True)
def choose(log_weights: Array, n_choices: int, uniform: float) -> int:
    """Draw an index with probability proportional to exp(log-weight), by inversion."""
    largest = -np.inf
    for k in range(n_choices):
        largest = max(largest, log_weights[k])
    total = 0.0
    for k in range(n_choices):
        total += math.exp(log_weights[k] - largest)
    threshold = uniform * total
    reached = 0.0
    chosen = 0
    for k in range(n_choices):
        weight = math.exp(log_weights[k] - largest)
        if weight > 0.0:
            reached += weight
            chosen = k
            if reached > threshold:
                break
    return chosen


@compiled(at_first_call=True)
def change_factor(factor: Array, full: bool, vector: Array, sign: float) -> bool:
    """Add (sign 1) or subtract (-1) v v^T; return False, with P invalid, if P is not positive.

    Golub & Van Loan, Matrix Computations, section 6.5.4; `vector` is overwritten.
    """
    n_features = len(vector)
    if not full:
        for d in range(n_features):
            factor[0, d] += sign * vector[d] * vector[d]
            if not factor[0, d] > 0.0:
                return False
            factor[1, d] = 1.0 / factor[0, d]
        return True
    for j in range(n_features):
        old = factor[j, j]
        square = old * old + sign * vector[j] * vector[j]
        if not square > 0.0:
            return False
        new = math.sqrt(square)
        cosine = new / old
        inverse = old / new
        sine = vector[j] / old
        factor[j, j] = new
        factor[n_features, j] = 1.0 / new
        for d in range(j + 1, n_features):
            factor[j, d] = (factor[j, d] + sign * sine * vector[d]) * inverse
            vector[d] = cosine * vector[d] - sine * factor[j, d]
    return True


@compiled(at_first_call=True)
def factorise(factor: Array, full: bool) -> float:
    """Replace P, in the upper triangle, by its factor; return the log-determinant of P."""
    n_features = factor.shape[1]
    log_determinant = 0.0
    if not full:
        for d in range(n_features):
            factor[1, d] = 1.0 / factor[0, d]
            log_determinant += math.log(factor[0, d])
        return log_determinant
    for j in range(n_features):
        factor[n_features, j] = factor[j, j]
    for j in range(n_features):
        # The prior keeps P positive; only rounding could leave less than this.
        pivot = math.sqrt(max(factor[j, j], 1e-15 * factor[n_features, j]))
        factor[j, j] = pivot
        factor[n_features, j] = 1.0 / pivot
        log_determinant += 2.0 * math.log(pivot)
        for d in range(j + 1, n_features):
            factor[j, d] /= pivot
        for i in range(j + 1, n_features):
            for d in range(i, n_features):
                factor[i, d] -= factor[j, i] * factor[j, d]
    return log_determinant


@compiled(at_first_call=True)
def _copy(rows: Array, into: Array) -> None:
    """Write rows into the first rows of an array, whose own assignment takes seconds to compile."""
    for row in range(rows.shape[0]):
        for d in range(rows.shape[1]):
            into[row, d] = rows[row, d]


@compiled(at_first_call=True)
def rebuild(
    X: Array, labels: Labels, first: int, stop: int, clusters: Clusters, prior: Prior
) -> None:
    """Recompute clusters `first` to `stop` - 1 from their frames."""
    counts, means, factors, log_determinants = clusters
    full, mean, mean_precision, scale, _, _, _, _ = prior
    n_features = X.shape[1]
    for k in range(first, stop):
        counts[k] = 0
        means[k] = 0.0
        _copy(scale, factors[k])
    for i in range(len(X)):
        k = labels[i]
        if first <= k < stop:
            counts[k] += 1
            for d in range(n_features):
                means[k, d] += X[i, d] - mean[d]
    difference = np.empty(n_features)
    for k in range(first, stop):
        for d in range(n_features):
            difference[d] = means[k, d] / (mean_precision + counts[k])
            means[k, d] = mean[d] + difference[d]
        _add_product(factors[k], full, difference, mean_precision)
    for i in range(len(X)):
        k = labels[i]
        if first <= k < stop:
            for d in range(n_features):
                difference[d] = X[i, d] - means[k, d]
            _add_product(factors[k], full, difference, 1.0)
    for k in range(first, stop):
        log_determinants[k] = factorise(factors[k], full)


@compiled(at_first_call=True)
def _add_product(scatter: Array, full: bool, vector: Array, weight: float) -> None:
    n_features = len(vector)
    if not full:
        for d in range(n_features):
            scatter[0, d] += weight * vector[d] * vector[d]
        return
    for j in range(n_features):
        scaled = weight * vector[j]
        for d in range(j, n_features):
            scatter[j, d] += scaled * vector[d]


@compiled(at_first_call=True)
def move(
    x: Array, k: int, sign: float, change: float, clusters: Clusters, prior: Prior, work: Array
) -> bool:
    """Let `x` join (sign 1) or leave (-1) cluster `k`; return False if its factor is invalid.

    The log-determinant changes by `change`.
    """
    counts, means, factors, log_determinants = clusters
    full, _, mean_precision, _, _, _, tables, _ = prior
    scale = math.sqrt(tables[RATIO if sign > 0.0 else SHRINK, counts[k]])
    precision = mean_precision + counts[k] + sign
    for d in range(len(x)):
        difference = x[d] - means[k, d]
        work[d] = scale * difference
        means[k, d] += sign * difference / precision
    counts[k] += 1 if sign > 0.0 else -1
    log_determinants[k] += change
    return change_factor(factors[k], full, work, sign)


@compiled(at_first_call=True)
def sweep(
    X: Array,
    order: Labels,
    uniforms: Array,
    start: int,
    log_concentration: float,
    labels: Labels,
    n_clusters: int,
    clusters: Clusters,
    prior: Prior,
) -> tuple[int, int]:
    """Draw the clusters of the frames `order[start:]`, one after the other, given all others.

    Returns
    -------
    position : int
        The place where the sweep stopped: the end, or a frame for which a new cluster might not
        fit into the arrays.
    n_clusters : int
        Number of clusters.
    """
    counts, means, factors, log_determinants = clusters
    full, mean, _, _, factor, log_determinant, tables, log_empty = prior
    n_features = X.shape[1]
    capacity = len(counts)
    log_weights = np.empty(capacity + 1)
    changes = np.empty(capacity + 1)
    work = np.empty(n_features)
    for position in range(start, len(order)):
        if n_clusters == capacity:
            return position, n_clusters
        i = order[position]
        x = X[i]
        own = labels[i]
        log_new = log_concentration + log_empty[i]
        if not weigh_clusters(
            x, own, n_clusters, log_new, clusters, prior, log_weights, changes, work
        ):
            # Without the frame its cluster would be mostly rounding: take the frame out, and
            # recompute the cluster from its other frames.
            labels[i] = -1
            rebuild(X, labels, own, own + 1, clusters, prior)
            own = labels[i]
            weigh_clusters(x, own, n_clusters, log_new, clusters, prior, log_weights, changes, work)
        # Draw a cluster; nothing changes if it is the present one, or a new one for a frame that is
        # alone already.
        chosen = choose(log_weights, n_clusters + 1, uniforms[position])
        alone = own >= 0 and counts[own] == 1
        if chosen == own or (alone and chosen == n_clusters):
            continue
        # Add the frame to the cluster, which may be new.
        labels[i] = chosen
        if chosen == n_clusters:
            n_clusters += 1
            counts[chosen] = 0
            for d in range(n_features):
                means[chosen, d] = mean[d]
            _copy(factor, factors[chosen])
            log_determinants[chosen] = log_determinant
            changes[chosen] = log_change(
                x, means[chosen], factors[chosen], full, tables[RATIO, 0], np.inf, work
            )
        move(x, chosen, 1.0, changes[chosen], clusters, prior, work)
        if alone:
            # The old cluster is empty now: the last cluster takes its place.
            n_clusters -= 1
            if own != n_clusters:
                counts[own] = counts[n_clusters]
                for d in range(n_features):
                    means[own, d] = means[n_clusters, d]
                _copy(factors[n_clusters], factors[own])
                log_determinants[own] = log_determinants[n_clusters]
                for j in range(len(labels)):
                    if labels[j] == n_clusters:
                        labels[j] = own
        # Remove the frame from its old cluster, by a downdate where that keeps enough digits.
        elif own >= 0 and not move(x, own, -1.0, changes[own], clusters, prior, work):
            rebuild(X, labels, own, own + 1, clusters, prior)
    return len(order), n_clusters
