"""Convergence diagnostics of chains: R-hat and effective sample size, computed by ArviZ."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import InvalidInputError, MissingLibraryError

_LEAST_CHAINS, _LEAST_DRAWS = 2, 4


def r_hat(trace: ArrayLike) -> float:
    """Return the rank-normalised split R-hat of Vehtari et al. (2021): near 1 if chains agree.

    Parameters
    ----------
    trace : array, shape (C, S)
        One quantity in C >= 2 chains at S >= 4 sweeps, without those of the burn-in.

    Returns
    -------
    float
        R-hat; values above 1.01 indicate that the chains have not converged. NaN if the quantity
        never changed.

    Raises
    ------
    InvalidInputError
        If the trace has another shape or fewer chains or sweeps.
    MissingLibraryError
        If ArviZ is not installed.
    """
    values = _checked(trace, _LEAST_CHAINS)
    arviz = _import_arviz()
    # For a constant trace ArviZ divides by zero.
    with np.errstate(all="ignore"):
        return float(arviz.rhat(values))


def effective_sample_size(trace: ArrayLike) -> float:
    """Return the bulk effective sample size of a trace, in independent draws.

    Parameters
    ----------
    trace : array, shape (C, S)
        One quantity in C >= 1 chains at S >= 4 sweeps, without those of the burn-in.

    Returns
    -------
    float
        The size as in Vehtari et al. (2021); C S for a quantity that never changed.

    Raises
    ------
    InvalidInputError
        If the trace has another shape or fewer sweeps.
    MissingLibraryError
        If ArviZ is not installed.
    """
    values = _checked(trace, 1)
    return float(_import_arviz().ess(values))


def _checked(trace: ArrayLike, least_chains: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = np.asarray(trace, dtype=np.float64)
    if values.ndim != 2 or values.shape[0] < least_chains or values.shape[1] < _LEAST_DRAWS:
        raise InvalidInputError(
            f"a trace must have shape (C, S) with {least_chains} chains or more of {_LEAST_DRAWS} "
            f"sweeps or more after the burn-in, found {values.shape}"
        )
    return values


def _import_arviz() -> Any:
    try:
        with warnings.catch_warnings():
            # ArviZ announces its own coming split into packages at every import.
            warnings.simplefilter("ignore", FutureWarning)
            import arviz
    except ImportError:
        raise MissingLibraryError(
            "convergence diagnostics need ArviZ, which is not installed; "
            "install speakergmm[diagnostics]"
        ) from None
    return arviz
