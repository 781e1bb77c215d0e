"""Monitor of convergence with hmmlearn's interface, which allows for rounding in float32."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(eq=False)
class FitMonitor:
    """Monitor of the training of `GaussianMixtureHMM`, in place of hmmlearn's `ConvergenceMonitor`.

    Parameters
    ----------
    tol : float
        Training ends when the objective gains less.
    n_iter : int
        Maximum number of iterations.
    verbose : bool
        Whether to print each iteration to standard error.

    Attributes
    ----------
    history : deque of float
        Objective in each iteration.
    iter : int
        Number of iterations.
    fell : bool
        True if the objective decreased by more than rounding, as it may if variances of the start
        lie below the floor.

    Notes
    -----
    To use another stopping rule, override `converged` in a subclass, and set the ``monitor_`` of a
    model to an instance of it before the fit.
    """

    _template: ClassVar[str] = "{iter:>10d} {log_prob:>16.8f} {delta:>+16.8f}"

    tol: float
    n_iter: int
    verbose: bool
    history: deque[float] = field(default_factory=deque, init=False)
    iter: int = field(default=0, init=False)
    fell: bool = field(default=False, init=False)
    _slack: float = field(default=0.0, init=False, repr=False)

    def _reset(self) -> None:
        self.history.clear()
        self.iter, self.fell = 0, False

    def expect_rounding(self, rounding: float) -> None:
        """Set the amount by which rounding may have changed the next objective."""
        self._slack = rounding

    def report(self, log_prob: float) -> None:
        """Record the objective of an iteration."""
        change = log_prob - self.history[-1] if self.history else float("nan")
        if self.verbose:
            line = self._template.format(iter=self.iter + 1, log_prob=log_prob, delta=change)
            print(line, file=sys.stderr)
        if change < -self._slack:
            self.fell = True
        self.history.append(log_prob)
        self.iter += 1

    @property
    def converged(self) -> bool:
        """True if the number of iterations is reached, or the last one gained less than `tol`."""
        if self.iter == self.n_iter:
            return True
        return len(self.history) > 1 and self.history[-1] - self.history[-2] < self.tol
