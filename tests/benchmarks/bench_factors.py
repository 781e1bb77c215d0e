"""Speed and memory of an i-vector extractor, relative to the matrix products it cannot do without.

Run ``python tests/benchmarks/bench_factors.py``. On one thread, an EM iteration on 1,000 utterances
of 1,000 frames under a mixture of 256 components and 60 features, for i-vectors of dimension 100;
the products of its E-step and of its M-step alone; and a plain iteration, in blocks, as a NumPy
user would write it. They take turns, in processor time; only ratios within a run mean anything.
Below stand utterances per minute of extraction, and the memory of training beyond its statistics,
as a multiple of the extractor's matrices: loadings, the same by the inverse covariances, and their
packed products.
"""

import argparse
import tracemalloc
from collections.abc import Callable

import numpy as np
from _timing import interleaved_medians
from threadpoolctl import threadpool_limits

from speakergmm.mixtures import DiagonalMixture
from speakergmm.subspace import TotalVariability, fit_total_variability

N_COMPONENTS, N_FEATURES, DIMENSION, N_FRAMES = 256, 60, 100, 1000
BLOCK = 256


def make(n_utterances: int) -> tuple[DiagonalMixture, np.ndarray, np.ndarray]:
    """A background mixture, and statistics of utterances that vary in a subspace."""
    rng = np.random.default_rng(0)
    shape = (N_COMPONENTS, N_FEATURES)
    weights = rng.dirichlet(np.full(N_COMPONENTS, 3.0))
    mixture = DiagonalMixture(weights, rng.normal(size=shape), rng.uniform(0.2, 1.5, shape))
    occupancy = N_FRAMES * rng.dirichlet(50 * weights, size=n_utterances)
    loadings = 0.1 * rng.normal(size=(DIMENSION, N_COMPONENTS * N_FEATURES))
    offsets = (rng.normal(size=(n_utterances, DIMENSION)) @ loadings).reshape(-1, *shape)
    noise = np.sqrt(occupancy[:, :, None] * mixture.variances) * rng.normal(size=offsets.shape)
    return mixture, occupancy, occupancy[:, :, None] * (mixture.means + offsets) + noise


def products(occupancy: np.ndarray, first_order: np.ndarray) -> Callable[[], None]:
    """The matrix products of an iteration alone, in blocks of utterances."""
    rng = np.random.default_rng(1)
    n_packed = DIMENSION * (DIMENSION + 1) // 2
    flat = first_order.reshape(len(first_order), -1)
    loadings = rng.normal(size=(flat.shape[1], DIMENSION))
    packed = rng.normal(size=(N_COMPONENTS, n_packed))
    means = rng.normal(size=(len(flat), DIMENSION))
    moments = rng.normal(size=(BLOCK, n_packed))
    blocks = loadings.reshape(N_COMPONENTS, N_FEATURES, DIMENSION)

    def run() -> None:
        for start in range(0, len(flat), BLOCK):
            rows = slice(start, start + BLOCK)
            flat[rows] @ loadings
            occupancy[rows] @ packed
            means[rows].T @ flat[rows]
            occupancy[rows].T @ moments[: len(flat[rows])]
        for block in blocks:  # products of the loadings, and solutions for new ones
            block.T @ block
            block @ packed[0, : DIMENSION**2 // 2].reshape(DIMENSION, -1)

    return run


def plain(mixture: DiagonalMixture, occupancy: np.ndarray, first_order: np.ndarray) -> Callable:
    """An iteration as papers write it, with whole matrices, in blocks of utterances."""
    loadings = np.random.default_rng(2).normal(size=(N_COMPONENTS, N_FEATURES, DIMENSION))
    loadings *= 0.03 * np.sqrt(mixture.variances)[:, :, None]

    def run() -> np.ndarray:
        weighed = loadings / mixture.variances[:, :, None]
        grams = np.einsum("kdi,kdj->kij", loadings, weighed, optimize=True)
        grams = grams.reshape(N_COMPONENTS, -1)
        second = np.zeros_like(grams)
        first = np.zeros((DIMENSION, N_COMPONENTS * N_FEATURES))
        for start in range(0, len(occupancy), BLOCK):
            n = occupancy[start : start + BLOCK]
            f = first_order[start : start + BLOCK] - n[:, :, None] * mixture.means
            flat = f.reshape(len(f), -1)
            precisions = np.eye(DIMENSION) + (n @ grams).reshape(-1, DIMENSION, DIMENSION)
            covariances = np.linalg.inv(precisions)
            linear = flat @ weighed.reshape(-1, DIMENSION)
            means = (covariances @ linear[:, :, None])[:, :, 0]
            moments = covariances + means[:, :, None] * means[:, None, :]
            second += n.T @ moments.reshape(len(n), -1)
            first += means.T @ flat
        right = first.reshape(DIMENSION, N_COMPONENTS, N_FEATURES).transpose(1, 0, 2)
        return np.linalg.solve(second.reshape(-1, DIMENSION, DIMENSION), right)

    return run


def training_memory(mixture: DiagonalMixture, *given: np.ndarray) -> float:
    """Largest memory of two iterations beyond the statistics, in extractor's matrices."""
    tracemalloc.start()
    fit_total_variability(mixture, *given, dimension=DIMENSION, max_iter=2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = N_COMPONENTS * (2 * N_FEATURES * DIMENSION + DIMENSION * (DIMENSION + 1) // 2) * 8
    return peak / size


def report(n_utterances: int, rounds: int) -> None:
    """Print all figures."""
    mixture, *given = make(n_utterances)
    start = fit_total_variability(mixture, *given, dimension=DIMENSION, max_iter=1).model
    extractor = TotalVariability(start.background_digest, start.factors)

    def iterate(n_iterations: int) -> Callable[[], object]:
        return lambda: fit_total_variability(mixture, *given, start=start, max_iter=n_iterations)

    seconds = interleaved_medians(
        {
            "products": products(*given),
            "plain": plain(mixture, *given),
            "one": iterate(1),
            "four": iterate(4),
            "extraction": lambda: extractor.transform(*given),
        },
        rounds=rounds,
    )
    iteration = (seconds["four"] - seconds["one"]) / 3
    print(f"{n_utterances} utterances, K = {N_COMPONENTS}, D = {N_FEATURES}, {DIMENSION} factors")
    print(f"an EM iteration               {iteration:6.3f} s")
    print(f"its matrix products alone     {seconds['products']:6.3f} s")
    print(f"a plain iteration in blocks   {seconds['plain']:6.3f} s")
    print("Kaldi, the same on such a core      4 s, as noted elsewhere")
    print(f"iteration / products          {iteration / seconds['products']:6.2f}    <= 2")
    print(f"one iteration, checks and all {seconds['one']:6.3f} s")
    speed = 60 * n_utterances / seconds["extraction"]
    print(f"utterances per minute         {speed:6.0f}    >= 5000")
    print(f"memory / extractor's matrices {training_memory(mixture, *given):6.2f}    <= 2")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--utterances", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with threadpool_limits(1):
        report(arguments.utterances, arguments.rounds)
