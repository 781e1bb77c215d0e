"""Histograms: bins, and what is drawn of them."""

import io
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.reports import (
    draw_histograms,
    draw_score_panels,
    histogram_counts,
    histogram_edges,
    page_svg,
    write_picture,
)

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?").findall


def test_bins_hold_every_score():
    rng = np.random.default_rng(0)
    target, nontarget = rng.normal(3, 1, 500), rng.standard_t(2, 20_000)
    nontarget[:2] = np.inf, -np.inf
    edges = histogram_edges(target, nontarget)
    assert 10 <= len(edges) - 1 <= 80
    np.testing.assert_allclose(np.diff(edges), np.diff(edges)[0])
    for values in (target, nontarget):
        counts = histogram_counts(values, edges)
        assert counts.sum() == len(values)
        inside = (values >= edges[1]) & (values < edges[-2])
        assert counts[1:-1].sum() == inside.sum()
    # A few stragglers don't squeeze the rest into one bin.
    assert edges[-1] - edges[0] < 100


@pytest.mark.parametrize("value", [0.0, 1.0, -3e99, 1e-320])
def test_equal_scores_get_a_bar(value):
    edges = histogram_edges(np.array([value]), np.array([value, value]))
    assert (np.diff(edges) > 0).all()
    assert histogram_counts(np.array([value]), edges).max() == 1


def test_what_cannot_be_drawn_is_none():
    assert histogram_edges(np.array([np.inf]), np.array([-np.inf])) is None
    assert histogram_edges(np.array([1e300]), np.array([0.0])) is None


def test_importing_reports_does_not_import_matplotlib_or_jinja2():
    code = (
        "import sys, speakergmm.reports; "
        "print([name for name in ('matplotlib', 'jinja2', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_legend_lies_below_the_axes():
    rng = np.random.default_rng(0)
    figure = draw_histograms(rng.normal(3, 1, 300), rng.normal(0, 1, 900), threshold=1.5)
    (axes,), (legend,) = figure.axes, figure.legends
    assert legend.get_window_extent().y1 <= axes.get_window_extent().y0
    assert "EER threshold 1.5" in page_svg(figure, prefix="h")


@pytest.mark.slow
def test_panels_show_each_group_at_its_threshold():
    panels = {
        "clean": ([1.0, 2.0, 3.0, 4.0], [-2.0, -1.0, 0.0, 2.5]),
        "phone": ([0.0, 1.0, 1.5, 6.0], [-1.0, 0.0, 1.0, 9.0]),
    }
    figure = draw_score_panels(panels, thresholds={"clean": 2.0, "phone": 2.0})
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "clean: 25 % missed, 25 % falsely accepted",
        "phone: 75 % missed, 25 % falsely accepted",
    ]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    own = draw_score_panels(panels, thresholds={"phone": 2.0}, same_axis=False)
    assert own.axes[0].get_title(loc="left") == "clean"
    assert own.axes[0].get_xlim() != own.axes[1].get_xlim()


def test_panels_that_cannot_be_drawn():
    assert draw_score_panels({"a": ([np.inf], [0.0]), "b": ([1e300], [0.0])}) is None
    with pytest.raises(InvalidInputError, match="1 to 8 groups, found 9"):
        draw_score_panels({str(n): ([1.0], [0.0]) for n in range(9)})


@pytest.mark.slow
def test_paths_have_two_decimals_and_stay_where_they_are(tmp_path):
    figure = draw_histograms(np.linspace(0, 3, 50), np.linspace(-3, 1, 70))
    write_picture(tmp_path / "a.svg", figure)
    whole = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(whole, format="svg")
    numbers = [
        [float(found) for path in re.findall(rb' d="([^"]*)"', text) for found in _NUMBER(path)]
        for text in (whole.getvalue(), (tmp_path / "a.svg").read_bytes())
    ]
    assert numbers[0] != numbers[1]
    np.testing.assert_allclose(numbers[0], numbers[1], atol=0.005001)
