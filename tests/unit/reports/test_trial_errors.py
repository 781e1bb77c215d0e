"""Errors to listen to, goats and lambs, worked out by hand."""

import numpy as np

from speakergmm.metrics import Scores
from speakergmm.reports import SpeakerErrors, find_menagerie, worst_false_alarms, worst_misses

ROWS = [
    ("ann", "a1", 9.0, "target"),
    ("ann", "a2", 1.0, "target"),
    ("ann", "a3", -np.inf, "target"),
    ("bob", "b1", 2.0, "target"),
    ("ann", "b1", 5.0, "nontarget"),
    ("bob", "a1", 7.0, "nontarget"),
    ("bob", "a2", 5.0, "nontarget"),
    ("bob", "a3", 4.9, "nontarget"),
]
SCORES = Scores(*zip(*ROWS, strict=True))


def test_the_worst_errors_come_first_and_ties_keep_their_order():
    found = worst_false_alarms(SCORES, threshold=5.0)
    assert [(each.model, each.path, each.score) for each in found] == [
        ("bob", "a1", 7.0),
        ("ann", "b1", 5.0),
        ("bob", "a2", 5.0),
    ]
    assert [each.path for each in worst_misses(SCORES, threshold=5.0)] == ["a3", "a2", "b1"]
    assert len(worst_misses(SCORES, threshold=5.0, n_trials=1)) == 1
    assert worst_misses(SCORES, threshold=-np.inf) == ()
    assert worst_false_alarms(SCORES, threshold=8.0) == ()


def test_goats_are_missed_lambs_and_wolves_accepted_as_others():
    found = find_menagerie(SCORES, threshold=5.0)
    assert found.goats == (SpeakerErrors("ann", 2, 3), SpeakerErrors("bob", 1, 1))
    assert found.lambs == (SpeakerErrors("bob", 2, 3), SpeakerErrors("ann", 1, 1))
    assert found.wolves == (SpeakerErrors("ann", 2, 3), SpeakerErrors("bob", 1, 1))
    assert find_menagerie(SCORES, threshold=5.0, n_speakers=1).goats == found.goats[:1]


def test_two_models_of_a_speaker_are_one_speaker():
    rows = [
        ("ann-1", "a", 1.0, "target"),
        ("ann-2", "a", 1.0, "target"),
        ("ann-1", "x", 9.0, "nontarget"),
        ("ann-2", "x", 9.0, "nontarget"),
    ]
    found = find_menagerie(Scores(*zip(*rows, strict=True)), threshold=5.0)
    assert found.lambs == (SpeakerErrors("ann-1", 2, 2),)
    assert found.goats == (SpeakerErrors("ann-1", 2, 2),)
