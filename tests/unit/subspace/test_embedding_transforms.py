"""Lengths and cosines of embeddings, and what is refused."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.subspace import (
    AffineTransform,
    LengthNormalisation,
    NuisanceProjection,
    cosine_scores,
)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_lengths_are_one_or_the_root_of_the_dimension(rng, scale):
    X = scale * rng.normal(size=(5, 7))
    unit = LengthNormalisation().transform(X)
    np.testing.assert_allclose((unit**2).sum(axis=1), 1)
    np.testing.assert_allclose(LengthNormalisation(True).transform(X), np.sqrt(7) * unit)
    np.testing.assert_allclose(unit * np.abs(X[:, :1]), np.abs(unit[:, :1]) * X)


def test_cosines_equal_loops_over_trials(rng):
    models, tests = rng.normal(size=(4, 5)), rng.normal(size=(6, 5))
    expected = [
        [m @ t / np.sqrt((m @ m) * (t @ t)) for t in tests] for m in models
    ]  # fmt: skip
    np.testing.assert_allclose(cosine_scores(models, tests), expected)


def test_an_embedding_of_length_zero_is_refused():
    with pytest.raises(InvalidInputError, match="tests must have a direction: the one at place 1"):
        cosine_scores([[1.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(InvalidInputError, match="embeddings must have a direction"):
        LengthNormalisation().transform(np.zeros((1, 2)))
    with pytest.raises(InvalidInputError, match="tests must have 2 dimensions, found 3"):
        cosine_scores(np.ones((1, 2)), np.ones((1, 3)))


def test_parts_that_do_not_agree_are_refused():
    with pytest.raises(InvalidInputError, match="a mean must have 2 dimensions, found 1"):
        AffineTransform([1.0], np.eye(2))
    with pytest.raises(InvalidInputError, match="orthonormal"):
        NuisanceProjection([[1.0, 1.0]])
    with pytest.raises(InvalidInputError, match="matrix of numbers"):
        LengthNormalisation().transform([["a", "b"]])
    with pytest.raises(InvalidInputError, match=r"one embedding per row, found shape \(2,\)"):
        LengthNormalisation().transform(np.ones(2))


def test_length_normalisation_is_stored(tmp_path):
    LengthNormalisation(by_dimension=True).save(tmp_path / "file")
    assert LengthNormalisation.load(tmp_path / "file").by_dimension
