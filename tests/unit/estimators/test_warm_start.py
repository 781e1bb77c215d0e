"""Fits that continue from the last one; its bound counts only for the same frames and options."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from oracles.peers import hmmlearn_module
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn import mixture as reference

from speakergmm import (
    BayesianGaussianMixture,
    GaussianMixture,
    GaussianMixtureHMM,
    HMMClassifier,
)
from speakergmm.mixtures import fit_mixture

KINDS = ("full", "tied", "diag", "spherical")


def clusters(seed, *centres, n=150):
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(centre, 1.0, (n, 2)) for centre in centres])


A = clusters(0, -5.0, 5.0)
B = clusters(1, 0.0, 30.0)


def naive_log_likelihoods(model, X):
    """Return the log-likelihood of each frame, by SciPy's densities."""
    return logsumexp(
        [
            np.log(weight) + multivariate_normal(mean, covariance).logpdf(X)
            for weight, mean, covariance in zip(
                model.mixture_.weights,
                model.mixture_.means,
                model.mixture_.full_covariances(),
                strict=True,
            )
        ],
        axis=0,
    )


def sorted_means(model):
    return model.means_[np.argsort(model.means_[:, 0])]


@pytest.mark.parametrize("kind", KINDS)
def test_other_frames_are_learnt(kind):
    options = {"n_components": 2, "covariance_type": kind, "random_state": 0, "warm_start": True}
    ours = GaussianMixture(**options).fit(A)
    first = naive_log_likelihoods(ours, B).mean()
    ours.fit(B)
    theirs = reference.GaussianMixture(**options).fit(A).fit(B)
    assert ours.convergence_ == "converged"
    assert_allclose(ours.lower_bounds_[0], first, rtol=1e-9)
    assert ours.score(B) == pytest.approx(theirs.score(B), abs=1e-3)
    assert_allclose(sorted_means(ours), sorted_means(theirs), atol=1e-2)


def test_other_weights_are_learnt():
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 2, len(A)) * weight for weight in (1, 3))
    before[:150], after[150:] = 3, 1
    options = {"n_components": 2, "random_state": 0, "warm_start": True, "tol": 1e-8}
    ours = GaussianMixture(**options).fit(A, sample_weight=before)
    first = np.average(naive_log_likelihoods(ours, A), weights=after)
    ours.fit(A, sample_weight=after)
    theirs = reference.GaussianMixture(**options).fit(np.repeat(A, after, axis=0))
    assert ours.convergence_ == "converged"
    assert_allclose(ours.lower_bounds_[0], first, rtol=1e-9)
    assert_allclose(sorted_means(ours), sorted_means(theirs), atol=1e-4)


def test_a_stored_model_learns_other_frames_and_knows_its_own(tmp_path):
    GaussianMixture(2, random_state=0, warm_start=True).fit(A).save(tmp_path / "a")
    other = GaussianMixture.load(tmp_path / "a").fit(B)
    assert other.convergence_ == "converged"
    assert other.score(B) == pytest.approx(naive_log_likelihoods(other, B).mean())
    assert_allclose(sorted_means(other)[:, 0], [B[:150, 0].mean(), B[150:, 0].mean()], atol=1e-3)
    assert GaussianMixture.load(tmp_path / "a").fit(A).n_iter_ == 1
    assert GaussianMixture.load(tmp_path / "a").fit([A[:7], A[7:]]).n_iter_ == 1


def test_a_stream_and_a_given_mixture_are_gone_on_with():
    stream = GaussianMixture(2, random_state=0, warm_start=True).partial_fit(A)
    given = GaussianMixture.from_mixture(stream.mixture_, warm_start=True)
    swapped = GaussianMixture(2, random_state=0, warm_start=True).fit(B)
    swapped.mixture_ = stream.mixture_
    for model in (stream, given, swapped):
        first = naive_log_likelihoods(model, B).mean()
        model.fit(B)
        assert model.convergence_ == "converged"
        assert_allclose(model.lower_bounds_[0], first, rtol=1e-9)
        assert_allclose(
            sorted_means(model)[:, 0], [B[:150, 0].mean(), B[150:, 0].mean()], atol=1e-3
        )


def test_a_loop_over_batches_is_one_step_of_em_for_each():
    options = {"n_components": 2, "random_state": 0, "warm_start": True, "max_iter": 1}
    ours, theirs = GaussianMixture(**options), reference.GaussianMixture(**options)
    rng = np.random.default_rng(0)
    for batch in (A, *np.split(rng.permutation(A), 5), *np.split(rng.permutation(A + 1.0), 5)):
        with pytest.warns(match="did not converge"):
            ours.fit(batch)
        with pytest.warns(match="did not converge"):
            theirs.fit(batch)
        assert_allclose(ours.means_, theirs.means_, rtol=1e-6)
        assert ours.convergence_ == "iteration_limit"


