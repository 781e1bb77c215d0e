"""Costs of a speaker store as it grows: opening, enrolling, verifying, identifying, removing.

Run ``python tests/benchmarks/bench_store.py``. Speakers are one recording's statistics each, with
noise, on synthetic voices and a background model of 64 components; each is enrolled by the same
call as any other. Prints seconds by the clock, in brackets those of the processor, which repeat
where other work shares the machine, and the processor's ratio between the stores: what grows in
step with the store has the ratio of the numbers of speakers, what does not has 1. A "new object"
reads all models, others have them in memory. A "command" is a process of its own, with all imports;
"help" is one that only starts.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.corpora import make_synthetic_corpus
from speakergmm.mixtures import MixtureStatistics
from speakergmm.speakers import (
    AdaptationOptions,
    BackgroundModel,
    EnrolmentSession,
    Ledger,
    SpeakerStore,
    collect_sessions,
    create_database,
    describe_store,
    enroll_sessions,
)

Times = dict[str, tuple[float, float]]


def others(
    session: EnrolmentSession, start: int, stop: int
) -> Iterator[tuple[str, EnrolmentSession]]:
    """Yield speakers who differ from one by noise."""
    rng = np.random.default_rng(start)
    for number in range(start, stop):
        found = session.statistics
        noise = rng.normal(0, 0.3, found.first_order.shape) * np.sqrt(found.counts)[:, None]
        statistics = MixtureStatistics(
            found.counts, found.first_order + noise, None, found.log_likelihood, found.n_frames
        )
        audio = f"{number:064x}"
        yield f"speaker {number:05d}", replace(session, statistics=statistics, audio_sha256=audio)


def make_store(
    path: Path, background: BackgroundModel, session: EnrolmentSession, wav: Path, size: int
) -> None:
    """Make a store of many speakers in one transaction, each enrolled as any other."""
    adaptation = AdaptationOptions()

    def fill(ledger: Ledger) -> None:
        for name, one in others(session, 0, size):
            enroll_sessions(ledger, name, [one], background=background, adaptation=adaptation)

    create_database(path, describe_store(background, adaptation), fill)


def used() -> float:
    """Return the processor seconds of this process and of those it has waited for."""
    kinds = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds))


def median(action: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Return the medians of the seconds that an action takes, and of the processor's."""
    walls, processors = [], []
    for _ in range(repeats):
        start, before = time.perf_counter(), used()
        action()
        walls.append(time.perf_counter() - start)
        processors.append(used() - before)
    return float(np.median(walls)), float(np.median(processors))


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


def measure(path: Path, wav: Path, session: EnrolmentSession) -> Times:
    """Return the seconds of everything that is asked of a store."""
    with SpeakerStore(path) as store:
        n_speakers = len(store.speakers())
        name = store.speakers()[0].name
        store.identify(wav)
        more = others(session, 10**6, 10**6 + 20)
        removed = list(range(n_speakers))[-3:]

        def enroll() -> None:
            newcomer, one = next(more)
            store.enroll_collected(newcomer, [one])

        enroll()
        return {
            "open, with its check": median(lambda: SpeakerStore(path).close()),
            "enrol, second and later": median(enroll),
            "list": median(store.speakers, 3),
            "verify": median(lambda: store.verify(name, wav)),
            "identify after a change": median(lambda: (enroll(), store.identify(wav)), 3),
            "identify": median(lambda: store.identify(wav)),
            "identify, new object": median(lambda: identify_anew(path, wav), 3),
            "help, command": median(lambda: command("verify", "--help"), 3),
            "verify, command": median(lambda: command("verify", path, name, wav), 3),
            "identify, command": median(lambda: command("identify", path, wav), 3),
            "remove, new object": median(lambda: remove_one(path, removed), 3),
            "check everything": median(store.check, 1),
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--components", type=int, default=64)
    options = parser.parse_args()
    columns, megabytes = [], []
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        read = make_synthetic_corpus(Path(folder) / "corpus", seed=0).background
        background = BackgroundModel.train(read, n_components=options.components, seed=0)
        wav = read.utterances[0].path
        (session,) = collect_sessions(background, [wav])
        for size in options.sizes:
            path = Path(folder) / f"{size}.db"
            make_store(path, background, session, wav, size)
            megabytes.append(path.stat().st_size / 1e6)
            columns.append(measure(path, wav, session))
    print(f"test: {session.speech_seconds:.1f} s of speech; {options.components} components")
    print("speakers", *options.sizes, "; megabytes", *(f"{size:.0f}" for size in megabytes))
    print(f"{'seconds (processor)':26s}" + "".join(f"{size:18d}" for size in options.sizes))
    for row in columns[0]:
        values = [column[row] for column in columns]
        shown = "".join(f"{wall:9.3f} ({processor:6.3f})" for wall, processor in values)
        print(f"{row:26s}{shown}{values[-1][1] / max(values[0][1], 1e-4):8.1f}")


if __name__ == "__main__":
    main()
