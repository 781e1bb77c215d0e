"""The connection to the scheduler of a Dask cluster, and silence about what happens on it."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speakergmm.errors import EngineError, MissingLibraryError

_LOGGERS = ("distributed", "tornado", "asyncio")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the messages of Dask and of its network library from the user; may be nested."""
    with _quiet_lock:
        if _quiet.users == 0:
            for name, logger in list(logging.root.manager.loggerDict.items()):
                if isinstance(logger, logging.Logger) and name.split(".")[0] in _LOGGERS:
                    _quiet.levels[name] = logger.level
                    logger.setLevel(logging.CRITICAL + 1)
        _quiet.users += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet.users -= 1
            if _quiet.users == 0:
                for name, level in _quiet.levels.items():
                    logging.getLogger(name).setLevel(level)
                _quiet.levels.clear()


@dataclass(slots=True)
class _Quiet:
    """The pieces of work that keep Dask's messages back at present."""

    users: int = 0
    levels: dict[str, int] = field(default_factory=dict)


_quiet = _Quiet()
_quiet_lock = threading.Lock()


@contextmanager
def scheduler_client(address: str, *, timeout: float = 5.0) -> Iterator[Any]:
    """Connect to the scheduler of a Dask cluster.

    Parameters
    ----------
    address : str
        Such as ``tcp://host:8786``, or the path of a scheduler file.
    timeout : float, default=5
        Seconds to wait for the scheduler, now and if the connection to it is lost.

    Yields
    ------
    distributed.Client

    Raises
    ------
    MissingLibraryError
        If Dask is not installed.
    EngineError
        If there is no scheduler.
    """
    try:
        from distributed import Client
    except ImportError:
        raise MissingLibraryError(
            "a scheduler (--scheduler) needs Dask: pip install 'speakergmm[dask]'"
        ) from None
    with quiet():
        try:
            where = _address_in(address)
            client = Client(where, timeout=timeout, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            reason = " ".join(str(error).split())[:200]
            raise EngineError(
                f"there is no Dask scheduler at {address} ({reason}); give tcp://HOST:PORT or the "
                "file of: dask scheduler --scheduler-file FILE"
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=2)


def _address_in(given: str) -> str:
    """Return the address that is given as such or by a scheduler file.

    With a wrong one a client of Dask takes long to end, with an empty one it did not end at all.

    Raises
    ------
    OSError, ValueError
        If it cannot be an address, or the file is not that of a scheduler.
    """
    from distributed.comm import get_address_host_port

    address = given
    if "://" not in given and Path(given).is_file():
        try:
            found = json.loads(Path(given).read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("address"), str):
            raise ValueError("the file is not one of a Dask scheduler")
        address = found["address"]
    if not address.startswith("inproc://"):
        _, port = get_address_host_port(address)
        if not 0 < int(port) < 65536:
            raise ValueError(f"{port} is not the number of a port")
    return address
