"""Pictures of mixtures: the components as ellipses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.reports.plots import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def ellipse_outline(
    mean: NDArray[np.float64],
    covariance: NDArray[np.float64],
    *,
    n_deviations: float = 2.0,
    n_points: int = 100,
) -> NDArray[np.float64]:
    """Return the points at a Mahalanobis distance from a mean.

    Parameters
    ----------
    mean : array, shape (2,)
        Centre of the ellipse.
    covariance : array, shape (2, 2)
        Covariance, symmetric and positive definite.
    n_deviations : float, default=2.0
        The distance; with 2, the ellipse contains 86 % of a Gaussian.
    n_points : int, default=100
        Number of points, of which the last equals the first.

    Returns
    -------
    array, shape (n_points, 2)

    Examples
    --------
    >>> ellipse_outline(np.zeros(2), np.diag([1.0, 4.0]), n_points=5).round(6) + 0.0
    array([[ 2.,  0.],
           [ 0.,  4.],
           [-2.,  0.],
           [ 0., -4.],
           [ 2.,  0.]])
    """
    angles = np.linspace(0, 2 * np.pi, n_points)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    outline: NDArray[np.float64] = mean + n_deviations * circle @ np.linalg.cholesky(covariance).T
    return outline


def draw_components(
    axes: "Axes",
    mixture: Mixture,
    *,
    dims: tuple[int, int] = (0, 1),
    n_deviations: float = 2.0,
    colours: Sequence[str] = PALETTE,
    **style: Any,
) -> None:
    """Draw the components of a mixture as ellipses around their means.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes to draw on.
    mixture : Mixture
        A mixture of any kind with at least two features.
    dims : tuple of two int, default=(0, 1)
        Features on the axes; the mixture is marginalised over the others.
    n_deviations : float, default=2.0
        Mahalanobis distance of the outlines in these two features.
    colours : sequence of str
        Colours of the components, repeated if necessary.
    **style
        Properties of matplotlib's lines. The default width, at most 2.5, decreases with the weight.

    Raises
    ------
    InvalidInputError
        If a feature does not exist.
    """
    mixture = mixture_of(mixture)
    if not all(0 <= dim < mixture.n_features for dim in dims):
        raise InvalidInputError(
            f"dims must lie between 0 and {mixture.n_features - 1}, found {dims}"
        )
    chosen = list(dims)
    covariances = mixture.full_covariances()[:, chosen][:, :, chosen]
    means = mixture.means[:, chosen]
    heaviest = mixture.weights.max()
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        width = 1.0 + 1.5 * mixture.weights[k] / heaviest
        line = {"color": colours[k % len(colours)], "linewidth": width, **style}
        outline = ellipse_outline(mean, covariance, n_deviations=n_deviations)
        # A white rim keeps the line visible on a cloud of frames.
        axes.plot(*outline.T, color="white", linewidth=float(line["linewidth"]) + 1.6, zorder=2.9)
        axes.plot(*outline.T, **{"zorder": 3, **line})
        axes.plot(*mean, marker="o", markersize=4, color=line["color"], mec="white", zorder=3.1)
