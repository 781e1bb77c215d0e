import numpy as np
import pytest
from matplotlib.figure import Figure

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import DiagonalMixture, FullMixture
from speakergmm.reports import PALETTE, draw_components, ellipse_outline


def test_outline_lies_at_its_distance_all_around():
    mean, covariance = np.array([3.0, -1.0]), np.array([[4.0, 1.5], [1.5, 1.0]])
    outline = ellipse_outline(mean, covariance, n_deviations=1.5, n_points=50)
    offsets = outline - mean
    squares = [offset @ np.linalg.inv(covariance) @ offset for offset in offsets]
    np.testing.assert_allclose(squares, 1.5**2, rtol=1e-10)
    np.testing.assert_allclose(outline[0], outline[-1])
    # The longest and the shortest half axis are those of the eigenvalues.
    lengths = np.linalg.norm(ellipse_outline(mean, covariance, n_points=5000) - mean, axis=1)
    axes = 2 * np.sqrt(np.linalg.eigvalsh(covariance))
    np.testing.assert_allclose([lengths.min(), lengths.max()], axes, rtol=1e-5)


def test_components_are_drawn_in_the_features_asked_for():
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(2, 3, 3))
    mixture = FullMixture([0.75, 0.25], rng.normal(size=(2, 3)), factor @ factor.mT + np.eye(3))
    axes = Figure().add_subplot()
    draw_components(axes, mixture, dims=(2, 0), n_deviations=1.0, linestyle="--")
    outlines = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_color() for line in outlines] == list(PALETTE[:2])
    assert outlines[0].get_linewidth() == 2.5
    assert outlines[1].get_linewidth() == 1.5
    for k, line in enumerate(outlines):
        expected = ellipse_outline(
            mixture.means[k, [2, 0]], mixture.covariances[k][np.ix_([2, 0], [2, 0])], n_deviations=1
        )
        np.testing.assert_allclose(np.transpose(line.get_data()), expected)


def test_features_that_are_not_there_are_refused():
    mixture = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    with pytest.raises(InvalidInputError, match=r"dims must lie between 0 and 0, found \(0, 1\)"):
        draw_components(Figure().add_subplot(), mixture)
