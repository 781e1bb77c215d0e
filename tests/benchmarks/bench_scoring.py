"""Speed of top-C scoring relative to exact scoring, and the differences of their scores.

Run ``python tests/benchmarks/bench_scoring.py``. Prints medians of interleaved runs on one thread;
only ratios within a run mean anything. "bound" is the two matrix products of exact scoring alone
(background densities, differences of all speakers), and "background" scoring the background model.

The second table compares average ratios of test recordings for all models of an eval list: on real
speech where the folder SPEAKERGMM_DATA (or ../shared/data) is there, otherwise on synthetic voices.
"--accuracy" prints it alone, "--speed" the first.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.corpora import Corpus, Protocol, make_synthetic_corpus, read_protocol
from speakergmm.features import FeatureExtractor
from speakergmm.mixtures import DiagonalMixture
from speakergmm.speakers import (
    DEFAULT_RELEVANCE_FACTOR,
    BackgroundModel,
    SpeakerScorer,
    enroll_models,
)

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
    """The matrix products that exact scoring cannot do without, in blocks that fit a cache."""
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


def protocols(folder: Path) -> Iterator[tuple[str, Protocol]]:
    """The three real protocols, or a synthetic one where they are not there."""
    given = os.environ.get("SPEAKERGMM_DATA")
    data = Path(given) if given else Path(__file__).parents[2] / ".." / "shared" / "data"
    if not (data / "protocols").is_dir():
        yield "synthetic", make_synthetic_corpus(folder, seed=0)
        return
    for name in ("dspspeech20", "arabic_speech_commands", "librispeech"):
        yield name, read_protocol(data / "protocols" / name, data_dir=data)


def differences(n_components: tuple[int, ...], shortlists: tuple[int, ...]) -> None:
    """Print how far top-C scores lie from exact ones, in natural logarithms per frame."""
    print(f"means adapted with relevance factor {DEFAULT_RELEVANCE_FACTOR:g}; spread, rms and")
    print("worst are of average log-likelihood ratios per frame, all models on each recording")
    print(f"{'set':>23} {'K':>4} {'C':>3} {'scores':>7}", end="")
    print(f" {'spread':>7} {'rms':>7} {'worst':>7} {'correlation':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for name, protocol in protocols(Path(folder)):
            assert protocol.background is not None
            # A part of the recordings is enough, and trains in seconds.
            some = protocol.background.utterances[:: max(1, len(protocol.background) // 200)]
            split = protocol.splits["eval"]
            tests = split.test_paths()[:: max(1, len(split.test_paths()) // 60)]
            extractor = FeatureExtractor("speaker")
            frames = [extractor.extract(path).speech_values for path in tests]
            for count in n_components:
                ubm = BackgroundModel.train(
                    Corpus(some, source=name), n_components=count, max_iter=10
                )
                models = enroll_models(split, ubm)
                scorer = SpeakerScorer(ubm.mixture, models, precision="float64")
                exact = np.ravel([scorer.score(x, top_c=None) for x in frames])
                for top_c in shortlists:
                    found = np.ravel([scorer.score(x, top_c=top_c) for x in frames])
                    error = found - exact
                    print(
                        f"{name:>23} {count:4} {top_c:3} {len(exact):7} {exact.std():7.2f} "
                        f"{np.sqrt(np.mean(error**2)):7.4f} {np.abs(error).max():7.3f} "
                        f"{np.corrcoef(exact, found)[0, 1]:12.6f}",
                        flush=True,
                    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--components", type=int, nargs="+", default=[64, 512, 2048])
    parser.add_argument("--speakers", type=int, nargs="+", default=[1, 20, 100])
    parser.add_argument("--top-c", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--accuracy", action="store_true", help="only the differences")
    parser.add_argument("--speed", action="store_true", help="only the times")
    options = parser.parse_args()
    if not options.accuracy:
        speed(options)
    if not options.speed:
        with threadpool_limits(1):
            differences((32, 64, 256), (5, 10))


def speed(options: argparse.Namespace) -> None:
    """Print the times."""
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
