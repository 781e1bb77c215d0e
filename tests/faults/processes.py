"""Commands in processes of their own: started, disturbed, and looked at afterwards."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from speakergmm import containers

TIMES = ("created", "trained")
"""When a model was made: all that two trainings may differ in, beside how long they took."""


@dataclass(frozen=True)
class Result:
    """What a command gave back, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float


def speakergmm(*arguments):
    """Return the command line of a command."""
    return [sys.executable, "-m", "speakergmm", *map(str, arguments)]


@contextmanager
def started(command, *, cwd=None, **environment):
    """Start a command in a process group of its own, as a terminal does; nothing of it survives."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
        env={**os.environ, "NO_COLOR": "1", "OMP_NUM_THREADS": "1", **environment},
    )
    process.began = time.monotonic()
    try:
        yield process
    finally:
        with process:
            kill(process)


def kill(process):
    """Kill a command and all that it started, at once."""
    _send_to_all(process, signal.SIGKILL)


def _send_to_all(process, number):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def finish(process, seconds=300):
    """Wait until a command ends, and return its result."""
    out, err = process.communicate(timeout=seconds)
    return Result(process.returncode, out, err, time.monotonic() - process.began)


def run(command, **settings):
    """Run a command, and return its result."""
    with started(command, **settings) as process:
        return finish(process)


def wait_for(found, process, seconds=120):
    """Wait until something is found or a process has ended; return whether it was found."""
    for _ in range(int(seconds / 0.002)):
        if found():
            return True
        if process.poll() is not None:
            return bool(found())
        time.sleep(0.002)
    raise AssertionError(f"not within {seconds} s: {process.args}")


@contextmanager
def held_at(found, process, seconds=120):
    """Wait until something is found, and hold a command there for the length of a block.

    All that the command started is held, too: what the block does happens at that moment however
    long it takes. Return, as the target of `with`, whether it was found.
    """
    there = wait_for(found, process, seconds)
    _send_to_all(process, signal.SIGSTOP)
    try:
        yield there
    finally:
        _send_to_all(process, signal.SIGCONT)


def content_of(model):
    """Return the digest of all that a model file holds, without the time when it was made."""
    path = Path(model)
    kind = containers.read_header(path)["kind"]
    arrays, metadata = containers.load_arrays(path, kind=kind)
    text = json.dumps(_timeless(metadata), sort_keys=True)
    found = hashlib.sha256(f"{kind} {text}".encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def _timeless(value):
    if isinstance(value, dict):
        # An iteration tells how long it took.
        times = (*TIMES, "seconds") if "iteration" in value else TIMES
        return {name: _timeless(of) for name, of in value.items() if name not in times}
    return [_timeless(of) for of in value] if isinstance(value, list) else value


def left_overs(folder):
    """List the temporary files in a folder and below it."""
    hidden = re.compile(r"\..*\.(tmp|lock)")
    return sorted(path.name for path in Path(folder).rglob("*") if hidden.fullmatch(path.name))
