"""Calibrated answers of stores and protocols: ratios, decisions, refusals, and what stays whole."""

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from speakergmm.audio import read_audio, write_audio
from speakergmm.corpora import Protocol, Split, Trial
from speakergmm.errors import (
    CannotPromiseError,
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
    ModelFormatError,
    StoreError,
    UnlikeCalibrationError,
)
from speakergmm.features import FeatureExtractor, measure_quality
from speakergmm.metrics import Scores
from speakergmm.speakers import (
    AdaptationOptions,
    CalibrationTrials,
    NormalisationOptions,
    SpeakerScorer,
    SpeakerStore,
    SpeakerSystem,
    VerificationOptions,
    adapt_speaker,
    answer_trial,
    calibrate_system,
    cohort_trials,
    collect_statistics,
    fit_calibration,
    make_cohort,
    run_protocol,
    trials_of_scores,
)

MEASURES = (
    "channel_distance",
    "test_bandwidth_hz",
    "test_clipped",
    "test_level_db",
    "test_snr_db",
    "test_speech_seconds",
)


def protocol_of(voices, speakers, tests):
    """Each of some voices claims to be each of them."""
    trials = tuple(
        Trial(f"m{model}", voices(voice, test), "target" if model == voice else "nontarget")
        for model in speakers
        for voice in speakers
        for test in tests
    )
    split = Split({f"m{voice}": (voices(voice, 0),) for voice in speakers}, trials)
    return Protocol(None, {"dev": split, "eval": split})


@pytest.fixture(scope="module")
def dev(voices):
    return protocol_of(voices, range(10, 16), (1, 2))


@pytest.fixture(scope="module")
def evaluation(voices):
    return protocol_of(voices, (1, 2), (1,))


@pytest.fixture(scope="module")
def system(background):
    return SpeakerSystem(background)


@pytest.fixture(scope="module")
def calibrated(system, dev):
    return calibrate_system(system, dev, measures=MEASURES)


@pytest.fixture(scope="module")
def by_scores():
    """A calibration by scores alone, of many trials of eight speakers."""
    rng = np.random.default_rng(3)
    names = np.array([f"d{n}" for n in range(8)], object)
    models, tests = np.repeat(names, 160), np.tile(names, 160)
    scores = rng.normal(np.where(models == tests, 2.0, 0.0))
    return fit_calibration(CalibrationTrials(scores, models == tests, models, tests))


@pytest.fixture
def store(tmp_path, system, voices):
    with SpeakerStore.create(tmp_path / "voices.db", system) as opened:
        for voice in (1, 2):
            opened.enroll(f"m{voice}", voices(voice, 0))
        yield opened


@pytest.mark.slow
def test_a_store_answers_with_the_ratios_of_scores_and_measures(
    store, system, calibrated, dev, evaluation
):
    made = store.calibrate(dev, measures=MEASURES)
    scores = run_protocol(evaluation, system, measures=True)
    measures = {name: scores.conditions[name].astype(float) for name in MEASURES}
    expected = made.calibration.llr(scores.scores, measures)
    found = [store.verify(*trial) for trial in zip(scores.models, scores.paths, strict=True)]
    np.testing.assert_allclose([each.score for each in found], scores.scores, atol=1e-4)
    np.testing.assert_allclose([each.llr for each in found], expected, atol=1e-3)
    ratios = run_protocol(evaluation, made, llr=True)
    np.testing.assert_allclose(ratios.scores, expected, atol=1e-3)
    assert not ratios.conditions
    ranking = store.identify(scores.paths[0])
    ratio_of = {name: a.llr for (name, _), a in zip(ranking.ranking, ranking.answers, strict=True)}
    assert ratio_of[scores.models[0]] == pytest.approx(found[0].llr, abs=1e-3)
    assert made.calibration.digest == calibrated.calibration.digest


