"""The picture of an alignment: what is drawn where, and files that others can open."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.metrics import TimedLabel
from speakergmm.reports import (
    confidence_colour,
    draw_alignment,
    picture_svg,
    spectrogram,
    write_picture,
)

RATE = 16000
TIERS = {
    "words": [TimedLabel(2.1, 2.4, "$x_1$ <b>&", 0.9), TimedLabel(2.4, 2.5, "deux", 0.2)],
    "phones": [
        TimedLabel(2.0, 2.1, "SIL", 1.0),
        TimedLabel(2.1, 2.25, "AH", 0.5),
        TimedLabel(2.25, 2.4, "N", 0.75),
        TimedLabel(2.4, 2.404, "extremely long", 0.75),
        TimedLabel(2.404, 2.5, "ɲ", 0.75),
    ],
}


@pytest.fixture(scope="module")
def samples():
    return 0.1 * np.random.default_rng(0).normal(size=RATE // 2)


@pytest.fixture(scope="module")
def figure(samples):
    return draw_alignment(samples, RATE, TIERS, title="a$b$", start=2.0)


def test_edges_and_labels_stand_at_their_times(figure):
    wave, spectrum, words, phones = figure.axes
    expected = {2.0, 2.1, 2.25, 2.4, 2.404, 2.5}
    for axes in (wave, spectrum):
        assert {float(line.get_xdata()[0]) for line in axes.lines} == expected
    strong = {float(line.get_xdata()[0]) for line in spectrum.lines if line.get_linewidth() > 1}
    assert strong == {2.1, 2.4, 2.5}
    written = {text.get_text(): text.get_position()[0] for text in words.texts}
    assert written["$x_1$ <b>&"] == pytest.approx(2.25)
    assert written["0.90"] == pytest.approx(2.25)
    boxes = [patch.get_facecolor()[:3] for patch in phones.patches]
    expected = [confidence_colour(item.confidence) for item in TIERS["phones"]]
    np.testing.assert_allclose(boxes, expected)
    # No room for these letters: left out rather than written over the neighbours.
    assert "extremely long" not in {text.get_text() for text in phones.texts}
    for axes in figure.axes:
        assert axes.get_xlim() == (2.0, 2.5)


def test_a_tone_is_drawn_at_its_frequency_and_time():
    time = np.arange(RATE) / RATE
    tone = np.where((time > 0.25) & (time < 0.5), np.sin(2 * np.pi * 3000 * time), 0.0)
    levels, frequencies, times = spectrogram(tone, RATE)
    loud = levels > -20
    # Away from the clicks at its ends; a window of 6 ms is 4 / 6 ms wide in frequency.
    inside = loud[:, (times > 0.3) & (times < 0.45)]
    assert abs(frequencies[inside.any(axis=1)] - 3000).max() < 2 / 0.006
    # A window lasts 6 ms.
    held = times[loud.any(axis=0)]
    assert held.min() == pytest.approx(0.25, abs=0.004)
    assert held.max() == pytest.approx(0.5, abs=0.004)
    assert levels.max() == 0.0
    assert levels.min() == -60.0


@pytest.mark.parametrize("n_samples", [200, 5_000, 700_000])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_spectrograms_have_no_more_columns_than_can_be_seen(n_samples, rate):
    levels, frequencies, times = spectrogram(np.zeros(max(n_samples, rate // 50)), rate)
    assert levels.shape == (len(frequencies), len(times))
    assert len(times) <= 4000
    assert frequencies[-1] <= 8000
    assert (levels == -60).all()


@pytest.mark.slow
def test_files_of_each_kind_are_written_alike_each_time(tmp_path, samples):
    starts = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
    for suffix, start in starts.items():
        written = []
        for name in ("a", "b"):
            path = tmp_path / (name + suffix)
            write_picture(path, draw_alignment(samples, RATE, TIERS, start=2.0))
            written.append(path.read_bytes())
        assert written[0].startswith(start)
        assert written[0] == written[1]
    assert len(list(tmp_path.iterdir())) == 6


@pytest.mark.slow
def test_markup_in_labels_stays_text(tmp_path, figure):
    text = picture_svg(figure, prefix="one")
    root = ET.fromstring(text)
    assert root.tag.endswith("svg")
    assert "$x_1$ &lt;b&gt;&amp;" in text
    assert all(found.startswith('id="one-') for found in _ids(text))
    assert "<metadata" not in text


def _ids(text):
    import re

    found = re.findall(r'\bid="[^"]*"', text)
    assert found
    return found


@pytest.mark.slow
def test_what_cannot_be_drawn_or_written_is_refused(tmp_path, samples, figure):
    with pytest.raises(InvalidInputError, match=r"must end in \.svg, \.png, \.pdf"):
        write_picture(tmp_path / "a.gif", figure)
    with pytest.raises(SpeakerGmmError, match="folder does not exist"):
        write_picture(tmp_path / "none" / "a.png", figure)
    for bad, tiers in ((samples[:100], TIERS), (samples[None], TIERS), (samples, {})):
        with pytest.raises(InvalidInputError, match="a picture needs"):
            draw_alignment(bad, RATE, tiers)


def test_matplotlib_is_loaded_when_something_is_drawn():
    code = "import sys, speakergmm.reports.alignments; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
