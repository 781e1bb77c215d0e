"""Options of the training of dense hidden Markov models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from speakergmm.options import Options, one_of, real, text, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseTrainingOptions(Options):
    """Options of Baum-Welch training of a dense model.

    Parameters
    ----------
    max_iter : int, default=10
        Most iterations; 0 for none.
    params : str, default="stmcw"
        Parameters that are updated: start probabilities (s), transitions (t), means (m),
        covariances (c), weights (w).
    final : {"any", "last"}, default="any"
        States in which a sequence may end: all of them, or the last one alone.
    precision : {"float32", "float64"}, default="float32"
        Precision of log-densities, as far as float32 is exact enough.
    min_covar : float, default=0.001
        Smallest variance, as `least_variances` takes it.
    variance_floor : float, default=0
        Smallest variance, as a fraction of the variance of all frames.

    Raises
    ------
    InvalidInputError
        If an option is out of its range.
    """

    max_iter: int = whole(10, "Most iterations.", least=0)
    params: str = text("stmcw", "Parameters that are updated, of the letters 'stmcw'.")
    final: Literal["any", "last"] = one_of(
        "any", ("any", "last"), "States in which a sequence may end."
    )
    precision: Literal["float32", "float64"] = one_of(
        "float32", ("float32", "float64"), "Precision of log-densities."
    )
    min_covar: float = real(1e-3, "Smallest variance, in squared feature units.", least=0)
    variance_floor: float = real(
        0.0, "Smallest variance, as a fraction of the variance of all frames.", least=0, below=1
    )
