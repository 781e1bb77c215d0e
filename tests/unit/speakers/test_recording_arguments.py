"""Recordings as paths, arrays and blocks: they are the same recording, and say what is wrong."""

from pathlib import Path

import numpy as np
import pytest

from speakergmm.audio import AudioWarning, read_audio, write_audio
from speakergmm.corpora import hash_audio
from speakergmm.corpora.augmentation import as_augmentation
from speakergmm.errors import InvalidInputError, InvalidTypeError, SpeakerGmmError, StoreError
from speakergmm.speakers import (
    BackgroundModel,
    SpeakerStore,
    as_recordings,
    audio_identity,
    collect_statistics,
    enroll_into,
)

RATE = 16_000


@pytest.fixture
def store(tmp_path, background, voices):
    with SpeakerStore.create(tmp_path / "voices.db", background) as store:
        store.enroll("ana", voices(1, 0))
        yield store


def _halves(samples):
    yield from np.array_split(samples, 3)


def test_a_file_its_array_and_its_blocks_have_the_same_scores(store, voices):
    samples, rate = read_audio(voices(1, 1))
    expected = store.verify("ana", voices(1, 1))
    # 16-bit recordings are exact in each of these types.
    integers = np.round(samples * 32768).astype(np.int16)
    for given in (samples, samples.astype(np.float64), integers, _halves(samples)):
        assert store.verify("ana", given, sample_rate=rate) == expected
    ranking = store.identify(samples, sample_rate=rate)
    assert ranking.ranking == store.identify(voices(1, 1)).ranking
    pooled = store.identify([samples, voices(1, 2)], sample_rate=rate)
    assert pooled.ranking == store.identify([voices(1, 1), voices(1, 2)]).ranking


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_the_same_audio_is_recognised_as_file_and_as_array(tmp_path, store, voices, suffix):
    samples, rate = read_audio(voices(7, 0))
    write_audio(tmp_path / f"a.{suffix}", samples, rate)
    enrolled = store.enroll("bea", tmp_path / f"a.{suffix}")
    assert [each.file_name for each in enrolled.recordings] == [f"a.{suffix}"]
    with pytest.raises(StoreError, match=r"array: .*already enrolled"):
        store.enroll("bea", samples, sample_rate=rate)
    with pytest.raises(StoreError, match=r"array 2: is the same audio as array 1"):
        store.enroll("cid", [samples, samples], sample_rate=rate)
    # At another rate it is another sound.
    (both,) = as_recordings(samples, "enroll", rate)
    assert audio_identity(both) == hash_audio(tmp_path / f"a.{suffix}")
    assert audio_identity(as_recordings(samples, "enroll", 8000)[0]) != audio_identity(both)


def test_arrays_have_names_of_their_own_in_the_store(tmp_path, background, voices):
    arrays = [read_audio(voices(3, number))[0] for number in range(2)]
    path = tmp_path / "new.db"
    report = enroll_into(path, "dan", arrays, sample_rate=RATE, background=background)
    assert [each.file_name for each in report.recordings] == ["array 1", "array 2"]
    enroll_into(path, "eva", _halves(arrays[0]), sample_rate=RATE)
    other = enroll_into(path, "fay", [voices(3, 0), arrays[1]], sample_rate=RATE)
    assert [each.file_name for each in other.recordings] == ["v3-u0.wav", "array"]
    with SpeakerStore(path) as store:
        np.testing.assert_array_equal(
            store.model("dan").mixture.means, store.model("fay").mixture.means
        )
        store.check()


def test_enrolment_in_several_conditions_takes_arrays_and_blocks(background, voices):
    several = BackgroundModel(
        background.mixture, background.features, {}, as_augmentation("clean,telephone")
    )
    samples, _ = read_audio(voices(1, 0))
    expected = collect_statistics(several, voices(1, 0)).statistics
    (given,) = as_recordings(samples, "enroll", RATE)
    for statistics in (
        collect_statistics(several, samples, sample_rate=RATE),
        collect_statistics(several, _halves(samples), sample_rate=RATE),
        collect_statistics(several, given),
    ):
        found = statistics.statistics
        assert found.n_frames == pytest.approx(expected.n_frames)
        np.testing.assert_allclose(found.first_order, expected.first_order, rtol=1e-4, atol=1e-3)


def test_features_in_a_store_serve_the_files_among_arrays(tmp_path, store, voices, recwarn):
    from speakergmm.features import extract_features

    (tmp_path / "list.tsv").write_text(f"speaker\tpath\nana\t{voices(1, 1)}\n")
    extract_features(tmp_path / "list.tsv", tmp_path / "feats", features="speaker")
    arrays = [voices(1, 1), read_audio(voices(1, 2))[0]]
    found = store.identify(arrays, sample_rate=RATE, feature_store=tmp_path / "feats")
    assert found.ranking == store.identify([voices(1, 1), voices(1, 2)]).ranking
    assert not recwarn


SAMPLES = np.zeros(RATE, np.float32)
BAD = {
    "numbers": ([0.1, 0.2], RATE, InvalidTypeError, r"np\.asarray\(samples\), with sample_rate="),
    "pair": ((SAMPLES, RATE), None, InvalidTypeError, "two arguments"),
    "swapped pair": ((RATE, SAMPLES), None, InvalidTypeError, "two arguments"),
    "stereo": (np.zeros((RATE, 2)), RATE, InvalidInputError, r"found shape \(16000, 2\)"),
    "NaN": (np.full(RATE, np.nan), RATE, InvalidInputError, "found .*finite|NaN|nan"),
    "not in full scale": (np.full(RATE, 3e4), RATE, InvalidInputError, "found"),
    "int32": (np.zeros(RATE, np.int32), RATE, InvalidInputError, "int16, found"),
    "no rate": (SAMPLES, None, InvalidInputError, "give sample_rate="),
    "no rate of blocks": (iter([SAMPLES]), None, InvalidInputError, "give sample_rate="),
    "rate of nothing": (SAMPLES, 0, InvalidInputError, "rate"),
    "rate that is a text": (SAMPLES, "16000", SpeakerGmmError, "rate"),
    "rate of a file": ("a.wav", RATE, InvalidInputError, "a file states its own rate"),
    "blocks of two kinds": (iter([SAMPLES, "a.wav"]), RATE, SpeakerGmmError, "samples must be"),
    "empty": (np.zeros(0, np.float32), RATE, SpeakerGmmError, "no samples"),
    "silence": (SAMPLES, RATE, SpeakerGmmError, "no speech found"),
    "nothing": (iter([]), None, InvalidInputError, "there is no recording"),
    "one number": (np.float32(3), RATE, InvalidTypeError, "got float32"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_samples_are_refused_in_one_line(store, name):
    given, rate, error, words = BAD[name]
    given = list(given) if name.endswith("kinds") or hasattr(given, "__next__") else given
    before = store.log()
    for call in (
        lambda each: store.enroll("ana", each, sample_rate=rate),
        lambda each: store.verify("ana", each, sample_rate=rate),
        lambda each: store.identify(each, sample_rate=rate),
    ):
        with pytest.raises(error, match=words) as caught:
            call(iter(given) if isinstance(given, list) and name != "numbers" else given)
        assert "\n" not in str(caught.value)
    assert store.log() == before


def test_statistics_of_samples_without_a_rate_warn(background, voices):
    samples, _ = read_audio(voices(1, 0))
    with pytest.warns(AudioWarning, match="give sample_rate="):
        collect_statistics(background, samples)
    assert isinstance(as_recordings(Path("a.wav"), "verify")[0], Path)
