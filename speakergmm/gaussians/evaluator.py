"""Log-densities and posteriors of blocks of frames, in as few passes as possible.

After the matrix product the usual way takes five passes over a block of frames x Gaussians: find
each frame's maximum, subtract it, exponentiate, sum, divide by the sum. Three are not needed.

- The maximum only keeps the exponential in range, and any number near it will do. Here it is the
  log-density of the envelope, the one Gaussian that has the moments of the mixture: a
  linear function of [1, z, z^2] too, so it is subtracted within the matrix product.
- The division is left to the caller, who scales the few columns of [1, z, z^2] instead.

A frame whose sum leaves the safe range is evaluated again. If there are more than a few such frames
the block is evaluated in the usual way; if even that overflows (for a frame a million deviations
away), single frames are evaluated in float64. The columns of Gaussians for which the product is too
coarse (`Prepared.plan`) are filled in by `ExactGaussians` before the exponential.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.exact import NEGLIGIBLE, ExactGaussians
from speakergmm.gaussians.frame_functions import FrameFunctions, bring_nearer, expand_exactly
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import LARGEST_ROUNDING, Prepared

# Speech exceeds the envelope (99.9 % of frames by less than 150 nats, half of them by 10) far more
# than it stays below (99.9 % by less than 6), hence the shift, in nats.
_SHIFT = 40.0
# Sums at which float32 keeps its precision: the smallest exponential that is represented
# exactly is 2e-38, which must be negligible beside the sum, for each component.
_SMALLEST_SUM_PER_GAUSSIAN = 2e-31
_SMALLEST_LOG_SUM = float(np.log(_SMALLEST_SUM_PER_GAUSSIAN))
_LARGEST_SUM = 1e37
# Frames this far out in the envelope (log-density) are left to float64.
_FARTHEST = -1e5
_FEW = 1 / 16
_NONE = np.zeros(0, np.intp)


def _has_vector_exp2() -> bool:
    """Return whether NumPy has a vector routine for exp2 on this machine.

    If it has, exp2 takes less than half the time of exp; elsewhere exp has a vector routine.
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
    """Raise 2, or e where that is faster, to contiguous `exponents` (T, G); fill in row sums."""
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
class DensePosteriors:
    """Posteriors of all Gaussians for a block; arrays are views of buffers that are used again.

    Attributes
    ----------
    unnormalised : array, shape (T, G)
        Posteriors times `normaliser`; zero in the rows `exceptions`.
    normaliser : array, shape (T,)
        Sum of each row; 1 in the rows `exceptions`.
    rows : array, shape (B, T)
        The functions of the frames, 1 first; zero in the columns `exceptions`.
    log_likelihood : array, shape (T,)
        Log-likelihood of each frame, of densities in feature units; float64.
    exceptions : array, shape (E,)
        Numbers of frames that float32 cannot represent; they are evaluated in float64, below.
    exception_posteriors, exception_rows : array, shape (E, G) and (B, E)
        Normalised posteriors and functions of these frames, float64.
    """

    unnormalised: NDArray[np.floating[Any]]
    normaliser: NDArray[np.floating[Any]]
    rows: NDArray[np.floating[Any]]
    log_likelihood: Array
    exceptions: NDArray[np.intp]
    exception_posteriors: Array | None = None
    exception_rows: Array | None = None

    @property
    def nothing(self) -> float:
        """Value to which the exponential of a number that is too small is rounded up."""
        return float(np.exp2(-124.0 if self.unnormalised.dtype == np.float32 else -1019.0))


