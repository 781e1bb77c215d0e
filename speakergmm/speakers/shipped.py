"""The system that ships with the package: a first answer for those who have no corpus."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from speakergmm import records
from speakergmm.errors import ModelFormatError
from speakergmm.speakers.system import SpeakerSystem

SHIPPED_SYSTEM = "libri-gmm128.safetensors"
"""Name of the file in the package's folder ``models``."""


@cache
def shipped_system() -> SpeakerSystem:
    """Return the speaker system that ships with the package.

    It is loaded at the first call. Its provenance names the data that it was made of, their
    licences, and the error rates that were measured.

    Returns
    -------
    SpeakerSystem

    Raises
    ------
    ModelFormatError
        If the file is missing or damaged: it does not have the digest that it states.

    Examples
    --------
    >>> shipped_system()
    SpeakerSystem(BackgroundModel(128 components, ...), ..., calibrated)
    """
    place = resources.files("speakergmm").joinpath("models", SHIPPED_SYSTEM)
    try:
        packed = place.read_bytes()
    except OSError:
        raise ModelFormatError(
            f"{SHIPPED_SYSTEM}: the model that ships with speakergmm is missing; install the "
            "package again, or give a model of your own"
        ) from None
    return records.unpack(SpeakerSystem, packed, source=SHIPPED_SYSTEM)


def describe_shipped(system: SpeakerSystem) -> str:
    """Return what a system says of itself in its provenance, in a sentence or two.

    Parameters
    ----------
    system : SpeakerSystem
        One whose provenance has the entries ``title`` and ``measured``, as that of
        `shipped_system` has.

    Returns
    -------
    str
        Its name, its conditions, and the error rates that were measured.
    """
    facts: Mapping[str, Any] = system.provenance
    measured = facts["measured"]
    rates = ", ".join(f"{name} {100 * rate:.0f} %" for name, rate in measured["equal_error_rates"])
    return f"{facts['title']}. Equal error rates on {measured['on']}: {rates}"
