"""The size of a package, from its source by `ast` and `tokenize`; nothing is imported."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True)
class Source:
    """One file of the package."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file as Python reads it."""
        return ast.parse(self.text)

    @cached_property
    def statements(self) -> tuple[ast.AST, ...]:
        """The module and all its statements, without expressions, of which there are more."""
        return (self.tree, *walk_statements(self.tree))

    @cached_property
    def code(self) -> frozenset[int]:
        """Numbers of the lines that are neither blank nor comments nor docstrings."""
        lines: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in _NO_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
        for node in self.statements:
            if isinstance(node, (ast.Module, ast.ClassDef, *_functions())):
                docstring = _docstring(node)
                if docstring is not None:
                    lines.difference_update(range(docstring.lineno, docstring.end_lineno + 1))
        return frozenset(lines)

    @cached_property
    def functions(self) -> tuple[tuple[str, Function], ...]:
        """Functions and methods, those inside others too, with their qualified names."""
        return tuple(_walk_functions(self.tree, ""))

    def code_of(self, function: Function) -> int:
        """Lines of code of a function, its decorators and signature among them."""
        first = min([function.lineno, *(node.lineno for node in function.decorator_list)])
        return len(self.code & set(range(first, (function.end_lineno or first) + 1)))


def _functions() -> tuple[type, type]:
    return ast.FunctionDef, ast.AsyncFunctionDef


def _docstring(node: ast.Module | ast.ClassDef | Function) -> ast.Expr | None:
    first = node.body[0] if node.body else None
    if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant):
        return None
    return first if isinstance(first.value.value, str) else None


def _below(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements in a statement, and what holds such: handlers of errors and cases."""
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        yield from getattr(node, field, ())


def walk_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below a node."""
    for child in _below(node):
        yield child
        yield from walk_statements(child)


def _walk_functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in _below(node):
        if isinstance(child, _functions()):
            yield prefix + child.name, child
            yield from _walk_functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.ClassDef):
            yield from _walk_functions(child, f"{prefix}{child.name}.")
        else:
            yield from _walk_functions(child, prefix)


def read_package(folder: Path) -> tuple[Source, ...]:
    """Read the files of a package; names are relative to its folder."""
    return tuple(
        Source(path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    )


def lines_of_code(sources: tuple[Source, ...]) -> dict[str, int]:
    """Lines of code of each room, and of the files that lie beside the rooms."""
    found: dict[str, int] = {}
    for source in sources:
        room = source.name.split("/")[0] if "/" in source.name else "(files)"
        found[room] = found.get(room, 0) + len(source.code)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def public_names(sources: tuple[Source, ...]) -> list[str]:
    """Functions and classes of modules whose names have no underscore in front."""
    return [
        f"{source.name}:{node.name}"
        for source in sources
        for node in source.tree.body
        if isinstance(node, (ast.ClassDef, *_functions())) and not node.name.startswith("_")
    ]


def long_files(sources: tuple[Source, ...], limit: int = 300) -> list[str]:
    """Files of more lines than this, of any kind."""
    return [source.name for source in sources if source.text.count("\n") > limit]


def long_functions(sources: tuple[Source, ...], limit: int = 50) -> list[str]:
    """Functions of more lines of code than this."""
    return [
        f"{source.name}:{name} {source.code_of(function)}"
        for source in sources
        for name, function in source.functions
        if _spans(function) > limit and source.code_of(function) > limit
    ]


def _spans(function: Function) -> int:
    """Count the lines of a function, of whatever they are, with at most those of its decorators."""
    first = min([function.lineno, *(node.lineno for node in function.decorator_list)])
    return (function.end_lineno or first) + 1 - first


def crowded_functions(sources: tuple[Source, ...], least: int = 12) -> list[str]:
    """Functions of at least so many parameters, `self` not counted."""
    found = []
    for source in sources:
        for name, function in source.functions:
            arguments = function.args
            names = [
                argument.arg
                for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
                if argument.arg not in ("self", "cls")
            ]
            if len(names) >= least:
                found.append(f"{source.name}:{name} {len(names)}")
    return found
