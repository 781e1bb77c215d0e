"""Mechanisms that a package implements more than once, by rules on its syntax trees.

Each rule looks for what such a mechanism cannot do without, and gives the places that it finds by
name, so that a reader can judge the number: a rule sees neither intent nor likeness. Variational
inference, Gibbs sampling and MAP adaptation have updates of their own by design; their files are
left out where a rule would find them, and so is the iterated bound of a divergence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ._structure_code import Source

_BY_DESIGN = re.compile(r"(^|/)(variational|gibbs)(/|$)|/(adaptation|stepwise|divergence)")


@dataclass(frozen=True)
class Mechanism:
    """Something that should be told once."""

    name: str
    rule: str
    limit: int
    find: Callable[[Source], Iterator[str]]

    def places(self, sources: tuple[Source, ...]) -> list[str]:
        """Files and names where the rule finds it; of nested functions the outermost."""
        found: list[str] = []
        for source in sources:
            names: list[str] = []
            for name in self.find(source):
                if not any(name.startswith(f"{outer}.") for outer in names):
                    names.append(name)
            found += [f"{source.name}:{name}" if name else source.name for name in names]
        return found


def _called(node: ast.AST) -> Iterator[str]:
    """Last parts of the names of what is called below a node."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            function = child.func
            if isinstance(function, ast.Attribute):
                yield function.attr
            elif isinstance(function, ast.Name):
                yield function.id


def _classes(source: Source) -> Iterator[tuple[ast.ClassDef, set[str]]]:
    """Classes with the names of their annotated fields."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            yield (
                node,
                {
                    child.target.id
                    for child in node.body
                    if isinstance(child, ast.AnnAssign) and isinstance(child.target, ast.Name)
                },
            )


def _e_steps(source: Source) -> Iterator[str]:
    if _BY_DESIGN.search(source.name):
        return
    for node, fields in _classes(source):
        if node.name.endswith("Statistics") and any("first" in name for name in fields):
            yield node.name


def _m_steps(source: Source) -> Iterator[str]:
    # Moments of starts are divided too, with no model before them.
    if _BY_DESIGN.search(source.name) or source.name.endswith("moments.py"):
        return
    for name, function in source.functions:
        if any(
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Div)
            and isinstance(node.left, (ast.Name, ast.Attribute))
            and ast.unparse(node.left).split(".")[-1] in ("first", "first_order")
            and not ast.unparse(node.right).isupper()
            for node in ast.walk(function)
        ):
            yield name


def _em_loops(source: Source) -> Iterator[str]:
    # K-means is counted by itself.
    if _BY_DESIGN.search(source.name) or source.name.endswith("kmeans_clustering.py"):
        return
    for name, function in source.functions:
        for node in ast.walk(function):
            if isinstance(node, (ast.For, ast.While)):
                header = ast.walk(node.iter if isinstance(node, ast.For) else node.test)
                names = {getattr(part, "id", getattr(part, "attr", "")) for part in header}
                if names & {"max_iter", "n_iter", "n_iterations", "is_over"} or (
                    isinstance(node, ast.While) and {"step", "_step"} & set(_called(node))
                ):
                    yield name
                    break


def _storages(source: Source) -> Iterator[str]:
    name = source.name.rpartition("/")[2]
    if "/" not in source.name and re.match(r"record|container|serialization|checkpoint", name):
        return
    called = set(_called(source.tree))
    by_hand = {"save_arrays", "load_arrays", "pack_arrays", "unpack_arrays"}
    if "storage" in name or called & by_hand:
        yield ""


def _checkpoints(source: Source) -> Iterator[str]:
    if "checkpoint" in source.name.rpartition("/")[2]:
        yield ""


def _compilers(source: Source) -> Iterator[str]:
    if "numba" not in source.text:
        return
    for name, function in source.functions:
        if any(
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "numba"
            and node.attr in ("njit", "jit", "vectorize", "guvectorize")
            for node in ast.walk(function)
        ):
            yield name


def _moments(source: Source) -> Iterator[str]:
    for node, fields in _classes(source):
        merges = {child.name for child in node.body if isinstance(child, ast.FunctionDef)}
        centred = any(re.search(r"mean", field) for field in fields) and any(
            re.search(r"scatter|squares|variance|second", field) for field in fields
        )
        named = "Moments" in node.name
        if named and (centred or merges & {"add", "merge", "merged", "__add__", "update"}):
            yield node.name


def _kmeans(source: Source) -> Iterator[str]:
    for name, function in source.functions:
        if name.split(".")[-1] in ("kmeans", "k_means") or "KMeans" in set(_called(function)):
            yield name


MECHANISMS = (
    Mechanism(
        "E-steps",
        "classes of statistics that hold first orders of Gaussians: each has a pass that fills it",
        1,
        _e_steps,
    ),
    Mechanism("M-steps", "functions that divide a first order by something", 1, _m_steps),
    Mechanism(
        "EM loops",
        "functions with a loop over a number of iterations, or of steps until it is over",
        1,
        _em_loops,
    ),
    Mechanism(
        "storages",
        "files beside the records that are named so or save and load named arrays",
        0,
        _storages,
    ),
    Mechanism("checkpoints", "files that are named so", 1, _checkpoints),
    Mechanism("compile decorators", "functions that name numba's compilers", 1, _compilers),
    Mechanism("moments", "classes of merged means and scatters", 1, _moments),
    Mechanism("k-means", "functions that are one or call scikit-learn's", 1, _kmeans),
)
