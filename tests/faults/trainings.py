"""The training commands, each on a corpus that takes it a few seconds, and their references."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from faults.processes import content_of, finish, speakergmm, started, wait_for

TRAININGS = {
    "train-ubm": lambda world: (world.background, "--data", world.corpus, "--components", "64"),
    "train-hmm": lambda world: (
        *(world.sentences, "--lexicon", world.sentences / "lexicon.txt"),
        *("--iterations", "10", "--gaussians", "150"),
    ),
    "train-words": lambda world: (world.words, "--features", "hmm", "--iterations", "8"),
}


@dataclass(frozen=True)
class World:
    """Synthetic recordings that commands work on."""

    folder: Path

    @property
    def corpus(self):
        return self.folder / "corpus"

    @property
    def background(self):
        return self.corpus / "protocols" / "synthetic" / "background.tsv"

    @property
    def sentences(self):
        return self.corpus / "synthetic"

    @property
    def words(self):
        return self.folder / "words"


@dataclass(frozen=True, eq=False)
class Training:
    """A training command; `folder` holds what it writes."""

    name: str
    world: World

    def command(self, folder, *more, seconds=0):
        """Return the command line; by default every state is written to the checkpoint."""
        folder = Path(folder)
        return speakergmm(
            self.name,
            *TRAININGS[self.name](self.world),
            *("--output", folder / "model", "--checkpoint", folder / "checkpoint"),
            *("--checkpoint-seconds", seconds, *more),
        )

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


every_training = pytest.mark.parametrize("training", TRAININGS, indirect=True)
