"""The options of commands that write a report and its plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm.cli.command_options import AnsweringCommand, command, option
from speakergmm.cli.output_checks import check_output
from speakergmm.errors import InvalidInputError
from speakergmm.files import kind_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@command
class ReportingCommand(AnsweringCommand):
    """A command that writes an HTML report, plots, both or neither."""

    report: Path | None = option(None, "HTML report to write, a single file.")
    figures: Path | None = option(
        None, "Folder for the plots of the report as SVG, PDF and PNG files."
    )

    def check_outputs(self) -> None:
        """Raise an error for unsuitable outputs before the work begins."""
        if self.report is not None:
            check_output(self.report, "report")
        if self.figures is not None:
            # It is made when it is filled: nothing remains of a command that fails.
            there = next(
                each for each in (self.figures, *self.figures.parents) if kind_of(each) != "missing"
            )
            if kind_of(there) != "folder":
                raise InvalidInputError(
                    f"{there} is not a folder; give another folder for the figures"
                )

    def write_outputs(
        self,
        draw: Callable[[], Mapping[str, Figure]],
        write: Callable[[Path, Mapping[str, Figure]], None],
    ) -> list[str]:
        """Write what was requested, and return a line about each.

        Parameters
        ----------
        draw : callable
            Returns the plots.
        write : callable
            Writes the report to a path, with these plots.
        """
        from speakergmm.reports import write_plots

        if self.report is None and self.figures is None:
            return []
        plots, written = draw(), []
        if self.report is not None:
            write(self.report, plots)
            written.append(f"report: {self.report}")
        if self.figures is not None:
            write_plots(self.figures, plots)
            written.append(f"figures: {self.figures}")
        return written
