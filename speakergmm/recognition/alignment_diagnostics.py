"""Diagnosis of aligned utterances: wrong transcripts and bad audio, with reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.ranges import wrong_type
from speakergmm.recognition.corpus_alignment import AlignedUtterance
from speakergmm.recognition.timelines import known

# Least deviation from the corpus that makes a reason. Tails are heavy: on the training part
# of the synthetic corpus, 6 names 3 % of the good utterances and all with a wrong, missing or added
# word; 3.5 names 12 % of the good ones.
_REMARKABLE = 6.0
# Most that an indicator other than confidence adds to suspicion: to a model of digital silence,
# another silence is thousands of deviations from the usual.
_MOST = _REMARKABLE
# Seconds of speech outside words, and confidence of a word, that are reasons by themselves.
_OUTSIDE_SECONDS = 0.3
_LOW_CONFIDENCE = 0.5
# Smallest number of utterances, or of phones of a kind, from which the usual value is estimated.
_LEAST_UTTERANCES = 8
# Limits for fewer utterances: nats per frame by which other phones fit better in the whole
# utterance, and frames of one phone. With a model of 200 Gaussians trained on 100 utterances of
# LibriSpeech, 30 of those have 1.5 to 2.6 nats, 21 of other speakers 1.6 to 3.4, with the next
# utterance's transcript 5.3 to 21, and with a third of their own 2.8 to 12; their longest phone has
# 15 to 73 frames with the right words, and over 78 in half of them with a third.
_BAD_GOODNESS = 5.0
_LONG_PHONE = 100
_LEAST_PHONES = 10
# Confidences nearer to 0 or 1 than this are no surer.
_CLIPPED = 1e-6
# Indicator of a recording without speech: it is ranked before all others.
_NO_SPEECH = 100.0
# Seconds before and after a word that may be loud: its onset and its reverberation.
_MARGIN = 0.05
# Weight of each indicator in suspicion, and the largest value that counts.
_WEIGHTS = {
    **dict.fromkeys(("likelihood", "goodness", "worst_word", "silence", "duration"), (1.0, _MOST)),
    "loud_outside": (1.0, _MOST),
    "confidence": (2.0, math.inf),
    "no_speech": (1.0, math.inf),
}
_SPEECH = {None: math.nan, True: 0.0, False: _NO_SPEECH}
# Ratio of the standard deviation to the median absolute deviation, for a Gaussian.
_GAUSSIAN = 1.4826


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """Evidence from an alignment for one word.

    Parameters
    ----------
    label : str
    start : float
        Start in the recording, in seconds.
    goodness, confidence, posterior : float
        See `speakergmm.hmm.decoding.forced_alignment.Segment`.
    """

    label: str
    start: float
    goodness: float
    confidence: float
    posterior: float = math.nan


@dataclass(frozen=True, slots=True)
class UtteranceEvidence:
    """Evidence from an alignment for one utterance, small enough to be kept for a whole corpus.

    Parameters
    ----------
    utterance : str
    recording : str
    transcript : str
    seconds : float
        Length.
    log_likelihood : float
        Mean log-density of the frames of words, in nats.
    goodness : float
        Mean log-likelihood ratio per frame of the same frames, in nats; NaN if not computed.
    words : tuple of WordEvidence
    phones : tuple of (str, float, int)
        Label, number of frames, and number of the word; without silence.
    silence_misfit : float
        Largest sum over a silence of the negative log-likelihood ratio to the best state, in nats;
        NaN if not computed.
    loud_outside : float
        Seconds of loud frames more than 50 ms away from any word; NaN if loudness is unknown.
    has_speech : bool or None, default=None
        Whether there is any speech, by energy alone; None if unknown.
    """

    utterance: str
    recording: str
    transcript: str
    seconds: float
    log_likelihood: float
    goodness: float
    words: tuple[WordEvidence, ...]
    phones: tuple[tuple[str, int, int], ...]
    silence_misfit: float
    loud_outside: float
    has_speech: bool | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Suspicion that the transcript or the audio of an utterance is bad.

    Parameters
    ----------
    utterance, recording, transcript : str
    suspicion : float
        Sum over the indicators of the deviations by which each exceeds the usual, for ranking; 0 if
        all are usual. Confidence counts twice and without limit, the others up to 6.
    reasons : tuple of str
        Reasons in words, the strongest first; empty if nothing is remarkable.
    indicators : dict of str to float
        Deviations from the corpus, positive towards suspicion: ``likelihood``, ``goodness``,
        ``worst_word``, ``silence``, ``duration``, ``loud_outside``, ``confidence`` and
        ``no_speech``. NaN if unknown.
    """

    utterance: str
    recording: str
    transcript: str
    suspicion: float
    reasons: tuple[str, ...]
    indicators: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        indicators = {name: known(round(value, 3)) for name, value in self.indicators.items()}
        exact = {"suspicion": round(self.suspicion, 3), "reasons": list(self.reasons)}
        return asdict(self) | exact | {"indicators": indicators}


