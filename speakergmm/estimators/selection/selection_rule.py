"""Criteria and standard errors of fits with several numbers of components, and the choice."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import SpeakerGmmError
from speakergmm.estimators.selection.fits import FitOutcome
from speakergmm.estimators.selection.selection_path import Criterion, SelectionRow


@dataclass(frozen=True, slots=True, eq=False)
class SelectionRule:
    """Rule by which the outcomes of fits are compared.

    Parameters
    ----------
    criterion : {"bic", "aic", "held_out"}
        Criterion that is compared.
    unit_weights : array, shape (U,)
        Weight of each independent unit: the number of frames (or sum of sample weights) of a fold
        or group, or the weight of a frame.
    repeated : bool
        Whether a unit of weight w counts as w independent units.
    """

    criterion: Criterion
    unit_weights: NDArray[np.float64]
    repeated: bool

    def rows(self, outcomes: Mapping[int, Sequence[FitOutcome]]) -> tuple[SelectionRow, ...]:
        """Return the rows of all numbers of components, from the outcomes of their fits.

        Raises
        ------
        SpeakerGmmError
            If fits of all numbers failed.
        """
        values = {k: self._unit_values(fits) for k, fits in outcomes.items()}
        rows = [self._row(k, fits, values[k]) for k, fits in outcomes.items()]
        if all(row.error is not None for row in rows):
            raise SpeakerGmmError(
                f"no number of components could be fitted; {rows[0].n_components} failed with "
                f"{rows[0].error}"
            )
        best = values[self.best(rows).n_components]
        return tuple(
            row
            if row.error is not None
            else replace(
                row, difference_error=self._standard_error(values[row.n_components] - best)
            )
            for row in rows
        )

    def best(self, rows: Sequence[SelectionRow]) -> SelectionRow:
        """Return the best row; of equal ones, that with the smallest number of components."""
        fitted = [row for row in rows if row.error is None]
        return min(fitted, key=lambda row: (self._loss(row), row.n_components))

    def choose(self, rows: Sequence[SelectionRow], *, one_standard_error: bool) -> int:
        """Return the best number of components, or the smallest within one standard error of it."""
        best = self.best(rows)
        if not one_standard_error or not math.isfinite(best.standard_error):
            return best.n_components
        most = self._loss(best) + best.standard_error
        return min(
            row.n_components for row in rows if row.error is None and self._loss(row) <= most
        )

    def _loss(self, row: SelectionRow) -> float:
        return -row.value if self.criterion == "held_out" else row.value

    def _unit_values(self, fits: Sequence[FitOutcome]) -> NDArray[np.float64]:
        if self.criterion == "held_out":
            return np.array([fit.held_out for fit in fits])
        return fits[0].unit_values

    def _row(
        self, n_components: int, fits: Sequence[FitOutcome], values: NDArray[np.float64]
    ) -> SelectionRow:
        failed = next((fit for fit in fits if fit.error is not None), None)
        seconds = sum(fit.seconds for fit in fits)
        if failed is not None:
            return SelectionRow(
                n_components=n_components,
                seconds=seconds,
                convergence="failed",
                error=failed.error,
            )
        ends = [fit.convergence for fit in fits]
        n_parameters = fits[0].n_parameters
        return SelectionRow(
            n_components=n_components,
            value=self._value(values, n_parameters),
            standard_error=self._standard_error(values),
            log_likelihood=float(np.mean([fit.log_likelihood for fit in fits])),
            n_parameters=n_parameters,
            seconds=seconds,
            convergence=next((end for end in ends if end != "converged"), "converged"),
            fold_values=tuple(values.tolist()) if self.criterion == "held_out" else (),
        )

    def _value(self, values: NDArray[np.float64], n_parameters: int) -> float:
        total, weight = float(self.unit_weights @ values), float(self.unit_weights.sum())
        if self.criterion == "held_out":
            return total / weight
        penalty = math.log(weight) if self.criterion == "bic" else 2.0
        return -2.0 * total + n_parameters * penalty

    def _standard_error(self, values: NDArray[np.float64]) -> float:
        error = standard_error_of_sum(values, self.unit_weights, repeated=self.repeated)
        if self.criterion == "held_out":
            return error / float(self.unit_weights.sum())
        return 2.0 * error


def standard_error_of_sum(
    values: NDArray[np.float64], weights: NDArray[np.float64], *, repeated: bool
) -> float:
    """Compute the standard error of a weighted sum over independent units.

    Parameters
    ----------
    values : array, shape (U,)
        Mean value of each unit.
    weights : array, shape (U,)
        Weight of each unit in the sum.
    repeated : bool
        Whether a unit of weight w counts as w independent units (frames) or as a single one
        (groups, folds).

    Returns
    -------
    float
        With residuals ``e = x - sum(w x) / W``, it is ``sqrt(W / (W - 1) sum(w e^2))`` if
        `repeated`, else ``sqrt(U / (U - 1) sum((w e)^2))``; NaN for a single unit.

    Examples
    --------
    >>> standard_error_of_sum(np.array([1.0, 3.0]), np.ones(2), repeated=False)
    2.0
    """
    total = weights.sum()
    n_units = total if repeated else np.count_nonzero(weights)
    if n_units <= 1:
        return math.nan
    residuals = values - (weights @ values) / total
    squares = weights * residuals**2 if repeated else (weights * residuals) ** 2
    return float(np.sqrt(n_units / (n_units - 1) * squares.sum()))
