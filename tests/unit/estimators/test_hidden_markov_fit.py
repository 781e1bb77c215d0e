"""Training: monotone, exact in simple cases, independent of order, weights and jobs."""

import tracemalloc

import numpy as np
import pytest
from oracles.hidden_markov import Auxiliary
from oracles.peers import hmmlearn_module
from sklearn.base import clone

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.estimators import FitMonitor, GaussianMixtureHMM

KINDS = ("spherical", "diag", "tied", "full")
FITTED = ("startprob_", "transmat_", "weights_", "means_", "covars_")


def generator(kind="diag", n_features=3):
    """Return a model with well separated states."""
    rng = np.random.default_rng(3)
    model = GaussianMixtureHMM(3, 2, covariance_type=kind)
    model.startprob_ = np.array([0.6, 0.3, 0.1])
    model.transmat_ = np.array([[0.9, 0.08, 0.02], [0.05, 0.85, 0.1], [0.1, 0.1, 0.8]])
    model.weights_ = np.array([[0.3, 0.7], [0.5, 0.5], [0.8, 0.2]])
    model.means_ = rng.normal(size=(3, 2, n_features)) * 5
    factors = rng.normal(size=(3, 2, n_features, n_features))
    full = factors @ factors.swapaxes(-1, -2) / n_features + 0.3 * np.eye(n_features)
    model.covars_ = {
        "spherical": full[..., 0, 0],
        "diag": np.einsum("smdd->smd", full),
        "tied": full[:, 0],
        "full": full,
    }[kind]
    return model


def sequences_of(model, lengths, seed=0):
    return [model.sample(length, random_state=seed + r)[0] for r, length in enumerate(lengths)]


