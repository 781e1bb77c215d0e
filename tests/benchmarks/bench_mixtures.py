"""How far an iteration of EM is from the two matrix products it can't do without.

Prints, for one thread, the time of one iteration (accumulation and update) against that of its two
bare float32 matrix products with the same blocks, measured by turns in the same run: medians and
their ratio. For context: the passes an iteration is made of, scikit-learn on part of the frames,
and two threads.

    python tests/benchmarks/bench_mixtures.py            # 1,000,000 frames x 39, 512 components
    python tests/benchmarks/bench_mixtures.py --quick    # 131,072 frames x 39, 512 components
"""

import argparse
import time
import warnings

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.mixtures import DiagonalMixture, accumulate, update_maximum_likelihood
from speakergmm.mixtures.density import block_size


def make_data(n_frames, n_components, n_features, seed=0):
    """Frames drawn from a mixture whose components overlap about as those of speech do."""
    rng = np.random.default_rng(seed)
    truth = DiagonalMixture(
        rng.dirichlet(np.full(n_components, 5.0)),
        rng.normal(0.0, 1.0, (n_components, n_features)),
        rng.gamma(4.0, 0.2, (n_components, n_features)),
    )
    X = truth.sample(n_frames, rng).astype(np.float32)
    start = DiagonalMixture(
        np.full(n_components, 1.0 / n_components),
        X[rng.choice(n_frames, n_components, replace=False)],
        np.broadcast_to(X.var(axis=0, dtype=np.float64) / 2, (n_components, n_features)),
    )
    return X, start


def bare_products(n_frames, n_components, n_features):
    """Return a function that does the two products over blocks of that many frames, no more."""
    size = block_size(n_components)
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((size, 2 * n_features), dtype=np.float32)
    columns = rng.standard_normal((2 * n_features, n_components), dtype=np.float32)
    wide = np.empty((size, n_components), np.float32)
    responsibilities = rng.random((size, n_components), dtype=np.float32)
    moments = np.empty((2 * n_features, n_components), np.float32)

    def run():
        for start in range(0, n_frames, size):
            length = min(size, n_frames - start)
            np.matmul(rows[:length], columns, out=wide[:length])
            np.matmul(rows[:length].T, responsibilities[:length], out=moments)

    return run


def iteration(X, model, **options):
    """Return a function that does one iteration of EM from `model`."""

    def run():
        update_maximum_likelihood(accumulate(model, X, **options), model)

    return run


def passes(n_frames, n_components, n_features):
    """Return the elementwise passes over a block of densities, by name."""
    size = block_size(n_components)
    wide = -20 * np.random.default_rng(2).random((size, n_components), dtype=np.float32)
    out, ones = np.empty_like(wide), np.ones(n_components, np.float32)
    narrow = np.ones((size, 2 * n_features + 1), np.float32)
    column = np.ones((size, 1), np.float32)
    blocks = range(0, n_frames, size)

    def each(function):
        return lambda: [function() for _ in blocks]

    return {
        "exp2": each(lambda: np.exp2(wide, out=out)),
        "exp": each(lambda: np.exp(wide, out=out)),
        "row sums, as a product with ones": each(lambda: np.matmul(wide, ones)),
        "row sums, by sum()": each(lambda: wide.sum(axis=1)),
        "row maxima (not needed)": each(lambda: wide.max(axis=1)),
        "subtract the maxima (not needed)": each(lambda: np.subtract(wide, column, out=out)),
        "divide frames x K (not needed)": each(lambda: np.divide(wide, column, out=out)),
        "divide frames x 2D instead": each(lambda: np.multiply(narrow, column, out=narrow)),
    }


def scikit_learn_step(X, model):
    """Return a function that does one iteration of scikit-learn's EM from `model`."""
    from sklearn.mixture import GaussianMixture

    peer = GaussianMixture(
        model.n_components,
        covariance_type="diag",
        weights_init=model.weights.astype(X.dtype),
        means_init=model.means.astype(X.dtype),
        precisions_init=(1 / model.variances).astype(X.dtype),
        max_iter=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer.fit(X[: 2 * model.n_components])

    def run():
        # One round of fit(), without what fit() does before and after.
        _, log_responsibilities = peer._e_step(X)
        peer._m_step(X, log_responsibilities)

    return run


def medians(functions, repeats, clock=time.process_time):
    """Median seconds of each function, called by turns so that a busy machine hits all alike.

    By default CPU seconds: other programs then count only as far as they take the caches.
    """
    times = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            started = clock()
            function()
            times[name].append(clock() - started)
    return {name: float(np.median(values)) for name, values in times.items()}


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="131,072 frames instead of a million")
    parser.add_argument("--frames", type=int)
    parser.add_argument("--components", type=int, default=512)
    parser.add_argument("--features", type=int, default=39)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--alone", action="store_true", help="the ratio only, no context")
    options = parser.parse_args()
    n_frames = options.frames or (131_072 if options.quick else 1_000_000)
    repeats = options.repeats or (11 if options.quick else 5)
    shape = (n_frames, options.components, options.features)
    X, start = make_data(*shape)
    # A model in mid-training: its components are as narrow as they will be.
    model, _ = update_maximum_likelihood(accumulate(start, X[:131_072]), start)
    with threadpool_limits(limits=1):
        found = medians(
            {"EM iteration": iteration(X, model), "two bare products": bare_products(*shape)},
            repeats,
        )
        one, bare = found.values()
        print(f"{n_frames:,} frames x {options.features}, K = {options.components}, one thread")
        print(f"  EM iteration       {one:8.3f} s   CPU (median of {repeats}, by turns)")
        print(f"  two bare products  {bare:8.3f} s CPU")
        print(f"  ratio              {one / bare:8.3f}     (at most 1.5 is asked for)")
        if options.alone:
            return
        print("  passes, in parts of the two products:")
        for name, seconds in medians(passes(*shape), 3).items():
            print(f"    {name:34s} {seconds / bare:6.3f}")
        part = X[: min(n_frames, 32_768)]
        found = medians(
            {
                "ours": iteration(part, model),
                "float32": scikit_learn_step(part, model),
                "float64": scikit_learn_step(part.astype(np.float64), model),
            },
            3,
        )
        print(f"  scikit-learn, {len(part):,} frames: ", end="")
        print(
            f"float32 {found['float32'] / found['ours']:.1f}, "
            f"float64 {found['float64'] / found['ours']:.1f} x the time of this EM iteration"
        )
    found = medians(
        {"1": iteration(X, model), "2": iteration(X, model, n_jobs=2)}, 3, time.perf_counter
    )
    print(
        f"  two threads, by the clock on the wall: {found['1'] / found['2']:.2f} x as fast as one"
    )


if __name__ == "__main__":
    main()
