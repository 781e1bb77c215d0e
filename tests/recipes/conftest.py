"""Recipes are imported as Python does when a person runs them."""

import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="session")
def imported():
    """Return a context in which ``run.py`` of a recipe is imported, with the files beside it."""
    return _imported


@contextmanager
def _imported(name, modules):
    folder = RECIPES / name
    kept = {each: sys.modules.pop(each) for each in modules if each in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location(f"recipe_{name}", folder / "run.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        for each in modules:
            sys.modules.pop(each, None)
        sys.modules.update(kept)
