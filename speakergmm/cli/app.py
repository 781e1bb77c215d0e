"""The application: its commands, and the conversion of errors to one line."""

from __future__ import annotations

import contextlib
import errno
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from speakergmm import __version__, progress
from speakergmm.cli import interruption
from speakergmm.cli.command_table import CommandList
from speakergmm.cli.guesses import explained
from speakergmm.cli.printing import print_note
from speakergmm.cli.streams import guarded_streams, system_reason
from speakergmm.errors import SpeakerGmmError
from speakergmm.files import working_directory_is_gone

app = typer.Typer(
    name="speakergmm",
    help="Speaker recognition, phone models, alignment and decoding with Gaussian mixtures.",
    cls=CommandList,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"speakergmm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Speaker recognition, phone models, alignment and decoding with Gaussian mixtures."""
    context.with_resource(progress.program(context.invoked_subcommand or "speakergmm"))


_MOST_WARNINGS = 5

OUTPUT_LOST = 74
"""Exit code of a command whose output could not be written, EX_IOERR of ``sysexits.h``."""

INTERRUPTED = 130


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print warnings as lines: the first few of each kind, and the number of further ones."""
    seen: Counter[type] = Counter()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if interruption.stopped():
            return
        seen[category] += 1
        if seen[category] <= _MOST_WARNINGS:
            print_note(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            yield
        finally:
            more = sum(max(0, number - _MOST_WARNINGS) for number in seen.values())
            if more:
                print_note(f"warning: {more} more warnings of the same kinds")


def _error_text(error: BaseException) -> str:
    """Return the message of an error, with the file and a remedy for errors of the system."""
    if isinstance(error, OSError):
        remedy = {
            errno.ENOSPC: ": free some space or write elsewhere",
            errno.EFBIG: ": raise the limit or write elsewhere",
            errno.EROFS: ": write elsewhere",
        }.get(error.errno or 0, "")
        what = system_reason(error) + remedy
        if not error.filename and error.errno == errno.ENOENT and working_directory_is_gone():
            what = "the working directory does not exist: change to another, or give whole paths"
        return f"{error.filename}: {what}" if error.filename else what
    if isinstance(error, MemoryError):
        return "out of memory: give fewer --jobs, fewer Gaussians or a smaller corpus"
    return str(error)


def run_command(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Command line without the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        0 on success; 1 if problems were found or nothing was recognised; 2 after an error, which
        one line on standard error states; 74 if all work was done but standard output could not
        be written, unless its reader has closed it; 130 after an interrupt.
    """
    with guarded_streams() as output:
        code = _run(arguments)
        output.flush()
        if code == 0 and output.failure is not None and output.failure.errno != errno.EPIPE:
            print_note(
                "speakergmm: standard output cannot be written: "
                f"{system_reason(output.failure)}; only the printed result is lost, all files are "
                "complete"
            )
            code = OUTPUT_LOST
    return code


def _run(arguments: list[str] | None) -> int:
    from typer.exceptions import TyperException

    command = typer.main.get_command(app)
    interruption.begin_work()
    try:
        with _warnings_as_lines():
            code = command.main(arguments, prog_name="speakergmm", standalone_mode=False)
    except TyperException as error:
        if message := explained(error):
            print_note(f"speakergmm: {message}")
        return 2
    except (SpeakerGmmError, OSError, MemoryError) as error:
        print_note(f"speakergmm: {_error_text(error)}")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # Typer turns some interrupts into exits
        print_note("speakergmm: interrupted")
    return code if isinstance(code, int) else 0
