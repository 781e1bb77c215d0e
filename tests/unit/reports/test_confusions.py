"""Rows of the confusion tables, worked out by hand."""

import numpy as np

from speakergmm.metrics import Scores, identification_from_matrix
from speakergmm.reports import (
    FalseAcceptance,
    most_confused,
    most_falsely_accepted,
)


def identified(true, chosen, names):
    matrix = np.zeros((len(true), len(names)))
    matrix[np.arange(len(true)), chosen] = 1
    return identification_from_matrix(matrix, true, model_names=names)


def test_those_with_most_errors_come_first_and_the_rest_is_summed():
    # a to b twice, b to c, d to e; c and e only as the wrongly chosen; f without error.
    found = identified([0, 0, 0, 1, 1, 3, 5], [1, 1, 0, 2, 1, 4, 5], tuple("abcdef"))
    table = most_confused(found, n_speakers=2)
    assert table.names == ("b", "a")
    assert table.counts.tolist() == [[1, 0], [2, 1]]
    assert table.others.tolist() == [1, 0]
    assert table.n_confused == 5
    whole = most_confused(found)
    assert whole.names == ("b", "a", "c", "d", "e")
    assert whole.others.sum() == 0
    assert whole.counts.sum() == 6


def test_without_errors_there_are_no_rows():
    table = most_confused(identified([0, 1], [0, 1], ("a", "b")))
    assert table.names == ()
    assert table.counts.shape == (0, 0)


def test_false_acceptances_are_counted_by_model_and_speaker():
    rows = [
        ("ann", "a1", 9, True),
        ("bob", "b1", 9, True),
        ("bob", "b2", 9, True),
        ("ann", "b1", 5, False),
        ("ann", "b2", 5, False),
        ("bob", "a1", 5, False),
        ("ann", "stranger", 4, False),
        ("bob", "stranger", 6, False),
        ("cat", "a1", 4.9, False),
    ]
    models, paths, scores, own = zip(*rows, strict=True)
    listed = Scores(models, paths, scores, ["target" if each else "nontarget" for each in own])
    assert most_falsely_accepted(listed, threshold=5) == (
        FalseAcceptance("ann", "bob", 2, 2),
        FalseAcceptance("bob", "ann", 1, 1),
        FalseAcceptance("bob", "stranger", 1, 1),
    )
    assert most_falsely_accepted(listed, threshold=5, n_pairs=1)[0].accepted == 2
    assert most_falsely_accepted(listed, threshold=7) == ()
