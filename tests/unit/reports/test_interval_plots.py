"""Plots of intervals: every name has its line, whatever the values."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Interval
from speakergmm.reports import draw_intervals, page_svg


@pytest.mark.filterwarnings("error")
def test_points_lie_on_their_intervals_from_top_to_bottom():
    estimates = {
        "a <b> & $c$": (0.2, Interval(0.1, 0.4, 0.95)),
        "no interval": (0.3, None),
        "infinite": (np.inf, None),
        "no width": (0.0, Interval(0.0, 0.0, 0.95)),
    }
    figure = draw_intervals(estimates, label="EER, %", scale=100, reference=0.25)
    (axes,) = figure.axes
    drawn = [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines]
    assert drawn[0][:2] == (25, 25)
    assert (10, 40, 0, 0) in drawn
    assert (20, 0) in drawn
    assert (30, 1) in drawn
    assert sum(len(line) == 2 for line in drawn) == 3
    top, bottom = (axes.transData.transform((0, row))[1] for row in (0, 3))
    assert top > bottom
    svg = page_svg(figure, prefix="groups")
    assert "a &lt;b&gt; &amp; $c$" in svg
    assert "infinite (infinite)" in svg


def test_there_must_be_something_to_draw():
    with pytest.raises(InvalidInputError, match="1 to 40 intervals, found 0"):
        draw_intervals({}, label="EER")
