"""The HTML report of an evaluation, a self-contained file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.files import atomic_text_writer
from speakergmm.metrics import Evaluation, Scores
from speakergmm.reports.confusions import find_menagerie, most_confused, most_falsely_accepted
from speakergmm.reports.evaluation_plots import draw_evaluation
from speakergmm.reports.plots import page_svg
from speakergmm.reports.trial_errors import worst_false_alarms, worst_misses
from speakergmm.reports.verdict import evaluation_verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Invalid in HTML: control characters and lone surrogates (from file names that are not UTF-8).
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


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
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("speakergmm.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["rows"] = configuration_rows
    eer = evaluation["eer_linear"].point
    assert eer is not None
    threshold = eer.threshold
    drawn = draw_evaluation(evaluation, scores, llr=llr) if plots is None else plots
    found = evaluation.identification
    return environment.get_template("report.html.j2").render(
        title=title,
        evaluation=evaluation,
        eer=eer,
        verdict=evaluation_verdict(evaluation, scores, llr=llr),
        plots={name: Markup(page_svg(figure, prefix=name)) for name, figure in drawn.items()},
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
        configuration=configuration or {},
    )


def configuration_rows(value: Any, *, level: int = 0) -> list[tuple[int, str, str | None]]:
    """Return a nested configuration as the rows of a table.

    Parameters
    ----------
    value : mapping or sequence
        The configuration.
    level : int
        Depth of the outermost rows.

    Returns
    -------
    list of tuple
        Depth, name and value as text; the value of a heading is None.

    Examples
    --------
    >>> configuration_rows({"seed": 1, "model": {"components": 64, "floor": None}})
    [(0, 'seed', '1'), (0, 'model', None), (1, 'components', '64'), (1, 'floor', 'none')]
    """
    items = (
        value.items()
        if isinstance(value, Mapping)
        else ((str(number), each) for number, each in enumerate(value, start=1))
    )
    rows: list[tuple[int, str, str | None]] = []
    for name, each in items:
        nested = isinstance(each, Mapping) or (
            isinstance(each, Sequence)
            and not isinstance(each, str | bytes)
            and any(isinstance(part, Mapping) for part in each)
        )
        if nested and each:
            rows.append((level, str(name), None))
            rows += configuration_rows(each, level=level + 1)
        else:
            rows.append((level, str(name), _value_text(each)))
    return rows


def _value_text(value: Any) -> str:
    if value is None or (isinstance(value, Mapping | Sequence) and not value):
        return "none"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return ", ".join(_value_text(each) for each in value)
    return str(value)


def _describe_scores(scores: Scores) -> str:
    """Return a description of the histogram, for readers who cannot see it."""
    parts = []
    for kind, values in (("target", scores.target), ("nontarget", scores.nontarget)):
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], method="nearest")
        parts.append(f"{kind} scores: median {middle:.4g}, 90 % between {low:.4g} and {high:.4g}")
    return "; ".join(parts)


def _printable(value: Any) -> Any:
    from markupsafe import Markup

    if isinstance(value, str) and not isinstance(value, Markup):
        return _UNPRINTABLE.sub("\ufffd", value)
    return value
