"""Sufficient statistics of a mixture: they can be added, scaled and stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.parameters import KINDS, covariance_kind, frozen
from speakergmm.ranges import number
from speakergmm.records import Filed


@dataclass(frozen=True, slots=True, eq=False)
class MixtureStatistics(Filed):
    """Sufficient statistics of frames under a mixture, in float64 and feature units.

    Parameters
    ----------
    counts : array, shape (K,)
        Occupancy of each component in frames, sum_t w_t r_tk; not an integer. Weights of frames
        w_t are 1 where none were given.
    first_order : array, shape (K, D)
        Sum of responsibility times feature, sum_t w_t r_tk x_t; not divided by the counts.
    second_order : array, or None
        Sum of responsibility times squared feature, shape (K, D), for diagonal covariances; times
        squared length, (K,), for spherical ones; times x x^T, (K, D, D), for full ones; of x x^T
        over all components, (D, D), for a tied one. None where it was not asked for.
    log_likelihood : float
        Sum over the frames of their log-likelihood under the model that made the statistics.
    n_frames : float
        Number of frames; the sum of their weights.
    covariance_type : {"diag", "spherical", "tied", "full"}, default="diag"
        Kind of the mixture that made the statistics.
    origins : array, shape (K, D), optional
        Points about which the moments of each component are taken, in place of zero. Training uses
        them for components far narrower than the data.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, or a count is negative.

    Notes
    -----
    Moments are about zero, so that statistics of any two parts of the data can be added. A variance
    is a difference of such sums: at an offset of r deviations, some 16 - 2 log10(r) of its digits
    are left (4 at r = 1e6). `train_from`, and with it every estimator, trains in standardised
    coordinates and loses none; where statistics are to be kept, move the features to their mean
    first if their offset is that large.

    Examples
    --------
    >>> half = MixtureStatistics.zeros(2, 1) + MixtureStatistics(
    ...     [1.0, 3.0], [[2.0], [6.0]], [[4.0], [12.0]], log_likelihood=-8.0, n_frames=4.0
    ... ).scale(0.5)
    >>> half.counts, half.n_frames
    (array([0.5, 1.5]), 2.0)
    """

    file_kind: ClassVar[str] = "mixture statistics"

    counts: NDArray[np.float64]
    first_order: NDArray[np.float64]
    second_order: NDArray[np.float64] | None
    log_likelihood: float
    n_frames: float
    covariance_type: CovarianceType
    origins: NDArray[np.float64] | None

    def __init__(
        self,
        counts: ArrayLike,
        first_order: ArrayLike,
        second_order: ArrayLike | None,
        log_likelihood: float,
        n_frames: float,
        covariance_type: CovarianceType = "diag",
        *,
        origins: ArrayLike | None = None,
    ) -> None:
        covariance_kind(covariance_type)
        for name, value in (
            ("counts", counts),
            ("first_order", first_order),
            ("second_order", second_order),
            ("origins", origins),
        ):
            object.__setattr__(self, name, None if value is None else frozen(name, value))
        object.__setattr__(self, "log_likelihood", float(log_likelihood))
        object.__setattr__(self, "n_frames", float(n_frames))
        object.__setattr__(self, "covariance_type", covariance_type)
        self._check_shapes()
        number("log_likelihood", self.log_likelihood)
        number("n_frames", self.n_frames, least=0)
        if self.counts.size and self.counts.min() < 0:
            raise InvalidInputError(f"counts must be >= 0, found {self.counts.min():g}")

    def _check_shapes(self) -> None:
        axes = self.kind.axes
        found = [self.first_order.shape]
        expected: list[tuple[int, ...]] = [(self.counts.size, *self.first_order.shape[1:])]
        if self.second_order is not None:
            found.append(self.second_order.shape)
            if self.first_order.ndim == 2:
                expected.append(self.kind.shape(*self.first_order.shape))
        if self.counts.ndim != 1 or self.first_order.ndim != 2 or found != expected:
            shapes = ", ".join(str(shape) for shape in found)
            raise InvalidInputError(
                f"statistics must have shapes (K,), (K, D), ({', '.join(axes)}"
                f"{',' if len(axes) == 1 else ''}), found counts {self.counts.shape} with {shapes}"
            )

    @property
    def kind(self) -> Covariances:
        """Formulas of the kind of covariances."""
        return KINDS[self.covariance_type]

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return int(self.first_order.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.first_order.shape[1])

    @classmethod
    def zeros(
        cls,
        n_components: int,
        n_features: int,
        *,
        second_order: bool = True,
        covariance_type: CovarianceType = "diag",
    ) -> MixtureStatistics:
        """Return the statistics of no frame, from which sums start."""
        squares = None
        if second_order:
            squares = np.zeros(covariance_kind(covariance_type).shape(n_components, n_features))
        moments = np.zeros((n_components, n_features))
        return cls(np.zeros(n_components), moments, squares, 0.0, 0.0, covariance_type)

    def __add__(self, other: MixtureStatistics) -> MixtureStatistics:
        """Return the statistics of the frames of both.

        Raises
        ------
        InvalidInputError
            If shapes or kinds disagree, or only one of the two has second-order moments.
        """
        if not isinstance(other, MixtureStatistics):
            return NotImplemented
        if self.first_order.shape != other.first_order.shape:
            raise InvalidInputError(
                f"statistics of different mixtures cannot be added: moments of shape "
                f"{self.first_order.shape} and {other.first_order.shape}"
            )
        # Moments of first order are the same whatever the covariances.
        if self.covariance_type != other.covariance_type and self.second_order is not None:
            raise InvalidInputError(
                f"statistics of different kinds of mixtures cannot be added: "
                f"{self.covariance_type} and {other.covariance_type}"
            )
        if (self.second_order is None) != (other.second_order is None):
            raise InvalidInputError(
                "statistics with second-order moments cannot be added to statistics without"
            )
        one, two = self.about_zero(), other.about_zero()
        second = None
        if one.second_order is not None and two.second_order is not None:
            second = one.second_order + two.second_order
        return one._with(
            one.counts + two.counts,
            one.first_order + two.first_order,
            second,
            log_likelihood=one.log_likelihood + two.log_likelihood,
            n_frames=one.n_frames + two.n_frames,
        )

    def __radd__(self, other: object) -> MixtureStatistics:
        """Return the statistics themselves for the 0 with which `sum` starts."""
        return self if other == 0 else NotImplemented

    def scale(self, factor: float) -> MixtureStatistics:
        """Return the statistics with each frame weighted by `factor`, finite and >= 0."""
        factor = number("factor", factor, least=0)
        second = None if self.second_order is None else self.second_order * factor
        return self._with(
            self.counts * factor,
            self.first_order * factor,
            second,
            log_likelihood=self.log_likelihood * factor,
            n_frames=self.n_frames * factor,
            origins=self.origins,
        )

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> MixtureStatistics:
        """Return the statistics of ``x * scale + shift``, both of shape (D,); likelihoods stay.

        Those of a spherical mixture need one scale for all features.
        """
        counts, first, second = self.about_zero()._moments
        first = first * scale
        if second is not None:
            second = self.kind.moved(self.kind.rescaled(second, scale), counts, first, shift)
        return self._with(counts, first + counts[:, None] * shift, second)

    def about_zero(self) -> MixtureStatistics:
        """Return the statistics with moments about zero; digits of the variances may be lost."""
        if self.origins is None:
            return self
        counts, first, second = self._moments
        if second is not None:
            second = self.kind.moved(second, counts, first, self.origins)
        return self._with(counts, first + counts[:, None] * self.origins, second)

    def replaced(self, other: MixtureStatistics, places: NDArray[np.intp]) -> MixtureStatistics:
        """Return the statistics with the moments of some components taken from `other`."""
        if self.kind.is_shared:
            return self._with(*other._moments, origins=other.origins)
        nothing = np.zeros_like(self.first_order)
        mine = (*self._moments, self.origins if self.origins is not None else nothing)
        theirs = (*other._moments, other.origins if other.origins is not None else nothing)
        merged: list[Any] = []
        for one, two in zip(mine, theirs, strict=True):
            if one is not None and two is not None:
                one = one.copy()
                one[places] = two[places]
            merged.append(one)
        return self._with(*merged[:3], origins=merged[3])

    def with_likelihood(self, log_likelihood: float) -> MixtureStatistics:
        """Return the statistics with another log-likelihood."""
        return self._with(*self._moments, log_likelihood=log_likelihood, origins=self.origins)

    @property
    def _moments(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        return self.counts, self.first_order, self.second_order

    def _with(
        self,
        counts: NDArray[Any],
        first_order: NDArray[Any],
        second_order: NDArray[Any] | None,
        *,
        log_likelihood: float | None = None,
        n_frames: float | None = None,
        origins: NDArray[np.float64] | None = None,
    ) -> MixtureStatistics:
        """Return statistics of the same kind with other moments, and other totals if given."""
        return MixtureStatistics(
            counts,
            first_order,
            second_order,
            self.log_likelihood if log_likelihood is None else log_likelihood,
            self.n_frames if n_frames is None else n_frames,
            self.covariance_type,
            origins=origins,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes return statistics in this way: they are checked, and read-only again.
        whole = self.about_zero()
        totals = (self.log_likelihood, self.n_frames, self.covariance_type)
        return type(self), (*whole._moments, *totals)
