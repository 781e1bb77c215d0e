"""CTM lines: exact times, and what can't be one."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.metrics import TimedLabel
from speakergmm.recognition import ctm_lines, read_ctm, write_ctm


@pytest.mark.slow
@given(
    st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]),
    st.lists(st.integers(1, 500_000), min_size=1, max_size=20),
    st.integers(0, 10**8),
)
def test_labels_that_touch_touch_in_the_file(rate, lengths, first):
    ends = first + np.cumsum(lengths)
    starts = ends - lengths
    labels = [
        TimedLabel(float(s / rate), float(e / rate), "a") for s, e in zip(starts, ends, strict=True)
    ]
    rows = [line.split() for line in ctm_lines("u", labels)]
    for row, following in itertools.pairwise(rows):
        # In decimals, as another program may add them up.
        assert Decimal(row[2]) + Decimal(row[3]) == Decimal(following[2])
    for row, start, length in zip(rows, starts, lengths, strict=True):
        assert round(float(row[2]) * rate) == start
        assert float(row[2]) == pytest.approx(start / rate, abs=0.51e-7)
        assert float(row[3]) == pytest.approx(length / rate, abs=1.01e-7)


def test_times_of_whole_samples_at_16_khz_are_exact():
    (line,) = ctm_lines("u", [TimedLabel(12345 / 16000, 12346 / 16000, "a", 1.0)])
    assert line == "u 1 0.7715625 0.0000625 a 1.0000"


# Of utterances, which only look alike, or like a comment, or like columns.
NAMES = [
    "1234 a",
    "1234  a",
    "1234 a 2",
    "1234%20a",
    "1\u00a0a",
    "#x y",
    ";; x",
    "50%",
    "\u540d \u524d",
]


def test_round_trip(tmp_path):
    alignments = {
        "my folder/a b": [TimedLabel(0.5, 0.75, "ÉTÉ", 0.25), TimedLabel(0.75, 1.0, "don't", 1.0)],
        "b": [TimedLabel(0.0, 0.1, "<unk>", 0.5), TimedLabel(0.1, 0.2, "SIL", 0.5)],
    } | {name: [TimedLabel(0.0, 1.0, "zoom in", 1.0)] for name in NAMES}
    path = tmp_path / "words.ctm"
    write_ctm(path, alignments, leave_out=("SIL",))
    assert path.read_text(encoding="utf-8").count("\n") == 3 + len(NAMES)
    found = read_ctm(path)
    assert found == {
        "my folder/a b": tuple(alignments["my folder/a b"]),
        "b": tuple(alignments["b"][:1]),
    } | {name: tuple(alignments[name]) for name in NAMES}


def test_a_confidence_that_nobody_gave_is_left_out(tmp_path):
    path = tmp_path / "a.ctm"
    write_ctm(path, {"u": [TimedLabel(0.0, 1.0, "a")]})
    assert path.read_text() == "u 1 0.0000000 1.0000000 a\n"
    assert np.isnan(read_ctm(path)["u"][0].confidence)


def test_other_programs_files_are_read(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_bytes(b";; made elsewhere\nu A 0.30 0.20 two\r\nu A 0.1 0.20 one 0.9\n\n")
    assert [item.label for item in read_ctm(path)["u"]] == ["one", "two"]


@pytest.mark.parametrize(
    "line",
    [
        "u 1 0.1 0.2",
        "u 1 0.1 0.2 a 0.5 extra",
        "u 1 x 0.2 a",
        "u 1 -1 0.2 a",
        "u 1 0 nan a",
        "u 1 1_0 0.2 a",
    ],
)
def test_a_bad_line_is_named(tmp_path, line):
    path = tmp_path / "a.ctm"
    path.write_text(f"u 1 0 1 a\n{line}\n")
    with pytest.raises(CorpusError, match=r"a\.ctm:2: "):
        read_ctm(path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.ctm: cannot be read"):
        read_ctm(tmp_path / "none.ctm")
    (tmp_path / "a.ctm").write_bytes(b"\x80\n")
    with pytest.raises(CorpusError, match="not UTF-8"):
        read_ctm(tmp_path / "a.ctm")


@pytest.mark.parametrize(
    "item",
    [
        TimedLabel(0.0, 1.0, ""),
        TimedLabel(-0.1, 1.0, "a"),
        TimedLabel(1.0, 0.5, "a"),
        TimedLabel(float("nan"), 0.5, "a"),
    ],
)
def test_what_a_ctm_cannot_hold_is_refused(tmp_path, item):
    with pytest.raises(InvalidInputError, match="utterance 'u'"):
        write_ctm(tmp_path / "a.ctm", {"u": [item]})
    assert not list(tmp_path.iterdir())
