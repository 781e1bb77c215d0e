"""Tables of trials, and measures of trials, against loops over trials and frames."""

from pathlib import Path

import numpy as np
import pytest

from speakergmm.corpora import Split, Trial
from speakergmm.features import WeightedFrames
from speakergmm.mixtures import DiagonalMixture, accumulate
from speakergmm.run_context import SkippedRecording
from speakergmm.speakers import (
    EnrolledMeasures,
    MeasuredSpeech,
    ScoredClaims,
    TrialTable,
    channel_distance,
    enrolment_measures,
    mean_of_statistics,
    measures_of_trial,
    measures_of_trials,
)

MIXTURE = DiagonalMixture([0.3, 0.7], [[-1.0, 0.0], [2.0, 1.0]], [[1.0, 2.0], [0.5, 1.0]])


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    pairs = [(m, t) for m in "dabc" for t in range(5) if rng.random() < 0.7]
    rng.shuffle(pairs)
    trials = tuple(Trial(m, Path(f"{t}.wav"), "target", f"named {t}") for m, t in pairs)
    return Split({m: (Path(f"{m}.wav"),) for m in "abcd"}, trials)


def _score(model, test, version=0):
    return 100.0 * "abcd".index(model) + 10 * int(Path(test).stem) + version


def test_each_trial_has_the_score_of_its_model_and_recording(split):
    names = ("c", "a", "d")  # not in the order of the list; of "b" there is no model
    table = TrialTable(split, names, n_versions=2)
    scored = {trial.path for trial in split.trials if trial.model != "b"}
    listed = dict.fromkeys(trial.path for trial in split.trials)
    assert list(table.claimed_paths) == [path for path in listed if path in scored]
    for path in table.claimed_paths:
        claimed = {t.model for t in split.trials if t.path == path} - {"b"}
        places = table.claims[str(path)]
        assert [names[place] for place in places] == [n for n in names if n in claimed]
        for version in range(2):
            scores = np.array([_score(names[place], path, version) for place in places])
            table.take(str(path), version, ScoredClaims(scores, {"double": 2 * scores}))
    for version in range(2):
        for row, trial in enumerate(split.trials):
            found = table.scores[version, row], table.measures["double"][version, row]
            if trial.model == "b":
                assert np.isnan(found).all()
            else:
                score = _score(trial.model, trial.path, version)
                assert found == (score, 2 * score)


def test_scores_of_all_models_are_taken_where_they_are_claimed(split):
    one, other = TrialTable(split, tuple("abcd")), TrialTable(split, tuple("abcd"))
    tests = [str(path) for path in one.claimed_paths]
    scores = np.array([[_score(model, test) for test in tests] for model in "abcd"])
    one.take_all(tests, scores)
    for test, column in zip(tests, scores.T, strict=True):
        other.take(test, 0, ScoredClaims(column[other.claims[test]], {}))
    np.testing.assert_array_equal(one.scores, other.scores)
    expected = [_score(trial.model, trial.path) for trial in split.trials]
    np.testing.assert_array_equal(one.scores[0], expected)


def test_a_lost_recording_names_its_trials(split):
    told = []
    report = TrialTable(split, tuple("abcd")).with_lost_trials(told.append)
    report(SkippedRecording(Path("3.wav"), "is empty", ("3",)))
    expected = tuple(f"{t.model} named 3" for t in split.trials if t.path == Path("3.wav"))
    assert expected
    assert told == [SkippedRecording(Path("3.wav"), "is empty", expected)]


def _blocks(weighted):
    rng = np.random.default_rng(1)
    sizes = (4, 0, 7)
    return [
        WeightedFrames(
            rng.normal(size=(n, 2)).astype(np.float32),
            rng.random(n).astype(np.float32) if weighted else None,
        )
        for n in sizes
    ]


@pytest.mark.parametrize("weighted", [False, True])
def test_speech_is_measured_while_it_passes(weighted):
    blocks = _blocks(weighted)
    speech = MeasuredSpeech(blocks, MIXTURE)
    assert list(speech) == blocks
    frames = np.concatenate([block.values for block in blocks])
    weights = np.concatenate([block.weights for block in blocks]) if weighted else None
    expected = np.average(MIXTURE.log_likelihood(frames), weights=weights)
    np.testing.assert_allclose(speech.mean, np.average(frames, axis=0, weights=weights), rtol=1e-6)
    assert speech.background_log_likelihood == pytest.approx(expected, rel=1e-6)
    # Statistics of the same frames have the same mean.
    statistics = [accumulate(MIXTURE, *block) for block in blocks if len(block.values)]
    found = mean_of_statistics(statistics)
    np.testing.assert_allclose(found, speech.mean, rtol=1e-5, atol=1e-6)


def test_the_distance_of_channels_is_in_deviations_of_the_background():
    rng = np.random.default_rng(2)
    speech = MIXTURE.sample(200_000, rng)
    one, other = np.array([0.5, 1.0]), np.array([-0.5, 4.0])
    expected = np.sqrt(np.mean(((one - other) / speech.std(axis=0)) ** 2))
    found = channel_distance(MIXTURE, one, other)
    assert found == pytest.approx(expected, rel=0.01)


def test_measures_of_many_trials_are_those_of_each():
    speech = MeasuredSpeech(_blocks(weighted=True), MIXTURE)
    assert len(list(speech)) == 3
    enrolled = [
        EnrolledMeasures({"snr_db": 10.0 * n, "speech_seconds": n}, np.full(2, n))
        for n in (1.0, 2.0, 5.0)
    ]
    test = {"snr_db": 3.0, "clipped": 0.1}
    found = measures_of_trials(test, enrolled, speech)
    for place, known in enumerate(enrolled):
        expected = measures_of_trial(test, known.measures, speech, known.mean)
        assert {name: values[place] for name, values in found.items()} == pytest.approx(expected)
        assert list(found) == list(expected)


def test_measures_of_sessions_are_summed_or_averaged():
    sessions = [
        {"speech_seconds": 2.0, "snr_db": 10.0, "level_db": np.nan},
        {"speech_seconds": 3.0, "snr_db": np.nan, "level_db": np.nan},
        {"speech_seconds": 1.0, "snr_db": 20.0, "level_db": np.nan},
    ]
    found = enrolment_measures(sessions)
    assert found == pytest.approx(
        {"speech_seconds": 6.0, "snr_db": 15.0, "level_db": np.nan}, nan_ok=True
    )