def started(model, source, seed=1):
    """Set a rough start near the parameters of another model."""
    rng = np.random.default_rng(seed)
    model.startprob_, model.transmat_ = np.full(3, 1 / 3), np.full((3, 3), 1 / 3)
    model.weights_ = np.full((3, 2), 0.5)
    model.means_ = source.means_ + rng.normal(size=source.means_.shape)
    model.covars_ = source.covars_ * 3
    return model


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("final", ["any", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_never_falls(kind, final, precision):
    source = generator(kind)
    X = sequences_of(source, [60] * 8)
    model = GaussianMixtureHMM(
        3,
        2,
        covariance_type=kind,
        n_iter=25,
        tol=-np.inf,
        final=final,
        precision=precision,
        random_state=0,
    ).fit(X)
    history = np.array(model.monitor_.history)
    assert len(history) == 25
    # A millionth of a nat per frame in float32, a hundred times less in float64.
    assert np.diff(history).min() > (-5e-4 if precision == "float32" else -1e-8)
    assert history[-1] > history[0] + 10
    assert not model.monitor_.fell
    assert model.score(X) >= history[-1] - 5e-4


@pytest.mark.parametrize("topology", ["ergodic", "left-right", "bakis"])
def test_objective_never_falls_with_priors(topology):
    X = sequences_of(generator(), [60] * 8)
    model = GaussianMixtureHMM(
        3,
        2,
        n_iter=20,
        tol=-np.inf,
        topology=topology,
        transmat_prior=2.0,
        weights_prior=3.0,
        means_prior=1.0,
        means_weight=20.0,
        covars_prior=3.0,
        covars_weight=40.0,
        precision="float64",
        random_state=0,
    ).fit(X)
    assert np.diff(model.monitor_.history).min() > -1e-8
    likelihoods = [step.log_likelihood for step in model.history_]
    assert likelihoods != list(model.monitor_.history)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("kind", KINDS)
def test_one_state_with_one_gaussian_is_mean_and_covariance(kind, offset):
    rng = np.random.default_rng(4)
    X = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + offset
    model = GaussianMixtureHMM(
        1, 1, covariance_type=kind, n_iter=2, precision="float64", min_covar=0.0
    ).fit(X, [200, 300])
    np.testing.assert_allclose(model.means_[0, 0], X.mean(axis=0), rtol=1e-14, atol=1e-12)
    covariance = np.cov(X.T, bias=True)
    expected = {
        "spherical": np.trace(covariance) / 3,
        "diag": np.diag(covariance),
        "tied": covariance,
        "full": covariance,
    }[kind]
    found = model.covars_[0] if kind == "tied" else model.covars_[0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_offsets_do_no_harm(kind):
    """Units do not matter to evaluation in float32, either, of frames in float64."""
    source = generator(kind)
    X = sequences_of(source, [80] * 5)
    options = {"covariance_type": kind, "random_state": 0, "n_iter": 5, "tol": -np.inf}
    near = GaussianMixtureHMM(3, 2, **options).fit(X)
    far = GaussianMixtureHMM(3, 2, **options).fit([x + 1e6 for x in X])
    assert far.history_[-1].precision == "float32"
    np.testing.assert_allclose(far.means_ - 1e6, near.means_, atol=2e-5)
    np.testing.assert_allclose(far.covars_, near.covars_, rtol=2e-4, atol=2e-4)
    assert far.score([x + 1e6 for x in X]) == pytest.approx(near.score(X), abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_close_to_float64(kind):
    source = generator(kind)
    X = sequences_of(source, [80] * 5)
    models = []
    for precision in ("float32", "float64"):
        model = GaussianMixtureHMM(
            3, 2, covariance_type=kind, init_params="", precision=precision, n_iter=5, tol=-np.inf
        )
        models.append(started(model, source).fit(X))
    single, double = models
    for name in FITTED:
        np.testing.assert_allclose(
            getattr(single, name), getattr(double, name), rtol=1e-3, atol=1e-4
        )
    # The error of float32 in each frame, which differs between processors, adds up over 400 frames.
    assert single.score(X) == pytest.approx(double.score(X), abs=400 * 1e-5)
    assert not np.array_equal(single.means_, double.means_)


def test_weights_are_repetitions():
    source = generator()
    X = sequences_of(source, [30, 40, 20, 50])
    counts = [1, 3, 0, 2]
    repeated = [x for x, count in zip(X, counts, strict=True) for _ in range(count)]
    options = {"n_iter": 4, "tol": -np.inf, "precision": "float64", "random_state": 0}
    for init_params in ("", "stmcw"):
        weighted = GaussianMixtureHMM(3, 2, init_params=init_params, **options)
        plain = GaussianMixtureHMM(3, 2, init_params=init_params, **options)
        if not init_params:
            started(weighted, source), started(plain, source)
        weighted.fit(X, sample_weight=counts)
        plain.fit(repeated)
        for name in FITTED:
            np.testing.assert_allclose(
                getattr(weighted, name), getattr(plain, name), rtol=1e-9, atol=1e-11
            )
        np.testing.assert_allclose(weighted.monitor_.history, plain.monitor_.history, rtol=1e-12)


def test_order_of_sequences_is_immaterial():
    X = sequences_of(generator(), [30, 40, 20, 50])
    options = {"n_iter": 4, "tol": -np.inf, "precision": "float64", "random_state": 0}
    forth = GaussianMixtureHMM(3, 2, **options).fit(X)
    back = GaussianMixtureHMM(3, 2, **options).fit(X[::-1])
    for name in FITTED:
        np.testing.assert_allclose(getattr(forth, name), getattr(back, name), rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["diag", "full"])
def test_jobs_change_no_bit(kind):
    X = sequences_of(generator(kind), [700] * 20)
    models = [
        GaussianMixtureHMM(
            3, 2, covariance_type=kind, n_iter=2, tol=-np.inf, n_jobs=n_jobs, random_state=0
        ).fit(X)
        for n_jobs in (1, 3)
    ]
    for name in FITTED:
        np.testing.assert_array_equal(*(getattr(model, name) for model in models))
    assert list(models[0].monitor_.history) == list(models[1].monitor_.history)
    np.testing.assert_array_equal(*(model.score_sequences(X) for model in models))
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))


@pytest.mark.slow
def test_generating_parameters_are_recovered():
    source = generator()
    X = sequences_of(source, [400] * 50)
    model = GaussianMixtureHMM(3, 2, init_params="", n_iter=30)
    started(model, source).fit(X)
    np.testing.assert_allclose(model.transmat_, source.transmat_, atol=0.02)
    np.testing.assert_allclose(model.weights_, source.weights_, atol=0.03)
    np.testing.assert_allclose(model.means_, source.means_, atol=0.12)
    np.testing.assert_allclose(model.covars_, source.covars_, rtol=0.15, atol=0.02)
    assert model.score(X) > source.score(X)


def test_long_sequences_are_cut_for_evaluation_only():
    """Statistics of several blocks equal those of all frames in one piece."""
    source = generator()
    X = sequences_of(source, [9000])[0]
    model = started(GaussianMixtureHMM(3, 2, init_params="", n_iter=1, precision="float64"), source)
    posteriors = model.predict_proba(X)
    parts = [model.state_mixture(s).posteriors(X, precision="float64") for s in range(3)]
    occupancy = np.stack([posteriors[:, s, None] * parts[s] for s in range(3)], axis=1)
    means = np.einsum("tsm,td->smd", occupancy, X) / occupancy.sum(axis=0)[:, :, None]
    model.fit(X)
    np.testing.assert_allclose(model.means_, means, rtol=1e-9)
    np.testing.assert_allclose(
        model.weights_, occupancy.sum(axis=0) / posteriors.sum(axis=0)[:, None], rtol=1e-9
    )


@pytest.mark.slow
def test_posteriors_of_few_sequences_are_held():
    """Posteriors of all frames and components would take 32 MB here."""
    source = generator()
    X = np.tile(sequences_of(source, [200])[0].astype(np.float32), (1000, 1))
    model = started(GaussianMixtureHMM(3, 2, init_params="", n_iter=2), source)
    model.set_params(n_components=3, n_mix=2).fit(X[:400], [200] * 2)
    tracemalloc.start()
    model.fit(X, [200] * 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    n_frames, n_components = len(X), 6
    assert peak < 0.6 * 4 * n_frames * n_components + 8 * n_frames


@pytest.mark.parametrize(("topology", "band"), [("left-right", 1), ("bakis", 2)])
def test_topologies_stay(topology, band):
    X = sequences_of(generator(), [60] * 6)
    model = GaussianMixtureHMM(5, topology=topology, n_iter=3).fit(X)
    allowed = np.triu(np.ones((5, 5), bool)) & ~np.triu(np.ones((5, 5), bool), band + 1)
    assert not model.transmat_[~allowed].any()
    assert model.transmat_[allowed].min() >= 0
    np.testing.assert_allclose(model.transmat_.sum(axis=1), 1)
    np.testing.assert_array_equal(model.startprob_, np.eye(5)[0])
    assert (np.diff(model.predict(X[0])) >= 0).all()


def test_topology_given_as_a_matrix():
    given = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]])
    X = sequences_of(generator(), [60] * 6)
    model = GaussianMixtureHMM(3, topology=given, n_iter=3, random_state=0).fit(X)
    assert not model.transmat_[given == 0].any()
    with pytest.raises(InvalidInputError, match="2 x 2 transition probabilities"):
        GaussianMixtureHMM(2, topology=given).fit(X)
    with pytest.raises(InvalidInputError, match="topology must be 'ergodic'"):
        GaussianMixtureHMM(2, topology="circular").fit(X)


