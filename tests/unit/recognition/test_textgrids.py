"""TextGrids: read back by praatio's own class and by a reader written here after Praat's manual."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.errors import CorpusError, InvalidInputError, SpeakerGmmError
from speakergmm.metrics import TimedLabel
from speakergmm.recognition import read_textgrid, textgrid_text, write_textgrid


def praat_tokens(text):
    """What Praat sees: free-standing numbers, strings in quotes (doubled inside) and <flags>."""
    pattern = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(-?\d+(?:\.\d+)?)(?!\S)|<(\w+)>|[^\s"]+')
    tokens = []
    for string, number, flag in (match.group(1, 2, 3) for match in pattern.finditer(text)):
        if string is not None:
            tokens.append(string.replace('""', '"'))
        elif number is not None:
            tokens.append(float(number))
        elif flag is not None:
            tokens.append(f"<{flag}>")
    return tokens


def as_praat_reads(text):
    """Parse a TextGrid by its tokens, as Praat does: names before '=' don't matter to it."""
    tokens = praat_tokens(text)
    assert tokens[:2] == ["ooTextFile", "TextGrid"]
    low, high, exists, count = tokens[2:6]
    assert exists == "<exists>"
    at, tiers = 6, {}
    for _ in range(int(count)):
        kind, name, first, last, size = tokens[at : at + 5]
        assert (kind, first, last) == ("IntervalTier", low, high)
        at += 5
        tiers[name] = [tuple(tokens[at + 3 * i : at + 3 * i + 3]) for i in range(int(size))]
        at += 3 * int(size)
    assert at == len(tokens)
    return low, high, tiers


TIERS = {
    "words": [TimedLabel(0.25, 0.5, 'say "hi"'), TimedLabel(0.5, 0.75, "naïve 日本")],
    "phones": [TimedLabel(0.0, 0.25, "SIL"), TimedLabel(0.2500001, 1.2345678, "AH")],
    "empty": [],
}


def test_a_grid_is_filled_without_gaps_and_keeps_quotes_and_unicode():
    low, high, tiers = as_praat_reads(textgrid_text(TIERS, duration=1.2345678))
    assert (low, high) == (0.0, 1.2345678)
    assert tiers["words"] == [
        (0.0, 0.25, ""),
        (0.25, 0.5, 'say "hi"'),
        (0.5, 0.75, "naïve 日本"),
        (0.75, 1.2345678, ""),
    ]
    assert tiers["empty"] == [(0.0, 1.2345678, "")]
    # A gap of a tenth of a microsecond is kept, not merged away.
    assert tiers["phones"][1:] == [(0.25, 0.2500001, ""), (0.2500001, 1.2345678, "AH")]


def test_read_back_by_the_library_itself(tmp_path):
    from praatio import textgrid

    path = tmp_path / "a.TextGrid"
    write_textgrid(path, TIERS, duration=1.2345678)
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert grid.tierNames == ("words", "phones", "empty")
    assert [tuple(entry) for entry in grid.getTier("words").entries] == [
        tuple(item[:3]) for item in TIERS["words"]
    ]
    assert grid.maxTimestamp == 1.2345678


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            st.integers(1_000, 10_000_000), st.text(st.characters(exclude_categories=["Cs", "Cc"]))
        ),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_is_written_comes_back(parts):
    ends = np.cumsum([length for length, _ in parts]) / 1e7
    starts = np.concatenate([[0.0], ends[:-1]])
    labels = [
        TimedLabel(float(start), float(end), " ".join(text.split()))
        for start, end, (_, text) in zip(starts, ends, parts, strict=True)
    ]
    _, high, tiers = as_praat_reads(textgrid_text({"t": labels}, duration=float(ends[-1])))
    assert high == round(ends[-1], 7)
    assert len(tiers["t"]) == len(labels)
    for item, (start, end, label) in zip(labels, tiers["t"], strict=True):
        assert (start, end) == (round(item.start, 7), round(item.end, 7))
        assert label == item.label


def test_read_textgrid_gives_what_was_written(tmp_path):
    path = tmp_path / "a.TextGrid"
    write_textgrid(path, TIERS, duration=2.0)
    found = read_textgrid(path)
    assert [item for item in found["words"] if item.label] == [
        item._replace(confidence=pytest.approx(np.nan, nan_ok=True)) for item in TIERS["words"]
    ]
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    assert [item[:3] for item in read_textgrid(path)["words"]] == [
        item[:3] for item in found["words"]
    ]


@pytest.mark.parametrize(
    "labels",
    [
        [TimedLabel(0.0, 0.5, "a"), TimedLabel(0.4, 0.6, "b")],
        [TimedLabel(0.5, 0.5, "a")],
        [TimedLabel(0.5, 1.1, "a")],
        [TimedLabel(-0.1, 0.5, "a")],
        [TimedLabel(float("nan"), 0.5, "a")],
    ],
)
def test_labels_that_praat_would_refuse_are_refused(tmp_path, labels):
    path = tmp_path / "a.TextGrid"
    with pytest.raises(InvalidInputError, match="tier 'words': label"):
        write_textgrid(path, {"words": labels}, duration=1.0)
    assert not list(tmp_path.iterdir())


def test_rounding_beyond_the_end_is_the_end():
    text = textgrid_text({"w": [TimedLabel(0.0, 1.0000004, "a")]}, duration=1.0)
    assert as_praat_reads(text)[2]["w"] == [(0.0, 1.0, "a")]


def test_what_is_no_textgrid_is_refused(tmp_path):
    path = tmp_path / "a.TextGrid"
    for content in (b"", b"nothing of the kind\n" * 9, b"\xff\xfe\x00", b"\x80\x81"):
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=r"a\.TextGrid"):
            read_textgrid(path)
    with pytest.raises(CorpusError, match="cannot be read"):
        read_textgrid(tmp_path / "none.TextGrid")
    with pytest.raises(SpeakerGmmError, match="folder does not exist"):
        write_textgrid(tmp_path / "none" / "a.TextGrid", TIERS, duration=2.0)
