"""Options of training acoustic models of phones or of whole words."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.training.schedule import ANNEALED, TrainingSchedule
from speakergmm.options import Options, anything, nested, one_of, real, whole
from speakergmm.ranges import choice, number, sequence
from speakergmm.recognition.silence_model import SilenceModel
from speakergmm.recognition.triphone_options import TriphoneOptions

if TYPE_CHECKING:
    from speakergmm.features import FeatureConfig, FeatureNormalisation
    from speakergmm.hmm import Topology

UNKNOWN_WORD = "<unk>"
"""The word that stands for all words outside the lexicon, if they are mapped to one."""
NOISE_UNIT = "SPN"
"""The model of spoken noise, which is the pronunciation of that word."""

Units = Literal["phones", "words"]
Stages = Literal["mono", "mono,tri", "mono,tri,lda-mllt"]
UnknownWords = Literal["skip", "map", "graphemes"]

_SCOPES = ("speaker", "utterance", "none", "window")
# Annealing takes no more than this part of the iterations: a short training has no time for it.
_ANNEALED_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions(Options):
    """Options of training an acoustic model.

    The defaults suit phones; `for_words` has those that suit isolated words.

    Parameters
    ----------
    units : {"phones", "words"}, default="phones"
        Train models of the phones of a lexicon, or of whole words on recordings of one word each.
    features : FeatureConfig, str or path, optional
        A configuration, the name of a preset, or a TOML or JSON file; by default those of the
        feature store that is trained on, or the preset ``hmm``.
    normalisation : {"speaker", "utterance", "none", "window"} or FeatureNormalisation
        Frames over which cepstral means and variances are taken; by default those of a speaker.
    schedule : TrainingSchedule
        Options of the iterations; by default 40 of Baum-Welch, the first six annealed, or fewer if
        `max_iter` is given by keyword: at most a quarter of the iterations.
    silence : SilenceModel
        Names and probabilities of pauses.
    stages : {"mono", "mono,tri", "mono,tri,lda-mllt"}, default="mono"
        Models of phones alone; triphones that begin with these, phones in the context of their
        neighbours, whose pdfs a decision tree ties; and triphones over transformed features, which
        begin with those.
    triphones : TriphoneOptions
        Options of the stages "tri" and "lda-mllt".
    n_states : int, default=3
        States of a phone or word, left to right.
    silence_states : int, default=5
        States of silence, the inner ones in any order; 0 for no model of silence.
    topologies : mapping of str to Topology, optional
        Topologies of units that are to differ from the default.
    gaussians_per_state : float, optional
        Mean number of Gaussians per state, in place of the schedule's `n_gaussians`.
    growth : float, optional
        Part of the iterations in which Gaussians are added, unless the schedule has `grow_until`;
        by default three quarters.
    frequency_warps : sequence of float, default=(1.0,)
        Each utterance is trained on once with its frequencies multiplied by each of these factors,
        such as 0.9, 1 and 1.1: as if speakers with longer and shorter vocal tracts had said it.
    unknown_words : {"skip", "map", "graphemes"}, default="skip"
        Treatment of words outside the lexicon: their utterances are left out, they are mapped to
        `UNKNOWN_WORD`, a model of spoken noise, or they are spelled, one unit per letter.
    seed : int, default=0
        Seed of the perturbation of split Gaussians and of the words exchanged for confidences.

    Raises
    ------
    InvalidInputError
        If an option is out of its range.

    Examples
    --------
    >>> TrainingOptions.for_words(n_states=10).n_states, TrainingOptions().n_states
    (10, 3)
    """

    units: Units = one_of("phones", ("phones", "words"), "Train models of phones or whole words.")
    features: FeatureConfig | str | os.PathLike[str] | None = anything(
        None, "Preset or configuration file of the features (default: hmm).", kind=str
    )
    normalisation: FeatureNormalisation | str = anything(
        "speaker", "Frames over which cepstral means and variances are normalised.", kind=str,
        choices=_SCOPES,
    )  # fmt: skip
    schedule: TrainingSchedule = nested(
        TrainingSchedule,
        "Options of the iterations.",
        default=TrainingSchedule(annealing=ANNEALED),
    )
    silence: SilenceModel = nested(SilenceModel, "Names and probabilities of pauses.")
    stages: Stages = one_of(
        "mono",
        get_args(Stages),
        "Stages of training: phones, triphones after them, and triphones over LDA and MLLT.",
    )
    triphones: TriphoneOptions = nested(TriphoneOptions, "Options of triphones.")
    n_states: int = whole(3, "States of each phone or word.")
    silence_states: int = whole(5, "States of silence; 0 for no model of silence.", least=0)
    topologies: Mapping[str, Topology] | None = anything(None, "Topologies of single units.")
    gaussians_per_state: float | None = real(
        None, "Mean number of Gaussians per state.", least=1, optional=True
    )
    growth: float | None = real(
        None, "Part of the iterations in which Gaussians are added.", least=0, most=1, optional=True
    )
    frequency_warps: Sequence[float] = anything(
        (1.0,), "Factors by which frequencies are multiplied in copies of each utterance."
    )
    unknown_words: UnknownWords = one_of(
        "skip",
        ("skip", "map", "graphemes"),
        "Leave out utterances with words outside the lexicon, map the words to noise, or spell "
        "them.",
    )
    seed: int = whole(0, "Seed of the splits of Gaussians.", least=0)

    def __post_init__(self) -> None:
        """Raise an error if an option is out of range."""
        self.check_fields()
        if not hasattr(self.normalisation, "scope"):
            choice("normalisation", self.normalisation, _SCOPES)
        given = sequence("frequency_warps", self.frequency_warps)
        warps = tuple(number("each of frequency_warps", warp, above=0) for warp in given)
        if self.stages != "mono" and self.units == "words":
            raise InvalidInputError(
                f"stages={self.stages!r} need phones; words as units have no context"
            )
        if not warps:
            raise InvalidInputError("frequency_warps is empty; give (1.0,) for none")
        object.__setattr__(self, "frequency_warps", warps)

    @classmethod
    def for_words(cls, **changes: Any) -> Self:
        """Return options that suit models of whole words on recordings of one word each.

        They have 12 states, 2.5 Gaussians per state on average, 14 iterations without annealing,
        features normalised by utterance, and silence only before and after the word.

        Parameters
        ----------
        **changes
            Options that are to differ from these. With ``units="phones"`` and a lexicon, words are
            modelled by their phones.
        """
        schedule = TrainingSchedule(max_iter=14, min_frames_per_gaussian=5.0, min_occupancy=5.0)
        words = cls(
            units="words",
            normalisation="utterance",
            schedule=schedule,
            silence=SilenceModel(probability=0.0),
            n_states=12,
            gaussians_per_state=2.5,
            growth=2 / 3,
        )
        return cls.of(words, changes)

    @classmethod
    def of(cls, options: Self | None, changes: Mapping[str, Any]) -> Self:
        """Return options with some of them changed; see `Options.of`.

        Without `options`, ``units="words"`` begins with those of `for_words`.
        """
        if options is None and changes.get("units") == "words":
            return cls.for_words(**changes)
        changed = super(TrainingOptions, cls).of(options, changes)
        schedule = changed.schedule
        if "max_iter" in changes and "annealing" not in changes:
            few = int(_ANNEALED_SHARE * schedule.max_iter)
            schedule = replace(schedule, annealing=schedule.annealing[:few])
        # Of two options for the same, the one that is asked for here counts.
        if "growth" in changes and not {"grow_until", "schedule"} & changes.keys():
            schedule = replace(schedule, grow_until=None)
        if "n_gaussians" in changes and "gaussians_per_state" not in changes:
            changed = replace(changed, gaussians_per_state=None)
        return changed if schedule is changed.schedule else replace(changed, schedule=schedule)

    @property
    def feature_config(self) -> FeatureConfig:
        """Configuration of the features."""
        from speakergmm.features import as_feature_config

        return as_feature_config("hmm" if self.features is None else self.features)

    @property
    def silence_model(self) -> SilenceModel:
        """The options of silence, without a unit if silence has no states."""
        return self.silence if self.silence_states else replace(self.silence, unit=None)

    def schedule_for(self, n_pdfs: int) -> TrainingSchedule:
        """Return the schedule of training a number of pdfs, with the options that depend on it."""
        schedule = self.schedule
        if self.growth is not None and schedule.grow_until is None:
            grow_until = int(self.growth * schedule.max_iter + 1e-9)
            schedule = replace(schedule, grow_until=grow_until)
        if self.gaussians_per_state is not None:
            schedule = replace(schedule, n_gaussians=round(self.gaussians_per_state * n_pdfs))
        return schedule
