"""Training of acoustic models on recordings and their transcripts, from a flat start."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from speakergmm.checkpoints import kept_checkpoint, short_digest
from speakergmm.corpora import (
    AnyPath,
    Corpus,
    CorpusLike,
    Transcripts,
    as_corpus,
    escaped_name,
    is_path,
    read_transcripts,
)
from speakergmm.engine import Engine
from speakergmm.errors import InsufficientDataError, InvalidInputError, InvalidTypeError
from speakergmm.features import FeatureConfig, FeatureStore, FeatureTransform, FrameGrid
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.phone_training_state import TrainingResult
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.provenance import software_versions, utc_now
from speakergmm.recognition.confidence_fitting import fit_confidence
from speakergmm.recognition.corpus_preparation import (
    PreparedCorpus,
    check_prepared_alone,
    modelled_words,
    prepare,
)
from speakergmm.recognition.feature_archive import FeatureArchive, JoinedFeatures, as_normalisation
from speakergmm.recognition.flat_start import flat_models, unit_topologies
from speakergmm.recognition.language_arguments import TranscriptsLike, as_lexicon, as_transcripts
from speakergmm.recognition.silence_model import SilenceModel
from speakergmm.recognition.store_inputs import split_store, words_of_store
from speakergmm.recognition.timelines import known
from speakergmm.recognition.training_options import TrainingOptions
from speakergmm.recognition.transcript_graphs import TranscriptModels
from speakergmm.recognition.transform_stage import TransformStage
from speakergmm.recognition.triphone_stage import TriphoneStage
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.recognition.word_lists import WordCorpus, as_single_words, read_words
from speakergmm.run_context import RunContext, SkippedRecording

# What is kept of each iteration.
_HISTORY = ("log_likelihood", "n_gaussians", "n_failed")
# Options that the model itself does not hold.
_OPTIONS_KEPT = (
    "units", "n_states", "silence_states", "gaussians_per_state", "unknown_words", "seed", "stages",
)  # fmt: skip


def train_parts(
    corpus: CorpusLike | FeatureStore | WordCorpus | PreparedCorpus,
    transcripts: TranscriptsLike | None,
    lexicon: Lexicon | AnyPath | None,
    options: TrainingOptions,
    *,
    engine: Engine,
    run: RunContext,
) -> dict[str, Any]:
    """Return the fields of the `AcousticModel` that `AcousticModel.train` makes."""
    if isinstance(corpus, PreparedCorpus):
        check_prepared_alone(transcripts, lexicon)
        _check_prepared(corpus, options)
    else:
        given, store = split_store(corpus)
        if store is not None and options.units == "words" and transcripts is None:
            given = words_of_store(store)
        if store is not None and options.features is None:
            options = replace(options, features=store.config)
        collect = _words if options.units == "words" else _phones
        corpus, transcripts, lexicon = collect(given, transcripts, lexicon, options)
        corpus = prepare(
            corpus,
            transcripts,
            lexicon,
            training=options,
            store=store,
            listen=False,
            engine=engine,
        )
    _check_names(options, corpus.lexicon)
    with kept_checkpoint(run) as kept:
        return _FlatStart(corpus, options, engine, kept).train()


def _phones(
    corpus: CorpusLike | WordCorpus,
    transcripts: TranscriptsLike | None,
    lexicon: Lexicon | AnyPath | None,
    options: TrainingOptions,
) -> tuple[Corpus, Transcripts, Lexicon]:
    """Collect the material for models of phones."""
    if lexicon is None:
        raise InvalidTypeError(
            "models of phones need a lexicon, Lexicon.read(path) or Lexicon.graphemes(words); for "
            'models of whole words give units="words"'
        )
    if isinstance(corpus, WordCorpus):
        transcripts = corpus.words if transcripts is None else transcripts
        corpus = corpus.corpus
    corpus, lexicon = as_corpus(corpus), as_lexicon(lexicon)
    said = read_transcripts(corpus) if transcripts is None else as_transcripts(transcripts)
    return corpus, said, lexicon


def _words(
    corpus: CorpusLike | WordCorpus,
    transcripts: TranscriptsLike | None,
    lexicon: Lexicon | AnyPath | None,
    options: TrainingOptions,
) -> tuple[Corpus, Transcripts, Lexicon]:
    """Collect the material for models of whole words: each word is its own only unit."""
    if lexicon is not None:
        raise InvalidInputError(
            "models of whole words take no lexicon; for models of its phones give "
            'TrainingOptions.for_words(units="phones")'
        )
    if transcripts is None and is_path(corpus):
        corpus = read_words(corpus)
    if isinstance(corpus, WordCorpus):
        transcripts = corpus.words if transcripts is None else transcripts
        corpus = corpus.corpus
    corpus = as_corpus(corpus)
    found: Any = read_transcripts(corpus) if transcripts is None else transcripts
    words = {name: escaped_name(word) for name, word in as_single_words(found).items()}
    spoken = sorted({words[u.id] for u in corpus if u.id in words})
    if not spoken:
        raise InsufficientDataError("there is no recording whose word is known")
    lexicon = Lexicon.from_dict({word: [(word,)] for word in spoken})
    return corpus, as_transcripts({name: (word,) for name, word in words.items()}), lexicon


def _check_prepared(corpus: PreparedCorpus, options: TrainingOptions) -> None:
    """Raise an error if a corpus was prepared for a training of another kind."""
    lexicon = corpus.lexicon
    if lexicon is not None and options.units == "words":
        phonetic = (word for word in lexicon if any(w.phones != (word,) for w in lexicon[word]))
        if (word := next(phonetic, None)) is not None:
            raise InvalidInputError(
                f"the corpus was prepared with pronunciations of phones, such as that of {word!r}; "
                "for models of whole words give the recordings themselves"
            )
    if options.unknown_words == "map" and corpus.unknown is None:
        raise InvalidInputError(
            "the corpus was prepared without a word that others are mapped to; give "
            'prepare(..., unknown_words="map")'
        )


def _check_names(options: TrainingOptions, lexicon: Lexicon | None) -> None:
    """Raise an error if two models would have the same name."""
    units = () if lexicon is None else lexicon.phones
    silence, short_pause = options.silence.unit, options.silence.short_pause
    if short_pause is not None and short_pause in (silence, *units):
        raise InvalidInputError(
            f"the short pause is called {short_pause!r}, as another model is; rename it"
        )
    if options.units == "words" and silence in units:
        raise InvalidInputError(
            f"a word is called {silence!r}, as the model of silence is; rename one"
        )


@dataclass(frozen=True, slots=True)
class _FlatStart:
    """Training from transcribed recordings to models, without any model to begin with."""

    material: PreparedCorpus
    options: TrainingOptions
    engine: Engine
    run: RunContext

    @property
    def lexicon(self) -> Lexicon:
        """Pronunciations in units of the models."""
        if self.material.lexicon is None:
            raise InvalidInputError("the corpus was prepared without a lexicon; give it one")
        return self.material.lexicon

    def train(self) -> dict[str, Any]:
        """Train models and fit confidences; return the fields of an `AcousticModel`."""
        options, material, run = self.options, self.material, self.run
        said, lexicon = material.transcripts, self.lexicon
        skips = UtteranceSkips(run, said)
        usable = material.report(skips)
        config, silence = options.feature_config, options.silence_model
        if material.store is not None and set(options.frequency_warps) != {1.0}:
            raise InvalidInputError(
                "frequency_warps need the recordings; a feature store has features of one warp"
            )
        normalisation = as_normalisation(options.normalisation)
        with ExitStack() as stack:
            # Features of all utterances, once for each frequency warp.
            archives = [
                stack.enter_context(
                    FeatureArchive.of(
                        usable,
                        config.replace(frequency_warp=config.frequency_warp * warp),
                        normalisation,
                        store=material.store,
                        engine=self.engine,
                        run=replace(run, on_skip=skips),
                    )
                )
                for warp in options.frequency_warps
            ]
            frames = JoinedFeatures(archives)
            # Embedded training from models of all units that know nothing yet.
            start = self._flat_models(frames, config, silence)
            schedule = options.schedule_for(start.models.n_pdfs)
            trained, transform = self._train_models(frames, start, schedule, skips)
            words = modelled_words(lexicon, trained.models.units)
            # There is no model of noise if no transcript has a word outside the lexicon.
            unknown = material.unknown if material.unknown in words else None
            parts = TranscriptModels(trained.models, words, silence, unknown)
            # Confidences are fitted on the recordings as they are, or nearest to it.
            plain = archives[int(np.abs(np.log(options.frequency_warps)).argmin())]
            seen = plain if transform is None else plain.transformed(transform)
            confidence = fit_confidence(
                parts, seen, said, schedule=schedule, seed=options.seed, engine=self.engine
            )
        return {
            **vars(parts),
            "features": config,
            "normalisation": normalisation,
            "transform": transform,
            "unit_kind": "word" if options.units == "words" else "phone",
            "provenance": {
                "trained": utc_now(),
                "versions": software_versions(),
                "corpus": material.corpus.source,
                "corpus_digest": material.corpus.digest,
                "schedule": schedule.to_dict(),
                **{name: getattr(options, name) for name in _OPTIONS_KEPT},
                "frequency_warps": list(options.frequency_warps),
                **training_facts(frames, plain.grids, trained, skips.found),
            },
            "confidence": confidence,
        }

    def _flat_models(
        self, frames: JoinedFeatures, config: FeatureConfig, silence: SilenceModel
    ) -> TranscriptModels:
        """Return the models to begin with, of all units that the transcripts need."""
        lexicon, unknown = self.lexicon, self.material.unknown
        said = {word for u in frames.utterances for word in self.material.transcripts[u.id]}
        used = lexicon.restricted({word if word in lexicon else str(unknown) for word in said})
        topologies = unit_topologies(used.phones, self.options, silence)
        flat = flat_models(frames, topologies, config, silences=silence.units, engine=self.engine)
        return TranscriptModels(flat, lexicon, silence, unknown)

    def _train_models(
        self,
        frames: JoinedFeatures,
        start: TranscriptModels,
        schedule: TrainingSchedule,
        skips: UtteranceSkips,
    ) -> tuple[TrainingResult, FeatureTransform | None]:
        """Return the models of the last stage, and the transform of their features."""
        options = self.options
        run = self.run.with_facts(
            corpus=short_digest(self.material.corpus.digest),
            features=options.feature_config.to_dict(),
            normalisation=asdict(as_normalisation(options.normalisation)),
            units=options.units,
            n_states=options.n_states,
            frequency_warps=list(options.frequency_warps),
        )
        texts = start.texts([self.material.transcripts[u.id] for u in frames.utterances])
        if run.strict:
            # Training finds them as well, but reports them when it has ended.
            report_excess(frames, texts, start.models, schedule, skips)
        flat, silence = start.models, start.silence.unit
        trained = train_phone_models(
            flat,
            texts,
            frames,
            schedule=schedule,
            silence_pdfs=None if silence is None else flat.pdfs(silence),
            seed=options.seed,
            engine=self.engine,
            run=run,
        )
        trained, transform = self._later_stages(trained, texts, frames, start, schedule, run)
        for failure in trained.failed:
            skips.leave_out(frames.utterances[failure.place], failure.reason)
        return trained, transform

    def _later_stages(
        self,
        trained: TrainingResult,
        texts: TranscriptTexts,
        frames: JoinedFeatures,
        start: TranscriptModels,
        schedule: TrainingSchedule,
        run: RunContext,
    ) -> tuple[TrainingResult, FeatureTransform | None]:
        """Train the stages that follow phones; each begins with the models of the one before."""
        options, transform = self.options, None
        stages, silences = options.stages.split(","), start.silence.units
        if "tri" in stages:
            stage = TriphoneStage(options.triphones, schedule, options.seed)
            trained = stage.train(
                trained.models, texts, frames, silences=silences, engine=self.engine, run=run
            )
        if "lda-mllt" in stages:
            config = options.feature_config
            last = TransformStage(options.triphones, schedule, options.seed)
            trained, transform = last.train(
                trained.models,
                texts,
                frames,
                n_static=trained.models.n_features // (config.deltas + 1),
                silences=silences,
                engine=self.engine,
                run=run,
            )
        return trained, transform


def training_facts(
    frames: FeatureArchive | JoinedFeatures,
    grids: Sequence[FrameGrid],
    trained: TrainingResult,
    skipped: Sequence[SkippedRecording],
) -> dict[str, Any]:
    """Return what was trained on, and the course of training, as JSON can hold it.

    The grids are those of the recordings as they are, without further frequency warps.
    """
    lost = {failure.place for failure in trained.failed}
    # Utterances of which a copy with some frequency warp was trained on.
    used = {u.id: u for place, u in enumerate(frames.utterances) if place not in lost}
    speakers = sorted({u.speaker for u in used.values() if u.speaker is not None})
    return {
        "n_utterances": len(used),
        "n_speakers": len(speakers),
        "speakers": speakers,
        "n_frames": frames.n_frames,
        "n_constant_frames": frames.n_constant,
        "seconds": round(float(sum(grid.duration for grid in grids)), 3),
        "n_skipped": len(skipped),
        "skipped": [found.to_dict() for found in skipped[:1000]],
        "occupancy": [round(float(value), 3) for value in trained.occupancy],
        "history": [
            {name: known(getattr(step, name)) for name in _HISTORY} for step in trained.history
        ],
    }


def report_excess(
    frames: FeatureArchive | JoinedFeatures,
    texts: TranscriptTexts,
    models: PhoneModels,
    schedule: TrainingSchedule,
    skips: UtteranceSkips,
) -> None:
    """Report utterances that take more memory than the schedule allows."""
    sums = schedule.algorithm == "baum-welch"
    for place, (utterance, grid) in enumerate(zip(frames.utterances, frames.grids, strict=True)):
        graph = texts.compiled(place, models)
        if excess := schedule.memory_excess(grid.n_frames, graph.n_states, sums=sums):
            skips.leave_out(utterance, excess)
