"""Comparison of two recordings."""

import numpy as np
import pytest

from speakergmm.audio import read_audio, write_audio
from speakergmm.corpora import Protocol, Split, Trial
from speakergmm.errors import (
    CannotPromiseError,
    InsufficientDataError,
    InvalidInputError,
    UnlikeCalibrationError,
)
from speakergmm.speakers import (
    SpeakerStore,
    as_system,
    calibrate_system,
    compare_recordings,
    enroll_into,
    verbal_scale,
)


def test_one_voice_scores_higher_than_two(background, voices):
    same = compare_recordings(voices(1, 0), voices(1, 1), background)
    different = compare_recordings(voices(1, 0), voices(2, 1), background)
    assert same.answer.score > different.answer.score
    assert same.llr is same.decision is None


def test_a_direction_is_enrolment_and_verification(background, voices, tmp_path):
    result = compare_recordings(voices(1, 0), voices(2, 0), background)
    for (enrolled, tested), answer in zip(((1, 2), (2, 1)), result.directions, strict=True):
        path = tmp_path / f"{enrolled}.db"
        enroll_into(path, "one", voices(enrolled, 0), background=background)
        with SpeakerStore.open(path) as store:
            expected = store.verify("one", voices(tested, 0)).score
        assert answer.score == pytest.approx(expected, rel=1e-5)
    assert result.answer.score == pytest.approx(np.mean([a.score for a in result.directions]))


def test_the_order_makes_no_difference(background, voices):
    one = compare_recordings(voices(1, 0), voices(2, 0), background)
    other = compare_recordings(voices(2, 0), voices(1, 0), background)
    assert one.answer == other.answer
    assert one.names == other.names[::-1]
    assert one.speech_seconds == other.speech_seconds[::-1]


def test_arrays_are_compared_like_files(background, voices):
    samples, rate = read_audio(voices(1, 0))
    files = compare_recordings(voices(1, 0), voices(2, 0), background)
    mixed = compare_recordings(samples, voices(2, 0), background, sample_rate=rate)
    assert mixed.answer.score == pytest.approx(files.answer.score, rel=1e-6)


@pytest.fixture(scope="module")
def calibrated(background, voices):
    speakers = range(20, 26)
    trials = [
        Trial(f"v{m}", voices(t, n), "target" if m == t else "nontarget")
        for m in speakers
        for t in speakers
        for n in (1, 2)
    ]
    split = Split({f"v{m}": (voices(m, 0),) for m in speakers}, tuple(trials))
    return calibrate_system(background, Protocol(None, {"dev": split}), test_versions="none")


@pytest.mark.slow
def test_ratios_are_the_mean_of_both_directions(calibrated, voices):
    result = compare_recordings(voices(1, 0), voices(1, 1), calibrated)
    assert result.llr == pytest.approx(np.mean([each.llr for each in result.directions]))
    assert result.answer.verbal == verbal_scale(result.llr)
    assert result.to_dict()["llr"] == result.llr


def test_a_threshold_decides(calibrated, voices):
    llr = compare_recordings(voices(1, 0), voices(1, 1), calibrated, force=True).llr
    for threshold, expected in ((llr - 0.01, True), (llr + 0.01, False)):
        result = compare_recordings(
            voices(1, 0), voices(1, 1), calibrated, threshold=threshold, force=True
        )
        assert result.decision is expected


def test_few_trials_promise_no_error_rate(calibrated, voices):
    with pytest.raises(CannotPromiseError, match="nontarget trials"):
        compare_recordings(voices(1, 0), voices(1, 1), calibrated, target_far=0.01)


def test_a_recording_unlike_the_calibration_is_named(calibrated, voices, tmp_path):
    samples, rate = read_audio(voices(1, 0))
    narrow = tmp_path / "narrow.wav"
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate) > 1500] = 0
    noise = np.random.default_rng(0).normal(scale=1e-4, size=len(samples))
    write_audio(narrow, (np.fft.irfft(spectrum, len(samples)) + noise).astype(np.float32), rate)
    found = compare_recordings(narrow, voices(1, 1), calibrated).answer.unlike
    assert any(reason.startswith(f"{narrow} as test: ") for reason in found)
    # Either recording is enrolled once: the two ranges for one of them are told apart.
    assert len({reason.partition(";")[0] for reason in found}) == len(found)
    with pytest.raises(UnlikeCalibrationError, match=r"narrow\.wav"):
        compare_recordings(narrow, voices(1, 1), calibrated, prior=0.5)


def test_the_same_audio_twice_is_refused(background, voices, tmp_path):
    copy = tmp_path / "copy.wav"
    copy.write_bytes(voices(1, 0).read_bytes())
    with pytest.raises(InvalidInputError, match=r"copy\.wav: the same audio"):
        compare_recordings(voices(1, 0), copy, background)


def test_recordings_without_enough_speech_are_refused(background, voices, tmp_path):
    silence, click = tmp_path / "silence.wav", tmp_path / "click.wav"
    write_audio(silence, np.zeros(16000, np.float32), 16000)
    write_audio(click, np.ones(100, np.float32) / 2, 16000)
    for path in (silence, click):
        for pair in ((path, voices(1, 0)), (voices(1, 0), path)):
            with pytest.raises(InsufficientDataError, match=path.name):
                compare_recordings(*pair, background)


def test_a_decision_by_a_prior_needs_a_calibration(background, voices):
    with pytest.raises(InvalidInputError, match="not calibrated"):
        compare_recordings(voices(1, 0), voices(2, 0), as_system(background), prior=0.5)
