"""Alignment of recordings with their transcripts; those that cannot be aligned are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from speakergmm.corpora import (
    AnyPath,
    Corpus,
    CorpusLike,
    Transcripts,
    Utterance,
    as_corpus,
    as_utterances,
)
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.features import FeatureConfig, FeatureStore, FrameGrid
from speakergmm.hmm.decoding.forced_alignment import Alignment
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.aligned_utterance import AlignedUtterance
from speakergmm.recognition.alignment_options import RecordingAlignmentOptions
from speakergmm.recognition.alignment_task import AlignmentTask
from speakergmm.recognition.corpus_preparation import (
    PreparedCorpus,
    check_prepared_alone,
    prepare,
)
from speakergmm.recognition.feature_archive import (
    FeatureArchive,
    NormalisedFeatures,
    adaptation_group,
)
from speakergmm.recognition.language_arguments import TranscriptsLike, as_transcripts
from speakergmm.recognition.loudness import MeasureRecording, RecordingMeasurement, loud_frames
from speakergmm.recognition.store_inputs import recording_seconds, split_store
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.recognition.word_confidence import WordConfidence
from speakergmm.run_context import RunContext, SkippedRecording
from speakergmm.words import words_of

__all__ = ["AlignedUtterance", "align_recording", "align_recordings"]


def align_recordings(
    model: AcousticModel | AnyPath,
    utterances: CorpusLike | FeatureStore | PreparedCorpus,
    transcripts: TranscriptsLike | None = None,
    options: RecordingAlignmentOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> Iterator[AlignedUtterance]:
    """Align recordings with their transcripts.

    Parameters
    ----------
    model : AcousticModel or path
    utterances : Corpus, path, or iterable of Utterance or path
        The recordings, or where they are. If the model's features are normalised by speaker, all
        utterances of a speaker should be among them. A `PreparedCorpus` brings its transcripts and
        its lexicon along, a `FeatureStore` the features; of its recordings only loudness needs
        those that are still there.
    transcripts : mapping of str to sequence of str, or path, optional
        The words spoken in each utterance, by its id; by default those that belong to the corpus.
    options : RecordingAlignmentOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Number of workers: processes that extract features and threads that align. It changes
        nothing but the time.
    run : RunContext, optional
        Uses `strict`, `on_skip` and `progress`.
    **changes
        Options by name, in place of those of `options`: ``edges="path"``.

    Yields
    ------
    AlignedUtterance
        In order, without the utterances that were left out; see `prepare` for the reasons.

    Raises
    ------
    InsufficientDataError
        If no utterance can be used; with `run.strict`, for the first that cannot.
    """
    options = RecordingAlignmentOptions.of(options, changes)
    model = as_model(model)
    if isinstance(utterances, PreparedCorpus):
        check_prepared_alone(transcripts)
        material: PreparedCorpus | _Material = utterances
    else:
        given, store = split_store(utterances)
        said = None if transcripts is None else as_transcripts(transcripts)
        material = _Material(as_corpus(given, strict=False), said, store)
    return _aligned(model, material, options, Engine.of(engine), RunContext.checked(run))


def _aligned(
    model: AcousticModel,
    material: PreparedCorpus | _Material,
    options: RecordingAlignmentOptions,
    engine: Engine,
    run: RunContext,
) -> Iterator[AlignedUtterance]:
    # Leave out the utterances that cannot be aligned.
    if isinstance(material, _Material):
        prepared = prepare(
            material.corpus,
            material.transcripts,
            model=model,
            store=material.store,
            listen=False,
            engine=engine,
        )
    else:
        prepared = material
    skips = UtteranceSkips(run, prepared.transcripts)
    usable = prepared.report(skips)
    model = model.with_lexicon(prepared.lexicon_for(model))
    # The confidence of a word rests on its goodness.
    goodness = options.goodness or (options.confidences and model.confidence is not None)
    task = _Task(
        AlignmentTask(model.models, options, goodness), model.features, model.confidence, options
    )
    # Extract features, then align one utterance at a time: on threads, unless workers elsewhere
    # are given.
    archive = model.extract(
        usable, store=prepared.store, engine=engine, run=replace(run, on_skip=skips)
    )
    with archive:
        apply = engine.map if engine.sends else engine.map_threads
        items = _Items(
            model, prepared, archive, *_adapted(model, archive, prepared, options, engine, run)
        )
        aligned = apply(task, items, description=run.description("alignment"))
        for utterance, result in zip(archive.utterances, aligned, strict=True):
            if isinstance(result, SpeakerGmmError):
                skips.leave_out(utterance, str(result))
            else:
                yield result


def align_recording(
    model: AcousticModel | AnyPath,
    utterance: Utterance | AnyPath,
    words: Sequence[str] | str,
    options: RecordingAlignmentOptions | None = None,
    **changes: Any,
) -> AlignedUtterance:
    """Align one recording; an error is raised if it cannot be aligned.

    Parameters
    ----------
    model : AcousticModel or path
    utterance : Utterance or path
    words : sequence of str, or str
        The words spoken in it.
    options : RecordingAlignmentOptions, optional
    **changes
        Options by name, in place of those of `options`.
    """
    utterances = as_utterances(utterance)
    if len(utterances) != 1:
        raise InvalidInputError(
            f"found {len(utterances)} utterances where one is wanted; give them to align_recordings"
        )
    recording = utterances[0]
    transcripts = {recording.id: words_of(words)}
    strict = RunContext(strict=True)
    return next(align_recordings(model, [recording], transcripts, options, run=strict, **changes))


def _adapted(
    model: AcousticModel,
    archive: FeatureArchive,
    prepared: PreparedCorpus,
    options: RecordingAlignmentOptions,
    engine: Engine,
    run: RunContext,
) -> tuple[NormalisedFeatures, dict[str, float]]:
    """Return the features with each speaker's transform, and log-determinants of these."""
    if options.speaker_transforms == "none":
        return archive, {}
    from speakergmm.recognition.speaker_transforms import estimate_speaker_transforms

    # The second pass reports what cannot be aligned.
    first = replace(run, strict=False, on_skip=_unreported)
    kind = options.speaker_transforms
    found = estimate_speaker_transforms(
        model, archive, prepared.transcripts, kind=kind, engine=engine, run=first
    )
    matrices = {name: each.matrix for name, each in found.items()}
    return archive.adapted(matrices), {n: each.log_determinant for n, each in found.items()}


