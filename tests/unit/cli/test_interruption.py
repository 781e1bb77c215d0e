"""Real commands, really stopped: one line, the code of the signal, nothing left behind."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX systems"),
    pytest.mark.usefixtures("heeds_interrupts"),
]

WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "terminated"}
PYTHON = [sys.executable, "-c"]


@contextmanager
def started(*command, **environment):
    """Start a command in a session of its own, as a terminal does, and kill what is left of it."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )
    try:
        yield process
    finally:
        with process:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def with_workers(process, n_workers=2):
    """Wait until a command has its workers, and return all that it started."""
    for _ in range(1000):
        below = psutil.Process(process.pid).children(recursive=True)
        workers = [child for child in below if "popen_loky" in " ".join(child.cmdline())]
        if len(workers) == n_workers:
            return below
        time.sleep(0.02)
    raise AssertionError(f"no workers: {process.communicate()}")


def temporaries(folder):
    return sorted(path.name for path in folder.rglob(".*.tmp"))


def speakergmm(*arguments):
    return (sys.executable, "-m", "speakergmm", *arguments)


def stop(process, number, to_all):
    if to_all:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_all"),
    [
        pytest.param(signal.SIGINT, True, id="Ctrl-C in a terminal"),
        pytest.param(signal.SIGHUP, True, id="a terminal that is closed"),
        pytest.param(signal.SIGTERM, False, id="kill"),
        pytest.param(signal.SIGINT, False, id="kill -INT"),
    ],
)
def test_a_stopped_command_says_one_line_and_leaves_nothing(number, to_all, tmp_path):
    with started(*speakergmm("demo", "-o", tmp_path / "demo", "-j", 2)) as process:
        below = with_workers(process)
        time.sleep(random.uniform(0, 0.6))
        stop(process, number, to_all)
        _, alive = psutil.wait_procs(below, timeout=15)
        out, err = process.communicate(timeout=15)
    assert not alive
    assert err == f"speakergmm: {WORDS[number]}\n"
    assert process.returncode == 128 + number
    assert out == ""
    assert temporaries(tmp_path) == []


@pytest.mark.slow
def test_workers_of_a_killed_command_end_and_what_it_left_goes_with_the_next(tmp_path):
    command = speakergmm("demo", "-o", tmp_path / "demo", "-j", 2)
    with started(*command) as process:
        below = with_workers(process)
        while not (left := temporaries(tmp_path)):
            time.sleep(0.02)
        stop(process, signal.SIGKILL, False)
        _, alive = psutil.wait_procs(below, timeout=15)
        _, err = process.communicate(timeout=15)
    assert not alive
    assert err == ""
    with started(*command) as process:
        with_workers(process)
        while not (now := temporaries(tmp_path)) or now == left:
            time.sleep(0.02)
        stop(process, signal.SIGTERM, False)
        process.communicate(timeout=15)
    assert not set(left) & set(now)
    assert temporaries(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", WORDS)
def test_a_command_is_stopped_while_it_is_loaded_too(number):
    # Python itself needs some time until the first line of any program is run.
    program = (
        "import signal, sys; sys.argv = ['speakergmm', 'demo', '--help']; install = signal.signal\n"
        "def signal_(number, handler):\n"
        "    install(number, handler)\n"
        "    if number == signal.SIGHUP: print('on', flush=True)\n"
        "signal.signal = signal_\n"
        "from speakergmm.cli import main; main()"
    )
    for wait in (0, 0.03, 0.1, 0.2):
        with started(*PYTHON, program) as process:
            assert process.stdout.readline() == "on\n"
            time.sleep(random.uniform(0, wait))
            stop(process, number, True)
            out, err = process.communicate(timeout=15)
        if process.returncode != 0:  # it may have been faster
            assert (process.returncode, err, out) == (
                128 + number,
                f"speakergmm: {WORDS[number]}\n",
                "",
            )


@pytest.mark.slow
def test_what_nohup_wants_ignored_stays_ignored(tmp_path):
    program = (
        "import signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        f"sys.argv = ['speakergmm', 'demo', '-o', {str(tmp_path / 'demo')!r}]; "
        "from speakergmm.cli import main; main()"
    )
    with started(*PYTHON, program) as process:
        below = with_workers(process)
        stop(process, signal.SIGHUP, True)
        time.sleep(0.5)
        assert process.poll() is None
        assert all(child.is_running() for child in below)
        stop(process, signal.SIGTERM, True)
        assert process.communicate(timeout=15) == ("", "speakergmm: terminated\n")


SLOW = """
import signal, sys, threading
from oracles.parallel_tasks import sleep
from speakergmm.engine import Engine
signal.signal(signal.SIGTERM, lambda *_: sys.exit("my own"))
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
from speakergmm.cli import run_command
run_command(["--version"])
results = Engine(2).map(sleep, [0, 60, 60])
next(results)
now = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
assert now == before
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
# Not before it waits for results: what a program leaves half-done elsewhere, Python ends by itself.
threading.Timer(0.2, print, ["on"], {"flush": True}).start()
list(results)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGTERM, 1, "my own"),
        (signal.SIGINT, -signal.SIGINT, "KeyboardInterrupt"),
        # As any signal without a handler, SIGHUP among them.
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_programs_keep_their_handlers_and_lose_their_workers(number, code, words):
    tests = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    with started(*PYTHON, SLOW, PYTHONPATH=tests) as process:
        assert process.stdout.readline() == "speakergmm 0.1.0\n"
        assert process.stdout.readline() == "on\n", process.communicate()
        below = with_workers(process)
        stop(process, number, False)
        _, alive = psutil.wait_procs(below, timeout=15)
        _, err = process.communicate(timeout=15)
    assert not alive
    assert process.returncode == code
    assert err.strip().splitlines()[-1:] == ([words] if words else [])