def test_pooled_recordings_are_measured_together(store, voices):
    rng = np.random.default_rng(5)
    names = np.array([f"d{n}" for n in range(8)], object)
    models, tests = np.repeat(names, 40), np.tile(names, 40)
    seconds, snr = rng.uniform(0.5, 4.0, 320), rng.uniform(5.0, 20.0, 320)
    recordings = voices(1, 1), voices(1, 2)
    raw = store.verify("m1", recordings).score  # in the middle, where no bound hides a difference
    scores = raw + rng.normal(np.where(models == tests, 1.5, -1.5)) + 0.3 * seconds + 0.1 * snr - 3
    measures = {"test_speech_seconds": seconds, "test_snr_db": snr}
    trials = CalibrationTrials(scores, models == tests, models, tests, measures)
    calibration = fit_calibration(trials)
    store.set_system(store.system.replace(calibration=calibration))
    pooled = store.verify("m1", recordings)
    found = [measure_quality(each, config=store.background.features) for each in recordings]
    expected = {
        "test_speech_seconds": [sum(each.speech_seconds for each in found)],
        "test_snr_db": [np.mean([each.snr_db for each in found])],
    }
    ratio = calibration.llr([pooled.score], expected)[0]
    assert pooled.llr == pytest.approx(ratio)
    assert calibration.bounds[0] < ratio < calibration.bounds[1]


def test_ratios_need_a_calibration_on_other_speakers(system, calibrated, dev, evaluation):
    with pytest.raises(InvalidInputError, match=r"ratios need a calibrated system.*calibrate it"):
        run_protocol(evaluation, system, llr=True)
    with pytest.raises(InvalidInputError, match="fitted on 6 of the speakers of the evaluation"):
        run_protocol(dev, calibrated, llr=True)
    assert len(run_protocol(dev, calibrated, llr=True, force=True)) == 72


def test_the_threshold_of_a_target_is_the_least_that_keeps_it(system, by_scores):
    made = system.replace(calibration=by_scores)
    answer = answer_trial(made, 9.0, {}, VerificationOptions(target_far=0.05))
    nontarget = np.sort(by_scores.evidence.nontarget)
    assert (nontarget >= answer.threshold).mean() == answer.promise.p_fa <= 0.05
    below = nontarget[nontarget < answer.threshold][-1]
    assert (nontarget >= below).mean() > 0.05
    assert answer.promise.p_miss == (by_scores.evidence.target < answer.threshold).mean()
    assert answer.accepted is True
    given = answer_trial(made, 9.0, {}, VerificationOptions(threshold=answer.threshold))
    assert (given.promise, given.accepted) == (answer.promise, True)


def test_identification_shares_rate_and_prior_among_the_speakers(store, by_scores, voices):
    store.set_system(store.system.replace(calibration=by_scores))
    found = store.identify(voices(1, 1), target_far=0.2)
    assert found.threshold == by_scores.promise(target_far=0.1).threshold
    assert found.margin == found.answers[0].llr - found.answers[1].llr
    found = store.identify(voices(1, 1), prior=0.5)
    assert found.threshold == pytest.approx(np.log(3))
    assert found.answers[1].accepted is None
    # The posterior is that of Bayes's rule over both speakers and somebody unknown.
    joint = [0.25 * np.exp(each.llr) for each in found.answers]
    assert found.answers[0].posterior == pytest.approx(joint[0] / (0.5 + sum(joint)))
    assert found.answers[0].prior == 0.5
    alone = store.identify(voices(1, 1), prior=0.5, top=1)
    assert (alone.decision, len(alone.answers)) == (found.decision, 1)
    with pytest.raises(CannotPromiseError, match=r"each of 2 speakers: a false-accept rate of 2 %"):
        store.identify(voices(1, 1), target_far=0.04)
    assert store.verify("m1", voices(1, 1), target_far=0.04).decision is not None


