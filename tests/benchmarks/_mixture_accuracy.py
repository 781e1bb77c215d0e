"""Errors of float32 evaluation against float64, on data made to be hard for it.

Each case draws frames from a mixture and evaluates it in both precisions. Compared are the
log-likelihood of the single frame (worst) and of the average frame, and the parameters after one
step of training: means in deviations of their component, (co)variances relative to the component's
own (the largest eigenvalue of the difference, in coordinates in which the covariance is the
identity), weights relative. Where float32 cannot do it, the library evaluates in float64 of its own
accord; the column "in" says where densities were.
"""

import numpy as np

from speakergmm.gaussians import frame_moments
from speakergmm.mixtures import MaximumLikelihoodOptions, make_mixture, prepare_mixture, train_from

KINDS = ("spherical", "diag", "tied", "full")
# Name, offset of all features, decades over which scales vary, deviation of components relative to
# their distance, correlation of features, dtype of the frames.
CASES = (
    ("overlapping components", 0.0, 0, 1.0, 0.0, np.float32),
    ("offset 10,000, float32 frames", 1e4, 0, 1.0, 0.0, np.float32),
    ("offset 1e6, float64 frames", 1e6, 0, 1.0, 0.0, np.float64),
    ("offset 1e6, scales 1e-6 to 1e6", 1e6, 12, 1.0, 0.0, np.float64),
    ("scales 1e-6 to 1e6", 0.0, 12, 1.0, 0.0, np.float32),
    ("components 10 times narrower", 0.0, 0, 0.1, 0.0, np.float32),
    ("components 30 times narrower", 0.0, 0, 0.03, 0.0, np.float32),
    ("components 300 times narrower", 0.0, 0, 0.003, 0.0, np.float32),
    ("correlation 0.9", 0.0, 0, 1.0, 0.9, np.float32),
    ("correlation 0.999", 0.0, 0, 1.0, 0.999, np.float32),
    ("all of it", 1e6, 12, 0.03, 0.9, np.float64),
)
N_FRAMES, D, K = 50_000, 13, 16


def make_case(kind, offset, decades, narrowness, correlation, dtype, seed=0):
    """Return a mixture and frames drawn from it."""
    rng = np.random.default_rng(seed)
    # One scale for all features where covariances are round.
    scales = (
        np.ones(D) if kind == "spherical" else 10.0 ** np.linspace(-decades / 2, decades / 2, D)
    )
    means = rng.normal(0.0, 1.0, (K, D))
    variances = narrowness**2 * rng.gamma(4.0, 0.25, (K, D))
    pattern = np.full((D, D), correlation) + (1 - correlation) * np.eye(D)
    deviations = np.sqrt(variances)
    covariances = {
        "spherical": variances[:, 0],
        "diag": variances * scales**2,
        "tied": pattern * np.outer(deviations[0] * scales, deviations[0] * scales),
        "full": pattern * (deviations * scales)[:, :, None] * (deviations * scales)[:, None, :],
    }[kind]
    model = make_mixture(kind, rng.dirichlet(np.full(K, 5.0)), means * scales + offset, covariances)
    X = model.sample(N_FRAMES, rng).astype(dtype)
    return model, X


def compare(model, X):
    """Return the errors of float32 against float64, by name."""
    options = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)
    moments = frame_moments(X)
    results = {
        precision: train_from(
            X, model, max_iter=1, update=options, precision=precision, moments=moments
        )
        for precision in ("float32", "float64")
    }
    updated = {precision: result.model for precision, result in results.items()}
    totals = [result.history[0].objective for result in results.values()]
    likelihoods = {p: model.log_likelihood(X, precision=p) for p in results}
    single, double = updated["float32"], updated["float64"]
    factors = np.linalg.inv(np.linalg.cholesky(double.full_covariances()))
    means = np.einsum("kij,kj->ki", factors, single.means - double.means)
    change = single.full_covariances() - double.full_covariances()
    relative = factors @ change @ factors.transpose(0, 2, 1)
    return {
        "frame": np.abs(likelihoods["float32"] - likelihoods["float64"]).max(),
        "average": abs(totals[0] - totals[1]),
        "means": np.linalg.norm(means, axis=1).max(),
        "covariances": np.abs(
            np.linalg.eigvalsh((relative + relative.transpose(0, 2, 1)) / 2)
        ).max(),
        "weights": np.abs(single.weights / double.weights - 1).max(),
    }


def print_table():
    """Print a line for each case and kind of covariance."""
    print(f"float32 against float64, {N_FRAMES:,} frames, D = {D}, K = {K}")
    print("log-likelihoods in nats; means in deviations, covariances and weights relative")
    header = f"{'case':32s} {'covariance':10s} {'in':8s}"
    names = ("frame", "average", "means", "covariances", "weights")
    print(header + "".join(f"{name:>13s}" for name in names))
    worst = dict.fromkeys(names, 0.0)
    for case, *parameters in CASES:
        for kind in KINDS:
            model, X = make_case(kind, *parameters)
            dtype = prepare_mixture(model).plan("float32")[0]
            errors = compare(model, X)
            worst = {name: max(worst[name], errors[name]) for name in names}
            line = "".join(f"{errors[name]:13.1e}" for name in names)
            print(f"{case:32s} {kind:10s} {dtype.name:8s}{line}", flush=True)
    print(f"{'worst':32s} {'':10s} {'':8s}" + "".join(f"{worst[name]:13.1e}" for name in names))
