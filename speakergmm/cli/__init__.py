"""The command line: parsing, calls of the library and printing, without any computation.

Importing this package loads nothing: signal handlers are installed before the slow imports.
"""

from typing import Any

__all__ = ["commands_by_name", "main", "run_command"]


def commands_by_name() -> dict[str, Any]:
    """Return all commands by their names, as click's objects, say to document them."""
    import typer

    from speakergmm.cli.app import app

    return dict(typer.main.get_group(app).commands)


def run_command(arguments: list[str] | None = None) -> int:
    """Run one command in this process and return its exit code, as `cli.app.run_command`."""
    from speakergmm.cli.app import run_command

    return run_command(arguments)


def main() -> None:
    """Run the ``speakergmm`` command: the only entry point that handles signals."""
    from speakergmm.cli import interruption

    interruption.answer_signals()
    try:
        from speakergmm.cli.app import run_command

        code = run_command()
        interruption.end_work()
    except interruption.Stopped:
        code = 0  # `leave` replaces it by the code of the signal
    interruption.leave(code)
