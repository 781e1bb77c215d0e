"""The HTML report of an evaluation, a self-contained file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.files import atomic_text_writer
from speakergmm.metrics import Evaluation, Scores
from speakergmm.reports.condition_groups import errors_by_condition
from speakergmm.reports.confusions import find_menagerie, most_confused, most_falsely_accepted
from speakergmm.reports.evaluation_plots import draw_evaluation
from speakergmm.reports.pages import render_page
from speakergmm.reports.trial_errors import worst_false_alarms, worst_misses
from speakergmm.reports.verdict import evaluation_verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(
    path: str | Path,
    evaluation: Evaluation,
    scores: Scores,
    *,
    configuration: Mapping[str, Any] | None = None,
    title: str = "Speaker recognition",
    llr: bool = False,
    plots: "Mapping[str, Figure] | None" = None,
) -> None:
    """Write the report of an evaluation, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The HTML file to write; an older file is replaced in one step.
    evaluation : Evaluation
        The error rates.
    scores : Scores
        The trials of the evaluation.
    configuration : mapping, optional
        Further entries of the report, nested to any depth: features, model, versions, seeds,
        hashes, date.
    title : str
        Heading of the report.
    llr : bool, default=False
        Whether the scores are stated as log-likelihood ratios, natural logarithm: the report then
        judges and draws their calibration.
    plots : mapping of str to matplotlib.figure.Figure, optional
        The plots of `draw_evaluation`, if they are already drawn.

    Raises
    ------
    SpeakerGmmError
        If the file cannot be written (no such folder, disk full).
    """
    text = render_report(
        evaluation, scores, configuration=configuration, title=title, llr=llr, plots=plots
    )
    with atomic_text_writer(path) as file:
        file.write(text)


def render_report(
    evaluation: Evaluation,
    scores: Scores,
    *,
    configuration: Mapping[str, Any] | None = None,
    title: str = "Speaker recognition",
    llr: bool = False,
    plots: "Mapping[str, Figure] | None" = None,
) -> str:
    """Return the report of an evaluation as an HTML page.

    Parameters
    ----------
    evaluation, scores, configuration, title, llr, plots
        As for :func:`write_report`.

    Returns
    -------
    str
        The page, without scripts, links or external resources; equal input gives equal bytes.
    """
    eer = evaluation["eer_linear"].point
    assert eer is not None
    threshold = eer.threshold
    drawn = draw_evaluation(evaluation, scores, llr=llr) if plots is None else plots
    found = evaluation.identification
    groups = errors_by_condition(scores, evaluation, threshold=threshold)
    return render_page(
        "report.html.j2",
        title=title,
        evaluation=evaluation,
        eer=eer,
        verdict=evaluation_verdict(evaluation, scores, llr=llr, groups=groups),
        plots=drawn,
        groups=groups,
        histogram_text=_describe_scores(scores),
        false_alarms=worst_false_alarms(scores, threshold=threshold),
        misses=worst_misses(scores, threshold=threshold),
        menagerie=find_menagerie(scores, threshold=threshold),
        confusion=None if found is None else most_confused(found),
        pairs=() if found is None else found.confusions()[:10],
        false_acceptances=most_falsely_accepted(scores, threshold=threshold),
        no_width=any(
            measure.interval is not None and measure.interval.low == measure.interval.high
            for measure in evaluation.metrics
        ),
        no_interval=bool(evaluation.n_bootstrap)
        and any(measure.interval is None for measure in evaluation.metrics),
        configuration=configuration,
    )


def _describe_scores(scores: Scores) -> str:
    """Return a description of the histogram, for readers who cannot see it."""
    parts = []
    for kind, values in (("target", scores.target), ("nontarget", scores.nontarget)):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], method="nearest")
        parts.append(f"{kind} scores: median {middle:.4g}, 90 % between {low:.4g} and {high:.4g}")
    return "; ".join(parts)
