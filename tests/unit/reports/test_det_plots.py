"""DET plots: thinned curves, bands and points in their frame, several systems."""

import re

import numpy as np
import pytest
from matplotlib.path import Path
from scipy.stats import norm

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import DetBand, Scores, det_band, det_curve, evaluate
from speakergmm.reports import band_outline, draw_det_curves, page_svg, thin_curve, write_picture


def test_a_thinned_curve_looks_the_same():
    rng = np.random.default_rng(0)
    curve = det_curve(rng.normal(2, 1, 40_000), rng.normal(0, 1, 60_000))
    scale = 70.0
    x, y = thin_curve(curve, points_per_unit=scale)
    assert len(x) < len(curve) / 8
    full_x = norm.ppf(np.clip(curve.p_fa, 1e-12, 1 - 1e-12))
    full_y = norm.ppf(np.clip(curve.p_miss, 1e-12, 1 - 1e-12))
    # Every corner lies within a quarter of a point, along both axes, of a kept one.
    kept = {(a, b) for a, b in zip(x, y, strict=True)}
    assert kept <= set(zip(full_x, full_y, strict=True))
    place = np.searchsorted(-x, -full_x, side="right") - 1
    nearest = np.full(len(full_x), np.inf)
    for shift in range(-3, 4):
        other = np.clip(place + shift, 0, len(x) - 1)
        distance = np.maximum(np.abs(x[other] - full_x), np.abs(y[other] - full_y))
        nearest = np.minimum(nearest, distance)
    assert nearest.max() * scale <= 0.25 + 1e-9


def test_thinning_keeps_the_ends_and_small_curves():
    curve = det_curve([1.0, 2.0, 3.0], [0.0, 1.5])
    x, y = thin_curve(curve, points_per_unit=70)
    assert len(x) == len(curve)
    np.testing.assert_allclose([y[0], x[-1]], norm.ppf(1e-12))


def few_targets(n_target, n_nontarget, shift):
    """Trials whose DET frame begins elsewhere along the two axes."""
    rng = np.random.default_rng(4)
    count = n_target + n_nontarget
    labels = np.repeat(["target", "nontarget"], [n_target, n_nontarget])
    values = rng.normal(size=count) + np.where(labels == "target", shift, 0.0)
    return Scores(["m"] * count, [f"{number}.wav" for number in range(count)], values, labels)


def with_effects(n_speakers, n_tests, shift, seed=0):
    """Trials of all models on all tests, in which models and tests have effects of their own."""
    rng = np.random.default_rng(seed)
    as_model, as_test = 0.4 * rng.normal(size=(2, n_speakers))
    test = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    number = np.repeat(np.arange(n_speakers * n_tests), n_speakers)
    values = as_model[model] + as_test[test] + rng.normal(size=len(model))
    own = model == test
    labels = np.where(own, "target", "nontarget")
    return Scores(model, number, values + shift * own, labels)


def frame_of(figure):
    (axes,) = figure.axes
    return axes, np.array([axes.get_xlim(), axes.get_ylim()])


SIZES = [
    pytest.param(with_effects(4, 3, 2.0), id="few speakers"),
    pytest.param(with_effects(12, 8, 5.0), id="tiny error rates"),
    pytest.param(with_effects(12, 8, 2.0), id="ordinary"),
    pytest.param(with_effects(6, 4, 30.0), id="no errors"),
    pytest.param(with_effects(8, 4, -3.0), id="worse than chance"),
    pytest.param(few_targets(20, 4000, 3.5), id="few targets"),
    pytest.param(few_targets(2000, 20, 3.5), id="few nontargets"),
]


@pytest.mark.parametrize("scores", SIZES)
def test_the_band_lies_in_the_frame_and_around_the_curve(scores):
    found, band = evaluate(scores, n_bootstrap=0), det_band(scores, n_bootstrap=200)
    figure = draw_det_curves({"": found}, bands={"": band})
    axes, frame = frame_of(figure)
    if band is None:
        assert not axes.patches
        return
    outline = np.concatenate([patch.get_xy() for patch in axes.patches] or [np.zeros((0, 2))])
    for column, (low, high) in zip(outline.T, frame, strict=True):
        assert (column >= low - 1e-9).all()
        assert (column <= high + 1e-9).all()
    # The corners of the curve within the frame lie in the band, or at most a point beside it.
    # Percentiles need not hold the estimate itself where few trials determine it.
    corners = np.column_stack(thin_curve(found.curve, points_per_unit=70))
    corners = corners[((corners > frame[:, 0]) & (corners < frame[:, 1])).all(axis=1)]
    if len(outline) and len(corners):
        drawn = Path(outline)
        held = drawn.contains_points(corners, radius=1 / 70)
        held |= drawn.contains_points(corners, radius=-1 / 70)
        assert held.mean() >= 0.9


def test_the_band_holds_what_lies_between_its_edges_and_nothing_else():
    scores = with_effects(12, 8, 2.0)
    band, frame = det_band(scores, n_bootstrap=100), ((0.001, 0.001), (0.8, 0.8))
    drawn = Path(band_outline(band, *frame))
    middle = np.sqrt(band.low * band.high)
    for rates, inside in ((middle, True), (1.2 * band.high, False), (band.low / 1.2, False)):
        seen = ((rates > frame[0]) & (rates < frame[1])).all(axis=1)
        assert seen.sum() > 20
        assert (drawn.contains_points(norm.ppf(rates[seen])) == inside).mean() > 0.95


