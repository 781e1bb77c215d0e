"""The declaration of a beam, as training, alignment and decoding have it."""

from __future__ import annotations

from typing import Any

from speakergmm.options import real

BEAM_HELP = (
    "Prune paths that are more than this number of nats below the best (default: no pruning)."
)


def optional_beam(help: str = BEAM_HELP) -> Any:
    """Declare a beam in nats, above 0; infinity prunes nothing, and None is the default."""
    return real(None, help, above=0, infinite=True, optional=True)
