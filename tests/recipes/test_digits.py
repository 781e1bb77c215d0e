"""The recipe of digits runs on a little synthetic speech; its figures stand in its RESULTS.md."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

RECIPE = Path(__file__).parents[2] / "recipes" / "digits"
MODULES = ("settings", "material", "folds", "tables")
SIZES = {
    "n_background": 5,
    "n_background_utterances": 4,
    "n_enrolment_utterances": 1,
    "n_trial_utterances": 1,
}


@pytest.fixture(scope="module")
def recipe():
    """Import run.py as Python does when a person runs it."""
    kept = {name: sys.modules.pop(name) for name in MODULES if name in sys.modules}
    sys.path.insert(0, str(RECIPE))
    try:
        spec = importlib.util.spec_from_file_location("recipe_digits", RECIPE / "run.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(RECIPE))
        for name in MODULES:
            sys.modules.pop(name, None)
        sys.modules.update(kept)


@pytest.fixture(scope="module")
def material(recipe, tmp_path_factory):
    return recipe.make_synthetic(tmp_path_factory.mktemp("corpus"), **SIZES)


@pytest.fixture
def quick(recipe, monkeypatch, material):
    """Three speakers, and models small enough to train in a moment."""
    speakers = material.corpus.speakers[:3]
    few = recipe.part(material, lambda u, _: u.speaker in speakers)
    small = {"n_iterations": 3, "frequency_warps": (1.0,)}
    for name in ("KNOWN", "UNKNOWN"):
        settings = dataclasses.replace(getattr(recipe, name), n_states=3, n_gaussians=1.0)
        monkeypatch.setattr(recipe, name, settings.but(**small))
    monkeypatch.setattr(recipe, "make_synthetic", lambda *_, **__: few)
    return few


def test_settings_are_each_offered_once(recipe):
    for chosen, factors in (
        (recipe.KNOWN, recipe.KNOWN_FACTORS),
        (recipe.UNKNOWN, recipe.UNKNOWN_FACTORS),
    ):
        variants = recipe._variants(chosen, factors)
        described = [repr(settings) for _, _, settings in variants]
        assert len(set(described)) == len(described)
        for _, _, settings in variants:
            options = settings.options(sample_rate=8000, seed=1)
            assert (options.features.sample_rate, options.seed) == (8000, 1)


def test_parts_share_no_recording(recipe, material):
    assert len(material.vocabulary) == 10
    train = recipe.part(material, lambda _, index: index >= recipe.TEST_INDEX)
    test = recipe.part(material, lambda _, index: index < recipe.TEST_INDEX)
    assert test.vocabulary == train.vocabulary
    assert 0 < len(test.corpus) < len(train.corpus)
    assert len(train.corpus) + len(test.corpus) == len(material.corpus)
    assert not {u.id for u in train.corpus} & {u.id for u in test.corpus}
    both = sys.modules["folds"].without_and_with(material, (material.corpus.speakers[0],))
    assert both[1].corpus.speakers == material.corpus.speakers[:1]
    assert not set(both[0].corpus.speakers) & set(both[1].corpus.speakers)


def test_report_prints_all_figures(recipe, quick, tmp_path):
    found = CliRunner().invoke(recipe.app, ["report", "--synthetic", str(tmp_path)])
    assert found.exit_code == 0, found.exception
    rows = [line.split(" | ") for line in found.stdout.splitlines() if line.startswith("| ")]
    assert [cells[0] for cells in rows[2:]] == [
        "| usual split",
        "| leave one speaker out",
        "| the same without warps",
        "| the same, normalised by utterance",
    ]
    for cells in rows[3:]:
        assert int(cells[2]) == len(quick.corpus)  # each recording is tested once
        assert 0 <= int(cells[1]) <= int(cells[2])
    assert "By speaker: b001" in found.stdout


def test_report_needs_one_kind_of_speech(recipe):
    assert CliRunner().invoke(recipe.app, ["report"]).exit_code != 0


def test_fsdd_is_read_by_its_names(recipe, data_dir):
    read = recipe.read_fsdd(data_dir)
    assert len(read.corpus) == 3000
    assert read.vocabulary == tuple("0123456789")
    assert len(read.corpus.speakers) == 6
    test = recipe.part(read, lambda _, index: index < recipe.TEST_INDEX)
    assert len(test.corpus) == 300
