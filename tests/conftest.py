"""Fixtures that every test may use."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# Continuous integration tries the same examples each time; people try new ones, and fewer at once.
# No example has a time limit: a busy machine is no fault.
settings.register_profile("suite", max_examples=50, deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("fast", max_examples=10, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "suite")


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Skip the synchronisation with the disk, which only a loss of power could tell.

    Processes that tests start do wait for it, and so do tests that replace it themselves.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="module")
def without_confidences():
    """Train models of phones and words without fitting confidences, three quarters of the time.

    ``test_word_confidence.py`` tests these; a model of too few words has none in any case.
    """
    with pytest.MonkeyPatch.context() as patch:
        place = "speakergmm.recognition.acoustic_training.fit_confidence"
        patch.setattr(place, lambda *_, **__: None)
        yield


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real speech; tests that need it are skipped where it is absent."""
    found = os.environ.get("SPEAKERGMM_DATA")
    path = Path(found) if found else Path(__file__).parents[1] / ".." / "shared" / "data"
    if not (path / "protocols").is_dir():
        pytest.skip(
            f"real speech not found at {path}: set SPEAKERGMM_DATA to the folder that holds it"
        )
    return path.resolve()


@pytest.fixture
def heeds_interrupts():
    """Start processes that SIGINT reaches, even where a shell runs the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
