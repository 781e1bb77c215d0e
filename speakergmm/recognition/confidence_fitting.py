"""Fitting of word confidences: utterances are aligned with some words exchanged for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import SpeakerGmmError
from speakergmm.hmm.decoding.alignment import Aligner
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.phone_training import train_embedded
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.parallel import threaded_map
from speakergmm.recognition.confidence import WordConfidence, word_evidence

if TYPE_CHECKING:
    from speakergmm.recognition.acoustic_model import AcousticModel

_EXCHANGED = 0.1
# Parts of the utterances that are held out in turn.
_N_FOLDS = 4
# Passes over the utterances, words aligned and words exchanged after which there is enough.
_MOST_PASSES = 10
_MOST_WORDS = 5000
_ENOUGH = 400
# Fewer wrong words tell nothing.
_LEAST = 5


class Frames(Protocol):
    """Features of utterances."""

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """Whose they are, in order."""

    def __getitem__(self, place: int, /) -> NDArray[np.floating[Any]]:
        """Features (T, D) of one utterance."""


def fit_confidence(
    model: AcousticModel,
    frames: Frames,
    transcripts: Mapping[str, Sequence[str]],
    *,
    schedule: TrainingSchedule | None = None,
    seed: int = 0,
    n_jobs: int = 1,
) -> WordConfidence | None:
    """Fit confidences on utterances of which some words are exchanged for others.

    One word of ten is exchanged, for a word drawn from all that is said in the transcripts, so
    that neither length nor frequency gives it away. Where the utterances are few they are aligned
    again, with other words exchanged.

    Parameters
    ----------
    model : AcousticModel
    frames : Frames
        What the model was trained on, normalised as the model has it, such as an archive.
    transcripts : mapping of str to sequence of str
        What is said, by utterance.
    schedule : TrainingSchedule, optional
        Floors, and the memory that an utterance may take.
    seed : int, default=0
        Of the choice.
    n_jobs : int, default=1
        Threads; changes nothing but the time.

    Returns
    -------
    WordConfidence or None
        None where there are too few words to exchange, or none to exchange them for.

    Notes
    -----
    What a model was trained on fits it better than anything else will. So a quarter of the
    speakers is aligned with models that were estimated once more, by one iteration of Viterbi
    training, without it: their parameters are sums over the others' frames. Further quarters
    follow until 400 words are exchanged. Of fewer than four speakers none can be spared: their
    speech is aligned with models estimated once more on it and the exchanged words, as they are of
    transcripts with such faults, and confidences are for that speech; elsewhere right words get
    too little.
    """
    usable = [
        (place, tuple(model.known_words(transcripts[utterance.id])))
        for place, utterance in enumerate(frames.utterances)
        if utterance.id in transcripts
    ]
    usable = [
        (place, words)
        for place, words in usable
        if words and all(word in model.lexicon for word in words)
    ]
    pool = [word for _, words in usable for word in words if word != model.unknown]
    if not pool:
        return None
    rng = np.random.default_rng(seed)
    folds = _folds([frames.utterances[place] for place, _ in usable], rng)
    work: list[_Align | None] = [None] * len(folds)
    evidence: list[NDArray[np.float64]] = []
    wrong: list[NDArray[np.bool_]] = []
    n_words = n_wrong = 0
    for number in [*range(len(folds))] * _MOST_PASSES:
        if n_wrong >= _ENOUGH or n_words >= _MOST_WORDS:
            break
        if work[number] is None and len(folds) > 1:
            held = set(folds[number])
            others = [item for where, item in enumerate(usable) if where not in held]
            models = _estimated_on(model, frames, others, schedule, n_jobs)
            work[number] = _Align(model, Aligner(models, goodness=True), frames)
        chosen = []
        for where in rng.permutation(folds[number]):
            place, words = usable[where]
            if n_words and n_words + len(words) > _MOST_WORDS:
                break
            n_words += len(words)
            chosen.append((place, *_exchanged(words, pool, model, rng)))
        if len(folds) == 1:
            # As wrong transcripts are that the model was trained on.
            told = [(place, said) for place, said, _ in chosen]
            models = _estimated_on(model, frames, told, schedule, n_jobs)
            work[number] = _Align(model, Aligner(models, goodness=True), frames)
        align = work[number]
        assert align is not None
        found = threaded_map(align, [(place, said) for place, said, _ in chosen], n_jobs=n_jobs)
        for rows, (_, _, is_wrong) in zip(found, chosen, strict=True):
            if rows is not None:
                evidence.append(rows)
                wrong.append(is_wrong)
                n_wrong += int(is_wrong.sum())
    if n_wrong < _LEAST:
        return None
    rows, labels = np.concatenate(evidence), np.concatenate(wrong)
    kept = np.isfinite(rows).all(axis=1)
    rows, labels = rows[kept], labels[kept]
    n_wrong = int(labels.sum())
    if min(n_wrong, len(labels) - n_wrong) < _LEAST:
        return None
    return WordConfidence.fit(rows, ~labels)


def _folds(utterances: Sequence[Utterance], rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Share out places of utterances by speakers; all are one part where these are too few."""
    groups = [u.speaker if u.speaker is not None else u.id for u in utterances]
    if len({u.speaker for u in utterances} - {None}) < _N_FOLDS:
        return [np.arange(len(utterances))]
    names = sorted(set(groups))
    order = rng.permutation(len(names))
    fold_of = {names[number]: rank % _N_FOLDS for rank, number in enumerate(order)}
    members = np.array([fold_of[group] for group in groups])
    return [np.flatnonzero(members == fold) for fold in range(_N_FOLDS)]


