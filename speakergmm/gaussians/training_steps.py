"""E- and M-steps that find out where float32 was too coarse, and redo that part in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import CollapsedComponentError
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.parameters import Gaussians
from speakergmm.gaussians.prepare import (
    LARGEST_ROUNDING_IN_TRAINING,
    Prepared,
    Weighted,
    prepare_gaussians,
)
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.sums import About

Model = TypeVar("Model", bound=Weighted)
Stats = TypeVar("Stats")

# The error of a log-likelihood per frame is no less than rounding of the numbers themselves.
_LEAST_ROUNDING = 1e-6
_FLOAT64 = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
# Roundings that a sum of squares, its mean, and the difference of the two go through.
_OPERATIONS = 16


class TrainingSteps(Generic[Model, Stats]):
    """The two halves of an iteration, for `expectation_maximisation`, in standardised coordinates.

    Parameters
    ----------
    frames : FramesPass, or callable
        How to go over the frames, or ``model -> pass`` where that depends on the model.
    update : callable
        ``(statistics, model) -> (model, UpdateReport)``.
    standardisation : Standardisation
        What turns frames into these coordinates.
    least_rounding : float, optional
        What to expect of a log-likelihood per frame at least, in nats.

    Notes
    -----
    What the moments of a Gaussian lose in float32 counts where the next one is far narrower than
    the data. So each update is looked at: Gaussians that it makes too narrow have their statistics
    summed again, about their new means and in float64, from the few frames that are theirs
    (`FramesPass.refine`). All others stay as they are.
    """

    def __init__(
        self,
        frames: Any,
        update: Callable[[Stats, Model], tuple[Model, UpdateReport]],
        *,
        standardisation: Standardisation,
        least_rounding: float = _LEAST_ROUNDING,
    ) -> None:
        self._pass_for: Callable[[Model], Any] = frames if callable(frames) else lambda _: frames
        self._update = update
        self._standardisation = standardisation
        self._least_rounding = least_rounding
        self._last: tuple[Prepared, np.dtype[Any], NDArray[np.intp]] | None = None
        self._prepared: tuple[Model, Prepared] | None = None
        self._updated: tuple[Stats, tuple[Model, UpdateReport]] | None = None

    def accumulate(self, model: Model) -> Stats:
        """E-step, in float32 where that serves the update.

        The M-step is tried as well, to find the Gaussians that it makes too narrow for float32;
        what it found is kept for `update`.
        """
        prepared = self._prepared_for(model)
        frames = replace(self._pass_for(model), largest_rounding=LARGEST_ROUNDING_IN_TRAINING)
        while True:
            likelihoods: list[NDArray[np.float32]] = []
            dtype, exact = prepared.plan(frames.precision, frames.largest_rounding)
            statistics: Stats = frames.accumulate(prepared, likelihoods)
            try:
                updated = self._update(statistics, model)
                break
            except CollapsedComponentError:
                if dtype == np.float64:
                    # Not caught here: the loop may never come to this update.
                    return statistics
                frames = replace(frames, precision="float64")
        while True:
            # What the moments of this pass do not serve, beyond the Gaussians `exact`.
            following = self._prepared_for(updated[0])
            narrow = following.beyond(dtype.name, LARGEST_ROUNDING_IN_TRAINING)
            if not narrow.size or not (narrow := np.setdiff1d(narrow, exact)).size:
                break
            about = About(narrow, following.gaussians.means[narrow])
            statistics = frames.refine(prepared, statistics, about, likelihoods)
            exact = np.union1d(exact, narrow)
            updated = self._update(statistics, model)
        self._last = prepared, dtype, exact
        self._updated = (statistics, updated)
        return statistics

    def rounding(self) -> float:
        """Error to expect of the log-likelihood per frame that was accumulated last, in nats."""
        if self._last is None:
            return self._least_rounding
        prepared, dtype, exact = self._last
        others = np.delete(np.arange(prepared.n_gaussians), exact)
        if not others.size:
            return self._least_rounding
        some = prepared if not exact.size else prepared.select(others)
        of_densities = float(some.rounding.max()) * (1.0 if dtype == np.float32 else _FLOAT64)
        weights = np.exp(np.minimum(some.log_weights, 0.0))
        return max(self._least_rounding, of_densities, moment_rounding(some.gaussians, weights))

    def update(self, statistics: Stats, model: Model) -> tuple[Model, UpdateReport]:
        """M-step."""
        if self._updated is not None and self._updated[0] is statistics:
            return self._updated[1]
        return self._update(statistics, model)

    def _prepared_for(self, model: Model) -> Prepared:
        if self._prepared is None or self._prepared[0] is not model:
            gaussians, log_weights, weights = model.weighted()
            prepared = prepare_gaussians(
                gaussians, log_weights, self._standardisation, weights=weights
            )
            self._prepared = (model, prepared)
        return self._prepared[1]


def moment_rounding(gaussians: Gaussians, weights: Array) -> float:
    """Say what float64's rounding of covariances does to a log-likelihood per frame, in nats.

    Sums of squares of z have a relative error of a few eps, and a covariance is what is left when
    the squared mean is subtracted: sizes count in deviations of the narrowest direction.
    """
    variances = gaussians.variances()
    squares = np.maximum(1.0, variances + gaussians.means**2)
    if gaussians.kind.is_matrix:
        try:
            inverses = np.abs(np.linalg.inv(gaussians.own_covariances))
        except np.linalg.LinAlgError:
            return float("inf")
        roots = np.sqrt(squares)
        sizes = ((roots[:, None, :] @ inverses)[:, 0] * roots).sum(axis=1)
    else:
        sizes = (squares / variances).sum(axis=1)
    return 0.5 * _OPERATIONS * float(np.finfo(np.float64).eps) * float(weights @ sizes)
