"""Long lists of trials: a protocol of many models and recordings, read, scored and written.

`measure_trials` makes the recordings once and lists of several lengths over them, and returns the
seconds of each step of ``run-protocol``; a step whose time is linear takes ten times as long for
ten times as many trials, beside what the recordings themselves take.
"""

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.audio import write_audio
from speakergmm.corpora import read_protocol
from speakergmm.metrics import evaluate, read_scores, write_scores
from speakergmm.speakers import run_protocol

from ._figure import Figure
from ._scale_speakers import RATE, murmur, random_background

Result = TypeVar("Result")


@dataclass(frozen=True)
class TrialTimes:
    """Processor seconds of each step for a list of trials.

    Parameters
    ----------
    n_trials, n_models, n_recordings : int
    read, run, write, read_scores, evaluate : float
        Reading the protocol; enrolling and scoring; writing the scores, reading them, and
        evaluating them with intervals.
    megabytes : float
        Largest resident memory of the process so far.
    """

    n_trials: int
    n_models: int
    n_recordings: int
    read: float
    run: float
    write: float
    read_scores: float
    evaluate: float
    megabytes: float


def make_recordings(folder: Path, count: int, kind: str, seconds: float = 0.6) -> list[str]:
    """Write short recordings; return their names."""
    names = []
    for number in range(count):
        name = f"{kind}{number:05d}.wav"
        names.append(name)
        if not (folder / name).exists():
            write_audio(folder / name, murmur(seconds, [number, ord(kind[0])]), RATE)
    return names


def write_lists(folder: Path, enrolled: list[str], tests: list[str], n_trials: int) -> None:
    """Write the lists of a protocol: a model for each enrolled recording, trials at random."""
    rng = np.random.default_rng(n_trials)
    folder.mkdir(exist_ok=True)
    rows = [f"m{number:05d}\t{name}\n" for number, name in enumerate(enrolled)]
    (folder / "eval_enroll.tsv").write_text("model\tpath\n" + "".join(rows))
    chosen = rng.permutation(len(enrolled) * len(tests))[:n_trials]
    with (folder / "eval_trials.tsv").open("w") as file:
        file.write("model\tpath\tlabel\n")
        for model, test in zip(*np.divmod(chosen, len(tests)), strict=True):
            label = "target" if (model + test) % 20 == 0 else "nontarget"
            file.write(f"m{model:05d}\t{tests[test]}\t{label}\n")


def measure_trials(
    folder: Path,
    lengths: list[int],
    *,
    n_models: int = 1000,
    n_recordings: int = 1000,
    between: Callable[[], None] = lambda: None,
) -> list[TrialTimes]:
    """Return the times for lists of some lengths over the same recordings."""
    found = []
    with threadpool_limits(1):
        background = random_background()
        enrolled = make_recordings(folder, n_models, "enrolled")
        tests = make_recordings(folder, n_recordings, "test")
        for n_trials in lengths:
            lists, scores_file = folder / f"lists{n_trials}", folder / f"{n_trials}.tsv"
            write_lists(lists, enrolled, tests, n_trials)
            between()
            protocol, reading = timed(read_protocol, lists, data_dir=folder)
            scores, running = timed(run_protocol, protocol, background)
            between()
            _, writing = timed(write_scores, scores_file, scores)
            again, reading_scores = timed(read_scores, scores_file)
            _, evaluating = timed(evaluate, again)
            assert len(again) == n_trials
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds = reading, running, writing, reading_scores, evaluating
            found.append(TrialTimes(n_trials, n_models, n_recordings, *seconds, peak))
    return found


def trial_figures(folder: Path, lengths: list[int], *, n_models: int) -> list[Figure]:
    """Return how often recordings are opened, and how straight the line of the time is."""
    folder.mkdir(exist_ok=True)
    opened = _Opened()
    found = measure_trials(
        folder, lengths, n_models=n_models, n_recordings=n_models, between=opened.note
    )
    most = max(count / (2 * n_models) for count in opened.counts[1::2])
    n_trials = np.array([each.n_trials for each in found], np.float64)
    seconds = np.array([each.read + each.run + each.write for each in found])
    slope, first = np.polyfit(n_trials, seconds, 1, w=1 / seconds)
    off = np.abs(first + slope * n_trials - seconds) / seconds
    note = ", ".join(f"{n:,.0f}: {t:.2f} s" for n, t in zip(n_trials, seconds, strict=True))
    note += f"; {first:.2f} s + {1e6 * slope:.2f} us per trial; {found[-1].megabytes:.0f} MB"
    case = f"{lengths[-1]:,} trials, {n_models:,} models, {n_models:,} files"
    return [
        Figure("trials", f"{case}: times that each file is opened", most, "<= 1"),
        Figure("trials", f"{case}: a straight line is off by", float(off.max()), "<= 0.2", note),
    ]


class _Opened:
    """The number of times that recordings are opened, between two notes."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self._count = 0
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and arguments[0].endswith(".wav"):
            self._count += 1

    def note(self) -> None:
        """Begin a new list."""
        self.counts.append(self._count)
        self._count = 0


def timed(function: Callable[..., Result], *given: Any, **options: Any) -> tuple[Result, float]:
    """Return the result of a call, and the processor seconds that it took."""
    start = time.process_time()
    return function(*given, **options), time.process_time() - start


def main() -> None:
    """Print the times for lists of 10 thousand, 100 thousand and 1 million trials."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="keep recordings and lists here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for times in measure_trials(options.folder or Path(folder), options.lengths):
            print(times)


if __name__ == "__main__":
    main()