def _estimated_on(
    model: AcousticModel,
    frames: Frames,
    others: Sequence[tuple[int, tuple[str, ...]]],
    schedule: TrainingSchedule | None,
    n_jobs: int,
) -> PhoneModels:
    """Estimate the models once more, on these alone; as they are where that can't be."""
    once = replace(
        schedule or TrainingSchedule(),
        algorithm="viterbi",
        annealing=(),
        n_iterations=1,
        n_gaussians=model.models.n_components,
        grow_until=0,
        acoustic_scale=1.0,
    )
    try:
        return train_embedded(
            model.models,
            [model.compile(words) for _, words in others],
            _Part(frames, [place for place, _ in others]),
            schedule=once,
            n_jobs=n_jobs,
            flat=False,
        ).models
    except SpeakerGmmError:
        return model.models


@dataclass(frozen=True, slots=True)
class _Part:
    """Frames of some of the utterances."""

    frames: Frames
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int, /) -> NDArray[np.floating[Any]]:
        return self.frames[self.places[number]]


@dataclass(frozen=True, slots=True)
class _Align:
    """What a thread does with one utterance."""

    model: AcousticModel
    aligner: Aligner
    frames: Frames

    def __call__(self, task: tuple[int, tuple[str, ...]]) -> NDArray[np.float64] | None:
        place, words = task
        try:
            alignment = self.aligner.align(self.model.compile(words), self.frames[place])
        except SpeakerGmmError:
            # Longer words than the recording has room for, or a recording too long to align.
            return None
        return word_evidence(alignment)


def _exchanged(
    words: tuple[str, ...], pool: Sequence[str], model: AcousticModel, rng: np.random.Generator
) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Exchange some words for others that are not pronounced alike; say which."""
    result = list(words)
    is_wrong = rng.random(len(words)) < _EXCHANGED
    for place in np.flatnonzero(is_wrong):
        ways = {way.phones for way in model.lexicon[words[place]]}
        others = (pool[number] for number in rng.integers(len(pool), size=20))
        other = next(
            (w for w in others if ways.isdisjoint(way.phones for way in model.lexicon[w])), None
        )
        if other is None or words[place] == model.unknown:
            is_wrong[place] = False
        else:
            result[place] = other
    return tuple(result), is_wrong
