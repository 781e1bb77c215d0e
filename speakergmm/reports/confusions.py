"""Speakers who are confused or hard to recognise: the rows of the tables of the report."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics import ClosedSetIdentification, Scores, SpeakerClusters, speaker_clusters


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionTable:
    """The part of a confusion matrix with the most errors.

    Attributes
    ----------
    names : tuple of str
        Speakers, the most often confused first.
    counts : array of int, shape (S, S)
        Tests by true speaker (rows) and chosen speaker (columns).
    others : array of int, shape (S,)
        Tests of the speaker of each row that were identified as speakers outside the table.
    n_confused : int
        Number of speakers involved in any error.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    others: NDArray[np.int64]
    n_confused: int


@dataclass(frozen=True, slots=True)
class FalseAcceptance:
    """The nontarget trials of a model and a test speaker that reach a threshold.

    Attributes
    ----------
    model, speaker : str
        The model and the test speaker (the name of the speaker's own model, or of the recording).
    accepted, n_trials : int
        Number of trials with ``score >= threshold``, and of all trials.
    """

    model: str
    speaker: str
    accepted: int
    n_trials: int


@dataclass(frozen=True, slots=True)
class SpeakerErrors:
    """The errors of one kind of a speaker.

    Attributes
    ----------
    speaker : str
        Name of a model of the speaker or, without one, of a recording.
    errors, n_trials : int
        Number of errors, and of trials of their kind.
    """

    speaker: str
    errors: int
    n_trials: int


@dataclass(frozen=True, slots=True)
class Menagerie:
    """Speakers with the most errors, by the names of Doddington and others [1]_.

    Attributes
    ----------
    goats : tuple of SpeakerErrors
        Speakers who are hard to accept: misses of their target trials.
    lambs : tuple of SpeakerErrors
        Speakers who are easy to imitate: false alarms of their models.
    wolves : tuple of SpeakerErrors
        Speakers who imitate well: false alarms of their recordings.

    References
    ----------
    .. [1] Doddington, Liggett, Martin, Przybocki, Reynolds, "Sheep, Goats, Lambs and Wolves: A
       Statistical Analysis of Speaker Performance in the NIST 1998 Speaker Recognition
       Evaluation", ICSLP 1998.
    """

    goats: tuple[SpeakerErrors, ...]
    lambs: tuple[SpeakerErrors, ...]
    wolves: tuple[SpeakerErrors, ...]


def most_confused(
    identification: ClosedSetIdentification, *, n_speakers: int = 12
) -> ConfusionTable:
    """Return the confusion matrix of the speakers with the most identification errors.

    Parameters
    ----------
    identification : ClosedSetIdentification
        The identification; a confusion counts for the true speaker and for the chosen one.
    n_speakers : int, default=12
        Largest number of entries.

    Returns
    -------
    ConfusionTable
        The table, without rows of speakers without errors.
    """
    names = identification.model_names
    wrong = identification.true != identification.chosen
    errors = np.bincount(identification.true[wrong], minlength=len(names))
    errors = errors + np.bincount(identification.chosen[wrong], minlength=len(names))
    # Equal counts keep the order of the names.
    shown = np.argsort(-errors, kind="stable")[:n_speakers]
    shown = shown[errors[shown] > 0]
    place = np.full(len(names), len(shown))
    place[shown] = np.arange(len(shown))
    size = len(shown) + 1
    flat = place[identification.true] * size + place[identification.chosen]
    counts = np.bincount(flat, minlength=size * size).reshape(size, size)
    return ConfusionTable(
        names=tuple(names[index] for index in shown),
        counts=counts[:-1, :-1],
        others=counts[:-1, -1],
        n_confused=int((errors > 0).sum()),
    )


def most_falsely_accepted(
    scores: Scores, *, threshold: float, n_pairs: int = 10
) -> tuple[FalseAcceptance, ...]:
    """Return the pairs of model and test speaker with the most false alarms.

    Parameters
    ----------
    scores : Scores
        Labelled trials.
    threshold : float
        Trials with ``score >= threshold`` are accepted.
    n_pairs : int, default=10
        Largest number of entries.

    Returns
    -------
    tuple of FalseAcceptance
        Pairs in the order of false alarms, then of their share, then of names.
    """
    clusters = speaker_clusters(scores)
    rows = np.flatnonzero(scores.is_nontarget)
    speaker = clusters.paths[scores.path_index[rows]]
    pairs = scores.model_index[rows].astype(np.int64) * clusters.n_speakers + speaker
    distinct, place = np.unique(pairs, return_inverse=True)
    trials = np.bincount(place, minlength=len(distinct))
    accepted = np.bincount(place[scores.scores[rows] >= threshold], minlength=len(distinct))
    best = np.lexsort((distinct, -accepted / trials, -accepted))[:n_pairs]
    names = _speaker_names(scores, clusters)
    return tuple(
        FalseAcceptance(
            scores.model_names[distinct[pair] // clusters.n_speakers],
            names[distinct[pair] % clusters.n_speakers],
            int(accepted[pair]),
            int(trials[pair]),
        )
        for pair in best
        if accepted[pair]
    )


def find_menagerie(scores: Scores, *, threshold: float, n_speakers: int = 10) -> Menagerie:
    """Return the speakers with the most misses and with the most false alarms.

    Parameters
    ----------
    scores : Scores
        Labelled trials.
    threshold : float
        Trials with ``score >= threshold`` are accepted.
    n_speakers : int, default=10
        Largest number of entries of each kind.

    Returns
    -------
    Menagerie
        Speakers in the order of errors, then of their share, then of names; none without errors.
    """
    clusters = speaker_clusters(scores)
    names = _speaker_names(scores, clusters)
    accepted = scores.scores >= threshold
    model = clusters.models[scores.model_index]
    path = clusters.paths[scores.path_index]

    def worst(
        speaker: NDArray[np.int64], rows: NDArray[np.bool_], wrong: NDArray[np.bool_]
    ) -> tuple[SpeakerErrors, ...]:
        trials = np.bincount(speaker[rows], minlength=len(names))
        errors = np.bincount(speaker[rows & wrong], minlength=len(names))
        found = np.flatnonzero(errors).tolist()
        found.sort(key=lambda each: (-errors[each], trials[each], names[each]))
        return tuple(
            SpeakerErrors(names[each], int(errors[each]), int(trials[each]))
            for each in found[:n_speakers]
        )

    return Menagerie(
        goats=worst(path, scores.is_target, ~accepted),
        lambs=worst(model, scores.is_nontarget, accepted),
        wolves=worst(path, scores.is_nontarget, accepted),
    )


def _speaker_names(scores: Scores, clusters: SpeakerClusters) -> list[str]:
    names = [""] * clusters.n_speakers
    owned = (scores.path_names, clusters.paths), (scores.model_names, clusters.models)
    for known, members in owned:
        # Backwards, so that the first name remains; names of models replace those of recordings.
        for name, member in zip(reversed(known), members[::-1].tolist(), strict=True):
            names[member] = name
    return names
