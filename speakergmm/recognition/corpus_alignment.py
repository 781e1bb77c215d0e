"""Alignment of recordings with their transcripts; those that cannot be aligned are reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from speakergmm.hmm.decoding.forced_alignment import Aligner
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.aligned_utterance import AlignedUtterance
from speakergmm.recognition.alignment_options import RecordingAlignmentOptions
from speakergmm.recognition.corpus_preparation import (
    PreparedCorpus,
    check_prepared_alone,
    modelled_words,
    prepare,
)
from speakergmm.recognition.feature_archive import FeatureArchive
from speakergmm.recognition.language_arguments import TranscriptsLike, as_transcripts
from speakergmm.recognition.loudness import MeasureRecording, RecordingMeasurement, loud_frames
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.run_context import RunContext
from speakergmm.words import words_of

__all__ = ["AlignedUtterance", "align_recording", "align_recordings"]


def align_recordings(
    model: AcousticModel | AnyPath,
    utterances: CorpusLike | PreparedCorpus,
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
        its lexicon along.
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
        corpus = as_corpus(utterances, strict=False)
        material = _Material(corpus, None if transcripts is None else as_transcripts(transcripts))
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
            material.corpus, material.transcripts, model=model, listen=False, engine=engine
        )
    else:
        prepared = material
    skips = UtteranceSkips(run, prepared.transcripts)
    usable = prepared.report(skips)
    if prepared.lexicon is not None and prepared.lexicon is not model.lexicon:
        # A corpus that was prepared for training may have words of units that no one says.
        model = model.with_lexicon(modelled_words(prepared.lexicon, model.models.units))
    work = _Work(model, _aligner(model, options), prepared, options)
    # Extract features, then align one utterance at a time on threads.
    with model.extract(usable, engine=engine, run=replace(run, on_skip=skips)) as archive:
        aligned = engine.map_threads(
            lambda place: work.align(archive, place),
            range(len(archive)),
            description=run.description("alignment"),
        )
        for place, result in enumerate(aligned):
            if isinstance(result, SpeakerGmmError):
                skips.leave_out(archive.utterances[place], str(result))
            else:
                yield result


def _aligner(model: AcousticModel, options: RecordingAlignmentOptions) -> Aligner:
    return Aligner(
        model.models,
        options,
        # The confidence of a word rests on its goodness.
        goodness=options.goodness or (options.confidences and model.confidence is not None),
    )


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


@dataclass(frozen=True, slots=True)
class _Material:
    """Recordings and their transcripts, not yet prepared."""

    corpus: Corpus
    transcripts: Transcripts | None


@dataclass(frozen=True, slots=True)
class _Work:
    """The alignment of one utterance on a thread; its error is a result, which ends no other."""

    model: AcousticModel
    aligner: Aligner
    prepared: PreparedCorpus
    options: RecordingAlignmentOptions

    def align(self, archive: FeatureArchive, place: int) -> AlignedUtterance | SpeakerGmmError:
        """Align the utterance at a place of an archive."""
        utterance, confidence = archive.utterances[place], self.model.confidence
        words = tuple(self.prepared.transcripts[utterance.id])
        try:
            alignment = self.aligner.align(self.model.compile(words), archive[place])
            if self.options.confidences and confidence is not None:
                alignment = confidence.applied(alignment)
            measured: RecordingMeasurement = self.prepared.measurements[utterance.id]
            loud = has_speech = None
            if self.options.loudness:
                loud = loud_frames(utterance, self.model.features)
                has_speech = measured.has_speech
                if has_speech is None:
                    has_speech = MeasureRecording(self.model.features, listen=True)(
                        utterance
                    ).has_speech
            return AlignedUtterance(
                utterance,
                words,
                alignment,
                archive.grids[place],
                measured.recording_seconds,
                self.options.edges,
                loud,
                has_speech,
            )
        except SpeakerGmmError as error:
            return error
