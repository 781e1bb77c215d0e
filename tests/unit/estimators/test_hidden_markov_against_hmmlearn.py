"""Inference against hmmlearn with the same parameters, and training where hmmlearn is exact."""

import numpy as np
import pytest
from oracles.peers import hmmlearn_module

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import GaussianMixtureHMM

hmm = hmmlearn_module()

KINDS = ("spherical", "diag", "tied", "full")
FITTED = ("startprob_", "transmat_", "weights_", "means_", "covars_")


def make_pair(kind, implementation="log", n_states=3, n_mix=2, n_features=3, offset=0.0):
    rng = np.random.default_rng(0)
    ours = GaussianMixtureHMM(
        n_states,
        n_mix,
        covariance_type=kind,
        precision="float64",
        implementation=implementation,
        init_params="",
    )
    ours.startprob_ = rng.dirichlet([2] * n_states)
    ours.transmat_ = rng.dirichlet([2] * n_states, size=n_states)
    ours.weights_ = rng.dirichlet([2] * n_mix, size=n_states)
    ours.means_ = rng.normal(size=(n_states, n_mix, n_features)) * 2 + offset
    factors = rng.normal(size=(n_states, n_mix, n_features, n_features))
    full = factors @ factors.swapaxes(-1, -2) + 0.3 * np.eye(n_features)
    ours.covars_ = {
        "spherical": full[..., 0, 0],
        "diag": np.einsum("smdd->smd", full),
        "tied": full[:, 0],
        "full": full,
    }[kind]
    theirs = hmm.GMMHMM(
        n_states, n_mix, covariance_type=kind, implementation=implementation, init_params=""
    )
    for name in FITTED:
        setattr(theirs, name, getattr(ours, name).copy())
    X, _ = ours.sample(300, random_state=1)
    return ours, theirs, X, [120, 1, 79, 100]


@pytest.mark.parametrize("implementation", ["log", "scaling"])
@pytest.mark.parametrize("kind", KINDS)
def test_same_scores_posteriors_and_states(kind, implementation):
    ours, theirs, X, lengths = make_pair(kind, implementation)
    for given in (None, lengths):
        assert ours.score(X, given) == pytest.approx(theirs.score(X, given), abs=1e-8)
        np.testing.assert_allclose(
            ours.predict_proba(X, given), theirs.predict_proba(X, given), rtol=0, atol=1e-8
        )
        for algorithm in ("viterbi", "map"):
            found = ours.decode(X, given, algorithm=algorithm)
            expected = theirs.decode(X, given, algorithm=algorithm)
            assert found[0] == pytest.approx(expected[0], abs=1e-8)
            np.testing.assert_array_equal(found[1], expected[1])
        log_prob, posteriors = ours.score_samples(X, given)
        assert log_prob == pytest.approx(theirs.score_samples(X, given)[0], abs=1e-8)
        assert posteriors.shape == (300, 3)
    np.testing.assert_array_equal(ours.predict(X, lengths), theirs.predict(X, lengths))


@pytest.mark.parametrize("kind", KINDS)
def test_list_of_sequences_is_the_same_as_lengths(kind):
    ours, _, X, lengths = make_pair(kind)
    parts = np.split(X, np.cumsum(lengths)[:-1])
    np.testing.assert_array_equal(ours.score_sequences(parts), ours.score_sequences(X, lengths))
    assert ours.score(parts) == pytest.approx(sum(ours.score(part) for part in parts))
    with pytest.raises(InvalidInputError, match="a list of sequences has lengths of its own"):
        ours.score(parts, lengths)


@pytest.mark.parametrize("kind", KINDS)
def test_same_step_where_hmmlearn_is_exact(kind):
    """hmmlearn's use of old means does not affect start, transitions, weights and means."""
    ours, theirs, X, lengths = make_pair(kind)
    for model in (ours, theirs):
        model.set_params(params="stmw", n_iter=1, min_covar=0.0).fit(X, lengths)
    for name in FITTED:
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-10, rtol=0)


def test_means_fixed_gives_their_covariances():
    """If means are fixed, old and new ones are the same."""
    for kind in ("diag", "tied", "full"):
        ours, theirs, X, lengths = make_pair(kind)
        for model in (ours, theirs):
            model.set_params(params="stcw", n_iter=1, min_covar=0.0).fit(X, lengths)
        np.testing.assert_allclose(ours.covars_, theirs.covars_, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_one_exact_step_gains_no_less_than_an_inexact_one(kind):
    ours, theirs, X, lengths = make_pair(kind)
    ours.means_, theirs.means_ = ours.means_ + 1.0, theirs.means_ + 1.0
    before = ours.score(X, lengths)
    for model in (ours, theirs):
        model.set_params(n_iter=1, min_covar=0.0).fit(X, lengths)
    assert ours.score(X, lengths) > before
    assert ours.score(X, lengths) >= theirs.score(X, lengths)


@pytest.mark.parametrize("kind", KINDS)
def test_models_travel_both_ways(kind):
    ours, theirs, X, lengths = make_pair(kind)
    theirs.set_params(n_iter=2, transmat_prior=1.5, weights_prior=2.0).fit(X, lengths)
    taken = GaussianMixtureHMM.from_hmmlearn(theirs)
    assert taken.score(X, lengths) == pytest.approx(theirs.score(X, lengths), rel=1e-6)
    assert (taken.n_iter, taken.transmat_prior, taken.init_params) == (2, 1.5, "")
    # Of spherical covariances hmmlearn has set a prior that is meant to be none.
    assert taken.fit(X, lengths).score(X, lengths) > theirs.score(X, lengths) - 1e-3
    given = ours.to_hmmlearn()
    assert isinstance(given, hmm.GMMHMM)
    assert given.score(X, lengths) == pytest.approx(ours.score(X, lengths), abs=1e-8)
    assert given.implementation == ours.implementation
    back = GaussianMixtureHMM.from_hmmlearn(given)
    for name in FITTED:
        np.testing.assert_allclose(getattr(back, name), getattr(ours, name), rtol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_gaussian_models_of_hmmlearn_are_taken_over(kind):
    rng = np.random.default_rng(2)
    X = np.concatenate([rng.normal(size=(60, 2)), rng.normal(size=(60, 2)) + 4])
    theirs = hmm.GaussianHMM(2, covariance_type=kind, random_state=0, n_iter=3).fit(X)
    ours = GaussianMixtureHMM.from_hmmlearn(theirs).set_params(precision="float64")
    assert ours.n_mix == 1
    assert ours.score(X) == pytest.approx(theirs.score(X), abs=1e-8)


def test_what_is_no_model_with_parameters_is_refused():
    with pytest.raises(InvalidInputError, match="expected a GMMHMM or GaussianHMM"):
        GaussianMixtureHMM.from_hmmlearn(object())
    with pytest.raises(InvalidInputError, match="without means_"):
        GaussianMixtureHMM.from_hmmlearn(hmm.GMMHMM(2))
    ours, theirs, _, _ = make_pair("diag")
    del theirs.transmat_
    with pytest.raises(InvalidInputError, match="without transmat_"):
        GaussianMixtureHMM.from_hmmlearn(theirs)
    with pytest.raises(InvalidInputError, match="final='any'"):
        ours.set_params(final="last").to_hmmlearn()
