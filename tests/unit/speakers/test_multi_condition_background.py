"""Background models of recordings in several conditions."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from speakergmm import records
from speakergmm.corpora import Corpus, Utterance
from speakergmm.corpora.augmentation import DEFAULT_CONDITIONS, AugmentationOptions, Talkers
from speakergmm.errors import IncompatibleModelError, InvalidInputError, ModelFormatError
from speakergmm.features import extract_features
from speakergmm.speakers import BackgroundModel, collect_statistics

CONDITIONS = ("clean", "noise", "gain")
SETTINGS = {"n_components": 2, "max_iter": 3, "seed": 1}


@pytest.fixture
def corpus(tmp_path):
    rng = np.random.default_rng(0)
    level = np.where(abs(np.arange(8000) - 4000) < 3000, 0.2, 0.001)
    for name in ("a1", "a2", "b1"):
        soundfile.write(tmp_path / f"{name}.wav", level * rng.normal(size=8000), 16000)
    utterances = [Utterance(n, tmp_path / f"{n}.wav", n[0]) for n in ("a1", "a2", "b1")]
    return Corpus(tuple(utterances), source="made")


def test_a_store_of_versions_and_a_corpus_give_the_same_model(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", augmentation=CONDITIONS)
    of_store = BackgroundModel.train(store, **SETTINGS)
    of_corpus = BackgroundModel.train(corpus, augmentation=CONDITIONS, **SETTINGS)
    assert of_store.digest == of_corpus.digest
    assert of_store.augmentation == AugmentationOptions(conditions=CONDITIONS)
    facts = of_corpus.provenance
    assert (facts["n_utterances"], facts["n_frames"]) == (3, store.n_speech_frames)
    same = BackgroundModel.train(store, augmentation=["gain", "noise", "clean"], **SETTINGS)
    assert same.digest == of_store.digest


@pytest.mark.parametrize(
    ("options", "conditions"),
    [
        ({}, DEFAULT_CONDITIONS),
        ({"augmentation": "none"}, None),
        ({"features": "speaker-same-session"}, None),
        ({"features": "speaker-same-session", "augmentation": "default"}, DEFAULT_CONDITIONS),
    ],
    ids=str,
)
def test_features_for_other_devices_are_trained_in_such_conditions(corpus, options, conditions):
    model = BackgroundModel.train(corpus, **SETTINGS, **options)
    assert (model.augmentation and model.augmentation.conditions) == conditions


def test_a_store_decides_unless_versions_are_asked_for(corpus, tmp_path):
    plain = extract_features(corpus, tmp_path / "plain")
    several = extract_features(corpus, tmp_path / "several", augmentation=CONDITIONS)
    assert BackgroundModel.train(plain, **SETTINGS).augmentation is None
    assert BackgroundModel.train(plain, augmentation="none", **SETTINGS).augmentation is None
    with pytest.raises(IncompatibleModelError, match="as they are, not in clean, telephone"):
        BackgroundModel.train(plain, augmentation="default", **SETTINGS)
    with pytest.raises(
        IncompatibleModelError, match="in clean, noise, gain, seed 0, not in clean,"
    ):
        BackgroundModel.train(several, augmentation="none", **SETTINGS)


def test_the_conditions_are_saved_and_belong_to_the_digest(corpus, tmp_path):
    options = AugmentationOptions(conditions=CONDITIONS, seed=4)
    model = BackgroundModel.train(corpus, augmentation=options, **SETTINGS)
    model.save(tmp_path / "model.safetensors")
    assert str(tmp_path).encode() not in (tmp_path / "model.safetensors").read_bytes()
    loaded = BackgroundModel.load(tmp_path / "model.safetensors")
    assert loaded.augmentation == AugmentationOptions(conditions=CONDITIONS, seed=4)
    assert loaded.digest == model.digest
    assert loaded.info()["augmentation"] == {"conditions": list(CONDITIONS), "seed": 4}
    assert loaded.versions == options
    plain = BackgroundModel(model.mixture, model.features)
    assert plain.info()["augmentation"] is None
    assert plain.digest != model.digest
    # As it was before there was augmentation.
    assert plain.digest == records.digest("background model", plain.features.digest, plain.mixture)


def test_models_with_unknown_conditions_are_refused(corpus, tmp_path, monkeypatch):
    model = BackgroundModel.train(corpus, augmentation=CONDITIONS, **SETTINGS)
    monkeypatch.setattr(
        AugmentationOptions, "to_dict", lambda self: {"conditions": ["underwater"], "seed": 0}
    )
    model.save(tmp_path / "model.safetensors")
    monkeypatch.undo()
    with pytest.raises(ModelFormatError, match="there is no condition 'underwater'"):
        BackgroundModel.load(tmp_path / "model.safetensors")


def test_stores_with_other_conditions_are_refused(corpus, tmp_path):
    plain = extract_features(corpus, tmp_path / "plain")
    with pytest.raises(IncompatibleModelError, match="as they are, not in clean, noise, gain"):
        BackgroundModel.train(plain, augmentation=CONDITIONS, **SETTINGS)
    some = extract_features(corpus, tmp_path / "some", augmentation="clean,gain")
    with pytest.raises(IncompatibleModelError, match="in clean, gain, seed 0, not in clean, noise"):
        BackgroundModel.train(some, augmentation=CONDITIONS, **SETTINGS)
    with pytest.raises(InvalidInputError, match="there is no condition 'echo'"):
        BackgroundModel.train(some, augmentation="echo", **SETTINGS)


@pytest.mark.slow
def test_real_talkers_belong_to_the_model(corpus, tmp_path):
    babble = {"augmentation": ("clean", "babble"), **SETTINGS}
    one, two = ([each] for each in corpus.utterances[:2])
    model = BackgroundModel.train(corpus, talkers=one, **babble)
    assert model.versions.talkers == Talkers.of([one[0].path])
    assert model.info()["n_talkers"] == 1
    model.save(tmp_path / "model.safetensors")
    assert str(tmp_path).encode() not in (tmp_path / "model.safetensors").read_bytes()
    loaded = BackgroundModel.load(tmp_path / "model.safetensors")
    assert (loaded.digest, loaded.versions) == (model.digest, model.versions)
    # The same as by the options of augmentation, and another model than that of other voices.
    options = AugmentationOptions(conditions=("clean", "babble"), talkers=[one[0].path])
    assert BackgroundModel.train(corpus, augmentation=options, **SETTINGS).digest == model.digest
    others = [BackgroundModel.train(corpus, talkers=given, **babble) for given in (two, None)]
    assert len({model.digest, *(each.digest for each in others)}) == 3
    # Enrolment hears them.
    enrolled = [
        collect_statistics(each, corpus.utterances[2].path).statistics
        for each in (loaded, replace(loaded, talkers=None))
    ]
    assert (enrolled[0].counts != enrolled[1].counts).any()


def test_talkers_need_babble_and_recordings(corpus, tmp_path):
    with pytest.raises(InvalidInputError, match="babble, which is not among the conditions clean,"):
        BackgroundModel.train(corpus, talkers=corpus, augmentation=CONDITIONS, **SETTINGS)
    store = extract_features(corpus, tmp_path / "store")
    with pytest.raises(InvalidInputError, match="are made already; give talkers with a corpus"):
        BackgroundModel.train(store, talkers=corpus, **SETTINGS)
