"""The recipes run on a small corpus; their figures on real speech stand in their RESULTS.md."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from speakergmm.corpora import Protocol, make_synthetic_corpus

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def load(monkeypatch):
    """Import a recipe's run.py as Python does when a person runs it."""

    def import_recipe(name: str) -> ModuleType:
        folder = RECIPES / name
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, "settings", raising=False)
        spec = importlib.util.spec_from_file_location(f"recipe_{name}", folder / "run.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return import_recipe


@pytest.fixture(scope="module")
def protocol(tmp_path_factory: pytest.TempPathFactory) -> Protocol:
    return make_synthetic_corpus(
        tmp_path_factory.mktemp("corpus"),
        n_background=4,
        n_dev=2,
        n_eval=3,
        n_background_utterances=3,
        n_enrolment_utterances=2,
        n_trial_utterances=2,
    )


def test_run_files_stay_short():
    for run in RECIPES.glob("*/run.py"):
        assert len(run.read_text().splitlines()) < 150, run


@pytest.mark.slow
def test_verification(load, protocol):
    recipe = load("verification")
    for split, n_trials in (("dev", 8), ("eval", 18)):
        found = recipe.run(protocol, recipe.Settings(n_components=8), split=split, seed=0, jobs=1)
        assert found.n_trials == n_trials
        assert 0 <= found["eer_linear"].value < 0.5


def test_verification_offers_each_setting_once(load):
    recipe = load("verification")
    for name, variants in recipe.FACTORS.items():
        values = [recipe._value(name, settings) for settings in variants]
        assert len(set(values)) == len(values)
        assert all(settings.config() for settings in variants)


@pytest.mark.slow
def test_identification(load, protocol):
    recipe = load("identification")
    part = protocol.split("eval")
    for scorer in (recipe.em_scorer(part, 4, 1), recipe.map_scorer(protocol, "eval", 8, 1)):
        found = recipe.run_identification(part, scorer, recipe.CONFIG)
        assert found.scores.shape == (6, 3)
        assert found.accuracy > 0.5
