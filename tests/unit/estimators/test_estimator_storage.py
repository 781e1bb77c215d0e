"""Saving and loading detectors, regressors and Dirichlet-process mixtures, and damaged files."""

import math
import pickle
from functools import reduce
from operator import getitem

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from speakergmm.containers import load_arrays, read_header, save_arrays
from speakergmm.errors import ModelFormatError
from speakergmm.estimators import (
    DirichletProcessMixture,
    GaussianMixture,
    GaussianMixtureOutlierDetector,
    GaussianMixtureRegressor,
)
from speakergmm.mixtures import make_mixture
from speakergmm.mixtures.gibbs import GammaPrior, NormalInverseWishart

KINDS = ["spherical", "diag", "tied", "full"]


def sampler(*arguments, **parameters):
    return DirichletProcessMixture(
        *arguments, **{"n_sweeps": 20, "n_chains": 2, "init": 5, "random_state": 0} | parameters
    )


def round_trip(estimator, folder):
    estimator.save(folder / "file.safetensors")
    return type(estimator).load(folder / "file.safetensors")


def parameters(estimator):
    """Return all parameters, with types in place of nested estimators."""
    named = estimator.get_params()
    return {name: type(p) if hasattr(p, "get_params") else p for name, p in named.items()}


def fit_detector(frames):
    return GaussianMixtureOutlierDetector(n_components=2, random_state=0).fit(frames)


def fit_regressor(frames):
    return GaussianMixtureRegressor(n_components=2, random_state=0).fit(frames[:, :2], frames[:, 2])


def fit_sampler(frames):
    return sampler().fit(frames)