def test_paths_end_in_the_last_state_if_they_must():
    X = sequences_of(generator(), [10] * 6)
    model = GaussianMixtureHMM(4, topology="left-right", final="last", n_iter=3).fit(X)
    assert all(model.predict(x)[-1] == 3 for x in X)
    assert model.predict_proba(X[0])[-1, 3] == pytest.approx(1)
    np.testing.assert_array_equal(model.predict(X[0][:4]), [0, 1, 2, 3])
    short = X[0][:3]
    assert model.score(short) == -np.inf
    np.testing.assert_array_equal(np.isneginf(model.score_sequences([X[0], short])), [False, True])
    for method in ("decode", "predict_proba"):
        with pytest.raises(InsufficientDataError, match="sequence 1 is impossible"):
            getattr(model, method)([X[0], short])
    with pytest.raises(InsufficientDataError, match="sequence 5 has 3 frames, fewer than the 4"):
        model.fit([*X[:5], short])
    # Of weight zero it does not matter.
    model.fit([*X[:5], short], sample_weight=[1, 1, 1, 1, 1, 0])


@pytest.mark.slow
def test_samples_have_the_moments_of_the_model():
    for kind in KINDS:
        model = generator(kind)
        X, states = model.sample(40_000, random_state=5)
        assert X.shape == (40_000, 3)
        counts = np.zeros((3, 3))
        np.add.at(counts, (states[:-1], states[1:]), 1)
        np.testing.assert_allclose(
            counts / counts.sum(axis=1, keepdims=True), model.transmat_, atol=0.015
        )
        for state in range(3):
            frames = X[states == state]
            mixture = model.state_mixture(state)
            mean, variance = mixture.global_moments()
            deviation = np.sqrt(variance / len(frames))
            assert (np.abs(frames.mean(axis=0) - mean) < 5 * deviation).all()
            np.testing.assert_allclose(frames.var(axis=0), variance, rtol=0.1)
            # Covariances, and not only variances.
            between = np.cov(mixture.means.T, aweights=mixture.weights, bias=True)
            within = np.einsum("k,kij->ij", mixture.weights, mixture.full_covariances())
            size = np.sqrt(np.outer(variance, variance))
            assert np.abs(np.cov(frames.T) - between - within).max() < 0.1 * size.max()


