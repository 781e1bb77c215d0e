"""The files that a fit and a score enter, and their cost relative to scikit-learn's."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import numpy as np

from ._figure import Figure
from ._mixture_work import make_clusters
from ._timing import interleaved_medians

KINDS = ("full", "diag")
# A call of microseconds is timed over as many as take this long, in seconds.
_ENOUGH = 0.01


def entered(call: Callable[[], Any], package: Path) -> tuple[set[str], int]:
    """Files of a package in which a call enters a frame, and how many of its frames are nested."""
    folder = f"{package}/"
    files: set[str] = set()
    deepest = depth = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal deepest, depth
        if event not in ("call", "return"):
            return
        name = frame.f_code.co_filename
        if not name.startswith(folder):
            return
        if event == "return":
            depth -= 1
            return
        depth += 1
        files.add(name.removeprefix(folder))
        deepest = max(deepest, depth)

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files, deepest


def path_of_a_fit() -> list[Figure]:
    """Files entered by a second fit, and its depth; scikit-learn's beside them."""
    import sklearn
    from sklearn.mixture import GaussianMixture as Peer

    import speakergmm
    from speakergmm.estimators import GaussianMixture

    X = np.random.default_rng(0).standard_normal((1000, 4))
    found = []
    for estimator, module in ((GaussianMixture, speakergmm), (Peer, sklearn)):
        model = estimator(2, covariance_type="diag", random_state=0)
        model.fit(X)
        found.append(entered(lambda m=model: m.fit(X), Path(str(module.__file__)).parent))
    (files, depth), (theirs, their_depth) = found
    case = "second fit of 1,000 x 4, K = 2, diagonal"
    note = f"scikit-learn {len(theirs)}"
    return [
        Figure("fit", f"files entered: {case}", len(files), "<= 14", f"{note}; {sorted(files)}"),
        Figure("fit", f"calls deep: {case}", depth, "<= 11", f"scikit-learn {their_depth}"),
    ]


def small_fits(*, rounds: int) -> list[Figure]:
    """Fits of 300 frames, ours in units of scikit-learn's, from the same kind of start."""
    from sklearn.mixture import GaussianMixture as Peer

    from speakergmm.estimators import GaussianMixture

    figures = []
    for kind in KINDS:
        for name, distance in (("separated", 6.0), ("overlapping", 1.5)):
            X = _small(300, 3, distance)
            models = {
                "ours": GaussianMixture(3, covariance_type=kind, random_state=0),
                "theirs": Peer(3, covariance_type=kind, random_state=0),
            }
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                seconds = _medians(
                    {n: lambda m=m, X=X: m.fit(X) for n, m in models.items()}, rounds
                )
            steps = " and ".join(str(model.n_iter_) for model in models.values())
            figures.append(
                Figure(
                    "fit",
                    f"fit of 300 x 4, K = 3, {kind}, {name}: ours / scikit-learn",
                    seconds["ours"] / seconds["theirs"],
                    "<= 1.2",
                    f"{1e3 * seconds['ours']:.2f} ms; {steps} iterations",
                )
            )
    return figures


def small_predictions(*, rounds: int) -> list[Figure]:
    """Posteriors of few frames, ours in units of scikit-learn's, from the same parameters."""
    from sklearn.mixture import GaussianMixture as Peer

    from speakergmm.estimators import GaussianMixture

    figures = []
    for kind in KINDS:
        for n_frames in (1, 100):
            ratios = []
            for n_components in (3, 8, 16):
                X = _small(1000, n_components, 3.0)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    models = {
                        "ours": GaussianMixture(n_components, covariance_type=kind, max_iter=5),
                        "theirs": Peer(n_components, covariance_type=kind, max_iter=5),
                    }
                    for model in models.values():
                        model.set_params(random_state=0).fit(X)
                frames = X[:n_frames]
                seconds = _medians(
                    {n: lambda m=m, f=frames: m.predict_proba(f) for n, m in models.items()},
                    rounds,
                )
                ratios.append(seconds["ours"] / seconds["theirs"])
            figures.append(
                Figure(
                    "predict",
                    f"predict_proba of {n_frames} x 4, {kind}: ours / scikit-learn, worst K",
                    max(ratios),
                    "<= 1.2",
                    f"K = 3, 8, 16: {' '.join(f'{ratio:.2f}' for ratio in ratios)}",
                )
            )
    return figures


def preparation(*, rounds: int) -> list[Figure]:
    """The part of a score of 300 frames by a fitted mixture that is spent on making ready.

    That is whatever happens in `prepare` and in the constructor of an `Evaluator`; where a tree has
    no such thing, what a call with one frame takes, which is more.
    """
    from speakergmm.estimators import GaussianMixture

    # Enough frames in as many clusters that no covariance is nearly singular.
    X = make_clusters(16_384, 60, 1.0, n_clusters=64).astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GaussianMixture(64, random_state=0, max_iter=2).fit(X)
    seconds = _medians(
        {
            "one": lambda: model.score_samples(X[:1]),
            "many": lambda: model.score_samples(X[:300]),
        },
        rounds,
    )
    try:
        ready = _spent_on_making_ready(lambda: model.score_samples(X[:300]), 50 * rounds)
    except ImportError:
        ready = seconds["one"]
    return [
        Figure(
            "score",
            "score_samples of 300 x 60, K = 64, full, fitted: part spent on preparation",
            ready / seconds["many"],
            "<= 0.05",
            f"{1e3 * ready:.3f} of {1e3 * seconds['many']:.1f} ms; one frame takes "
            f"{1e3 * seconds['one']:.2f} ms",
        )
    ]


def _spent_on_making_ready(call: Callable[[], Any], times: int) -> float:
    """CPU seconds of a call within `prepare` and `Evaluator.__init__`, the mean of so many."""
    from speakergmm.gaussians import Evaluator, prepare

    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal spent
            before = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent += time.process_time() - before

        return run

    with (
        mock.patch.object(Evaluator, "__init__", timed(Evaluator.__init__)),
        mock.patch.object(prepare, "prepare_gaussians", timed(prepare.prepare_gaussians)),
    ):
        for _ in range(times):
            call()
    return spent / times


def _small(n_frames: int, n_clusters: int, distance: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    centres = distance * rng.standard_normal((n_clusters, 4))
    return centres[rng.integers(n_clusters, size=n_frames)] + rng.standard_normal((n_frames, 4))


def _medians(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of one call of each, by turns of as many as take long enough."""
    repeated, numbers = {}, {}
    for name, call in calls.items():
        call()
        before = time.process_time()
        call()
        number = max(1, int(np.ceil(_ENOUGH / max(time.process_time() - before, 1e-6))))
        numbers[name] = number
        repeated[name] = lambda call=call, number=number: [call() for _ in range(number)]
    seconds = interleaved_medians(repeated, rounds=rounds)
    return {name: seconds[name] / numbers[name] for name in calls}
