"""A transform of each speaker's features, from the words that were said or recognised."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.features import leave_out
from speakergmm.gaussians import (
    ConstrainedStatistics,
    ConstrainedTransform,
    ConstrainedTransformOptions,
    SparsePosteriors,
    estimate_constrained_transform,
)
from speakergmm.hmm.inference.algorithms import search_within, viterbi
from speakergmm.hmm.models.bank import BankEvaluator
from speakergmm.hmm.models.bank_kernels import sparse_posteriors
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.options import real, whole
from speakergmm.recognition.acoustic_adaptation import silence_pdfs
from speakergmm.recognition.feature_archive import (
    FeatureArchive,
    NormalisedFeatures,
    adaptation_group,
)
from speakergmm.recognition.transcript_graphs import CompilesTranscripts
from speakergmm.run_context import RunContext

# Posteriors of Gaussians below this are left out of the sums.
_LEAST_POSTERIOR = 1e-8


class SpeakerTransformWarning(UserWarning):
    """Speakers have too few frames for a transform of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerTransformOptions(ConstrainedTransformOptions):
    """Options of the transforms of speakers.

    Parameters
    ----------
    kind, min_frames, max_iter, tol
        See `ConstrainedTransformOptions`; frames of silence do not count.
    prior_frames : float, default=0
        Frames that a prior weighs under which the features need no transform; with some hundred,
        `min_frames` may be less.
    n_passes : int, default=1
        Alignments from which the transforms are estimated: the second one is of features that have
        the transforms of the first.
    beam : float, default=200
        Width of the beam of the alignments, in nats; without a path, all are searched.
    """

    prior_frames: float = real(0.0, "Frames that a prior without a transform weighs.", least=0)
    n_passes: int = whole(1, "Alignments from which transforms are estimated.")
    beam: float = real(200.0, "Width of the beam of alignments.", above=0)


