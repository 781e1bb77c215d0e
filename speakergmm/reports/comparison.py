"""The report of a comparison of two systems on the same trials."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.files import atomic_text_writer
from speakergmm.metrics import EvaluationOptions, MetricDifference, Scores, det_band, evaluate
from speakergmm.reports.det_plots import draw_det_curves
from speakergmm.reports.interval_plots import draw_intervals
from speakergmm.reports.pages import render_page
from speakergmm.reports.score_plots import draw_score_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_comparison(
    systems: Mapping[str, Scores],
    differences: Mapping[str, MetricDifference],
    options: EvaluationOptions | None = None,
) -> "dict[str, Figure]":
    """Draw two systems and the differences of their metrics.

    Parameters
    ----------
    systems : mapping of str to Scores
        The scores of the first and of the second system, by its name.
    differences : mapping of str to MetricDifference
        Result of `speakergmm.metrics.compare_systems` on them.
    options : EvaluationOptions, optional
        Those of the comparison; the bands of the DET curves have at most 400 replicates.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        ``det``, both curves; ``scores``, their histograms, unless they have no finite range;
        ``rates`` and ``costs``, the differences with their paired intervals, of as many as there
        are.

    Raises
    ------
    InvalidInputError
        If there are not two systems.
    """
    if len(systems) != 2:
        raise InvalidInputError(f"a comparison has two systems, found {len(systems)}")
    options = EvaluationOptions.of(options, {})
    n_bootstrap = min(options.n_bootstrap, 400)
    found = {name: evaluate(each, options, n_bootstrap=0) for name, each in systems.items()}
    plots = {
        "det": draw_det_curves(
            found,
            bands={
                name: det_band(each, options, n_bootstrap=n_bootstrap)
                for name, each in systems.items()
            },
        )
    }
    points = {name: each["eer_linear"].point for name, each in found.items()}
    histograms = draw_score_panels(
        {name: (each.target, each.nontarget) for name, each in systems.items()},
        thresholds={name: each.threshold for name, each in points.items() if each is not None},
        same_axis=False,
    )
    if histograms is not None:
        plots["scores"] = histograms
    for name, is_rate, unit in (("rates", True, "percentage points"), ("costs", False, "cost")):
        estimates = {
            metric: (each.difference, each.interval)
            for metric, each in differences.items()
            if each.a.is_rate == is_rate
        }
        if estimates:
            label = f"difference, {unit}; below 0: fewer errors of the second system"
            scale = 100 if is_rate else 1
            plots[name] = draw_intervals(estimates, label=label, scale=scale, reference=0.0)
    return plots


def write_comparison(
    path: str | Path,
    systems: Mapping[str, Scores],
    differences: Mapping[str, MetricDifference],
    options: EvaluationOptions | None = None,
    *,
    configuration: Mapping[str, Any] | None = None,
    title: str = "Two systems",
    plots: "Mapping[str, Figure] | None" = None,
) -> None:
    """Write the report of a comparison, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The HTML file to write; an older file is replaced in one step.
    systems, differences, options
        As for `draw_comparison`.
    configuration : mapping, optional
        Further entries of the report, nested to any depth.
    title : str
        Heading of the report.
    plots : mapping of str to matplotlib.figure.Figure, optional
        The plots of `draw_comparison`, if they are already drawn.

    Raises
    ------
    InvalidInputError
        If there are not two systems.
    SpeakerGmmError
        If the file cannot be written (no such folder, disk full).
    """
    options = EvaluationOptions.of(options, {})
    drawn = draw_comparison(systems, differences, options) if plots is None else plots
    text = render_page(
        "comparison.html.j2",
        title=title,
        verdict=comparison_verdict(systems, differences),
        plots=drawn,
        configuration=configuration,
        names=tuple(systems),
        differences=tuple(differences.values()),
        options=options,
    )
    with atomic_text_writer(path) as file:
        file.write(text)


def comparison_verdict(
    systems: Mapping[str, Scores], differences: Mapping[str, MetricDifference]
) -> tuple[str, ...]:
    """Return which of two systems is better, in sentences.

    Parameters
    ----------
    systems, differences
        As for `draw_comparison`.

    Returns
    -------
    tuple of str
        What was compared, the difference of the EER, and the other metrics that differ.
    """
    first, second = systems
    scores = systems[first]
    measured = (
        f"{first} and {second} were compared on the same {len(scores):,} trials, "
        f"{int(scores.is_target.sum()):,} of them target trials."
    )
    eer = differences["eer_linear"]
    change = (
        f"from {eer.a.format_value()} to {eer.b.format_value()}, by "
        f"{100 * eer.difference:+.2f} percentage points"
    )
    if eer.interval is None:
        return measured, f"The EER changes {change}; there is no interval to judge this by."
    low, high = 100 * np.array(eer.interval.ends())
    shown = f"{100 * eer.interval.confidence:g} % interval {low:+.2f} to {high:+.2f}"
    if low <= 0 <= high:
        verdict = f"These trials do not show which makes fewer errors: the EER changes {change}"
    else:
        better = second if high < 0 else first
        verdict = f"{better} makes fewer errors: the EER changes {change}"
    named = [
        each.a.title
        for name, each in differences.items()
        if name != "eer_linear"
        and each.interval is not None
        and not each.interval.low <= 0 <= each.interval.high
    ]
    others = f"Other metrics that differ: {'; '.join(named) or 'none'}."
    return measured, f"{verdict} ({shown}, from pairs of the same draws).", others
