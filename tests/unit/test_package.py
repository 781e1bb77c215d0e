import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import speakergmm


@pytest.mark.parametrize("name", [n for n in speakergmm.__all__ if n != "__version__"])
def test_every_public_name_is_there(name):
    value = getattr(speakergmm, name)
    assert value.__name__ == name
    assert value.__doc__


ROOMS = [room.name for room in pkgutil.iter_modules(speakergmm.__path__) if room.ispkg]


@pytest.mark.parametrize("name", ROOMS)
def test_every_name_of_a_room_is_there_and_hides_no_module(name):
    room = importlib.import_module(f"speakergmm.{name}")
    modules = {module.name for module in pkgutil.iter_modules(room.__path__)}
    for public in getattr(room, "__all__", ()):
        assert not isinstance(getattr(room, public), ModuleType), public
        assert public in dir(room)
        # A module that is imported takes its name's place in the package.
        assert public not in modules, public


def test_importing_all_names_at_once():
    program = """
from speakergmm.hmm import *
from speakergmm import *
print(Lexicon.__name__, GaussianMixture.__name__, "lazy_names" in globals())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Lexicon GaussianMixture False\n"


def test_importing_loads_nothing_heavy():
    program = """
import sys
import speakergmm
print([name for name in ("numpy", "scipy", "soundfile", "joblib") if name in sys.modules])
from speakergmm import SpeakerStore, read_corpus
heavy = ("matplotlib", "scipy", "joblib", "jinja2", "sklearn", "rich")
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_listing_names_shows_the_public_ones():
    assert set(speakergmm.__all__) <= set(dir(speakergmm))


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        _ = speakergmm.no_such_name
