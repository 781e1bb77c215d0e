"""The application: its commands, and the one place where an error becomes one line."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import Annotated

import typer

from speakergmm import __version__
from speakergmm.cli import background, corpora, demonstration, protocols, speakers
from speakergmm.errors import SpeakerGmmError

app = typer.Typer(
    name="speakergmm",
    help="Train a background model, enrol speakers from recordings, verify and identify them.",
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
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Train a background model, enrol speakers from recordings, verify and identify them."""


for _group in (corpora, background, speakers, protocols, demonstration):
    _group.register(app)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"warning: {' '.join(str(message).split())}\n")


def _one_line(error: BaseException) -> str:
    """Say what the operating system refused, with the file it was about."""
    if isinstance(error, OSError):
        what = {
            errno.ENOSPC: "no space left on the device: free some space or write elsewhere",
            errno.EFBIG: "the file may not grow that large: raise the limit or write elsewhere",
            errno.EROFS: "the file system is read-only: write elsewhere",
            errno.EACCES: "permission denied",
        }.get(error.errno or 0, error.strerror or str(error))
        return f"{error.filename}: {what}" if error.filename else what
    if isinstance(error, MemoryError):
        return "out of memory: use fewer --jobs, fewer --components or a smaller corpus"
    return " ".join(str(error).split())


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : list of str, optional
        Command line without the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        0 on success, 2 when something was refused (one line on standard error says what),
        130 after an interrupt.
    """
    from typer.exceptions import TyperException

    warnings.showwarning = _show_warning
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="speakergmm", standalone_mode=False)
    except TyperException as error:
        sys.stderr.write(f"speakergmm: {error.format_message()} (see --help)\n")
        return 2
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing is wrong.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SpeakerGmmError, OSError, MemoryError) as error:
        sys.stderr.write(f"speakergmm: {_one_line(error)}\n")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("speakergmm: interrupted\n")
        return 130
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the ``speakergmm`` command."""
    sys.exit(run())
