"""Trials of a calibration are checked row by row, and read from scores."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Scores
from speakergmm.speakers import CalibrationTrials

GOOD = {
    "scores": [1.5, -0.5, 0.0, 2.0],
    "is_target": [True, False, False, True],
    "model_speakers": ["ann", "bob", "ann", "bob"],
    "test_speakers": ["ann", "ann", "bob", "bob"],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scores": [1.5, np.nan, 0.0, 2.0]}, "scores: row 1 is nan"),
        ({"scores": [1.5, -np.inf, 0.0, np.inf]}, r"row 1 is -inf; .*\(2 of 4"),
        ({"scores": [1.5, 0.0]}, "must be 2 values, found 4"),
        ({"scores": [[1.5, 0.0]]}, "flat array"),
        ({"scores": ["a", "b", "c", "d"]}, "must be numbers"),
        ({"scores": [1.5] * 4}, "all 4 scores are 1.5"),
        ({"is_target": [2, 0, 0, 1]}, "True .target. and False"),
        ({"is_target": [True] * 4}, "none of the 4 is a nontarget trial"),
        ({"is_target": [False] * 4}, "none of the 4 is a target trial"),
        ({"is_target": [True, True, False, True]}, "row 1 is labelled target.*different.*'bob'"),
        ({"is_target": [True, False, False, False]}, "row 3 is labelled nontarget.*one speaker"),
        ({"model_speakers": "ann"}, "'ann' in place of many"),
        ({"measures": {"snr_db": [1.0, 2.0]}}, "snr_db of calibration trials must be 4 values"),
        ({"measures": {"snr_db": [1.0, 2.0, np.inf, 3.0]}}, "measure 'snr_db': row 2 is inf"),
        ({"conditions": {"sex": ["f"]}}, "sex of calibration trials must be 4 values"),
    ],
)
def test_wrong_trials_are_refused_by_row(changes, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        CalibrationTrials(**GOOD | changes)
    assert "\n" not in str(caught.value)


def test_trials_keep_copies_that_cannot_be_written():
    scores = np.array(GOOD["scores"])
    trials = CalibrationTrials(**GOOD | {"scores": scores})
    scores[0] = 7.0
    assert trials.scores[0] == 1.5
    with pytest.raises(ValueError, match="read-only"):
        trials.scores[0] = 7.0


def test_speakers_of_scores_are_those_that_target_trials_connect():
    scores = Scores(
        ["ann", "ann-2", "ann", "bob", "bob"],
        ["1.wav", "1.wav", "2.wav", "1.wav", "2.wav"],
        [3.0, 2.0, 0.0, 1.0, 0.5],
        ["target", "target", "nontarget", "nontarget", "nontarget"],
    )
    trials = CalibrationTrials.of(scores, {"snr_db": [1, 2, 3, 4, 5]})
    assert trials.model_speakers.tolist() == ["ann", "ann", "ann", "bob", "bob"]
    assert trials.test_speakers.tolist() == ["ann", "ann", "2.wav", "ann", "2.wav"]
    assert (trials.n_target, trials.n_nontarget, len(trials)) == (2, 3, 5)
    assert trials.measures["snr_db"].tolist() == [1, 2, 3, 4, 5]


def test_scores_without_labels_are_refused():
    scores = Scores(["a", "a", "b"], ["1", "2", "1"], [3.0, 2.0, 0.0], ["target", "unknown", None])
    with pytest.raises(InvalidInputError, match="2 of 3 trials have no label"):
        CalibrationTrials.of(scores)
