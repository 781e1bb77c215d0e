"""Train an acoustic model of a corpus with transcripts, from a flat start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from speakergmm.corpora import AnyPath, Corpus, CorpusLike, as_corpus
from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureConfig, FeatureNormalisation, HowToMap, as_feature_config
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.phone_training_state import TrainingResult, TrainingState
from speakergmm.hmm.training.schedule import ANNEALED, TrainingSchedule
from speakergmm.provenance import software_versions, utc_now
from speakergmm.ranges import choice, whole_number, wrong_type
from speakergmm.recognition.confidence_fitting import fit_confidence
from speakergmm.recognition.feature_archive import FeatureArchive, JoinedFeatures
from speakergmm.recognition.flat_start import flat_models
from speakergmm.recognition.language_arguments import as_lexicon, as_transcripts
from speakergmm.recognition.text_words import spelled_out
from speakergmm.recognition.timelines import known
from speakergmm.recognition.transcript_graphs import SilenceModel, TranscriptModels
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.run_context import OnSkip, SkippedRecording

UNKNOWN_WORD = "<unk>"
"""What words outside the lexicon are taken for, where they are mapped."""
NOISE_UNIT = "SPN"
"""Model of spoken noise, which says that word."""
# What is kept of each iteration.
_HISTORY = ("log_likelihood", "n_gaussians", "n_failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What an acoustic model is to be.

    Parameters
    ----------
    features : FeatureConfig, str or path, default="hmm"
        A configuration, the name of a preset, or a TOML or JSON file.
    normalisation : FeatureNormalisation
        Over each speaker, mean and variance, by default.
    schedule : TrainingSchedule
        By default 40 iterations of Baum-Welch, the first annealed.
    silence : SilenceModel
        Its unit is given a model of its own.
    n_states : int, default=3
        States of a unit, left to right.
    silence_states : int, default=5
        States of silence; the inner ones in any order.
    topologies : mapping of str to Topology, optional
        Of units that are not to have the default.
    unknown_words : {"skip", "map", "graphemes"}, default="skip"
        What is done with words outside the lexicon: their utterances are left out, they are said
        by a model of spoken noise, or they are spelled, a unit a letter.
    seed : int, default=0
    """

    features: FeatureConfig | str | os.PathLike[str] = "hmm"
    normalisation: FeatureNormalisation = field(default_factory=FeatureNormalisation)
    schedule: TrainingSchedule = field(default_factory=lambda: TrainingSchedule(annealing=ANNEALED))
    silence: SilenceModel = field(default_factory=SilenceModel)
    n_states: int = 3
    silence_states: int = 5
    topologies: Mapping[str, Topology] | None = None
    unknown_words: Literal["skip", "map", "graphemes"] = "skip"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what lies out of range."""
        choice("unknown_words", self.unknown_words, ("skip", "map", "graphemes"))
        whole_number("n_states", self.n_states)
        whole_number("silence_states", self.silence_states)
        whole_number("seed", self.seed, least=0)

    def topologies_of(self, units: Sequence[str]) -> dict[str, Topology]:
        """Return the topology of each unit, silence among them, in alphabetical order."""
        default = Topology.left_right(self.n_states)
        found = dict.fromkeys(sorted(units), default)
        if self.silence.unit is not None:
            silent = Topology.silence(self.silence_states) if self.silence_states > 2 else None
            found[self.silence.unit] = silent or Topology.left_right(self.silence_states)
        if self.silence.short_pause is not None:
            found[self.silence.short_pause] = Topology.short_pause()
        if NOISE_UNIT in found:
            found[NOISE_UNIT] = Topology.silence(max(self.silence_states, 3))
        given = self.topologies or {}
        return {unit: given.get(unit, topology) for unit, topology in found.items()}


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """How a training is run, whatever it trains; see `AcousticModel.train`."""

    n_jobs: int = 1
    strict: bool = False
    on_skip: OnSkip | None = None
    callback: Callable[[TrainingState], None] | None = None
    checkpoint: AnyPath | None = None
    progress: bool = False


def train_phones(
    corpus: CorpusLike,
    transcripts: Mapping[str, Sequence[str] | str] | AnyPath,
    lexicon: Lexicon | AnyPath,
    options: TrainingOptions | None,
    run: TrainingRun,
    *,
    unusable: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Train what `AcousticModel.train` makes a model of; its parts, by their names."""
    corpus, said, lexicon = as_corpus(corpus), as_transcripts(transcripts), as_lexicon(lexicon)
    options = options or TrainingOptions()
    if not isinstance(options, TrainingOptions):
        raise wrong_type(options, "TrainingOptions(...)")
    short_pause = options.silence.short_pause
    if short_pause is not None and short_pause in (options.silence.unit, *lexicon.phones):
        raise InvalidInputError(
            f"the short pause is called {short_pause!r}, as another model is; rename it"
        )
    unknown = None
    if options.unknown_words == "map":
        unknown = UNKNOWN_WORD
        if unknown not in lexicon:
            lexicon = lexicon.extended({unknown: (Pronunciation((NOISE_UNIT,)),)})
    elif options.unknown_words == "graphemes":
        lexicon = spelled_out(lexicon, said)
    start = FlatStart(corpus, said, lexicon, unknown, unusable or {}, options, run)
    return start.train({"n_states": options.n_states, "unknown_words": options.unknown_words})


