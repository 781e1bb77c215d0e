"""How the kernels of inference are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
from numba import types

Function = TypeVar("Function", bound=Callable[..., Any])


def constant(dtype: Any, n_axes: int = 1) -> Any:
    """Give the type of an array that a kernel reads; one that may be written to fits as well."""
    return types.Array(dtype, n_axes, "C", readonly=True)


def written(dtype: Any, n_axes: int = 1) -> Any:
    """Give the type of an array that a kernel writes."""
    return types.Array(dtype, n_axes, "C")


def results(*dtypes: Any) -> Any:
    """Give the type of several numbers that a kernel returns."""
    make_type: Any = types.Tuple
    return make_type(dtypes)


def compiled(*signature: Any) -> Callable[[Function], Function]:
    """Compile for one signature, without the interpreter's lock; keep the code on disk.

    In an installation that can't be written to, with no place for caches either, it is compiled
    once a process. Sums stay in their order, so that results don't depend on the processor.
    """

    def decorate(function: Function) -> Function:
        compile_function: Any = numba.njit
        arguments = [signature[0](*signature[1:])] if signature else []
        try:
            made = compile_function(*arguments, cache=True, nogil=True)(function)
        except RuntimeError:
            made = compile_function(*arguments, nogil=True)(function)
        return cast(Function, made)

    return decorate