FITS = {
    "outlier detector": fit_detector,
    "mixture regressor": fit_regressor,
    "dirichlet process mixture": fit_sampler,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", [{}, {"quantile": 0.1}, {"false_alarm": 0.017}])
def test_a_loaded_detector_decides_the_same(clusters, tmp_path, kind, target):
    detector = GaussianMixtureOutlierDetector(
        GaussianMixture(3, covariance_type=kind, variance_floor=1e-3),
        random_state=0,
        confidence=0.9,
        **target,
    ).fit(clusters)
    loaded = round_trip(detector, tmp_path)
    assert parameters(loaded) == parameters(detector)
    assert loaded.converged_ == detector.converged_
    assert loaded.n_iter_ == detector.n_iter_
    fitted = {name: value for name, value in vars(detector).items() if name.endswith("_")}
    assert {"offset_", "threshold_interval_", "false_alarm_interval_"} < set(fitted)
    assert loaded.threshold_ == detector.threshold_ == detector.offset_
    assert_array_equal(loaded.validation_indices_, fitted.pop("validation_indices_"))
    del fitted["estimator_"]
    for name, value in fitted.items():
        found = getattr(loaded, name)
        assert (found, type(found)) == (value, type(value)), name
    assert_array_equal(loaded.score_samples(clusters), detector.score_samples(clusters))
    assert_array_equal(loaded.predict(clusters), detector.predict(clusters))
    assert loaded.measure_false_alarms(clusters) == detector.measure_false_alarms(clusters)


def test_a_detector_of_few_samples_has_an_open_interval(tmp_path):
    mixture = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    validation = np.random.default_rng(0).normal(size=(19, 1))
    detector = GaussianMixtureOutlierDetector.from_mixture(mixture, validation)
    assert detector.threshold_interval_[0] == -math.inf
    detector.set_params(estimator__n_init=3, random_state=np.random.RandomState(0))
    loaded = round_trip(detector, tmp_path)
    assert loaded.threshold_interval_ == detector.threshold_interval_
    assert loaded.validation_indices_ is None
    assert loaded.random_state is None
    assert loaded.mixture_.covariance_type == "diag"
    assert loaded.estimator.n_init == 3
    recalibrated = loaded.calibrate(validation * 2)
    assert recalibrated.threshold_ == detector.calibrate(validation * 2).threshold_
    upper = GaussianMixtureOutlierDetector.from_mixture(mixture, validation, quantile=0.97)
    assert upper.threshold_interval_[1] == math.inf
    assert round_trip(upper, tmp_path).threshold_interval_ == upper.threshold_interval_


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_outputs", [None, 1, 2])
def test_a_loaded_regressor_predicts_the_same(clusters, tmp_path, kind, n_outputs):
    X, y = clusters[:, :1], clusters[:, 1] if n_outputs is None else clusters[:, 1 : 1 + n_outputs]
    regressor = GaussianMixtureRegressor(
        GaussianMixture(2, covariance_type=kind), random_state=0
    ).fit(X, y)
    loaded = round_trip(regressor, tmp_path)
    assert parameters(loaded) == parameters(regressor)
    for found, expected in zip(
        loaded.predict(X, return_std=True), regressor.predict(X, return_std=True), strict=True
    ):
        assert found.shape == y.shape
        assert_array_equal(found, expected)
    assert_array_equal(loaded.sample_y(X, 2), regressor.sample_y(X, 2))
    density = regressor.log_predictive_density(X, y)
    assert_array_equal(loaded.log_predictive_density(X, y), density)
    for name in ("n_outputs_", "converged_", "n_iter_", "n_features_in_"):
        assert getattr(loaded, name) == getattr(regressor, name), name


@pytest.mark.parametrize("kind", ["full", "diag"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("point_estimate", ["least_squares", "map"])
def test_a_loaded_sampler_says_the_same(clusters, tmp_path, kind, dtype, point_estimate):
    frames = (clusters * 7.0 + 1000.0).astype(dtype)
    model = sampler(kind, point_estimate=point_estimate, burn_in=7, n_kept=5).fit(frames)
    loaded = round_trip(model, tmp_path)
    assert loaded.get_params() == model.get_params()
    for method in ("predict", "predict_proba", "score_samples"):
        found, expected = getattr(loaded, method)(frames), getattr(model, method)(frames)
        assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    for name in (
        *("labels_", "weights_", "means_", "covariances_", "precisions_cholesky_"),
        *("n_clusters_trace_", "concentration_trace_", "log_probability_trace_"),
    ):
        found, expected = getattr(loaded, name), getattr(model, name)
        assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    for name in (
        *("n_clusters_posterior_", "n_components_", "n_iter_", "n_features_in_"),
        *("r_hat_", "effective_sample_size_"),
    ):
        assert getattr(loaded, name) == getattr(model, name), name
    assert_array_equal(loaded.samples_.coclustering(), model.samples_.coclustering())
    for estimate in ("least_squares", "map"):
        expected = model.samples_.partition(estimate)
        assert_array_equal(loaded.samples_.partition(estimate), expected)
    assert_array_equal(loaded.sample(9)[0], model.sample(9)[0])


@pytest.mark.parametrize("concentration", [0.5, np.float32(0.5), (2.0, 3.0), GammaPrior(1.0, 2.0)])
def test_parameters_of_a_sampler_come_back_as_they_were(clusters, tmp_path, concentration):
    prior = NormalInverseWishart([0.0, 1.0, 2.0], 0.1, 5.0, np.eye(3) + 0.5)
    model = sampler(concentration=concentration, prior=prior).fit(clusters)
    loaded = round_trip(model, tmp_path)
    assert loaded.concentration == concentration
    for name in ("mean", "mean_precision", "degrees_of_freedom", "scale"):
        assert_array_equal(getattr(loaded.prior, name), getattr(prior, name))
    again = loaded.fit(clusters)
    assert_array_equal(again.log_probability_trace_, model.log_probability_trace_)
    assert round_trip(sampler().fit(clusters), tmp_path).prior is None


@pytest.mark.parametrize("kind", list(FITS))
def test_feature_names_are_kept(clusters, tmp_path, kind):
    frame = pd.DataFrame(clusters[:, :2], columns=["a", "b"])
    estimator = {
        "outlier detector": GaussianMixtureOutlierDetector(random_state=0),
        "mixture regressor": GaussianMixtureRegressor(),
        "dirichlet process mixture": sampler(),
    }[kind].fit(frame, clusters[:, 2])
    loaded = round_trip(estimator, tmp_path)
    assert list(loaded.feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"a": "c"}))


@pytest.mark.parametrize("kind", list(FITS))
def test_files_say_what_they_are(clusters, tmp_path, kind):
    estimator = FITS[kind](clusters)
    path, other = tmp_path / "file", tmp_path / "other"
    estimator.save(path)
    assert read_header(path)["kind"] == type(estimator).file_kind == kind
    content = path.read_bytes()
    estimator.save(other)
    assert other.read_bytes() == content
    for name, fit in FITS.items():
        if name != kind:
            with pytest.raises(ModelFormatError, match=f"(?i)is an? {kind}, not an? {name}"):
                type(fit(clusters[:120])).load(path)
    other.write_bytes(pickle.dumps(estimator))
    with pytest.raises(ModelFormatError, match="pickle, which is never loaded"):
        type(estimator).load(other)
    other.write_text("threshold: 1")
    with pytest.raises(ModelFormatError, match="it is text"):
        type(estimator).load(other)
    with pytest.raises(ModelFormatError, match="no such file"):
        type(estimator).load(tmp_path / "none")
    other.write_bytes(content[:-8] + bytes(8))
    with pytest.raises(ModelFormatError, match="damaged"):
        type(estimator).load(other)
    other.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelFormatError, match="damaged"):
        type(estimator).load(other)


