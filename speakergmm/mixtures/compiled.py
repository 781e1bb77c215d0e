"""Elementwise passes over a block of frames, each compiled to a single one.

NumPy takes three passes over the densities of a block (limit, exponentiate, sum), which then travel
through a cache shared with others three times, and two over the frames, with room for what lies
between. Here it is one each.

Two short functions in LLVM's own language are compiled when this module is imported, in a quarter
of a second: only work that takes longer should import it. A compiler of Python would do the same,
at twice the memory (130 MB instead of 80, most of it pages of LLVM's library) and several times
the time. `AVAILABLE` is false where LLVM is missing or too old; NumPy does the work then.
"""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Powers of two beyond which float32 numbers are subnormal or infinite, with something to spare.
_LIMIT = 125.0
# 2^f = 1 + f q(f) for f in -1/2..1/2, with q as a polynomial through Chebyshev nodes: wrong by
# 2e-7 of the value, and exact at 0.
_NODES = 0.5 * np.cos(np.pi * (np.arange(5) + 0.5) / 5)
_VALUES = [np.expm1(f * np.log(2.0)) / f if f else np.log(2.0) for f in _NODES]
_Q = np.linalg.solve(np.vander(_NODES, increasing=True), _VALUES)
# Frames that are transposed at a time: their lines of cache are few.
_TILE = 16


def _float(value: float) -> str:
    """Write a float32 number as LLVM wants it: the digits of the same number in float64."""
    return "0x" + struct.pack(">d", float(np.float32(value))).hex()


# Row by row: x = min(max(x, -limit), limit); 2^x = 2^(x - w) 2^w, w being the nearest whole number,
# which is added to the exponent that float32 numbers have in bits 23 to 30. Comparisons are false
# for NaN, which stays what it is. `reassoc` lets a sum be split over lanes.
_EXPONENTIATE = f"""
declare float @llvm.rint.f32(float)

define void @exponentiate(ptr noalias %x, ptr noalias %sums, i64 %frames, i64 %components) {{
entry:
  br label %frame
frame:
  %t = phi i64 [ 0, %entry ], [ %t.next, %frame.end ]
  %offset = mul nsw i64 %t, %components
  %row = getelementptr float, ptr %x, i64 %offset
  br label %component
component:
  %k = phi i64 [ 0, %frame ], [ %k.next, %component ]
  %total = phi float [ 0.0, %frame ], [ %sum, %component ]
  %place = getelementptr float, ptr %row, i64 %k
  %given = load float, ptr %place, align 4
  %is.low = fcmp olt float %given, {_float(-_LIMIT)}
  %raised = select i1 %is.low, float {_float(-_LIMIT)}, float %given
  %is.high = fcmp ogt float %raised, {_float(_LIMIT)}
  %limited = select i1 %is.high, float {_float(_LIMIT)}, float %raised
  %whole = call float @llvm.rint.f32(float %limited)
  %f = fsub float %limited, %whole
  %m4 = fmul contract float %f, {_float(_Q[4])}
  %q3 = fadd contract float %m4, {_float(_Q[3])}
  %m3 = fmul contract float %f, %q3
  %q2 = fadd contract float %m3, {_float(_Q[2])}
  %m2 = fmul contract float %f, %q2
  %q1 = fadd contract float %m2, {_float(_Q[1])}
  %m1 = fmul contract float %f, %q1
  %q0 = fadd contract float %m1, {_float(_Q[0])}
  %m0 = fmul contract float %f, %q0
  %power = fadd contract float %m0, 1.0
  %bits = bitcast float %power to i32
  %integer = fptosi float %whole to i32
  %exponent = shl i32 %integer, 23
  %changed = add i32 %bits, %exponent
  %value = bitcast i32 %changed to float
  store float %value, ptr %place, align 4
  %sum = fadd reassoc nsz float %total, %value
  %k.next = add nuw nsw i64 %k, 1
  %row.done = icmp eq i64 %k.next, %components
  br i1 %row.done, label %frame.end, label %component
frame.end:
  %where = getelementptr float, ptr %sums, i64 %t
  store float %sum, ptr %where, align 4
  %t.next = add nuw nsw i64 %t, 1
  %done = icmp eq i64 %t.next, %frames
  br i1 %done, label %end, label %frame
end:
  ret void
}}
"""


