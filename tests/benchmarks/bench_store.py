"""What a speaker store costs as it grows: opening, enrolling, verifying, identifying, removing.

Run ``python tests/benchmarks/bench_store.py``. Speakers are one recording's statistics each, with
noise, on synthetic voices and a background model of 64 components; each is enrolled by the same
call as any other. Prints seconds, and their ratio to those of the smaller store: what grows in step
with the store has the ratio of the numbers of speakers, what doesn't has 1. "identify, new object"
reads all models, "identify" has them in memory. "command" is a process of its own, with the
imports, and "import" what the imports alone take.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.corpora import make_synthetic_corpus
from speakergmm.mixtures import MixtureStatistics
from speakergmm.speakers import BackgroundModel, SpeakerStore
from speakergmm.speakers.sessions import Session, collect_sessions

Times = dict[str, float]


def enroll_many(
    store: SpeakerStore, session: Session, start: int, stop: int, wav: Path
) -> list[float]:
    """Enrol speakers who differ by noise; return the seconds of each call."""
    rng = np.random.default_rng(start)
    seconds = []
    for number in range(start, stop):
        found = session.statistics
        noise = rng.normal(0, 0.3, found.first_order.shape) * np.sqrt(found.counts)[:, None]
        statistics = MixtureStatistics(
            found.counts, found.first_order + noise, None, found.log_likelihood, found.n_frames
        )
        audio = f"{number:064x}"
        one = replace(session, statistics=statistics, audio_sha256=audio)
        begin = time.perf_counter()
        store.enroll_collected(f"speaker {number:05d}", [wav], [one])
        seconds.append(time.perf_counter() - begin)
    return seconds


def median(action: Callable[[], object], repeats: int = 5) -> float:
    """Return the median of the seconds that an action takes."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def command(*arguments: object) -> None:
    """Run a command of the toolkit as a process."""
    subprocess.run(
        [sys.executable, "-m", "speakergmm", *map(str, arguments)], check=True, capture_output=True
    )


def identify_anew(path: Path, wav: Path) -> None:
    """Identify with an object that knows nothing yet."""
    with SpeakerStore(path) as store:
        store.identify(wav)


def remove_one(path: Path, numbers: list[int]) -> None:
    """Remove a speaker who was not removed before."""
    with SpeakerStore(path) as store:
        store.remove(f"speaker {numbers.pop():05d}")


def measure(path: Path, wav: Path, enrolled: list[float]) -> Times:
    """Return the seconds of everything that is asked of a store."""
    size = path.stat().st_size
    with SpeakerStore(path) as store:
        n_speakers = len(store.speakers())
        name = store.speakers()[0].name
        store.identify(wav)
        removed = list(range(n_speakers))[-3:]
        return {
            "speakers": n_speakers,
            "megabytes": size / 1e6,
            "open, with its check": median(lambda: SpeakerStore(path).close()),
            "enrol one more": float(np.median(enrolled[-100:])),
            "list": median(store.speakers, 3),
            "verify": median(lambda: store.verify(name, wav)),
            "identify": median(lambda: store.identify(wav)),
            "identify, new object": median(lambda: identify_anew(path, wav), 3),
            "import": median(lambda: command("verify", "--help"), 3),
            "verify, command": median(lambda: command("verify", path, name, wav), 3),
            "identify, command": median(lambda: command("identify", path, wav), 3),
            "check everything": median(store.check, 1),
            "remove, new object": median(lambda: remove_one(path, removed), 3),
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--components", type=int, default=64)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        corpus = Path(folder) / "corpus"
        read = make_synthetic_corpus(corpus, seed=0).background
        background = BackgroundModel.train(read, n_components=options.components, seed=0)
        wav = read.utterances[0].path
        (session,) = collect_sessions(background, [wav])
        path, columns, done = Path(folder) / "voices.db", [], 0
        store = SpeakerStore.create(path, background)
        seconds: list[float] = []
        for size in options.sizes:
            seconds += enroll_many(store, session, done, size, wav)
            store.close()
            columns.append(measure(path, wav, seconds))
            store, done = SpeakerStore(path), size
        store.close()
    for row in columns[0]:
        values = [column[row] for column in columns]
        ratios = "" if len(values) == 1 else f"{values[-1] / values[0]:10.1f}"
        print(f"{row:24s}" + "".join(f"{value:10.4g}" for value in values) + ratios)


if __name__ == "__main__":
    main()
