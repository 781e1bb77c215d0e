"""The pieces of work that the mixture benchmark times: ours, bare products, scikit-learn's.

Everything here returns a function without arguments that does one unit of work, so that several
can be timed by turns.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from speakergmm.estimators import GaussianMixture
from speakergmm.mixtures import (
    DiagonalMixture,
    accumulate,
    update_maximum_likelihood,
)

Work = Callable[[], Any]

# Float32 numbers of a block of densities: 2 MiB, a core's share of cache.
_BLOCK = 2**19


def make_frames(n_frames: int, n_components: int, n_features: int, *, seed: int = 0) -> np.ndarray:
    """Float32 frames drawn from a mixture whose components overlap about as those of speech do.

    They are drawn in pieces, so that making them takes no memory beyond their own.
    """
    rng = np.random.default_rng(seed)
    truth = DiagonalMixture(
        rng.dirichlet(np.full(n_components, 5.0)),
        rng.normal(0.0, 1.0, (n_components, n_features)),
        rng.gamma(4.0, 0.2, (n_components, n_features)),
    )
    X = np.empty((n_frames, n_features), np.float32)
    for start in range(0, n_frames, 16_384):
        piece = X[start : start + 16_384]
        piece[:] = truth.sample(len(piece), rng)
    return X


def make_model(X: np.ndarray, n_components: int, covariance_type: str = "diag", seed: int = 1):
    """Return a mixture in mid-training, whose components are as narrow as they will be."""
    rng = np.random.default_rng(seed)
    part = X[:65_536]
    means = part[rng.choice(len(part), n_components, replace=False)].astype(np.float64)
    variance = part.var(axis=0, dtype=np.float64) / 2
    weights = np.full(n_components, 1.0 / n_components)
    n_features = X.shape[1]
    start: Any
    if covariance_type == "diag":
        shape = (n_components, n_features)
        start = DiagonalMixture(weights, means, np.broadcast_to(variance, shape))
    else:
        from speakergmm.mixtures import make_mixture

        covariances = {
            "spherical": np.full(n_components, variance.mean()),
            "tied": np.diag(variance),
            "full": np.broadcast_to(np.diag(variance), (n_components, n_features, n_features)),
        }[covariance_type]
        start = make_mixture(covariance_type, weights, means, covariances)
    return update_maximum_likelihood(accumulate(start, part), start)[0]


def em_iteration(X: np.ndarray, model: Any, **options: Any) -> Work:
    """One iteration of EM: accumulation and update."""
    return lambda: update_maximum_likelihood(accumulate(model, X, **options), model)


def score_samples(X: np.ndarray, model: Any) -> Work:
    """Log-likelihood of each frame, by the estimator as it is after a fit of this size."""
    from speakergmm.estimators import GaussianMixture

    estimator = GaussianMixture.from_mixture(model, precision="float32")
    return lambda: estimator.score_samples(X)


def bare_products(n_frames: int, n_components: int, n_features: int) -> Work:
    """The two float32 products of a diagonal iteration, over blocks that fit a core's cache."""
    size = int(np.clip(_BLOCK // n_components, 256, 4096))
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((size, 2 * n_features), dtype=np.float32)
    columns = rng.standard_normal((2 * n_features, n_components), dtype=np.float32)
    wide = np.empty((size, n_components), np.float32)
    responsibilities = rng.random((size, n_components), dtype=np.float32)
    moments = np.empty((2 * n_features, n_components), np.float32)

    def run() -> None:
        for start in range(0, n_frames, size):
            length = min(size, n_frames - start)
            np.matmul(rows[:length], columns, out=wide[:length])
            np.matmul(rows[:length].T, responsibilities[:length], out=moments)

    return run


def make_clusters(
    n_frames: int, n_features: int, deviation: float, *, n_clusters: int = 300, seed: int = 0
) -> np.ndarray:
    """Float32 frames in clusters of variance 1, around centres of this deviation."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0.0, deviation, (n_clusters, n_features)).astype(np.float32)
    X = rng.standard_normal((n_frames, n_features), dtype=np.float32)
    for start in range(0, n_frames, 16_384):
        piece = X[start : start + 16_384]
        piece += centres[rng.integers(n_clusters, size=len(piece))]
    return X


def iterations_and_products(
    X: np.ndarray, n_components: int, *, max_iter: int = 10, seed: int = 1
) -> tuple[list[float], float]:
    """CPU seconds of each iteration of a fit, and of its bare products, which run between them.

    The fit starts at random frames with precision 0.5, which serves no cluster: components fight
    for clusters, lose them, and some end with a few frames, far narrower than the others.
    """
    rng = np.random.default_rng(seed)
    products = bare_products(len(X), n_components, X.shape[1])
    products()
    spent: list[float] = []
    bare: list[float] = []
    clocks = [time.process_time(), time.perf_counter()]

    def watch(iteration: Any) -> None:
        cpu, wall = time.process_time() - clocks[0], time.perf_counter() - clocks[1]
        # The first is preceded by what a fit does once: its part of the time is known by the wall.
        spent.append(cpu * min(1.0, iteration.seconds / wall))
        before = time.process_time()
        products()
        bare.append(time.process_time() - before)
        clocks[:] = time.process_time(), time.perf_counter()

    estimator = GaussianMixture(
        n_components,
        covariance_type="diag",
        weights_init=np.full(n_components, 1.0 / n_components),
        means_init=X[rng.choice(len(X), n_components, replace=False)],
        precisions_init=np.full((n_components, X.shape[1]), 0.5),
        precision="float32",
        max_iter=max_iter,
        tol=0.0,
        callback=watch,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Compiled code is loaded by the first fit of this kind.
        estimator.set_params(max_iter=1, callback=None).fit(X[:16_384])
        estimator.set_params(max_iter=max_iter, callback=watch)
        clocks[:] = time.process_time(), time.perf_counter()
        estimator.fit(X)
    return spent, float(np.median(bare))


def peer(X: np.ndarray, model: Any, dtype: type) -> tuple[Any, np.ndarray]:
    """scikit-learn's estimator with the parameters of `model`, and frames of this dtype."""
    from sklearn.mixture import GaussianMixture as ScikitLearnMixture

    estimator = ScikitLearnMixture(model.n_components, covariance_type=model.covariance_type)
    covariances = np.asarray(model.covariances)
    if model.covariance_type in ("full", "tied"):
        # Upper triangular U with precision = U U^T.
        factors = np.linalg.inv(np.linalg.cholesky(covariances)).swapaxes(-1, -2)
    else:
        factors = 1.0 / np.sqrt(covariances)
    # Set, not fitted: a fit in float32 may fail where all that is wanted is a start.
    estimator.weights_ = model.weights.astype(dtype)
    estimator.means_ = model.means.astype(dtype)
    estimator.covariances_ = covariances.astype(dtype)
    estimator.precisions_cholesky_ = factors.astype(dtype)
    estimator.n_features_in_ = model.n_features
    return estimator, X.astype(dtype)


def peer_iteration(X: np.ndarray, model: Any, dtype: type) -> Work:
    """One iteration of scikit-learn's EM from `model`, without what fit() does before and after."""
    return _iteration(*peer(X, model, dtype))


def peer_score_samples(X: np.ndarray, model: Any, dtype: type) -> Work:
    """scikit-learn's log-likelihood of each frame."""
    estimator, frames = peer(X, model, dtype)
    return lambda: estimator.score_samples(frames)


def peer_variational_iteration(X: np.ndarray, n_components: int, dtype: type) -> Work:
    """One iteration of scikit-learn's variational inference, with its bound, diagonal."""
    from sklearn.mixture import BayesianGaussianMixture

    estimator = BayesianGaussianMixture(
        n_components=n_components,
        covariance_type="diag",
        init_params="random_from_data",
        max_iter=1,
        random_state=0,
    )
    frames = X.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(frames[:16_384])
    return _iteration(estimator, frames, with_bound=True)


def _iteration(estimator: Any, frames: np.ndarray, *, with_bound: bool = False) -> Work:
    def run() -> None:
        log_likelihood, log_responsibilities = estimator._e_step(frames)
        estimator._m_step(frames, log_responsibilities)
        if with_bound:
            estimator._compute_lower_bound(log_responsibilities, log_likelihood)

    return run


def variational_iteration(X: np.ndarray, n_components: int) -> Work:
    """One iteration of our variational inference, with its bound, diagonal."""
    from speakergmm.gaussians import frame_moments
    from speakergmm.mixtures.variational import (
        VariationalPrior,
        posterior_from_moments,
        train_variational,
    )

    moments = frame_moments(X)
    prior = VariationalPrior(
        "diag",
        concentration=1.0 / n_components,
        mean=moments.mean,
        mean_precision=1.0,
        degrees_of_freedom=float(X.shape[1]),
        covariance=moments.variance,
    )
    model = make_model(X, n_components)
    counts = len(X) * model.weights
    scatter = counts[:, None] * model.covariances
    start = posterior_from_moments(counts, model.means, scatter, prior=prior)
    return lambda: train_variational(X, start, prior=prior, max_iter=1, tol=0.0, moments=moments)
