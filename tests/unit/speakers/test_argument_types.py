"""Arguments of other types where a recording, a model, a corpus or a number is expected."""

import numpy as np
import pytest

from speakergmm.corpora import Corpus, Utterance, read_protocol
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.features import FeatureExtractor
from speakergmm.metrics import write_scores
from speakergmm.speakers import (
    BackgroundModel,
    SpeakerScorer,
    SpeakerStore,
    adapt_speaker,
    collect_statistics,
    enroll_into,
    run_protocol,
    train_speaker_mixtures,
)


@pytest.fixture
def store(tmp_path, background, voices):
    with SpeakerStore.create(tmp_path / "voices.db", background) as opened:
        opened.enroll("ana", voices(1, 0))
        opened.enroll("bea", voices(2, 0))
        yield opened


@pytest.fixture
def ubm(tmp_path, background):
    background.save(tmp_path / "ubm.safetensors")
    return tmp_path / "ubm.safetensors"


def test_a_background_model_may_be_a_path(tmp_path, background, ubm, voices):
    enroll_into(tmp_path / "new.db", "ana", voices(1, 0), background=ubm)
    with SpeakerStore(tmp_path / "new.db", background=str(ubm)) as store:
        assert store.background.digest == background.digest
    with SpeakerStore.create(tmp_path / "other.db", ubm) as store:
        assert store.background.digest == background.digest
    session = collect_statistics(ubm, voices(1, 0))
    expected = adapt_speaker(background, session.statistics).mixture.means
    for sessions in (session, [session], [session.statistics]):
        found = adapt_speaker(ubm, sessions).mixture.means
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "given",
    [
        FeatureExtractor("speaker"),
        5,
        None,
        Corpus((Utterance("u", "a.wav", "s"),), source="given"),
        Utterance("u", "a.wav", "s"),
        b"a.wav",
    ],
    ids=lambda given: type(given).__name__,
)
def test_what_is_no_recording_is_refused_with_the_right_call(store, given):
    before = store.log()
    right = r"give the \.path" if isinstance(given, Corpus | Utterance) else r"sample_rate="
    for call in (
        lambda: store.enroll("cid", given),
        lambda: store.enroll("cid", [given]),
        lambda: store.verify("ana", given),
        lambda: store.identify(given),
    ):
        with pytest.raises(
            InvalidTypeError, match="path of a recording or an array of samples is wanted.*" + right
        ):
            call()
    assert store.log() == before


def test_a_recording_before_the_speaker_is_recognised(tmp_path, store, ubm, voices):
    wav = str(voices(1, 0))
    for call in (
        lambda: store.verify(wav, "ana"),
        lambda: store.enroll(wav, "ana"),
        lambda: enroll_into(tmp_path / "new.db", wav, "ana", background=ubm),
    ):
        with pytest.raises(InvalidInputError, match="the speaker comes before the recording"):
            call()
    assert not (tmp_path / "new.db").exists()


def test_recordings_come_from_any_iterable(store, voices):
    files = {voices(3, 0): 1, voices(3, 1): 2}
    assert store.enroll("cid", files).n_sessions == 2
    assert store.identify(file for file in files).speaker == "cid"


@pytest.mark.parametrize("value", ["a", 2.5, 0, True, [1]])
def test_numbers_of_another_kind_are_refused(store, voices, value):
    wav = voices(1, 1)
    with pytest.raises(InvalidInputError, match=r"top must be a whole number >= 1, found"):
        store.identify(wav, top=value)
    with pytest.raises(InvalidInputError, match=r"top_c must be a whole number >= 1, found"):
        store.verify("ana", wav, top_c=value)
    if value not in (2.5, 0):
        with pytest.raises(InvalidInputError, match=r"threshold must be finite, found"):
            store.verify("ana", wav, threshold=value)


def test_numbers_may_be_numpy_s(store, voices):
    found = store.identify(
        voices(1, 1), top=np.int64(1), top_c=np.int32(5), threshold=np.float32(-9)
    )
    assert len(found.ranking) == 1
    assert found.ranking == store.identify(voices(1, 1), top=1, top_c=5).ranking


def test_a_scorer_names_what_it_takes(store, background, voices):
    features = FeatureExtractor("speaker").extract(voices(1, 1))
    scorer = SpeakerScorer(background, {"ana": store.model("ana")})
    for call, words in (
        (lambda: scorer.score(features), r"features\.speech_values"),
        (lambda: scorer.score(str(voices(1, 1))), "FeatureExtractor"),
        (lambda: SpeakerScorer(background, [store.model("ana")]), r"\{name: model\}"),
        (lambda: SpeakerScorer(background, "voices.db"), r"SpeakerStore\(path\)"),
        (lambda: adapt_speaker(background, str(voices(1, 1))), "collect_statistics"),
        (lambda: adapt_speaker(background, 5), "collect_statistics"),
        (lambda: write_scores("a.tsv", [1.0]), r"Scores\("),
    ):
        with pytest.raises(InvalidTypeError, match=words):
            call()


def test_protocols_and_corpora_may_be_paths(tmp_path, background, ubm, voices):
    folder = tmp_path / "protocol"
    folder.mkdir()
    rows = [f"{voice}\t{voices(voice, 0)}\n" for voice in (1, 2)]
    (folder / "eval_enroll.tsv").write_text("model\tpath\n" + "".join(rows))
    (folder / "eval_trials.tsv").write_text(
        "model\tpath\tlabel\n" + f"1\t{voices(1, 1)}\ttarget\n2\t{voices(1, 1)}\tnontarget\n"
    )
    expected = run_protocol(read_protocol(folder), background)
    np.testing.assert_array_equal(run_protocol(folder, ubm).scores, expected.scores)
    with pytest.raises(InvalidTypeError, match="read_protocol"):
        run_protocol(5, background)
    (tmp_path / "list.tsv").write_text("speaker\tpath\n" + "".join(rows))
    assert set(train_speaker_mixtures(tmp_path / "list.tsv", n_components=2)) == {"1", "2"}


def test_settings_of_enrolment_are_taken_as_they_are_written(tmp_path, background, voices):
    made = {
        "name": SpeakerStore.create(tmp_path / "1.db", background, parameters="means"),
        "numpy": SpeakerStore.create(tmp_path / "2.db", background, relevance_factor=np.float32(3)),
    }
    usual = SpeakerStore.create(tmp_path / "3.db", background)
    for store in made.values():
        with store:
            assert store.adaptation == usual.adaptation
    usual.close()
    for wrong in (1e308, "3", 0, -1.0, True, None):
        with pytest.raises(InvalidInputError, match=r"relevance_factor must be finite, > 0 and"):
            SpeakerStore.create(tmp_path / "4.db", background, relevance_factor=wrong)
    with pytest.raises(InvalidInputError, match=r"parameters must be one or more of .*'all'"):
        SpeakerStore.create(tmp_path / "4.db", background, parameters="all")
    assert not (tmp_path / "4.db").exists()
    for count in ("8", 2.5, 0, True):
        with pytest.raises(InvalidInputError, match=r"n_components must be a whole number >= 1"):
            BackgroundModel.train(Corpus((), source="none"), n_components=count)
