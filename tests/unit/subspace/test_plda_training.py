"""Training of PLDA: monotone, neutral, to the closed form, on any engine, and resumed."""

import itertools

import numpy as np
import pytest
from oracles import plda as oracle

from speakergmm.engine import Engine
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.run_context import RunContext
from speakergmm.speakers import read_kaldi_plda
from speakergmm.subspace import (
    LengthNormalisation,
    Plda,
    PldaOptions,
    SpeakerGroups,
    SpeakerSums,
    fit_plda,
    plda_log_likelihood,
    standardise_factors,
    update_plda,
)


def balanced(rng, n_speakers, n_sessions, *, loadings, within, mean=0.0):
    names = np.repeat(np.arange(n_speakers), n_sessions)
    y = rng.normal(size=(n_speakers, loadings.shape[1]))
    noise = rng.multivariate_normal(np.zeros(len(within)), within, len(names))
    return mean + (y @ loadings.T)[names] + noise, names


@pytest.mark.parametrize(
    ("rank", "noise", "minimum_divergence"),
    list(itertools.product([None, 2], ["full", "diagonal"], [True, False])),
)
def test_the_likelihood_never_falls(speakers, rank, noise, minimum_divergence):
    X, names = speakers
    seen = []
    found = fit_plda(
        X, names, rank=rank, noise=noise, minimum_divergence=minimum_divergence, max_iter=15,
        tol=0.0, run=RunContext(callback=lambda number, iteration: seen.append(iteration)),
    )  # fmt: skip
    assert found.convergence == "iteration_limit"
    assert (np.diff(found.objectives) > -1e-12).all()
    assert len(seen) == 15
    last = plda_log_likelihood(found.model, X, names) / len(X)
    assert last > found.objectives[-1] > found.objectives[0]
    assert found.model.rank == (rank or 6)


@pytest.mark.parametrize("minimum_divergence", [True, False])
def test_an_update_is_that_of_loops_over_sessions(rng, minimum_divergence):
    names = np.repeat(np.arange(5), [1, 2, 6, 3, 4])
    X = rng.normal(size=(16, 3)) + 2 * rng.normal(size=(5, 3))[names] + 4
    before = Plda(rng.normal(size=3), rng.normal(size=(3, 2)), np.diag([1.0, 2.0, 0.5]))
    sums = SpeakerSums.of(X, SpeakerGroups.of(names, 16))
    options = PldaOptions(minimum_divergence=minimum_divergence)
    found = update_plda(sums.expect(before, Engine(1)), sums, options)
    mean, loadings, within = oracle.em_update(
        before.mean, before.loadings, before.within, X, names,
        minimum_divergence=minimum_divergence,
    )  # fmt: skip
    np.testing.assert_allclose(found.mean, mean, rtol=1e-8)
    np.testing.assert_allclose(found.between, loadings @ loadings.T, rtol=1e-8)
    np.testing.assert_allclose(found.within, within, rtol=1e-8, atol=1e-9)


def test_minimum_divergence_needs_fewer_iterations(speakers):
    X, names = speakers
    reached = [
        fit_plda(X, names, max_iter=5, tol=0.0, minimum_divergence=each).objective
        for each in (True, False)
    ]
    assert reached[0] > reached[1]


def test_standard_factors_leave_the_embeddings_as_they_are(rng):
    mean, loadings, centre = rng.normal(size=5), rng.normal(size=(5, 3)), rng.normal(size=3)
    root = rng.normal(size=(3, 3))
    spread = root @ root.T
    new_mean, new_loadings = standardise_factors(mean, loadings, centre, spread)
    np.testing.assert_allclose(new_mean, mean + loadings @ centre)
    np.testing.assert_allclose(new_loadings @ new_loadings.T, loadings @ spread @ loadings.T)


def test_training_finds_the_closed_form_of_balanced_sessions(rng):
    loadings = 2 * rng.normal(size=(3, 3))
    X, names = balanced(rng, 60, 5, loadings=loadings, within=np.diag([1.0, 2.0, 0.5]), mean=7.0)
    found = fit_plda(X, names, max_iter=400, tol=0.0).model
    means = X.reshape(60, 5, 3).mean(axis=1)
    deviations = X - means[names]
    within = deviations.T @ deviations / (60 * 4)
    np.testing.assert_allclose(found.mean, X.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.within, within, atol=1e-5)
    np.testing.assert_allclose(found.between, np.cov(means.T, bias=True) - within / 5, atol=1e-4)


def test_training_recovers_what_the_data_were_drawn_from(rng):
    loadings = np.linalg.qr(rng.normal(size=(8, 2)))[0] * [3.0, 2.0]
    within = np.diag(rng.uniform(0.5, 1.5, 8))
    X, names = balanced(rng, 1500, 4, loadings=loadings, within=within, mean=rng.normal(size=8))
    found = fit_plda(X, names, rank=2).model
    angles = np.linalg.svd(np.linalg.qr(found.loadings)[0].T @ np.linalg.qr(loadings)[0])[1]
    assert angles.min() > 0.999
    np.testing.assert_allclose(found.between, loadings @ loadings.T, atol=0.5)
    np.testing.assert_allclose(found.within, within, atol=0.1)


