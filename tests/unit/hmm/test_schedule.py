"""Schedules of phone training: the work of each iteration, and options out of range."""

import json

import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.hmm import TrainingSchedule


def test_gaussians_grow_linearly_from_one_a_pdf():
    schedule = TrainingSchedule(n_gaussians=110, grow_until=10)
    assert [schedule.gaussians_after(i, 10) for i in range(12)] == [
        10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 110,
    ]  # fmt: skip
    assert TrainingSchedule(n_gaussians=7, grow_until=0).gaussians_after(0, 3) == 7


def test_realignments_of_kaldi():
    schedule = TrainingSchedule(algorithm="viterbi")
    found = [i for i in range(40) if schedule.realigns(i)]
    assert found == [*range(1, 11), 12, 14, 16, 18, 20, 23, 26, 29, 32, 35, 38]


def test_annealing_sums_over_paths_before_viterbi_training():
    schedule = TrainingSchedule(algorithm="viterbi", annealing=(0.1, 0.3), acoustic_scale=0.9)
    assert [schedule.sums_over_paths(i) for i in range(4)] == [True, True, False, False]
    assert [schedule.acoustic_scale_at(i) for i in range(4)] == [0.1, 0.3, 0.9, 0.9]
    assert all(TrainingSchedule().sums_over_paths(i) for i in range(40))


@pytest.mark.parametrize("annealing", [(), (0.1,)])
def test_a_flat_start_sums_whatever_the_annealing(annealing):
    flat = TrainingSchedule(algorithm="viterbi", annealing=annealing)
    assert [flat.sums_over_paths(i) for i in range(3)] == [True, False, False]
    equal = TrainingSchedule(algorithm="viterbi", start="equal", annealing=annealing)
    assert [equal.sums_over_paths(i) for i in range(3)] == [bool(annealing), False, False]
    assert flat.sums_over_paths(0, flat=False) == bool(annealing), (
        "models that know something have paths"
    )


def test_memory_is_limited_by_frames_and_states():
    schedule = TrainingSchedule(memory_gb=0.017)
    assert schedule.memory_excess(1000, 1000, sums=True) is None
    assert "1000 frames by 1001 states take 0.017 GB" in schedule.memory_excess(
        1000, 1001, sums=True
    )
    assert schedule.memory_excess(7000, 1000, sums=False) is None
    assert "cut the utterance into shorter" in schedule.memory_excess(8000, 1000, sums=False)
    # Ten minutes of 2,000 words, which would take 35 GB.
    assert "take 34.7 GB, more than the 2 GB" in TrainingSchedule().memory_excess(
        60000, 34005, sums=True
    )


def test_goes_through_json():
    schedule = TrainingSchedule(
        algorithm="viterbi", start="equal", annealing=(0.5,), realign=[1, 2], beam=10.0
    )
    assert TrainingSchedule(**json.loads(json.dumps(schedule.to_dict()))) == schedule
    assert hash(schedule)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "em"}, "one of baum-welch, viterbi, found 'em'"),
        ({"start": "random"}, "one of flat, equal, found 'random'"),
        ({"annealing": (0.5, 0.0)}, "annealing"),
        ({"annealing": (1.5,)}, "annealing"),
        ({"max_iter": 0}, "max_iter must be a whole number >= 1, found 0"),
        ({"max_iter": 2.5}, "max_iter must be a whole number >= 1, found 2.5"),
        ({"n_gaussians": 0}, "n_gaussians"),
        ({"n_gaussians": 10.5}, "n_gaussians"),
        ({"grow_until": -1}, "grow_until"),
        ({"power": -0.1}, "power"),
        ({"min_frames_per_gaussian": float("nan")}, "min_frames_per_gaussian"),
        ({"perturbation": float("inf")}, "perturbation"),
        ({"min_occupancy": -1.0}, "min_occupancy"),
        ({"variance_floor": 1.0}, "variance_floor must be finite, >= 0 and < 1"),
        ({"variance_floor": -0.1}, "variance_floor"),
        ({"transition_floor": 1.0}, "transition_floor must be finite, >= 0 and < 1"),
        ({"boost_silence": 0.0}, "boost_silence must be finite and > 0"),
        ({"acoustic_scale": -1.0}, "acoustic_scale"),
        ({"acoustic_scale": float("inf")}, "acoustic_scale"),
        ({"transition_scale": float("nan")}, "transition_scale"),
        ({"memory_gb": 0.0}, "memory_gb must be finite and > 0"),
        ({"memory_gb": float("inf")}, "memory_gb must be finite and > 0"),
        ({"beam": 0.0}, "beam must be finite and > 0"),
        ({"beam": float("nan")}, "beam must be finite and > 0"),
        ({"beam": 5.0, "retry_beam": "wide"}, "retry_beam must be finite and > 0"),
        ({"beam": 5.0, "retry_beam": 4.0}, "retry_beam must be no narrower"),
    ],
)
def test_refuses_what_is_out_of_range(options, message):
    with pytest.raises(InvalidInputError, match=message):
        TrainingSchedule(**options)
