"""Topologies: what may follow what, and what is refused."""

import itertools
import pickle

import numpy as np
import pytest

from speakergmm import records
from speakergmm.errors import InvalidInputError
from speakergmm.hmm import Topology
from speakergmm.hmm.models import ENTRY


def arcs_of(topology):
    return {
        (int(s), int(t)): float(p)
        for s, t, p in zip(topology.source, topology.target, topology.probability, strict=True)
    }


def shortest_by_trying(topology):
    """Try all state sequences of 0, 1, 2, ... frames."""
    allowed = set(arcs_of(topology))
    for n_frames in range(topology.n_states + 1):
        for states in itertools.product(range(topology.n_states), repeat=n_frames):
            path = [ENTRY, *states, topology.n_states]
            if all(arc in allowed for arc in itertools.pairwise(path)):
                return n_frames
    raise AssertionError("no way through")


ALL = {
    "left-right": Topology.left_right(3),
    "one state": Topology.left_right(1),
    "bakis": Topology.left_right(5, skips=1),
    "long skips": Topology.left_right(4, skips=2),
    "silence": Topology.silence(5),
    "short silence": Topology.silence(3),
    "pause": Topology.short_pause(),
    "ergodic": Topology.ergodic(3),
}


def test_left_right():
    assert arcs_of(Topology.left_right(2, self_loop=0.6)) == pytest.approx(
        {(-1, 0): 1.0, (0, 0): 0.6, (0, 1): 0.4, (1, 1): 0.6, (1, 2): 0.4}
    )


def test_skips_pass_over_states_and_the_exit_counts_as_one():
    assert arcs_of(Topology.left_right(3, skips=1, self_loop=0.5)) == pytest.approx(
        {
            (-1, 0): 1.0, (0, 0): 0.5, (0, 1): 0.25, (0, 2): 0.25,
            (1, 1): 0.5, (1, 2): 0.25, (1, 3): 0.25, (2, 2): 0.5, (2, 3): 0.5,
        }
    )  # fmt: skip


def test_silence_goes_through_its_inner_states_in_any_order():
    arcs = arcs_of(Topology.silence(4))
    assert {arc for arc in arcs if arc[0] == 0} == {(0, 0), (0, 1), (0, 2)}
    assert {arc for arc in arcs if arc[0] in (1, 2)} == {
        (source, target) for source in (1, 2) for target in (1, 2, 3)
    }
    assert {arc for arc in arcs if arc[0] == 3} == {(3, 3), (3, 4)}


def test_short_pause_can_be_passed_over():
    topology = Topology.short_pause(skip=0.3, self_loop=0.9)
    assert arcs_of(topology) == pytest.approx(
        {(-1, 0): 0.7, (-1, 1): 0.3, (0, 0): 0.9, (0, 1): 0.1}
    )
    assert topology.is_tee
    assert topology.shortest_duration == 0


def test_ergodic_has_every_arc():
    arcs = arcs_of(Topology.ergodic(2))
    assert set(arcs) == {(-1, 0), (-1, 1), *itertools.product((0, 1), (0, 1, 2))}
    assert not Topology.ergodic(2).is_tee


@pytest.mark.parametrize("name", ALL)
def test_probabilities_sum_to_one_by_source(name):
    arcs = arcs_of(ALL[name])
    for source in range(-1, ALL[name].n_states):
        assert sum(p for arc, p in arcs.items() if arc[0] == source) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ALL)
def test_shortest_duration_is_that_of_trying(name):
    assert ALL[name].shortest_duration == shortest_by_trying(ALL[name])


@pytest.mark.parametrize("name", ALL)
def test_comes_back_from_a_record_and_another_process(name):
    topology = ALL[name]
    for other in (
        records.of_arrays(Topology, *records.to_arrays(topology), kind="topology", source="here"),
        pickle.loads(pickle.dumps(topology)),
    ):
        assert other == topology
        assert hash(other) == hash(topology)
        assert not other.probability.flags.writeable


def test_differs_from_others():
    assert len({*ALL.values(), *ALL.values()}) == len(ALL)
    assert Topology.left_right(3, self_loop=0.5) != Topology.left_right(3)
    assert Topology.left_right(3) != "a topology"


def test_arrays_are_copies_that_nobody_changes():
    probability = np.array([1.0, 0.5, 0.5])
    topology = Topology(1, np.array([-1, 0, 0]), np.array([0, 0, 1]), probability)
    probability[1] = 7.0
    assert topology.probability[1] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        topology.probability[0] = 0.5


@pytest.mark.parametrize(
    ("n_states", "arcs", "message"),
    [
        (0, [], "n_states must be a whole number >= 1, found 0"),
        (1, [(-1, 0, 1.0), (0, 2, 1.0)], "from 0 to 2 leads out"),
        (1, [(-1, 0, 1.0), (1, 0, 1.0)], "from 1 to 0 leads out"),
        (1, [(-1, -1, 1.0), (0, 1, 1.0)], "from -1 to -1 leads out"),
        (1, [(-1, 0, 1.0), (0, 1, 0.5), (0, 1, 0.5)], "twice"),
        (1, [(-1, 0, 1.0), (0, 0, 0.5), (0, 1, 0.4)], "state 0 sum to 0.9"),
        (1, [(-1, 0, 0.5), (0, 1, 1.0)], "the entry sum to 0.5"),
        (1, [(-1, 0, 1.0), (0, 0, 0.0), (0, 1, 1.0)], "above 0"),
        (1, [(-1, 0, 1.0), (0, 0, 1.5), (0, 1, -0.5)], "above 0"),
        (1, [(-1, 0, 1.0), (0, 1, np.nan)], "above 0"),
        (1, [(-1, 0, 1.0), (0, 0, 1.0)], "state 0 .* reached or left"),
        (2, [(-1, 0, 1.0), (0, 2, 1.0), (1, 2, 1.0)], "state 1 .* reached or left"),
    ],
)
def test_refuses_what_is_no_topology(n_states, arcs, message):
    with pytest.raises(InvalidInputError, match=message):
        Topology.from_arcs(n_states, arcs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Topology.left_right(0),
        lambda: Topology.left_right(2.0),
        lambda: Topology.ergodic(2.0),
        lambda: Topology.left_right(2, skips=-1),
        lambda: Topology.left_right(2, self_loop=1.0),
        lambda: Topology.silence(2),
        lambda: Topology.ergodic(0),
        lambda: Topology.short_pause(skip=0.0),
        lambda: Topology(2, np.array([-1, 0]), np.array([0]), np.array([1.0])),
    ],
)
def test_refuses_options_out_of_range(make):
    with pytest.raises(InvalidInputError):
        make()
