"""Public names that are loaded when they are first used, declared once as imports for checkers.

A package declares each of its public names under ``if TYPE_CHECKING:`` by an import
``from module import Name as Name``. Type checkers and editors read these imports; at run time the
block is not executed. `lazy_names` parses it instead, so that importing the package takes no time.
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
        The ``__name__`` of the package. Its ``__all__`` lists the names that it imports under
        ``if TYPE_CHECKING:`` and binds with ``as``.

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
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}",
                name=name,
                obj=sys.modules[package],  # Python suggests a similar name of it
            )
        else:
            value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *read()})

    return __getattr__, __dir__


def _imports_for_checkers(package: str) -> dict[str, str]:
    """Return the module of each public name of a package, as its source declares them."""
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
