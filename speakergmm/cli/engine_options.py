"""The workers of a command: processes of this machine, or those of a scheduler."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import command
from speakergmm.errors import InvalidInputError


@command
class EngineCommand:
    """A command whose work is shared out among workers."""

    jobs: options.Jobs = 1
    scheduler: options.Scheduler = None

    @property
    def engine(self) -> int | None:
        """The engine for functions: a number of processes, or None for the one in use."""
        return self.jobs if self.scheduler is None else None

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Use the workers of the scheduler, if one is given, while the command runs."""
        if self.scheduler is None:
            yield
            return
        if self.jobs != 1:
            raise InvalidInputError(
                f"--jobs {self.jobs} and --scheduler exclude each other: the workers are those of "
                "the scheduler"
            )
        from speakergmm.engine import scheduler_client, use

        with scheduler_client(self.scheduler) as client, use(client) as engine:
            engine.announce()
            yield