def gather_evidence(aligned: AlignedUtterance) -> UtteranceEvidence:
    """Extract from an alignment the evidence that `diagnose` needs.

    Parameters
    ----------
    aligned : AlignedUtterance
        An alignment with goodness and loudness; otherwise those indicators are unknown.

    Returns
    -------
    UtteranceEvidence
    """
    alignment = aligned.alignment
    inside = np.zeros(alignment.n_frames, np.bool_)
    for word in alignment.words:
        inside[word.start_frame : word.end_frame] = True
    phones = [phone for phone in alignment.phones if phone.parent is not None]
    frames = sum(phone.n_frames for phone in phones)
    goodness = sum(phone.goodness * phone.n_frames for phone in phones) / max(frames, 1)
    silences = [phone for phone in alignment.phones if phone.parent is None]
    misfit = max((-phone.goodness * phone.n_frames for phone in silences), default=0.0)
    fitting = alignment.frame_log_likelihoods[inside]
    return UtteranceEvidence(
        aligned.utterance.id,
        str(aligned.utterance.path),
        " ".join(aligned.transcript),
        aligned.end - aligned.start,
        float(fitting.mean()) if len(fitting) else math.nan,
        float(goodness),
        tuple(
            WordEvidence(word.label, time.start, word.goodness, word.confidence, word.posterior)
            for word, time in zip(alignment.words, aligned.word_labels(), strict=True)
        ),
        tuple((phone.label, phone.n_frames, int(phone.parent or 0)) for phone in phones),
        math.nan if math.isnan(goodness) else misfit,
        _loud_outside(aligned, inside),
        aligned.has_speech,
    )


