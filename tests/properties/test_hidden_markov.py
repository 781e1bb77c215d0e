"""Properties of dense hidden Markov models, for any model and any sequences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.hidden_markov import best_path, enumerate_paths

from speakergmm.estimators import GaussianMixtureHMM

KINDS = ("spherical", "diag", "tied", "full")
FITTED = ("startprob_", "transmat_", "weights_", "means_", "covars_")


@st.composite
def models(draw, **options):
    """A model with parameters that were set, zeros among the probabilities, and sequences."""
    kind = draw(st.sampled_from(KINDS))
    n_states, n_mix, n_features = (draw(st.integers(1, most)) for most in (3, 2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    model = GaussianMixtureHMM(
        n_states,
        n_mix,
        covariance_type=kind,
        init_params="",
        min_covar=0.0,
        precision="float64",
        implementation=draw(st.sampled_from(["log", "scaling"])),
        **options,
    )
    model.startprob_ = rng.dirichlet([1] * n_states)
    transmat = rng.dirichlet([1] * n_states, size=n_states)
    # From any state to itself a way is left.
    transmat[rng.random(transmat.shape) < draw(st.sampled_from([0.0, 0.4]))] = 0
    transmat += 0.1 * np.eye(n_states)
    model.transmat_ = transmat / transmat.sum(axis=1, keepdims=True)
    model.weights_ = rng.dirichlet([1] * n_mix, size=n_states)
    spread = draw(st.sampled_from([0.1, 1.0, 30.0]))
    model.means_ = spread * rng.normal(size=(n_states, n_mix, n_features))
    factors = rng.normal(size=(n_states, n_mix, n_features, n_features))
    full = factors @ factors.swapaxes(-1, -2) + 0.1 * np.eye(n_features)
    model.covars_ = {
        "spherical": full[..., 0, 0],
        "diag": np.einsum("smdd->smd", full),
        "tied": full[:, 0],
        "full": full,
    }[kind]
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    return model, [rng.normal(size=(length, n_features)) * 3 for length in lengths]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(models())
def test_inference_is_that_of_all_paths(case):
    model, sequences = case
    for X in sequences:
        total, components, _, _ = enumerate_paths(model, X)
        log_prob, posteriors = model.score_samples(X)
        assert log_prob == pytest.approx(total, rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(posteriors, components.sum(axis=2), atol=1e-9)
        expected, _ = best_path(model, X)
        found, states = model.decode(X)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert len(states) == len(X)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(models(n_iter=4, tol=-np.inf))
def test_likelihood_never_falls_and_parameters_are_sound(case):
    model, sequences = case
    zeros = model.transmat_ == 0
    # A floor below all starts.
    model.set_params(min_covar=1e-3).fit(sequences)
    history = np.array(model.monitor_.history)
    assert (np.diff(history) > -1e-7 * np.abs(history[:-1]) - 1e-7).all()
    for name in FITTED:
        assert np.isfinite(getattr(model, name)).all()
    assert not model.transmat_[zeros].any()
    model._check()


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(models(n_iter=2, tol=-np.inf), st.floats(-1e3, 1e3), st.sampled_from([0.01, 1.0, 300.0]))
def test_units_of_features_are_immaterial(case, shift, scale):
    model, sequences = case
    other = GaussianMixtureHMM(**model.get_params())
    for name in ("startprob_", "transmat_", "weights_"):
        setattr(other, name, getattr(model, name).copy())
    other.means_ = model.means_ * scale + shift
    other.covars_ = model.covars_ * scale**2
    model.set_params(variance_floor=1e-3).fit(sequences)
    other.set_params(variance_floor=1e-3).fit([X * scale + shift for X in sequences])
    size = np.abs(model.means_).max() + 1
    np.testing.assert_allclose(
        (other.means_ - shift) / scale, model.means_, atol=1e-6 * size, rtol=1e-6
    )
    np.testing.assert_allclose(other.weights_, model.weights_, atol=1e-6)
    np.testing.assert_allclose(other.transmat_, model.transmat_, atol=1e-6)
    n_numbers = sum(X.size for X in sequences)
    assert other.monitor_.history[0] + n_numbers * np.log(scale) == pytest.approx(
        model.monitor_.history[0], rel=1e-7, abs=1e-6
    )


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(models(n_iter=2, tol=-np.inf), st.integers(0, 2**32 - 1))
def test_order_of_sequences_and_jobs_are_immaterial(case, seed):
    model, sequences = case
    order = np.random.default_rng(seed).permutation(len(sequences))
    other = GaussianMixtureHMM(**model.get_params()).set_params(n_jobs=2)
    for name in FITTED:
        setattr(other, name, getattr(model, name).copy())
    model.set_params(min_covar=1e-3).fit(sequences)
    other.set_params(min_covar=1e-3).fit([sequences[r] for r in order])
    for name in FITTED:
        np.testing.assert_allclose(getattr(other, name), getattr(model, name), rtol=1e-6, atol=1e-7)
