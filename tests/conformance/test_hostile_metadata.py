"""Model files whose metadata or arrays have other types or shapes are refused with one line."""

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speakergmm.containers import load_arrays, read_header, save_arrays
from speakergmm.errors import ModelFormatError, SpeakerGmmError
from speakergmm.estimators import (
    BayesianGaussianMixture,
    GaussianMixture,
    GaussianMixtureHMM,
    GaussianMixtureOutlierDetector,
    GaussianMixtureRegressor,
    HMMClassifier,
)
from speakergmm.features import FeatureConfig, FeatureExtractor
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, accumulate
from speakergmm.speakers import BackgroundModel

WRONG: tuple[Any, ...] = (
    None, [], {}, "x", "", -1, 1.5, 1e300, True, [[1]], {"a": 1}, 10**15, [None], ["a", "a"],
)  # fmt: skip
GONE = object()
N_TRIED = 60


def statistics(X: Any) -> MixtureStatistics:
    return accumulate(DiagonalMixture([0.5, 0.5], [[0.0] * 3, [1.0] * 3], np.ones((2, 3))), X)


def background(X: Any) -> BackgroundModel:
    features = FeatureConfig.preset("speaker-same-session")
    samples = np.random.default_rng(0).normal(size=16_000)
    width = FeatureExtractor(features).extract(samples, sample_rate=16_000).values.shape[1]
    mixture = DiagonalMixture([1.0], np.zeros((1, width)), np.ones((1, width)))
    return BackgroundModel(mixture, features, {"created": "today", "seconds": 1.0})


def classifier(X: Any) -> HMMClassifier:
    model = GaussianMixtureHMM(2, random_state=0, n_iter=1)
    return HMMClassifier(model).fit([X[:50], X[50:100], X[100:]], ["a", "b", "a"])


MODELS = {
    "mixture": lambda X: GaussianMixture(2, random_state=0, max_iter=2).fit(X),
    "stepwise": lambda X: GaussianMixture(2, random_state=0).partial_fit(X),
    "bayesian": lambda X: BayesianGaussianMixture(n_components=2, max_iter=2).fit(X),
    "hidden Markov": lambda X: GaussianMixtureHMM(2, 2, random_state=0, n_iter=1).fit(X),
    "classifier": classifier,
    "detector": lambda X: GaussianMixtureOutlierDetector(n_components=1).fit(X),
    "regressor": lambda X: GaussianMixtureRegressor(n_components=1).fit(X[:, :2], X[:, 2]),
    "statistics": statistics,
    "background": background,
}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else list(enumerate(value))[:3]
        for key, each in inner:
            yield from places(each, (*at, key))


def changed(document: Any, at: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    holder = document
    for key in at[:-1]:
        holder = holder[key]
    if value is GONE:
        del holder[at[-1]]
    else:
        holder[at[-1]] = value
    return document


def refusal(model: Any, path: Path) -> str | None:
    """Load a model, and say how it is refused, if it is; other exceptions are let through."""
    try:
        model.load(path)
    except SpeakerGmmError as error:
        return str(error)
    return None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", MODELS)
def test_wrong_types_anywhere_are_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    model: Any = MODELS[kind](np.random.default_rng(0).normal(size=(150, 3)))
    path = tmp_path / "model"
    model.save(path)
    name = read_header(path)["kind"]
    arrays, metadata = load_arrays(path, kind=name)
    tried = [(at, value) for at in places(metadata) if at for value in (*WRONG, GONE)]
    random.Random(0).shuffle(tried)
    n_refused = 0
    for at, value in tried[:N_TRIED]:
        save_arrays(path, arrays, kind=name, metadata=changed(metadata, at, value))
        if (message := refusal(type(model), path)) is not None:
            n_refused += 1
            assert "\n" not in message, (at, value)
            assert len(message) < 1500, (at, value)
    assert n_refused > 2
    for gone in arrays:
        for other in (None, arrays[gone][..., None], arrays[gone].astype(bool)):
            kept = {n: a for n, a in arrays.items() if n != gone}
            save_arrays(
                path,
                kept if other is None else {**kept, gone: other},
                kind=name,
                metadata=metadata,
            )
            assert "\n" not in (refusal(type(model), path) or ""), gone


def test_statistics_of_no_kind(tmp_path: Path) -> None:
    statistics(np.zeros((4, 3), np.float32)).save(tmp_path / "s")
    name = read_header(tmp_path / "s")["kind"]
    arrays, metadata = load_arrays(tmp_path / "s", kind=name)
    for wrong in ([], {}, None, 5):
        metadata["covariance_type"] = wrong
        save_arrays(tmp_path / "s", arrays, kind=name, metadata=metadata)
        with pytest.raises(ModelFormatError, match="covariance_type"):
            MixtureStatistics.load(tmp_path / "s")