def test_scores_tell_speakers_apart_that_were_not_seen(rng):
    loadings = np.linalg.qr(rng.normal(size=(8, 2)))[0] * 3
    X, names = balanced(rng, 120, 4, loadings=loadings, within=np.eye(8))
    seen = names < 80
    plda = fit_plda(X[seen], names[seen], rank=2).model
    models, tests = X[~seen][::4], X[~seen][1::4]
    scores = plda.score(models, tests)
    # Log-likelihood ratios of the model that the data were drawn from are calibrated.
    target, nontarget = np.diag(scores), scores[~np.eye(40, dtype=bool)]
    assert np.exp(-target).mean() == pytest.approx(1, abs=0.5)
    assert np.exp(nontarget).mean() == pytest.approx(1, abs=0.5)
    assert np.median(target) > 1 > np.median(nontarget)


def test_shards_and_workers_change_nothing(speakers, monkeypatch):
    X, names = speakers
    one = fit_plda(X, names, max_iter=3).model
    monkeypatch.setattr("speakergmm.subspace.plda_expectation._SHARD_SPEAKERS", 5)
    shards = [fit_plda(X, names, max_iter=3, engine=engine).model for engine in (1, 2)]
    for name in ("mean", "loadings", "within"):
        left, right = (getattr(each, name) for each in shards)
        np.testing.assert_array_equal(left, right)
        np.testing.assert_allclose(left, getattr(one, name), rtol=1e-6, atol=1e-9)


class Interrupted(Exception):
    pass


def test_training_resumes_to_the_same_result(speakers, tmp_path):
    X, names = speakers

    def interrupt(number, _):
        if number == 2:
            raise Interrupted

    whole = fit_plda(X, names, max_iter=6, tol=0.0).model
    path = tmp_path / "checkpoint"
    run = RunContext(checkpoint=path, checkpoint_seconds=0.0, callback=interrupt)
    with pytest.raises(Interrupted):
        fit_plda(X, names, max_iter=6, tol=0.0, run=run)
    assert path.exists()
    with pytest.raises(IncompatibleModelError, match="differs in embeddings"):
        fit_plda(X + 1, names, max_iter=6, tol=0.0, run=RunContext(checkpoint=path))
    found = fit_plda(X, names, max_iter=6, tol=0.0, run=RunContext(checkpoint=path))
    np.testing.assert_array_equal(found.model.loadings, whole.loadings)
    assert len(found.history) == 6
    assert not path.exists()


def test_data_that_do_not_suffice_are_refused(rng):
    X = rng.normal(size=(12, 3))
    with pytest.raises(
        InsufficientDataError, match="PLDA needs speakers of two or more sessions, found 12"
    ):
        fit_plda(X, np.arange(12))
    with pytest.raises(InsufficientDataError, match="PLDA needs two or more speakers, found one"):
        fit_plda(X, np.zeros(12))
    with pytest.raises(
        InvalidInputError, match="rank must be at most 2 for 3 speakers of embeddings of 3"
    ):
        fit_plda(X, list("abc") * 4, rank=3)
    with pytest.raises(InsufficientDataError, match=r"vary in 2 of 3 dimensions .*reduce to 2"):
        fit_plda(X[:4], ["a", "a", "b", "b"])
    with pytest.raises(InsufficientDataError, match="dimension 1 is the same in all sessions"):
        fit_plda(X * [1, 0, 1], list("abc") * 4, noise="diagonal")
    with pytest.raises(InvalidInputError, match="rank must be a whole number >= 1, found 0"):
        fit_plda(X, list("abc") * 4, rank=0)


def test_few_speakers_have_a_subspace_of_fewer_dimensions(rng):
    X, names = balanced(rng, 4, 30, loadings=3 * rng.normal(size=(6, 6)), within=np.eye(6))
    found = fit_plda(X, names).model
    assert isinstance(found, Plda)
    assert found.loadings.shape == (6, 3)


def test_training_on_kaldi_s_embeddings_finds_kaldi_s_model(data_dir):
    folder = data_dir / "kaldi_reference" / "ivector"
    kaldi = read_kaldi_plda(folder / "plda")
    vectors = dict(np.load(folder / "background_ivectors.npz"))
    lines = (folder / "background_utt2spk").read_text().splitlines()
    speakers = dict(line.split() for line in lines)
    X = np.stack(list(vectors.values())).astype(float)
    X = LengthNormalisation(by_dimension=True).transform(X - X.mean(axis=0))
    names = [speakers[name] for name in vectors]
    found = fit_plda(X, names).model
    # Of 12 speakers there are 11 variances; Kaldi stops after ten iterations of a slower kind.
    np.testing.assert_allclose(found.variances[:11], np.sort(kaldi.variances)[:-12:-1], rtol=2e-3)
    assert not found.variances[11:].any()
    np.testing.assert_allclose(found.between, kaldi.between, atol=0.03)
    np.testing.assert_allclose(found.within, kaldi.within, atol=0.03)
    assert plda_log_likelihood(found, X, names) > plda_log_likelihood(kaldi, X, names)
