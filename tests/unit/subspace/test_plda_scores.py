"""PLDA's likelihood ratios against the joint Gaussian, integrals, and Kaldi's scores."""

import lzma
import re

import numpy as np
import pytest
from oracles import plda as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.subspace import LengthNormalisation, Plda, plda_log_likelihood

D = 4


def make_plda(rng, rank):
    root = rng.normal(size=(D, 2 * D))
    return Plda(rng.normal(size=D), rng.normal(size=(D, rank)), root @ root.T / D)


@pytest.mark.parametrize("rank", [D, 2])
def test_ratios_are_those_of_the_joint_gaussian(rng, rank):
    plda = make_plda(rng, rank)
    models = [2 * rng.normal(size=(n, D)) for n in (1, 3, 1, 8)]
    tests = 2 * rng.normal(size=(5, D))
    counts = [len(each) for each in models]
    expected = [
        [oracle.joint_ratio(plda.mean, plda.between, plda.within, m, t) for t in tests]
        for m in models
    ]
    averages = [each.mean(axis=0) for each in models]
    np.testing.assert_allclose(plda.score(averages, tests, counts), expected, rtol=1e-9, atol=1e-9)
    # An average that counts as one session is a model of one session.
    expected = [
        [oracle.joint_ratio(plda.mean, plda.between, plda.within, m[None], t) for t in tests]
        for m in averages
    ]
    found = plda.score(averages, tests, counts, sessions="average")
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(plda.score(averages, tests), expected, rtol=1e-9, atol=1e-9)


def test_ratios_are_integrals_over_the_factor(rng):
    plda = make_plda(rng, 1)
    enrolment, test = rng.normal(size=(3, D)), rng.normal(size=D)
    loading = plda.loadings[:, 0]
    expected = oracle.integrated_ratio(plda.mean, loading, plda.within, enrolment, test)
    found = plda.score(enrolment.mean(axis=0)[None], test[None], [3])
    assert found[0, 0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("rank", [D, 1])
def test_the_log_likelihood_is_that_of_the_joint_gaussian(rng, rank):
    plda = make_plda(rng, rank)
    names = np.array(list("abacbadac"))
    X = rng.normal(size=(len(names), D)) + 5
    expected = sum(
        oracle.joint_log_density(plda.mean, plda.between, plda.within, X[names == name])
        for name in "abcd"
    )
    assert plda_log_likelihood(plda, X, names) == pytest.approx(expected, rel=1e-10)


def test_both_covariances_are_diagonal_after_the_transform(rng):
    plda = make_plda(rng, 3)
    matrix = plda.transform(np.eye(D)) - plda.transform(np.zeros((1, D)))
    np.testing.assert_allclose(matrix.T @ plda.within @ matrix, np.eye(D), atol=1e-10)
    between = matrix.T @ plda.between @ matrix
    np.testing.assert_allclose(between, np.diag(plda.variances), atol=1e-9)
    assert plda.variances[3] == 0
    np.testing.assert_allclose(plda.transform(plda.mean[None]), 0, atol=1e-12)


def test_a_model_of_two_covariances_is_that_of_their_root(rng):
    plda = make_plda(rng, 2)
    again = Plda.of_covariances(plda.mean, plda.between, plda.within)
    np.testing.assert_allclose(again.between, plda.between, atol=1e-12)
    X = rng.normal(size=(3, D))
    np.testing.assert_allclose(again.score(X, X), plda.score(X, X), atol=1e-7)


def numbers(text):
    return [np.array(each.split(), float) for each in re.findall(r"\[([^\]]*)\]", text)]


@pytest.mark.parametrize("counts_sessions", [True, False])
def test_scores_are_those_of_kaldi(data_dir, counts_sessions):
    folder = data_dir / "kaldi_reference" / "ivector"
    mean, matrix, psi = numbers((folder / "plda.txt").read_text())
    matrix = matrix.reshape(32, 32)
    global_mean = numbers((folder / "mean.vec.txt").read_text())[0]
    inverse = np.linalg.inv(matrix)
    plda = Plda(mean, inverse * np.sqrt(psi), inverse @ inverse.T)
    np.testing.assert_allclose(np.sort(plda.variances), np.sort(psi), rtol=1e-4)
    scale = LengthNormalisation(by_dimension=True)
    models, tests = (dict(np.load(folder / f"dev_{n}ivectors.npz")) for n in ("model_", ""))
    left = scale.transform(np.stack(list(models.values())) - global_mean)
    right = scale.transform(np.stack(list(tests.values())) - global_mean)
    listed = dict(line.split() for line in (folder / "dev_num_utts.txt").read_text().splitlines())
    counts = [int(listed[name]) for name in models]
    sessions = "joint" if counts_sessions else "average"
    found = plda.score(left, right, counts, expected_length=True, sessions=sessions)
    suffix = "" if counts_sessions else "_counting_one_utterance"
    with lzma.open(folder / f"dev_scores{suffix}.txt.xz", "rt") as lines:
        trials = [line.split() for line in lines]
    rows, columns = list(models), list(tests)
    ours = [found[rows.index(model), columns.index(test)] for model, test, _ in trials]
    assert len(ours) == 1280
    np.testing.assert_allclose(ours, [float(score) for *_, score in trials], atol=1e-3)


def test_scores_at_the_expected_length_are_kaldis_formula(rng):
    plda = make_plda(rng, D)
    models, tests, counts = rng.normal(size=(3, D)), rng.normal(size=(2, D)), [4, 1, 9]
    matrix = (plda.transform(np.eye(D)) - plda.transform(np.zeros((1, D)))).T
    expected = [
        [oracle.kaldi_score(plda.mean, matrix, plda.variances, m, t, n) for t in tests]
        for m, n in zip(models, counts, strict=True)
    ]
    found = plda.score(models, tests, counts, expected_length=True)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_what_is_no_model_is_refused(rng):
    with pytest.raises(InvalidInputError, match="must be positive definite"):
        Plda([0.0, 0.0], np.eye(2), np.ones((2, 2)))
    with pytest.raises(InvalidInputError, match="must be symmetric"):
        Plda([0.0, 0.0], np.eye(2), [[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(InvalidInputError, match="R at most D"):
        Plda([0.0], [[1.0, 2.0]], [[1.0]])
    with pytest.raises(InvalidInputError, match="a mean must have 2 dimensions, found 1"):
        Plda([0.0], np.eye(2), np.eye(2))
    with pytest.raises(InvalidInputError, match="between speakers must not be negative"):
        Plda.of_covariances([0.0], [[-1.0]], [[1.0]])


def test_what_cannot_be_scored_is_refused(rng):
    plda = make_plda(rng, 2)
    X = rng.normal(size=(2, D))
    with pytest.raises(InvalidInputError, match="tests must have 4 dimensions, found 3"):
        plda.score(X, X[:, :3])
    with pytest.raises(InvalidInputError, match="models must be finite, found nan"):
        plda.score(X * np.nan, X)
    for counts in ([1], [0, 1], [1, np.inf]):
        with pytest.raises(InvalidInputError, match="a number of sessions >= 1 for each of 2"):
            plda.score(X, X, counts)


def test_a_model_is_stored(rng, tmp_path):
    plda = make_plda(rng, 2)
    plda.save(tmp_path / "plda")
    again = Plda.load(tmp_path / "plda")
    X = rng.normal(size=(3, D))
    np.testing.assert_array_equal(again.score(X, X), plda.score(X, X))
    assert again.digest == plda.digest
