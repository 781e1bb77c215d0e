"""Rows of the tables of RESULTS.md."""

from systems import select

from speakergmm.metrics import Scores, actual_dcf, cllr, equal_error_rate, min_cllr, min_dcf
from speakergmm.speakers import bayes_threshold

QUALITY = ("trials", "EER %", "Cllr", "minCllr", "actual DCF(0.05)", "minDCF(0.05)")


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def separation(scores: Scores) -> str:
    target, nontarget = scores.target, scores.nontarget
    cost = min_dcf(target, nontarget, p_target=0.05).value
    return f"{100 * equal_error_rate(target, nontarget).value:.1f} / {cost:.2f}"


def quality(llrs: Scores) -> list[str]:
    """Return the cells of `QUALITY`."""
    target, nontarget = llrs.target, llrs.nontarget
    actual = actual_dcf(target, nontarget, threshold=bayes_threshold(0.05), p_target=0.05)
    least = min_dcf(target, nontarget, p_target=0.05)
    return [
        f"{len(target):,} + {len(nontarget):,}",
        f"{100 * equal_error_rate(target, nontarget).value:.1f}",
        f"{cllr(target, nontarget):.3f}",
        f"{min_cllr(target, nontarget):.3f}",
        f"{actual.value:.3f}",
        f"{least.value:.3f}",
    ]


def print_row(what: str, condition: str, llrs: Scores) -> float:
    """Print a row; return the equal error rate."""
    row(what, condition, *quality(llrs))
    return round(equal_error_rate(llrs.target, llrs.nontarget).value, 4)


def print_conditions(what: str, llrs: Scores) -> list[tuple[str, float]]:
    """Print a row for each condition of both sides, and for all; return the equal error rates."""
    rates = []
    for condition in (*dict.fromkeys(sorted(llrs.condition("recorded").tolist())), "all"):
        group = llrs if condition == "all" else select(llrs, recorded=condition)
        rates.append((condition, print_row(what, condition, group)))
    return rates
