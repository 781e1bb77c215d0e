"""Rows of the recipe's tables."""

from collections.abc import Iterator, Sequence

import numpy as np
from conditions import CONDITIONS, POOLED
from systems import in_condition

from speakergmm.metrics import Evaluation, Scores, compare_systems, evaluate

KEYS = ("eer_linear", "min_dcf_0.05")


def row(*cells: str) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(cells) + " |", flush=True)


def head(*cells: str) -> None:
    """Print the head of a table."""
    row(*cells)
    row(*["---"] * len(cells))


def with_interval(found: Evaluation, key: str) -> str:
    """Return a figure with its interval."""
    return f"{found[key].format_value()} ({found[key].format_interval()})"


def groups(scores: Scores) -> Iterator[tuple[str, Scores]]:
    """Yield the scores in each condition, and those that are pooled at one threshold."""
    there = set(scores.condition("condition").tolist())
    for name in CONDITIONS:
        if name in there:
            yield name, in_condition(scores, name)
    yield "pooled", in_condition(scores, *POOLED)


def figure_cells(scores: Scores, *, n_bootstrap: int = 0) -> list[str]:
    """Return EER and minDCF(0.05) in each condition and pooled, with intervals if asked for."""
    made = []
    for _, group in groups(scores):
        found = evaluate(group, n_bootstrap=n_bootstrap)
        made.append(
            " / ".join(
                with_interval(found, key) if n_bootstrap else found[key].format_value()
                for key in KEYS
            )
        )
    return made


def mean_figures(several: Sequence[Scores]) -> list[str]:
    """Return cells of means over seeds of EER and minDCF(0.05), in each condition and pooled."""
    listed = [[evaluate(group, n_bootstrap=0) for _, group in groups(each)] for each in several]
    means = np.array(
        [[[found[key].value for key in KEYS] for found in one] for one in listed]
    ).mean(axis=0)
    return [f"{100 * eer:.1f} / {cost:.2f}" for eer, cost in means]


def ratio(baseline: Scores, scores: Scores, n_bootstrap: int) -> str:
    """Return the pooled EER of a system by that of another, with a paired interval."""
    pooled = [in_condition(each, *POOLED) for each in (baseline, scores)]
    return compare_systems(*pooled, n_bootstrap=n_bootstrap)["eer_linear"].format_ratio()
