"""The page for contributors names files that are there, and boxes for both ways of a frame."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LIFE = PAGE.split("## The life of a frame\n")[1].split("\n## ")[0]
ROOMS = PAGE.split("## The rooms")[1].split("\n## ")[0]
BOXES = re.findall(r"^```\n(.*?)^```$", LIFE, re.MULTILINE | re.DOTALL)


def names_in(text):
    """Names of Python files as the page spells them: from the package on, or in short."""
    return re.findall(r"(?<![\w/*])[\w/]+\.py\b", text)


def found(name):
    """Where a file is: in the package, in the tests' benchmarks, or anywhere by a short name."""
    if "/" in name:
        return [path for path in (ROOT / "speakergmm" / name, ROOT / name) if path.is_file()]
    return [
        path
        for folder in ("speakergmm", "tests/benchmarks")
        for path in (ROOT / folder).rglob(name)
    ]


@pytest.mark.parametrize("name", sorted(set(names_in(PAGE))))
def test_every_file_that_the_page_names_is_there(name):
    assert found(name), f"CONTRIBUTING.md names {name}"


@pytest.mark.parametrize("room", sorted(set(re.findall(r"`([a-z_]+/)`", ROOMS))))
def test_every_folder_that_the_page_names_is_there(room):
    places = [ROOT, ROOT / "speakergmm", *(ROOT / "speakergmm").glob("*/")]
    assert any((place / room).is_dir() for place in places), f"CONTRIBUTING.md names {room}"


def test_both_ways_of_a_frame_have_six_boxes_with_files_by_their_whole_names():
    assert len(BOXES) == 2
    for boxes in BOXES:
        lines = boxes.splitlines()
        assert re.findall(r"^ (\d) ", boxes, re.MULTILINE) == list("123456")
        for line in lines:
            assert len(line) <= 100
            names = [name for name in names_in(line) if "/" in name]
            assert names or line.strip() == "|", line


def test_words_that_the_page_puts_into_files_stand_there():
    told = re.findall(r"`(\w+)` in `([\w/]+\.py)`", PAGE)
    assert told
    for word, name in told:
        assert word in found(name)[0].read_text(encoding="utf-8")