def estimate_speaker_transforms(
    model: CompilesTranscripts,
    archive: FeatureArchive,
    transcripts: Mapping[str, Sequence[str]],
    options: SpeakerTransformOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> dict[str, ConstrainedTransform]:
    """Estimate an affine transform of each speaker's features towards a model (fMLLR).

    Parameters
    ----------
    model : AcousticModel
        Of diagonal Gaussians.
    archive : FeatureArchive
        Features of the utterances, as `AcousticModel.extract` returns them.
    transcripts : mapping of str to sequence of str
        The words of each utterance, by its id: those that were said, or that a first pass has
        recognised. Utterances without any do not count.
    options : SpeakerTransformOptions, optional
    engine : int, executor, Dask client or Engine, optional
        Where speakers are aligned.
    run : RunContext, optional
        Uses `strict`, `on_skip` and `progress`; utterances without a path are reported.
    **changes
        Options by keyword.

    Returns
    -------
    dict of str to ConstrainedTransform
        By speaker, as `adaptation_group` names them. A speaker of fewer frames than `min_frames`
        has the identity, and `is_estimated` says so. Give their matrices to
        `FeatureArchive.adapted` for a second pass; the log-likelihood of a frame of it lacks
        `log_determinant`.

    Raises
    ------
    InsufficientDataError
        If the frames of a speaker do not vary in all directions; the speaker is named.

    Warns
    -----
    SpeakerTransformWarning
        If speakers have fewer frames than `min_frames`; they are named.

    Examples
    --------
    >>> with model.extract("corpus/") as archive:                           # doctest: +SKIP
    ...     found = estimate_speaker_transforms(model, archive, transcripts)
    ...     adapted = archive.adapted({name: each.matrix for name, each in found.items()})
    """
    options = SpeakerTransformOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    groups: dict[str, list[int]] = {}
    for place, utterance in enumerate(archive.utterances):
        if transcripts.get(utterance.id):
            groups.setdefault(adaptation_group(utterance), []).append(place)
    items = [
        _Speaker(
            name,
            [archive.utterances[place] for place in places],
            [_text(model, transcripts[archive.utterances[place].id]) for place in places],
            archive.select(places),
        )
        for name, places in groups.items()
    ]
    silence = silence_pdfs(model.models, model.silence)
    task = _Task(model.models, silence, options)
    apply = engine.map if engine.sends else engine.map_threads
    found = {}
    estimated = apply(task, items, description=run.description("speaker transforms"))
    for item, (transform, failures) in zip(items, estimated, strict=True):
        for place, error in failures:
            leave_out(item.utterances[place], error, run, ())
        if isinstance(transform, SpeakerGmmError):
            raise InsufficientDataError(f"{item.name}: {transform}")
        found[item.name] = transform
    if short := [name for name, transform in found.items() if not transform.is_estimated]:
        text = (
            f"{len(short)} of {len(found)} speakers keep their features as they are, having fewer "
            f"than {options.min_frames:g} frames of speech: {', '.join(short[:5])}"
            + ", ..."
            * (len(short) > 5)
        )
        warnings.warn(text, SpeakerTransformWarning, stacklevel=2)
    return found


def _text(model: CompilesTranscripts, words: Sequence[str]) -> TranscriptTexts | SpeakerGmmError:
    try:
        return model.texts([words])
    except SpeakerGmmError as error:
        return error


class _Speaker(NamedTuple):
    """The utterances of a speaker, with their words or what is wrong with them."""

    name: str
    utterances: list[Utterance]
    texts: list[TranscriptTexts | SpeakerGmmError]
    frames: NormalisedFeatures


_Failures = list[tuple[int, SpeakerGmmError]]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """The transform of one speaker; errors are results, which end no other."""

    models: PhoneModels
    silence: NDArray[np.int32]
    options: SpeakerTransformOptions
    _logs: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_logs", self.models.transitions.log_probability())

    def __call__(
        self, speaker: _Speaker
    ) -> tuple[ConstrainedTransform | SpeakerGmmError, _Failures]:
        evaluator, prior = BankEvaluator(self.models.bank), self._prior()
        d = self.models.n_features
        unit = ConstrainedTransform(np.eye(d, d + 1), 0.0, ())
        transform, failures = unit, _Failures()
        for _ in range(self.options.n_passes):
            total, failures = ConstrainedStatistics.zeros(d), []
            for place, text in enumerate(speaker.texts):
                try:
                    if isinstance(text, SpeakerGmmError):
                        raise text
                    graph = text.compiled(0, self.models)
                    frames = speaker.frames[place]
                    posteriors = self._posteriors(evaluator, graph, frames, transform.matrix)
                except SpeakerGmmError as error:
                    failures.append((place, error))
                    continue
                # Of the frames as they were: transforms of several passes do not follow each other.
                total += ConstrainedStatistics.of(frames, posteriors, self.models.bank.gaussians)
            try:
                transform = estimate_constrained_transform(total, self.options, prior=prior)
            except SpeakerGmmError as error:
                return error, failures
        return transform, failures

    def _prior(self) -> ConstrainedStatistics | None:
        """Return statistics of speech that needs no transform: pdfs of speech count the same."""
        if not self.options.prior_frames:
            return None
        bank = self.models.bank
        of_pdf = np.ones(bank.n_pdfs)
        of_pdf[self.silence] = 0.0
        weights = bank.weights * np.repeat(of_pdf, bank.sizes)
        n_frames = self.options.prior_frames
        return ConstrainedStatistics.emitted_by(bank.gaussians, weights, n_frames)

    def _posteriors(
        self,
        evaluator: BankEvaluator,
        graph: UtteranceGraph,
        frames: NDArray[np.float32],
        matrix: NDArray[np.float64],
    ) -> SparsePosteriors:
        """Return the shares of the Gaussians of speech on the best path of transformed frames."""
        moved = (frames @ matrix[:, :-1].T + matrix[:, -1]).astype(np.float32)
        emissions = evaluator.evaluate(moved, graph.pdfs)
        with_logs = graph.graph_from_logs(self._logs)
        path = search_within(
            lambda beam: viterbi(with_logs, emissions.log_emissions, beam=beam),
            [self.options.beam, None],
        )
        columns = with_logs.pdf[path.states]
        shares = np.zeros(emissions.log_emissions.shape)
        is_speech = ~np.isin(graph.pdfs, self.silence)
        shares[np.arange(len(frames)), columns] = is_speech[columns]
        found = sparse_posteriors(
            emissions.densities,
            emissions.log_emissions,
            emissions.offsets,
            emissions.gaussians,
            shares,
            _LEAST_POSTERIOR,
        )
        return SparsePosteriors(*found, 0.0)
