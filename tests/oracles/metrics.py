"""Slow and obvious versions of the metrics: every threshold in turn, exact fractions."""

from fractions import Fraction
from itertools import combinations, pairwise


def error_rates(target, nontarget):
    """List (threshold, P_miss, P_fa) for every distinct score, then "reject all"."""
    rows = []
    for threshold in sorted(set(target) | set(nontarget)):
        misses = sum(1 for score in target if not score >= threshold)
        false_alarms = sum(1 for score in nontarget if score >= threshold)
        rows.append(
            (threshold, Fraction(misses, len(target)), Fraction(false_alarms, len(nontarget)))
        )
    return [*rows, (float("inf"), Fraction(1), Fraction(0))]


def crossing(start, end):
    """Return the equal rate on the segment between two (P_miss, P_fa) points, or None."""
    (miss_a, fa_a), (miss_b, fa_b) = start, end
    below, above = miss_a - fa_a, miss_b - fa_b
    if not below <= 0 <= above or below == above:
        return None
    part = -below / (above - below)
    return miss_a + part * (miss_b - miss_a)


def eer_linear(target, nontarget):
    """Follow the polygon until misses overtake false alarms."""
    points = [(miss, fa) for _, miss, fa in error_rates(target, nontarget)]
    for start, end in pairwise(points):
        found = crossing(start, end)
        if found is not None:
            return found
    raise AssertionError("the polygon runs from (0, 1) to (1, 0)")


def eer_rocch(target, nontarget):
    """Take the lowest crossing of all chords between any two points."""
    points = [(miss, fa) for _, miss, fa in error_rates(target, nontarget)]
    found = [crossing(a, b) for a, b in combinations(points, 2)]
    return min(value for value in found if value is not None)


def eer_pav(target, nontarget):
    """Pool adjacent violators, then follow the blocks' borders."""
    scores = sorted(set(target) | set(nontarget))
    blocks = []
    for score in scores:
        blocks.append([target.count(score), nontarget.count(score)])
        while len(blocks) > 1 and (
            blocks[-2][0] * sum(blocks[-1]) >= blocks[-1][0] * sum(blocks[-2])
        ):
            last = blocks.pop()
            blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
    points = [(Fraction(0), Fraction(1))]
    for targets, nontargets in blocks:
        miss, fa = points[-1]
        points.append(
            (miss + Fraction(targets, len(target)), fa - Fraction(nontargets, len(nontarget)))
        )
    for start, end in pairwise(points):
        found = crossing(start, end)
        if found is not None:
            return found
    raise AssertionError("the hull runs from (0, 1) to (1, 0)")


def min_dcf(target, nontarget, *, p_target, c_miss, c_fa):
    """Try every threshold."""
    miss_weight, fa_weight = Fraction(c_miss) * Fraction(p_target), Fraction(c_fa)
    fa_weight *= 1 - Fraction(p_target)
    cost = min(
        miss_weight * miss + fa_weight * fa for _, miss, fa in error_rates(target, nontarget)
    )
    return cost / min(miss_weight, fa_weight)


def rank_of_true(scores, true_model):
    """Count the models that score as high as the true model, itself included."""
    return sum(1 for score in scores.values() if score >= scores[true_model])


def eer_by_neighbours(target, nontarget):
    """A known wrong EER: the mean of both rates where they are nearest, not interpolated."""
    _, miss, fa = min(
        error_rates(target, nontarget)[:-1], key=lambda row: (abs(row[1] - row[2]), row[0])
    )
    return (miss + fa) / 2


def eer_by_sort_order(target, nontarget, *, targets_first):
    """A known wrong EER: tied scores are passed one by one in the order the sort left them."""
    order = 0 if targets_first else 1
    trials = sorted(
        [(score, order, True) for score in target]
        + [(score, 1 - order, False) for score in nontarget]
    )
    miss, fa = Fraction(0), Fraction(1)
    for _, _, is_target in trials:
        after = (
            miss + (Fraction(1, len(target)) if is_target else 0),
            fa - (0 if is_target else Fraction(1, len(nontarget))),
        )
        found = crossing((miss, fa), after)
        if found is not None:
            return found
        miss, fa = after
    raise AssertionError("the path runs from (0, 1) to (1, 0)")
