"""Adoption of a test module of another project, from its installed source, with other classes.

Nothing is copied. The source of the module is read where it is installed, its imports of the
classes in question are replaced, and its tests are collected under this project's name.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest


class _Swap(ast.NodeTransformer):
    """Replaces ``from package import Name`` by an import from ``homes[Name]``."""

    def __init__(self, package: str, homes: Mapping[str, str]) -> None:
        self.package, self.homes = package, homes
        self.swapped: set[str] = set()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.ImportFrom]:
        if node.module != self.package:
            return [node]
        imports = []
        for alias in node.names:
            home = self.homes.get(alias.name, self.package)
            if home != self.package:
                self.swapped.add(alias.name)
            imports.append(ast.ImportFrom(home, [alias], 0))
        return [ast.copy_location(new, node) for new in imports]


def read_tests(module: str, *, package: str, homes: Mapping[str, str]) -> dict[str, Any]:
    """Run an installed test module with replaced classes, and return its namespace.

    Parameters
    ----------
    module : str
        Dotted name of the installed test module.
    package : str
        Package whose names are replaced, as the module imports it.
    homes : mapping of str to str
        Module from which each class is imported instead.
    """
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None, f"{module} has no source"
    source = Path(spec.origin)
    tree = ast.parse(source.read_text(encoding="utf-8"), str(source))
    swap = _Swap(package, homes)
    tree = ast.fix_missing_locations(swap.visit(tree))
    assert swap.swapped, f"{module} imports none of {sorted(homes)} from {package}"
    namespace: dict[str, Any] = {"__name__": f"adopted.{module}", "__file__": str(source)}
    exec(compile(tree, str(source), "exec"), namespace)
    return namespace


def tests_of(namespace: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """Return the test functions that a namespace defines."""
    return {
        name: value
        for name, value in namespace.items()
        if name.startswith("test_") and callable(value)
    }


def adopt(
    module: str, *, package: str, homes: Mapping[str, str], skipped: Mapping[str, str]
) -> dict[str, Any]:
    """Return the tests of a module for pytest to collect; skipped ones carry the reason."""
    tests = tests_of(read_tests(module, package=package, homes=homes))
    return {
        name: _skipping(skipped[name]) if name in skipped else test for name, test in tests.items()
    }


def _skipping(reason: str) -> Callable[[], None]:
    """Return one skipped test, however many sets of parameters the original has."""

    @pytest.mark.skip(reason=reason)
    def skipped_test() -> None: ...

    return skipped_test
