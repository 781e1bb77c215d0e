"""Conversion between arrays and the transducers of kaldifst (OpenFst)."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path
from typing import Any

import kaldifst
import numpy as np

from speakergmm.hmm.decoding.lattice import LatticeArrays
from speakergmm.hmm.decoding.transducer import DecodingGraph

_HEADER_END = struct.Struct("<iiQqqq")
"""Version, flags, properties, start, numbers of states and of arcs, which follow two names."""


def make_transducer(graph: DecodingGraph) -> Any:
    """Build the kaldifst transducer of a graph; costs are negative log-probabilities."""
    fst = kaldifst.StdVectorFst()
    fst.reserve_states(graph.n_states)
    for _ in range(graph.n_states):
        fst.add_state()
    fst.start = 0
    arc, add = kaldifst.StdArc, fst.add_arc
    for source, target, label, output, cost in zip(
        graph.source.tolist(),
        graph.target.tolist(),
        graph.input.tolist(),
        graph.output.tolist(),
        (-graph.log_probability).tolist(),
        strict=True,
    ):
        add(source, arc(label, output, cost, target))
    for state in np.flatnonzero(graph.final_log_probability > -np.inf).tolist():
        fst.set_final(state, -float(graph.final_log_probability[state]))
    return fst


def read_lattice(lattice: Any) -> LatticeArrays:
    """Return the arcs of a kaldifst lattice.

    They are read from OpenFst's binary format, some twenty times faster than arc by arc.

    Raises
    ------
    OSError
        If the temporary file cannot be written.
    """
    # A file without a name, if the system allows it: a killed process leaves nothing behind.
    with tempfile.TemporaryFile() as file:
        path = Path(f"/dev/fd/{file.fileno()}")
        if path.exists():
            _write(lattice, path)
            file.seek(0)
            return parse_lattice(file.read())
    with tempfile.TemporaryDirectory(prefix="speakergmm-") as folder:
        path = Path(folder) / "lattice.fst"
        _write(lattice, path)
        return parse_lattice(path.read_bytes())


def _write(lattice: Any, path: Path) -> None:
    if not lattice.write(str(path)):
        raise OSError(f"{path}: the lattice could not be written")


_ARC = np.dtype(
    [
        ("input", "<i4"),
        ("output", "<i4"),
        ("graph", "<f4"),
        ("acoustic", "<f4"),
        ("target", "<i4"),
    ]
)


def parse_lattice(data: bytes) -> LatticeArrays:
    """Read a lattice in OpenFst's binary format (a vector FST with two weights per arc)."""
    place = 4
    for _ in range(2):  # the kinds of transducer and of arc
        (length,) = struct.unpack_from("<i", data, place)
        place += 4 + length
    _, _, _, start, n_states, _ = _HEADER_END.unpack_from(data, place)
    place += _HEADER_END.size
    state = struct.Struct("<ffq")
    final = np.empty(n_states, np.float32)
    first = np.zeros(n_states + 1, np.int64)
    pieces = []
    for number in range(n_states):
        final[number], _, n_arcs = state.unpack_from(data, place)
        place += state.size
        first[number + 1] = first[number] + n_arcs
        pieces.append(data[place : place + n_arcs * _ARC.itemsize])
        place += n_arcs * _ARC.itemsize
    arcs = np.frombuffer(b"".join(pieces), _ARC)
    return LatticeArrays(
        first,
        arcs["target"].astype(np.int32),
        arcs["input"].astype(np.int32),
        arcs["output"].astype(np.int32),
        arcs["graph"].astype(np.float32),
        final,
        int(start),
    )
