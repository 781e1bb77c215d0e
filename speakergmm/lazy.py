"""Public names that are loaded when they are first used, told once: as imports for type checkers.

A package writes ``if TYPE_CHECKING:`` with an import ``from home import Name as Name`` for each
name that it offers. Checkers and editors read them as they stand; at run time the block is not
executed, but read by `lazy_names`, so that importing the package takes no time.
"""

import sys
from importlib import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def lazy_names(package: str) -> "tuple[Callable[[str], Any], Callable[[], list[str]]]":
    """Return the ``__getattr__`` and ``__dir__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its ``__name__``. Its ``__all__`` are the names that it imports under
        ``if TYPE_CHECKING:`` from itself or from its own modules and binds with ``as``.

    Examples
    --------
    >>> import speakergmm
    >>> "GaussianMixture" in speakergmm.__all__, speakergmm.GaussianMixture.__module__
    (True, 'speakergmm.estimators.gaussian')
    """
    homes: dict[str, str] = {}

    def read() -> dict[str, str]:
        if not homes:
            homes.update(_imports_for_checkers(package))
        return homes

    def __getattr__(name: str) -> "Any":
        if name == "__all__":
            value: Any = sorted(read())
        elif name.startswith("__") or name not in read():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        else:
            value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *read()})

    return __getattr__, __dir__


def _imports_for_checkers(package: str) -> dict[str, str]:
    """Read in the source of a package from where each of its public names comes."""
    import ast
    import inspect

    blocks = (
        node
        for node in ast.parse(inspect.getsource(sys.modules[package])).body
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )
    return {
        alias.name: statement.module
        for block in blocks
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
        if alias.asname == alias.name
    }
