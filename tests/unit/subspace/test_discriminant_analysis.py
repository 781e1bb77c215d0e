"""Whitening, discriminants, WCCN and nuisance directions against their definitions and peers."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.subspace import (
    AffineTransform,
    EmbeddingWarning,
    NuisanceProjection,
    fit_centring,
    fit_discriminants,
    fit_nuisance_projection,
    fit_whitening,
    fit_within_class_normalisation,
)


def within_covariances(X, names):
    return {name: np.cov(X[names == name].T, bias=True) for name in np.unique(names)}


def aligned(X):
    """Columns of length one whose largest element is positive."""
    largest = np.take_along_axis(X, np.abs(X).argmax(axis=0)[None], axis=0)
    return X * np.sign(largest) / np.linalg.norm(X, axis=0)


def test_centring_subtracts_the_mean(speakers):
    X, _ = speakers
    np.testing.assert_allclose(fit_centring(X).transform(X).mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize("n_dimensions", [None, 2])
def test_whitened_embeddings_have_the_identity_as_their_covariance(speakers, n_dimensions):
    X, _ = speakers
    X = X / X.std(axis=0)
    found = fit_whitening(X, n_dimensions=n_dimensions).transform(X)
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(n_dimensions or 6), atol=1e-9)


def test_the_first_whitened_directions_are_the_principal_ones(speakers):
    X, _ = speakers
    found = fit_whitening(X, n_dimensions=1).matrix[:, 0]
    values, vectors = np.linalg.eigh(np.cov(X.T, bias=True))
    assert abs(found @ vectors[:, -1]) * np.sqrt(values[-1]) == pytest.approx(1)


def test_whitening_leaves_out_directions_in_which_nothing_varies(rng):
    X = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 4))
    with pytest.warns(EmbeddingWarning, match="vary in 2 of 4 directions; the others are left out"):
        found = fit_whitening(X).transform(X)
    np.testing.assert_allclose(np.cov(found.T, bias=True), np.eye(2), atol=1e-9)
    with pytest.raises(InvalidInputError, match="n_dimensions must be at most 2"):
        fit_whitening(X, n_dimensions=3)
    with pytest.raises(InsufficientDataError, match="do not vary"):
        fit_whitening(np.ones((3, 2)))


def test_discriminants_are_those_of_scikit_learn(speakers):
    X, names = speakers
    found = fit_discriminants(X, names)
    peer = LinearDiscriminantAnalysis(solver="svd").fit(X, names)
    # Signs are free, and of the divisors N and N - S releases of scikit-learn have had both.
    ours, theirs = aligned(found.transform(X)), aligned(peer.transform(X))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-8)
    fewer = fit_discriminants(X, names, n_dimensions=2)
    np.testing.assert_allclose(fewer.matrix, found.matrix[:, :2])


def test_after_shrunk_discriminants_the_shrunk_covariance_is_the_identity(speakers):
    X, names = speakers
    X = X / X.std(axis=0)
    within = sum((names == n).sum() * c for n, c in within_covariances(X, names).items())
    within = within / (len(X) - 12)
    within = 0.7 * within + 0.3 * np.trace(within) / 6 * np.eye(6)
    found = fit_discriminants(X, names, shrinkage=0.3)
    np.testing.assert_allclose(found.matrix.T @ within @ found.matrix, np.eye(6), atol=1e-9)


def test_within_speakers_the_discriminants_are_uncorrelated(speakers):
    X, names = speakers
    found = fit_discriminants(X, names).transform(X)
    scatter = sum((names == n).sum() * c for n, c in within_covariances(found, names).items())
    np.testing.assert_allclose(scatter / (len(X) - 12), np.eye(6), atol=1e-7)
    means = np.stack([found[names == n].mean(axis=0) for n in np.unique(names)])
    counts = np.array([(names == n).sum() for n in np.unique(names)])
    between = (means * counts[:, None]).T @ means
    np.testing.assert_allclose(between - np.diag(np.diag(between)), 0, atol=1e-6)
    assert (np.diff(np.diag(between)) <= 0).all()


def test_discriminants_where_sessions_are_fewer_than_dimensions(rng):
    X, names = rng.normal(size=(12, 20)), np.repeat(list("abcd"), 3)
    with pytest.warns(EmbeddingWarning, match="vary in 8 of 20 directions"):
        found = fit_discriminants(X, names).transform(X)
    assert found.shape == (12, 3)
    scatter = sum(3 * c for c in within_covariances(found, names).values())
    np.testing.assert_allclose(scatter / 8, np.eye(3), atol=1e-7)
    peer = LinearDiscriminantAnalysis(solver="svd").fit(X, names).transform(X)
    np.testing.assert_allclose(aligned(found), aligned(peer), rtol=1e-5, atol=1e-7)
    assert fit_discriminants(X, names, shrinkage=0.5).matrix.shape == (20, 3)


def test_after_wccn_the_covariance_within_speakers_is_the_identity(speakers):
    X, names = speakers
    for weighting in ("speaker", "session"):
        found = fit_within_class_normalisation(X, names, weighting=weighting)
        covariances = within_covariances(found.transform(X), names)
        weights = [(names == n).sum() if weighting == "session" else 1 for n in covariances]
        average = np.average(list(covariances.values()), axis=0, weights=weights)
        np.testing.assert_allclose(average, np.eye(6), atol=1e-6)
        # The definition of the papers: the factor B of the inverse, B B' = inverse of W.
        W = np.average(list(within_covariances(X, names).values()), axis=0, weights=weights)
        np.testing.assert_allclose(found.matrix @ found.matrix.T @ W, np.eye(6), atol=1e-6)
        assert not found.mean.any()


def test_speakers_of_one_session_add_nothing_to_wccn(speakers):
    X, names = speakers
    more, labels = np.vstack([X, X[:2] + 7]), np.append(names, ["x", "y"])
    for weighting in ("speaker", "session"):
        np.testing.assert_allclose(
            fit_within_class_normalisation(more, labels, weighting=weighting).matrix,
            fit_within_class_normalisation(X, names, weighting=weighting).matrix,
        )


def test_wccn_states_the_dimensions_that_sessions_allow(rng):
    X, names = rng.normal(size=(8, 10)), np.repeat(list("abcd"), 2)
    with pytest.raises(
        InsufficientDataError,
        match=r"vary in 4 of 10 dimensions \(8 sessions of 4 speakers\); reduce to 4",
    ):
        fit_within_class_normalisation(X, names)
    assert fit_within_class_normalisation(X, names, shrinkage=0.1).matrix.shape == (10, 10)


def test_nuisance_projection_removes_exactly_the_directions_between_sessions(rng):
    basis = np.linalg.qr(rng.normal(size=(9, 9)))[0]
    centres = np.repeat(rng.normal(size=(15, 9)), 4, axis=0)
    nuisance = rng.normal(size=(60, 3)) * [5.0, 4.0, 3.0]
    names = np.repeat(np.arange(15), 4)
    X = centres + nuisance @ basis[:, :3].T
    found = fit_nuisance_projection(X, names, n_directions=3)
    P = found.transform(np.eye(9))
    np.testing.assert_allclose(P, np.eye(9) - basis[:, :3] @ basis[:, :3].T, atol=1e-12)
    np.testing.assert_allclose(P, P.T, atol=1e-12)
    np.testing.assert_allclose(P @ P, P, atol=1e-12)
    # What is left of a speaker's sessions is the same.
    projected = found.transform(X).reshape(15, 4, 9)
    np.testing.assert_allclose(projected, projected[:, :1].repeat(4, axis=1), atol=1e-12)
    with pytest.raises(InvalidInputError, match="n_directions must be at most 3"):
        fit_nuisance_projection(X, names, n_directions=4)


def test_the_largest_nuisances_go_first(speakers):
    X, names = speakers
    X = X / X.std(axis=0)
    scatter = sum((names == n).sum() * c for n, c in within_covariances(X, names).items())
    _, vectors = np.linalg.eigh(scatter)
    found = fit_nuisance_projection(X, names, n_directions=2).directions
    np.testing.assert_allclose(found.T @ found, vectors[:, -2:] @ vectors[:, -2:].T, atol=1e-9)


@pytest.mark.parametrize(
    "fit",
    [
        fit_discriminants,
        fit_within_class_normalisation,
        lambda X, y: fit_nuisance_projection(X, y, n_directions=1),
    ],
)
def test_speakers_of_one_session_each_are_refused_with_what_is_possible(fit):
    with pytest.raises(InsufficientDataError, match=r"3 speakers of one session each; .*whitening"):
        fit(np.eye(3), ["a", "b", "c"])
    with pytest.raises(InvalidInputError, match="found 3 embeddings and names of shape"):
        fit(np.eye(3), ["a", "b"])
    with pytest.raises(InvalidInputError, match="the one at place 1 has none"):
        fit(np.eye(3), ["a", "", "a"])
    with pytest.raises(InvalidInputError, match="must be finite, found nan in dimension 1"):
        fit([[0.0, 1.0], [0.0, np.nan]], ["a", "a"])
    with pytest.raises(InvalidInputError, match="found 1 at place 1 and 2 at place 0"):
        fit([[0.0, 1.0], [0.0]], ["a", "a"])


def test_one_speaker_has_no_discriminants(speakers):
    X, _ = speakers
    with pytest.raises(InsufficientDataError, match="two or more speakers, found one"):
        fit_discriminants(X, ["a"] * len(X))
    with pytest.raises(InvalidInputError, match="n_dimensions must be at most 6: 12 speakers"):
        fit_discriminants(*speakers, n_dimensions=7)


def test_transforms_are_stored(speakers, tmp_path):
    X, names = speakers
    for found, cls in (
        (fit_discriminants(X, names), AffineTransform),
        (fit_nuisance_projection(X, names, n_directions=1), NuisanceProjection),
    ):
        found.save(tmp_path / "file")
        again = cls.load(tmp_path / "file").transform(X)
        np.testing.assert_array_equal(again, found.transform(X))
