"""The schedule of phone training: iterations, realignments and growth; Kaldi's by default."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from speakergmm.hmm.beam_option import optional_beam
from speakergmm.mixtures.mixture_options import VARIANCE_FLOOR_OF_FEW_FRAMES
from speakergmm.options import Options, anything, one_of, real, whole
from speakergmm.ranges import number, refused, sequence, whole_number

_REALIGNED = (*range(1, 11), 12, 14, 16, 18, 20, 23, 26, 29, 32, 35, 38)

ANNEALED = (0.1, 0.1, 0.1, 0.3, 0.3, 0.3)
"""Acoustic scales of the first iterations that suit phones from a flat start: boundaries come out
nearer to the true ones, while recognition errors stay the same (recipes/phones)."""

# Bytes per frame and state of an utterance, as measured: forward probabilities with their levels,
# and, for the best path, the arcs to trace it back by.
_BYTES_OF_SUM = 17.0
_BYTES_OF_SEARCH = 2.4


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSchedule(Options):
    """The iterations of phone training, and the options of each.

    Parameters
    ----------
    algorithm : {"baum-welch", "viterbi"}, default="baum-welch"
        Sum over all paths of an utterance's graph, or take its best path alone, which is found at
        the iterations `realign` and kept between them (faster).
    start : {"flat", "equal"}, default="flat"
        The first iteration either sums over all paths, whatever the algorithm, or divides the
        frames of each utterance equally among the states of one path. Models that are all alike
        have no best path: only transitions and rounding would decide between paths.
    annealing : tuple of float, default=()
        Acoustic scales of the first iterations, which all sum over all paths, whatever the
        algorithm. While emissions count little, boundaries stay soft, and poor models do not
        settle on wrong ones (deterministic annealing). `ANNEALED` suits phones.
    max_iter : int, default=40
        Number of iterations. Training does not stop earlier.
    n_gaussians : int, default=1000
        Number of Gaussians of all pdfs at the end, as far as there are frames for them.
    grow_until : int, optional
        Iteration up to which the number of Gaussians grows, linearly from one per pdf. By default
        three quarters of `max_iter`.
    power : float, default=0.25
        Gaussians are allotted to pdfs in proportion to this power of their occupancies.
    min_frames_per_gaussian : float, default=20
        Frames that a pdf must have for each Gaussian beyond its first.
    perturbation : float, default=0.01
        Distance by which the halves of a split Gaussian move apart, in standard deviations.
    min_occupancy : float, default=10
        Gaussians with fewer frames are removed, except for the last one of a pdf. The update after
        an equal start uses at most 3.
    variance_floor : float, default=0.01
        Smallest variance, as a fraction of the variance of all frames, per feature.
    transition_floor : float, default=0
        Smallest probability of an arc.
    realign : tuple of int
        Iterations, counted from 0, at which Viterbi training searches for paths. The first
        iteration that needs paths searches in any case.
    boost_silence : float, default=1
        Factor of the likelihood of silence in that search.
    acoustic_scale, transition_scale : float, default=1
        Exponents of emission densities and of transition probabilities in the recursions; 1 is the
        model itself. Baum-Welch is exact, and its likelihood cannot fall, only with an acoustic
        scale of 1.
    beam, retry_beam : float, optional
        Paths that are worse than the best one by more than `beam`, in nats, are pruned; where none
        is left, `retry_beam` is tried. None prunes nothing.
    memory_gb : float, default=2
        Gigabytes that one utterance may take, in each thread: 17 bytes per frame and state where
        paths are summed over, 2.4 where the best one is searched for. Longer utterances are left
        out; in Viterbi training only of the iterations that sum.

    Raises
    ------
    InvalidInputError
        If an option is out of its range.

    Notes
    -----
    Iterations, realignments, growth by occupancy^0.25 and minimum counts are those of Kaldi's
    monophone training (Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011), as is the
    equal start. Annealing: Ueda and Nakano, "Deterministic annealing EM algorithm", Neural
    Networks 11 (1998) 271-282.
    """

    algorithm: Literal["baum-welch", "viterbi"] = one_of(
        "baum-welch",
        ("baum-welch", "viterbi"),
        "Sum over all paths, or take the best path alone (faster).",
    )
    start: Literal["flat", "equal"] = one_of(
        "flat",
        ("flat", "equal"),
        "First iteration: sum over all paths, or divide frames equally among states.",
    )
    annealing: tuple[float, ...] = anything((), "Acoustic scales of the first iterations.")
    max_iter: int = whole(40, "Number of training iterations.", flags=("iterations",))
    n_gaussians: int = whole(1000, "Total number of Gaussians of all states.")
    grow_until: int | None = whole(
        None,
        "Iteration up to which the number of Gaussians grows (default: three quarters of all).",
        least=0,
        optional=True,
    )
    power: float = real(
        0.25, "Exponent of the occupancies that Gaussians are allotted by.", least=0
    )
    min_frames_per_gaussian: float = real(
        20.0, "Frames that a state needs for each Gaussian beyond its first.", least=0
    )
    perturbation: float = real(
        0.01, "Distance between the halves of a split Gaussian, in deviations.", least=0
    )
    min_occupancy: float = real(
        10.0, "Least number of frames of a Gaussian; one with fewer is removed.", least=0
    )
    variance_floor: float = real(
        VARIANCE_FLOOR_OF_FEW_FRAMES,
        "Smallest variance, as a fraction of the variance of all frames.",
        least=0,
        below=1,
    )
    transition_floor: float = real(0.0, "Smallest probability of a transition.", least=0, below=1)
    realign: tuple[int, ...] = anything(_REALIGNED, "Iterations at which paths are searched for.")
    boost_silence: float = real(1.0, "Factor of the likelihood of silence in the search.", above=0)
    acoustic_scale: float = real(1.0, "Exponent of the emission densities.", above=0)
    transition_scale: float = real(1.0, "Exponent of the transition probabilities.", above=0)
    beam: float | None = optional_beam()
    retry_beam: float | None = optional_beam(
        "Beam for utterances that lose all their paths (default: no pruning)."
    )
    memory_gb: float = real(
        2.0,
        "Memory for one utterance, in gigabytes; an utterance that needs more is left out.",
        above=0,
        flags=("memory",),
    )

    def __post_init__(self) -> None:
        """Check all options, also against each other."""
        self.check_fields()
        realign = sequence("realign", self.realign)
        realign = tuple(whole_number("each of realign", each, least=0) for each in realign)
        object.__setattr__(self, "realign", realign)
        scales = sequence("annealing", self.annealing)
        scales = tuple(number("each scale of annealing", x, above=0, most=1) for x in scales)
        object.__setattr__(self, "annealing", scales)
        if self.beam is not None and self.retry_beam is not None and self.retry_beam < self.beam:
            raise refused("retry_beam", f"no narrower than beam ({self.beam})", self.retry_beam)

    def gaussians_after(self, iteration: int, n_pdfs: int) -> int:
        """Return the number of Gaussians wanted after an iteration, counted from 0."""
        last = self.max_iter * 3 // 4 if self.grow_until is None else self.grow_until
        if iteration >= last:
            return self.n_gaussians
        share = iteration / last
        return round(n_pdfs + share * (self.n_gaussians - n_pdfs))

    def sums_over_paths(self, iteration: int, *, flat: bool = True) -> bool:
        """Return whether an iteration sums over all paths.

        Parameters
        ----------
        iteration : int
            Number of the iteration, counted from 0.
        flat : bool, default=True
            Whether training began with untrained models, all alike.
        """
        summed = max(len(self.annealing), int(flat and self.start == "flat"))
        return self.algorithm == "baum-welch" or iteration < summed

    def realigns(self, iteration: int) -> bool:
        """Return whether Viterbi training searches for paths at an iteration, counted from 0."""
        return iteration in self.realign

    def memory_excess(self, n_frames: int, n_states: int, *, sums: bool) -> str | None:
        """Return the reason why an utterance takes too much memory; None if it does not.

        Parameters
        ----------
        n_frames, n_states : int
            Number of frames of the utterance, and of states of its graph.
        sums : bool
            Whether all paths are summed over, or the best one is searched for.
        """
        needed = (_BYTES_OF_SUM if sums else _BYTES_OF_SEARCH) * n_frames * n_states / 1e9
        if needed <= self.memory_gb:
            return None
        return (
            f"{n_frames} frames by {n_states} states take {needed:.3g} GB, more than the "
            f"{self.memory_gb:.3g} GB allowed; cut the utterance into shorter ones"
        )

    def acoustic_scale_at(self, iteration: int) -> float:
        """Return the acoustic scale of an iteration, counted from 0."""
        if iteration < len(self.annealing):
            return self.annealing[iteration]
        return self.acoustic_scale

    def to_dict(self) -> dict[str, Any]:
        """Return the options as JSON can hold them; as keywords they make the same schedule."""
        lists = {"realign": list(self.realign), "annealing": list(self.annealing)}
        return {**asdict(self), **lists}
