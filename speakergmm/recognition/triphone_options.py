"""Options of triphones; the commands derive theirs from them, so that nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass, replace

from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.tree_options import TreeOptions
from speakergmm.options import Options, real, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class TriphoneOptions(Options):
    """Options of the stage that makes triphones.

    Parameters
    ----------
    n_leaves : int, default=600
        Most pdfs of all phones in context; each phone has one at least, and each state of silence.
    min_gain : float, default=0
        Least log-likelihood that a question about the neighbours gains, in nats of all frames.
    min_leaf_frames : float, default=50
        Least frames of a pdf, so that little speech makes a small tree.
    triphone_gaussians : int, default=3000
        Number of Gaussians of all pdfs at the end.
    triphone_iterations : int, default=25
        Number of iterations.
    n_discriminants : int, default=40
        Features after the stage "lda-mllt".
    spliced : int, default=3
        Neighbours on each side that a frame is joined with there.
    """

    n_leaves: int = whole(600, "Most pdfs of all phones in context.")
    min_gain: float = real(0.0, "Least gain of a question about neighbours, in nats.", least=0)
    min_leaf_frames: float = real(50.0, "Least frames of a pdf in context.", least=0)
    triphone_gaussians: int = whole(3000, "Total number of Gaussians of triphones.")
    triphone_iterations: int = whole(25, "Number of iterations of triphones.")
    n_discriminants: int = whole(40, "Features after LDA and MLLT.")
    spliced: int = whole(3, "Neighbours on each side that LDA joins a frame with.", least=0)

    @property
    def tree(self) -> TreeOptions:
        """The options of the tree."""
        return TreeOptions(
            max_leaves=self.n_leaves,
            min_gain=self.min_gain,
            min_occupancy=self.min_leaf_frames,
        )

    def schedule(self, base: TrainingSchedule) -> TrainingSchedule:
        """Return the schedule: paths are searched for at the start and every fifth iteration.

        Parameters
        ----------
        base : TrainingSchedule
            Of the phones; its floors, beams and limits of memory hold for triphones, too.
        """
        n = self.triphone_iterations
        return replace(
            base,
            algorithm="viterbi",
            annealing=(),
            max_iter=n,
            n_gaussians=self.triphone_gaussians,
            grow_until=None,
            realign=tuple(sorted({0, min(2, n - 1), *range(5, n, 5)})),
        )
