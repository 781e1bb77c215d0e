"""Slow and obvious measures of log-likelihood ratios: one trial and one prior after the other."""

import math

from oracles.metrics import error_rates


def bits(value):
    """Return log2(1 + exp(value))."""
    if value == math.inf:
        return math.inf
    if value == -math.inf:
        return 0.0
    return (max(value, 0) + math.log1p(math.exp(-abs(value)))) / math.log(2)


def cross_entropy(target, nontarget, log_odds):
    """Average the bits that each trial costs, by the prior."""
    prior = 1 / (1 + math.exp(-log_odds))
    missed = math.fsum(bits(-llr - log_odds) for llr in target) / len(target)
    accepted = math.fsum(bits(llr + log_odds) for llr in nontarget) / len(nontarget)
    return prior * missed + (1 - prior) * accepted


def cllr(target, nontarget):
    """Average the bits of both kinds of trial with equal weight."""
    return cross_entropy(target, nontarget, 0.0)


def bayes_errors(target, nontarget, log_odds):
    """Decide every trial at the Bayes threshold, and at every threshold."""
    prior = 1 / (1 + math.exp(-log_odds))
    default = min(prior, 1 - prior)
    missed = sum(1 for llr in target if not llr >= -log_odds) / len(target)
    accepted = sum(1 for llr in nontarget if llr >= -log_odds) / len(nontarget)
    actual = prior * missed + (1 - prior) * accepted
    minimum = min(
        prior * float(miss) + (1 - prior) * float(fa)
        for _, miss, fa in error_rates(target, nontarget)
    )
    return actual / default, minimum / default


def isotonic_llrs(target, nontarget):
    """Map each distinct score to its LLR by the max-min formula of isotonic regression.

    The fitted proportion at a score is the largest, over starts at or below it, of the smallest
    proportion of targets, over ends at or above it.
    """
    scores = sorted(set(target) | set(nontarget))
    counts = [(target.count(score), nontarget.count(score)) for score in scores]

    def proportion(first, last):
        t = sum(c[0] for c in counts[first : last + 1])
        n = sum(c[1] for c in counts[first : last + 1])
        return t / (t + n)

    result = {}
    for place, score in enumerate(scores):
        p = max(
            min(proportion(first, last) for last in range(place, len(scores)))
            for first in range(place + 1)
        )
        prior = len(target) / len(nontarget)
        result[score] = (
            -math.inf if p == 0 else math.inf if p == 1 else math.log(p / (1 - p) / prior)
        )
    return result
