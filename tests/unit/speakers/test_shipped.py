"""The model that ships: the file, what it says of itself, and what it answers."""

from importlib import resources
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import speakergmm
from speakergmm.errors import ModelFormatError
from speakergmm.records import describe
from speakergmm.speakers import (
    SHIPPED_SYSTEM,
    compare_recordings,
    describe_shipped,
    shipped_system,
)

ROOT = Path(speakergmm.__file__).parents[1]


@pytest.fixture(scope="module")
def file():
    return resources.files("speakergmm").joinpath("models", SHIPPED_SYSTEM)


def test_the_file_is_small(file):
    assert 100_000 < len(file.read_bytes()) < 2_000_000


def test_it_is_loaded_once():
    assert shipped_system() is shipped_system()


def test_the_system_is_whole():
    system = shipped_system()
    assert system.calibration is not None
    assert system.background.augmentation is not None
    assert system.background.mixture.n_components == 128
    assert set(system.background.augmentation.conditions) >= {"telephone", "babble", "noise"}


def test_a_bit_that_flips_is_noticed(file, tmp_path, monkeypatch):
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / SHIPPED_SYSTEM).write_bytes(damaged)
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelFormatError, match=SHIPPED_SYSTEM):
        shipped_system.__wrapped__()


def test_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(ModelFormatError, match="ships with speakergmm is missing"):
        shipped_system.__wrapped__()


def test_background_and_cohort_have_as_many_women_as_men(data_dir):
    lines = (data_dir / "librispeech" / "spk2gender").read_text().splitlines()
    sex = dict(line.split() for line in lines)
    system = shipped_system()
    assert system.background.provenance["n_speakers"] == 250
    assert system.cohort is not None
    names = [name.removeprefix("librispeech-") for name in system.cohort.speakers]
    assert sum(sex[name] == "f" for name in names) * 2 == len(names) == 60


def test_the_file_says_whose_recordings_it_was_made_of(file):
    with resources.as_file(file) as path:
        stated = str(describe(path))
    for words in ("LibriSpeech", "Vassil Panayotov", "CC BY 4.0", "DSPSpeech-20", "MIT", "Arabic"):
        assert words in stated


def test_the_licences_are_in_the_notice():
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    for words in (SHIPPED_SYSTEM, "Vassil Panayotov", "CC BY 4.0", "licenses/by/4.0", "MIT"):
        assert words in notice
    assert "NOTICE" in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_its_error_rates_stand_in_the_file_and_not_in_the_code():
    rates = dict(shipped_system().provenance["measured"]["equal_error_rates"])
    assert {"clean", "telephone", "babble"} <= set(rates)
    assert all(0 <= rate < 0.5 for rate in rates.values())
    text = describe_shipped(shipped_system())
    assert f"clean {100 * rates['clean']:.0f} %" in text


@pytest.mark.slow
def test_speakers_of_another_part_of_librispeech_are_told_apart(data_dir):
    folder = data_dir / "librispeech" / "test-other"
    by_speaker: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.flac")):
        by_speaker.setdefault(path.name.partition("-")[0], []).append(path)
    groups = list(by_speaker.values())[:3]
    same = [compare_recordings(group[0], group[1]).llr for group in groups]
    different = [compare_recordings(one[0], other[1]).llr for one, other in pairwise(groups)]
    assert np.min(same) > 0 > np.max(different)
