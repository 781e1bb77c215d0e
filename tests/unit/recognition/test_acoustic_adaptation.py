"""Acoustic models adapted to a speaker's transcribed recordings, and what cannot be used."""

import warnings

import numpy as np
import pytest

from speakergmm.corpora import make_synthetic_corpus, read_corpus, read_transcripts
from speakergmm.errors import IncompatibleModelError, InsufficientDataError
from speakergmm.features import extract_features
from speakergmm.hmm import Lexicon, TrainingSchedule, adapt_phone_models
from speakergmm.recognition import AcousticModel, adapt_acoustic_model, prepare
from speakergmm.run_context import RunContext, SkippedRecordingWarning

pytestmark = pytest.mark.usefixtures("without_confidences")
SHORT = TrainingSchedule(max_iter=4, n_gaussians=120, grow_until=3, min_frames_per_gaussian=5.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made") / "corpus"
    make_synthetic_corpus(
        made, seed=3, n_background=2, n_dev=2, n_eval=2, n_background_utterances=3,
        n_enrolment_utterances=1, n_trial_utterances=1, n_background_words=3,
        n_enrolment_words=2, n_trial_words=1,
    )  # fmt: skip
    return made / "synthetic"


@pytest.fixture(scope="module")
def corpus(folder):
    return read_corpus(folder)


@pytest.fixture(scope="module")
def said(folder):
    return {name: tuple(words) for name, words in read_transcripts(folder).items()}


@pytest.fixture(scope="module")
def model(folder, corpus, said):
    lexicon = Lexicon.read(folder / "lexicon.txt")
    return AcousticModel.train(corpus, said, lexicon, schedule=SHORT, normalisation="utterance")


@pytest.fixture(scope="module")
def own(corpus):
    speaker = corpus.speakers[0]
    return [u for u in corpus if u.speaker == speaker]


def means(model):
    return model.models.bank.gaussians.means


def test_a_model_is_adapted_by_the_frames_and_texts_of_the_recordings(model, own, said):
    found = adapt_acoustic_model(model, own, said, relevance_factor=2.0)
    with model.extract(own) as frames:
        expected = adapt_phone_models(
            model.models,
            [model.compile(said[u.id]) for u in own],
            frames[:],
            relevance_factor=2.0,
            silence_pdfs=model.models.tying.pdfs(model.models.unit_number("SIL")),
        )
    np.testing.assert_array_equal(means(found), expected.models.bank.gaussians.means)
    assert (means(found) != means(model)).any()
    assert found.digest != model.digest
    assert found.lexicon is model.lexicon
    facts = found.provenance
    assert facts["n_utterances"] == len(own)
    assert facts["prior"]["digest"] == model.digest
    assert facts["options"]["relevance_factor"] == 2.0


def test_adapted_models_are_files_like_any_other(model, own, said, tmp_path):
    found = adapt_acoustic_model(model, own, said)
    found.save(tmp_path / "speaker.safetensors")
    read = AcousticModel.load(tmp_path / "speaker.safetensors")
    assert read.digest == found.digest
    assert read.provenance == found.provenance


def test_prepared_corpora_and_stores_give_the_same(model, own, said, tmp_path):
    expected = means(adapt_acoustic_model(model, own, said))
    prepared = prepare(own, said, model=model)
    np.testing.assert_array_equal(means(adapt_acoustic_model(model, prepared)), expected)
    store = extract_features(own, tmp_path / "store", features=model.features)
    np.testing.assert_array_equal(means(adapt_acoustic_model(model, store, said)), expected)


def test_recordings_that_cannot_be_used_are_reported_once_in_a_line(model, own, said):
    good, *others = own
    texts = {**said, others[0].id: ("xyzzy",), others[1].id: said[good.id] * 60}
    seen = []
    found = adapt_acoustic_model(model, own, texts, run=RunContext(on_skip=seen.append))
    messages = [each.message for each in seen]
    assert [each.affected for each in seen] == [(others[0].id,), (others[1].id,)]
    assert "has words not in the lexicon" in messages[0]
    assert "xyzzy" in messages[0]
    assert "frames" in messages[1]
    assert not any("\n" in each for each in messages)
    np.testing.assert_array_equal(means(found), means(adapt_acoustic_model(model, [good], said)))
    with pytest.raises(InsufficientDataError, match="xyzzy"):
        adapt_acoustic_model(model, own, texts, run=RunContext(strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkippedRecordingWarning)
        with pytest.raises(InsufficientDataError, match="no utterance can be used"):
            adapt_acoustic_model(model, [others[0]], texts)


def test_the_features_are_those_of_the_model(model, own, said, tmp_path):
    other = extract_features(own, tmp_path / "other", features="speaker")
    with pytest.raises(IncompatibleModelError, match="n_ceps"):
        adapt_acoustic_model(model, other, said)