@pytest.mark.parametrize("kind", list(FITS))
def test_an_estimator_that_is_not_fitted_is_not_saved(tmp_path, kind, clusters):
    unfitted = type(FITS[kind](clusters[:120]))()
    with pytest.raises(NotFittedError):
        unfitted.save(tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("kind", list(FITS))
def test_every_entry_is_needed(clusters, tmp_path, kind):
    path = tmp_path / "file"
    estimator = FITS[kind](clusters)
    estimator.save(path)
    arrays, metadata = load_arrays(path, kind=kind)
    optional = {"validation_indices_"}
    contents = [
        ({name: arrays[name] for name in arrays if name != missing}, metadata)
        for missing in set(arrays) - optional
    ]
    contents += [
        (arrays, {name: metadata[name] for name in metadata if name != missing})
        for missing in metadata
        if metadata[missing] is not None and missing != "dtype"
    ]
    for changed, description in contents:
        save_arrays(path, changed, kind=kind, metadata=description)
        with pytest.raises(ModelFormatError, match=f"damaged {kind}"):
            type(estimator).load(path)


@pytest.mark.parametrize(
    ("kind", "changes", "entries"),
    [
        ("outlier detector", {}, {"estimator_.mixture_.type": "FullMixtures"}),
        ("outlier detector", {}, {"estimator_.type": "DirichletProcessMixture"}),
        ("outlier detector", {}, {"offset_": "low"}),
        ("outlier detector", {}, {"threshold_interval_": [0.0]}),
        ("outlier detector", {"estimator_.mixture_.weights": [1.0]}, {}),
        ("mixture regressor", {}, {"n_outputs_": 2}),
        ("mixture regressor", {}, {"n_outputs_": 0, "is_single_output_": False}),
        ("mixture regressor", {}, {"n_outputs_": 3, "is_single_output_": False}),
        ("mixture regressor", {}, {"feature_names": ["a"]}),
        ("mixture regressor", {"mixture_.weights": [2.0, 3.0]}, {}),
        ("dirichlet process mixture", {"labels_": [0, 1]}, {}),
        ("dirichlet process mixture", {"labels_": np.full(300, 99)}, {}),
        ("dirichlet process mixture", {"labels_": np.full(300, -1)}, {}),
        ("dirichlet process mixture", {"labels_": np.zeros(300)}, {}),
        ("dirichlet process mixture", {}, {"samples_.burn_in": 20}),
        ("dirichlet process mixture", {}, {"samples_.burn_in": [1, 2]}),
        ("dirichlet process mixture", {"samples_.kept_sweeps": np.arange(11, 21)}, {}),
        ("dirichlet process mixture", {"samples_.best_labels": np.full(300, 300)}, {}),
        ("dirichlet process mixture", {"samples_.frames": np.zeros((300, 2))}, {}),
        ("dirichlet process mixture", {"samples_.frames": np.zeros(300)}, {}),
        ("dirichlet process mixture", {"samples_.concentration": np.zeros((2, 20))}, {}),
        ("dirichlet process mixture", {"samples_.log_probability": np.zeros((2, 3))}, {}),
        ("dirichlet process mixture", {"samples_.standardisation.scale": np.zeros(3)}, {}),
        ("dirichlet process mixture", {"samples_.prior.scale": -np.eye(3)}, {}),
        ("dirichlet process mixture", {"samples_.labels": np.zeros((2, 0, 300), np.int32)}, {}),
        ("dirichlet process mixture", {}, {"dtype": "colour"}),
        ("dirichlet process mixture", {}, {"parameters.concentration": [1.0, 2.0, 3.0]}),
        (
            "dirichlet process mixture",
            {},
            {"parameters.concentration": {"shape": -1.0, "rate": 1.0}},
        ),
    ],
)
def test_content_that_does_not_fit_is_refused(clusters, tmp_path, kind, changes, entries):
    path = tmp_path / "file"
    estimator = FITS[kind](clusters)
    estimator.save(path)
    arrays, metadata = load_arrays(path, kind=kind)
    arrays |= {name: np.asarray(array) for name, array in changes.items()}
    for path_of, value in entries.items():
        *above, name = path_of.split(".")
        reduce(getitem, above, metadata)[name] = value
    save_arrays(path, arrays, kind=kind, metadata=metadata)
    with pytest.raises(ModelFormatError, match=f"damaged {kind}") as caught:
        type(estimator).load(path)
    assert "\n" not in str(caught.value)


class Annotated(GaussianMixture):
    """A user's subclass with an annotation that only a type checker can resolve."""

    note: "known_to_nobody"  # noqa: F821


def test_annotations_of_a_subclass_are_no_part_of_a_file(clusters, tmp_path):
    model = Annotated(2, random_state=0).fit(clusters)
    model.save(tmp_path / "model")
    loaded = Annotated.load(tmp_path / "model")
    assert isinstance(loaded, Annotated)
    np.testing.assert_array_equal(loaded.means_, model.means_)
