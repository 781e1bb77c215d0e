"""Speed of top-C scoring relative to exact scoring, and the differences of their scores.

Run ``python tests/benchmarks/bench_scoring.py``. Prints medians of interleaved runs on one thread;
only ratios within a run mean anything. "bound" is the two matrix products of exact scoring alone
(background densities, differences of all speakers), and "background" scoring the background model.

The second table compares average ratios of test recordings for all models of an eval list: on real
speech where the folder SPEAKERGMM_DATA (or ../shared/data) is there, otherwise on synthetic voices.
"--accuracy" prints it alone, "--speed" the first.

The third table ("--peers" alone) is frames times models per second, in processor time on one
thread, beside those of scikit-learn's `GaussianMixture.score_samples`, once per model; they take
turns. Below it stand the seconds of a million trials from statistics, and of a whole protocol.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from speakergmm.corpora import (
    Corpus,
    Protocol,
    Split,
    Trial,
    make_synthetic_corpus,
    read_protocol,
)
from speakergmm.features import FeatureConfig, FeatureExtractor
from speakergmm.mixtures import DiagonalMixture
from speakergmm.speakers import (
    DEFAULT_RELEVANCE_FACTOR,
    BackgroundModel,
    SpeakerScorer,
    StatisticsArchive,
    enroll_models,
    linear_scores,
    run_protocol,
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
    parser.add_argument("--peers", action="store_true", help="only scikit-learn, and statistics")
    parser.add_argument("--utterances", type=int, default=200, help="of 3,000 frames, beside peers")
    options = parser.parse_args()
    everything = not (options.accuracy or options.speed or options.peers)
    if options.speed or everything:
        speed(options)
    with threadpool_limits(1):
        if options.accuracy or everything:
            differences((32, 64, 256), (5, 10))
        if options.peers or everything:
            peers(options.utterances)
            statistics_of_a_million()
            protocol_of_a_million()


def as_peer(model: DiagonalMixture) -> GaussianMixture:
    """The same mixture as scikit-learn has it."""
    peer = GaussianMixture(model.n_components, covariance_type="diag")
    peer.weights_, peer.means_, peer.covariances_ = model.weights, model.means, model.variances
    peer.precisions_cholesky_ = 1 / np.sqrt(model.variances)
    return peer


def peers(n_utterances: int, *, n_speakers: int = 20, n_scored_by_peer: int = 2) -> None:
    """Print frames times models per second of scoring, and of scikit-learn."""
    rng = np.random.default_rng(2)
    shape = (512, 39)
    background = DiagonalMixture(
        rng.dirichlet(np.full(shape[0], 3.0)),
        rng.normal(size=shape),
        rng.uniform(0.2, 1.5, shape),
    )
    models = [
        DiagonalMixture(
            background.weights,
            background.means + 0.3 * rng.normal(size=shape),
            background.variances,
        )
        for _ in range(n_speakers)
    ]
    scorer = SpeakerScorer(background, {str(n): model for n, model in enumerate(models)})
    others = [as_peer(model) for model in models[:n_scored_by_peer]]
    ways: dict[str, tuple[int, Callable[[np.ndarray], object]]] = {
        "exact": (n_speakers, lambda x: scorer.score(x)),
        "C = 10": (n_speakers, lambda x: scorer.score(x, top_c=10)),
        "scikit-learn": (len(others), lambda x: [each.score_samples(x) for each in others]),
    }
    seconds = dict.fromkeys(ways, 0.0)
    for turn in range(n_utterances + 1):
        frames = background.sample(3000, rng).astype(np.float32)
        for name, (_, way) in ways.items():
            start = time.process_time()
            way(frames)
            seconds[name] += (time.process_time() - start) * (turn > 0)
    rates = {name: 3000 * n_utterances * count / seconds[name] for name, (count, _) in ways.items()}
    print(f"{n_utterances} utterances of 3000 frames, {n_speakers} models, K = 512, D = 39")
    for name, rate in rates.items():
        ratio = rate / rates["scikit-learn"]
        print(f"{name:>14} {rate / 1e6:8.2f} M frames x models per second {ratio:6.1f} x")


def statistics_of_a_million() -> None:
    """Print the seconds of linear scoring of 1,000 models on 1,000 tests, from statistics."""
    rng = np.random.default_rng(3)
    shape = (512, 39)
    background = DiagonalMixture(np.full(512, 1 / 512), rng.normal(size=shape), np.ones(shape))
    slopes = rng.normal(size=(1000, *shape)).astype(np.float32)
    occupancy, first_order = rng.random((1000, 512)), rng.normal(size=(1000, *shape))
    start = time.process_time()
    linear_scores(slopes, occupancy, first_order, background)
    print(f"a million trials from statistics: {time.process_time() - start:.2f} s")


def protocol_of_a_million(n_models: int = 1000, n_tests: int = 1000) -> None:
    """Print the seconds of a whole run of a protocol of a million trials, from an archive."""
    rng = np.random.default_rng(4)
    shape, n_recordings = (512, N_FEATURES), n_models + n_tests
    mixture = DiagonalMixture(np.full(512, 1 / 512), rng.normal(size=shape), np.ones(shape))
    background = BackgroundModel(mixture, FeatureConfig.preset("speaker"), {})
    occupancy = 6 * rng.random((n_recordings, 512), dtype=np.float32)
    offsets = 0.1 * rng.standard_normal((n_recordings, 1, N_FEATURES), dtype=np.float32)
    frames = occupancy.sum(axis=1, dtype=np.float64)
    none = np.full(n_recordings, -1)
    archive = StatisticsArchive(
        background.digest,
        tuple(f"{number}.wav" for number in range(n_recordings)),
        np.zeros(n_recordings, dtype=bool),
        occupancy,
        occupancy[..., None] * (mixture.means.astype(np.float32) + offsets),
        *(frames, -frames, frames / 100, frames / 100),
        *(frames.astype(np.int64), none, none),
    )
    paths = [Path(name) for name in archive.names]
    enrolment = {f"m{number}": (paths[number],) for number in range(n_models)}
    trials = tuple(Trial(model, path) for model in enrolment for path in paths[n_models:])
    protocol = Protocol(None, {"eval": Split(enrolment, trials)}, source="synthetic")
    start = time.process_time()
    scores = run_protocol(protocol, background, backend="linear", statistics=archive)
    print(
        f"a protocol of {len(scores):,} trials from an archive, models enrolled, scores listed: "
        f"{time.process_time() - start:.2f} s"
    )


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
