import warnings

import numpy as np
import pytest
from oracles.arrays import arrays_of

from speakergmm.audio import write_audio
from speakergmm.containers import load_arrays, pack_arrays, save_arrays, unpack_arrays
from speakergmm.corpora import Corpus, Utterance
from speakergmm.errors import (
    AudioError,
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
    ModelFormatError,
)
from speakergmm.features import FeatureConfig, FeatureExtractor, describe_difference
from speakergmm.mixtures import fit_mixture
from speakergmm.records import pack, unpack
from speakergmm.run_context import RunContext, SkippedRecordingWarning
from speakergmm.speakers import (
    BackgroundModel,
    BackgroundWarning,
)


@pytest.fixture
def with_bad_files(background_corpus, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    write_audio(tmp_path / "silent.wav", np.zeros(16_000, dtype=np.float32), 16_000)
    bad = tuple(
        Utterance(name, tmp_path / f"{name}.wav", "b100") for name in ("text", "silent", "missing")
    )
    good = background_corpus.utterances
    return Corpus((*good[:5], *bad, *good[5:]), source="some bad")


@pytest.mark.slow
def test_training_is_fitting_the_speech_of_all(background_corpus, background):
    extractor = FeatureExtractor("speaker")
    blocks = [extractor.extract(each.path).speech_values for each in background_corpus]
    fitted = fit_mixture(blocks, n_components=8, seed=1)
    for name, array in arrays_of(fitted.model).items():
        np.testing.assert_array_equal(array, arrays_of(background.mixture)[name])
    facts = background.provenance
    assert facts["n_frames"] == sum(map(len, blocks))
    assert facts["n_speakers"] == 6
    assert facts["n_utterances"] == 12
    assert facts["n_skipped"] == 0
    assert facts["seed"] == 1
    assert facts["corpus"] == "synthetic voices"
    assert facts["corpus_sha256"] == background_corpus.digest
    assert facts["history"] == list(fitted.objectives)
    assert facts["convergence"] == fitted.convergence


@pytest.mark.slow
def test_jobs_change_nothing(background_corpus, background):
    again = BackgroundModel.train(
        background_corpus, n_components=8, seed=1, augmentation="none", engine=2
    )
    assert again.digest == background.digest
    assert again.provenance["frames_sha256"] == background.provenance["frames_sha256"]


def test_the_seed_and_the_features_make_another_model(background_corpus, background):
    digests = {background.digest}
    digests.add(
        BackgroundModel.train(background_corpus, n_components=8, seed=2, augmentation="none").digest
    )
    kaldi = BackgroundModel.train(
        background_corpus, n_components=8, seed=1, augmentation="none", features="kaldi"
    )
    digests.add(kaldi.digest)
    assert len(digests) == 3


def test_a_model_is_shown_on_one_line(background):
    shown = repr(background)
    assert f"{background.mixture.n_components} components" in shown
    assert background.digest[:12] in shown
    assert len(shown) < 100


def test_the_digest_covers_features_and_parameters_but_no_history(background):
    same = BackgroundModel(background.mixture, background.features, {"created": "another day"})
    assert same.digest == background.digest
    config = background.features
    changed = config.replace(low_frequency=config.low_frequency + 10)
    assert BackgroundModel(background.mixture, changed).digest != background.digest


def test_saved_models_are_loaded(background, tmp_path):
    path = tmp_path / "ubm.safetensors"
    background.save(path)
    loaded = BackgroundModel.load(path)
    assert loaded.digest == background.digest
    assert loaded.features == background.features
    assert loaded.provenance == background.provenance
    assert loaded.info() == background.info()
    assert path.read_bytes() == pack(background)
    assert unpack(BackgroundModel, path.read_bytes()).digest == background.digest


def test_bad_files_are_reported_and_skipped(with_bad_files, background):
    skipped = []
    model = BackgroundModel.train(
        with_bad_files,
        n_components=8,
        seed=1,
        augmentation="none",
        run=RunContext(on_skip=skipped.append),
    )
    assert model.digest == background.digest
    assert [found.path.stem for found in skipped] == ["text", "silent", "missing"]
    assert all(found.path.name in found.message for found in skipped)
    assert [found.affected for found in skipped] == [("text",), ("silent",), ("missing",)]
    assert skipped[0].to_dict()["path"].endswith("text.wav")
    assert model.provenance["n_skipped"] == 3


def test_bad_files_are_warnings_by_default(with_bad_files):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BackgroundModel.train(with_bad_files, n_components=2, augmentation="none")
    messages = [str(w.message) for w in caught if w.category is SkippedRecordingWarning]
    assert len(messages) == 3
    assert "text.wav" in messages[0]


def test_strict_training_refuses_the_first_bad_file(with_bad_files):
    with pytest.raises(AudioError, match=r"text\.wav"):
        BackgroundModel.train(
            with_bad_files, n_components=2, augmentation="none", run=RunContext(strict=True)
        )


def test_nothing_but_bad_files_is_refused(with_bad_files):
    only_bad = Corpus(with_bad_files.utterances[5:8], source="only bad")
    with pytest.raises(InsufficientDataError, match=r"none of its 3 recordings.*text\.wav"):
        BackgroundModel.train(only_bad, run=RunContext(on_skip=lambda skipped: None))
    with pytest.raises(InsufficientDataError, match="none of its 0 recordings"):
        BackgroundModel.train(Corpus((), source="nothing"))


def test_fewer_frames_than_components_are_refused(background_corpus):
    with pytest.raises(InsufficientDataError, match="fewer than the 100000 components"):
        BackgroundModel.train(background_corpus, n_components=100_000, augmentation="none")
    with pytest.raises(InvalidInputError, match="n_components"):
        BackgroundModel.train(background_corpus, n_components=0, augmentation="none")


def test_one_speaker_makes_a_warning(background_corpus):
    corpus = Corpus(background_corpus.utterances[:2], source="one voice")
    with pytest.warns(BackgroundWarning, match="one speaker"):
        BackgroundModel.train(corpus, n_components=2)


def test_the_mixture_must_fit_the_features(background):
    with pytest.raises(IncompatibleModelError, match="60 features"):
        BackgroundModel(background.mixture, FeatureConfig.preset("kaldi"))


def crafted(background, tmp_path, *, metadata=None, **arrays):
    """A file with a right hash and wrong content."""
    path = tmp_path / "crafted"
    whole, tree = unpack_arrays(pack(background), kind="background model")
    whole |= {f"mixture.{name}": array for name, array in arrays.items()}
    whole = {name: array for name, array in whole.items() if array is not None}
    metadata = tree if metadata is None else {"mixture": {}, **metadata}
    save_arrays(path, whole, kind="background model", metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"variances": lambda m: -m.variances}, "variances must be positive"),
        ({"variances": lambda m: 0 * m.variances}, "variances must be positive"),
        ({"weights": lambda m: m.weights * 2}, "sum to 1"),
        ({"weights": lambda m: m.weights[:-1]}, "disagree"),
        ({"means": lambda m: m.means[:, :-1]}, "disagree"),
        ({"means": lambda m: None}, "missing"),
        (
            {"means": lambda m: m.means[:, :-1], "variances": lambda m: m.variances[:, :-1]},
            "features per frame",
        ),
    ],
)
def test_crafted_parameters_are_refused(background, tmp_path, arrays, words):
    changed = {name: make(background.mixture) for name, make in arrays.items()}
    with pytest.raises(ModelFormatError, match=words) as caught:
        BackgroundModel.load(crafted(background, tmp_path, **changed))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"features": {}},
        {"features": {"no such field": 1}, "provenance": {}},
        {"features": [], "provenance": {}},
        {"features": {"sample_rate": -5}, "provenance": {}},
        {"features": {"sample_rate": "fast"}, "provenance": {}},
    ],
    ids=str,
)
def test_crafted_metadata_are_refused(background, tmp_path, metadata):
    with pytest.raises(ModelFormatError) as caught:
        BackgroundModel.load(crafted(background, tmp_path, metadata=metadata))
    assert "\n" not in str(caught.value)


