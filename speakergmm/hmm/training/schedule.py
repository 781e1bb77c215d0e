"""How long to train, when to search for paths anew, when mixtures grow; by default as Kaldi."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from speakergmm.ranges import choice, number, refused, whole_number

_REALIGNED = (*range(1, 11), 12, 14, 16, 18, 20, 23, 26, 29, 32, 35, 38)


ANNEALED = (0.1, 0.1, 0.1, 0.3, 0.3, 0.3)
"""Acoustic scales of the first iterations that suit phones from a flat start: boundaries come out
nearer to the true ones, errors of recognition stay the same (recipes/phones)."""

# Bytes for each frame and state of an utterance, as measured: forward probabilities with their
# levels, and of a search the arcs to go back by.
_BYTES_OF_SUM = 17.0
_BYTES_OF_SEARCH = 2.4


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSchedule:
    """What embedded training does, iteration by iteration.

    Parameters
    ----------
    algorithm : {"baum-welch", "viterbi"}
        Sums over all paths of an utterance's graph, or its best path alone, searched for at the
        iterations `realign` and kept between them: faster.
    start : {"flat", "equal"}
        The first iteration either sums over all paths, whatever the algorithm, or shares out
        frames equally over the states of one path. Models that are all alike have no best path:
        only transitions and rounding would tell one from another.
    annealing : tuple of float
        Acoustic scales of the first iterations, which all sum over all paths, whatever the
        algorithm.
        While emissions count little, boundaries stay soft, and models that still know next to
        nothing do not settle on wrong ones (deterministic annealing). `ANNEALED` suits phones.
    max_iter : int
        Updates.
    n_gaussians : int
        Gaussians of all pdfs at the end, as far as there are frames for them.
    grow_until : int
        Iteration until which their number grows, linearly from one a pdf.
    power : float
        Gaussians are shared out over pdfs by this power of their occupancies.
    min_frames_per_gaussian : float
        Frames that a pdf must have for each Gaussian beyond its first.
    perturbation : float
        How far the halves of a split Gaussian move apart, in deviations.
    min_occupancy : float
        Gaussians with fewer frames are removed, unless they are the last of a pdf; the update
        after an equal start takes at most 3.
    variance_floor : float
        Least variance, as a part of the variance of all frames, feature by feature.
    transition_floor : float
        Least probability of an arc.
    realign : tuple of int
        Iterations, counted from 0, at which Viterbi training searches for paths; the first one
        that needs paths and has none searches in any case.
    boost_silence : float
        Factor on the likelihood of silence in that search.
    acoustic_scale, transition_scale : float
        Powers of emissions and of transition probabilities in search; 1 is the model itself.
        Baum-Welch is exact, and its likelihood can't fall, with an acoustic scale of 1 only.
    beam, retry_beam : float or None
        Paths that fall behind the best one by more, in nats, are given up; where none is left, it
        is tried again with the second. None gives up none.
    memory : float
        Bytes that one utterance may take, in each thread: 13 for each frame and state in sums over
        paths, 2.4 in search. Longer ones are left out; those of Viterbi training only as long as
        it sums.

    Raises
    ------
    InvalidInputError
        If a number is out of its range.

    Notes
    -----
    Iterations, realignments, growth by occupancy^0.25 and minimum counts are those of Kaldi's
    monophone training (Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011), as is the
    equal start. Annealing: Ueda and Nakano, "Deterministic annealing EM algorithm", Neural
    Networks 11 (1998) 271-282.
    """

    algorithm: Literal["baum-welch", "viterbi"] = "baum-welch"
    start: Literal["flat", "equal"] = "flat"
    annealing: tuple[float, ...] = ()
    max_iter: int = 40
    n_gaussians: int = 1000
    grow_until: int = 30
    power: float = 0.25
    min_frames_per_gaussian: float = 20.0
    perturbation: float = 0.01
    min_occupancy: float = 10.0
    variance_floor: float = 0.01
    transition_floor: float = 0.0
    realign: tuple[int, ...] = _REALIGNED
    boost_silence: float = 1.0
    acoustic_scale: float = 1.0
    transition_scale: float = 1.0
    beam: float | None = None
    retry_beam: float | None = None
    memory: float = 2e9

    def __post_init__(self) -> None:
        """Refuse what lies out of range."""
        object.__setattr__(self, "realign", tuple(self.realign))
        object.__setattr__(self, "annealing", tuple(self.annealing))
        choice("algorithm", self.algorithm, ("baum-welch", "viterbi"))
        choice("start", self.start, ("flat", "equal"))
        for scale in self.annealing:
            number("each scale of annealing", scale, above=0, most=1)
        for name, least in (("max_iter", 1), ("n_gaussians", 1), ("grow_until", 0)):
            whole_number(name, getattr(self, name), least=least)
        for name in ("power", "min_frames_per_gaussian", "perturbation", "min_occupancy"):
            number(name, getattr(self, name), least=0)
        for name in ("variance_floor", "transition_floor"):
            number(name, getattr(self, name), least=0, below=1)
        for name in ("boost_silence", "acoustic_scale", "transition_scale", "memory"):
            number(name, getattr(self, name), above=0)
        for name in ("beam", "retry_beam"):
            if (beam := getattr(self, name)) is not None and beam != math.inf:
                number(name, beam, above=0)
        if self.beam is not None and self.retry_beam is not None and self.retry_beam < self.beam:
            raise refused("retry_beam", f"no narrower than beam ({self.beam})", self.retry_beam)

    def gaussians_after(self, iteration: int, n_pdfs: int) -> int:
        """Return the number of Gaussians wanted after an iteration, counted from 0."""
        if iteration >= self.grow_until:
            return self.n_gaussians
        share = iteration / self.grow_until
        return round(n_pdfs + share * (self.n_gaussians - n_pdfs))

    def sums(self, iteration: int, *, flat: bool = True) -> bool:
        """Whether an iteration, counted from 0, sums over all paths.

        Parameters
        ----------
        iteration : int
        flat : bool, default=True
            Whether training began with models that know nothing yet.
        """
        summed = max(len(self.annealing), int(flat and self.start == "flat"))
        return self.algorithm == "baum-welch" or iteration < summed

    def searches(self, iteration: int) -> bool:
        """Whether Viterbi training searches for paths at an iteration, counted from 0."""
        return iteration in self.realign

    def excess(self, n_frames: int, n_states: int, *, sums: bool) -> str | None:
        """Say why an utterance takes too much memory; None if it doesn't.

        Parameters
        ----------
        n_frames, n_states : int
            Of the utterance and its graph.
        sums : bool
            Whether all paths are summed over, or the best one is searched for.
        """
        needed = (_BYTES_OF_SUM if sums else _BYTES_OF_SEARCH) * n_frames * n_states
        if needed <= self.memory:
            return None
        return (
            f"{n_frames} frames by {n_states} states take {needed / 1e9:.3g} GB, more than the "
            f"{self.memory / 1e9:.3g} GB allowed; cut it into shorter ones"
        )

    def scale(self, iteration: int) -> float:
        """Return the acoustic scale of an iteration, counted from 0."""
        if iteration < len(self.annealing):
            return self.annealing[iteration]
        return self.acoustic_scale

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them; as keywords they make the same schedule."""
        lists = {"realign": list(self.realign), "annealing": list(self.annealing)}
        return {**asdict(self), **lists}
