"""Tying: which states share a pdf."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Topology, Tying

THREE = Topology.left_right(3)
PAUSE = Topology.short_pause()


def test_independent_states_are_numbered_in_order():
    tying = Tying.independent([THREE, PAUSE, THREE])
    assert tying.n_pdfs == 7
    assert [tying.pdfs(unit).tolist() for unit in range(3)] == [[0, 1, 2], [3], [4, 5, 6]]


def test_a_short_pause_shares_the_middle_of_silence():
    tying = Tying.shared([PAUSE, THREE, THREE], {(0, 0): (2, 1), (1, 0): (1, 2)})
    assert [tying.pdfs(unit).tolist() for unit in range(3)] == [[3], [1, 0, 1], [2, 3, 4]]
    assert tying.n_pdfs == 5


def test_ids_are_copies_that_nobody_changes():
    ids = np.array([0, 1], np.int32)
    tying = Tying(np.array([0, 2]), ids)
    ids[0] = 1
    assert tying.pdfs(0).tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        tying.pdfs(0)[0] = 1


def test_nothing_shared_is_independent():
    shared, independent = Tying.shared([THREE, PAUSE], {}), Tying.independent([THREE, PAUSE])
    np.testing.assert_array_equal(shared.pdf_id, independent.pdf_id)
    np.testing.assert_array_equal(shared.first, independent.first)


@pytest.mark.parametrize(
    "same",
    [
        {(0, 0): (1, 3)},
        {(0, 0): (2, 0)},
        {(5, 0): (1, 0)},
        {(0, 0): (1, 0), (1, 0): (1, 1)},
        {(0, 0): (0, 0)},
    ],
)
def test_refuses_states_that_have_nothing_to_share(same):
    with pytest.raises(InvalidInputError, match="share its pdf"):
        Tying.shared([PAUSE, THREE], same)


@pytest.mark.parametrize("ids", [[], [0, 2], [1, 2], [-1, 0]])
def test_refuses_ids_that_leave_one_out(ids):
    with pytest.raises(InvalidInputError, match="pdf ids"):
        Tying(np.array([0, len(ids)]), np.array(ids, np.int32))


def test_comes_back_from_its_ids():
    tying = Tying.shared([PAUSE, THREE], {(0, 0): (1, 1)})
    again = Tying.from_ids([PAUSE, THREE], tying.pdf_id)
    np.testing.assert_array_equal(again.pdf_id, tying.pdf_id)
    np.testing.assert_array_equal(again.first, tying.first)
    with pytest.raises(InvalidInputError, match="for 3 states"):
        Tying.from_ids([THREE], tying.pdf_id)
