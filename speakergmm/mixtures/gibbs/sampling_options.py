"""Options of sampling from Dirichlet-process mixtures; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from speakergmm.mixtures.gibbs.gamma_prior import GammaPrior
from speakergmm.options import Options, anything, one_of, real, whole
from speakergmm.ranges import number, refused, whole_number

GibbsCovariance = Literal["full", "diag"]
StartingPartition = Literal["single", "singletons", "random", "sequential"]
Start = StartingPartition | int


@dataclass(frozen=True, slots=True, kw_only=True)
class DirichletProcessOptions(Options):
    """Options of `sample_dirichlet_process`.

    Parameters
    ----------
    covariance_type : {"full", "diag"}, default="full"
        Kind of the clusters' covariances.
    concentration : float, pair of floats, or GammaPrior; default=(2.0, 4.0)
        Concentration of the Dirichlet process: before any data, the expected number of clusters of
        T frames is about `concentration` log T. A pair (shape, rate) is a Gamma prior; the
        concentration is then drawn after each sweep (Escobar & West 1995, whose prior is the
        default).
    within_fraction : float, default=0.2
        Part of the data's covariance that the default prior expects within clusters, the rest being
        between their means; > 0 and < 1.
    n_sweeps : int, default=500
        Number of sweeps over all frames of each chain, the burn-in included.
    burn_in : int, optional
        Number of sweeps that are left out at the beginning; by default half of them.
    n_chains : int, default=4
        Number of independent chains; convergence can be judged with two or more.
    n_kept : int, default=50
        Number of partitions that are kept of each chain, evenly spaced after the burn-in (all of
        them if there are fewer).
    init : {"single", "singletons", "random", "sequential"} or int, default=20
        The partition from which chains start: all frames in one cluster; each frame in a cluster of
        its own; a partition drawn from the Dirichlet process; frames added one by one, each to a
        cluster drawn given the frames before it; or as many clusters as the number says, each frame
        joining the nearest of so many frames drawn at random (of all frames where there are fewer).
        Sweeps merge clusters more readily than they split them, so that starts with too many
        clusters arrive sooner, but each cluster costs time.
    seed : int, default=0
        Seed of the chains. The same seed gives the same chains, whatever the number of threads.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    covariance_type: GibbsCovariance = one_of(
        "full", get_args(GibbsCovariance), "Kind of the clusters' covariances."
    )
    concentration: float | tuple[float, float] | GammaPrior = anything(
        (2.0, 4.0), "Concentration of the Dirichlet process, or its Gamma prior."
    )
    within_fraction: float = real(
        0.2, "Part of the covariance that is expected within clusters.", above=0, below=1
    )
    n_sweeps: int = whole(500, "Number of sweeps of each chain.")
    burn_in: int | None = whole(
        None, "Number of sweeps that are left out at the beginning.", least=0, optional=True
    )
    n_chains: int = whole(4, "Number of independent chains.")
    n_kept: int = whole(50, "Number of partitions that are kept of each chain.")
    init: Start = anything(20, "The partition from which chains start.", kind=str)
    seed: int = whole(0, "Seed of the chains.", least=0)

    def __post_init__(self) -> None:
        """Raise an error if an option is out of range."""
        self.check_fields()
        if self.burn_in is not None:
            whole_number("burn_in", self.burn_in, least=0, most=self.n_sweeps - 1)
        if not isinstance(self.init, str):
            whole_number("init", self.init)
        elif self.init not in get_args(StartingPartition):
            words = ", ".join(get_args(StartingPartition))
            raise refused("init", f"one of {words} or a number of clusters", self.init)
        if isinstance(self.concentration, tuple | list):
            if len(self.concentration) != 2:
                raise refused(
                    "concentration", "a number or a pair (shape, rate)", self.concentration
                )
        elif not isinstance(self.concentration, GammaPrior):
            number("concentration", self.concentration, above=0)

    @property
    def n_left_out(self) -> int:
        """Number of sweeps that are left out at the beginning of each chain."""
        return self.n_sweeps // 2 if self.burn_in is None else self.burn_in