class Evaluator:
    """Evaluator of blocks of up to `block_frames` frames, in buffers of its own; one per thread.

    Parameters
    ----------
    prepared : Prepared
        The Gaussians.
    precision : {"float32", "float64"}
        Precision of the matrix product and the exponentials, where the Gaussians allow it.
    block_frames : int, optional
        Largest number of frames of a block; by default as many as fill a core's share of cache.
    largest_rounding : float, optional
        Largest rounding of a log-density that is accepted, in nats; Gaussians with more are
        evaluated in float64.
    compiled : bool, default=False
        Use compiled code (in float32): one pass less over the frames and two less over the
        densities, but half a second or two to load it first. Results differ by rounding.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        precision: str,
        block_frames: int | None = None,
        largest_rounding: float = LARGEST_ROUNDING,
        compiled: bool = False,
    ) -> None:
        dtype, which = prepared.plan(precision, largest_rounding)
        self.prepared, self.dtype = prepared, dtype
        self.block_frames = block_frames or block_size(prepared.n_gaussians, prepared.n_rows)
        self.exact = None
        if which.size:
            self.exact = prepared.keep(
                ("exact", which.tobytes()), lambda: ExactGaussians(prepared, which)
            )
        self._log_volume = prepared.coordinates.log_volume
        self._exponentiate, self._log_base = _exponentiate, _LOG_BASE
        if compiled and dtype == np.float32:
            from speakergmm.gaussians.block_kernels import exponentiate

            self._exponentiate, self._log_base = exponentiate, _LOG_2
        self._smallest_sum = _SMALLEST_SUM_PER_GAUSSIAN * prepared.n_gaussians
        self._expander = FrameFunctions(
            prepared, dtype=dtype, block_frames=self.block_frames, compiled=compiled
        )
        self._densities: NDArray[Any] = np.empty((0, prepared.n_gaussians), dtype)
        self._usual_way = False

    def _make_relative(self) -> NDArray[np.floating[Any]]:
        relative = self.prepared.columns - self.prepared.envelope[:, None]
        relative[0] -= _SHIFT
        return (relative / self._log_base).astype(self.dtype)

    def forget(self) -> None:
        """Forget the kind of the blocks before, as if this evaluator were new."""
        self._usual_way = False

    def log_densities(
        self,
        frames: Frames,
        out: NDArray[np.floating[Any]],
        *,
        in_features: bool = True,
        places: NDArray[np.integer[Any]] | None = None,
    ) -> None:
        """Write joint log-densities of a block (T, D) to `out`, shape (T, G).

        With `places`, only those of some Gaussians, in any order. Either axis of `out` may be the
        contiguous one. Log-densities in feature units are smaller by the log-volume of the
        coordinates, which costs digits of float32 if the units are unusual.
        """
        prepared = self.prepared
        volume = self._log_volume if in_features else 0.0
        columns = prepared.keep(
            ("columns", self.dtype, in_features), lambda: self._make_columns(volume)
        )
        if places is not None:
            # A Gaussian's numbers lie side by side.
            columns = columns.T[places].T
        with np.errstate(over="ignore", invalid="ignore"):
            target = out if out.dtype == self.dtype else np.empty_like(out, self.dtype)
            rows = self._expander.expand(frames)
            if target.flags.c_contiguous:
                np.matmul(rows.T, columns, out=target)
            else:
                np.matmul(columns.T, rows, out=target.T)
            if self.exact is not None:
                found = self.exact.log_densities(frames) - volume
                for place, exact in _pairs(self.exact.which, places):
                    target[:, place] = found[:, exact]
            # One sum takes a tenth of the time of a sum for each frame.
            if not np.isfinite(np.einsum("tg->", target)):
                # Frames so far away that squares overflow: their densities still are numbers.
                lost = np.flatnonzero(~np.isfinite(target.sum(axis=1)))
                found = _exact_log_densities(prepared, self.exact, frames[lost])[0] - volume
                found = found if places is None else found[:, places]
                target[lost] = np.maximum(found, np.finfo(self.dtype).min)
            if target is not out:
                out[:] = target

    def rows(self, frames: Frames, *, anew: bool = True) -> NDArray[np.floating[Any]]:
        """Return the functions (B, T) of a block: a view of a buffer that is used again.

        With `anew` False these are the functions of the block that was evaluated last.
        """
        return self._expander.expand(frames) if anew else self._expander.last(frames)

    def _make_columns(self, volume: float) -> NDArray[np.floating[Any]]:
        columns = self.prepared.columns.copy()
        columns[0] -= volume
        return columns.astype(self.dtype)

    def posteriors(self, frames: Frames) -> DensePosteriors:
        """Return posteriors and log-likelihoods of checked frames, shape (T, D)."""
        if len(self._densities) < len(frames):
            shape = (max(len(frames), self.block_frames), self.prepared.n_gaussians)
            self._densities = np.empty(shape, self.dtype)
        densities = self._densities[: len(frames)]
        self._relative = self.prepared.keep(
            ("relative", self.dtype, self._log_base), self._make_relative
        )
        # Overflow shows in the sums, and is looked for there.
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            rows = self._expander.expand(frames)
            # float64 from here on: an envelope of -1e5 must not cost digits of a likelihood.
            shift = np.matmul(self.prepared.envelope.astype(self.dtype), rows).astype(np.float64)
            # A minimum is NaN where any value is.
            far = not shift.min(initial=0.0) > _FARTHEST
            lost = ~(shift > _FARTHEST) if far else None
            shift += _SHIFT
            sums, failed = self._exponentiate_block(frames, rows, densities, shift, lost)
            log_likelihood = np.log(sums.astype(np.float64))
            log_likelihood += shift
        log_likelihood -= self._log_volume
        if failed is None:
            return DensePosteriors(densities, sums, rows, log_likelihood, _NONE)
        exceptions = np.flatnonzero(failed)
        exact, exact_rows, likelihoods = _exact_posteriors(
            self.prepared, self.exact, frames[exceptions]
        )
        log_likelihood[exceptions] = likelihoods
        densities[exceptions] = 0
        rows[:, exceptions] = 0
        sums[exceptions] = 1
        return DensePosteriors(densities, sums, rows, log_likelihood, exceptions, exact, exact_rows)

    def _exponentiate_block(
        self,
        frames: Frames,
        rows: NDArray[np.floating[Any]],
        densities: NDArray[np.floating[Any]],
        shift: Array,
        lost: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.floating[Any]], NDArray[np.bool_] | None]:
        """Fill `densities` with unnormalised posteriors and return their sums.

        Their logarithms are smaller by `shift`, which the usual way changes. The mask `lost` (or
        None) names frames that this precision cannot evaluate; the mask that is returned names
        all such frames.
        """
        sums = np.empty(len(densities), self.dtype)
        if not self._usual_way:
            least = shift + (_SMALLEST_LOG_SUM - NEGLIGIBLE) if self.exact is not None else None
            self._multiply(frames, rows, densities, shift, least)
            self._exponentiate(densities, sums)
            if lost is None and sums.min() > self._smallest_sum and sums.max() < _LARGEST_SUM:
                return sums, None
            failed = ~((sums > self._smallest_sum) & (sums < _LARGEST_SUM))
            if lost is not None:
                failed &= ~lost
            if np.count_nonzero(failed) <= _FEW * len(sums):
                return sums, failed if lost is None else failed | lost
            # The next blocks are likely to be of the same kind.
            self._usual_way = True
        self._multiply(frames, rows, densities, shift, None)
        highest = densities.max(axis=1, keepdims=True)
        np.subtract(densities, highest, out=densities)
        shift += self._log_base * highest[:, 0]
        self._exponentiate(densities, sums)
        failed = ~np.isfinite(sums)
        if lost is not None:
            failed |= lost
        return sums, failed if failed.any() else None

    def _multiply(
        self,
        frames: Frames,
        rows: NDArray[np.floating[Any]],
        densities: NDArray[np.floating[Any]],
        shift: Array,
        least: Array | None,
    ) -> None:
        np.matmul(rows.T, self._relative, out=densities)
        if self.exact is not None:
            self.exact.fill(frames, rows, densities, shift=shift, base=self._log_base, least=least)


def _pairs(
    which: NDArray[np.intp], places: NDArray[np.integer[Any]] | None
) -> list[tuple[int, int]]:
    """Return the positions of the exact Gaussians among those at `places`, with their numbers."""
    if places is None:
        return [(place, exact) for exact, place in enumerate(which.tolist())]
    found = (np.flatnonzero(places == gaussian).tolist() for gaussian in which)
    return [(place, exact) for exact, at in enumerate(found) for place in at]


def _exact_log_densities(
    prepared: Prepared, exact: ExactGaussians | None, frames: Frames
) -> tuple[Array, Array]:
    """Return joint log-densities (T, G) and functions of a few frames, in float64."""
    rows = expand_exactly(prepared, frames)
    densities = bring_nearer(prepared, rows).T @ prepared.columns
    if exact is not None:
        densities[:, exact.which] = exact.log_densities(frames)
    return densities, rows


def _exact_posteriors(
    prepared: Prepared, exact: ExactGaussians | None, frames: Frames
) -> tuple[Array, Array, Array]:
    """Posteriors, functions and log-likelihoods of a few frames, in float64."""
    densities, rows = _exact_log_densities(prepared, exact, frames)
    highest = densities.max(axis=1, keepdims=True)
    densities -= highest
    np.exp(densities, out=densities)
    sums = densities.sum(axis=1, keepdims=True)
    densities /= sums
    likelihoods = (np.log(sums) + highest)[:, 0] - prepared.coordinates.log_volume
    return densities, rows, likelihoods


def block_size(n_gaussians: int, n_rows: int = 0) -> int:
    """Frames of a block that fills a core's share of cache, about 2 MiB of float32.

    Parameters
    ----------
    n_gaussians : int
        G: the densities of a frame.
    n_rows : int, default=0
        B: the functions of a frame, where they are more than the densities.
    """
    return int(np.clip(2**19 // max(n_gaussians, n_rows), 256, 4096))
