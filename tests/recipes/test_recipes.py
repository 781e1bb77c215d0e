"""The recipes run on a small corpus; their figures on real speech stand in their RESULTS.md."""

import importlib.util
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from speakergmm.audio import read_audio
from speakergmm.corpora import Protocol, Utterance, make_synthetic_corpus
from speakergmm.corpora.augmentation import active_power
from speakergmm.metrics import Scores, evaluate

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def load(monkeypatch):
    """Import a recipe's run.py as Python does when a person runs it."""

    def import_recipe(name: str) -> ModuleType:
        folder = RECIPES / name
        monkeypatch.syspath_prepend(str(folder))
        for module in folder.glob("*.py"):
            monkeypatch.delitem(sys.modules, module.stem, raising=False)
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


@pytest.fixture
def verification(load, protocol, tmp_path):
    """The recipe of verification, and a function that runs a system of it on the small corpus."""
    recipe = load("verification")

    def run(split, conditions, **changes):
        settings = replace(recipe.SAME_SESSION, n_components=8, **changes)
        root = Path(os.path.commonpath(each.path for each in protocol.background.utterances))
        work = recipe.work_on("small", root.parent, tmp_path, 0, 1, (), {})
        return recipe.measured(protocol, settings, work, split=split, conditions=conditions)

    return recipe, run


@pytest.mark.slow
def test_verification(verification):
    recipe, run = verification
    for split, n_trials in (("dev", 8), ("eval", 18)):
        scores = run(split, recipe.CONDITIONS, normalisation="t")
        assert len(scores) == n_trials * len(recipe.CONDITIONS)
        figures = recipe.mean_figures([scores])
        assert len(figures) == len(recipe.CONDITIONS) + 1
        assert 0 <= float(figures[-1].split(" / ")[0]) < 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "learning"),
    [
        ("ivector", {"dimension": 3, "scorer": "cosine", "max_iter": 1}),
        ("svm", {}),
    ],
)
def test_verification_takes_back_ends_that_learn(verification, backend, learning):
    recipe, run = verification
    scores = run("dev", recipe.CONDITIONS[:1], backend=backend, learning=learning)
    assert len(scores) == 8
    assert evaluate(scores, n_bootstrap=0)["eer_linear"].value <= 0.5


def test_verification_offers_each_setting_once(load):
    recipe = load("verification")
    for base, table in (
        (recipe.SAME_SESSION, recipe.FACTORS),
        (recipe.NORMALISED, recipe.ROBUST_FACTORS),
    ):
        for variants in table.values():
            values = [recipe.difference(settings, base) for settings in variants]
            assert len(set(values)) == len(values)
            assert all(settings.config() for settings in variants)


def test_verification_changes_only_what_a_condition_says(load):
    load("verification")
    conditions = sys.modules["conditions"]
    rate = conditions.RATE
    times = np.arange(rate) / rate
    tones = {f: np.sin(2 * np.pi * f * times).astype(np.float32) / 4 for f in (100, 1000, 5000)}
    levels = {
        f: np.sqrt(2 * np.mean(conditions.telephone(x)[2000:-2000] ** 2)) for f, x in tones.items()
    }
    assert levels[100] < 0.01 > levels[5000]
    assert levels[1000] == pytest.approx(0.25, rel=0.02)
    quieter = conditions.gain(tones[1000])
    assert 20 * np.log10(np.abs(quieter).max() / 0.25) == pytest.approx(-12, abs=0.01)
    assert np.abs(conditions.loudspeaker(tones[1000])).max() <= 0.25


@pytest.mark.parametrize("offsets", [False, True])
def test_verification_adds_babble_at_its_distance(load, protocol, offsets):
    load("verification")
    conditions = sys.modules["conditions"]
    speech, _ = read_audio(protocol.split("eval").test_paths()[0], sample_rate=conditions.RATE)
    talkers = conditions.talkers_of(protocol)
    speech = speech / 4  # nothing is attenuated
    mixed = conditions.babble(speech, 7, talkers, offsets=offsets)
    ratio = active_power(speech, conditions.RATE) / active_power(mixed - speech, conditions.RATE)
    assert 10 * np.log10(ratio) == pytest.approx(10, abs=0.05)
    assert (mixed == conditions.babble(speech, 7, talkers, offsets=offsets)).all()
    assert (mixed != conditions.babble(speech, 8, talkers, offsets=offsets)).any()