def changed(samples, how):
    rng = np.random.default_rng(0)
    return {
        "short": samples[4000:8000],
        "quiet": samples * 0.003,
        "noisy": samples + rng.normal(size=len(samples)) * np.std(samples),
        "narrow": np.fft.irfft(
            np.fft.rfft(samples) * (np.fft.rfftfreq(len(samples), 1 / 16_000) < 1500), len(samples)
        ),
        "clipped": np.clip(samples * 20, -1, 1),
    }[how].astype(np.float32)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("short", "test speech 0."),
        ("quiet", "test level -"),
        ("noisy", "test signal-to-noise ratio "),
        ("narrow", "test bandwidth 1."),
        ("clipped", "test clipped samples "),
    ],
)
def test_what_the_calibration_did_not_see_is_refused_by_name(
    tmp_path, store, calibrated, voices, how, reason
):
    store.set_system(calibrated)
    samples, rate = read_audio(voices(1, 1))
    wav = tmp_path / f"{how}.wav"
    write_audio(wav, changed(samples, how), rate)
    with pytest.raises(UnlikeCalibrationError, match=f"{how}.wav: unlike what .*{reason}.*; cal"):
        store.verify("m1", wav, threshold=0.0)
    forced = store.verify("m1", wav, threshold=0.0, force=True)
    assert forced.decision is not None
    assert any(reason in each for each in forced.answer.unlike)
    # Without a decision there is an answer, which says so.
    assert store.verify("m1", wav).answer.unlike == forced.answer.unlike


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("short", "enrolment speech 0."),
        ("noisy", "enrolment signal-to-noise ratio "),
        ("narrow", "enrolment bandwidth 1."),
        ("clipped", "enrolment clipped samples "),
    ],
)
def test_an_enrolment_that_the_calibration_did_not_see_is_named(
    tmp_path, store, calibrated, voices, how, reason
):
    samples, rate = read_audio(voices(1, 0))
    write_audio(tmp_path / "a.wav", changed(samples, how), rate)
    store.enroll("odd", tmp_path / "a.wav")
    store.set_system(calibrated)
    answer = store.verify("odd", voices(1, 1)).answer
    assert any(each.startswith(reason) for each in answer.unlike)
    with pytest.raises(UnlikeCalibrationError, match=reason):
        store.verify("odd", voices(1, 1), threshold=0.0)
    usual = store.verify("m1", voices(1, 1)).answer
    assert not any(each.startswith("enrolment") for each in usual.unlike)


def test_silence_has_no_answer(tmp_path, store, calibrated):
    store.set_system(calibrated)
    write_audio(tmp_path / "silent.wav", np.zeros(16_000, np.float32), 16_000)
    with pytest.raises(InsufficientDataError, match="no speech"):
        store.verify("m1", tmp_path / "silent.wav")


def test_measures_that_cannot_be_taken_are_named(system, calibrated):
    with pytest.raises(InsufficientDataError, match=r"a\.wav: .*test_snr_db.* cannot be measured"):
        answer_trial(calibrated, 1.0, {}, VerificationOptions(), what="a.wav")


def labelled(**columns):
    models = np.array(["a", "a", "b", "b"] * 3, object)
    paths = np.array(["a1", "b1", "a1", "b1", "a2", "b2", "a2", "b2", "a3", "b3", "a3", "b3"])
    labels = np.where(models == [path[0] for path in paths], "target", "nontarget").astype(object)
    return Scores(models, paths.astype(object), np.arange(12.0), labels, columns)


