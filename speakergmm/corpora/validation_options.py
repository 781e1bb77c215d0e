"""Options of corpus validation."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.options import Options, real, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationOptions(Options):
    """Requirements that `validate_corpus` checks.

    Parameters
    ----------
    sample_rate : int, optional
        Sampling rate that every recording must have, in Hz. By default, a rate that differs from
        that of most recordings is a warning.
    min_duration : float, default=0.1
        Shortest useful utterance, in seconds.
    max_clipped_share : float, default=1e-3
        Share of samples in runs at full scale, 0 to 1, from which a recording counts as clipped.
    silence_level : float, default=-70.0
        Level, in dB relative to full scale, that at least a tenth of a second must reach.
    """

    sample_rate: int | None = whole(
        None,
        "Sampling rate that every recording must have, in Hz (default: that of most recordings).",
        optional=True,
        flags=("--rate", "--sample-rate"),
    )
    min_duration: float = real(0.1, "Shortest useful utterance, in seconds.", least=0)
    max_clipped_share: float = real(
        1e-3, "Share of clipped samples from which there is a warning.", least=0, most=1
    )
    silence_level: float = real(
        -70.0, "Level in dB of full scale that every recording must reach.", most=0
    )
