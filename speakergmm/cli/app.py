"""The application: its commands, and the one place where an error becomes one line."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import typer

from speakergmm import __version__
from speakergmm.cli import (
    acoustic,
    alignment,
    background,
    corpora,
    decoding,
    demonstration,
    interruption,
    protocols,
    speakers,
    transcription,
    words,
)
from speakergmm.errors import SpeakerGmmError

app = typer.Typer(
    name="speakergmm",
    help="Speaker recognition, phone models, alignment and decoding with Gaussian mixtures.",
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
    """Speaker recognition, phone models, alignment and decoding with Gaussian mixtures."""


_PANELS = {
    "Corpora and demonstrations": (corpora, demonstration),
    "Speakers": (background, speakers, protocols),
    "Phones and words": (acoustic, words, alignment, decoding, transcription),
}
for _panel, _groups in _PANELS.items():
    for _group in _groups:
        _known = len(app.registered_commands)
        _group.register(app)
        for _command in app.registered_commands[_known:]:
            _command.rich_help_panel = _panel


_MOST_WARNINGS = 5


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print each warning on a line, and of a flood of one kind the first few and a count."""
    seen: Counter[type] = Counter()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if interruption.stopped():
            return
        seen[category] += 1
        if seen[category] <= _MOST_WARNINGS:
            sys.stderr.write(f"warning: {' '.join(str(message).split())}\n")

    with warnings.catch_warnings():
        warnings.showwarning = show
        try:
            yield
        finally:
            more = sum(max(0, number - _MOST_WARNINGS) for number in seen.values())
            if more:
                sys.stderr.write(f"warning: and {more} more of this kind\n")


def _one_line(error: BaseException) -> str:
    """Say what the operating system refused, with the file it was about."""
    if isinstance(error, OSError):
        what = {
            errno.ENOSPC: "the disk is full: free some space or write elsewhere",
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

    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started us
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - lives on
        elif isinstance(stream, io.TextIOWrapper):
            # A name that the terminal can't show is written with escapes, and ends nothing.
            stream.reconfigure(errors="backslashreplace")
    command = typer.main.get_command(app)
    interruption.begin_work()
    try:
        with _warnings_as_lines():
            code = command.main(arguments, prog_name="speakergmm", standalone_mode=False)
    except TyperException as error:
        if error.format_message():
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
