import sys

import numpy as np
import pytest
from oracles import density_uses as oracle
from oracles.arrays import arrays_of
from oracles.peers import hmmlearn_module
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.mixture import BayesianGaussianMixture
from sklearn.mixture import GaussianMixture as PeerMixture

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.estimators import (
    GaussianMixture,
    from_hmmlearn,
    from_scikit_learn,
    to_hmmlearn,
    to_hmmlearn_gaussian,
    to_scikit_learn,
)
from speakergmm.mixtures import make_mixture

KINDS = ["spherical", "diag", "tied", "full"]


@pytest.fixture
def rng():
    return np.random.default_rng(17)


@pytest.fixture
def X(rng):
    return np.concatenate([rng.normal(-3, 1, (150, 3)), rng.normal(2, [1, 2, 0.3], (200, 3))])


def random_mixture(rng, kind, n_components=3, n_features=3):
    return make_mixture(
        kind,
        rng.dirichlet(np.full(n_components, 4.0)),
        rng.normal(0.0, 2.0, (n_components, n_features)),
        oracle.random_covariances(rng, kind, n_components, n_features),
    )


def expected_scores(mixture, X):
    matrices = oracle.full(mixture.covariance_type, mixture.covariances, *mixture.means.shape)
    return oracle.log_likelihoods(mixture.weights, mixture.means, matrices, X)