def test_trials_of_scores_take_measures_from_columns():
    snr = np.array(["20", "nan", *["3.5"] * 10], object)
    sex = np.array(["f", "m"] * 6, object)
    scores = labelled(test_snr_db=snr, sex=sex, test_level_db=snr)
    trials = trials_of_scores(scores, ["test_snr_db"])
    kept = [0, *range(2, 12)]
    assert trials.scores.tolist() == kept
    assert trials.is_target.tolist() == [label == "target" for label in scores.labels[kept]]
    assert {name: values.tolist() for name, values in trials.measures.items()} == {
        "test_snr_db": [20.0, *[3.5] * 10]
    }
    assert list(trials.conditions) == ["sex"]
    assert trials.test_speakers[0] == trials.model_speakers[0]
    with pytest.raises(InvalidInputError, match="no measure 'sdr'; the measures are test_snr_db"):
        trials_of_scores(scores, ["sdr"])
    with pytest.raises(InvalidInputError, match="measure 'sex': must be numbers"):
        trials_of_scores(scores, ["sex"])
    with pytest.raises(InsufficientDataError, match="no trial has all the measures"):
        trials_of_scores(labelled(test_snr_db=np.array(["nan"] * 12, object)), ["test_snr_db"])


@pytest.mark.parametrize("kind", ["none", "t"])
def test_trials_of_a_cohort_are_those_of_a_loop(background, background_corpus, system, kind):
    cohort = make_cohort(background_corpus, background, system.backend, tests_per_speaker=1)
    chosen = NormalisationOptions(normalisation=kind)
    trials = cohort_trials(system.replace(cohort=cohort, normalisation=chosen))
    first, second = background_corpus.utterances[::2], background_corpus.utterances[1::2]
    extractor = FeatureExtractor(background.features)
    raw = np.empty((6, 6))
    for i, spoken in enumerate(first):
        sessions = [collect_statistics(background, spoken.path)]
        model = adapt_speaker(background, sessions, name="x").mixture
        for j, tested in enumerate(second):
            block = extractor.extract(tested.path).speech_frames
            raw[i, j] = SpeakerScorer(background, {"x": model}).score(block)[0]
    expected = raw.copy()
    if kind == "t":
        for i in range(6):
            for j in range(6):
                others = [raw[k, j] for k in range(6) if k not in (i, j)]
                expected[i, j] = (raw[i, j] - np.mean(others)) / np.std(others, ddof=1)
    names = [each.speaker for each in first]
    np.testing.assert_allclose(trials.scores, expected.ravel(), rtol=0.02, atol=0.02)
    assert trials.model_speakers.tolist() == np.repeat(names, 6).tolist()
    assert trials.test_speakers.tolist() == names * 6
    np.testing.assert_array_equal(trials.is_target, np.eye(6, dtype=bool).ravel())


def test_without_cohort_or_trials_there_is_nothing_to_calibrate_on(system):
    with pytest.raises(InvalidInputError, match="no cohort with tests to calibrate on; give trial"):
        calibrate_system(system)


def test_trials_of_one_kind_are_refused_before_anything_is_read(system):
    for label, missing in (("target", "nontarget"), ("nontarget", "target")):
        split = Split({"m": ("nowhere.wav",)}, (Trial("m", "absent.wav", label),))
        with pytest.raises(InvalidInputError, match=f"there is no {missing} trial among the 1$"):
            calibrate_system(system, Protocol(None, {"dev": split}))


def test_a_system_with_other_models_is_refused(store, system, other_background, background):
    content = store.path.read_bytes()
    with pytest.raises(IncompatibleModelError):
        store.set_system(SpeakerSystem(other_background))
    with pytest.raises(IncompatibleModelError, match="relevance factor 9"):
        store.set_system(SpeakerSystem(background, AdaptationOptions(relevance_factor=9)))
    with pytest.raises(IncompatibleModelError, match="back-end 'gmm-ubm', not of 'linear'; enrol"):
        store.set_system(SpeakerSystem(background, backend_name="linear"))
    assert store.path.read_bytes() == content
    assert store.system.digest == system.digest


