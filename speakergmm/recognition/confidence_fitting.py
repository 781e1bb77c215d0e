"""Fitting of word confidences: utterances are aligned with some words exchanged for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import SpeakerGmmError
from speakergmm.hmm.decoding.forced_alignment import Aligner
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.parallel import threaded_map
from speakergmm.recognition.feature_archive import FeatureArchive
from speakergmm.recognition.transcript_graphs import CompilesTranscripts
from speakergmm.recognition.word_confidence import EVIDENCE, WordConfidence, word_evidence

_EXCHANGED = 0.1
# Parts of the utterances that are held out in turn.
_N_FOLDS = 4
# Passes over the utterances, words aligned and words exchanged after which there is enough.
_MOST_PASSES = 10
_MOST_WORDS = 5000
_ENOUGH = 400
# Fewer wrong words tell nothing.
_LEAST = 5


def fit_confidence(
    model: CompilesTranscripts,
    frames: FeatureArchive,
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
    frames : FeatureArchive
        What the model was trained on, normalised as the model has it.
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
    usable = _usable(model, frames, transcripts)
    pool = [word for said in usable for word in said.words if word != model.unknown]
    if not pool:
        return None
    rng = np.random.default_rng(seed)
    folds = _folds([frames.utterances[said.place] for said in usable], rng)

    def aligner(trained_on: Sequence[_Said]) -> Aligner:
        models = _estimated_on(model, frames, trained_on, schedule, n_jobs)
        return Aligner(models, goodness=True)

    aligners: dict[int, Aligner] = {}
    rows, wrong = np.empty((0, len(EVIDENCE))), np.empty(0, np.bool_)
    n_words = 0
    for number in [*range(len(folds))] * _MOST_PASSES:
        if wrong.sum() >= _ENOUGH or n_words >= _MOST_WORDS:
            break
        if number not in aligners and len(folds) > 1:
            held = set(folds[number])
            aligners[number] = aligner([s for n, s in enumerate(usable) if n not in held])
        chosen = []
        for said in (usable[n] for n in rng.permutation(folds[number])):
            if n_words and n_words + len(said.words) > _MOST_WORDS:
                break
            n_words += len(said.words)
            chosen.append(_exchanged(said, pool, model, rng))
        if len(folds) == 1:
            # As wrong transcripts are that the model was trained on.
            aligners[number] = aligner(chosen)
        align = partial(_evidence, model, aligners[number], frames)
        for said, found in zip(chosen, threaded_map(align, chosen, n_jobs=n_jobs), strict=True):
            if found is not None:
                rows, wrong = np.vstack([rows, found]), np.append(wrong, said.wrong)
    kept = np.isfinite(rows).all(axis=1)
    rows, wrong = rows[kept], wrong[kept]
    if min(wrong.sum(), (~wrong).sum()) < _LEAST:
        return None
    return WordConfidence.fit(rows, ~wrong)


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of an utterance, and which of them are exchanged."""

    place: int
    words: tuple[str, ...]
    wrong: tuple[bool, ...] = ()


def _usable(
    model: CompilesTranscripts, frames: FeatureArchive, transcripts: Mapping[str, Sequence[str]]
) -> list[_Said]:
    """Find utterances with transcripts, all of whose words the model can say."""
    said = [
        _Said(place, model.known_words(transcripts[utterance.id]))
        for place, utterance in enumerate(frames.utterances)
        if utterance.id in transcripts
    ]
    return [each for each in said if each.words and set(each.words) <= set(model.lexicon)]


def _folds(utterances: Sequence[Utterance], rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Share out places of utterances by speakers; all are one part where these are too few."""
    groups = [u.speaker if u.speaker is not None else u.id for u in utterances]
    if len({u.speaker for u in utterances} - {None}) < _N_FOLDS:
        return [np.arange(len(utterances))]
    names, member = np.unique(np.array(groups, object), return_inverse=True)
    fold_of = np.argsort(rng.permutation(len(names))) % _N_FOLDS
    return [np.flatnonzero(fold_of[member] == fold) for fold in range(_N_FOLDS)]


def _estimated_on(
    model: CompilesTranscripts,
    frames: FeatureArchive,
    others: Sequence[_Said],
    schedule: TrainingSchedule | None,
    n_jobs: int,
) -> PhoneModels:
    """Estimate the models once more, on these alone; as they are where that can't be."""
    once = replace(
        schedule or TrainingSchedule(),
        algorithm="viterbi",
        annealing=(),
        max_iter=1,
        n_gaussians=model.models.n_components,
        grow_until=0,
        acoustic_scale=1.0,
    )
    try:
        return train_phone_models(
            model.models,
            [model.compile(said.words) for said in others],
            _Part(frames, [said.place for said in others]),
            schedule=once,
            n_jobs=n_jobs,
            flat=False,
        ).models
    except SpeakerGmmError:
        return model.models


@dataclass(frozen=True, slots=True)
class _Part:
    """Frames of some of the utterances."""

    frames: FeatureArchive
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int, /) -> NDArray[np.floating[Any]]:
        return np.asarray(self.frames[self.places[number]])


def _evidence(
    model: CompilesTranscripts, aligner: Aligner, frames: FeatureArchive, said: _Said
) -> NDArray[np.float64] | None:
    """Align an utterance; None with longer words than it has room for, or where it is too long."""
    try:
        return word_evidence(aligner.align(model.compile(said.words), frames[said.place]))
    except SpeakerGmmError:
        return None


def _exchanged(
    said: _Said, pool: Sequence[str], model: CompilesTranscripts, rng: np.random.Generator
) -> _Said:
    """Exchange some words for others that are not pronounced alike; say which."""
    result = list(said.words)
    wrong = rng.random(len(result)) < _EXCHANGED
    for place in np.flatnonzero(wrong):
        word = result[place]
        ways = {way.phones for way in model.lexicon[word]}
        others = (pool[number] for number in rng.integers(len(pool), size=20))
        other = next(
            (w for w in others if ways.isdisjoint(way.phones for way in model.lexicon[w])), None
        )
        if other is None or word == model.unknown:
            wrong[place] = False
        else:
            result[place] = other
    return _Said(said.place, tuple(result), tuple(wrong.tolist()))
