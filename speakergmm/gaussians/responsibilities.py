"""Responsibilities of a block of frames, with as few passes over the block as can be.

After the matrix product the usual way takes five passes over a block of frames x components: find
each frame's maximum, subtract it, exponentiate, sum, divide by the sum. Three need not be.

- The maximum is only there to keep the exponential in range, and any number near it will do. Here
  it is the log-density of the envelope, the one Gaussian that has the moments of the mixture: a
  linear function of [1, z, z^2] too, so it is subtracted within the matrix product.
- The division is left to the caller, who scales the few columns of [1, z, z^2] instead.

A frame whose sum leaves the safe range is evaluated anew. Where these are more than a few the
block takes the usual way; where even that overflows (a frame a million deviations away) single
frames are evaluated in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.density import NaturalParameters, evaluation_dtype
from speakergmm.gaussians.expansion import Expander, bring_nearer, expand_exactly
from speakergmm.gaussians.frames import Frames

# Speech exceeds the envelope (99.9 % of frames by less than 150 nats, half of them by 10) far more
# than it stays below (99.9 % by less than 6), hence the shift, in nats.
_SHIFT = 40.0
# Sums at which float32 keeps its precision: the smallest exponential that is told from others is
# 2e-38, which must be nothing beside the sum, for each component.
_SMALLEST_SUM_PER_COMPONENT = 2e-31
_LARGEST_SUM = 1e37
# Frames this far out in the envelope (log-density) are left to float64.
_FARTHEST = -1e5
_FEW = 1 / 16
_NONE = np.zeros(0, np.intp)


def _has_vector_exp2() -> bool:
    """Tell whether NumPy has a vector routine for exp2 on this machine.

    Where it has, exp2 takes less than half of the time of exp; elsewhere exp is the one with a
    vector routine.
    """
    try:
        found = np.lib.introspect.opt_func_info(func_name="^exp2$", signature="float32")
        target = next(iter(found["exp2"].values()))["current"]
    except (AttributeError, KeyError, StopIteration):
        return False
    return bool(target) and not target.startswith("baseline")


_VECTOR_EXP2 = _has_vector_exp2()
_LOG_2 = float(np.log(2.0))
_LOG_BASE = _LOG_2 if _VECTOR_EXP2 else 1.0


def _exponentiate(exponents: NDArray[np.floating[Any]], sums: NDArray[np.floating[Any]]) -> None:
    """Raise 2, or e where that is faster, to contiguous `exponents` (T, K); fill in row sums."""
    if _VECTOR_EXP2:
        # The vector routine is fifty times slower where the result would be subnormal, so
        # exponents are kept from going there. (clip() takes a third of the time of maximum() with
        # a number.)
        limit = 125.0 if exponents.dtype == np.float32 else 1020.0
        np.clip(exponents, -limit, limit, out=exponents)
        np.exp2(exponents, out=exponents)
    else:
        np.exp(exponents, out=exponents)
    # A product takes a third of the time of sum().
    np.matmul(exponents, np.ones(exponents.shape[1], exponents.dtype), out=sums)


@dataclass(frozen=True, slots=True, eq=False)
class BlockResponsibilities:
    """What `BlockEvaluator.evaluate` found; arrays are views of buffers that the next call reuses.

    Attributes
    ----------
    unnormalised : array, shape (T, K)
        Responsibilities times `normaliser`; zero in the rows `exceptions`.
    normaliser : array, shape (T,)
        Sum of each row; one in the rows `exceptions`.
    expanded : array, shape (B, T)
        The functions of the frames (`basis`), 1 first; zero in the columns `exceptions`. None,
        shape (0, T), where components are evaluated about their means.
    log_likelihood : array, shape (T,)
        Of each frame, in feature units, float64.
    exceptions : array, shape (E,)
        Frames that float32 can't represent; evaluated in float64, below.
    exception_responsibilities, exception_expanded : array, shape (E, K) and (B, E)
        Normalised responsibilities and functions of these frames, float64.
    """

    unnormalised: NDArray[np.floating[Any]]
    normaliser: NDArray[np.floating[Any]]
    expanded: NDArray[np.floating[Any]]
    log_likelihood: NDArray[np.float64]
    exceptions: NDArray[np.intp]
    exception_responsibilities: NDArray[np.float64] | None = None
    exception_expanded: NDArray[np.float64] | None = None


class BlockEvaluator:
    """Evaluates blocks of up to `block_frames` frames in buffers of its own; not for two threads.

    Parameters
    ----------
    natural : NaturalParameters
        The mixture.
    precision : {"float32", "float64"}
        Of the matrix product and the exponentials.
    block_frames : int
        Most frames of a block.
    compiled : bool, default=False
        Whether to use compiled code where there is some (in float32): a pass less over the frames
        and two less over the densities, but half a second, or two, to load it
        first. Results differ by rounding.
    """

    def __init__(
        self,
        natural: NaturalParameters,
        *,
        precision: str,
        block_frames: int,
        compiled: bool = False,
    ) -> None:
        dtype = evaluation_dtype(natural, precision)
        self.dtype, self.block_frames = dtype, block_frames
        self.n_components = natural.n_components
        self._natural = natural
        self._log_volume = natural.coordinates.log_volume
        self._exponentiate, self._log_base = _exponentiate, _LOG_BASE
        if compiled and dtype == np.float32:
            from speakergmm.gaussians.compiled import exponentiate

            self._exponentiate, self._log_base = exponentiate, _LOG_2
        relative = natural.components - natural.envelope[:, None]
        relative[0] -= _SHIFT
        self._relative = (relative / self._log_base).astype(dtype)
        self._envelope = natural.envelope.astype(dtype)
        self._smallest_sum = _SMALLEST_SUM_PER_COMPONENT * natural.n_components
        self._expander = Expander(
            natural, dtype=dtype, block_frames=block_frames, compiled=compiled
        )
        self._densities = np.empty((block_frames, natural.n_components), dtype)
        self._usual_way = False

    def forget(self) -> None:
        """Expect nothing of the blocks to come, as if this evaluator were new."""
        self._usual_way = False

    def evaluate(self, frames: Frames) -> BlockResponsibilities:
        """Responsibilities and log-likelihoods of checked frames, shape (T, D)."""
        if self._natural.centred is not None:
            return self._evaluate_centred(frames)
        densities = self._densities[: len(frames)]
        # Overflow is looked for in the sums.
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            expanded = self._expander.expand(frames)
            # float64 from here on: an envelope of -1e5 must not cost digits of a likelihood.
            shift = np.matmul(self._envelope, expanded).astype(np.float64)
            # A minimum is NaN where any value is.
            far = not shift.min(initial=0.0) > _FARTHEST
            lost = ~(shift > _FARTHEST) if far else None
            shift += _SHIFT
            sums, failed = self._exponentiate_block(expanded, densities, shift, lost)
            log_likelihood = np.log(sums.astype(np.float64))
            log_likelihood += shift
        log_likelihood -= self._log_volume
        if failed is None:
            return BlockResponsibilities(densities, sums, expanded, log_likelihood, _NONE)
        exceptions = np.flatnonzero(failed)
        exact, rows, likelihoods = _evaluate_exactly(self._natural, frames[exceptions])
        log_likelihood[exceptions] = likelihoods
        densities[exceptions] = 0
        expanded[:, exceptions] = 0
        sums[exceptions] = 1
        return BlockResponsibilities(
            densities, sums, expanded, log_likelihood, exceptions, exact, rows
        )

    def _evaluate_centred(self, frames: Frames) -> BlockResponsibilities:
        assert self._natural.centred is not None
        densities = self._natural.centred.noticeable_log_densities(frames)
        highest = densities.max(axis=1, keepdims=True)
        with np.errstate(under="ignore"):
            np.exp(densities - highest, out=densities)
        sums = densities.sum(axis=1)
        log_likelihood = np.log(sums) + highest[:, 0]
        # Moments are not made of functions of the frames.
        nothing = np.empty((0, len(frames)))
        return BlockResponsibilities(densities, sums, nothing, log_likelihood, _NONE)

    def _exponentiate_block(
        self,
        expanded: NDArray[np.floating[Any]],
        densities: NDArray[np.floating[Any]],
        shift: NDArray[np.float64],
        lost: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_] | None]:
        """Fill `densities` with unnormalised responsibilities and return their sums.

        Their logarithms are less by `shift`, which the usual way changes. Frames in the mask
        `lost` (None for none) are hopeless; the mask that is returned has all that are.
        """
        sums = np.empty(len(densities), self.dtype)
        if not self._usual_way:
            np.matmul(expanded.T, self._relative, out=densities)
            self._exponentiate(densities, sums)
            if lost is None and sums.min() > self._smallest_sum and sums.max() < _LARGEST_SUM:
                return sums, None
            failed = ~((sums > self._smallest_sum) & (sums < _LARGEST_SUM))
            if lost is not None:
                failed &= ~lost
            if np.count_nonzero(failed) <= _FEW * len(sums):
                return sums, failed if lost is None else failed | lost
            # The blocks to come are likely to be of the same kind.
            self._usual_way = True
        np.matmul(expanded.T, self._relative, out=densities)
        highest = densities.max(axis=1, keepdims=True)
        np.subtract(densities, highest, out=densities)
        shift += self._log_base * highest[:, 0]
        self._exponentiate(densities, sums)
        failed = ~np.isfinite(sums)
        if lost is not None:
            failed |= lost
        return sums, failed if failed.any() else None


def _evaluate_exactly(
    natural: NaturalParameters, frames: Frames
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Responsibilities, functions and log-likelihoods of a few frames, in float64."""
    rows = expand_exactly(natural, frames)
    densities = bring_nearer(natural, rows).T @ natural.components
    highest = densities.max(axis=1, keepdims=True)
    densities -= highest
    np.exp(densities, out=densities)
    sums = densities.sum(axis=1, keepdims=True)
    densities /= sums
    likelihoods = (np.log(sums) + highest)[:, 0] - natural.coordinates.log_volume
    return densities, rows, likelihoods