def diagnose(
    evidence: Iterable[UtteranceEvidence | AlignedUtterance],
) -> tuple[Diagnosis, ...]:
    """Rank utterances by suspicion, compared with all others.

    Parameters
    ----------
    evidence : iterable of UtteranceEvidence or AlignedUtterance
        Of a corpus, such as `align_recordings` gives. With fewer than 8 utterances nothing is
        compared, and what remains are speech outside words and low confidence, phones of a second
        and more, and transcripts that fit much worse than other phones. A recording without any
        speech is always named.

        Where words have confidences these lead the ranking: a word that is surely wrong counts as
        12 deviations, and words that are less sure than others' by as many as they are. A model
        trained on a wrong transcript finds it less wrong than it is, and the less there was to
        train on the more so; among others' it still stands out. Words with posteriors alone count
        by the least sure of them.

    Returns
    -------
    tuple of Diagnosis
        The most suspicious first; of equal ones in the order given.

    Notes
    -----
    Deviations are robust: distances from the median in units of 1.4826 median absolute
    deviations. Durations are compared as logarithms, each phone with its own kind; the sum of
    an utterance's three greatest deviations beyond 2 counts, so that one odd phone in a long
    utterance says less than a stretch of them.
    """
    if not isinstance(evidence, Iterable) or isinstance(evidence, str):
        raise wrong_type(evidence, "the utterances of align_recordings(...)")
    gathered = []
    for item in evidence:
        if not isinstance(item, UtteranceEvidence | AlignedUtterance):
            raise wrong_type(item, "an aligned utterance of align_recordings(...)")
        gathered.append(item if isinstance(item, UtteranceEvidence) else gather_evidence(item))
    columns = _indicators(gathered)
    found = []
    for item, row in zip(gathered, np.transpose(list(columns.values())).tolist(), strict=True):
        values = dict(zip(columns, row, strict=True))
        suspicion = sum(
            weight * max(0.0, min(values[name], most) - 1.0)
            for name, (weight, most) in _WEIGHTS.items()
            if not math.isnan(values[name])
        )
        reasons = tuple(text for _, text in sorted(_remarks(item, values), reverse=True))
        who = item.utterance, item.recording, item.transcript
        found.append(Diagnosis(*who, suspicion, reasons, values))
    return tuple(sorted(found, key=lambda diagnosis: -diagnosis.suspicion))


def robust_deviations(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each value from the median, in robust deviations.

    Parameters
    ----------
    values : array, shape (N,)
        Values; NaN if unknown.

    Returns
    -------
    array, shape (N,)
        NaN if the value is NaN; 0 if all values are equal or fewer than 8 are known.

    Examples
    --------
    >>> robust_deviations(np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 400.0])).round(1)
    array([ -1.3,  -1. ,  -0.7,  -0.3,   0. ,   0.3,   0.7,   1. , 133.2])
    """
    known = values[~np.isnan(values)]
    result = np.where(np.isnan(values), np.nan, 0.0)
    if len(known) < _LEAST_UTTERANCES:
        return result
    middle = np.median(known)
    spread = _GAUSSIAN * np.median(np.abs(known - middle))
    if spread == 0:
        # More than half of the values are equal: take the standard deviation.
        spread = float(np.std(known))
    return np.asarray((values - middle) / spread if spread > 0 else result)


def _indicators(items: Sequence[UtteranceEvidence]) -> dict[str, NDArray[np.float64]]:
    """Return the indicators of all utterances as deviations, positive towards suspicion."""

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(item, name) for item in items], np.float64)

    def lowness(values: Any) -> NDArray[np.float64]:
        return np.maximum(-robust_deviations(np.array(values, np.float64)), 0.0)

    if len(items) < _LEAST_UTTERANCES:
        goodness = _REMARKABLE * np.maximum(-column("goodness"), 0.0) / _BAD_GOODNESS
        longest = [max((frames for _, frames, _ in item.phones), default=0) for item in items]
        duration = _REMARKABLE * np.array(longest, np.float64) / _LONG_PHONE
    else:
        goodness = lowness(column("goodness"))
        duration = _odd_durations(items)
    worst = [min((w.goodness for w in item.words), default=math.nan) for item in items]
    return {
        "likelihood": lowness(column("log_likelihood")),
        "goodness": goodness,
        "worst_word": lowness(worst),
        "silence": lowness(-column("silence_misfit")),
        "duration": duration,
        # Not against the corpus: most utterances have next to nothing outside words.
        "loud_outside": column("loud_outside") / _OUTSIDE_SECONDS * _REMARKABLE,
        "confidence": _doubts(items),
        "no_speech": np.array([_SPEECH[item.has_speech] for item in items]),
    }


def _doubts(items: Sequence[UtteranceEvidence]) -> NDArray[np.float64]:
    """Return doubts about words: expected wrong words, or lower confidence than elsewhere."""
    expected, mean_logit, least_sure = np.full((3, len(items)), np.nan)
    for place, item in enumerate(items):
        sure = np.array([word.confidence for word in item.words], np.float64)
        if len(sure) and not np.isnan(sure).any():
            expected[place] = np.sum(1.0 - sure)
            sure = np.clip(sure, _CLIPPED, 1.0 - _CLIPPED)
            mean_logit[place] = np.mean(np.log(sure / (1.0 - sure)))
        else:
            # Nearly all posteriors are near 1, where a small doubt would be many deviations.
            least_sure[place] = min((word.posterior for word in item.words), default=math.nan)
    relative = np.maximum(-robust_deviations(mean_logit), 0.0)
    absolute = np.where(np.isnan(expected), 1.0 - least_sure, expected) / (1.0 - _LOW_CONFIDENCE)
    return np.fmax(_REMARKABLE * absolute, relative)


def _odd_durations(items: Sequence[UtteranceEvidence]) -> NDArray[np.float64]:
    """Sum the three largest deviations beyond 2 of the durations of each utterance's phones."""
    by_phone: dict[str, list[float]] = {}
    for item in items:
        for label, frames, _ in item.phones:
            by_phone.setdefault(label, []).append(math.log(frames))
    usual = {label: _centre(values) for label, values in by_phone.items()}
    result = np.zeros(len(items))
    for place, item in enumerate(items):
        phones = ((math.log(frames), *usual[label]) for label, frames, _ in item.phones)
        odd = nlargest(3, (abs(length - middle) / spread for length, middle, spread in phones))
        result[place] = sum(max(0.0, value - 2.0) for value in odd)
    return result


