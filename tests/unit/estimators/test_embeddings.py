"""Analysis of embeddings as an estimator: scikit-learn's conventions, pipelines, storage."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import EmbeddingTransformer
from speakergmm.subspace import EmbeddingAnalysis


@pytest.fixture
def samples():
    rng = np.random.default_rng(2)
    y = np.repeat(np.arange(10), 6)
    return 2 * rng.normal(size=(10, 5))[y] + rng.normal(size=(60, 5)), y


@pytest.mark.slow
@parametrize_with_checks([EmbeddingTransformer(length_normalisation=False)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_its_steps_are_those_of_the_analysis(samples):
    X, y = samples
    found = EmbeddingTransformer(3, normalisation="wccn", shrinkage=0.1).fit(X, y)
    analysis = EmbeddingAnalysis.train(
        X, y, n_discriminants=3, normalisation="wccn", shrinkage=0.1, scorer="cosine"
    )
    assert found.analysis_.digest == analysis.digest
    np.testing.assert_array_equal(found.transform(X), analysis.transform(X))
    assert list(found.get_feature_names_out()) == [f"embeddingtransformer{n}" for n in range(3)]


def test_a_pipeline_classifies_as_with_scikit_learns_discriminants(samples):
    X, y = samples
    ours = EmbeddingTransformer(4, length_normalisation=False)
    theirs = LinearDiscriminantAnalysis(n_components=4)
    found, expected = (
        make_pipeline(each, KNeighborsClassifier(3)).fit(X[::2], y[::2]).predict(X[1::2])
        for each in (ours, theirs)
    )
    np.testing.assert_array_equal(found, expected)


def test_whitening_needs_no_classes(samples):
    X, _ = samples
    found = EmbeddingTransformer(normalisation="whitening").fit_transform(X)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    with pytest.raises(InvalidInputError, match="60 speakers of one session each"):
        EmbeddingTransformer(2).fit(X)
    with pytest.raises(InvalidInputError, match="n_nuisances must be a whole number >= 0"):
        EmbeddingTransformer(n_nuisances=-1).fit(X)


@pytest.mark.parametrize("parameters", [{"n_discriminants": 2}, {"centre": False}])
def test_a_fit_is_stored(samples, tmp_path, parameters):
    X, y = samples
    found = EmbeddingTransformer(**parameters).fit(X, y)
    found.save(tmp_path / "file")
    again = EmbeddingTransformer.load(tmp_path / "file")
    np.testing.assert_array_equal(again.transform(X), found.transform(X))
    assert again.get_params() == clone(found).get_params()
    assert again.n_features_in_ == 5
