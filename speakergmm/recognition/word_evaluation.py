"""Errors of recognising recordings of one word each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speakergmm.corpora import AnyPath, CorpusLike, as_corpus
from speakergmm.engine import EngineLike
from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Interval, ratio_interval, wilson_interval
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.decoder import Decoder
from speakergmm.recognition.word_lists import as_single_words
from speakergmm.run_context import RunContext


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """A recording of one word, and the word that was recognised.

    Parameters
    ----------
    utterance : str
    speaker : str or None
    said : str
        The word that was spoken.
    heard : str or None
        The word that was recognised; None if the recording could not be used, which counts as an
        error.
    posterior : float
        Posterior probability of the recognised word; NaN if there is none.
    """

    utterance: str
    speaker: str | None
    said: str
    heard: str | None
    posterior: float

    @property
    def is_error(self) -> bool:
        """True if another word or none was recognised."""
        return self.heard != self.said


@dataclass(frozen=True, slots=True)
class WordEvaluation:
    """Recognised words with their error rate; evaluations are pooled by ``+``.

    Parameters
    ----------
    recognised : tuple of RecognisedWord

    Examples
    --------
    >>> one = RecognisedWord("u1", "ana", "go", "go", 0.9)
    >>> two = RecognisedWord("u2", "bea", "stop", "go", 0.6)
    >>> found = WordEvaluation((one, two))
    >>> found.n_errors, found.error_rate, found.confusions
    (1, 0.5, (('stop', 'go', 1),))
    """

    recognised: tuple[RecognisedWord, ...]

    def __add__(self, other: WordEvaluation) -> WordEvaluation:
        return WordEvaluation(self.recognised + other.recognised)

    @property
    def errors(self) -> tuple[RecognisedWord, ...]:
        """The recordings that were not recognised correctly."""
        return tuple(item for item in self.recognised if item.is_error)

    @property
    def n_errors(self) -> int:
        """Number of errors."""
        return len(self.errors)

    @property
    def error_rate(self) -> float:
        """Errors per recording; NaN without recordings."""
        return self.n_errors / len(self.recognised) if self.recognised else math.nan

    @property
    def confusions(self) -> tuple[tuple[str, str, int], ...]:
        """Spoken word, recognised word (empty if none) and count; the most frequent first."""
        counts = Counter((item.said, item.heard or "") for item in self.errors)
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        return tuple((said, heard, count) for (said, heard), count in ordered)

    def by_speaker(self) -> dict[str, tuple[int, int]]:
        """Return the numbers of errors and recordings of each named speaker, sorted by name."""
        totals = Counter(item.speaker for item in self.recognised if item.speaker is not None)
        errors = Counter(item.speaker for item in self.errors)
        return {speaker: (errors[speaker], totals[speaker]) for speaker in sorted(totals)}

    def wilson_interval(self, *, confidence: float = 0.95) -> Interval:
        """Return the error rate's interval for independent recordings; see `wilson_interval`."""
        return wilson_interval(self.n_errors, len(self.recognised), confidence=confidence)

    def speaker_interval(
        self, *, confidence: float = 0.95, n_bootstrap: int = 1000, seed: int = 0
    ) -> Interval | None:
        """Return the bootstrap interval of the error rate over speakers.

        A recording without a speaker is drawn by itself. With few speakers the interval is too
        narrow; it is None with fewer than two named speakers.
        """
        named = list(self.by_speaker().values())
        if len(named) < 2:
            return None
        alone = [(item.is_error, 1) for item in self.recognised if item.speaker is None]
        errors, totals = zip(*named, *alone, strict=True)
        return ratio_interval(
            errors, totals, n_bootstrap=n_bootstrap, confidence=confidence, seed=seed
        )


def evaluate_words(
    model: AcousticModel | AnyPath,
    corpus: CorpusLike,
    words: Mapping[str, str | Sequence[str]],
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> WordEvaluation:
    """Recognise recordings of one word each and compare with the spoken words.

    Parameters
    ----------
    model : AcousticModel or path
    corpus : Corpus or path
        The recordings. If the model normalises features by speaker, all recordings of a speaker in
        it count.
    words : mapping of str to str
        The word spoken in each utterance, by its id.
    engine : int, executor, Dask client or Engine, optional
        Processes.
    run : RunContext, optional
        As `Decoder.decode` uses it.

    Raises
    ------
    InvalidInputError
        If the word of an utterance is missing.
    """
    model, corpus, words = as_model(model), as_corpus(corpus), as_single_words(words)
    missing = [u.id for u in corpus if u.id not in words]
    if missing:
        raise InvalidInputError(f"the word of utterance {missing[0]!r} is missing")
    decoder = Decoder.for_isolated_words(model)
    heard = {
        found.utterance.id: (found.words[0], found.result.best.posterior)
        for found in decoder.decode(corpus, engine=engine, run=run)
    }
    return WordEvaluation(
        tuple(
            RecognisedWord(u.id, u.speaker, words[u.id], *heard.get(u.id, (None, math.nan)))
            for u in corpus
        )
    )