def assert_same(a, b):
    assert type(a) is type(b)
    for name, value in arrays_of(a).items():
        np.testing.assert_allclose(arrays_of(b)[name], value, rtol=1e-14, atol=0, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_of_scikit_learn_scores_the_same(X, kind):
    peer = PeerMixture(3, covariance_type=kind, random_state=0).fit(X)
    mixture = from_scikit_learn(peer)
    assert mixture.covariance_type == kind
    np.testing.assert_allclose(
        mixture.log_likelihood(X, precision="float64"), peer.score_samples(X), atol=1e-10
    )
    np.testing.assert_array_equal(mixture.predict(X, precision="float64"), peer.predict(X))


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_to_scikit_learn_scores_the_same(rng, X, kind):
    mixture = random_mixture(rng, kind)
    peer = to_scikit_learn(mixture)
    assert type(peer) is PeerMixture
    np.testing.assert_allclose(peer.score_samples(X), expected_scores(mixture, X), atol=1e-10)
    np.testing.assert_allclose(
        peer.predict_proba(X), mixture.posteriors(X, precision="float64"), atol=1e-10
    )
    identity = np.eye(3)
    for precision, covariance in zip(
        oracle.full(kind, peer.precisions_, 3, 3),
        oracle.full(kind, peer.covariances_, 3, 3),
        strict=True,
    ):
        np.testing.assert_allclose(precision @ covariance, identity, atol=1e-9)
    assert peer.sample(5)[0].shape == (5, 3)
    assert np.isfinite(peer.bic(X))
    assert_same(mixture, from_scikit_learn(peer))
    peer.set_params(warm_start=True).fit(X)  # goes on from the parameters


def test_what_is_changed_in_a_copy_is_not_changed_here(rng):
    mixture = random_mixture(rng, "full")
    peer = to_scikit_learn(mixture)
    peer.means_[:] = 0.0
    peer.covariances_[:] = 0.0
    assert mixture.means.any()
    assert mixture.covariances.any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_bayesian_mixture_is_the_plain_one_of_its_parameters(X, kind):
    peer = BayesianGaussianMixture(
        n_components=4, covariance_type=kind, random_state=0, max_iter=300, tol=1e-2
    ).fit(X)
    mixture = from_scikit_learn(peer)
    matrices = oracle.full(kind, peer.covariances_, 4, 3)
    expected = oracle.log_likelihoods(peer.weights_, peer.means_, matrices, X)
    found = mixture.log_likelihood(X, precision="float64")
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_mixtures_in_float32(X, kind):
    peer = PeerMixture(3, covariance_type=kind, random_state=0).fit(X.astype(np.float32))
    mixture = from_scikit_learn(peer)
    assert mixture.weights.sum() == pytest.approx(1.0, abs=1e-15)
    np.testing.assert_allclose(
        mixture.log_likelihood(X, precision="float64"), peer.score_samples(X), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_our_estimators_go_over_too(X, kind):
    estimator = GaussianMixture(2, covariance_type=kind, random_state=0).fit(X)
    peer = to_scikit_learn(estimator)
    np.testing.assert_allclose(peer.score_samples(X), estimator.score_samples(X), atol=1e-10)
    back = GaussianMixture.from_mixture(from_scikit_learn(peer))
    np.testing.assert_allclose(back.score_samples(X), estimator.score_samples(X), atol=1e-10)


def state_scores(model, X):
    return model._compute_log_likelihood(X)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_states_of_a_fitted_gmmhmm(X, kind):
    model = (
        hmmlearn_module().GMMHMM(2, n_mix=3, covariance_type=kind, random_state=0, n_iter=3).fit(X)
    )
    states = from_hmmlearn(model)
    assert [s.covariance_type for s in states] == [kind] * 2
    found = np.stack([s.log_likelihood(X, precision="float64") for s in states], axis=1)
    np.testing.assert_allclose(found, state_scores(model, X), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_states_of_a_fitted_gaussian_hmm(X, kind):
    model = hmmlearn_module().GaussianHMM(3, covariance_type=kind, random_state=0, n_iter=5).fit(X)
    states = from_hmmlearn(model)
    assert [(s.covariance_type, s.n_components) for s in states] == [(kind, 1)] * 3
    found = np.stack([s.log_likelihood(X, precision="float64") for s in states], axis=1)
    np.testing.assert_allclose(found, state_scores(model, X), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_states_to_a_gmmhmm_and_back(rng, X, kind):
    hmmlearn_module()
    states = [random_mixture(rng, kind) for _ in range(4)]
    transmat = rng.dirichlet(np.ones(4), 4)
    model = to_hmmlearn(states, startprob=[1, 0, 0, 0], transmat=transmat)
    expected = np.stack([expected_scores(s, X) for s in states], axis=1)
    np.testing.assert_allclose(state_scores(model, X), expected, rtol=1e-10, atol=1e-10)
    for state, back in zip(states, from_hmmlearn(model), strict=True):
        assert_same(state, back)
    # The whole chain: forward recursion over a few frames, from the mixtures' own scores.
    forward = np.log([1, 1e-300, 1e-300, 1e-300]) + expected[0]
    for row in expected[1:6]:
        forward = logsumexp(forward[:, None] + np.log(transmat), axis=0) + row
    assert model.score(X[:6]) == pytest.approx(logsumexp(forward), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_states_to_a_gaussian_hmm_and_back(rng, X, kind):
    hmmlearn_module()
    states = [random_mixture(rng, kind, 1) for _ in range(3)]
    if kind == "tied":
        states = [make_mixture(kind, [1.0], s.means, states[0].covariances) for s in states]
    model = to_hmmlearn_gaussian(states)
    expected = np.stack([expected_scores(s, X) for s in states], axis=1)
    np.testing.assert_allclose(state_scores(model, X), expected, rtol=1e-10, atol=1e-10)
    for state, back in zip(states, from_hmmlearn(model), strict=True):
        assert_same(state, back)
    np.testing.assert_array_equal(model.transmat_, np.full((3, 3), 1 / 3))
    assert np.isfinite(model.score(X))


def test_reading_changes_nothing(rng):
    model = hmmlearn_module().GaussianHMM(2, covariance_type="spherical")
    model.means_, model.covars_ = rng.normal(size=(2, 3)), np.array([1.0, 2.0])
    before = set(vars(model))
    assert [float(s.covariances[0]) for s in from_hmmlearn(model)] == [1.0, 2.0]
    assert set(vars(model)) == before


@pytest.mark.parametrize("other", [KMeans(2), GaussianMixture(), 3, None])
def test_other_objects_are_no_mixtures_of_scikit_learn(other):
    with pytest.raises(InvalidInputError, match="expected a GaussianMixture or Bayes") as refused:
        from_scikit_learn(other)
    assert type(other).__name__ in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("other", [PeerMixture(), [1, 2], "model"])
def test_other_objects_are_no_models_of_hmmlearn(other):
    with pytest.raises(InvalidInputError, match=r"expected a GMMHMM or GaussianHMM .* found"):
        from_hmmlearn(other)


def test_other_models_of_hmmlearn_are_refused():
    with pytest.raises(InvalidInputError, match=r"GMMHMM or GaussianHMM .* found .*CategoricalHMM"):
        from_hmmlearn(hmmlearn_module().CategoricalHMM(2))


def test_objects_without_parameters_are_refused():
    with pytest.raises(InvalidInputError, match="a BayesianGaussianMixture that is not fitted"):
        from_scikit_learn(BayesianGaussianMixture())
    with pytest.raises(InvalidInputError, match="GaussianMixture that is not fitted"):
        to_scikit_learn(GaussianMixture())
    with pytest.raises(InvalidInputError, match=r"a mixture .* is needed, found dict"):
        to_scikit_learn({})


def test_models_of_hmmlearn_without_parameters_are_refused():
    theirs = hmmlearn_module()
    with pytest.raises(InvalidInputError, match="without means_, weights_, covars_"):
        from_hmmlearn(theirs.GMMHMM(2))
    with pytest.raises(InvalidInputError, match="without means_, covars_"):
        from_hmmlearn(theirs.GaussianHMM(2))


def test_states_that_do_not_go_together_are_refused(rng):
    hmmlearn_module()
    a, b, c = (random_mixture(rng, kind, n) for kind, n in (("diag", 2), ("full", 2), ("diag", 3)))
    with pytest.raises(InvalidInputError, match=r"diag \(2, 3\) in state 0 and full \(2, 3\) in"):
        to_hmmlearn([a, a, b])
    with pytest.raises(InvalidInputError, match=r"\(3, 3\) in state 1"):
        to_hmmlearn([a, c])
    with pytest.raises(InvalidInputError, match="found none"):
        to_hmmlearn([])
    with pytest.raises(InvalidInputError, match="states of one component, found 2"):
        to_hmmlearn_gaussian([a, a])
    tied = [random_mixture(rng, "tied", 1) for _ in range(2)]
    with pytest.raises(InvalidInputError, match="one covariance for all states"):
        to_hmmlearn_gaussian(tied)
    with pytest.raises(InvalidInputError, match=r"startprob of 2 states .* found \(3,\)"):
        to_hmmlearn([a, a], startprob=[1, 0, 0])
    with pytest.raises(InvalidInputError, match=r"transmat must .* found sums of \[1\.  0\.9\]"):
        to_hmmlearn([a, a], transmat=[[0.5, 0.5], [0.5, 0.4]])


def test_hmmlearn_is_needed_only_to_make_its_objects(monkeypatch, rng, X):
    peer = PeerMixture(2).fit(X)
    monkeypatch.setitem(sys.modules, "hmmlearn", None)
    from_scikit_learn(peer)
    with pytest.raises(ImportError, match="hmmlearn is not installed") as refused:
        to_hmmlearn([random_mixture(rng, "diag")])
    assert isinstance(refused.value, SpeakerGmmError)
    with pytest.raises(SpeakerGmmError, match="hmmlearn is not installed"):
        to_hmmlearn_gaussian([random_mixture(rng, "diag")])