def _centre(values: list[float]) -> tuple[float, float]:
    """Return median and robust deviation of log durations; infinite if there are too few."""
    if len(values) < _LEAST_PHONES:
        return 0.0, math.inf
    middle = float(np.median(values))
    spread = _GAUSSIAN * float(np.median(np.abs(np.array(values) - middle)))
    # Durations are whole frames: two that differ by a tenth are hardly different.
    return middle, max(spread, 0.1)


def _loud_outside(aligned: AlignedUtterance, inside: NDArray[np.bool_]) -> float:
    if aligned.loud is None:
        return math.nan
    frames = min(len(aligned.loud), len(inside))
    margin = aligned.grid.count(_MARGIN)
    near = np.convolve(inside, np.ones(2 * margin + 1), mode="same") > 0
    return aligned.grid.seconds(int(np.count_nonzero(aligned.loud[:frames] & ~near[:frames])))


def _remarks(item: UtteranceEvidence, values: dict[str, float]) -> list[tuple[float, str]]:
    """Return the reasons in words, each with its weight."""
    texts = {
        "no_speech": f"no speech found in {item.seconds:.2f} s",
        "likelihood": f"log-likelihood {item.log_likelihood:.1f} per frame is low",
        "goodness": f"other phones fit better all along ({-item.goodness:.1f} nats)",
        "silence": "a silence sounds like phones",
        "duration": "phones of unusual length",
        "loud_outside": f"{item.loud_outside:.2f} s of speech outside words",
        "confidence": "words are less sure than in other utterances",
    }
    if item.words:
        worst = min(item.words, key=lambda word: word.goodness)
        place = f"{worst.label!r} at {worst.start:.2f} s"
        texts["worst_word"] = f"{place} fits badly ({-worst.goodness:.1f} nats)"
        unsure = min(item.words, key=_sureness)
        if (sure := _sureness(unsure)) < _LOW_CONFIDENCE:
            texts["confidence"] = f"{unsure.label!r} at {unsure.start:.2f} s is unsure ({sure:.2f})"
    return [(values[name], text) for name, text in texts.items() if values[name] > _REMARKABLE]


def _sureness(word: WordEvidence) -> float:
    """Return the confidence of a word, or the posterior of its place where it has none."""
    return word.posterior if math.isnan(word.confidence) else word.confidence
