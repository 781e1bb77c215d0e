"""Closed-set identification: ties, several models of one speaker, lists with holes."""

import math

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    Scores,
    SpeakerConfusion,
    identification_accuracy,
    identification_from_matrix,
    identification_from_trials,
)


def trials(*rows):
    models, paths, scores = zip(*(row[:3] for row in rows), strict=True)
    labels = ["target" if row[3] else "nontarget" for row in rows]
    return Scores(list(models), list(paths), list(scores), labels)


def test_ties_count_against_the_system():
    matrix = np.zeros((3, 4))
    assert identification_accuracy(matrix, [0, 1, 2]) == 0
    assert identification_accuracy(matrix, [0, 1, 2], top_k=3) == 0
    assert identification_accuracy(matrix, [0, 1, 2], top_k=4) == 1


def test_top_k_by_hand():
    matrix = [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 5.0]]
    true = [0, 1, 2, 2]
    assert [identification_accuracy(matrix, true, top_k=k) for k in (1, 2, 3)] == [0.5, 0.75, 1.0]


def test_top_1_is_that_of_scikit_learn_without_ties():
    from sklearn.metrics import confusion_matrix, top_k_accuracy_score

    rng = np.random.default_rng(0)
    true = rng.integers(0, 7, 200)
    matrix = rng.normal(size=(200, 7))
    matrix[np.arange(200), true] += 1
    for k in (1, 2, 5):
        expected = top_k_accuracy_score(true, matrix, k=k, labels=range(7))
        assert identification_accuracy(matrix, true, top_k=k) == pytest.approx(expected)
    found = identification_from_matrix(matrix, true)
    np.testing.assert_array_equal(
        found.confusion_matrix(), confusion_matrix(true, matrix.argmax(axis=1), labels=range(7))
    )


def test_confusions_are_counted_and_sorted():
    matrix = [[0.0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 0, 2], [5, 0, 0]]
    found = identification_from_matrix(matrix, [0, 0, 0, 1, 2], model_names=("a", "b", "c"))
    assert found.confusions() == (
        SpeakerConfusion("a", "b", 2, 3),
        SpeakerConfusion("b", "c", 1, 1),
        SpeakerConfusion("c", "a", 1, 1),
    )
    np.testing.assert_array_equal(found.confusion_matrix(), [[1, 2, 0], [0, 0, 1], [1, 0, 0]])


def test_a_tie_is_confused_with_the_first_other():
    found = identification_from_matrix([[1.0, 1.0, 1.0]], [1], model_names=("a", "b", "c"))
    assert found.confusions() == (SpeakerConfusion("b", "a", 1, 1),)


def test_minus_infinity_everywhere_is_an_error_too():
    for true in range(3):
        found = identification_from_matrix(np.full((1, 3), -math.inf), [true])
        assert found.ranks.tolist() == [3]
        assert found.chosen[0] != true
    assert identification_accuracy([[0.0, -math.inf]], [0]) == 1


def test_recordings_without_both_kinds_of_trial_are_left_out_and_counted():
    found = identification_from_trials(
        trials(
            ("a", "1", 2.0, True),
            ("b", "1", 1.0, False),
            ("c", "1", 3.0, False),
            ("a", "stranger", 5.0, False),
            ("b", "alone", 5.0, True),
            ("b", "2", 2.0, True),
            ("a", "2", 1.0, False),
        )
    )
    assert (found.n_tests, found.n_skipped, found.n_candidates) == (2, 2, (2, 3))
    assert found.accuracy() == 0.5
    assert found.accuracy(top_k=2) == 1
    assert found.confusions() == (SpeakerConfusion("a", "c", 1, 1),)
    assert found.path_index.tolist() == [0, 1]


def test_the_best_of_a_speakers_models_counts():
    found = identification_from_trials(
        trials(("ann-1", "x", 0.0, True), ("ann-2", "x", 2.0, True), ("bob", "x", 1.0, False))
    )
    assert found.ranks.tolist() == [1]
    assert found.model_names[found.true[0]] == "ann-2"


def test_a_trial_listed_twice_counts_once():
    rows = [("a", "x", 1.0, True), ("b", "x", 2.0, False), ("b", "x", 2.0, False)]
    assert identification_from_trials(trials(*rows)).ranks.tolist() == [2]
    with pytest.raises(InvalidInputError, match=r"'b' and path 'x' are listed twice \(rows 1 and"):
        identification_from_trials(trials(*rows, ("b", "x", 2.5, False)))
    with pytest.raises(InvalidInputError, match="different scores or labels"):
        identification_from_trials(trials(*rows, ("a", "x", 1.0, False)))


def test_nobody_to_identify():
    assert identification_from_trials(trials(("a", "x", 1.0, True), ("a", "y", 0.0, False))) is None


@pytest.mark.parametrize(
    ("matrix", "true", "message"),
    [
        ([1.0, 2.0], [0], "matrix of tests by models, found shape (2,)"),
        (np.zeros((0, 3)), [], "found shape (0, 3)"),
        ([[1.0, math.nan]], [0], "row 0, column 1 is NaN"),
        ([[1.0, 2.0]], [2], "row 0 is 2; must be a column of the 2 models"),
        ([[1.0, 2.0]], [-1], "row 0 is -1; must be a column of the 2 models"),
        ([[1.0, 2.0]], [0, 1], "1 whole numbers"),
        ([[1.0, 2.0]], [0.0], "1 whole numbers"),
    ],
)
def test_matrices_refused(matrix, true, message):
    with pytest.raises(InvalidInputError) as caught:
        identification_accuracy(matrix, true)
    assert message in str(caught.value)


def test_options_refused():
    with pytest.raises(InvalidInputError, match=r"top_k must .* found 0"):
        identification_accuracy([[1.0]], [0], top_k=0)
    with pytest.raises(InvalidInputError, match="1 names for 2 models"):
        identification_from_matrix([[1.0, 2.0]], [0], model_names=("a",))
