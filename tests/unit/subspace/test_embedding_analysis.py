"""Chains of transforms with their scorer: the steps by hand, storage, and what is refused."""

import numpy as np
import pytest

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.file_kinds import describe_file
from speakergmm.subspace import (
    AffineTransform,
    EmbeddingAnalysis,
    EmbeddingWarning,
    LengthNormalisation,
    Plda,
    cosine_scores,
    fit_centring,
    fit_discriminants,
    fit_nuisance_projection,
    fit_plda,
    fit_whitening,
    fit_within_class_normalisation,
)


def by_hand(X, names, *fits):
    """The chain of transforms, each learnt from what the one before it yields."""
    chain = []
    for fit in fits:
        chain.append(fit(X))
        X = chain[-1].transform(X)
    return chain, X


def through(chain, X):
    for each in chain:
        X = each.transform(X)
    return X


def test_each_step_learns_from_the_one_before(speakers):
    X, names = speakers
    chain, found = by_hand(
        X, names,
        fit_centring,
        lambda X: fit_nuisance_projection(X, names, n_directions=1),
        lambda X: fit_discriminants(X, names, n_dimensions=4, shrinkage=0.1),
        lambda X: fit_within_class_normalisation(X, names, shrinkage=0.1),
        lambda X: LengthNormalisation(),
    )  # fmt: skip
    plda = fit_plda(found, names, rank=2, max_iter=3).model
    analysis = EmbeddingAnalysis.train(
        X, names, n_nuisances=1, n_discriminants=4, normalisation="wccn", shrinkage=0.1,
        rank=2, max_iter=3,
    )  # fmt: skip
    assert analysis.steps == (
        *("centring", "nuisance projection", "discriminants", "WCCN", "length normalisation"),
        "PLDA",
    )
    np.testing.assert_array_equal(analysis.transform(X), found)
    models = np.where(names < "s006", "a", "b")[:20]
    enrolled = analysis.enroll(X[:20], models)
    averages = [found[:20][models == name].mean(axis=0) for name in "ab"]
    counts = [(models == name).sum() for name in "ab"]
    expected = plda.score(averages, through(chain, X[20:]), counts)
    np.testing.assert_allclose(analysis.score(enrolled, X[20:]), expected)
    assert enrolled.names == ("a", "b")


def test_cosines_of_whitened_embeddings(speakers):
    X, names = speakers
    X = X / X.std(axis=0)
    analysis = EmbeddingAnalysis.train(X, names, normalisation="whitening", scorer="cosine")
    assert analysis.steps == ("centring", "whitening", "length normalisation", "cosine")
    whitened = fit_whitening(X).transform(X)
    whitened /= np.linalg.norm(whitened, axis=1, keepdims=True)
    expected = cosine_scores([whitened[:3].mean(axis=0)], whitened)
    found = analysis.score(analysis.enroll(X[:3], ["a"] * 3), X)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_an_analysis_is_one_file(speakers, tmp_path):
    X, names = speakers
    with pytest.warns(EmbeddingWarning, match="vary in 5 of 6"):  # the nuisance is gone
        analysis = EmbeddingAnalysis.train(X, names, n_nuisances=1, n_discriminants=3, max_iter=2)
    analysis.save(tmp_path / "analysis")
    again = EmbeddingAnalysis.load(tmp_path / "analysis")
    assert again.digest == analysis.digest
    assert again.info() == analysis.info()
    assert describe_file(tmp_path / "analysis") == "an embedding scorer"
    np.testing.assert_array_equal(
        again.score(again.enroll(X, names), X), analysis.score(analysis.enroll(X, names), X)
    )


def test_whatever_determines_scores_changes_the_digest(speakers):
    X, names = speakers
    digests = {
        EmbeddingAnalysis.train(X, names, max_iter=2, **changes).digest
        for changes in (
            {},
            {"centre": False},
            {"n_discriminants": 3},
            {"scorer": "cosine"},
            {"length_normalisation": False},
            {"sessions": "average"},
            {"rank": 2},
        )
    }
    assert len(digests) == 7
    twice = [EmbeddingAnalysis.train(X, names, max_iter=2).digest for _ in range(2)]
    assert twice[0] == twice[1]


def test_parts_of_other_dimensions_are_refused():
    two, three = np.eye(2), np.eye(3)
    with pytest.raises(IncompatibleModelError, match=r"part 2 of an analysis, Plda, takes .* of 3"):
        EmbeddingAnalysis(
            [AffineTransform(np.zeros(3), three[:, :2]), LengthNormalisation()],
            Plda(np.zeros(3), three, three),
        )
    analysis = EmbeddingAnalysis([AffineTransform(np.zeros(3), three[:, :2])])
    assert analysis.n_dimensions == 3
    with pytest.raises(InvalidInputError, match="embeddings must have 3 dimensions, found 2"):
        analysis.transform(two)
    enrolled = EmbeddingAnalysis().enroll(three, list("abc"))
    with pytest.raises(InvalidInputError, match="models of 3 dimensions are of another analysis"):
        analysis.score(enrolled, three)


def test_speakers_of_one_session_each_have_cosines_only(rng):
    X, names = rng.normal(size=(20, 3)), np.arange(20)
    with pytest.raises(InsufficientDataError, match="PLDA needs speakers of two or more sessions"):
        EmbeddingAnalysis.train(X, names)
    analysis = EmbeddingAnalysis.train(X, names, normalisation="whitening", scorer="cosine")
    assert analysis.score(analysis.enroll(X[:2], ["a", "b"]), X).shape == (2, 20)
