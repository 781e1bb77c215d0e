"""Convergence of a fit, as hmmlearn's monitors tell it, that allows for float32's rounding."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(eq=False)
class FitMonitor:
    """What `GaussianMixtureHMM` reports to, with the interface of hmmlearn's `ConvergenceMonitor`.

    Parameters
    ----------
    tol : float
        A gain of less ends training.
    n_iter : int
        Most iterations.
    verbose : bool
        Whether each iteration is printed to standard error.

    Attributes
    ----------
    history : deque of float
        Objective of each iteration.
    iter : int
        Number of iterations.
    fell : bool
        Whether the objective fell by more than rounding, as it may where the start lies below
        the variance floor.

    Notes
    -----
    For another rule of when to stop, redefine `converged` in a subclass and set a model's
    ``monitor_`` to an instance of it before the fit.
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
        """Say how far rounding may have moved the next objective."""
        self._slack = rounding

    def report(self, log_prob: float) -> None:
        """Take the objective of an iteration."""
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
        """Whether the last iteration was the last that is allowed, or gained less than `tol`."""
        if self.iter == self.n_iter:
            return True
        return len(self.history) > 1 and self.history[-1] - self.history[-2] < self.tol
