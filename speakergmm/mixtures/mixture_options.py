"""Options of training mixtures, each declared once; nothing heavy is imported here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from speakergmm.gaussians.choices import Precision
from speakergmm.options import Options, anything, nested, one_of, real, whole, yes_no
from speakergmm.ranges import refused

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from speakergmm.mixtures.mixture import DiagonalMixture

Initialisation = Literal["kmeans", "splitting", "random"]

VARIANCE_FLOOR = 1e-3
"""Default floor of variances, as a fraction of the variance of all frames in the feature.

It is meant for mixtures of many frames, whose components are kept from collapsing by their frames
already: it catches only components that shrink onto a few equal frames.
"""

VARIANCE_FLOOR_OF_FEW_FRAMES = 0.01
"""Default floor of variances where Gaussians have few frames: phone models, single speakers.

Without limited variances (Reynolds and Rose 1995), a component may collapse on a few of them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaximumLikelihoodOptions(Options):
    """Options of the maximum-likelihood update beyond its formula.

    Parameters
    ----------
    variance_floor : float, default=0.001
        Smallest variance, as a fraction of the variance of all frames in that feature; in [0, 1).
        A feature that is the same in all frames is floored at this number itself, in squared
        feature units.
    min_occupancy : float, default=1
        Occupancy, in frames, below which a component is dead: it then receives half of the frames
        of the heaviest component. At 0 no component is ever dead. A frame of weight 2 counts as two
        frames, but where frames weigh less than 1 on average, the average weight is one frame.
    reg_covar : float or array, shape (D,), default=0
        Number that is added to the variances (the diagonals of covariances), in squared feature
        units; >= 0.
    least_eigenvalue : float, default=0
        Smallest eigenvalue of a covariance matrix, as a part of that matrix's own variances; >= 0
        and < 1. Eigenvalues that are far smaller have no correct digits in float64.
    refuse_collapse : bool, default=False
        Raise an error, instead of flooring the variance, if a variance is nothing but rounding.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    variance_floor: float = real(
        VARIANCE_FLOOR,
        "Smallest variance, as a fraction of the variance of all frames.",
        least=0,
        below=1,
    )
    min_occupancy: float = real(
        1.0, "Occupancy, in frames, below which a Gaussian is dead.", least=0
    )
    reg_covar: float | NDArray[np.float64] = anything(
        0.0, "Number that is added to the variances, in squared feature units."
    )
    least_eigenvalue: float = real(
        0.0,
        "Smallest eigenvalue of a covariance, as a part of its own variances.",
        least=0,
        below=1,
    )
    refuse_collapse: bool = yes_no(False, "Refuse variances that are nothing but rounding.")

    def __post_init__(self) -> None:
        """Raise an error if an option is out of range."""
        self.check_fields()
        if not _is_variance(self.reg_covar):
            raise refused("reg_covar", "finite and >= 0", self.reg_covar)


def _is_variance(value: Any) -> bool:
    """Return whether a number, or every number of an array, is finite and >= 0."""
    if isinstance(value, int | float):
        return 0 <= value < math.inf
    import numpy as np  # here: options are read by commands before anything is computed

    values = np.asarray(value)
    return values.dtype.kind in "fiub" and bool(((values >= 0) & (values < np.inf)).all())


@dataclass(frozen=True, slots=True, kw_only=True)
class EMOptions(Options):
    """Options of expectation-maximisation of a mixture from a start.

    Parameters
    ----------
    max_iter : int, default=100
        Largest number of updates.
    tol : float, default=0.001
        Training ends when the log-likelihood per frame, in nats, changes by no more than this.
    precision : {"float32", "float64"}, default="float32"
        Precision of the densities within a block; sums over blocks are float64. An update that
        float32 cannot serve, as components are far narrower than the data, is made in float64.
    update : MaximumLikelihoodOptions
        Floors, revival of dead components, and regularisation.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    max_iter: int = whole(100, "Largest number of iterations.")
    tol: float = real(
        1e-3, "Change of the log-likelihood per frame at which training ends.", least=0
    )
    precision: Precision = one_of(
        "float32", get_args(Precision), "Precision of densities within a block."
    )
    update: MaximumLikelihoodOptions = nested(
        MaximumLikelihoodOptions, "Floors, revival and regularisation of the update."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureOptions(EMOptions):
    """Options of the whole training of a diagonal mixture, the start included.

    Parameters
    ----------
    n_components : int
        Number of components, K; at most the number of frames.
    init : {"kmeans", "splitting", "random"} or DiagonalMixture, default="kmeans"
        The start: clusters of a random part of the frames, doubling from one Gaussian, means at
        random frames, or a mixture of K components in feature units.
    max_iter : int, default=30
        Largest number of updates.
    seed : int, default=0
        Seed of the start. The same seed gives the same result, whatever the number of threads and
        however the frames are cut into blocks.

    Notes
    -----
    The other options are those of `EMOptions`.
    """

    n_components: int = whole(..., "Number of Gaussians of the mixture.")
    init: Initialisation | DiagonalMixture = anything(
        "kmeans", "The start of training: kmeans, splitting or random.", kind=str
    )
    max_iter: int = whole(30, "Largest number of iterations.")
    seed: int = whole(0, "Seed of the start.", least=0)

    def __post_init__(self) -> None:
        """Raise an error if an option is out of range."""
        self.check_fields()
        if isinstance(self.init, str) and self.init not in get_args(Initialisation):
            raise refused("init", "'kmeans', 'splitting', 'random' or a DiagonalMixture", self.init)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepwiseOptions(Options):
    """Options of stepwise EM, which learns from a stream of frames block by block.

    Parameters
    ----------
    step_exponent : float, default=0.7
        Exponent by which steps become smaller, > 0.5 and <= 1: the nearer to 0.5, the more is
        forgotten.
    step_offset : float, default=2
        Number of blocks by which the schedule is ahead, >= 0: the larger, the smaller the first
        steps.
    step_size : float, optional
        Constant step, > 0 and <= 1, in place of the schedule. It follows a stream that changes,
        with a memory of 1 / size blocks; 1 is a step of EM on the present block alone.
    weigh_blocks : bool, default=True
        Let a block that is heavier or lighter than the blocks before it count by its weight; among
        blocks of equal weight it makes no difference. False is the step of the papers, in which a
        block of three frames counts as much as any other.
    precision : {"float32", "float64"}, default="float32"
        Precision of the densities within the block; see `EMOptions`.
    update : MaximumLikelihoodOptions
        Floors, revival and regularisation of the update. A component is dead by its occupancy in
        the running statistics, counted in frames of the average weight of this block.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    step_exponent: float = real(0.7, "Exponent by which steps become smaller.", above=0.5, most=1)
    step_offset: float = real(2.0, "Number of blocks by which the steps are ahead.", least=0)
    step_size: float | None = real(
        None, "Constant step, in place of decreasing ones.", above=0, most=1, optional=True
    )
    weigh_blocks: bool = yes_no(True, "Let blocks count by their weight.")
    precision: Precision = one_of(
        "float32", get_args(Precision), "Precision of densities within a block."
    )
    update: MaximumLikelihoodOptions = nested(
        MaximumLikelihoodOptions, "Floors, revival and regularisation of the update."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationalOptions(Options):
    """Options of variational inference of a mixture.

    Parameters
    ----------
    max_iter : int, default=100
        Largest number of updates.
    tol : float, default=0.001
        Inference ends when the lower bound per frame, in nats, changes by no more than this (or
        than rounding allows to see).
    reg_covar : float, default=0
        Number that is added to the variances of the frames of each component, in squared feature
        units; >= 0. With it the bound may fall a little, and inference continues then.
    precision : {"float32", "float64"}, default="float32"
        Precision of the densities within a block; see `EMOptions`.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    max_iter: int = whole(100, "Largest number of iterations.")
    tol: float = real(1e-3, "Change of the bound per frame at which inference ends.", least=0)
    reg_covar: float = real(
        0.0, "Number that is added to the variances, in squared feature units.", least=0
    )
    precision: Precision = one_of(
        "float32", get_args(Precision), "Precision of densities within a block."
    )