def test_a_bound_that_other_frames_share_is_no_convergence():
    # One mean square and therefore one likelihood under the old model, but another variance.
    X = np.tile([[-1.0], [1.0]], (50, 1))
    Y = np.tile([[0.8 - 0.6], [0.8 + 0.6]], (50, 1))
    model = GaussianMixture(1, warm_start=True, reg_covar=0.0).fit(X)
    model.fit(Y)
    assert model.lower_bounds_[0] == pytest.approx(-0.5 * np.log(2 * np.pi * np.e))
    assert model.lower_bound_ == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 0.36))


@pytest.mark.parametrize("kind", KINDS)
def test_other_options_are_no_convergence(kind):
    options = {"n_components": 2, "covariance_type": kind, "random_state": 0}
    model = GaussianMixture(reg_covar=2.0, warm_start=True, **options).fit(A)
    model.set_params(reg_covar=1e-6).fit(A)
    fresh = reference.GaussianMixture(**options).fit(A)
    assert model.convergence_ == "converged"
    assert_allclose(np.sort(model.covariances_, 0), np.sort(fresh.covariances_, 0), rtol=1e-2)
    assert model.lower_bound_ == pytest.approx(fresh.lower_bound_, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_one_iteration_at_a_time_is_the_same_fit(kind):
    # What is added to variances lowers the bound a little; it is no error between two fits.
    X = np.concatenate([A[:75] / 5.0, A[150:225] / 5.0])
    options = {
        "n_components": 3,
        "covariance_type": kind,
        "reg_covar": 0.05,
        "tol": 1e-7,
        "random_state": 1,
        "init_params": "random",
    }
    whole = GaussianMixture(max_iter=200, **options).fit(X)
    steps, bounds = GaussianMixture(max_iter=1, warm_start=True, **options), []
    for _ in range(whole.n_iter_):
        bounds += steps.fit(X).lower_bounds_
    assert_allclose(bounds, whole.lower_bounds_, rtol=1e-9)
    assert steps.convergence_ == "converged"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_bayesian_mixture_learns_other_frames(kind):
    options = {"n_components": 2, "covariance_type": kind, "random_state": 0}
    # Fewer and other frames: the bound, a sum, is far higher from the beginning.
    few = B[::3]
    model = BayesianGaussianMixture(warm_start=True, **options).fit(A).fit(few)
    fresh = reference.BayesianGaussianMixture(**options).fit(few)
    assert model.convergence_ == "converged"
    assert_allclose(sorted_means(model), sorted_means(fresh), atol=1e-2)
    model.set_params(mean_precision_prior=1e4).fit(few)
    fresh.set_params(mean_precision_prior=1e4, tol=1e-6).fit(few)
    assert_allclose(sorted_means(model), sorted_means(fresh), atol=0.05)


def test_no_iteration_has_no_bound():
    model = BayesianGaussianMixture(n_components=2, random_state=0, warm_start=True).fit(A)
    assert np.isfinite(model.elbo_)
    model.set_params(max_iter=0).fit(B)
    assert model.elbo_ == model.lower_bound_ == -np.inf


def test_a_hidden_markov_model_learns_other_sequences():
    model = GaussianMixtureHMM(2, n_iter=20, random_state=0).fit(A)
    model.set_params(init_params="")
    peer = hmmlearn_module().GMMHMM(2, 1, covariance_type="diag")
    for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
        setattr(peer, name, getattr(model, name))
    expected = peer.score(B)
    model.fit(B)
    assert model.monitor_.history[0] == pytest.approx(expected, rel=1e-6)
    assert model.monitor_.iter == len(model.history_) == len(model.monitor_.history)
    assert not model.monitor_.fell
    assert_allclose(
        np.sort(model.means_[:, 0, 0]), [B[:150, 0].mean(), B[150:, 0].mean()], atol=1e-3
    )


def test_classifiers_and_background_mixtures_keep_no_bound():
    template = GaussianMixtureHMM(1, random_state=0)
    labels = [0, 0, 1, 1]
    classifier = HMMClassifier(template).fit(np.split(A, 4), labels)
    classifier.fit(np.split(B, 4), labels)
    assert_allclose(classifier.models_[1].means_[0, 0], B[150:].mean(axis=0))
    before = fit_mixture(A, n_components=2)
    after = fit_mixture(B, n_components=2, init=before.model, precision="float64")
    expected = before.model.log_likelihood(B, precision="float64").mean()
    assert after.history[0].objective == pytest.approx(expected)
    assert after.convergence == "converged"
    assert_allclose(np.sort(after.model.means[:, 0]), [B[:150, 0].mean(), B[150:, 0].mean()])
