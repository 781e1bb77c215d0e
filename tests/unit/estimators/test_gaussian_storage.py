"""Saving and loading a fitted GaussianMixture, and files that are something else."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from speakergmm.containers import load_arrays, read_header, save_arrays
from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.estimators import GaussianMixture
from speakergmm.mixtures import DiagonalMixture


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_loaded_is_what_was_saved(clusters, tmp_path, kind, dtype):
    frames = clusters.astype(dtype)
    fitted = GaussianMixture(
        np.int64(3),
        covariance_type=kind,
        means_init=frames[:3].astype(np.float64),
        random_state=0,
        variance_floor=1e-3,
        n_init=2,
    ).fit(frames)
    fitted.save(tmp_path / "mixture.safetensors")
    loaded = GaussianMixture.load(tmp_path / "mixture.safetensors")
    parameters, expected = loaded.get_params(), fitted.get_params()
    assert_array_equal(parameters.pop("means_init"), expected.pop("means_init"))
    assert parameters == expected
    assert_array_equal(loaded.score_samples(frames), fitted.score_samples(frames))
    for name in ("weights_", "means_", "covariances_", "precisions_", "lower_bounds_"):
        assert_array_equal(getattr(loaded, name), getattr(fitted, name))
        assert np.asarray(getattr(loaded, name)).dtype == np.asarray(getattr(fitted, name)).dtype
    for name in ("converged_", "convergence_", "n_iter_", "lower_bound_", "history_"):
        assert getattr(loaded, name) == getattr(fitted, name), name
    assert loaded.precision_ == fitted.precision_
    assert loaded.n_features_in_ == 3


def test_feature_names_and_a_fit_without_iterations(clusters, tmp_path):
    frame = pd.DataFrame(clusters, columns=["a", "b", "c"])
    fitted = GaussianMixture(2, max_iter=0, random_state=np.random.RandomState(0)).fit(frame)
    fitted.set_params(callback=print, checkpoint=str(tmp_path / "checkpoint"))
    fitted.save(tmp_path / "mixture")
    loaded = GaussianMixture.load(tmp_path / "mixture")
    assert list(loaded.feature_names_in_) == ["a", "b", "c"]
    assert loaded.lower_bound_ == -np.inf
    assert (loaded.random_state, loaded.callback, loaded.checkpoint) == (None, None, None)
    assert_array_equal(loaded.predict(frame), fitted.predict(frame))


def test_a_fit_goes_on_after_loading(clusters, tmp_path):
    parameters = {"n_components": 3, "init_params": "random", "warm_start": True}
    estimator = GaussianMixture(**parameters, random_state=0, max_iter=0).fit(clusters)
    estimator.set_params(max_iter=50).save(tmp_path / "mixture")
    loaded = GaussianMixture.load(tmp_path / "mixture").fit(clusters)
    assert_array_equal(loaded.means_, estimator.fit(clusters).means_)


def test_foreign_files_say_what_they_are(clusters, tmp_path):
    path = tmp_path / "file"
    path.write_text("weights: 1")
    with pytest.raises(ModelFormatError, match="it is text"):
        GaussianMixture.load(path)
    save_arrays(path, {"a": np.zeros(1)}, kind="background model")
    with pytest.raises(ModelFormatError, match="is a background model, not a Gaussian mixture"):
        GaussianMixture.load(path)
    with pytest.raises(ModelFormatError, match="no such file"):
        GaussianMixture.load(tmp_path / "none")
    GaussianMixture(1).fit(clusters).save(path)
    assert read_header(path)["kind"] == "gaussian mixture"
    content = path.read_bytes()
    path.write_bytes(content[:-8] + bytes(8))
    with pytest.raises(ModelFormatError, match="damaged"):
        GaussianMixture.load(path)


def test_content_that_is_no_mixture_is_refused(clusters, tmp_path):
    path = tmp_path / "file"
    GaussianMixture(2, covariance_type="diag", random_state=0).fit(clusters).save(path)
    arrays, metadata = load_arrays(path, kind="gaussian mixture")
    for changes, changed in (
        ({"mixture_.weights": np.array([2.0, 3.0])}, metadata),
        ({}, {**metadata, "parameters": {"colour": "red"}}),
        ({}, {"parameters": metadata["parameters"]}),
    ):
        save_arrays(path, {**arrays, **changes}, kind="gaussian mixture", metadata=changed)
        with pytest.raises(ModelFormatError, match="damaged gaussian mixture"):
            GaussianMixture.load(path)


def test_a_mixture_that_was_given_can_be_saved(tmp_path):
    mixture = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    GaussianMixture.from_mixture(mixture).save(tmp_path / "mixture")
    assert_array_equal(GaussianMixture.load(tmp_path / "mixture").mixture_.means, [[0.0]])


def test_numbers_without_end_come_back(clusters, tmp_path):
    fitted = GaussianMixture(1).fit(clusters)
    fitted.tol = np.inf
    fitted.save(tmp_path / "mixture")
    assert GaussianMixture.load(tmp_path / "mixture").tol == np.inf


def test_what_cannot_be_written_says_so(clusters, tmp_path):
    fitted = GaussianMixture(1).fit(clusters)
    fitted.means_init = np.full((1, 3), np.nan)
    with pytest.raises(InvalidInputError, match=r"array 'parameters.means_init' .* not finite"):
        fitted.save(tmp_path / "mixture")
    assert not (tmp_path / "mixture").exists()
