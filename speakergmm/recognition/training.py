"""Train an acoustic model of a corpus with transcripts, from a flat start."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np

from speakergmm.corpora import Corpus, Utterance
from speakergmm.corpora.given import AnyPath, Recordings, as_corpus
from speakergmm.errors import InsufficientDataError, InvalidInputError, InvalidTypeError
from speakergmm.features import FeatureConfig
from speakergmm.features.recordings import OnSkip, SkippedRecording, as_config, warn_of_skip
from speakergmm.hmm.language.lexicon import Lexicon, Pronunciation
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
from speakergmm.hmm.training.phone_training import train_embedded
from speakergmm.hmm.training.schedule import ANNEALED, TrainingSchedule
from speakergmm.hmm.training.state import TrainingResult, TrainingState
from speakergmm.provenance import software_versions, utc_now
from speakergmm.recognition.acoustic_model import AcousticModel, SilenceModel
from speakergmm.recognition.confidence_fitting import fit_confidence
from speakergmm.recognition.features import FeatureArchive, FeatureNormalisation
from speakergmm.recognition.flat_start import flat_models
from speakergmm.recognition.inputs import as_lexicon, as_transcripts
from speakergmm.recognition.text_words import spelled_out
from speakergmm.words import case_hint

UNKNOWN_WORD = "<unk>"
"""What words outside the lexicon are taken for, where they are mapped."""
NOISE_UNIT = "SPN"
"""Model of spoken noise, which says that word."""


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
        if self.unknown_words not in ("skip", "map", "graphemes"):
            raise InvalidInputError(
                f"unknown_words must be 'skip', 'map' or 'graphemes', found {self.unknown_words!r}"
            )
        for name, least in (("n_states", 1), ("silence_states", 1), ("seed", 0)):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= least):
                raise InvalidInputError(
                    f"{name} must be an integer and at least {least}, found {value}"
                )

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
        return {**found, **(self.topologies or {})}


def train_acoustic_model(
    corpus: Recordings,
    transcripts: Mapping[str, Sequence[str] | str] | AnyPath,
    lexicon: Lexicon | AnyPath,
    options: TrainingOptions | None = None,
    *,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    callback: Callable[[TrainingState], None] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    unusable: Mapping[str, str] | None = None,
) -> AcousticModel:
    """Train phone or word models of transcribed recordings.

    Parameters
    ----------
    corpus : Corpus or path
        Recordings, or where they lie; of named speakers, where features are to be normalised by
        speaker.
    transcripts : mapping of str to sequence of str, or path
        Words by utterance, such as `speakergmm.corpora.transcripts.read_transcripts` returns.
    lexicon : Lexicon or path
        Words by units.
    options : TrainingOptions, optional
    n_jobs : int, default=1
        Processes that extract features and threads that train; changes nothing but the time.
    strict : bool, default=False
        Raise an error because of the first utterance that can't be used, instead of leaving it out.
    on_skip : callable, optional
        Called with each `SkippedRecording`; by default a warning is issued.
    callback : callable, optional
        Called with the `TrainingState` after each iteration.
    checkpoint : path, optional
        See `speakergmm.hmm.training.phone_training.train_embedded`.
    progress : bool, default=False
        Show a progress bar on a terminal while features are extracted.
    unusable : mapping of str to str, optional
        Utterances to leave out, and why, such as
        `speakergmm.recognition.text_problems.unusable_utterances` names them.

    Returns
    -------
    AcousticModel
        Its provenance holds the history, the options and the utterances that were left out.

    Raises
    ------
    InsufficientDataError
        If no utterance can be used.
    InvalidInputError
        If the short pause has the name of the silence or of a phone.
    """
    corpus, transcripts, lexicon = (
        as_corpus(corpus),
        as_transcripts(transcripts),
        as_lexicon(lexicon),
    )
    options = options or TrainingOptions()
    if not isinstance(options, TrainingOptions):
        raise InvalidTypeError(f"got {type(options).__name__} where TrainingOptions(...) is wanted")
    short_pause = options.silence.short_pause
    if short_pause is not None and short_pause in (options.silence.unit, *lexicon.phones):
        raise InvalidInputError(
            f"the short pause is called {short_pause!r}, as another model is; rename it"
        )
    skipped: list[SkippedRecording] = []

    def skip(found: SkippedRecording) -> None:
        if strict:
            raise InsufficientDataError(found.message)
        skipped.append(found)
        (on_skip or warn_of_skip)(found)

    lexicon, unknown = _complete_lexicon(transcripts, lexicon, options)
    known = unusable or {}
    usable = [u for u in corpus if _is_usable(u, transcripts, lexicon, unknown, known, skip)]
    if not usable:
        raise InsufficientDataError(
            f"{corpus.source}: no utterance can be used for training; the first was left out "
            f"because: {skipped[0].message if skipped else 'there is none'}"
            + case_hint(lexicon.unknown(transcripts), lexicon)
        )
    config = as_config(options.features)
    with FeatureArchive.of(
        usable,
        config,
        options.normalisation,
        n_jobs=n_jobs,
        strict=strict,
        on_skip=skip,
        description="features" if progress else None,
    ) as archive:
        flat, graphs = _flat_models(archive, transcripts, lexicon, unknown, options)
        if strict:
            # Training would find out, but only tells when it is done.
            _skip_unfit(archive, graphs, options.schedule, skip)
        silence = options.silence.unit
        trained = train_embedded(
            flat,
            graphs,
            archive,
            schedule=options.schedule,
            silence_pdfs=None if silence is None else flat.tying.pdfs(flat.unit_number(silence)),
            seed=options.seed,
            n_jobs=n_jobs,
            callback=callback,
            checkpoint=checkpoint,
        )
        for failure in trained.failed:
            utterance = archive.utterances[failure.place]
            skip(_skipped(utterance, failure.reason))
        words = modelled_words(lexicon, trained.models)
        model = AcousticModel(
            trained.models,
            words,
            config,
            options.normalisation,
            options.silence,
            # Where nobody said a word outside the lexicon, there is no model of noise.
            unknown if unknown in words else None,
            _provenance(corpus, archive, options, trained, skipped),
        )
        confidence = fit_confidence(
            model, archive, transcripts, schedule=options.schedule, seed=options.seed, n_jobs=n_jobs
        )
    return replace(model, confidence=confidence)


def _complete_lexicon(
    transcripts: Mapping[str, Sequence[str]], lexicon: Lexicon, options: TrainingOptions
) -> tuple[Lexicon, str | None]:
    """Give words outside the lexicon what the options say; return the unknown word too."""
    if options.unknown_words == "map":
        if UNKNOWN_WORD not in lexicon:
            lexicon = lexicon.extended({UNKNOWN_WORD: (Pronunciation((NOISE_UNIT,)),)})
        return lexicon, UNKNOWN_WORD
    if options.unknown_words == "graphemes":
        lexicon = spelled_out(lexicon, transcripts)
    return lexicon, None


def _is_usable(
    utterance: Utterance,
    transcripts: Mapping[str, Sequence[str]],
    lexicon: Lexicon,
    unknown: str | None,
    unusable: Mapping[str, str],
    skip: Callable[[SkippedRecording], None],
) -> bool:
    if utterance.id in unusable:
        skip(_skipped(utterance, unusable[utterance.id]))
        return False
    if utterance.id not in transcripts:
        skip(_skipped(utterance, "it has no transcript"))
        return False
    words = tuple(transcripts[utterance.id])
    if not words:
        skip(_skipped(utterance, "its transcript is empty"))
        return False
    missing = [] if unknown else sorted({word for word in words if word not in lexicon})
    if missing:
        named = ", ".join(repr(word) for word in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        skip(_skipped(utterance, f"words outside the lexicon: {named}{more}"))
        return False
    return True


def _skip_unfit(
    archive: FeatureArchive,
    graphs: Sequence[UtteranceGraph],
    schedule: TrainingSchedule,
    skip: Callable[[SkippedRecording], None],
) -> None:
    """Tell of utterances with fewer frames than their transcripts need, or too many for memory."""
    sums = schedule.algorithm == "baum-welch"
    for utterance, grid, graph in zip(archive.utterances, archive.grids, graphs, strict=True):
        needed = graph.skeleton.shortest_duration or 0
        if grid.n_frames < needed:
            reason = f"the transcript needs at least {needed} frames, found {grid.n_frames}"
            skip(_skipped(utterance, reason))
        excess = schedule.excess(grid.n_frames, graph.n_states, sums=sums)
        if excess is not None:
            skip(_skipped(utterance, excess))


def _skipped(utterance: Utterance, reason: str) -> SkippedRecording:
    message = f"{utterance.path}: utterance {utterance.id!r}: {reason}"
    return SkippedRecording(utterance.path, message, (utterance.id,))


def _flat_models(
    archive: FeatureArchive,
    transcripts: Mapping[str, Sequence[str]],
    lexicon: Lexicon,
    unknown: str | None,
    options: TrainingOptions,
) -> tuple[PhoneModels, list[UtteranceGraph]]:
    """Models to begin with, of all units that the transcripts may need, and their graphs."""
    said = [
        [word if word in lexicon else str(unknown) for word in transcripts[utterance.id]]
        for utterance in archive.utterances
    ]
    used = lexicon.restricted({word for words in said for word in words})
    silence = options.silence
    flat = flat_models(
        archive,
        # Units of words that nobody says have no data; those of other words of the lexicon may.
        options.topologies_of(used.phones),
        as_config(options.features),
        silences=[unit for unit in (silence.unit, silence.short_pause) if unit is not None],
    )
    graphs = [
        compile_transcript(
            words,
            lexicon,
            flat,
            silence=silence.unit,
            silence_probability=silence.probability,
            edge_silence_probability=silence.edge_probability,
            short_pause=silence.short_pause,
        )
        for words in said
    ]
    return flat, graphs


def _provenance(
    corpus: Corpus,
    archive: FeatureArchive,
    options: TrainingOptions,
    trained: TrainingResult,
    skipped: Sequence[SkippedRecording],
) -> dict[str, Any]:
    seconds = sum(grid.duration for grid in archive.grids)
    return {
        "trained": utc_now(),
        "versions": software_versions(),
        "corpus": corpus.source,
        "corpus_digest": corpus.digest,
        "seed": options.seed,
        "schedule": options.schedule.to_dict(),
        "n_states": options.n_states,
        "unknown_words": options.unknown_words,
        "n_utterances": len(archive) - len(trained.failed),
        "n_speakers": len({u.speaker for u in archive.utterances if u.speaker is not None}),
        "n_frames": archive.n_frames,
        "n_constant_frames": archive.n_constant,
        "seconds": round(float(seconds), 3),
        "n_skipped": len(skipped),
        "skipped": [found.to_dict() for found in skipped[:1000]],
        "occupancy": [round(float(value), 3) for value in trained.occupancy],
        "history": [
            {
                "log_likelihood": None if np.isnan(h.log_likelihood) else h.log_likelihood,
                "n_gaussians": h.n_gaussians,
                "n_failed": h.n_failed,
            }
            for h in trained.history
        ],
    }


def modelled_words(lexicon: Lexicon, models: PhoneModels) -> Lexicon:
    """Keep the words, and the ways to say them, that the models can say.

    Training makes models of the units that its transcripts need; a lexicon of the whole language
    may have more.
    """
    known = set(models.units)
    kept = {
        word: tuple(way for way in lexicon[word] if known.issuperset(way.phones))
        for word in lexicon
    }
    return Lexicon({word: ways for word, ways in kept.items() if ways}, lexicon.source)
