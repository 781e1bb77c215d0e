"""Speaker scoring as in the papers: one frame, component and speaker at a time."""

import math


def log_gaussian(x, mean, variance):
    return sum(
        -0.5 * (math.log(2 * math.pi * v) + (a - m) ** 2 / v)
        for a, m, v in zip(x, mean, variance, strict=True)
    )


def log_joint(x, mixture):
    """List of log w_k + log N(x | k)."""
    return [
        math.log(w) + log_gaussian(x, m, v) if w > 0 else -math.inf
        for w, m, v in zip(mixture.weights, mixture.means, mixture.variances, strict=True)
    ]


def log_sum(values):
    highest = max(values)
    return highest + math.log(sum(math.exp(v - highest) for v in values))


def log_likelihood_ratio(x, speaker, background, top_c=None):
    """Log-likelihood ratio of one frame, with the `top_c` best background components in both."""
    speaker_joint, background_joint = log_joint(x, speaker), log_joint(x, background)
    places = range(len(background_joint))
    best = sorted(places, key=lambda k: -background_joint[k])[:top_c]
    return log_sum([speaker_joint[k] for k in best]) - log_sum([background_joint[k] for k in best])


def average_ratio(frames, speaker, background, top_c=None, weights=None):
    weights = [1.0] * len(frames) if weights is None else [float(w) for w in weights]
    ratios = [log_likelihood_ratio(x, speaker, background, top_c) for x in frames]
    weighed = [w * ratio for w, ratio in zip(weights, ratios, strict=True)]
    return math.fsum(weighed) / math.fsum(weights)


def statistics(frames, mixture, weights=None):
    """Occupancies, first- and second-order sums."""
    n_components, n_features = mixture.means.shape
    counts = [0.0] * n_components
    first = [[0.0] * n_features for _ in range(n_components)]
    second = [[0.0] * n_features for _ in range(n_components)]
    weights = [1.0] * len(frames) if weights is None else [float(w) for w in weights]
    for x, weight in zip(frames, weights, strict=True):
        joint = log_joint(x, mixture)
        total = log_sum(joint)
        for k in range(n_components):
            share = weight * math.exp(joint[k] - total)
            counts[k] += share
            for d in range(n_features):
                first[k][d] += share * x[d]
                second[k][d] += share * x[d] ** 2
    return counts, first, second


def adapted_means(frames, mixture, relevance_factor, weights=None):
    """Equations 11 and 12 of Reynolds, Quatieri, Dunn (2000), with their alpha."""
    counts, first, _ = statistics(frames, mixture, weights)
    means = []
    for k, count in enumerate(counts):
        alpha = count / (count + relevance_factor)
        means.append(
            [
                alpha * (first[k][d] / count if count > 0 else 0.0) + (1 - alpha) * old
                for d, old in enumerate(mixture.means[k])
            ]
        )
    return means


def window_averages(scores, length, shift):
    windows = []
    start = 0
    while start + length <= len(scores):
        part = scores[start : start + length]
        windows.append([sum(column) / length for column in zip(*part, strict=True)])
        start += shift
    return windows
