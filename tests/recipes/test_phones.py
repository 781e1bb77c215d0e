"""The recipe of phones runs on a little synthetic speech; its figures stand in its RESULTS.md."""

import dataclasses
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

SIZES = {
    "n_background": 6,
    "n_background_utterances": 6,
    "n_eval": 2,
    "n_enrolment_utterances": 1,
    "n_trial_utterances": 2,
}
MODULES = ("settings", "material", "stages", "runs", "confidence", "tables", "choosing")


@pytest.fixture(scope="module")
def recipe(imported):
    with imported("phones", MODULES) as module:
        yield module, {name: sys.modules[name] for name in MODULES}


@pytest.fixture(scope="module")
def material(recipe, tmp_path_factory):
    return recipe[1]["runs"].make_synthetic(tmp_path_factory.mktemp("corpus"), **SIZES)


@pytest.fixture(scope="module")
def settings(recipe):
    schedule = {"max_iter": 14, "grow_until": 8, "n_gaussians": 120}
    return recipe[1]["runs"].Settings(algorithm="viterbi", schedule=schedule)


@pytest.mark.slow
def test_stages_know_one_another(recipe, material, settings, tmp_path):
    run, tables = recipe[1]["runs"], recipe[1]["tables"]
    first = run.Run(material, settings, tmp_path)
    model = first.model()
    again = run.Run(material, settings, tmp_path)
    assert again.model().digest == model.digest
    assert again.seconds == first.seconds
    other = run.Run(material, dataclasses.replace(settings, seed=1), tmp_path)
    assert other.file("safetensors") != first.file("safetensors")

    aligned = first.align(model, material.train)
    assert len(aligned) == len(material.train)
    assert first.file("phones.ctm").read_text().count("\n") > 500
    n, median, ninetieth = tables.boundary_cells(material, aligned, material.train)
    assert int(n) > 500
    assert float(median.split()[0]) < 30
    assert float(ninetieth.split()[0]) < 60

    found = first.recognise_phones(model, first.phone_model(aligned))
    assert tables.errors_of_phones(material, found).error_rate < 0.3
    words = first.recognise_words(model)
    assert tables.errors_of_words(material, words).error_rate < 0.3


def test_a_model_of_other_defaults_is_not_taken_for_one_of_these(
    recipe, material, settings, tmp_path, monkeypatch
):
    run, chosen = recipe[1]["runs"].Run(material, settings, tmp_path), recipe[1]["settings"]
    file = run.file("safetensors")
    assert run.file("safetensors") == file
    # Neither the weights of the search nor the number of processes change what is trained.
    search = dataclasses.replace(settings, words=chosen.Search(0.3))
    assert recipe[1]["runs"].Run(material, search, tmp_path, jobs=2).file("safetensors") == file
    preset = chosen.FeatureConfig.preset("hmm").replace(n_filters=40)
    monkeypatch.setattr(chosen.FeatureConfig, "preset", lambda name: preset)
    assert run.file("safetensors") != file


def test_held_out_speakers_are_nowhere_else(recipe, material):
    hold_out = recipe[1]["material"].hold_out
    folds = [hold_out(material, fold=fold, n_folds=3) for fold in range(3)]
    held = [set(part.test.speakers) for part in folds]
    assert set.union(*held) == set(material.train.speakers)
    assert sum(map(len, held)) == len(material.train.speakers)
    for part in folds:
        assert not set(part.train.speakers) & set(part.test.speakers)
        said = {word for words in part.said(part.train).values() for word in words}
        unseen = next(word for word in material.lexicon if word not in said)
        # A word of held-out speakers alone has been seen by no part of the model.
        assert part.word_model.log10_probability_of(unseen, ["<s>"]) < min(
            part.word_model.log10_probability_of(word, ["<s>"]) for word in said
        )


@pytest.mark.slow
def test_command_reports(recipe, material, tmp_path, monkeypatch):
    run = recipe[0]
    quick = {"max_iter": 3, "grow_until": 2, "n_gaussians": 100, "realign": (1, 2)}
    runs = recipe[1]["runs"]
    monkeypatch.setattr(runs, "SYNTHETIC", runs.Settings(schedule=quick))
    monkeypatch.setattr(runs, "make_synthetic", lambda folder, jobs: material)
    told = ["--synthetic", "x", "--output", str(tmp_path / "out"), "--algorithm", "viterbi"]
    done = CliRunner().invoke(run.app, ["report", *told], catch_exceptions=False)
    assert done.exit_code == 0
    assert "mono, viterbi" in done.output
    for wanted in ("| phones | ", "| words | ", "median ms", "times real time"):
        assert wanted in done.output
    nothing = CliRunner().invoke(run.app, ["report"])
    assert nothing.exit_code == 2


