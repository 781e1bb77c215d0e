"""Errors on the way to workers and back, in one line."""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterable
from concurrent.futures import BrokenExecutor
from typing import TypeVar

from speakergmm.errors import EngineError, WorkerLostError

Result = TypeVar("Result")


def named_errors(results: Iterable[Result]) -> Generator[Result, None, None]:
    """Yield results from workers; raise errors of the way there and back as those of the engine.

    Raises
    ------
    EngineError
        If the work or a result cannot be pickled.
    WorkerLostError
        If the workers of an executor are gone.
    """
    try:
        yield from results
    except BrokenExecutor as error:
        raise WorkerLostError(
            f"the workers of the executor are gone ({reason_of(error)}); give a new executor"
        ) from None
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        if not isinstance(error, pickle.PicklingError) and "pickle" not in str(error):
            raise
        raise EngineError(
            f"what workers are sent, or return, cannot be pickled ({reason_of(error)}); let "
            "shards and functions hold plain data, such as paths and arrays, or give one worker"
        ) from None


def sendable(error: Exception) -> Exception:
    """Return an error of a worker, or its text if it cannot be pickled and made again."""
    # As joblib's workers do; what is defined in a notebook, too, can be sent so.
    from joblib.externals.loky.backend.reduction import dumps

    try:
        pickle.loads(dumps(error))
    except Exception:
        return EngineError(f"{type(error).__name__}: {_one_line(str(error))}")
    return error


def reason_of(error: BaseException) -> str:
    """Return one line that says why: of a worker's traceback the last one, else a sentence."""
    traceback = str(error.__cause__ or "").strip(' \n"').splitlines()
    return _one_line(traceback[-1] if traceback else str(error).split(". ")[0].rstrip("."))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
