"""Fitting of word confidences on utterances with some words exchanged for others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.hmm.decoding.decoding_options import AlignmentOptions
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.training.phone_training import train_phone_models
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.recognition.alignment_task import AlignmentTask
from speakergmm.recognition.feature_archive import FeatureArchive, NormalisedFeatures
from speakergmm.recognition.transcript_graphs import CompilesTranscripts
from speakergmm.recognition.word_confidence import EVIDENCE, WordConfidence, word_evidence

Array = NDArray[np.float64]

_EXCHANGED = 0.1
# Parts of the utterances that are held out in turn.
_N_FOLDS = 4
# Limits: passes over the utterances, words aligned, and words exchanged.
_MOST_PASSES = 10
_MOST_WORDS = 5000
_ENOUGH = 400
# Smallest number of wrong words to fit on.
_LEAST = 5


def fit_confidence(
    model: CompilesTranscripts,
    frames: FeatureArchive,
    transcripts: Mapping[str, Sequence[str]],
    *,
    schedule: TrainingSchedule | None = None,
    seed: int = 0,
    engine: EngineLike = None,
) -> WordConfidence | None:
    """Fit confidences on utterances of which some words are exchanged for others.

    One word in ten is exchanged for a word drawn from all words of the transcripts, so that neither
    its length nor its frequency gives it away. If there are few utterances, they are aligned
    several times, with other words exchanged.

    Parameters
    ----------
    model : AcousticModel
    frames : FeatureArchive
        Features that the model was trained on, normalised as for the model.
    transcripts : mapping of str to sequence of str
        Words by utterance.
    schedule : TrainingSchedule, optional
        Floors, and the memory that one utterance may take.
    seed : int, default=0
        Seed of the choice of words and speakers.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done. It changes nothing but the time.

    Returns
    -------
    WordConfidence or None
        None if there are too few words to exchange, or no words to exchange them for.

    Notes
    -----
    Training data fit a model better than other data do. A quarter of the speakers is therefore
    aligned with models that were estimated again without them, by one iteration of Viterbi
    training. Further quarters follow until 400 words have been exchanged. With fewer than four
    speakers none can be held out: their speech is aligned with models that were estimated again on
    it with the exchanged words, as from transcripts with such errors. The confidences then hold for
    that speech; right words of other speech get too low ones.
    """
    usable = _usable(model, frames, transcripts)
    pool = [word for said in usable for word in said.words if word != model.unknown]
    if not pool:
        return None
    engine, rng = Engine.of(engine), np.random.default_rng(seed)
    folds = _folds([frames.utterances[said.place] for said in usable], rng)

    def aligner(trained_on: Sequence[_Said]) -> AlignmentTask:
        models = _estimated_on(model, frames, trained_on, schedule, engine)
        return AlignmentTask(models, AlignmentOptions(), goodness=True)

    aligners: dict[int, AlignmentTask] = {}
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
            # The model is trained on the wrong words, too.
            aligners[number] = aligner(chosen)
        apply = engine.map if engine.sends else engine.map_threads
        items = [(model.texts([s.words]), frames.part(s.place, s.place + 1)) for s in chosen]
        for said, found in zip(chosen, apply(_Evidence(aligners[number]), items), strict=True):
            if found is not None:
                rows, wrong = np.vstack([rows, found]), np.append(wrong, said.wrong)
    kept = np.isfinite(rows).all(axis=1)
    rows, wrong = rows[kept], wrong[kept]
    if min(wrong.sum(), (~wrong).sum()) < _LEAST:
        return None
    return WordConfidence.fit(rows, ~wrong)


@dataclass(frozen=True, slots=True)
class _Said:
    """The words of an utterance, some of which are exchanged."""

    place: int
    words: tuple[str, ...]
    wrong: tuple[bool, ...] = ()


def _usable(
    model: CompilesTranscripts, frames: FeatureArchive, transcripts: Mapping[str, Sequence[str]]
) -> list[_Said]:
    """Return the utterances with transcripts whose words are all in the lexicon."""
    said = [
        _Said(place, model.known_words(transcripts[utterance.id]))
        for place, utterance in enumerate(frames.utterances)
        if utterance.id in transcripts
    ]
    return [each for each in said if each.words and set(each.words) <= set(model.lexicon)]


def _folds(utterances: Sequence[Utterance], rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Divide the utterances into folds by speaker; one fold if there are too few speakers."""
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
    engine: Engine,
) -> PhoneModels:
    """Estimate the models again on some utterances; unchanged if these are too few.

    A lost worker or a damaged file is an error: confidences would be others.
    """
    once = replace(
        schedule or TrainingSchedule(),
        algorithm="viterbi",
        annealing=(),
        max_iter=1,
        n_gaussians=model.models.n_gaussians,
        grow_until=0,
        acoustic_scale=1.0,
    )
    try:
        return train_phone_models(
            model.models,
            model.texts([said.words for said in others]),
            frames.select(said.place for said in others),
            schedule=once,
            engine=engine,
            flat=False,
        ).models
    except InsufficientDataError:
        return model.models


@dataclass(frozen=True, slots=True)
class _Evidence:
    """The evidence of an utterance's words; None if it cannot be aligned with them."""

    align: AlignmentTask

    def __call__(self, item: tuple[TranscriptTexts, NormalisedFeatures]) -> Array | None:
        alignment = self.align(*item)
        return None if isinstance(alignment, SpeakerGmmError) else word_evidence(alignment)


def _exchanged(
    said: _Said, pool: Sequence[str], model: CompilesTranscripts, rng: np.random.Generator
) -> _Said:
    """Exchange some words for others that are pronounced differently, and mark them."""
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
