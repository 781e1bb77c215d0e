"""Result of a selection: the criterion for each number of components, and the best estimator."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from speakergmm.ranges import choice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Criterion: TypeAlias = Literal["bic", "aic", "held_out"]

_TITLES = {
    "bic": "BIC (lower is better)",
    "aic": "AIC (lower is better)",
    "held_out": "held-out log-likelihood, nats per frame (higher is better)",
}
# Colours of the palette of Okabe and Ito, which colour-blind people can distinguish.
_BLUE, _VERMILION, _GREY = "#0072b2", "#d55e00", "#59626d"


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRow:
    """Criterion and fit of one number of components.

    Parameters
    ----------
    n_components : int
        Number of components, K.
    value : float
        The criterion: BIC, AIC, or held-out log-likelihood per frame in nats; NaN if a fit failed.
    standard_error : float
        Standard error of `value`; see `select_n_components`.
    difference_error : float
        Standard error of the difference between `value` and that of the best K, paired by frames,
        groups or folds, which shows whether the two differ; 0 for the best itself.
    log_likelihood : float
        Log-likelihood per training frame, in nats (the mean over folds).
    n_parameters : int
        Number of free parameters of the mixture; 0 if a fit failed.
    seconds : float
        Time of fitting and scoring in seconds, summed over folds.
    convergence : str
        "converged", or the reason why the first fit that did not converge ended, or "failed".
    fold_values : tuple of float
        Held-out log-likelihood per frame in each fold; empty for BIC and AIC.
    error : str or None
        Error with which a fit failed.
    """

    n_components: int
    value: float = math.nan
    standard_error: float = math.nan
    difference_error: float = math.nan
    log_likelihood: float = math.nan
    n_parameters: int = 0
    seconds: float
    convergence: str
    fold_values: tuple[float, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Result of `select_n_components`.

    Parameters
    ----------
    best : estimator
        Estimator with the chosen number of components, fitted to all frames.
    n_components : int
        The chosen number of components.
    criterion : {"bic", "aic", "held_out"}
        Criterion by which it was chosen.
    path : tuple of SelectionRow
        One row per number of components, in ascending order.
    one_standard_error : bool
        Whether the smallest number within one standard error of the best was chosen.
    """

    best: Any
    n_components: int
    criterion: Criterion
    path: tuple[SelectionRow, ...]
    one_standard_error: bool = False

    @property
    def chosen(self) -> SelectionRow:
        """The row of the chosen number."""
        return next(row for row in self.path if row.n_components == self.n_components)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the path as one dict per row, for a table or a data frame.

        Returns
        -------
        list of dict
            Fields of `SelectionRow` by name.
        """
        return [asdict(row) for row in self.path]

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the estimator in a form for JSON, with None in place of NaN."""
        return {
            "criterion": self.criterion,
            "n_components": self.n_components,
            "one_standard_error": self.one_standard_error,
            "path": [
                {name: _plain(value) for name, value in row.items()} for row in self.to_rows()
            ],
        }

    def plot(
        self, ax: Axes | None = None, *, errors: Literal["difference", "standard"] = "difference"
    ) -> Axes:
        """Plot the criterion against the number of components, with error bars.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw in; by default those of a new figure of pyplot.
        errors : {"difference", "standard"}, default="difference"
            Length of the error bars: one standard error of the difference to the best (whose bar
            has length 0), or of the value itself.

        Returns
        -------
        matplotlib.axes.Axes
        """
        choice("errors", errors, ("difference", "standard"))
        from matplotlib.ticker import MaxNLocator

        if ax is None:
            from matplotlib import pyplot

            _, ax = pyplot.subplots(layout="constrained")
        fitted = [row for row in self.path if row.error is None]
        of_what = " of difference to best" if errors == "difference" else ""
        bars = [getattr(row, f"{errors}_error") for row in fitted]
        ax.errorbar(
            [row.n_components for row in fitted],
            [row.value for row in fitted],
            yerr=[bar if math.isfinite(bar) else 0.0 for bar in bars],
            color=_BLUE,
            marker="o",
            markersize=4,
            linewidth=1.2,
            capsize=3,
            label="± 1 s.e." + of_what,
        )
        chosen = self.chosen
        ax.plot(
            chosen.n_components,
            chosen.value,
            marker="D",
            markersize=8,
            linestyle="none",
            color=_VERMILION,
            zorder=3,
            label=f"chosen: {chosen.n_components}",
        )
        failed = [row.n_components for row in self.path if row.error is not None]
        if failed:
            ax.plot(
                failed,
                [0.02] * len(failed),
                marker="x",
                linestyle="none",
                color=_GREY,
                transform=ax.get_xaxis_transform(),
                label="failed",
            )
        ax.set_xlabel("number of components, K")
        ax.set_ylabel(_TITLES[self.criterion])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend(fontsize="small")
        return ax


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