def test_provenance_must_be_an_object(background, tmp_path):
    metadata = {"features": background.features.to_dict(), "provenance": 3}
    with pytest.raises(ModelFormatError, match="provenance"):
        BackgroundModel.load(crafted(background, tmp_path, metadata=metadata))


def test_other_kinds_are_refused(tmp_path):
    save_arrays(tmp_path / "m", {}, kind="language model")
    with pytest.raises(ModelFormatError, match="is a language model, not a background model"):
        BackgroundModel.load(tmp_path / "m")
    (tmp_path / "a.wav").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(ModelFormatError, match="WAV"):
        BackgroundModel.load(tmp_path / "a.wav")


def test_differences_are_named(background):
    config = background.features
    other = config.replace(n_ceps=12, high_frequency=3500.0)
    text = describe_difference(config, other)
    assert f"n_ceps {config.n_ceps} and 12" in text
    assert "high_frequency" in text
    assert "low_frequency" not in text


def test_packed_and_saved_kinds_agree(background, tmp_path):
    background.save(tmp_path / "m")
    arrays, metadata = load_arrays(tmp_path / "m", kind=BackgroundModel.file_kind)
    assert pack_arrays(arrays, kind="background model", metadata=metadata) == pack(background)


def test_training_takes_the_path_of_a_corpus(tmp_path, background, voices):
    for voice in range(100, 106):
        folder = tmp_path / "rec" / f"b{voice}"
        folder.mkdir(parents=True)
        for number in range(2):
            folder.joinpath(f"{number}.wav").write_bytes(voices(voice, number).read_bytes())
    for path in (tmp_path / "rec", str(tmp_path / "rec")):
        assert (
            BackgroundModel.train(path, n_components=8, seed=1, augmentation="none").digest
            == background.digest
        )
