"""Options of the growth of decision trees."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.options import Options, real, whole, yes_no


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeOptions(Options):
    """Options of the growth of decision trees.

    Parameters
    ----------
    max_leaves : int, default=600
        Most leaves of all trees; at least one per root.
    min_gain : float, default=300.0
        Least log-likelihood that a split must gain, in nats of all frames.
    min_occupancy : float, default=0.0
        Least frames of a leaf that a split makes; a leaf without frames is never made.
    merge : bool, default=True
        Whether leaves of one root are merged, as long as a union loses no more than the smallest
        split gained.
    variance_floor : float, default=0.01
        Smallest variance, as a fraction of the variance of all frames in that feature.
    """

    max_leaves: int = whole(600, "Most leaves of all trees.")
    min_gain: float = real(300.0, "Least log-likelihood that a split gains, in nats.", least=0)
    min_occupancy: float = real(0.0, "Least frames of a leaf.", least=0)
    merge: bool = yes_no(True, "Merge leaves that differ less than the smallest split.")
    variance_floor: float = real(0.01, "Smallest variance, relative to all frames'.", above=0)