@pytest.mark.slow
def test_verification_calibrates_on_dev(load):
    load("verification")
    calibrated = sys.modules["calibrated"]

    def drawn(seed, first):
        rng = np.random.default_rng(seed)
        speakers = [f"{first}{number:02}" for number in range(20)]
        models = np.repeat(speakers, 200).astype(object)
        owners = np.tile(np.repeat(speakers, 10), 20)
        tests = np.array([f"{each}-{n % 10}" for n, each in enumerate(owners)], object)
        target = models == owners
        # Ratios of two Gaussians 2 deviations apart, on another scale.
        llrs = 2.0 * rng.normal(np.where(target, 1.0, -1.0))
        columns = {name: rng.uniform(1, 2, len(models)).astype(str) for name in calibrated.MEASURES}
        columns["condition"] = np.full(len(models), "clean", object)
        columns["condition"][1::2] = "babble"
        labels = np.where(target, "target", "nontarget").astype(object)
        return Scores(models, tests, llrs / 7 + 2, labels, columns), llrs

    dev, _ = drawn(0, "d")
    scores, llrs = drawn(1, "e")
    found = calibrated.ratios(calibrated.fit(dev), scores).scores
    inside = np.abs(llrs) < 2  # of the bounds of the ratios
    assert np.abs(found - llrs)[inside].max() < 0.6
    rows = calibrated.calibration_rows(dev, scores, n_bootstrap=0)
    assert list(rows) == ["clean", "pooled"]
    assert all(len(cells) == len(calibrated.CALIBRATION) for cells in rows.values())


@pytest.mark.slow
def test_identification(load, protocol):
    recipe = load("identification")
    part = protocol.split("eval")
    for scorer in (recipe.em_scorer(part, 4, 1), recipe.map_scorer(protocol, "eval", 8, 1)):
        found = recipe.run_identification(part, scorer, recipe.CONFIG)
        assert found.scores.shape == (6, 3)
        assert found.accuracy == 1  # 0.67 if a model is of other features than the tests


@pytest.mark.slow
def test_the_shipped_model_is_calibrated_on_single_recordings(load, protocol, tmp_path):
    recipe = load("shipped_model")
    material = sys.modules["material"]
    split = material.single_recordings(protocol, "eval", tmp_path, corpus="toy")
    used = {path for paths in protocol.split("eval").enrolment.values() for path in paths}
    assert all(len(paths) == 1 for paths in split.enrolment.values())
    assert not used & set(split.test_paths())
    n_models, n_tests = (
        3 * sum(lengths.values()) for lengths in (material.ENROLMENT_LENGTHS, material.TEST_LENGTHS)
    )
    assert len(split.enrolment) == n_models
    assert len(split.trials) == n_models * n_tests
    assert split.n_targets == n_models * n_tests / 3
    for trial in split.trials[:50]:
        speaker = trial.name.partition("/")[0]
        assert (trial.model.partition("/")[0] == speaker) == (trial.label == "target")
    lengths = [
        len(read_audio(tmp_path / "test" / name / f"{n}-0.flac")[0])
        for name in protocol.split("eval").models[:1]
        for n in (1, 3, 10)
    ]
    assert lengths[0] < lengths[1] < lengths[2]
    assert recipe.SHIPPED_SYSTEM.endswith(".safetensors")


def test_the_cohort_of_the_shipped_model_is_balanced(load):
    load("shipped_model")
    listed = [Utterance(f"{sex}{n}", Path("x"), f"{sex}{n}") for sex in "fm" for n in range(20)]
    chosen = [each.speaker for each in sys.modules["material"].cohort_recordings(listed, 8)]
    assert len(set(chosen)) == 8
    assert sum(name.startswith("librispeech-f") for name in chosen) == 4
