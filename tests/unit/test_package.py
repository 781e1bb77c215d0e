import subprocess
import sys

import pytest

import speakergmm


@pytest.mark.parametrize("name", [n for n in speakergmm.__all__ if n != "__version__"])
def test_every_public_name_is_there(name):
    value = getattr(speakergmm, name)
    assert value.__name__ == name
    assert value.__doc__


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
