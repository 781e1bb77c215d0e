"""How much faster top-C scoring is than exact scoring, by components and speakers.

Run ``python tests/benchmarks/bench_scoring.py``. Prints medians of interleaved runs on one thread;
only ratios within a run mean anything. "bound" is the two matrix products of exact scoring alone
(background densities, differences of all speakers), and "background" scoring the background model.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.mixtures import DiagonalMixture
from speakergmm.speakers import SpeakerScorer

N_FEATURES = 60


def make(n_components: int, n_speakers: int, seed: int = 0) -> tuple[SpeakerScorer, np.ndarray]:
    """A scorer of random models, and 20 s of frames of its background model."""
    rng = np.random.default_rng(seed)
    shape = (n_components, N_FEATURES)
    background = DiagonalMixture(
        rng.dirichlet(np.full(n_components, 3.0)),
        rng.normal(size=shape),
        rng.uniform(0.2, 1.5, shape),
    )
    models = {
        f"speaker {number}": DiagonalMixture(
            background.weights,
            background.means + 0.3 * rng.normal(size=shape),
            background.variances,
        )
        for number in range(n_speakers)
    }
    return SpeakerScorer(background, models), background.sample(2000, rng).astype(np.float32)


def products(n_components: int, n_speakers: int, n_frames: int) -> Callable[[], None]:
    """The matrix products that exact scoring can't do without, in blocks that fit a cache."""
    rng = np.random.default_rng(1)
    squares = rng.normal(size=(n_frames, 2 * N_FEATURES + 1)).astype(np.float32)
    frames = rng.normal(size=(n_frames, N_FEATURES)).astype(np.float32)
    densities = rng.normal(size=(2 * N_FEATURES + 1, n_components)).astype(np.float32)
    slopes = rng.normal(size=(N_FEATURES, n_components)).astype(np.float32)

    def run() -> None:
        for start in range(0, n_frames, 256):
            squares[start : start + 256] @ densities
            for _ in range(n_speakers):
                frames[start : start + 256] @ slopes

    return run


def timed(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each function; the functions take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            if turn > 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--components", type=int, nargs="+", default=[64, 512, 2048])
    parser.add_argument("--speakers", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--top-c", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{'K':>5} {'S':>4} {'exact s':>9} {'top-C s':>9} {'exact/top-C':>12}", end="")
    print(f" {'exact/bound':>12} {'top-C/background':>17}")
    with threadpool_limits(1):
        for n_components in options.components:
            for n_speakers in options.speakers:
                scorer, frames = make(n_components, n_speakers)
                found = timed(
                    {
                        "exact": lambda s=scorer, x=frames: s.score(x, top_c=None),
                        "top": lambda s=scorer, x=frames: s.score(x, top_c=options.top_c),
                        "bound": products(n_components, n_speakers, len(frames)),
                        "background": lambda s=scorer, x=frames: s.background.log_likelihood(x),
                    },
                    options.repeats,
                )
                print(
                    f"{n_components:5} {n_speakers:4} {found['exact']:9.4f} {found['top']:9.4f} "
                    f"{found['exact'] / found['top']:12.1f} "
                    f"{found['exact'] / found['bound']:12.1f} "
                    f"{found['top'] / found['background']:17.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
