"""The base of all compiled loops: their compilation, the types of their arrays, two polynomials.

Importing this module imports numba, and importing a module of kernels compiles them, or loads them
from disk if they have been compiled before. Only work that takes longer than that should do so.

A function on disk is compiled again if its own file changes, but not if the file of a function that
it calls does. After a change to a function that kernels of other files call, such as the
polynomials below, remove the compiled files (``*.nbi`` in ``__pycache__``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import (
    Annotated,
    Any,
    NamedTuple,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])
Scalar = TypeVar("Scalar", bound=np.generic)

FAST = {"reassoc", "contract", "nsz"}
"""For `fastmath`: sums may be split over lanes, products and sums joined; NaN must stay NaN."""

# 2^f = 1 + f q(f) for f in -1/2..1/2, with q as a polynomial through Chebyshev nodes: with a
# relative error of 2e-7, and exact at 0.
_NODES = 0.5 * np.cos(np.pi * (np.arange(5) + 0.5) / 5)
_C1, _C2, _C3, _C4, _C5 = (
    np.float32(c)
    for c in np.linalg.solve(
        np.vander(_NODES, increasing=True),
        [np.expm1(f * np.log(2.0)) / f if f else np.log(2.0) for f in _NODES],
    )
)
# log2(1 + f) = f q(f) for f in 0..1, with an error of 2e-7, and exact at 0.
_LOG_NODES = 0.5 + 0.5 * np.cos(np.pi * (np.arange(8) + 0.5) / 8)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (
    np.float32(c)
    for c in np.linalg.solve(
        np.vander(_LOG_NODES, increasing=True), np.log2(1 + _LOG_NODES) / _LOG_NODES
    )
)
_ONE = np.float32(1.0)
_MANTISSA_BITS = np.int32(23)
_MANTISSA = np.int32(0x7FFFFF)
_BIAS = np.int32(127)
_EXPONENT_OF_ONE = np.int32(0x3F800000)


class Layout(NamedTuple):
    """The layout of an array in memory, and whether it is only read."""

    n_axes: int
    order: str = "C"
    readonly: bool = True


Vector = Annotated[NDArray[Scalar], Layout(1)]
"""Array of one axis that a kernel reads; ``Vector[np.float32 | np.float64]`` is either."""
Matrix = Annotated[NDArray[Scalar], Layout(2)]
"""Array of two axes that a kernel reads, row by row."""
Strided = Annotated[NDArray[Scalar], Layout(2, "A")]
"""The same, however it lies in memory."""
FilledVector = Annotated[NDArray[Scalar], Layout(1, readonly=False)]
"""Array of one axis that a kernel writes to."""
FilledMatrix = Annotated[NDArray[Scalar], Layout(2, readonly=False)]
"""Array of two axes that a kernel writes to, row by row."""


def compiled(*, at_first_call: bool = False, **options: Any) -> Callable[[Function], Function]:
    """Compile a function without the interpreter's lock, and keep the code on disk.

    If neither the installation nor a cache folder can be written to, the function is compiled once
    per process. Sums keep their order unless `fastmath` allows otherwise, so that results do not
    depend on the processor.

    Parameters
    ----------
    at_first_call : bool, default=False
        Compile the function when it is first called. By default it is compiled at once, for the
        types of its annotations: arrays as above, ``int``, ``float`` and ``bool``, and tuples of
        these. (Named tuples are not allowed: code on disk that names a class can be neither read
        nor replaced once the class is gone.) If types are unions, the function is compiled for the
        first type of each union, for the second of each, and so on.
    **options
        Options of `numba.njit`.
    """

    def decorate(function: Function) -> Function:
        given: list[Any] = [] if at_first_call else [_signatures(function)]
        compile_function: Any = numba.njit
        try:
            made = compile_function(*given, cache=True, nogil=True, **options)(function)
        except RuntimeError:  # no place for the code on disk
            made = compile_function(*given, nogil=True, **options)(function)
        return cast(Function, made)

    return decorate


def _signatures(function: Callable[..., Any]) -> list[Any]:
    """Return the signatures, in the compiler's terms, that the annotations of a function state."""
    hints = get_type_hints(function, include_extras=True)
    result = _types(hints.pop("return"))[0]
    arguments = [_types(hint) for hint in hints.values()]
    n_signatures = max(map(len, arguments))
    return [
        result(*(kinds[min(number, len(kinds) - 1)] for kinds in arguments))
        for number in range(n_signatures)
    ]


def _types(hint: Any) -> list[Any]:
    """Return the compiler's types for one annotation: several for a union."""
    if get_origin(hint) is Annotated:
        array, (n_axes, order, readonly) = get_args(hint)
        (scalar,) = get_args(get_args(array)[1])
        return [
            types.Array(dtype, n_axes, order, readonly=readonly)
            for kind in get_args(scalar) or (scalar,)
            for dtype in _types(kind)
        ]
    if get_origin(hint) is tuple:
        make_type: Any = types.Tuple
        return [make_type([_types(item)[0] for item in get_args(hint)])]
    return [types.void if hint is type(None) else numba.from_dtype(np.dtype(hint))]


@compiled(at_first_call=True, inline="always")
def power_of_two(x: np.float32) -> np.float32:
    """Return 2^x with a relative error of 2e-7, for float32 numbers within +-125."""
    whole = np.rint(x)
    f = x - whole
    power = np.float32(((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _ONE)
    # The whole part is added to the exponent that float32 numbers have in bits 23 to 30.
    bits: Any = power.view(np.int32) + (np.int32(whole) << _MANTISSA_BITS)
    return np.int32(bits).view(np.float32)


@compiled(at_first_call=True, inline="always")
def binary_logarithm(x: np.float32) -> np.float32:
    """Return log2(x) with an error of 2e-7, for positive float32 numbers that are not subnormal."""
    bits = np.float32(x).view(np.int32)
    whole = np.float32((bits >> _MANTISSA_BITS) - _BIAS)
    f = np.int32((bits & _MANTISSA) | _EXPONENT_OF_ONE).view(np.float32) - _ONE
    q = ((((((_L7 * f + _L6) * f + _L5) * f + _L4) * f + _L3) * f + _L2) * f + _L1) * f
    return np.float32(whole + f * (q + _L0))
