"""The recipe of text-dependent verification: its lists, and its systems on a few tones."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile

MODULES = ("settings", "material", "systems")
RATE = 16_000
WORDS = {"up": (500, 1500), "down": (1500, 500)}
SPEAKERS = "abcdefgh"

pytestmark = pytest.mark.usefixtures("without_confidences")


@pytest.fixture(scope="module")
def recipe(imported):
    with imported("text_dependent", MODULES) as module:
        yield module


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two words in two rounds by eight speakers, three of them in the background."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    time = np.arange(int(0.12 * RATE)) / RATE
    for word, pitches in WORDS.items():
        (folder / "arabic_speech_commands" / word).mkdir(parents=True)
        for place, speaker in enumerate(SPEAKERS):
            for number in ("01", "05"):
                tones = [np.sin(2 * np.pi * (0.7 + 0.09 * place) * p * time) for p in pitches]
                samples = 0.3 * np.pad(np.concatenate(tones), 800)
                samples += rng.normal(0, 0.01, len(samples))
                path = folder / "arabic_speech_commands" / word / f"{speaker}_NO_{number}.flac"
                soundfile.write(path, samples, RATE)
    lists = folder / "protocols" / "arabic_speech_commands"
    lists.mkdir(parents=True)
    name = "arabic_speech_commands/up/{}_NO_01.flac"
    rows = "".join(f"\n{speaker}\t{name.format(speaker)}" for speaker in "abc")
    (lists / "background.tsv").write_text(f"speaker\tpath{rows}", encoding="utf-8")
    enroll = "".join(f"\n{speaker}\t{name.format(speaker)}" for speaker in "defgh")
    (lists / "dev_enroll.tsv").write_text(f"model\tpath{enroll}", encoding="utf-8")
    tried = "model\tpath\tlabel\nd\tarabic_speech_commands/up/e_NO_05.flac\tnontarget"
    (lists / "dev_trials.tsv").write_text(tried, encoding="utf-8")
    return folder


def test_lists_have_the_word_of_each_recording_and_no_round_twice(recipe, data):
    material = sys.modules["material"]
    recordings, protocol = material.read_arabic(data)
    speakers = protocol.split("dev").models
    whole = material.split_of(recordings, speakers)
    words = material.split_of(recordings, speakers, by_word=True)
    assert len(whole.trials) == len(words.trials) == 5 * 5 * 2
    assert whole.n_targets == words.n_targets == 10
    assert list(whole.enrolment) == list(speakers)
    for split in (whole, words):
        for model, paths in split.enrolment.items():
            assert {path.stem for path in paths} == {f"{model.split('/')[0]}_NO_01"}
            assert all(split.texts[path] == path.parent.name for path in paths)
        for trial, word in zip(split.trials, split.conditions["text"], strict=True):
            assert trial.path.stem.endswith("_NO_05")
            assert trial.path.parent.name == word
            assert (trial.label == "target") == (trial.path.stem[0] == trial.model[0])
    for trial in words.trials:
        (path,) = words.enrolment[trial.model]
        assert path.parent == trial.path.parent


def test_systems_score_the_same_trials(recipe, data):
    material = sys.modules["material"]
    recordings, protocol = material.read_arabic(data)
    corpora = recipe.Corpora(recordings, protocol.background.speakers)
    few = replace(recipe.CHOSEN, n_states=3, gaussians_per_state=1, warps=(1.0,), features={})
    mixtures = replace(recipe.MIXTURES_OF_WORDS, n_components=4, features={})
    found = [corpora.score(each, "defgh") for each in (few, mixtures)]
    trials = [set(zip(each.models, each.paths, each.labels, strict=True)) for each in found]
    assert trials[0] == trials[1]
    assert len(corpora.trained) == 2
    assert recipe.dev_figures(found[0])["EER"] < 30
    llrs = recipe.fused([each.select(np.arange(50)) for each in found], found)
    assert llrs.scores[llrs.is_target].mean() > llrs.scores[~llrs.is_target].mean()
