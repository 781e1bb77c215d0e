"""Supervector machines: the kernel as a sum, and scikit-learn's decisions on explicit vectors."""

import numpy as np
import pytest
from sklearn.svm import SVC

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.mixtures import DiagonalMixture
from speakergmm.speakers import SupervectorSvm
from speakergmm.subspace import NuisanceProjection, fit_nuisance_projection, scaled_supervectors

K, D = 3, 2


@pytest.fixture
def rng():
    return np.random.default_rng(8)


@pytest.fixture
def background(rng):
    return DiagonalMixture(
        rng.dirichlet(np.ones(K)), rng.normal(size=(K, D)), rng.uniform(0.3, 2, (K, D))
    )


def test_products_of_supervectors_are_the_sum_over_components(rng, background):
    means = background.means + rng.normal(size=(4, K, D))
    expected = [
        [
            sum(
                background.weights[k] * a[k] @ np.diag(1 / background.variances[k]) @ b[k]
                for k in range(K)
            )
            for a in means
        ]
        for b in means
    ]
    found = scaled_supervectors(means, background)
    np.testing.assert_allclose(found @ found.T, expected)


def test_means_of_another_shape_are_refused(background):
    with pytest.raises(
        IncompatibleModelError, match=r"must have shape \(N, 3, 2\), found \(3, 2\)"
    ):
        scaled_supervectors(background.means, background)
    with pytest.raises(InvalidInputError, match="means of mixtures must be finite"):
        scaled_supervectors(background.means[None] * np.nan, background)


@pytest.fixture
def vectors(rng):
    """Supervectors of ten speakers of three sessions, and of a further speaker."""
    centres = rng.normal(size=(11, 8))
    sessions = centres.repeat(3, axis=0) + 0.3 * rng.normal(size=(33, 8))
    return sessions[:30], np.repeat(np.arange(10), 3), sessions[30:]


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("n_nuisances", [0, 2])
def test_scores_are_the_decisions_of_a_machine_on_explicit_vectors(
    rng, vectors, balanced, n_nuisances
):
    others, names, own = vectors
    svm = SupervectorSvm.train(others, names, cost=0.5, balanced=balanced, n_nuisances=n_nuisances)
    tests = rng.normal(size=(6, 8))
    hyperplanes = [svm.enroll(own[:2]), svm.enroll(own[2:])]
    others = others.astype(np.float32).astype(float)
    if n_nuisances:
        projection = fit_nuisance_projection(others, names, n_directions=n_nuisances)
        others, own, tests_there = (projection.transform(X) for X in (others, own, tests))
    else:
        tests_there = tests
    for plane, sessions in zip(hyperplanes, (own[:2], own[2:]), strict=True):
        X = np.vstack([others, sessions])
        y = np.arange(len(X)) >= 30
        peer = SVC(kernel="linear", C=0.5, class_weight="balanced" if balanced else None)
        expected = peer.fit(X, y).decision_function(tests_there)
        np.testing.assert_allclose(svm.score([plane], tests)[0], expected, atol=3e-3)
    np.testing.assert_allclose(
        svm.score(hyperplanes, tests), np.vstack([svm.score([each], tests) for each in hyperplanes])
    )


def test_sessions_of_the_speaker_score_above_the_background(vectors):
    others, _, own = vectors
    svm = SupervectorSvm.train(others)
    scores = svm.score([svm.enroll(own[:2])], np.vstack([own[2:], others]))[0]
    assert scores[0] > scores[1:].max()


def test_a_background_is_stored(vectors, tmp_path):
    others, names, own = vectors
    svm = SupervectorSvm.train(others, names, n_nuisances=1, cost=2.0)
    svm.save(tmp_path / "svm")
    again = SupervectorSvm.load(tmp_path / "svm")
    assert again.digest == svm.digest
    assert again.options == svm.options
    np.testing.assert_array_equal(again.enroll(own), svm.enroll(own))


def test_what_does_not_suffice_is_refused(vectors):
    others, _, own = vectors
    with pytest.raises(InvalidInputError, match="each embedding needs the name of its speaker"):
        SupervectorSvm.train(others, n_nuisances=1)
    with pytest.raises(InsufficientDataError, match="30 speakers of one session each"):
        SupervectorSvm.train(others, np.arange(30), n_nuisances=1)
    with pytest.raises(IncompatibleModelError, match="projection of 2 dimensions does not fit"):
        SupervectorSvm(others, NuisanceProjection(np.eye(2)[:1]))
    svm = SupervectorSvm.train(others)
    with pytest.raises(InvalidInputError, match="supervectors must have 8 dimensions, found 7"):
        svm.enroll(own[:, :7])
    with pytest.raises(InvalidInputError, match="hyperplanes must have 9 dimensions, found 8"):
        svm.score(own, own)
    with pytest.raises(InvalidInputError, match="no machine separates these supervectors"):
        SupervectorSvm.train(others * 1e30).enroll(own * 1e300)
    with pytest.raises(InvalidInputError, match="cost must be finite and > 0, found 0"):
        SupervectorSvm.train(others, cost=0)
