"""Functions for worker processes: those of a test module can't be imported there."""

import dataclasses
import os
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np

from speakergmm.errors import AudioError, StoreError


def square(number):
    return number * number


def warn_about_parity(number):
    warnings.warn(f"remainder {number % 2}", UserWarning, stacklevel=2)
    return number


def fail_at_three(number):
    if number == 3:
        raise AudioError("three.wav: no")
    return number


def die_at_three(number):
    if number == 3:
        os._exit(1)
    return number


@dataclasses.dataclass(frozen=True)
class DieOnce:
    """A task during which the first worker that has one dies."""

    mark: str

    def __call__(self, array):
        with suppress(FileExistsError):
            Path(self.mark).touch(exist_ok=False)
            os._exit(1)
        return array.sum()


@dataclasses.dataclass(frozen=True)
class DieWhileSending:
    """A task with a large result; the first worker that has one is killed while it sends one."""

    mark: str

    def __call__(self, number):
        with suppress(FileExistsError):
            Path(self.mark).touch(exist_ok=False)
            sender = threading.get_ident()
            threading.Thread(target=_die_when_it_sends, args=(sender,), daemon=True).start()
        return np.full(1_000_000, number)


def _die_when_it_sends(sender):
    while sys._current_frames()[sender].f_code.co_name != "_send":
        time.sleep(0.0002)
    os.kill(os.getpid(), signal.SIGKILL)


def product(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(300, 300)) @ rng.normal(size=(300, 300))


def threads(_):
    from threadpoolctl import threadpool_info

    return max(
        (pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1
    )


def sleep(seconds):
    time.sleep(seconds)
    return seconds


@dataclasses.dataclass(frozen=True)
class ArrayFile:
    """A shard of frames: some rows of an array in a file, in blocks of a few frames."""

    path: str
    first: int
    stop: int
    block: int = 1000

    @property
    def n_frames(self):
        return self.stop - self.first

    def blocks(self):
        frames = np.load(self.path, mmap_mode="r")
        for start in range(self.first, self.stop, self.block):
            yield frames[start : min(start + self.block, self.stop)]


@dataclasses.dataclass(frozen=True)
class ShardList:
    """A source of frames in shards."""

    shards: tuple[ArrayFile, ...]


def process(_):
    time.sleep(0.05)
    return os.getpid()


def aligned(array):
    return array.flags.aligned


def cannot_see(path):
    raise FileNotFoundError(2, "No such file or directory", path)


@dataclasses.dataclass(frozen=True)
class InFolder:
    """An item whose files lie in a folder."""

    folder: str


def has_no_store(item):
    raise StoreError(f"{item.folder}: is no store")


class WeightedSums:
    """A task with arrays of its own, whose sums depend on their order."""

    def __init__(self, weights):
        self.weights = weights

    def __call__(self, frames):
        return self.weights * frames.sum() + (frames.T @ frames).sum(axis=0)[0]


class SlowSums(WeightedSums):
    """The same, in no less than a twentieth of a second."""

    def __call__(self, frames):
        time.sleep(0.05)
        return super().__call__(frames)


def add(left, right):
    left += right
    return left


class Unsendable(Exception):
    """An error that cannot be sent, whatever is registered for errors, as Dask's tblib does."""

    def __init__(self, number, reason):
        super().__init__(f"{number} is wrong:\n{reason}")
        self.lock = threading.Lock()


def fail_unsendably(number):
    raise Unsendable(number, "no reason")


def return_a_lock(number):
    return threading.Lock()


def warn_slowly(number):
    time.sleep(0.003 * (number % 3))
    result = warn_about_parity(number)
    time.sleep(0.002 * (number % 5))
    return result