@pytest.mark.slow
def test_commands_that_choose(recipe, material, settings, tmp_path, monkeypatch):
    run, choosing = recipe[0], recipe[1]["choosing"]
    short = {"max_iter": 3, "grow_until": 2, "n_gaussians": 100}
    quick = dataclasses.replace(settings, schedule=short)
    fit = "speakergmm.recognition.acoustic_training.fit_confidence"
    monkeypatch.setattr(fit, lambda *_, **__: None)  # nothing is chosen by confidences
    monkeypatch.setattr(choosing, "read_librispeech", lambda data: material)
    monkeypatch.setattr(choosing, "FACTORS", {"seed": {"0": quick}, "other": {"1": quick}})
    monkeypatch.setattr(choosing, "Settings", lambda: quick)
    monkeypatch.setattr(choosing, "SCALES", {"phones": (0.1, 0.2), "words": (0.1,)})
    monkeypatch.setattr(choosing, "PENALTIES", {"phones": (0.0,), "words": (0.0, -1.0)})
    told = ["--data", "x", "--output", str(tmp_path)]
    done = CliRunner().invoke(run.app, ["choose", *told, "--factor", "seed"])
    assert done.exit_code == 0, done.output
    assert len([line for line in done.output.splitlines() if line.startswith("| seed")]) == 1
    assert "other" not in done.output
    done = CliRunner().invoke(run.app, ["scales", *told])
    assert done.exit_code == 0, done.output
    assert [done.output.count(f"| {unit} |") for unit in ("phones", "words")] == [2, 2]


@pytest.mark.slow
def test_confidences_are_counted(recipe, material, tmp_path, monkeypatch):
    run, found = recipe[0], recipe[1]["confidence"]
    quick = {"max_iter": 3, "grow_until": 2, "n_gaussians": 100, "realign": (1, 2)}
    runs = recipe[1]["runs"]
    monkeypatch.setattr(runs, "SYNTHETIC", runs.Settings(schedule=quick))
    monkeypatch.setattr(runs, "make_synthetic", lambda folder, jobs: material)
    told = ["--synthetic", "x", "--output", str(tmp_path), "--algorithm", "viterbi"]
    options = ["--count", "4", "--seeds", "2"]
    done = CliRunner().invoke(run.app, ["confidence", *told, *options], catch_exceptions=False)
    assert done.exit_code == 0
    rows = [line for line in done.output.splitlines() if "| 4 of" in line]
    assert len(rows) == 8
    said, wrong = found.exchange_words(
        material.said(material.test), material.lexicon, count=4, seed=0
    )
    assert wrong == {
        (name, place)
        for name, words in material.said(material.test).items()
        for place, word in enumerate(words)
        if said[name][place] != word
    }


def test_figures_of_confidence_are_those_of_scikit_learn(recipe):
    metrics = pytest.importorskip("sklearn.metrics")
    found = recipe[1]["confidence"]
    rng = np.random.default_rng(0)
    wrong = rng.random(400) < 0.2
    values = np.round(rng.random(400) * np.where(wrong, 0.8, 1.0), 2)
    weight = rng.integers(0, 4, 400).astype(np.float64)
    expected = metrics.roc_auc_score(~wrong, values, sample_weight=weight)
    assert found.area(values, wrong, weight) == pytest.approx(expected, abs=1e-12)
    # Each word as often as it weighs, bin by bin.
    rows = np.repeat(np.column_stack([values, ~wrong]), weight.astype(int), axis=0)
    gaps = 0.0
    for low in np.arange(10) / 10:
        part = rows[(rows[:, 0] >= low) & ((rows[:, 0] < low + 0.1 - 1e-9) | (low == 0.9))]
        if len(part):
            gaps += abs(part[:, 0].mean() - part[:, 1].mean()) * len(part) / len(rows)
    assert found.calibration_error(values, wrong, weight) == pytest.approx(gaps, abs=1e-9)


def test_each_setting_is_offered_once(recipe):
    settings = recipe[1]["settings"]
    for variants in settings.FACTORS.values():
        told = [each.options() for each in variants.values()]
        assert all(one != other for n, one in enumerate(told) for other in told[:n])
