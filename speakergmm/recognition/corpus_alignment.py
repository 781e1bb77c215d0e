"""Aligning recordings with their transcripts; those that can't be are named and left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speakergmm.audio import probe
from speakergmm.corpora import AnyPath, CorpusLike, Utterance, as_utterances
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.hmm.decoding.forced_alignment import Aligner
from speakergmm.parallel import threaded_map
from speakergmm.ranges import choice
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.aligned_utterance import AlignedUtterance, Edges
from speakergmm.recognition.feature_archive import FeatureArchive
from speakergmm.recognition.language_arguments import as_transcripts
from speakergmm.recognition.loudness import MeasureRecording, loud_frames
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.recognition.word_confidence import WordConfidence
from speakergmm.run_context import OnSkip
from speakergmm.words import words_of

__all__ = ["AlignedUtterance", "align_recording", "align_recordings"]


def align_recordings(
    model: AcousticModel | AnyPath,
    utterances: CorpusLike,
    transcripts: Mapping[str, Sequence[str] | str] | AnyPath,
    *,
    beam: float | None = None,
    retry_beam: float | None = None,
    confidences: bool = True,
    goodness: bool = False,
    loudness: bool = False,
    edges: Edges = "expected",
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    description: str | None = None,
) -> Iterator[AlignedUtterance]:
    """Align recordings with their transcripts.

    Parameters
    ----------
    model : AcousticModel or path
    utterances : Corpus, path, or iterable of Utterance or path
        Such as a corpus, or where it lies. Where the model's features are normalised by speaker,
        all of a speaker's utterances should be among them.
    transcripts : mapping of str to sequence of str, or path
        Words by utterance id, or where they are written.
    beam, retry_beam
        See `speakergmm.hmm.decoding.forced_alignment.Aligner`. By default no path is given up.
    confidences : bool, default=True
        Compute posteriors: how sure it is where words, phones and states lie. Where the model can
        tell (`AcousticModel.confidence`), also the confidence of each word: how probable it is
        that it was said. A wrong word has a posterior as high as a right one.
    goodness : bool, default=False
        Compute `Segment.goodness`; confidences need it, and bring it along.
    loudness : bool, default=False
        Find out which frames are loud and whether there is any speech, which takes another look
        at each recording.
    edges : {"expected", "path"}
        See `AlignedUtterance`.
    n_jobs : int, default=1
        Processes that extract features and threads that align; changes nothing but the time.
    strict : bool, default=False
        Raise an error because of the first utterance that can't be aligned.
    on_skip : callable, optional
        Called with each `SkippedRecording`; by default a warning is issued.
    description : str, optional
        Text of a progress bar while features are extracted; one of the alignment follows it.

    Yields
    ------
    AlignedUtterance
        In order, without those that were skipped: no transcript, an unknown word, too short a
        recording, a recording that can't be read.

    Raises
    ------
    InsufficientDataError
        If no utterance can be used; with `strict`, for the first that can't.
    """
    choice("edges", edges, ("expected", "path"))
    model = as_model(model)
    aligner = Aligner(
        model.models,
        beam=beam,
        retry_beam=retry_beam,
        confidences=confidences,
        # Confidences rest on it.
        goodness=goodness or (confidences and model.confidence is not None),
    )
    said = as_transcripts(transcripts)
    work = _Work(model, aligner, said, loudness, edges, model.confidence if confidences else None)
    skips = UtteranceSkips(on_skip, said, strict=strict)
    return _aligned(work, as_utterances(utterances), skips, n_jobs, strict, description)


def _aligned(
    work: _Work,
    utterances: tuple[Utterance, ...],
    skips: UtteranceSkips,
    n_jobs: int,
    strict: bool,
    description: str | None,
) -> Iterator[AlignedUtterance]:
    model = work.model
    usable = skips.usable(utterances, model.lexicon, unknown=model.unknown)
    with model.extract(
        usable, n_jobs=n_jobs, strict=strict, on_skip=skips, description=description
    ) as archive:
        aligned = threaded_map(
            lambda place: work.align(archive, place),
            range(len(archive)),
            n_jobs=n_jobs,
            description=description and "alignment",
        )
        for place, result in enumerate(aligned):
            if isinstance(result, SpeakerGmmError):
                skips.leave_out(archive.utterances[place], str(result))
            else:
                yield result


def align_recording(
    model: AcousticModel | AnyPath,
    utterance: Utterance | AnyPath,
    words: Sequence[str] | str,
    **options: Any,
) -> AlignedUtterance:
    """Align one recording; see `align_recordings`, whose `strict` this always is."""
    utterances = as_utterances(utterance)
    if len(utterances) != 1:
        raise InvalidInputError(
            f"got {len(utterances)} utterances where one is wanted; align_recordings takes several"
        )
    recording = utterances[0]
    transcripts = {recording.id: words_of(words)}
    return next(align_recordings(model, [recording], transcripts, strict=True, **options))


@dataclass(frozen=True, slots=True)
class _Work:
    """What a thread does with one utterance: its refusal is a result, which ends no other."""

    model: AcousticModel
    aligner: Aligner
    transcripts: Mapping[str, Sequence[str]]
    loudness: bool
    edges: Edges
    confidence: WordConfidence | None

    def align(self, archive: FeatureArchive, place: int) -> AlignedUtterance | SpeakerGmmError:
        utterance = archive.utterances[place]
        words = tuple(self.transcripts[utterance.id])
        try:
            alignment = self.aligner.align(self.model.compile(words), archive[place])
            if self.confidence is not None:
                alignment = self.confidence.applied(alignment)
            loud = has_speech = None
            if self.loudness:
                loud = loud_frames(utterance, self.model.features)
                has_speech = MeasureRecording(self.model.features, listen=True)(
                    utterance
                ).has_speech
            grid, duration = archive.grids[place], probe(utterance.path).duration
            return AlignedUtterance(
                utterance, words, alignment, grid, duration, self.edges, loud, has_speech
            )
        except SpeakerGmmError as error:
            return error
