"""Provenance of results: time and versions of software."""

import datetime
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def utc_now() -> str:
    """Return the current time in UTC, such as ``2026-01-31T12:00:00+00:00`` (ISO 8601)."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def software_versions() -> dict[str, str]:
    """Return the versions of all software that affects the numbers."""
    return dict(_versions())


def arithmetic_versions() -> dict[str, str]:
    """Return the versions of the software that computes with given frames, to the last bit."""
    return {name: _versions()[name] for name in ("speakergmm", "numpy", "scipy")}


@cache
def _versions() -> dict[str, str]:
    # Cached, since a look-up reads and parses a file.
    found = {"python": platform.python_version()}
    for name in ("speakergmm", "numpy", "scipy", "soundfile", "soxr"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