def test_a_calibration_stays_in_the_store(store, by_scores, voices):
    made = store.system.replace(calibration=by_scores)
    store.set_system(made)
    expected = store.verify("m1", voices(1, 1))
    store.remove("m2")
    store.enroll("m3", voices(3, 0))
    with SpeakerStore(store.path) as again:
        again.check()
        assert again.system.calibration.digest == by_scores.digest
        assert again.system.digest == made.digest
        assert again.verify("m1", voices(1, 1)) == expected
        assert [each.name for each in again.speakers()] == ["m1", "m3"]
        assert again.info()["calibration"]["trials"]["speakers"] == 8
        assert "calibrate" in [entry["action"] for entry in again.log()]


@pytest.mark.slow
def test_enrolled_speakers_calibrate_a_store_only_by_force(store, dev, voices):
    store.enroll("M10", voices(10, 0))
    store.enroll("m10", voices(10, 0))
    with pytest.raises(InvalidInputError, match="1 of the speakers of the evaluation"):
        store.calibrate(dev, measures=())
    assert store.system.calibration is None
    store.calibrate(dev, measures=(), force=True)
    assert store.system.calibration is not None


def of_kind(dev, label):
    kept = tuple(each for each in dev.splits["dev"].trials if each.label == label)
    return replace(dev, splits={"dev": replace(dev.splits["dev"], trials=kept)})


@pytest.mark.parametrize("label", ["target", "nontarget"])
def test_trials_of_one_kind_calibrate_nothing(store, dev, label):
    with pytest.raises((InsufficientDataError, InvalidInputError), match="target"):
        store.calibrate(of_kind(dev, label), measures=())
    assert store.system.calibration is None
    with SpeakerStore(store.path) as again:
        assert again.system.calibration is None


def trials_with(scores):
    names = np.array([f"d{n}" for n in range(6)], object)
    models, tests = np.repeat(names, 6), np.tile(names, 6)
    return CalibrationTrials(scores(models == tests), models == tests, models, tests)


def test_scores_that_say_nothing_or_everything():
    with pytest.raises(InvalidInputError, match="scores that are tied support no likelihood"):
        fit_calibration(trials_with(lambda target: np.ones(len(target))))
    with pytest.raises(InvalidInputError, match=r"finite|infinit|inf"):
        fit_calibration(trials_with(lambda target: np.where(target, np.inf, 0.0)))
    separable = fit_calibration(trials_with(lambda target: target + np.arange(36) / 100))
    assert np.isfinite(separable.llr([-1e9, 1e9])).all()


def test_a_store_of_an_earlier_format_says_what_to_do(store):
    store.close()
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    with pytest.raises(ModelFormatError, match="format version 3, of an earlier speakergmm; enrol"):
        SpeakerStore(store.path)


def test_a_store_that_another_program_writes_is_calibrated_later(store, by_scores):
    made = store.system.replace(calibration=by_scores)
    with SpeakerStore(store.path, busy_timeout=0.05) as hasty:
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program"):
            hasty.set_system(made)
        assert hasty.system.calibration is None
        other.execute("ROLLBACK")
        other.close()
        hasty.set_system(made)
    with SpeakerStore(store.path) as again:
        assert again.system.calibration is not None


PROGRAM = """
import os, signal, sys
from speakergmm.speakers import SpeakerStore, SpeakerSystem, store_queries
path, system = sys.argv[1:]
store_queries.write_log = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with SpeakerStore(path) as store:
    store.set_system(SpeakerSystem.load(system))
"""


@pytest.mark.slow
def test_a_kill_while_the_calibration_is_written_leaves_the_store_whole(
    tmp_path, store, by_scores, voices
):
    store.system.replace(calibration=by_scores).save(tmp_path / "system")
    expected = store.verify("m1", voices(1, 1))
    program = [sys.executable, "-c", PROGRAM, store.path, tmp_path / "system"]
    done = subprocess.run(program, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == -signal.SIGKILL
    with SpeakerStore(store.path) as again:
        again.check()
        assert again.system.calibration is None
        assert again.verify("m1", voices(1, 1)) == expected
