"""History of a fit: its iterations and restarts, and how they are printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Any, overload

from speakergmm.gaussians.em import Iteration


@dataclass(frozen=True, slots=True, kw_only=True)
class FitIteration:
    """One iteration of a fit, as `callback` receives it and `history_` contains it.

    Parameters
    ----------
    restart : int
        Number of the restart, from 0.
    iteration : int
        Number of the iteration, from 1.
    bound : float
        Log-likelihood per frame, in nats (for a Bayesian mixture, the lower bound).
    seconds : float
        Wall-clock time of the iteration.
    n_floored : int
        Number of variances, or eigenvalues of covariances, that were raised to the floor.
    revived : tuple of int
        Numbers of dead components that were revived with a share of the heaviest one.
    """

    restart: int
    iteration: int
    bound: float
    seconds: float
    n_floored: int = 0
    revived: tuple[int, ...] = ()

    @property
    def events(self) -> tuple[str, ...]:
        """Descriptions of floored variances and revived components."""
        words = []
        if self.n_floored:
            words.append(f"{self.n_floored} variances floored")
        if self.revived:
            words.append(f"components {', '.join(map(str, self.revived))} revived")
        return tuple(words)

    @classmethod
    def of(cls, restart: int, number: int, iteration: Iteration) -> FitIteration:
        """Convert an entry of the training loop's history; `number` counts from 0."""
        report = iteration.report
        return cls(
            restart=restart,
            iteration=number + 1,
            bound=float(iteration.objective),
            seconds=iteration.seconds,
            n_floored=report.n_floored if report else 0,
            revived=tuple(report.revived) if report else (),
        )


@dataclass(frozen=True, slots=True)
class FitHistory(Sequence[FitIteration]):
    """The iterations of a fit, as a sequence, and the last bounds of its restarts.

    Parameters
    ----------
    iterations : tuple of FitIteration
        Iterations of the restart whose result was kept, in order.
    restart_bounds : tuple of float
        Last bound of each restart, in order; that of the kept one is the largest.
    """

    iterations: tuple[FitIteration, ...] = ()
    restart_bounds: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.iterations)

    @overload
    def __getitem__(self, index: int) -> FitIteration: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[FitIteration, ...]: ...

    def __getitem__(self, index: int | slice) -> FitIteration | tuple[FitIteration, ...]:
        """Return one iteration, or several as a tuple."""
        return self.iterations[index]

    @property
    def bounds(self) -> tuple[float, ...]:
        """Bound of each iteration."""
        return tuple(iteration.bound for iteration in self.iterations)

    @property
    def seconds(self) -> tuple[float, ...]:
        """Wall-clock time of each iteration."""
        return tuple(iteration.seconds for iteration in self.iterations)

    @property
    def events(self) -> tuple[tuple[str, ...], ...]:
        """Descriptions of floored variances and revived components, per iteration."""
        return tuple(iteration.events for iteration in self.iterations)


class FitReporter:
    """Prints the progress of a fit, as scikit-learn does, and shows a progress bar on a terminal.

    Parameters
    ----------
    verbose : int
        0 prints nothing, 1 each restart and some iterations, 2 also times and changes.
    interval : int
        Number of iterations between two lines.
    max_iter : int
        Maximum number of iterations of a restart, the length of the bar.
    """

    def __init__(self, verbose: int, interval: int, max_iter: int) -> None:
        self.verbose, self.interval, self.max_iter = int(verbose), interval, max_iter
        self._bar: Any = None
        self._task: Any = None
        self._begun = self._lapse = perf_counter()
        self._last_bound = -float("inf")

    def __enter__(self) -> FitReporter:
        if self.verbose and sys.stderr is not None and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress

            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def restart_begins(self, restart: int, bound: float) -> None:
        """Report that a restart begins, from a `bound` that may be minus infinity."""
        self._begun = self._lapse = perf_counter()
        self._last_bound = bound
        if self.verbose:
            print(f"Initialization {restart}")
        if self._bar is not None:
            self._task = self._bar.add_task(f"Restart {restart}", total=self.max_iter)

    def iteration_ends(self, iteration: FitIteration) -> None:
        """Report that an iteration has ended."""
        change = iteration.bound - self._last_bound
        self._last_bound = iteration.bound
        if self._bar is not None:
            self._bar.update(self._task, advance=1)
        if not self.verbose or iteration.iteration % self.interval:
            return
        line = f"  Iteration {iteration.iteration}"
        if self.verbose > 1:
            now = perf_counter()
            line += f"\t time lapse {now - self._lapse:.5f}s\t ll change {change:.5f}"
            self._lapse = now
        print(line + "".join(f"\t {event}" for event in iteration.events))

    def restart_ends(self, bound: float, convergence: str) -> None:
        """Report how a restart ended."""
        if not self.verbose:
            return
        outcome = {
            "converged": "converged",
            "iteration_limit": "did not converge",
            "decreased": "did not converge (the bound decreased)",
        }[convergence]
        line = f"Initialization {outcome}."
        if self.verbose > 1:
            seconds = perf_counter() - self._begun
            line += f" time lapse {seconds:.5f}s\t lower bound {bound:.5f}."
        print(line)