def test_on_the_diagonal_the_band_is_the_interval_of_the_eer():
    scores = with_effects(10, 6, 2.0)
    options = {"n_bootstrap": 200, "seed": 3, "confidence": 0.9}
    interval = evaluate(scores, **options)["eer_linear"].interval
    band = det_band(scores, **options)
    for edge, end in ((band.low, interval.low), (band.high, interval.high)):
        on_diagonal = edge[np.argmin(np.abs(edge[:, 0] - edge[:, 1]))]
        np.testing.assert_allclose(on_diagonal, end, rtol=1e-12)


def test_a_band_that_leaves_the_frame_is_cut_at_its_edge_and_keeps_its_direction():
    rays = np.array([[1e-9, 0.5], [0.1, 0.1], [0.5, 1e-9]])
    band = DetBand(rays * 0, rays, 0.95)
    outline = band_outline(band, (0.01, 0.02), (0.4, 0.4))
    low, high = norm.ppf([0.01, 0.02]), norm.ppf([0.4, 0.4])
    assert (outline >= low - 1e-9).all()
    assert (outline <= high + 1e-9).all()
    # Its lower edge is zero: it holds the corner of the frame, and its upper edge the diagonal.
    assert np.abs(outline - low).sum(axis=1).min() < 1e-9
    assert np.abs(outline - norm.ppf(0.1)).sum(axis=1).min() < 1e-9
    outside = DetBand(rays * 0, rays * 1e-4, 0.95)
    away = band_outline(outside, (0.2, 0.2), (0.4, 0.4))
    assert len(away) == 0 or np.ptp(away, axis=0).min() < 1e-9


@pytest.mark.parametrize("scores", SIZES[:5])
def test_points_lie_in_the_frame_and_the_eer_on_the_diagonal(scores):
    found = evaluate(scores, n_bootstrap=0)
    axes, frame = frame_of(draw_det_curves({"": found}))
    points = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(points) == 3
    for point in points:
        place = np.array([point.get_xdata()[0], point.get_ydata()[0]])
        assert (place >= frame[:, 0] - 1e-9).all()
        assert (place <= frame[:, 1] + 1e-9).all()
    (circle,) = [point for point in points if point.get_marker() == "o"]
    assert circle.get_xdata()[0] == circle.get_ydata()[0]


@pytest.mark.slow
def test_stated_thresholds_and_actual_costs_have_marks_of_their_own():
    scores = with_effects(8, 5, 2.0)
    found = evaluate(scores, n_bootstrap=0, threshold=1.25, llr=True)
    (axes,) = draw_det_curves({"": found}).axes
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "threshold 1.25" in entries
    for prior in ("0.01", "0.05"):
        assert f"minDCF({prior}) {found[f'min_dcf_{prior}'].format_value()}" in entries
        assert f"actual DCF({prior}) {found[f'actual_dcf_{prior}'].format_value()}" in entries
    (cross,) = [line for line in axes.lines if line.get_marker() == "X"]
    point = found["miss_rate"].point
    np.testing.assert_allclose(cross.get_xdata(), norm.ppf(point.p_fa))
    np.testing.assert_allclose(cross.get_ydata(), norm.ppf(point.p_miss))


def test_several_systems_have_their_own_colours_dashes_and_entries():
    systems = {
        name: evaluate(with_effects(8, 5, shift), n_bootstrap=0)
        for name, shift in (("raw", 1.0), ("a name with <tags> & $signs$", 3.0), ("third", 2.0))
    }
    figure = draw_det_curves(systems)
    (axes,) = figure.axes
    curves = [line for line in axes.lines if len(line.get_xdata()) > 4]
    assert len({line.get_color() for line in curves}) == 3
    entries = [text.get_text() for text in axes.get_legend().get_texts()]
    for name, found in systems.items():
        assert f"{name}: EER {found['eer_linear'].format_value()}" in entries
    figure.draw_without_rendering()
    legend, page = axes.get_legend().get_window_extent(), figure.bbox
    assert legend.y1 < axes.get_window_extent().y0
    assert page.x0 <= legend.x0
    assert legend.x1 <= page.x1
    assert page.y0 <= legend.y0
    svg = page_svg(figure, prefix="det")
    looks = [
        set(re.findall(rf"stroke-dasharray: ([\d., ]+);[^\"]*stroke: var\(--line-{number}\)", svg))
        for number in (1, 2, 3)
    ]
    assert looks[0] == set()
    assert looks[1]
    assert looks[2] - looks[1]
    assert "&lt;tags&gt; &amp; $signs$" in svg
    assert "<tags>" not in svg


def test_there_are_one_to_eight_systems():
    found = evaluate(with_effects(4, 3, 2.0), n_bootstrap=0)
    for count in (0, 9):
        with pytest.raises(InvalidInputError, match=f"1 to 8 systems, found {count}"):
            draw_det_curves({str(number): found for number in range(count)})


def test_equal_units_on_both_axes():
    for scores in (few_targets(20, 4000, 3.5), few_targets(2000, 20, 3.5)):
        figure = draw_det_curves({"": evaluate(scores, n_bootstrap=0)})
        axes, _ = frame_of(figure)
        size = axes.transData.transform([(0, 0), (1, 1)])
        assert np.ptp(np.diff(size, axis=0)) < 1e-6
        inches = axes.get_window_extent().size / figure.dpi
        assert inches.max() == pytest.approx(4.7)


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_same_plot_has_the_same_bytes(tmp_path, suffix):
    scores = with_effects(6, 4, 2.0)
    written = []
    for number in range(2):
        found, band = evaluate(scores, n_bootstrap=0), det_band(scores, n_bootstrap=50)
        path = tmp_path / f"{number}{suffix}"
        write_picture(path, draw_det_curves({"s": found}, bands={"s": band}))
        written.append(path.read_bytes())
    assert written[0] == written[1]
