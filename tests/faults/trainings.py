"""The training commands, each on a corpus that takes it a few seconds, and their references."""

import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from faults import fitting
from faults.processes import content_of, finish, run, speakergmm, started, wait_for

TRAININGS = {
    "train-ubm": lambda world: (
        world.background,
        "--data",
        world.corpus,
        "--components",
        "64",
        "--augment",
        "none",
    ),
    "train-hmm": lambda world: (
        *(world.transcribed, "--lexicon", world.sentences / "lexicon.txt"),
        *("--iterations", "8", "--gaussians", "100"),
    ),
    "train-words": lambda world: (world.words, "--features", "hmm", "--iterations", "6"),
    "adapt-hmm": lambda world: (world.small_phones, world.transcribed, "--passes", "8"),
    "train-backend": lambda world: (
        *(world.background, "--data", world.corpus, "--ubm", world.small_ubm),
        *("--dimension", "8", "--scorer", "cosine", "--max-iter", "200"),
    ),
}


@dataclass(frozen=True)
class World:
    """Synthetic recordings that commands work on."""

    folder: Path

    @property
    def corpus(self):
        return self.folder / "corpus"

    @property
    def protocol(self):
        return self.corpus / "protocols" / "synthetic"

    @property
    def background(self):
        return self.protocol / "background.tsv"

    @property
    def sentences(self):
        return self.corpus / "synthetic"

    @cached_property
    def small_ubm(self):
        """A background model, for trainings under one."""
        output = self.folder / "small.ubm"
        lists = self.background, "--data", self.corpus
        options = "--components", 32, "--augment", "none", "--max-iter", 5
        done = run(speakergmm("train-ubm", *lists, *options, "--output", output))
        assert done.code == 0, done.err
        return output

    @cached_property
    def small_phones(self):
        """Models of phones, to adapt."""
        output = self.folder / "small.phones"
        lexicon = "--lexicon", self.sentences / "lexicon.txt"
        options = "--gaussians", 100, "--iterations", 3
        train = speakergmm("train-hmm", self.transcribed, *lexicon, *options, "--output", output)
        done = run(train)
        assert done.code == 0, done.err
        return output

    @property
    def transcribed(self):
        return self.folder / "transcribed.tsv"

    @property
    def words(self):
        return self.folder / "words"

    @property
    def recordings(self):
        return sorted(self.sentences.glob("*/*.wav"))


@dataclass(frozen=True, eq=False)
class Training:
    """A training command; `folder` holds what it writes."""

    name: str
    world: World

    def command(self, folder, *more, seconds=0):
        """Return the command line; by default every state is written to the checkpoint."""
        folder = Path(folder)
        if self.name in fitting.KINDS:
            files = (folder / "model", folder / "checkpoint")
            return [sys.executable, fitting.__file__, self.name, *map(str, files)]
        return speakergmm(
            self.name,
            *TRAININGS[self.name](self.world),
            *("--output", folder / "model", "--checkpoint", folder / "checkpoint"),
            *("--checkpoint-seconds", seconds, *more),
        )

    @property
    def model(self):
        """The model of the undisturbed training, once there is a reference."""
        return self.world.folder / f"{self.name}.model"

    @cached_property
    def reference(self):
        """The undisturbed training: content of the model, and how often it wrote checkpoints."""
        folder = self.world.folder / f"reference-{self.name}"
        folder.mkdir()
        writings = Writings(folder / "checkpoint")
        with started(self.command(folder)) as process:
            assert wait_for(lambda: writings.count() == 1, process), finish(process)
            appeared = time.monotonic()
            wait_for(lambda: writings.count() < 0, process)
            now = time.monotonic()
            done = finish(process)
        assert (done.code, done.err) == (0, "")
        self.model.write_bytes((folder / "model").read_bytes())
        seconds = (now - appeared) / writings.seen
        return Reference(
            content_of(folder / "model"), appeared - process.began, writings.seen, seconds
        )


@dataclass(frozen=True)
class Reference:
    """The content of an undisturbed model, and the course of its training in seconds."""

    content: str
    until_first: float
    n_writings: int
    between_writings: float


class Writings:
    """The number of times that a checkpoint has been written, seen by looking often enough."""

    def __init__(self, path):
        self.path = path
        self.seen = 0
        self._last = None

    def count(self):
        with suppress(FileNotFoundError):
            found = self.path.stat()
            now = (found.st_ino, found.st_mtime_ns)
            self.seen += now != self._last
            self._last = now
        return self.seen


@dataclass(frozen=True)
class Equipped(World):
    """The world with what commands need that do not train."""

    ubm: Path
    acoustic: Path

    @classmethod
    def of(cls, world, background, acoustic):
        for training in (background, acoustic):
            assert training.reference
        made = cls(world.folder, background.model, acoustic.model)
        rows = made.transcribed.read_text(encoding="utf-8").splitlines()[:4]
        made.few.write_text("\n".join(rows), encoding="utf-8")
        made._must("enroll", made.store, "a", *made.recordings[:1], "--ubm", made.ubm)
        protocol = ("--data", made.corpus, "--ubm", made.ubm)
        made._must("run-protocol", made.protocol, *protocol, "-o", made.scores)
        return made

    @property
    def few(self):
        return self.folder / "few.tsv"

    @property
    def store(self):
        return self.folder / "voices.db"

    @property
    def scores(self):
        return self.folder / "scores.tsv"

    def _must(self, *words):
        done = run(speakergmm(*words))
        assert done.code == 0, done


# Trainings that go the same way as others.
ALIKE = ("train-words", "train-backend", "adapt-hmm")


def leave_for_long(request, takes_time):
    """Skip a case that goes the same way as another, unless there is time."""
    if takes_time and not request.config.getoption("--long"):
        pytest.skip("a case of make faults-long")


every_training = pytest.mark.parametrize("training", TRAININGS, indirect=True)
every_loop = pytest.mark.parametrize("training", [*TRAININGS, *fitting.KINDS], indirect=True)
