"""Circles in the graph of imports, those within functions and for type checkers among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def import_graph(package: str = "speakergmm") -> dict[str, set[str]]:
    """Return which modules of a package import which, by Grimp, which comes with import-linter."""
    import grimp

    graph = grimp.build_graph(package, cache_dir=None)
    return {
        module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules
    }


def package_graph(graph: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The graph of folders: what is in one imports something in another that is not within it."""
    folders = {module: module.rpartition(".")[0] for module in graph}
    packages = set(folders.values())
    found: dict[str, set[str]] = {}
    for module, imported in graph.items():
        here = module if module in packages else folders[module]
        for other in imported:
            there = other if other in packages else folders[other]
            if there != here and not f"{there}.".startswith(f"{here}."):
                found.setdefault(here, set()).add(there)
                found.setdefault(there, set())
    return found


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module, the largest first (Tarjan)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        order[node] = lowest[node] = len(order)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in order:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], order[other])
        if lowest[node] == order[node]:
            at = stack.index(node)
            component = sorted(stack[at:])
            del stack[at:]
            if len(component) > 1:
                found.append(component)

    for node in sorted(graph):
        if node not in order:
            visit(node)
    return sorted(found, key=len, reverse=True)
