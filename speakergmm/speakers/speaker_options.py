"""Options of enrolment, scoring and verification experiments.

The commands derive their options from these classes at every start, so that nothing heavy is
imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from speakergmm.corpora.augmentation.augmentation_options import AnyAugmentation
from speakergmm.options import Options, anything, nested, one_of, real, text, whole, yes_no
from speakergmm.ranges import refused

Parameter = Literal["means", "weights", "variances"]
PARAMETERS: tuple[Parameter, ...] = ("means", "weights", "variances")

DEFAULT_TOP_C: int | None = None
"""Components scored per frame by default: all, so that scores are exact."""

BackendName = Literal["gmm-ubm", "linear", "ivector", "isv", "jfa", "svm"]
ScoreNormalisation = Literal["none", "z", "t", "zt", "s", "adaptive_s"]

DEFAULT_COHORT_TOP = 40
"""Members of the cohort that adaptive S-norm chooses for each trial by default."""

# Chosen on the dev lists of recipes/verification, where words are short: the optimum is flat from
# 0.5 to 3. Long recordings are hardly affected.
DEFAULT_RELEVANCE_FACTOR = 3.0
"""Occupancy, in frames, at which the speaker's data and the background model weigh the same."""

# More frames than a person speaks in a lifetime; products with statistics remain finite.
_MOST_FRAMES = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationOptions(Options):
    """Options of the MAP adaptation that makes a speaker model from the background model.

    Parameters
    ----------
    relevance_factor : float, default=3
        Occupancy, in frames, at which the speaker's data and the background model weigh the same;
        > 0. One factor serves all parameters.
    parameters : str or sequence of str, default=("means",)
        The parameters that are adapted: one or more of ``"means"``, ``"weights"`` and
        ``"variances"``.

    Raises
    ------
    InvalidInputError
        If an option is out of range.

    Examples
    --------
    >>> AdaptationOptions(parameters=["weights", "means"]).parameters
    ('means', 'weights')
    """

    relevance_factor: float = real(
        DEFAULT_RELEVANCE_FACTOR,
        "Relevance factor of the MAP adaptation, in frames.",
        above=0,
        most=_MOST_FRAMES,
    )
    parameters: Sequence[Parameter] = anything(
        ("means",), "Parameters that are adapted: means, weights, variances."
    )

    def __post_init__(self) -> None:
        """Check the options, and put the parameters in the order of `PARAMETERS`."""
        self.check_fields()
        several = isinstance(self.parameters, Iterable) and not isinstance(self.parameters, str)
        named = tuple(self.parameters) if several else (self.parameters,)
        if not all(isinstance(name, str) for name in named):  # arrays cannot be compared
            raise refused("parameters", f"one or more of {', '.join(PARAMETERS)}", self.parameters)
        ordered = tuple(name for name in PARAMETERS if name in named)
        if not ordered or len(ordered) != len(named):
            raise refused("parameters", f"one or more of {', '.join(PARAMETERS)}", named)
        object.__setattr__(self, "parameters", ordered)

    @property
    def second_order(self) -> bool:
        """Return whether second-order statistics are needed, as they are to adapt variances."""
        return "variances" in self.parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOptions(Options):
    """Options of the log-likelihood ratio of a speaker model to the background model.

    Parameters
    ----------
    top_c : int or None, default=None
        Background components that are evaluated per frame: the C best ones, which is faster for
        many speakers or large models; None for all, which is exact.
    """

    top_c: int | None = whole(
        DEFAULT_TOP_C,
        "Components that are scored per frame, the best ones of the background model (default: "
        "all). 10 are several times faster for many speakers or large models.",
        optional=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalisationOptions(Options):
    """Options of the normalisation of scores by those of a cohort.

    Parameters
    ----------
    normalisation : {"none", "z", "t", "zt", "s", "adaptive_s"}, default="none"
        Z-norm makes models alike, T-norm tests, ZT-norm both one after the other; S-norm is the
        mean of Z- and T-norm, and adaptive S-norm that over the cohort nearest to the other side.
    cohort_top : int, optional
        Members of the cohort that count: T- and ZT-norm take the highest cohort scores of each
        test (by default all), adaptive S-norm the members nearest to the other side (by default
        40). At least 2; none of the others takes it.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or `cohort_top` is given for Z-norm, S-norm or none.
    """

    normalisation: ScoreNormalisation = one_of(
        "none",
        get_args(ScoreNormalisation),
        "Normalisation of scores by those of the cohort.",
        flags=("--score-norm",),
    )
    cohort_top: int | None = whole(
        None,
        "Highest cohort scores that T-, ZT- and adaptive S-norm use (default: all, in adaptive "
        f"S-norm {DEFAULT_COHORT_TOP}).",
        least=2,
        optional=True,
    )

    def __str__(self) -> str:
        """Return the options in words, such as ``"t (cohort_top 40)"``."""
        top = "" if self.cohort_top is None else f" (cohort_top {self.cohort_top})"
        return self.normalisation + top

    def __post_init__(self) -> None:
        """Check the options, and that the normalisation takes a number of members."""
        self.check_fields()
        if self.cohort_top is not None and self.normalisation in ("none", "z", "s"):
            kinds = "left out unless normalisation is t, zt or adaptive_s"
            raise refused("cohort_top", kinds, self.cohort_top)

    @property
    def needs_tests(self) -> bool:
        """Return whether recordings of the cohort are needed, and not only its models."""
        return self.normalisation not in ("none", "t")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionOptions(ScoringOptions):
    """Options of decisions: how one is asked for, if at all.

    Parameters
    ----------
    threshold : float, optional
        Log-likelihood ratio of a calibrated system, or score of another, at and above which the
        answer is yes.
    target_far : float, optional
        False-accept rate that is not to be exceeded; it chooses the threshold, if the trials of
        the calibration can promise it.
    prior : float, optional
        Prior probability that the claim is true; with the costs it chooses the threshold.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false accept, > 0; used with `prior`.
    force : bool, default=False
        Decide although the recording is unlike those that the calibration saw.
    top_c
        As in `ScoringOptions`.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or more than one of `threshold`, `target_far` and `prior` is
        given.
    """

    threshold: float | None = real(
        None,
        "Log-likelihood ratio (of a store that is not calibrated: score) at and above which the "
        "answer is yes (default: no decision).",
        optional=True,
    )
    target_far: float | None = real(
        None,
        "False-accept rate that the decision is not to exceed, such as 0.01.",
        above=0,
        below=1,
        optional=True,
    )
    prior: float | None = real(
        None,
        "Prior probability that the claim is true, by which (and by the costs) is decided.",
        above=0,
        below=1,
        optional=True,
    )
    c_miss: float = real(1.0, "Cost of a miss, with --prior.", above=0)
    c_fa: float = real(1.0, "Cost of a false accept, with --prior.", above=0)
    force: bool = yes_no(
        False, "Decide although a recording is unlike those that the calibration saw."
    )

    def __post_init__(self) -> None:
        """Check the options, of which one at most may choose the threshold."""
        self.check_fields()
        given = [name for name in ("threshold", "target_far", "prior") if self._has(name)]
        if len(given) > 1:
            raise refused(given[1], f"left out where {given[0]} is given", getattr(self, given[1]))
        for name in ("c_miss", "c_fa"):
            if self.prior is None and getattr(self, name) != 1:
                raise refused(name, "left out unless prior is given", getattr(self, name))

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

    @property
    def asks_for_rates(self) -> bool:
        """Return whether the threshold is to come from error rates or from a prior."""
        return self.target_far is not None or self.prior is not None

    @property
    def decides(self) -> bool:
        """Return whether a decision is asked for."""
        return self.threshold is not None or self.asks_for_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationOptions(DecisionOptions):
    """Options of verification, which accepts or rejects a claimed speaker.

    Parameters
    ----------
    threshold, target_far, prior, c_miss, c_fa, force, top_c
        As in `DecisionOptions`.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationOptions(DecisionOptions):
    """Options of identification, which ranks the enrolled speakers.

    Parameters
    ----------
    top : int, default=5
        Number of speakers that are listed, the best one first.
    shortlist : int, optional
        Number of speakers, the best ones by the components of `top_c`, who are scored again with
        all components; only they are ranked, with exact scores. At least `top`, and only with
        `top_c`.
    threshold, target_far, prior, c_miss, c_fa, force, top_c
        As in `DecisionOptions`; the best speaker is named if the decision is yes, otherwise the
        answer is "unknown" (open-set identification).

    Raises
    ------
    InvalidInputError
        If an option is out of range, or there is a shortlist without `top_c` or shorter than `top`.
    """

    top: int = whole(5, "Number of speakers that are listed, the best one first.")
    shortlist: int | None = whole(
        None,
        "Speakers, the best ones by --top-c components, that are scored again with all components.",
        optional=True,
    )

    def __post_init__(self) -> None:
        """Check the options, and that the shortlist shortens the work and not the answer."""
        DecisionOptions.__post_init__(self)
        if self.shortlist is None:
            return
        if self.top_c is None:
            raise refused(
                "shortlist", "given together with top_c, which chooses it", self.shortlist
            )
        if self.shortlist < self.top:
            raise refused("shortlist", f"at least top, {self.top}", self.shortlist)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolOptions(Options):
    """Options of a verification experiment.

    Parameters
    ----------
    split : str, default="eval"
        The part of the protocol that is run: ``"dev"`` or ``"eval"``.
    adaptation : AdaptationOptions
        The enrolment of the models.
    scoring : ScoringOptions
        The scoring of the trials.
    backend : {"gmm-ubm", "linear", "ivector", "isv", "jfa", "svm"}, default="gmm-ubm"
        The exact likelihood ratio, or linear scoring from statistics; the others are trained
        first, and belong to a system (`train_backend`).
    score_normalisation : NormalisationOptions
        Normalisation of the scores; the cohort are the background speakers of the protocol.
    test_versions : AugmentationOptions, str, sequence of str or dict, optional
        Conditions in each of which every test recording is scored, such as "default"; by default
        as it is.
    measures : bool, default=False
        Measure the recordings of each trial, for a calibration.
    llr : bool, default=False
        Log-likelihood ratios of a calibrated system in place of scores.
    force : bool, default=False
        Take the ratios although the calibration saw speakers of the split.
    """

    split: str = text("eval", "Part of the protocol that is run: dev or eval.")
    adaptation: AdaptationOptions = nested(AdaptationOptions, "Enrolment of the models.")
    scoring: ScoringOptions = nested(ScoringOptions, "Scoring of the trials.")
    backend: BackendName = one_of(
        "gmm-ubm",
        get_args(BackendName),
        "Exact likelihood ratios, linear scoring, or what train-backend has trained.",
    )
    score_normalisation: NormalisationOptions = nested(
        NormalisationOptions, "Normalisation of the scores."
    )
    test_versions: AnyAugmentation = anything(
        None,
        "Score every test recording in several conditions: 'default' or names, separated by "
        "commas (default: as it is).",
        kind=str,
        flags=("test-augment",),
    )
    measures: bool = yes_no(False, "Measure the recordings of each trial.")
    llr: bool = yes_no(
        False, "Log-likelihood ratios of a calibrated system (for evaluate --llr), not scores."
    )
    force: bool = yes_no(
        False, "Take the ratios although the calibration saw speakers of the split."
    )
