"""The report: one harmless, complete page, the same for the same input."""

import math
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest

from speakergmm.errors import SpeakerGmmError
from speakergmm.metrics import Scores, evaluate
from speakergmm.reports import render_report, write_report

VOID = {"meta", "br", "hr", "img", "input", "link"}
CONFIGURATION = {
    "date": "2024-05-01",
    "features": {"cepstra": 19, "voice activity": {"kind": "energy", "hangover": None}},
    "hashes": {"background": "ab" * 32},
    "seeds": [1, 2],
    "<i>key": "<img src=x onerror=alert(1)>",
}


def crossed(names, *, n_tests=4, shift=1.5, seed=0):
    rng = np.random.default_rng(seed)
    models, paths, values, labels = [], [], [], []
    for speaker in names:
        for test in range(n_tests):
            for model in names:
                models.append(model)
                paths.append(f"{speaker}-{test}.wav")
                values.append(rng.normal(shift if model == speaker else 0))
                labels.append("target" if model == speaker else "nontarget")
    return Scores(models, paths, values, labels)


def page(scores, **options):
    return render_report(evaluate(scores, n_bootstrap=50), scores, **options)


class Page(HTMLParser):
    """Checks that tags nest, and gathers what the page is made of."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def ordinary():
    return crossed([f"s{i}" for i in range(8)])


@pytest.fixture(scope="module")
def ordinary_page(ordinary):
    return page(ordinary, configuration=CONFIGURATION)


@pytest.mark.slow
def test_the_page_holds_every_figure_and_the_configuration(ordinary):
    result = evaluate(ordinary, n_bootstrap=50)
    text = render_report(result, ordinary, configuration=CONFIGURATION, title="Evening run")
    seen = " ".join(Page(text).text)
    assert "Evening run" in seen
    for measure in result.metrics:
        for part in (measure.title, measure.format_value(), measure.format_interval()):
            assert part in seen
    assert f"EER threshold {result['eer_linear'].point.threshold:.4g}" in seen
    for part in ("2024-05-01", "voice activity", "hangover", "ab" * 32, "19", "energy"):
        assert part in seen
    for pair in result.identification.confusions()[:10]:
        assert f"{pair.count} of {pair.n_tests}" in seen
    assert "determined on the same trials" in re.sub(r"\s+", " ", seen)


@pytest.mark.slow
def test_nothing_is_loaded_and_nothing_runs(ordinary_page):
    found = Page(ordinary_page)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base"} & set(found.tags)
    for _, name, value in found.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith("#")
        if name == "style":
            assert not re.search(r"url\((?!#)", value)
    assert "http://" not in ordinary_page
    assert "https://" not in ordinary_page
    assert "@import" not in ordinary_page


@pytest.mark.slow
def test_hostile_and_strange_names_are_harmless():
    names = [
        "<script>alert(1)</script>",
        '" onmouseover="alert(1)',
        "{{ 7 * 7 }}",
        r"$\frac{1}$",
        "زينب",
        "not\udce9utf8",
        "bell\x07",
        "&amp;",
    ]
    text = page(crossed(names, shift=0.3), title="</title><script>", configuration=CONFIGURATION)
    text.encode("utf-8")
    found = Page(text)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]
    seen = "".join(found.text)
    for part in (names[0], names[2], names[3], names[4], "not\ufffdutf8", "bell\ufffd", "&amp;"):
        assert part in seen
    assert "49" not in re.findall(r"\{\{.*?\}\}", seen)
    assert "\x07" not in text


@pytest.mark.slow
def test_same_input_same_bytes(ordinary_page):
    again = crossed([f"s{i}" for i in range(8)])
    assert ordinary_page == page(again, configuration=CONFIGURATION)
    other = crossed([f"s{i}" for i in range(8)], seed=1)
    assert ordinary_page != page(other, configuration=CONFIGURATION)
    assert re.findall(r"\b20\d\d-\d\d-\d\d\b", ordinary_page) == [CONFIGURATION["date"]]


def test_ids_are_unique_and_references_lead_somewhere(ordinary_page):
    found = Page(ordinary_page)
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = [value[1:] for _, name, value in found.attributes if name == "href"]
    wanted += re.findall(r"url\(#([^)]+)\)", ordinary_page)
    wanted += [value for _, name, value in found.attributes if name == "aria-labelledby"]
    assert wanted
    assert set(wanted) <= set(ids)


def test_figures_can_be_read_aloud(ordinary, ordinary_page):
    result = evaluate(ordinary, n_bootstrap=0)
    found = Page(ordinary_page)
    labels = [
        value for tag, name, value in found.attributes if (tag, name) == ("figure", "aria-label")
    ]
    assert len(labels) == 2
    assert result["eer_linear"].format_value() in labels[0]
    assert "median" in labels[1]
    roles = [value for tag, name, value in found.attributes if (tag, name) == ("figure", "role")]
    assert roles == ["img", "img"]
    scopes = [value for tag, name, value in found.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == found.tags.count("th")


def test_figures_are_well_formed_and_take_the_pages_colours(ordinary_page):
    text = ordinary_page
    figures = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    assert len(figures) == 2
    defined = set(re.findall(r"(--[\w-]+):", text))
    for figure in figures:
        ElementTree.fromstring(figure)
        assert set(re.findall(r"var\((--[\w-]+)\)", figure)) <= defined
        assert "#010a" not in figure
        assert not re.findall(
            r"#[0-9a-f]{6}\b", re.sub(r"(id|href)=\"[^\"]*\"|url\([^)]*\)", "", figure)
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 0.0], "Every test recording was identified as its own speaker."),
        ([0.0, 1.0], "An EER above 50 % means"),
        ([1.0, 1.0], "50.00 %"),
        ([math.inf, -math.inf], "no finite range"),
        ([1e308, -1e308], "no finite range"),
        ([1e-320, 0.0], "Histograms"),
        ([1e12, 1.0], "Histograms"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_extreme_scores_make_a_page(values, expected):
    scores = Scores(["a", "b"], ["x", "x"], values, ["target", "nontarget"])
    text = re.sub(r"\s+", " ", page(scores))
    assert expected in text
    assert "There is no interval" in text
    Page(text)


@pytest.mark.slow
def test_verification_alone_makes_a_page():
    scores = Scores(["a", "b"], ["x", "y"], [1.0, 2.0], ["target", "nontarget"])
    text = page(scores)
    assert "there is no identification" in text
    assert "1 of 1" in text


@pytest.mark.slow
def test_writing_is_whole_or_not_at_all(tmp_path, ordinary, monkeypatch):
    path = tmp_path / "report.html"
    result = evaluate(ordinary, n_bootstrap=0)
    write_report(path, result, ordinary, title="first")
    before = path.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SpeakerGmmError, match=r"report\.html: cannot be written"):
        write_report(path, result, ordinary, title="second")
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.slow
def test_a_large_evaluation_stays_small():
    rng = np.random.default_rng(0)
    n = 200_000
    label = np.where(np.arange(n) % 2, "nontarget", "target")
    scores = Scores(
        np.arange(n) % 50, np.arange(n), rng.normal(size=n) + 2 * (label == "target"), label
    )
    result = evaluate(scores, n_bootstrap=0)
    assert len(result.curve) > 20_000
    assert len(render_report(result, scores)) < 300_000
