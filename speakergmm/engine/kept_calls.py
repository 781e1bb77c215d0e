"""Large functions that worker processes keep, so that they are not sent with every item."""

from __future__ import annotations

import enum
import pickle
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# Functions of fewer bytes than this are sent with every item.
_WORTH_KEEPING = 100_000
# Functions that a worker keeps: those of the passes that follow each other, such as a training's.
_MOST_KEPT = 2


class _Missing(enum.Enum):
    MISSING = 0


MISSING = _Missing.MISSING
"""The result of a call in a process that does not have its function."""


@dataclass(frozen=True)
class _Parcel(Generic[Item, Result]):
    """A function, which is pickled at most once."""

    function: Callable[[Item], Result]
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    @cached_property
    def pickled(self) -> bytes | None:
        """The function as bytes; None if it is to be sent in the executor's own way."""
        try:
            found = pickle.dumps(self.function)
        except Exception:  # the executor may know a way, or says why there is none
            return None
        # What a script defines is known to the workers of some executors only.
        return None if len(found) < _WORTH_KEEPING or b"__main__" in found else found


@dataclass(frozen=True, slots=True)
class SentCall(Generic[Item, Result]):
    """A call that can be sent to other processes, which keep its function if it is large.

    Within this process it is the function.

    Parameters
    ----------
    function : callable
        Called with one item.
    """

    function: Callable[[Item], Result]
    _parcel: _Parcel[Item, Result] | None = None
    _whole: bool = True

    def __post_init__(self) -> None:
        if self._parcel is None:
            object.__setattr__(self, "_parcel", _Parcel(self.function))

    def __call__(self, item: Item) -> Result:
        """Return the result of one item."""
        return self.function(item)

    def without_function(self) -> SentCall[Item, Result]:
        """Return the call as it is sent to workers that have the function.

        In a worker that does not have it, the result is `MISSING`.
        """
        return replace(self, _whole=False)

    def __reduce__(self) -> Any:
        assert self._parcel is not None
        pickled = self._parcel.pickled
        if pickled is None:
            return _unchanged, (self.function,)
        return _KeptCall, (self._parcel.key, pickled if self._whole else None)


def _unchanged(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    return function


@dataclass(frozen=True, slots=True)
class _KeptCall:
    """A call in a process that keeps its function, or is to keep it from now on."""

    key: str
    pickled: bytes | None

    def __call__(self, item: Any) -> Any:
        with _lock:
            function = _kept.get(self.key)
            if function is not None:
                _kept.move_to_end(self.key)
        if function is None:
            if self.pickled is None:
                return MISSING
            function = pickle.loads(self.pickled)
            with _lock:
                _kept[self.key] = function
                while len(_kept) > _MOST_KEPT:
                    _kept.popitem(last=False)
        return function(item)


_kept: OrderedDict[str, Any] = OrderedDict()
_lock = threading.Lock()
