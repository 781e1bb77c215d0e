"""Transitions: the maximum of the likelihood of counts, with and without a floor."""

import itertools
import math

import numpy as np
import pytest
from oracles.hmm_training import transition_auxiliary

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Topology, Transitions

TOPOLOGIES = [
    Topology.left_right(2),
    Topology.silence(4),
    Topology.short_pause(),
    Topology.ergodic(3),
]


def groups_of(topologies):
    """Numbers of the arcs that leave the same state of the same unit."""
    groups, first = [], 0
    for topology in topologies:
        for state in range(-1, topology.n_states):
            groups.append([first + i for i in np.flatnonzero(topology.source == state)])
        first += topology.n_arcs
    return groups


def test_begins_with_the_topologies():
    transitions = Transitions.from_topologies(TOPOLOGIES)
    assert transitions.n_arcs == sum(t.n_arcs for t in TOPOLOGIES)
    for number, topology in enumerate(TOPOLOGIES):
        part = slice(transitions.first[number], transitions.first[number + 1])
        np.testing.assert_array_equal(transitions.probability[part], topology.probability)
    for group in groups_of(TOPOLOGIES):
        assert len(set(transitions.group[group])) == 1
    assert len(set(transitions.group)) == len(groups_of(TOPOLOGIES))


def test_update_is_relative_frequency():
    transitions = Transitions.from_topologies([Topology.left_right(1)])
    updated = transitions.updated([10.0, 30.0, 10.0])
    np.testing.assert_allclose(updated.probability, [1.0, 0.75, 0.25], rtol=1e-15)
    np.testing.assert_array_equal(transitions.probability, [1.0, 0.75, 0.25])


@pytest.mark.parametrize("floor", [0.0, 0.02, 0.1, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_update_is_the_maximum_under_the_floor(floor, seed):
    """Any small move of probability from one arc to another, within the floor, makes it worse."""
    rng = np.random.default_rng(seed)
    start = Transitions.from_topologies(TOPOLOGIES)
    counts = rng.gamma(0.5, 10.0, start.n_arcs)
    probability = start.updated(counts, floor=floor).probability
    step = 1e-4
    for group in groups_of(TOPOLOGIES):
        least = min(floor, 0.5 / len(group))
        here = probability[group]
        assert here.sum() == pytest.approx(1.0, abs=1e-12)
        assert (here >= least * (1 - 1e-12)).all()
        value = transition_auxiliary(counts[group], here)
        for raised, lowered in itertools.permutations(range(len(group)), 2):
            moved = here.copy()
            moved[raised] += step
            moved[lowered] -= step
            if moved[lowered] >= max(least, 1e-12):
                assert transition_auxiliary(counts[group], moved) < value


def test_floored_arcs_push_others_to_the_floor_too():
    """Raising one arc takes from the others; one that was just above must not end below."""
    topology = Topology.ergodic(3)
    counts = np.array([1.0, 1.0, 1.0, 0.0, 101.0, 399.0, 500.0, *[1.0] * 8])
    updated = Transitions.from_topologies([topology]).updated(counts, floor=0.1)
    found = updated.probability[3:7]
    assert found.min() >= 0.1 - 1e-15
    np.testing.assert_allclose(found[2] / found[3], 399 / 500)
    np.testing.assert_allclose(found[:2], 0.1)


def test_a_floor_above_an_equal_share_is_half_of_one():
    transitions = Transitions.from_topologies([Topology.left_right(1)])
    np.testing.assert_allclose(
        transitions.updated([1.0, 100.0, 0.0], floor=0.8).probability, [1.0, 0.75, 0.25]
    )


@pytest.mark.parametrize("floor", [0.0, 0.05])
def test_states_without_counts_keep_theirs(floor):
    transitions = Transitions.from_topologies([Topology.left_right(2, self_loop=0.9)])
    updated = transitions.updated([5.0, 3.0, 1.0, 0.0, 0.0], floor=floor)
    np.testing.assert_allclose(updated.probability, [1.0, 0.75, 0.25, 0.9, 0.1])


def test_logarithms_of_arcs_never_taken():
    updated = Transitions.from_topologies([Topology.left_right(1)]).updated([1.0, 0.0, 1.0])
    assert updated.log_probability().tolist() == [0.0, -math.inf, 0.0]


@pytest.mark.parametrize(
    "counts", [[1.0], [1.0, -1.0, 1.0], [1.0, np.nan, 1.0], [1.0, np.inf, 1.0], [[1.0, 1.0, 1.0]]]
)
def test_refuses_what_are_no_counts(counts):
    with pytest.raises(InvalidInputError, match="3 finite numbers"):
        Transitions.from_topologies([Topology.left_right(1)]).updated(counts)


@pytest.mark.parametrize("floor", [-0.1, 1.0, np.nan])
def test_refuses_floors_out_of_range(floor):
    transitions = Transitions.from_topologies([Topology.left_right(1)])
    with pytest.raises(InvalidInputError, match="floor"):
        transitions.updated([1.0, 1.0, 1.0], floor=floor)


def test_probabilities_are_copies_that_nobody_changes():
    transitions = Transitions.from_topologies(TOPOLOGIES)
    for array in (transitions.probability, transitions.updated(transitions.probability).group):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_comes_back_from_its_probabilities():
    transitions = Transitions.from_topologies(TOPOLOGIES)
    rng = np.random.default_rng(0)
    updated = transitions.updated(rng.gamma(1.0, 1.0, transitions.n_arcs))
    again = Transitions.from_probabilities(TOPOLOGIES, updated.probability)
    for name in ("first", "group", "probability"):
        np.testing.assert_array_equal(getattr(again, name), getattr(updated, name))


@pytest.mark.parametrize(
    "stored", [[1.0, 0.5], [1.0, 0.5, 0.6], [1.0, 1.5, -0.5], [1.0, np.nan, 0.5]]
)
def test_refuses_arrays_that_are_no_probabilities(stored):
    with pytest.raises(InvalidInputError, match="transition probabilities"):
        Transitions.from_probabilities([Topology.left_right(1)], np.array(stored))