@pytest.mark.slow
def test_samples_begin_where_they_are_told():
    model = generator()
    assert model.sample(5, random_state=0, currstate=2)[1][0] == 2
    first = [model.sample(1, random_state=seed)[1][0] for seed in range(600)]
    np.testing.assert_allclose(np.bincount(first) / 600, model.startprob_, atol=0.06)
    one, again = (model.sample(20, random_state=3)[0] for _ in range(2))
    np.testing.assert_array_equal(one, again)
    with pytest.raises(InvalidInputError, match="n_samples must be a whole number >= 1"):
        model.sample(0)
    with pytest.raises(InvalidInputError, match=r"currstate must be a whole number in 0\.\.2"):
        model.sample(3, currstate=3)


def test_monitor_and_history_tell_of_the_fit(capsys):
    X = sequences_of(generator(), [60] * 6)
    model = GaussianMixtureHMM(3, 2, n_iter=100, tol=1.0, random_state=0, verbose=True).fit(X)
    history = list(model.monitor_.history)
    assert model.monitor_.converged
    assert model.monitor_.iter == len(history) == len(model.history_) < 100
    assert history[-1] - history[-2] < 1.0
    assert np.diff(history)[:-1].min() >= 1.0
    assert len(capsys.readouterr().err.splitlines()) == len(history)
    assert [step.iteration for step in model.history_] == list(range(1, len(history) + 1))
    assert [step.objective for step in model.history_] == history
    # Set since, and heeded.
    model.set_params(n_iter=2, verbose=False).fit(X)
    assert len(model.monitor_.history) == 2


@pytest.mark.parametrize("origin", ["hmmlearn", "ours"])
def test_other_monitors_may_take_its_place(origin):
    theirs = origin == "hmmlearn"

    class Stubborn(hmmlearn_module("base").ConvergenceMonitor if theirs else FitMonitor):
        @property
        def converged(self):
            return self.iter == 3

    model = GaussianMixtureHMM(2, n_iter=50)
    model.monitor_ = Stubborn(1e-2, 50, False)
    model.fit(sequences_of(generator(), [60] * 2))
    assert model.monitor_.iter == 3


def test_likelihood_in_history_is_that_of_enumeration():
    source = generator(n_features=1)
    X = sequences_of(source, [4, 5, 3])
    model = started(GaussianMixtureHMM(3, 2, init_params="", n_iter=1), source)
    expected = Auxiliary(model, X).log_likelihood
    assert model.fit(X).monitor_.history[0] == pytest.approx(expected, abs=1e-4)


def test_it_is_an_estimator_like_others():
    model = GaussianMixtureHMM(4, 3, topology="bakis", n_jobs=2, means_weight=2.0)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(n_mix=2).n_mix == 2
    assert "topology='bakis'" in repr(model)


def test_criteria_count_what_is_free():
    X = sequences_of(generator(), [60] * 6)
    frames = np.concatenate(X)
    model = GaussianMixtureHMM(4, 2, topology="left-right", n_iter=2).fit(X)
    # Three transitions, weights, means, variances; the start is certain.
    assert model.aic(frames, [60] * 6) == pytest.approx(-2 * model.score(X) + 2 * (3 + 4 + 24 + 24))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weight", [1e-100, 1e-13, 1e100])
def test_the_unit_of_weights_changes_nothing(weight, kind):
    X = sequences_of(generator(kind), [40] * 4)
    options = {"covariance_type": kind, "random_state": 0, "n_iter": 3, "tol": -np.inf}
    plain = GaussianMixtureHMM(3, 2, **options).fit(X)
    weighted = GaussianMixtureHMM(3, 2, **options).fit(X, sample_weight=[weight] * 4)
    for name in FITTED:
        np.testing.assert_allclose(
            getattr(weighted, name), getattr(plain, name), rtol=1e-6, atol=1e-9
        )
    assert weighted.history_[0].log_likelihood == pytest.approx(
        weight * plain.history_[0].log_likelihood, rel=1e-9
    )


class TwoStates(GaussianMixtureHMM):
    """A user's subclass, with parameters of its own."""

    def __init__(self, prior=1.0):
        super().__init__(2, transmat_prior=prior, random_state=0)
        self.prior = prior


def test_a_subclass_has_parameters_of_its_own():
    X = np.random.default_rng(0).normal(size=(60, 1)) + np.repeat([0.0, 9.0], 30)[:, None]
    plain = GaussianMixtureHMM(2, transmat_prior=5.0, random_state=0).fit(X)
    found = TwoStates(5.0).fit(X)
    np.testing.assert_allclose(found.transmat_, plain.transmat_)
    assert found.transmat_[0, 1] > TwoStates().fit(X).transmat_[0, 1]
