"""E-step and M-step of training, in float32 wherever that is precise enough, else in float64."""

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

# Smallest error of a log-likelihood per frame: rounding of the numbers themselves.
_LEAST_ROUNDING = 1e-6
_FLOAT64 = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
# Number of roundings in a sum of squares, its mean, and the difference of the two.
_OPERATIONS = 16


class TrainingSteps(Generic[Model, Stats]):
    """The E-step and the M-step of an iteration, in standardised coordinates.

    Parameters
    ----------
    frames : FramesPass, or callable
        The pass over the frames, or ``model -> pass`` if it depends on the model.
    update : callable
        ``(statistics, model) -> (model, UpdateReport)``.
    standardisation : Standardisation
        The map from frames to these coordinates.
    least_rounding : float, optional
        Smallest error of a log-likelihood per frame to expect, in nats.

    Notes
    -----
    Digits that the moments of a Gaussian lose in float32 matter if the updated Gaussian is far
    narrower than the data. Each update is therefore inspected: the statistics of Gaussians that it
    makes too narrow are summed again, about their new means and in float64, over the few frames
    that belong to them (`FramesPass.refine`). All others stay as they are.
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
        """Take the E-step, in float32 where that is precise enough for the update.

        The M-step is taken as well, to find the Gaussians that it makes too narrow for float32;
        its result is kept for `update`.
        """
        prepared = self._prepared_for(model)
        frames = replace(self._pass_for(model), largest_rounding=LARGEST_ROUNDING_IN_TRAINING)
        # Accumulate in the given precision; if a component collapses in float32, in float64.
        while True:
            likelihoods: list[NDArray[np.float32]] = []
            dtype, exact = prepared.plan(frames.precision, frames.largest_rounding)
            statistics: Stats = frames.accumulate(prepared, likelihoods)
            try:
                updated = self._update(statistics, model)
                break
            except CollapsedComponentError:
                if dtype == np.float64:
                    # The error is raised by `update`, which the loop may never reach.
                    return statistics
                frames = replace(frames, precision="float64")
        # Refine the statistics of Gaussians that became too narrow, until the update finds no more.
        while True:
            # Gaussians for which the moments of this pass are too coarse, beyond those of `exact`.
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
        """Return the error to expect of the last log-likelihood per frame, in nats."""
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
        """Take the M-step, or return its result if `accumulate` has taken it."""
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
    """Return the error of a log-likelihood per frame from rounded covariances, in nats.

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
