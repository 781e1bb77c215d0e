"""The command line: parse, call the library, print. No computation happens here.

Importing it loads nothing: signals must be taken care of before half a second of imports begins.
"""

__all__ = ["main", "run_command"]


def run_command(arguments: list[str] | None = None) -> int:
    """Run one command in this process and return its exit code, as `cli.app.run_command`."""
    from speakergmm.cli.app import run_command

    return run_command(arguments)


def main() -> None:
    """Entry point of the ``speakergmm`` command: the only one who answers signals."""
    from speakergmm.cli import interruption

    interruption.answer_signals()
    try:
        from speakergmm.cli.app import run_command

        code = run_command()
        interruption.end_work()
    except interruption.Stopped:
        code = 0  # `leave` knows better
    interruption.leave(code)
