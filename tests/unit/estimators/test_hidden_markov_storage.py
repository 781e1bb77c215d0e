"""Files of hidden Markov models."""

import numpy as np
import pytest

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import ModelFormatError
from speakergmm.estimators import GaussianMixtureHMM

FITTED = ("startprob_", "transmat_", "weights_", "means_", "covars_")


def fit(kind="diag", **options):
    X = np.random.default_rng(0).normal(size=(120, 3))
    model = GaussianMixtureHMM(3, 2, covariance_type=kind, random_state=0, n_iter=3, **options)
    return model.fit(X, [50, 70]), X


@pytest.mark.parametrize("kind", ["spherical", "diag", "tied", "full"])
def test_loaded_it_is_the_same_to_the_last_bit(tmp_path, kind):
    model, X = fit(kind, topology="bakis", final="last", weights_prior=2.0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = GaussianMixtureHMM.load(path)
    assert loaded.get_params() == model.get_params()
    for name in FITTED:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name))
    assert loaded.score(X) == model.score(X)
    assert loaded.history_ == model.history_
    assert list(loaded.monitor_.history) == list(model.monitor_.history)
    # The same content gives the same bytes.
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_arrays_among_the_parameters_are_kept(tmp_path):
    transmat = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    model, X = fit(topology=transmat, means_prior=[0.0, 1.0, 2.0], means_weight=3.0)
    model.save(tmp_path / "model")
    loaded = GaussianMixtureHMM.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.topology, transmat)
    np.testing.assert_array_equal(loaded.means_prior, [0.0, 1.0, 2.0])
    # It can be trained again as it was.
    again = GaussianMixtureHMM.load(tmp_path / "model").fit(X, [50, 70])
    np.testing.assert_array_equal(again.transmat_ == 0, transmat == 0)


def test_generators_are_left_out(tmp_path):
    model, _ = fit()
    model.set_params(random_state=np.random.RandomState(0)).save(tmp_path / "model")
    assert GaussianMixtureHMM.load(tmp_path / "model").random_state is None


def test_what_was_set_and_not_fitted_can_be_stored(tmp_path):
    model, X = fit()
    bare = GaussianMixtureHMM(3, 2)
    for name in FITTED:
        setattr(bare, name, getattr(model, name))
    bare.save(tmp_path / "model")
    assert GaussianMixtureHMM.load(tmp_path / "model").score(X) == model.score(X)


def test_damage_is_found(tmp_path):
    model, _ = fit()
    path = tmp_path / "model"
    model.save(path)
    arrays, metadata = load_arrays(path, kind="Gaussian mixture HMM")
    arrays["covars_"] = -arrays["covars_"]
    save_arrays(path, arrays, kind="Gaussian mixture HMM", metadata=metadata)
    with pytest.raises(ModelFormatError, match=r"damaged Gaussian mixture HMM .*must be positive"):
        GaussianMixtureHMM.load(path)
    del arrays["covars_"]
    save_arrays(path, arrays, kind="Gaussian mixture HMM", metadata=metadata)
    with pytest.raises(ModelFormatError, match="damaged"):
        GaussianMixtureHMM.load(path)
    save_arrays(path, arrays, kind="something", metadata=metadata)
    with pytest.raises(ModelFormatError, match="is a something, not a Gaussian mixture HMM"):
        GaussianMixtureHMM.load(path)
