"""The report of a comparison: verdict, table, names that need escaping, deterministic output."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Scores, compare_systems
from speakergmm.reports import comparison_verdict, draw_comparison, write_comparison

NAMES = ("<b>old</b> & $x$", "new")


def crossed(shift, seed=0, n_speakers=12, n_tests=6):
    rng = np.random.default_rng(seed)
    test = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    number = np.repeat(np.arange(n_speakers * n_tests), n_speakers)
    own = model == test
    values = rng.normal(size=len(model)) + shift * own
    return Scores(model, number, values, np.where(own, "target", "nontarget"))


def systems(first, second):
    return dict(zip(NAMES, (first, second), strict=True))


def test_the_better_system_is_named_and_equal_ones_are_not():
    old, new, equal = crossed(1.0), crossed(3.0, seed=1), crossed(1.0, seed=2)
    for pair, words in (
        ((old, new), "new makes fewer errors: the EER changes from"),
        ((new, old), "<b>old</b> & $x$ makes fewer errors"),
        ((old, equal), "do not show which makes fewer errors"),
    ):
        found = compare_systems(*pair, n_bootstrap=100)
        text = " ".join(comparison_verdict(systems(*pair), found))
        assert words in text
        assert found["eer_linear"].a.format_value() in text
    text = comparison_verdict(systems(old, new), compare_systems(old, new, n_bootstrap=0))
    assert "no interval" in text[-1]


@pytest.mark.slow
def test_the_page_holds_both_curves_and_every_difference(tmp_path):
    old, new = crossed(1.0), crossed(3.0, seed=1)
    found = compare_systems(old, new, n_bootstrap=50)
    pages = []
    for number in range(2):
        path = tmp_path / f"{number}.html"
        write_comparison(path, systems(old, new), found, title="A & B")
        pages.append(path.read_text(encoding="utf-8"))
    assert pages[0] == pages[1]
    assert pages[0].count("<svg") == 4
    assert "<b>" not in pages[0]
    assert "&lt;b&gt;old&lt;/b&gt; &amp; $x$" in pages[0]
    for each in found.values():
        assert each.a.title in pages[0]
        assert each.b.format_value() in pages[0]


def test_a_comparison_has_two_systems():
    with pytest.raises(InvalidInputError, match="two systems, found 1"):
        draw_comparison({"a": crossed(1.0)}, {})
