"""The recipe of commands runs on a little synthetic speech; its figures stand in its RESULTS.md."""

import dataclasses

import pytest
from typer.testing import CliRunner

MODULES = ("settings", "material")
SIZES = {
    "n_background": 5,
    "n_background_utterances": 4,
    "n_enrolment_utterances": 1,
    "n_trial_utterances": 1,
}


@pytest.fixture(scope="module")
def recipe(imported):
    with imported("commands", MODULES) as module:
        yield module


@pytest.fixture(scope="module")
def material(recipe, tmp_path_factory):
    return recipe.make_synthetic(tmp_path_factory.mktemp("corpus"), **SIZES)


def test_settings_are_each_offered_once(recipe):
    variants = [s for values in recipe.FACTORS.values() for s in values.values()]
    described = [repr(settings) for settings in (recipe.CHOSEN, *variants)]
    assert len(set(described)) == len(described)
    assert all(settings.options(seed=2).seed == 2 for settings in variants)


@pytest.mark.slow
def test_report_prints_all_figures(recipe, material, monkeypatch, tmp_path):
    small = dataclasses.replace(recipe.CHOSEN, n_states=3, gaussians_per_state=1.0).but(max_iter=3)
    monkeypatch.setattr(recipe, "CHOSEN", small)
    monkeypatch.setattr(recipe, "make_synthetic", lambda *_, **__: material)
    found = CliRunner().invoke(recipe.app, ["report", "--synthetic", str(tmp_path)])
    assert found.exit_code == 0, found.exception
    cells = next(line for line in found.stdout.splitlines() if "| test" in line).split(" | ")
    assert int(cells[2]) == len(material.test.corpus)
    assert 0 <= int(cells[1]) <= int(cells[2])


def test_parts_share_no_speaker(material):
    parts = [set(p.corpus.speakers) for p in (material.train, material.validation, material.test)]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_arabic_words_are_read_by_their_lists(recipe, data_dir):
    read = recipe.read_arabic(data_dir)
    assert [len(p.corpus) for p in (read.train, read.validation, read.test)] == [1440, 480, 480]
    assert len(read.train.vocabulary) == 40
    assert read.train.vocabulary == read.test.vocabulary
    test_parts_share_no_speaker(read)
