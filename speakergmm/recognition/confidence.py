"""How probable it is that an aligned word was said: a logistic regression on its alignment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.hmm.alignment import Aligner
from speakergmm.hmm.segments import Alignment, Segment
from speakergmm.parallel import threaded_map

if TYPE_CHECKING:
    from speakergmm.recognition.acoustic_model import AcousticModel

EVIDENCE = ("mean", "by_root", "total", "worst_phone", "log_frames", "logit_posterior")
"""What a word's alignment is judged by; see `word_evidence`."""

_VERSION = 1
# Part of the words that is exchanged for others, and of the aligned words that is taken for wrong
# when the regression is weighted: confidences are right where one word in twenty is.
_EXCHANGED = 0.1
_PRIOR = 0.05
# Passes over the utterances, words aligned and words exchanged after which there is enough.
_MOST_PASSES = 10
_MOST_WORDS = 5000
_ENOUGH = 200
# Fewer wrong words tell nothing.
_LEAST = 5
_RIDGE = 1.0
_CLIPPED = 0.01


class Frames(Protocol):
    """Features of utterances."""

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """Whose they are, in order."""

    def __getitem__(self, place: int, /) -> NDArray[np.floating[Any]]:
        """Features (T, D) of one utterance."""


@dataclass(frozen=True, slots=True, eq=False)
class WordConfidence:
    """The regression that turns the alignment of a word into a probability that it was said.

    Parameters
    ----------
    weights : array, shape (7,)
        Of `EVIDENCE`, and the constant last: the logit is their sum.
    prior : float
        Part of the words that are wrong for which probabilities are right.
    n_right, n_wrong : int
        Words that it was fitted on.

    Raises
    ------
    InvalidInputError
        If the weights are of another shape or not finite, or the prior lies outside 0..1.
    """

    weights: NDArray[np.float64]
    prior: float
    n_right: int
    n_wrong: int

    def __post_init__(self) -> None:
        """Refuse what is no regression on this evidence."""
        object.__setattr__(self, "weights", np.asarray(self.weights, np.float64))
        if self.weights.shape != (len(EVIDENCE) + 1,) or not np.isfinite(self.weights).all():
            raise InvalidInputError(
                f"confidence needs {len(EVIDENCE) + 1} finite weights, found shape "
                f"{self.weights.shape}"
            )
        if not 0 < self.prior < 1:
            raise InvalidInputError(f"the prior of wrong words must lie in 0..1: {self.prior!r}")

    @classmethod
    def fit(
        cls, evidence: NDArray[np.float64], right: NDArray[np.bool_], *, prior: float = _PRIOR
    ) -> Self:
        """Fit weights by logistic regression with a little ridge.

        Parameters
        ----------
        evidence : array, shape (N, 6)
            Of words; see `word_evidence`. Columns are brought to a deviation of one before their
            weights are held small.
        right : array of bool, shape (N,)
            Which words were said; both kinds must be there.
        prior : float, default=0.05
            Part that the wrong words count for, however many they are.
        """
        from scipy.optimize import minimize

        centre, scale = evidence.mean(axis=0), evidence.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        inputs = np.column_stack([(evidence - centre) / scale, np.ones(len(evidence))])
        signs = np.where(right, 1.0, -1.0)
        share = right.mean()
        importance = np.where(right, (1.0 - prior) / share, prior / (1.0 - share))
        held = np.append(np.full(len(centre), _RIDGE), 0.0)

        def objective(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            margins = signs * (inputs @ weights)
            loss = importance @ np.logaddexp(0.0, -margins) + 0.5 * held @ weights**2
            slopes = -importance * signs / (1.0 + np.exp(np.clip(margins, -500.0, 500.0)))
            return float(loss), inputs.T @ slopes + held * weights

        found = minimize(objective, np.zeros(len(held)), jac=True, method="BFGS").x
        weights = found[:-1] / scale
        n_right = int(np.count_nonzero(right))
        return cls(
            np.append(weights, found[-1] - weights @ centre), prior, n_right, len(right) - n_right
        )

    def probabilities(self, alignment: Alignment) -> NDArray[np.float64]:
        """Return the confidence (n_words,) of each word; NaN without posteriors or goodness."""
        logits = word_evidence(alignment) @ self.weights[:-1] + self.weights[-1]
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0))))

    def applied(self, alignment: Alignment) -> Alignment:
        """Return the alignment with a confidence for each of its words."""
        sure = self.probabilities(alignment).tolist()
        words = tuple(
            word._replace(confidence=value)
            for word, value in zip(alignment.words, sure, strict=True)
        )
        return alignment.with_words(words)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        return {
            "version": _VERSION,
            "evidence": list(EVIDENCE),
            "prior": self.prior,
            "n_right": self.n_right,
            "n_wrong": self.n_wrong,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], weights: NDArray[Any]) -> Self:
        """Build from what `to_dict` gave and the weights, checked anew.

        Raises
        ------
        InvalidInputError
            If it is of another version or judges by other evidence.
        KeyError
            If a field is missing.
        """
        if values["version"] != _VERSION or tuple(values["evidence"]) != EVIDENCE:
            raise InvalidInputError(
                f"its word confidence is of version {values['version']!r}; this speakergmm reads "
                f"version {_VERSION}, a newer one may read it"
            )
        return cls(weights, float(values["prior"]), int(values["n_right"]), int(values["n_wrong"]))


