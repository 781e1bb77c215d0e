"""A small world for the command line: speech of four synthetic speakers, a trained model."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from speakergmm.cli import run_command
from speakergmm.corpora import Protocol, make_synthetic_corpus


@dataclass(frozen=True)
class Result:
    """What a command gave back."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def speakergmm() -> Callable[..., Result]:
    """Run a command in this process: what it does is the same, and it takes a tenth of the time."""

    def run(*arguments: object) -> Result:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2)]
        with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
            code = run_command([str(argument) for argument in arguments])
        out, err = (stream.buffer.getvalue().decode() for stream in streams)
        return Result(code, out, err)

    return run


@pytest.fixture(scope="session")
def speakergmm_process() -> Callable[..., Result]:
    """Run the installed command in a process of its own, as a user does."""

    def run(*arguments: object, cwd: Path | None = None, **environment: str) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "speakergmm", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "NO_COLOR": "1", **environment},
            check=False,
            timeout=300,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return run


@dataclass(frozen=True)
class World:
    """Files that commands work on."""

    folder: Path
    protocol_dir: Path
    protocol: Protocol
    ubm: Path

    def enrolment(self, speaker: str) -> tuple[Path, ...]:
        return self.protocol.split("eval").enrolment[speaker]

    def test(self, speaker: str) -> Path:
        return next(
            trial.path
            for trial in self.protocol.split("eval").trials
            if trial.model == speaker and trial.label == "target"
        )


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, speakergmm) -> World:
    folder = tmp_path_factory.mktemp("world")
    protocol = make_synthetic_corpus(
        folder / "corpus",
        n_background=4,
        n_dev=2,
        n_eval=3,
        n_background_utterances=3,
        n_enrolment_utterances=2,
        n_trial_utterances=2,
    )
    protocol_dir = folder / "corpus" / "protocols" / "synthetic"
    ubm = folder / "ubm.safetensors"
    done = speakergmm(
        "train-ubm", protocol_dir / "background.tsv", "--data", folder / "corpus",
        "--components", 8, "--augment", "none", "--output", ubm,
    )  # fmt: skip
    assert done.code == 0, done.err
    return World(folder, protocol_dir, protocol, ubm)
