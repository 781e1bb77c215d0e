"""A store of very many speakers: opened, listed by pages, and one recording identified in it.

`measure_store` makes the store and returns the seconds of each. The speakers are made from
synthetic statistics (a component's mean is moved by noise), and each is enrolled by the same call
as any other, in one transaction.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.audio import write_audio
from speakergmm.features import FeatureConfig, FeatureExtractor
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics
from speakergmm.speakers import (
    BackgroundModel,
    EnrolmentSession,
    Ledger,
    SpeakerStore,
    as_system,
    create_database,
    describe_store,
    enroll_sessions,
)

RATE = 16_000
PAGE = 100


@dataclass(frozen=True)
class StoreTimes:
    """Seconds of each use of a store, the smallest of several.

    Parameters
    ----------
    n_speakers : int
    make : float
        Making the store: one enrolment per speaker, in one transaction.
    open, page, identify : float
        Opening with its check; listing one page of 100 speakers of an open store; identifying one
        recording with an object that has read no model yet, opening not included.
    identify_again : float
        Identifying with the models in memory.
    """

    n_speakers: int
    make: float
    open: float
    page: float
    identify: float
    identify_again: float


def random_background(n_components: int = 64, seed: int = 0) -> BackgroundModel:
    """Return a background model of 39 features whose Gaussians lie where frames of sounds do."""
    features = FeatureConfig.load("hmm")
    frames = FeatureExtractor(features).extract(murmur(5.0, seed), sample_rate=RATE).values
    rng = np.random.default_rng(seed)
    means = frames[rng.choice(len(frames), n_components, replace=False)].astype(np.float64)
    variances = np.tile(frames.var(axis=0, dtype=np.float64) / 4, (n_components, 1))
    weights = rng.dirichlet(np.full(n_components, 5.0))
    return BackgroundModel(DiagonalMixture(weights, means, variances), features)


def murmur(seconds: float, seed: int) -> np.ndarray:
    """Return samples of filtered noise whose loudness and timbre change."""
    rng = np.random.default_rng(seed)
    n_samples = int(seconds * RATE)
    place = np.arange(n_samples) / RATE
    rough = rng.normal(size=n_samples)
    dull = np.convolve(rough, np.ones(8) / 8, mode="same")
    blend = 0.5 + 0.5 * np.sin(2 * np.pi * 1.7 * place)
    loudness = 0.05 + np.abs(np.sin(2 * np.pi * 0.8 * place))
    return (0.1 * loudness * (blend * rough + (1 - blend) * 4 * dull)).astype(np.float32)


def random_sessions(
    background: BackgroundModel, n_speakers: int, seed: int = 1, seconds: float = 6.0
) -> Iterator[tuple[str, EnrolmentSession]]:
    """Yield names and statistics of speakers who differ from the background model at random."""
    rng = np.random.default_rng(seed)
    mixture, n_frames = background.mixture, round(seconds * 100)
    spread = np.sqrt(mixture.variances)
    length = background.features.grid(n_frames).duration
    for number in range(n_speakers):
        counts = rng.multinomial(n_frames, mixture.weights).astype(np.float64)
        means = mixture.means + 0.3 * spread * rng.normal(size=spread.shape)
        statistics = MixtureStatistics(
            counts, counts[:, None] * means, None, -50.0 * n_frames, float(n_frames)
        )
        name = f"speaker {number:06d}"
        yield (
            name,
            EnrolmentSession(
                statistics,
                length,
                length,
                n_frames,
                path=Path(f"{name}.wav"),
                audio_sha256=f"{number:064x}",
            ),
        )


def make_store(path: Path, background: BackgroundModel, n_speakers: int) -> None:
    """Make a store of many speakers in one transaction, each enrolled as any other."""
    system = as_system(background)

    def fill(ledger: Ledger) -> None:
        for name, session in random_sessions(background, n_speakers):
            enroll_sessions(ledger, name, [session], system=system)

    create_database(path, describe_store(system), fill)


def measure_store(n_speakers: int, folder: Path, *, repeats: int = 3) -> StoreTimes:
    """Make a store in a folder, use it, and return the seconds by the clock, on one core."""
    with threadpool_limits(1):
        background = random_background()
        path, wav = folder / f"{n_speakers}.db", folder / "unknown.wav"
        write_audio(wav, murmur(5.0, 7), RATE)
        FeatureExtractor(background.features).extract(wav)  # what loads once is loaded
        if not path.exists():
            start = time.perf_counter()
            make_store(path, background, n_speakers)
            made = time.perf_counter() - start
        else:
            made = 0.0
        times: dict[str, list[float]] = {}
        for _ in range(repeats):
            start = time.perf_counter()

            def lap(name: str) -> None:
                nonlocal start
                now = time.perf_counter()
                times.setdefault(name, []).append(now - start)
                start = now

            with SpeakerStore(path) as store:
                lap("open")
                store.speakers(limit=PAGE)
                lap("page")
                store.identify(wav)
                lap("identify")
                store.identify(wav)
                lap("identify_again")
        best = {name: min(seconds) for name, seconds in times.items()}
        return StoreTimes(n_speakers, made, **best)


def main() -> None:
    """Print the seconds for stores of some sizes."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--folder", type=Path, help="keep the stores here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            print(measure_store(size, options.folder or Path(folder)))


if __name__ == "__main__":
    main()
