"""Rows of the benchmark of HMMs that are about the estimator, against hmmlearn's GMMHMM."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hmmlearn.hmm import GMMHMM
from threadpoolctl import threadpool_limits

from speakergmm.estimators import GaussianMixtureHMM

from ._figure import Figure
from ._timing import interleaved_medians

N_STATES, N_MIX, N_FEATURES = 5, 4, 39
Start = dict[str, np.ndarray]


def make_sequences(n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    """Draw sequences of 100 to 300 frames from a left-right model with overlapping components."""
    model = GaussianMixtureHMM(N_STATES, N_MIX)
    model.startprob_ = np.eye(N_STATES)[0]
    model.weights_ = rng.dirichlet([5] * N_MIX, size=N_STATES)
    model.means_ = rng.normal(size=(N_STATES, N_MIX, N_FEATURES)) * 0.6
    model.covars_ = rng.uniform(0.5, 1.5, size=(N_STATES, N_MIX, N_FEATURES))
    lengths = [int(length) for length in rng.integers(100, 301, n)]
    parts = []
    for length in lengths:
        model.transmat_ = chain(length / N_STATES)
        parts.append(model.sample(length, random_state=int(rng.integers(2**31)))[0])
    return np.concatenate(parts), lengths


def chain(duration: float) -> np.ndarray:
    """Transitions from each state to itself and the next, with a mean duration in frames."""
    transmat = (1 - 1 / duration) * np.eye(N_STATES) + np.eye(N_STATES, k=1) / duration
    transmat[-1] = np.eye(N_STATES)[-1]
    return transmat


def clustered_start(X: np.ndarray, lengths: list[int]) -> Start:
    """Return the start of a left-right model: equal parts of the sequences, k-means in each.

    From random frames the two libraries end in other local optima, now one ahead and now the
    other; from here they stay together, and what the exact update gains can be seen.
    """
    model = GaussianMixtureHMM(N_STATES, N_MIX, topology="left-right", n_iter=0, random_state=0)
    model.fit(X, lengths)
    names = ("startprob_", "transmat_", "weights_", "means_", "covars_")
    return {name: getattr(model, name) for name in names}


def begin(kind: type, start: Start, n_iter: int, implementation: str, **options: Any) -> Any:
    """Make a model of either library that has this start."""
    model = kind(
        N_STATES,
        N_MIX,
        n_iter=n_iter,
        tol=-np.inf,
        init_params="",
        implementation=implementation,
        **options,
    )
    for name, value in start.items():
        setattr(model, name, value.copy())
    return model


def estimator(*, quick: bool = False) -> list[Figure]:
    """Measure CPU seconds of ten iterations from the same start, and where these lead."""
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    n_sequences, n_iter, rounds = (40, 5, 2) if quick else (200, 10, 3)
    rng = np.random.default_rng(0)
    X, lengths = make_sequences(n_sequences, rng)
    start = clustered_start(X, lengths)
    fitted: dict[str, Any] = {}

    def fit(name: str, kind: type, implementation: str, **options: Any) -> Callable[[], Any]:
        def work() -> Any:
            model = begin(kind, start, n_iter, implementation, **options)
            fitted[name] = model.fit(X, lengths)

        return work

    with threadpool_limits(limits=1):
        seconds = interleaved_medians(
            {
                "log": fit("log", GaussianMixtureHMM, "log"),
                "scaling": fit("scaling", GaussianMixtureHMM, "scaling"),
                "float64": fit("float64", GaussianMixtureHMM, "log", precision="float64"),
                "their log": fit("their log", GMMHMM, "log"),
                "their scaling": fit("their scaling", GMMHMM, "scaling"),
            },
            rounds=rounds,
        )
    case = (
        f"{n_sequences} sequences of 100-300 frames, {N_STATES} left-right states x {N_MIX}, "
        f"D = {N_FEATURES}, {n_iter} iterations"
    )
    found = [
        Figure(
            "estimator",
            f"{what}: {case}",
            seconds[theirs] / seconds[ours],
            wanted,
            f"ours {seconds[ours]:.3f} s, hmmlearn {seconds[theirs]:.2f} s",
        )
        for what, ours, theirs, wanted in (
            ("hmmlearn / ours, logarithms in both", "log", "their log", ">= 10"),
            ("hmmlearn / ours, scaling in both", "scaling", "their scaling", ">= 10"),
            ("hmmlearn / ours in float64, logarithms", "float64", "their log", ""),
        )
    ]
    return found + likelihoods(X, lengths, start, fitted) + far_start(X, lengths, start)


def likelihoods(
    X: np.ndarray, lengths: list[int], start: Start, fitted: dict[str, Any]
) -> list[Figure]:
    """Compare likelihoods under hmmlearn's own float64 densities, per frame.

    Both climb to the same optimum from this start, each on a way of its own; near the top their
    order is chance. After one iteration the exact update is ahead.
    """
    judge = begin(GMMHMM, start, 1, "log")

    def score(model: Any) -> float:
        for attribute in start:
            setattr(judge, attribute, getattr(model, attribute))
        return float(judge.score(X, lengths)) / len(X)

    once = [begin(kind, start, 1, "log").fit(X, lengths) for kind in (GaussianMixtureHMM, GMMHMM)]
    first = score(once[0]) - score(once[1])
    last = score(fitted["log"]) - score(fitted["their log"])
    what = "log-likelihood per frame, ours - hmmlearn's"
    return [
        Figure("estimator", f"{what}: after one iteration", first, ">= 0"),
        Figure(
            "estimator",
            f"{what}: after all iterations",
            last,
            ">= 0",
            f"{last * len(X):+.2f} nats in all, of {score(fitted['log']) * len(X):.0f}",
        ),
    ]


def far_start(X: np.ndarray, lengths: list[int], start: Start) -> list[Figure]:
    """Start with all means at one place, a thousand deviations from the frames."""
    places = np.arange(N_STATES * N_MIX, dtype=float).reshape(N_STATES, N_MIX, 1)
    far = start | {"means_": 1e3 + places + np.zeros(N_FEATURES)}
    theirs, ours = (begin(kind, far, 5, "log") for kind in (GMMHMM, GaussianMixtureHMM))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            theirs.fit(X, lengths)
            lost = int(sum(np.isnan(getattr(theirs, name)).sum() for name in start))
            note = f"hmmlearn's has {lost:,} NaN"
        except ValueError as error:
            note = f"hmmlearn fails: {error}"
    ours.fit(X, lengths)
    bad = sum(int((~np.isfinite(getattr(ours, name))).sum()) for name in start)
    case = "start with means 1,000 deviations away"
    return [
        Figure("estimator", f"numbers that are not finite: {case}", bad, "<= 0", note),
        Figure(
            "estimator", f"log-likelihood per frame: {case}", ours.score(X, lengths) / len(X), ""
        ),
    ]