def _unreported(skipped: SkippedRecording) -> None:
    """Ignore an utterance that is left out."""


@dataclass(frozen=True, slots=True)
class _Material:
    """Recordings and their transcripts, not yet prepared."""

    corpus: Corpus
    transcripts: Transcripts | None
    store: FeatureStore | None


class _Item(NamedTuple):
    """All that is needed to align one utterance."""

    utterance: Utterance
    words: tuple[str, ...]
    text: TranscriptTexts | SpeakerGmmError
    frames: NormalisedFeatures
    log_determinant: float
    grid: FrameGrid
    measured: RecordingMeasurement
    is_stored: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Items(Sequence[_Item]):
    """The items of an archive, made as they are needed."""

    model: AcousticModel
    prepared: PreparedCorpus
    archive: FeatureArchive
    frames: NormalisedFeatures
    log_determinants: dict[str, float]

    def __len__(self) -> int:
        return len(self.archive)

    def __getitem__(self, place: Any) -> Any:
        utterance = self.archive.utterances[place]
        words = tuple(self.prepared.transcripts[utterance.id])
        try:
            text: TranscriptTexts | SpeakerGmmError = self.model.texts([words])
        except SpeakerGmmError as error:
            text = error
        return _Item(
            utterance,
            words,
            text,
            self.frames.part(place, place + 1),
            self.log_determinants.get(adaptation_group(utterance), 0.0),
            self.archive.grids[place],
            self.prepared.measurements[utterance.id],
            self.prepared.store is not None,
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """The alignment of one utterance, with times; its error is a result, which ends no other."""

    align: AlignmentTask
    features: FeatureConfig
    confidence: WordConfidence | None
    options: RecordingAlignmentOptions

    def __call__(self, item: _Item) -> AlignedUtterance | SpeakerGmmError:
        if isinstance(item.text, SpeakerGmmError):
            return item.text
        alignment = self.align(item.text, item.frames)
        if isinstance(alignment, SpeakerGmmError):
            return alignment
        try:
            return self._with_times(item, alignment)
        except SpeakerGmmError as error:
            return error

    def _with_times(self, item: _Item, alignment: Alignment) -> AlignedUtterance:
        if item.log_determinant:
            alignment = alignment.of_transformed(item.log_determinant)
        if self.options.confidences and self.confidence is not None:
            alignment = self.confidence.applied(alignment)
        utterance, measured = item.utterance, item.measured
        length = measured.recording_seconds
        if item.is_stored:
            length = recording_seconds(utterance, measured)
        loud = has_speech = None
        # A store may have outlived its recordings.
        if self.options.loudness and (not item.is_stored or utterance.path.exists()):
            loud = loud_frames(utterance, self.features)
            has_speech = measured.has_speech
            if has_speech is None:
                has_speech = MeasureRecording(self.features, listen=True)(utterance).has_speech
        edges = self.options.edges
        return AlignedUtterance(
            utterance, item.words, alignment, item.grid, length, edges, loud, has_speech
        )
