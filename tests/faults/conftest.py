"""Faults are tested on real processes; the synthetic recordings are made once per session."""

import csv

import pytest
import soundfile
from faults.trainings import Training, World

from speakergmm.corpora import make_synthetic_corpus

N_WORDS = 30


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


_trainings = {}


@pytest.fixture
def training(request, world):
    """A training command, with one reference for all tests."""
    return _trainings.setdefault(request.param, Training(request.param, world))
