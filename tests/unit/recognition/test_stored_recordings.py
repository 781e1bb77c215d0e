"""A feature store in place of a corpus: the same models, alignments and words, no recordings."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from speakergmm.corpora import Corpus, read_corpus, read_transcripts
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.features import FeatureStore, extract_features
from speakergmm.hmm import Lexicon, TrainingSchedule
from speakergmm.recognition import (
    AcousticModel,
    Decoder,
    TrainingOptions,
    WordCorpus,
    align_recordings,
    prepare,
)
from speakergmm.records import to_arrays
from speakergmm.run_context import RunContext

pytestmark = pytest.mark.usefixtures("without_confidences")

SHORT = TrainingSchedule(max_iter=4, n_gaussians=60, grow_until=3, min_frames_per_gaussian=5.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A corpus whose recordings are gone, its store, and what was said."""
    from speakergmm.corpora import make_synthetic_corpus

    base = tmp_path_factory.mktemp("made")
    make_synthetic_corpus(
        base / "corpus", seed=3, n_background=3, n_dev=2, n_eval=2, n_background_utterances=3,
        n_enrolment_utterances=1, n_trial_utterances=1, n_background_words=3,
        n_enrolment_words=2, n_trial_words=1,
    )  # fmt: skip
    folder = base / "corpus" / "synthetic"
    corpus = read_corpus(folder)
    said = {name: tuple(words) for name, words in read_transcripts(folder).items()}
    lexicon = Lexicon.read(folder / "lexicon.txt")
    model = AcousticModel.train(corpus, said, lexicon, schedule=SHORT)
    aligned = list(align_recordings(model, corpus, said))
    found = list(Decoder.for_phones(model).decode(corpus))
    extract_features(corpus, base / "store", features=model.features)
    shutil.move(folder, base / "elsewhere")
    return base / "store", said, lexicon, model, aligned, found


def bits(model):
    return {name: array.tobytes() for name, array in to_arrays(model.models)[0].items()}


@pytest.mark.slow
def test_training_on_a_store_is_training_on_its_recordings(world):
    path, said, lexicon, model, *_ = world
    found = AcousticModel.train(path, said, lexicon, schedule=SHORT)
    assert bits(found) == bits(model)
    assert found.digest == model.digest
    for name in ("n_utterances", "n_speakers", "n_frames", "seconds", "history"):
        assert found.provenance[name] == model.provenance[name], name
    prepared = prepare(FeatureStore.open(path), said, lexicon)
    assert bits(AcousticModel.train(prepared, schedule=SHORT)) == bits(model)


def test_a_store_with_other_features_is_refused_and_both_are_named(world):
    path, said, lexicon, model, *_ = world
    other = model.features.replace(n_ceps=10)
    for run in (
        lambda: AcousticModel.train(path, said, lexicon, schedule=SHORT, features=other),
        lambda: prepare(path, said, lexicon, training=TrainingOptions(features=other)),
        lambda: list(align_recordings(replace_features(model, other), path, said)),
        lambda: list(Decoder.for_phones(replace_features(model, other)).decode(path)),
    ):
        with pytest.raises(IncompatibleModelError) as caught:
            run()
        for part in (model.features.digest[:12], other.digest[:12], "n_ceps", "store"):
            assert part in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInputError, match="frequency_warps need the recordings"):
        AcousticModel.train(path, said, lexicon, schedule=SHORT, frequency_warps=(1.0, 1.1))


def replace_features(model, features):
    """A model of as many features, which are others."""
    model = replace(model)
    object.__setattr__(model, "features", features)
    return model


def text_of(aligned):
    """All segments with all numbers."""
    alignment = aligned.alignment
    return repr((alignment.words, alignment.phones, alignment.states))


def test_alignment_without_recordings(world):
    path, said, _, model, aligned, _ = world
    found = list(align_recordings(model, FeatureStore.open(path), said, loudness=True))
    assert [item.utterance.id for item in found] == [item.utterance.id for item in aligned]
    for one, other in zip(found, aligned, strict=True):
        assert text_of(one) == text_of(other)
        assert one.loud is None
        # Where the recording ends is not known to the sample.
        assert one.recording_duration == pytest.approx(other.recording_duration, abs=0.03)
        for label, same in zip(one.word_labels()[:-1], other.word_labels()[:-1], strict=True):
            assert (label.start, label.end) == (same.start, same.end)


def test_decoding_without_recordings(world):
    path, *_, model, _, expected = world
    found = list(Decoder.for_phones(model).decode(path))
    assert [(r.utterance.id, r.words) for r in found] == [
        (r.utterance.id, r.words) for r in expected
    ]


@pytest.mark.slow
def test_workers_elsewhere_align_and_decode_alike(world):
    from joblib.externals.loky import ProcessPoolExecutor

    path, said, _, model, aligned, expected = world
    with ProcessPoolExecutor(2) as pool:
        found = list(align_recordings(model, path, said, engine=pool))
        heard = list(Decoder.for_phones(model).decode(path, engine=pool))
    assert list(map(text_of, found)) == list(map(text_of, aligned))
    assert [r.words for r in heard] == [r.words for r in expected]


@pytest.mark.slow
def test_what_the_store_lacks_is_left_out(world, tmp_path):
    path, said, lexicon, *_ = world
    copy = tmp_path / "store"
    shutil.copytree(path, copy)
    store = FeatureStore.open(copy)
    whole = store.corpus
    kept = store.prune(Corpus(whole.utterances[1:], source="most"))
    skipped = []
    prepared = prepare(whole, said, lexicon, store=kept)
    assert [u.id for u in prepared.usable] == [u.id for u in whole.utterances[1:]]
    AcousticModel.train(
        prepared, schedule=SHORT, features=store.config, run=RunContext(on_skip=skipped.append)
    )
    assert [each.affected for each in skipped] == [(whole.utterances[0].id,)]


def test_words_of_a_store_are_the_names_of_its_folders(tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    for word in ("go", "stop"):
        (tmp_path / "words" / word).mkdir(parents=True)
        for number in range(3):
            tone = np.sin(np.arange(6000) * (0.05 if word == "go" else 0.2))
            samples = 0.3 * tone + 0.01 * rng.normal(size=6000)
            soundfile.write(tmp_path / "words" / word / f"{word}{number}.wav", samples, 16000)
    store = extract_features(tmp_path / "words", tmp_path / "store", features="hmm")
    options = {"units": "words", "n_states": 3, "max_iter": 3}
    found = AcousticModel.train(store, **options)
    words = {u.id: u.path.parent.name for u in store.utterances}
    unnamed = tuple(replace(u, speaker=None) for u in store.utterances)
    expected = AcousticModel.train(WordCorpus(Corpus(unnamed, source="x"), words), **options)
    assert bits(found) == bits(expected)
    assert set(found.lexicon) == {"go", "stop"}
    assert found.provenance["n_speakers"] == 0
