"""When and with what something was made."""

import datetime
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def utc_now() -> str:
    """Return the time in UTC, ISO 8601 to the second, such as ``2026-01-31T12:00:00+00:00``."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def software_versions() -> dict[str, str]:
    """Return the versions of everything that touches the numbers."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    # Looking up a version reads and parses a file; they do not change while we run.
    found = {"python": platform.python_version()}
    for name in ("speakergmm", "numpy", "scipy", "soundfile", "soxr"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found
