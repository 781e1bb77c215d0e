"""Checks of a Dask cluster before it works: deaths that it allows, software of its workers."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from speakergmm.errors import EngineError

LEAST_ALLOWED_FAILURES = 10
"""Deaths of workers under one task before Dask gives it up.

Dask suspects every task that waits on a worker that dies, not only the one that it was computing,
and gives a task up after three such deaths. A few workers that are taken away one after another, as
batch systems and spot instances do, would end a training that has done nothing wrong.
"""

_SAME_VERSIONS = ("speakergmm", "numpy", "numba")


def raise_allowed_failures(client: Any) -> None:
    """Let a scheduler allow so many deaths at least; one that forbids the change stays as it is."""
    least = LEAST_ALLOWED_FAILURES

    # Defined here, so that it is sent by value: the scheduler may lack this package.
    def at_least(dask_scheduler: Any = None) -> None:
        dask_scheduler.allowed_failures = max(dask_scheduler.allowed_failures, least)

    with suppress(Exception):  # if the scheduler is gone, that is found out next
        client.run_on_scheduler(at_least)


def check_software(client: Any, workers: Iterable[str]) -> set[str]:
    """Return the workers that have the same software; those that do not answer are left out.

    Raises
    ------
    EngineError
        If one lacks the package or has another version of it or of what decides the numbers.
    """
    workers = sorted(workers)
    if not workers:
        return set()
    names = _SAME_VERSIONS

    # Sent by value: a worker may lack this package.
    def versions() -> dict[str, str | None]:
        import importlib
        from importlib.metadata import PackageNotFoundError, version

        found: dict[str, str | None] = {}
        for name in names:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                try:  # from its source
                    found[name] = str(importlib.import_module(name).__version__)
                except ImportError:
                    found[name] = None
        return found

    own, same = versions(), set()
    answers = client.run(versions, workers=workers, on_error="return")
    for worker, there in sorted(answers.items()):
        if isinstance(there, Exception):
            continue  # gone already
        for name in names:
            if there[name] != own[name]:
                has = f"has {name} {there[name]}" if there[name] else f"lacks {name}"
                raise EngineError(
                    f"worker {worker} {has}, where {own[name]} is needed; install there: "
                    f"pip install '{name}=={own[name]}'"
                )
        same.add(worker)
    return same
