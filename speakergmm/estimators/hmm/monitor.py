"""Convergence of a fit, as hmmlearn's monitors tell it, that allows for float32's rounding."""

from __future__ import annotations

import sys
from collections import deque

from hmmlearn.base import ConvergenceMonitor

# Of a log-likelihood per frame, in nats.
_ROUNDING = {"float32": 1e-5, "float64": 1e-10}


class FitMonitor(ConvergenceMonitor):  # type: ignore[misc]
    """What `GaussianMixtureHMM` reports to: hmmlearn's monitor, which keeps the whole history.

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
    """

    def __init__(self, tol: float, n_iter: int, verbose: bool) -> None:
        super().__init__(tol, n_iter, verbose)
        self.history: deque[float] = deque()
        self.fell = False
        self._slack = 0.0

    def _reset(self) -> None:
        super()._reset()
        self.fell = False

    def expect_rounding(self, precision: str, n_frames: float) -> None:
        """Say in what precision the next objective was computed, of how many frames."""
        self._slack = _ROUNDING[precision] * n_frames

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
