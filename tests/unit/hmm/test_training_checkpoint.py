"""Interrupted embedded training ends as if nothing had happened; bad checkpoints are refused."""

import dataclasses
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.checkpoints import KIND, CheckpointWarning
from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import IncompatibleModelError, ModelFormatError, SpeakerGmmError
from speakergmm.hmm import (
    Lexicon,
    Topology,
    TrainingSchedule,
    compile_transcript,
    train_phone_models,
)
from speakergmm.records import to_arrays
from speakergmm.run_context import RunContext

TOPOLOGIES = {"A": Topology.left_right(2), "B": Topology.left_right(1), "S": Topology.silence(3)}
LEXICON = Lexicon.from_dict({"ab": ["A B", "B"], "a": "A"})
ALGORITHMS = ["baum-welch", "viterbi"]


def make_world(n=12, n_features=2, silence_probability=0.5):
    """Utterances of which one is too short, flat models, graphs."""
    rng = np.random.default_rng(0)
    truth = oracle.random_models(rng, TOPOLOGIES, sizes=(2,), n_features=n_features)
    models = oracle.random_models(rng, TOPOLOGIES, n_features=n_features)
    transcripts = [["ab", "a", "ab"][: 1 + i % 3] for i in range(n)]
    frames = [oracle.sample(rng, truth, words, LEXICON, silence="S") for words in transcripts]
    frames[n // 2] = frames[n // 2][:1]
    transcripts[n // 2] = ["a", "ab"]
    graphs = [
        compile_transcript(
            words, LEXICON, models, silence="S", silence_probability=silence_probability
        )
        for words in transcripts
    ]
    return {"models": models, "graphs": graphs, "frames": frames}


def make_schedule(algorithm="viterbi", max_iter=9, **options):
    defaults = {
        "algorithm": algorithm, "start": "equal", "max_iter": max_iter,
        "n_gaussians": 14, "grow_until": 6, "min_frames_per_gaussian": 1.0, "min_occupancy": 1.0,
        "realign": (1, 2, 5),
    }  # fmt: skip
    return TrainingSchedule(**(defaults | options))


def train(world, path=None, schedule=None, **options):
    run = {
        name: options.pop(name) for name in ("callback", "checkpoint_seconds") if name in options
    }
    return train_phone_models(
        **world, schedule=schedule or make_schedule(),
        run=RunContext(checkpoint=path, **({"checkpoint_seconds": 0.0} | run)), **options,
    )  # fmt: skip


def arrays_of(result):
    arrays, _ = to_arrays(result.models)
    rows = [dataclasses.astuple(h) for h in result.history]
    return arrays | {"history": np.array(rows), "occupancy": result.occupancy}


def assert_identical(one, other):
    arrays = arrays_of(other)
    for name, array in arrays_of(one).items():
        assert array.tobytes() == arrays[name].tobytes(), name
    assert one.failed == other.failed


class Interrupted(Exception):
    pass


def interrupt_at(iteration, error=Interrupted):
    def callback(state):
        if state.iteration == iteration:
            raise error

    return callback


class Heard:
    def __init__(self):
        self.iterations = []

    def __call__(self, state):
        self.iterations.append(state.iteration)


@pytest.fixture(scope="module")
def world():
    return make_world()


@pytest.mark.slow
@pytest.mark.parametrize("start", ["flat", "equal"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_goes_on_to_the_same_result_wherever_it_was_interrupted(tmp_path, world, algorithm, start):
    schedule = make_schedule(algorithm, start=start)
    whole = train(world, schedule=schedule)
    assert [f.place for f in whole.failed] == [6]
    for iteration in (1, 2, 5, 8, 9):
        path = tmp_path / f"{iteration}.ckpt"
        with pytest.raises(Interrupted):
            train(world, path, schedule, callback=interrupt_at(iteration))
        assert path.exists()
        heard = Heard()
        resumed = train(world, path, schedule, callback=heard)
        assert_identical(resumed, whole)
        # None is done again but the last one, whose end is not kept.
        assert heard.iterations == list(range(min(iteration + 1, 9), 10))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_unwritten_state_is_written_when_an_exception_ends_training(tmp_path, world):
    path, whole = tmp_path / "c", train(world)
    for error in (Interrupted, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            train(world, path, checkpoint_seconds=1e6, callback=interrupt_at(4, error))
        heard = Heard()
        resumed = train(world, path, callback=heard)
        assert_identical(resumed, whole)
        assert heard.iterations[0] == 5


def test_an_interruption_within_an_iteration_leaves_the_last_one(tmp_path, world):
    """A store that fails while frames are read, in the middle of an expectation step."""

    class Breaking(list):
        reads = 0

        def __getitem__(self, place):
            self.reads += 1
            if self.reads == 12 * 6:
                raise Interrupted
            return super().__getitem__(place)

    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        train(world | {"frames": Breaking(world["frames"])}, path)
    heard = Heard()
    resumed = train(world, path, callback=heard)
    assert_identical(resumed, train(world))
    assert 1 < heard.iterations[0] < 9


def test_writes_no_more_often_than_asked(tmp_path, world, monkeypatch):
    import speakergmm.checkpoints as module

    now, written = [0.0], []
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    save = module.containers.save_arrays
    monkeypatch.setattr(
        module.containers, "save_arrays", lambda *a, **k: written.append(now[0]) or save(*a, **k)
    )

    def tick(_):
        now[0] += 1.0

    train(world, tmp_path / "c", checkpoint_seconds=3.0, callback=tick)
    assert written == [3.0, 6.0]


PROGRAM = """
import sys, time
sys.path.insert(0, 'tests')
from unit.hmm.test_training_checkpoint import make_schedule, make_world, train
path, algorithm = sys.argv[1:]
world = make_world(40, 6)

def tell(state):
    print(state.iteration, flush=True)
    # Else a fast machine is done before the last kill.
    time.sleep(0.01)

train(world, path, make_schedule(algorithm, 20), callback=tell)
"""


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_kill_at_any_moment_changes_nothing(tmp_path, algorithm, request):
    rng = np.random.default_rng()
    path = tmp_path / "c.ckpt"
    command = [sys.executable, "-c", PROGRAM, str(path), algorithm]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=request.config.rootpath
    ) as process:
        numbers = []
        for line in process.stdout:
            numbers.append(int(line))
            if len(numbers) == 4:
                time.sleep(rng.uniform(0.0, 0.04))
                process.kill()
    assert process.returncode == -signal.SIGKILL, "it must not have ended before the kill"
    load_arrays(path, kind=KIND)
    # Another process goes on. An iteration is heard of after its checkpoint is on disk: none is
    # done again.
    heard, schedule = Heard(), make_schedule(algorithm, 20)
    resumed = train(make_world(40, 6), path, schedule, callback=heard)
    assert heard.iterations[0] > numbers[-1]
    assert not path.exists()
    assert_identical(train(make_world(40, 6), schedule=schedule), resumed)


@pytest.mark.slow
def test_other_trainings_are_refused_by_name(tmp_path, world):
    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        train(world, path, callback=interrupt_at(3))
    before = path.read_bytes()
    moved = [*world["frames"][:-1], world["frames"][-1] + 1e-6]
    swapped = [*world["graphs"][1:], world["graphs"][0]]
    quiet = make_world(silence_probability=0.4)["graphs"]
    other = make_world()["models"]
    arrays = other.transitions.updated(np.ones(other.transitions.n_arcs))
    for changes, words in [
        ({"frames": moved}, "frames"),
        ({"graphs": swapped}, "transcripts"),
        ({"graphs": quiet}, "transcripts"),
        ({"models": other.with_parameters(transitions=arrays)}, "models"),
        ({"seed": 3}, "seed (0 there, 3 here)"),
        ({"flat": False}, "flat (True there, False here)"),
        ({"silence_pdfs": np.array([3, 4, 5], np.int32)}, "silence_pdfs"),
        ({"schedule": make_schedule("baum-welch")}, "algorithm (viterbi there, baum-welch here)"),
        ({"schedule": make_schedule(max_iter=10)}, "max_iter (9 there, 10 here)"),
        ({"schedule": make_schedule(realign=(1, 2))}, "realign"),
        ({"schedule": make_schedule(annealing=(0.5,))}, "annealing"),
    ]:
        names = {"models", "graphs", "frames"} & set(changes)
        given = world | {name: changes[name] for name in names}
        options = {name: value for name, value in changes.items() if name not in names}
        with pytest.raises(IncompatibleModelError) as caught:
            train(given, path, **options)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert path.read_bytes() == before
    # The number of jobs and how often it is written are nobody's business.
    resumed = train(world, path, engine=2, checkpoint_seconds=9.0)
    assert_identical(resumed, train(world))


def with_frame_moved(frames):
    """The last frame of one utterance at the beginning of the next: the same frames in order."""
    return [frames[0][:-1], np.concatenate([frames[0][-1:], frames[1]]), *frames[2:]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda frames: [X[::-1] for X in frames],
        lambda frames: [frames[0][np.r_[1, 0, 2 : len(frames[0])]], *frames[1:]],
        lambda frames: [*frames[1:], frames[0]],
        with_frame_moved,
    ],
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_frames_in_another_order_are_another_training(tmp_path, world, algorithm, change):
    """Though their mean and variance are the same."""
    path, schedule = tmp_path / "c", make_schedule(algorithm)
    with pytest.raises(Interrupted):
        train(world, path, schedule, callback=interrupt_at(3))
    other = world | {"frames": change(world["frames"])}
    with pytest.raises(IncompatibleModelError, match="differs in frames"):
        train(other, path, schedule)
    # Where they are kept, and in what memory, is nobody's business.
    strided = world | {"frames": tuple(np.asfortranarray(X) for X in world["frames"])}
    assert_identical(train(strided, path, schedule), train(world, schedule=schedule))


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: {"skeleton": replaced(graph.skeleton, "entry_state", last_first)},
        lambda graph: {"skeleton": replaced(graph.skeleton, "exit_state", last_first)},
        lambda graph: {"arcs": replaced(graph.arcs, "transition", last_first)},
        lambda graph: {"entries": replaced(graph.entries, "owner", last_first)},
        lambda graph: {"exits": replaced(graph.exits, "transition", last_first)},
    ],
)
def test_graphs_that_begin_or_end_otherwise_are_another_training(tmp_path, world, change):
    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        train(world, path, callback=interrupt_at(3))
    first = dataclasses.replace(world["graphs"][0], **change(world["graphs"][0]))
    with pytest.raises(IncompatibleModelError, match="differs in transcripts"):
        train(world | {"graphs": [first, *world["graphs"][1:]]}, path)


def replaced(item, name, change):
    return dataclasses.replace(item, **{name: change(getattr(item, name))})


def last_first(values):
    assert len(set(values.tolist())) > 1, "else nothing is changed"
    return values[::-1].copy()


def moved_by_one(arrays, name):
    """Take the last number of one path for the first of the next one."""
    lengths = arrays[f"{name}.length"].copy()
    lengths[:2] += [-1, 1]
    arrays[f"{name}.length"] = lengths


def edited(path, change):
    arrays, metadata = load_arrays(path, kind=KIND)
    arrays = dict(arrays)
    change(arrays, metadata)
    save_arrays(path, arrays, kind=KIND, metadata=metadata)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, metadata: arrays.pop("runs.values"),
        lambda arrays, metadata: arrays.pop("occupancy"),
        lambda arrays, metadata: arrays.update({"runs.values": arrays["runs.values"] + 99}),
        lambda arrays, metadata: arrays.update({"taken.values": arrays["taken.values"] - 99}),
        lambda arrays, metadata: arrays.update({"runs.length": arrays["runs.length"][:-1]}),
        lambda arrays, metadata: arrays.update({"runs.length": arrays["runs.length"] + 1}),
        lambda arrays, metadata: moved_by_one(arrays, "durations"),
        lambda arrays, metadata: moved_by_one(arrays, "times"),
        lambda arrays, metadata: arrays.update(fixed=arrays["fixed"][:-1]),
        lambda arrays, metadata: arrays.update(has_path=arrays["has_path"][:-1]),
        lambda arrays, metadata: arrays.update({"runs.values": arrays["runs.values"] * 1.0}),
        lambda arrays, metadata: arrays.update(
            {"models.bank.means": arrays["models.bank.means"][:-1]}
        ),
        lambda arrays, metadata: arrays.update(
            {"models.bank.covariances": -arrays["models.bank.covariances"]}
        ),
        lambda arrays, metadata: metadata.pop("fingerprint"),
        lambda arrays, metadata: metadata.pop("state"),
        lambda arrays, metadata: metadata["state"].pop("iteration"),
        lambda arrays, metadata: metadata["state"].update(iteration="third"),
        lambda arrays, metadata: metadata["state"].update(history=[{"iteration": 0}]),
        lambda arrays, metadata: metadata["state"].update(history=7),
        lambda arrays, metadata: metadata["state"].update(failed=[7]),
        lambda arrays, metadata: metadata["state"].update(models=[]),
    ],
)
def test_refuses_a_file_whose_parts_do_not_fit(tmp_path, world, change):
    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        train(world, path, callback=interrupt_at(3))
    edited(path, change)
    before = path.read_bytes()
    with pytest.raises(ModelFormatError) as caught:
        train(world, path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_refuses_damaged_and_foreign_files(tmp_path, world):
    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        train(world, path, callback=interrupt_at(3))
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    flipped = bytearray(whole)
    flipped[int(rng.integers(len(whole) // 2, len(whole)))] ^= 0x10
    for content in (b"", whole[:100], whole[:-1], bytes(flipped), b"RIFF" + bytes(99)):
        path.write_bytes(content)
        with pytest.raises(ModelFormatError, match="c"):
            train(world, path)
        assert path.read_bytes() == content
    save_arrays(path, {"a": np.ones(2)}, kind="something else", metadata={})
    with pytest.raises(ModelFormatError, match="something else"):
        train(world, path)


def test_refuses_places_where_nothing_can_be_written(tmp_path, world):
    with pytest.raises(SpeakerGmmError):
        train(world, tmp_path / "nowhere" / "c")
    with pytest.raises(SpeakerGmmError):
        train(world, tmp_path)


def test_a_full_disk_is_a_warning(tmp_path, world, monkeypatch):
    import speakergmm.checkpoints as module

    def full(*_, **__):
        raise SpeakerGmmError("no space left on device")

    monkeypatch.setattr(module.containers, "save_arrays", full)
    with pytest.warns(CheckpointWarning, match="no space left"):
        result = train(world, tmp_path / "c")
    assert_identical(result, train(world))
