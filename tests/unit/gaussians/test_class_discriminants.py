"""Discriminants of frames by class against SciPy's eigenvalues and those that Kaldi found."""

import numpy as np
import pytest
from scipy.linalg import eigh

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians import ClassScatter, find_discriminants


@pytest.fixture
def labelled():
    rng = np.random.default_rng(3)
    classes = rng.integers(0, 5, 300)
    frames = rng.normal(size=(5, 4))[classes] + rng.normal(size=(300, 4)) * [1, 1e3, 1e-3, 1]
    return frames, classes, rng.uniform(0.5, 2, 300)


def test_statistics_are_those_of_single_frames(labelled):
    frames, classes, weights = labelled
    weights[classes == 2] = 0  # as silence
    origin = frames.mean(axis=0)
    parts = [
        ClassScatter.of(frames[p], classes[p], 7, weights=weights[p], origin=origin)
        for p in (slice(0, 100), slice(100, 300))
    ]
    found = parts[0] + parts[1]
    total = weights.sum()
    mean = np.average(frames, axis=0, weights=weights)
    within, between = np.zeros((4, 4)), np.zeros((4, 4))
    for each in (0, 1, 3, 4):
        chosen = classes == each
        own = np.average(frames[chosen], axis=0, weights=weights[chosen])
        for x, w in zip(frames[chosen], weights[chosen], strict=True):
            within += w * np.outer(x - own, x - own) / total
        between += weights[chosen].sum() / total * np.outer(own - mean, own - mean)
    rows = found.between()
    assert len(rows) == 4
    scale = np.sqrt(np.outer(within.diagonal(), within.diagonal()))
    np.testing.assert_allclose(found.within() / scale, within / scale, atol=1e-12)
    np.testing.assert_allclose(rows.T @ rows / scale, between / scale, atol=1e-12)


def test_directions_solve_the_generalised_eigenproblem(labelled):
    frames, classes, _ = labelled
    statistics = ClassScatter.of(frames, classes, 5)
    rows, within = statistics.between(), statistics.within()
    found = statistics.discriminants()
    np.testing.assert_allclose(found.ratios, eigh(rows.T @ rows, within)[0][::-1], rtol=1e-6)
    np.testing.assert_allclose(found.matrix.T @ within @ found.matrix, np.eye(4), atol=1e-8)
    between = found.matrix.T @ rows.T @ rows @ found.matrix
    np.testing.assert_allclose(between, np.diag(found.ratios), atol=1e-8)


def test_directions_without_variance_are_left_out():
    found = find_discriminants(np.diag([1.0, 0.0]), np.array([[1.0, 5.0], [-1.0, 2.0]]))
    assert found.n_directions == 1
    np.testing.assert_allclose(found.matrix[:, 0], [1, 0])


def test_classes_that_cannot_be_told_apart_are_refused():
    frames = np.arange(6.0)[:, None]
    with pytest.raises(InvalidInputError, match=r"classes must be in 0\.\.1, found 2"):
        ClassScatter.of(frames, [0, 0, 0, 1, 1, 2], 2)
    with pytest.raises(InsufficientDataError, match="2 classes with frames have 1 discriminants"):
        ClassScatter.of(frames, [0, 0, 0, 1, 1, 1], 2).discriminants(2)
    with pytest.raises(InsufficientDataError, match="1 classes with frames have 0 discriminants"):
        ClassScatter.of(frames, [0] * 6, 2).discriminants()
    with pytest.raises(InvalidInputError, match="one origin"):
        ClassScatter.of(frames, [0] * 6, 2) + ClassScatter.of(frames, [0] * 6, 2, origin=[1.0])


def test_discriminants_are_those_that_kaldi_found(data_dir):
    case = data_dir / "kaldi_reference" / "cases" / "lda"
    given, true = np.load(case / "accumulators.npz"), np.load(case / "result.npz")["lda"]
    dimensions = np.zeros(91)
    sums = (given["zero"], given["first"], given["total_second"], dimensions)
    statistics = ClassScatter(*sums)
    total = given["zero"].sum()
    np.testing.assert_allclose(
        statistics.within(), given["within_scatter"] / total, rtol=0, atol=1e-8
    )
    found = statistics.discriminants(40)
    rows = found.matrix.T
    signs = np.sign((rows * true).sum(axis=1))
    np.testing.assert_allclose(signs[:, None] * rows, true, atol=2e-5)
    np.testing.assert_allclose(rows @ statistics.within() @ rows.T, np.eye(40), atol=1e-12)
    np.testing.assert_allclose(found.ratios[:4], [7.0506, 3.36488, 2.74077, 2.49425], rtol=1e-5)