@dataclass(frozen=True, slots=True)
class FlatStart:
    """The steps from transcribed recordings to models, whatever the models are of.

    Parameters
    ----------
    corpus : Corpus
    said : mapping of str to sequence of str
        Words by utterance.
    lexicon : Lexicon
        Those words by units.
    unknown : str or None
        Word that others are taken for.
    unusable : mapping of str to str
        Utterances to leave out, and why.
    options : TrainingOptions
    run : TrainingRun
    """

    corpus: Corpus
    said: Mapping[str, Sequence[str]]
    lexicon: Lexicon
    unknown: str | None
    unusable: Mapping[str, str]
    options: TrainingOptions
    run: TrainingRun

    def train(
        self,
        facts: Mapping[str, Any],
        *,
        schedule_of: Callable[[int], TrainingSchedule] | None = None,
        frequency_warps: Sequence[float] = (1.0,),
    ) -> dict[str, Any]:
        """Train, and fit confidences.

        Parameters
        ----------
        facts : mapping
            What the provenance holds besides.
        schedule_of : callable, optional
            Gives the schedule for so many pdfs, in place of the options'.
        frequency_warps : sequence of float
            Each utterance is trained on once with its frequencies stretched by each.

        Returns
        -------
        dict
            The parts of an `AcousticModel`, by their names.
        """
        options, run = self.options, self.run
        skips = UtteranceSkips(run.on_skip, self.said, strict=run.strict)
        usable = skips.usable(
            self.corpus.utterances, self.lexicon, unknown=self.unknown, unusable=self.unusable
        )
        config = as_feature_config(options.features)
        configs = [
            config.replace(frequency_warp=config.frequency_warp * warp) for warp in frequency_warps
        ]
        how: HowToMap = {"n_jobs": run.n_jobs, "strict": run.strict, "on_skip": skips}
        shown = "features" if run.progress else None
        with ExitStack() as stack:
            archives = [
                stack.enter_context(
                    FeatureArchive.of(usable, each, options.normalisation, description=shown, **how)
                )
                for each in configs
            ]
            frames = JoinedFeatures(archives)
            start = self._flat_models(frames, config)
            schedule = schedule_of(start.models.n_pdfs) if schedule_of else options.schedule
            trained = self._train_embedded(frames, start, schedule, skips)
            words = modelled_words(self.lexicon, trained.models)
            # Where nobody said a word outside the lexicon, there is no model of noise.
            unknown = self.unknown if self.unknown in words else None
            made = TranscriptModels(trained.models, words, options.silence, unknown)
            # As the recordings are, or nearest to it.
            plain = archives[int(np.abs(np.log(frequency_warps)).argmin())]
            confidence = fit_confidence(
                made, plain, self.said, schedule=schedule, seed=options.seed, n_jobs=run.n_jobs
            )
        return {
            **vars(made),
            "features": config,
            "normalisation": options.normalisation,
            "provenance": {
                "trained": utc_now(),
                "versions": software_versions(),
                "corpus": self.corpus.source,
                "corpus_digest": self.corpus.digest,
                "seed": options.seed,
                "schedule": schedule.to_dict(),
                **facts,
                **_facts_of(frames, plain, trained, skips.found),
            },
            "confidence": confidence,
        }

    def _flat_models(self, frames: JoinedFeatures, config: FeatureConfig) -> TranscriptModels:
        """Models to begin with, of all units that the transcripts may need."""
        said = {word for u in frames.utterances for word in self.said[u.id]}
        used = self.lexicon.restricted(
            {word if word in self.lexicon else str(self.unknown) for word in said}
        )
        # Units of words that nobody says have no data; those of other words of the lexicon may.
        topologies, silence = self.options.topologies_of(used.phones), self.options.silence
        flat = flat_models(frames, topologies, config, silences=silence.units)
        return TranscriptModels(flat, self.lexicon, silence, self.unknown)

    def _train_embedded(
        self,
        frames: JoinedFeatures,
        start: TranscriptModels,
        schedule: TrainingSchedule,
        skips: UtteranceSkips,
    ) -> TrainingResult:
        run = self.run
        said = [tuple(self.said[utterance.id]) for utterance in frames.utterances]
        compiled = {words: start.compile(words) for words in dict.fromkeys(said)}
        graphs = [compiled[words] for words in said]
        if run.strict:
            # Training would find out, but only tells when it is done.
            _skip_unfit(frames, graphs, schedule, skips)
        flat, silence = start.models, start.silence.unit
        trained = train_phone_models(
            flat,
            graphs,
            frames,
            schedule=schedule,
            silence_pdfs=None if silence is None else flat.tying.pdfs(flat.unit_number(silence)),
            seed=self.options.seed,
            n_jobs=run.n_jobs,
            callback=run.callback,
            checkpoint=run.checkpoint,
        )
        for failure in trained.failed:
            skips.leave_out(frames.utterances[failure.place], failure.reason)
        return trained