def _standardise(name: str, number: str) -> str:
    """Write the function for tiles of frames that are numbers of this type."""
    wide, lanes = f"<{_TILE} x {number}>", f"<{_TILE} x float>"
    gather = []
    for i in range(_TILE):
        before = f"%v{i}" if i else "poison"
        gather += [
            f"%a{i} = getelementptr {number}, ptr {f'%a{i - 1}' if i else '%first'}, i64 "
            f"{'%features' if i else '0'}",
            f"%x{i} = load {number}, ptr %a{i}",
            f"%v{i + 1} = insertelement {wide} {before}, {number} %x{i}, i32 {i}",
        ]

    def spread(value: str) -> str:
        """Write the lines that fill all lanes with one number."""
        return f"""%{value}.0 = insertelement {wide} poison, {number} %{value}, i32 0
  %{value}.lanes = shufflevector {wide} %{value}.0, {wide} poison,
                                 <{_TILE} x i32> zeroinitializer"""

    # Of float32 numbers neither is a change.
    double = number == "double"
    widen = "%factor = fpext float %narrow to double" if double else ""
    narrow, scaled = ("%narrow", "%scaled") if double else ("%factor", "%result")
    round_off = f"%result = fptrunc {wide} %scaled to {lanes}" if double else ""
    lines = "\n  ".join(gather)
    return f"""
define void @{name}(ptr noalias %frames, ptr noalias %centre, ptr noalias %factors,
                    ptr noalias %rows, i64 %length, i64 %features, i64 %stride) {{
entry:
  br label %tile
tile:
  %t = phi i64 [ 0, %entry ], [ %t.next, %tile.end ]
  %offset = mul nuw nsw i64 %t, %features
  %corner = getelementptr {number}, ptr %frames, i64 %offset
  br label %feature
feature:
  %d = phi i64 [ 0, %tile ], [ %d.next, %feature ]
  %centre.place = getelementptr {number}, ptr %centre, i64 %d
  %middle = load {number}, ptr %centre.place
  %factor.place = getelementptr float, ptr %factors, i64 %d
  {narrow} = load float, ptr %factor.place
  {widen}
  {spread("middle")}
  {spread("factor")}
  %first = getelementptr {number}, ptr %corner, i64 %d
  {lines}
  %moved = fsub {wide} %v{_TILE}, %middle.lanes
  {scaled} = fmul {wide} %moved, %factor.lanes
  {round_off}
  %row = mul nuw nsw i64 %d, %stride
  %start = add nuw nsw i64 %row, %t
  %target = getelementptr float, ptr %rows, i64 %start
  store {lanes} %result, ptr %target, align 4
  %d.next = add nuw nsw i64 %d, 1
  %tile.done = icmp eq i64 %d.next, %features
  br i1 %tile.done, label %tile.end, label %feature
tile.end:
  %t.next = add nuw nsw i64 %t, {_TILE}
  %done = icmp uge i64 %t.next, %length
  br i1 %done, label %end, label %tile
end:
  ret void
}}
"""


_NUMBERS = {"float32": "float", "float64": "double"}
_engine: Any = None


def _compile() -> dict[str, Any]:
    """Compile for this machine; the functions run without the interpreter's lock."""
    global _engine
    import llvmlite.binding as llvm  # type: ignore[import-untyped, unused-ignore]

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    names = {dtype: f"standardise_{dtype}" for dtype in _NUMBERS}
    source = _EXPONENTIATE + "".join(
        _standardise(names[dtype], number) for dtype, number in _NUMBERS.items()
    )
    module = llvm.parse_assembly(source)
    module.verify()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    tuning = llvm.create_pipeline_tuning_options(speed_level=3)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_unrolling = True
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    # The code lives as long as this does.
    _engine = llvm.create_mcjit_compiler(module, machine)
    _engine.finalize_object()

    def function(name: str, n_pointers: int, n_numbers: int) -> Any:
        arguments = [ctypes.c_void_p] * n_pointers + [ctypes.c_int64] * n_numbers
        return ctypes.CFUNCTYPE(None, *arguments)(_engine.get_function_address(name))

    found = {dtype: function(name, 4, 3) for dtype, name in names.items()}
    return found | {"exponentiate": function("exponentiate", 2, 2)}


try:
    _functions = _compile()
except (ImportError, AttributeError, RuntimeError):
    _functions = {}
AVAILABLE = bool(_functions)


def exponentiate(exponents: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    """Raise 2 to powers in place, and sum them.

    Parameters
    ----------
    exponents : array, shape (T, K), T and K above 0
        Contiguous float32; those beyond -125..125 count as these limits.
    sums : array, shape (T,)
        Contiguous float32; receives the sums of the rows.
    """
    _functions["exponentiate"](exponents.ctypes.data, sums.ctypes.data, *exponents.shape)


def standardise(
    frames: NDArray[Any],
    centre: NDArray[Any],
    factors: NDArray[np.float32],
    rows: NDArray[np.float32],
) -> None:
    """Write (frames - centre) * factors, transposed.

    Parameters
    ----------
    frames : array, shape (T, D)
        Contiguous, float32 or float64, in which the difference is taken.
    centre : array, shape (D,)
        Contiguous, of the same dtype.
    factors : array, shape (D,)
        Contiguous float32.
    rows : array, shape (B, T)
        Contiguous float32; rows 1 to D receive the result.
    """
    n_frames, n_features = frames.shape
    n_tiled = n_frames - n_frames % _TILE
    z = rows[1 : n_features + 1]
    if n_tiled:
        _functions[frames.dtype.name](
            frames.ctypes.data,
            centre.ctypes.data,
            factors.ctypes.data,
            z.ctypes.data,
            n_tiled,
            n_features,
            n_frames,
        )
    if n_tiled < n_frames:
        rest = frames[n_tiled:] - centre
        np.multiply(rest.T, factors[:, None], out=z[:, n_tiled:], casting="same_kind")