def word_evidence(alignment: Alignment) -> NDArray[np.float64]:
    """Return what the words of an alignment are judged by.

    Parameters
    ----------
    alignment : Alignment
        With posteriors and goodness.

    Returns
    -------
    array, shape (n_words, 6)
        Sum over the word's n frames of the log-likelihood ratio to the best state of all models,
        divided by n, by its root, and by nothing: a ratio of independent frames would count whole,
        one of frames that all tell the same by its mean. The mean over its worst phone; the
        logarithm of n; and the logit of the mean posterior of its phones, held in 0.01 to 0.99.
    """
    phones: list[list[Segment]] = [[] for _ in alignment.words]
    for phone in alignment.phones:
        if phone.parent is not None:
            phones[phone.parent].append(phone)
    rows = np.empty((len(alignment.words), len(EVIDENCE)))
    for place, word in enumerate(alignment.words):
        parts = phones[place]
        posterior = sum(phone.posterior for phone in parts) / len(parts)
        posterior = float(np.clip(posterior, _CLIPPED, 1.0 - _CLIPPED))
        rows[place] = (
            word.goodness,
            word.goodness * np.sqrt(word.n_frames),
            word.goodness * word.n_frames,
            min(phone.goodness for phone in parts),
            np.log(word.n_frames),
            np.log(posterior / (1.0 - posterior)),
        )
    return rows


def fit_confidence(
    model: AcousticModel,
    frames: Frames,
    transcripts: Mapping[str, Sequence[str]],
    *,
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
        Normalised as the model has it, such as an archive.
    transcripts : mapping of str to sequence of str
        What is said, by utterance.
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
    The utterances are those that the model was trained on, whose words fit it better than others
    will: how much, is stated for one corpus in recipes/phones/RESULTS.md.
    """
    usable = [
        (place, tuple(model.known_words(transcripts[utterance.id])))
        for place, utterance in enumerate(frames.utterances)
        if utterance.id in transcripts
    ]
    usable = [(place, words) for place, words in usable if all(w in model.lexicon for w in words)]
    pool = [word for _, words in usable for word in words if word != model.unknown]
    if not pool:
        return None
    rng = np.random.default_rng(seed)
    work = _Align(model, Aligner(model.models, goodness=True), frames)
    evidence: list[NDArray[np.float64]] = []
    wrong: list[NDArray[np.bool_]] = []
    n_words = n_wrong = 0
    for _ in range(_MOST_PASSES):
        chosen = []
        for number in rng.permutation(len(usable)):
            place, words = usable[number]
            if n_words + len(words) > _MOST_WORDS and n_words:
                break
            n_words += len(words)
            chosen.append((place, *_exchanged(words, pool, model, rng)))
        found = threaded_map(work, [(place, said) for place, said, _ in chosen], n_jobs=n_jobs)
        for rows, (_, _, is_wrong) in zip(found, chosen, strict=True):
            if rows is not None:
                evidence.append(rows)
                wrong.append(is_wrong)
                n_wrong += int(is_wrong.sum())
        if n_wrong >= _ENOUGH or n_words >= _MOST_WORDS or not chosen:
            break
    if n_wrong < _LEAST:
        return None
    rows, labels = np.concatenate(evidence), np.concatenate(wrong)
    kept = np.isfinite(rows).all(axis=1)
    rows, labels = rows[kept], labels[kept]
    n_wrong = int(labels.sum())
    if min(n_wrong, len(labels) - n_wrong) < _LEAST:
        return None
    return WordConfidence.fit(rows, ~labels)


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
