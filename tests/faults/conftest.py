"""Faults are tested on real processes; the synthetic recordings are made once per session."""

import csv

import pytest
import soundfile
from faults.disks import Disk
from faults.trainings import Equipped, Training, World

from speakergmm.corpora import make_synthetic_corpus

N_WORDS, N_SENTENCES = 16, 8


@pytest.fixture(scope="session")
def kill_points(request):
    """How often each command is killed: `make faults-long` takes its time."""
    return 20 if request.config.getoption("--long") else 3


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("faults"))
    make_synthetic_corpus(
        made.corpus,
        n_background=4,
        n_dev=2,
        n_eval=2,
        n_background_utterances=3,
        n_enrolment_utterances=2,
        n_trial_utterances=2,
    )
    said = (made.sentences / "text").read_text(encoding="utf-8").splitlines()[:N_SENTENCES]
    rows = ["path\tspeaker\ttext"]
    for name, words in (line.split(" ", 1) for line in said):
        speaker = name.split("-")[0]
        rows.append(f"{made.sentences / speaker / name}.wav\t{speaker}\t{words}")
    made.transcribed.write_text("\n".join(rows), encoding="utf-8")
    with (made.sentences / "words.tsv").open(encoding="utf-8") as table:
        spoken = list(csv.DictReader(table, delimiter="\t"))[:N_WORDS]
    for number, word in enumerate(spoken):
        utterance = word["utterance"]
        samples, rate = soundfile.read(
            made.sentences / utterance.split("-")[0] / f"{utterance}.wav",
            start=int(word["first_sample"]),
            frames=int(word["n_samples"]),
        )
        folder = made.words / word["word"]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{number}.wav", samples, rate)
    return made


@pytest.fixture
def disk(tmp_path):
    """A disk of 4 MB, which commands see in a folder of their own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = Disk(folder, kilobytes=4096)
    yield made
    made.close()


@pytest.fixture(scope="session")
def equipped(world):
    """The world with models of all kinds, a store with one speaker, and scores."""
    return Equipped.of(world, *(training_of(world, name) for name in ("train-ubm", "train-hmm")))


@pytest.fixture(scope="session")
def background_model(world):
    """A background model of the corpus."""
    training = training_of(world, "train-ubm")
    assert training.reference
    return training.model


@pytest.fixture(scope="session")
def short_recordings(world):
    """Recordings of the first seconds of others, so that many can be enrolled."""
    made = []
    for number, wav in enumerate(world.recordings[:5]):
        samples, rate = soundfile.read(wav)
        made.append(world.folder / f"short-{number}.wav")
        soundfile.write(made[-1], samples[: int(1.5 * rate)], rate)
    return made


_trainings = {}


def training_of(world, name):
    return _trainings.setdefault(name, Training(name, world))


@pytest.fixture
def training(request, world):
    """A training command, with one reference for all tests."""
    return training_of(world, request.param)


@pytest.fixture(autouse=True)
def all_heed_interrupts(heeds_interrupts):
    """What tests start can be interrupted, wherever they run."""