def _facts_of(
    frames: JoinedFeatures,
    archive: FeatureArchive,
    trained: TrainingResult,
    skipped: Sequence[SkippedRecording],
) -> dict[str, Any]:
    """Say what was trained on, and how that went, as JSON can hold it."""
    lost = {failure.place for failure in trained.failed}
    # Of those with some warp that was trained on.
    used = {u.id: u for place, u in enumerate(frames.utterances) if place not in lost}
    return {
        "n_utterances": len(used),
        "n_speakers": len({u.speaker for u in used.values()} - {None}),
        "n_frames": frames.n_frames,
        "n_constant_frames": frames.n_constant,
        "seconds": round(float(sum(grid.duration for grid in archive.grids)), 3),
        "n_skipped": len(skipped),
        "skipped": [found.to_dict() for found in skipped[:1000]],
        "occupancy": [round(float(value), 3) for value in trained.occupancy],
        "history": [
            {name: known(getattr(step, name)) for name in _HISTORY} for step in trained.history
        ],
    }


def _skip_unfit(
    frames: JoinedFeatures,
    graphs: Sequence[UtteranceGraph],
    schedule: TrainingSchedule,
    skips: UtteranceSkips,
) -> None:
    """Tell of utterances with fewer frames than their transcripts need, or too many for memory."""
    for utterance, grid, graph in zip(frames.utterances, frames.grids, graphs, strict=True):
        needed = graph.skeleton.shortest_duration or 0
        if (found := grid.n_frames) < needed:
            reason = f"the transcript needs at least {needed} frames, found {found}"
            skips.leave_out(utterance, reason)
        sums = schedule.algorithm == "baum-welch"
        if excess := schedule.excess(found, graph.n_states, sums=sums):
            skips.leave_out(utterance, excess)


def modelled_words(lexicon: Lexicon, models: PhoneModels) -> Lexicon:
    """Keep the words, and the ways to say them, that the models can say.

    Training makes models of the units that its transcripts need; a lexicon of the whole language
    may have more.
    """
    units = set(models.units)
    kept = {
        word: tuple(way for way in lexicon[word] if units.issuperset(way.phones))
        for word in lexicon
    }
    return Lexicon({word: ways for word, ways in kept.items() if ways}, lexicon.source)
