"""All plots of an evaluation, for its report and as files."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.files import make_folders
from speakergmm.metrics import ConditionEvaluation, Evaluation, Scores, det_band
from speakergmm.reports.alignments import write_picture
from speakergmm.reports.calibration_plots import (
    draw_bayes_error,
    draw_cross_entropy,
    draw_reliability,
    draw_tippett,
)
from speakergmm.reports.det_plots import draw_det_curves
from speakergmm.reports.score_plots import MOST_PANELS, draw_histograms, draw_score_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A band is as wide with fewer replicates, but takes less time than the intervals of the table.
_N_BAND = 400


def draw_evaluation(
    evaluation: Evaluation,
    scores: Scores,
    *,
    llr: bool = False,
    groups: Sequence[ConditionEvaluation] = (),
) -> "dict[str, Figure]":
    """Draw all plots of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        The error rates; its bootstrap determines the confidence band of the DET curve, with at
        most 400 replicates.
    scores : Scores
        The trials of the evaluation.
    llr : bool, default=False
        Whether the scores are stated as log-likelihood ratios, natural logarithm, whose own plots
        are drawn, too.
    groups : sequence of ConditionEvaluation
        Results of `speakergmm.metrics.evaluate_by_condition`, whose groups are drawn side by side.

    Returns
    -------
    dict of str to matplotlib.figure.Figure
        ``det``; ``scores``, unless they have no finite range; with `llr` also ``tippett``,
        ``cross-entropy``, ``bayes-error`` and ``reliability``; for each of `groups` that has 2 to 8
        groups with enough trials ``det-by-NAME`` and ``scores-by-NAME``.
    """
    band = det_band(
        scores,
        n_bootstrap=min(evaluation.n_bootstrap, _N_BAND),
        confidence=evaluation.confidence,
        seed=evaluation.seed,
        resampling=evaluation.resampling,
    )
    plots = {"det": draw_det_curves({"": evaluation}, bands={"": band})}
    point = evaluation["eer_linear"].point
    target, nontarget = scores.target, scores.nontarget
    threshold = None if point is None else point.threshold
    histogram = draw_histograms(target, nontarget, threshold=threshold)
    if histogram is not None:
        plots["scores"] = histogram
    if llr:
        plots["tippett"] = draw_tippett(target, nontarget)
        plots["cross-entropy"] = draw_cross_entropy(target, nontarget)
        plots["bayes-error"] = draw_bayes_error(target, nontarget)
        plots["reliability"] = draw_reliability(target, nontarget)
    for each in groups:
        plots |= _draw_groups(each, scores)
    return plots


def _draw_groups(found: ConditionEvaluation, scores: Scores) -> "dict[str, Figure]":
    """Draw the groups of a condition side by side, at the threshold that they share."""
    measured = {
        group.value: group.evaluation for group in found.groups if group.evaluation is not None
    }
    if not 1 < len(measured) <= MOST_PANELS:
        return {}
    # Plots become files, and a column may be called anything.
    name = re.sub(r"[^\w.-]", "_", found.condition)
    plots = {f"det-by-{name}": draw_det_curves(measured)}
    panels = {
        value: (scores.select(rows).target, scores.select(rows).nontarget)
        for value, rows in found.column.masks()
        if value in measured
    }
    thresholds = dict.fromkeys(panels, found.threshold)
    histograms = draw_score_panels(panels, thresholds=thresholds, name="threshold of all")
    if histograms is not None:
        plots[f"scores-by-{name}"] = histograms
    return plots


def write_plots(
    folder: str | Path,
    plots: "Mapping[str, Figure]",
    *,
    suffixes: Collection[str] = (".svg", ".pdf", ".png"),
) -> tuple[Path, ...]:
    """Write plots to files of a folder, one for each name and suffix.

    Parameters
    ----------
    folder : path
        The folder, which is made if it does not exist; files of the same names are replaced.
    plots : mapping of str to matplotlib.figure.Figure
        The plots by the names of their files.
    suffixes : collection of str
        Formats: ``.svg``, ``.pdf``, ``.png``.

    Returns
    -------
    tuple of Path
        The files.

    Raises
    ------
    InvalidInputError
        If there is no such format.
    SpeakerGmmError
        If the folder cannot be made or a file cannot be written.
    """
    folder = Path(folder)
    make_folders(folder)
    files = []
    for name, figure in plots.items():
        for suffix in suffixes:
            files.append(folder / f"{name}{suffix}")
            write_picture(files[-1], figure)
    return tuple(files)
