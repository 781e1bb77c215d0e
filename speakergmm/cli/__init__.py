"""The command line: parse, call the library, print. No computation happens here."""

from speakergmm.cli.app import app, main

__all__ = ["app", "main"]
