"""Options of evaluations and of the intervals that they compute by resampling.

The commands derive their options from these classes at every start, so that nothing heavy is
imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import Literal, TypedDict, get_args

from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, anything, one_of, real, whole, yes_no
from speakergmm.ranges import number, refused, whole_number

Resampling = Literal["two-level", "speakers"]


class DetectionCosts(TypedDict):
    """The prior of a target trial, and the costs of a miss and of a false alarm."""

    p_target: float
    c_miss: float
    c_fa: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapOptions(Options):
    """Options of confidence intervals by resampling.

    Parameters
    ----------
    n_bootstrap : int, default=1000
        Number of replicates, at least 2; 0 for no intervals.
    confidence : float, default=0.95
        Nominal coverage of the intervals, between 0 and 1.
    seed : int, default=0
        Seed of the resampling.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    n_bootstrap: int = whole(1000, "Number of bootstrap replicates; 0 for no intervals.", least=0)
    confidence: float = real(0.95, "Nominal coverage of the intervals.", above=0, below=1)
    seed: int = whole(0, "Seed of the bootstrap.", least=0)

    def __post_init__(self) -> None:
        """Check the options: a single replicate has no percentiles."""
        self.check_fields()
        if self.n_bootstrap == 1:
            raise refused("n_bootstrap", "0 (no intervals) or at least 2", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions(BootstrapOptions):
    """Options of an evaluation of scored trials.

    Parameters
    ----------
    p_target : float or sequence of float, default=(0.01, 0.05)
        Priors of a target trial; there is a minimum detection cost for each.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false alarm, > 0.
    top_k : int or sequence of int, default=(1, 5)
        Depths of closed-set identification: an identification is correct if the true model is
        among the k best ones.
    llr : bool, default=False
        Whether the scores are log-likelihood ratios (natural logarithm). Their Cllr, its parts and
        the detection cost at the Bayes threshold of each prior are then measured as well.
    threshold : float or None, default=None
        A threshold whose miss and false-alarm rates are measured.
    resampling : {"two-level", "speakers"}, default="two-level"
        Draw speakers, and within each drawn speaker the test recordings; or only speakers.
    n_bootstrap, confidence, seed
        As in `BootstrapOptions`.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or a prior or depth is listed twice.

    Examples
    --------
    >>> options = EvaluationOptions(p_target=(0.01,), top_k=(1,))
    >>> list(options.costs), options.depths
    (['min_dcf_0.01'], {'identification_top1': 1})
    """

    p_target: Sequence[float] = anything(
        (0.01, 0.05), "Prior of a target trial, for minDCF; several may be given."
    )
    c_miss: float = real(1.0, "Cost of a miss.", above=0)
    c_fa: float = real(1.0, "Cost of a false alarm.", above=0)
    top_k: Sequence[int] = anything(
        (1, 5), "Depth of closed-set identification; several may be given."
    )
    llr: bool = yes_no(
        False,
        "The scores are log-likelihood ratios (natural logarithm): measure their calibration, too.",
    )
    threshold: float | None = real(
        None, "Threshold whose miss and false-alarm rates are measured.", optional=True
    )
    resampling: Resampling = one_of(
        "two-level",
        get_args(Resampling),
        "Draw speakers and, within each, recordings (two-level), or only speakers.",
    )

    def __post_init__(self) -> None:
        """Check the options, of which priors and depths must each be given once."""
        BootstrapOptions.__post_init__(self)
        for option in ("p_target", "top_k"):
            value = getattr(self, option)
            listed = tuple(value) if isinstance(value, Iterable) else (value,)
            object.__setattr__(self, option, listed)
        for prior in self.p_target:
            number("p_target", prior, above=0, below=1)
        for k in self.top_k:
            whole_number("top_k", k)
        for option, values, names in (
            ("p_target", self.p_target, self.costs),
            ("top_k", self.top_k, self.depths),
        ):
            if len(names) < len(values):
                shown = ", ".join(f"{value:g}" for value in values)
                raise InvalidInputError(f"{option} {shown}: must not repeat a value")

    @property
    def costs(self) -> dict[str, DetectionCosts]:
        """Prior and costs of each minimum detection cost, by the name of the metric."""
        return {
            f"min_dcf_{p:g}": {"p_target": p, "c_miss": self.c_miss, "c_fa": self.c_fa}
            for p in self.p_target
        }

    @property
    def actual_costs(self) -> dict[str, DetectionCosts]:
        """Prior and costs of each actual detection cost, by name; none without ``llr``."""
        if not self.llr:
            return {}
        return {name.replace("min", "actual"): cost for name, cost in self.costs.items()}

    @property
    def thresholds(self) -> dict[str, float]:
        """Thresholds that are set before the scores are seen, by the name of what they are for."""
        found = {
            name: log(cost["c_fa"] * (1 - cost["p_target"]) / (cost["c_miss"] * cost["p_target"]))
            for name, cost in self.actual_costs.items()
        }
        return found if self.threshold is None else found | {"threshold": self.threshold}

    @property
    def depths(self) -> dict[str, int]:
        """Depth of each identification accuracy, by the name of the metric."""
        return {f"identification_top{k}": k for k in self.top_k}
