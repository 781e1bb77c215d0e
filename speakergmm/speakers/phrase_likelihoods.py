"""Likelihoods of recordings with known words, under an acoustic model and under adapted ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.hmm import (
    FailedUtterance,
    MapOptions,
    NoPathError,
    PhoneModels,
    TrainingSchedule,
    TranscriptTexts,
    UtteranceGraph,
    adapt_phone_models,
    expected_counts,
    sequence_log_likelihood,
)
from speakergmm.hmm.models import BankEvaluator
from speakergmm.recognition import NormalisedFeatures


class Unadapted(NamedTuple):
    """Likelihood and length of a recording with its words, which all models share.

    Attributes
    ----------
    log_likelihood : float
        Under the model that is not adapted: the logarithm of the sum over all paths.
    n_speech : float
        Expected number of frames of speech, all but those of silence.
    """

    log_likelihood: float
    n_speech: float


class Phrases(NamedTuple):
    """Some recordings: their words and their frames, as they travel to workers."""

    texts: TranscriptTexts
    frames: NormalisedFeatures


class EnrolledAndClaimed(NamedTuple):
    """A model that is to be enrolled, and the recordings in which it is claimed to speak."""

    enrolled: Phrases
    claimed: Phrases
    unadapted: Sequence[Unadapted]


class PhraseScores(NamedTuple):
    """Scores of the claims of a model, and which recordings of its enrolment were left out."""

    scores: NDArray[np.float64]
    failed: Sequence[FailedUtterance]


@dataclass(frozen=True, slots=True, eq=False)
class PhraseLikelihoods:
    """Log-likelihoods of recordings under models of phones or words, which are prepared once.

    Parameters
    ----------
    models : PhoneModels
    silence_pdfs : array of int
        Pdfs that are no speech.
    """

    models: PhoneModels
    silence_pdfs: NDArray[np.int32]
    _evaluator: BankEvaluator = field(init=False)

    def __post_init__(self) -> None:
        # In float64: a score is the small difference of two large numbers.
        evaluator = BankEvaluator(self.models.bank, precision="float64")
        object.__setattr__(self, "_evaluator", evaluator)

    def unadapted(self, graph: UtteranceGraph, frames: NDArray[np.float32]) -> Unadapted:
        """Return log-likelihood and frames of speech of a recording.

        Raises
        ------
        NoPathError
            If the recording is too short for its words.
        """
        emissions = self._evaluator.evaluate(frames, graph.pdfs).log_emissions
        found = expected_counts(graph.graph(self.models.transitions), emissions)
        speech = ~np.isin(graph.pdfs, self.silence_pdfs)
        return Unadapted(found.log_likelihood, float(found.pdf_posteriors[:, speech].sum()))

    def score(self, graph: UtteranceGraph, frames: NDArray[np.float32], known: Unadapted) -> float:
        """Return the log-likelihood ratio of these models to the unadapted, per frame of speech."""
        emissions = self._evaluator.evaluate(frames, graph.pdfs).log_emissions
        adapted = sequence_log_likelihood(graph.graph(self.models.transitions), emissions)
        return (adapted - known.log_likelihood) / known.n_speech


_kept: tuple[str, PhraseLikelihoods] | None = None
"""In each process: the models of its last task, of which each call may bring a copy."""


@dataclass(frozen=True, slots=True, eq=False)
class UnadaptedTask:
    """Likelihood of one recording under the model before adaptation; its error is a result."""

    models: PhoneModels
    silence_pdfs: NDArray[np.int32]
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, phrase: Phrases) -> Unadapted | SpeakerGmmError:
        """Return what all models share of a recording, or why it cannot be used."""
        frames = phrase.frames[0]
        graph = phrase.texts.compiled(0, self.models)
        # Checked before memory is allocated: one long recording must not end the work.
        if excess := TrainingSchedule().memory_excess(len(frames), graph.n_states, sums=True):
            return InsufficientDataError(excess)
        try:
            return self.likelihoods().unadapted(graph, frames)
        except NoPathError as error:
            return error

    def likelihoods(self) -> PhraseLikelihoods:
        """Return the models prepared for evaluation, once per process."""
        global _kept  # one read and one write, both atomic: several threads may call this
        kept = _kept
        if kept is None or kept[0] != self.key:
            made = PhraseLikelihoods(self.models, self.silence_pdfs)
            kept = _kept = (self.key, made)
        return kept[1]


@dataclass(frozen=True, slots=True, eq=False)
class EnrolAndScore:
    """Adaptation to the recordings of one model, and the scores of its claims.

    The adapted model is forgotten: of all models there is one at a time in each worker.
    """

    models: PhoneModels
    silence_pdfs: NDArray[np.int32]
    options: MapOptions

    def __call__(self, item: EnrolledAndClaimed) -> PhraseScores | SpeakerGmmError:
        """Return the scores of a model, or why it cannot be enrolled."""
        texts, frames = item.enrolled
        try:
            made = adapt_phone_models(
                self.models, texts, frames, self.options, silence_pdfs=self.silence_pdfs, engine=1
            )
        except InsufficientDataError as error:
            return error
        adapted = PhraseLikelihoods(made.models, self.silence_pdfs)
        claimed = item.claimed
        scores = [
            adapted.score(claimed.texts.compiled(place, self.models), claimed.frames[place], known)
            for place, known in enumerate(item.unadapted)
        ]
        return PhraseScores(np.array(scores), made.failed)
