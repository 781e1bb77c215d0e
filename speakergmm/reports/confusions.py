"""Who is taken for whom: the rows of the report's confusion tables."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics import ClosedSetIdentification, Scores, SpeakerClusters, speaker_clusters


@dataclass(frozen=True, slots=True, eq=False)
class ConfusionTable:
    """Part of the confusion matrix: the speakers with the most errors.

    Attributes
    ----------
    names : tuple of str
        Speakers, the most confused first.
    counts : array of int, shape (S, S)
        Tests by true speaker (rows) and chosen speaker (columns).
    others : array of int, shape (S,)
        Tests of each row's speaker that went to speakers not shown.
    n_confused : int
        Speakers involved in any error.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    others: NDArray[np.int64]
    n_confused: int


@dataclass(frozen=True, slots=True)
class FalseAcceptance:
    """Nontarget trials of one model and one test speaker that reach a threshold.

    Attributes
    ----------
    model, speaker : str
        The model, and who spoke (by the name of the speaker's own model, or the recording's name).
    accepted, n_trials : int
        Trials with ``score >= threshold``, and all.
    """

    model: str
    speaker: str
    accepted: int
    n_trials: int


def most_confused(
    identification: ClosedSetIdentification, *, n_speakers: int = 12
) -> ConfusionTable:
    """Pick the speakers with the most identification errors.

    Parameters
    ----------
    identification : ClosedSetIdentification
        Its confusions are counted for both speakers, the true one and the chosen one.
    n_speakers : int, default=12
        At most this many.

    Returns
    -------
    ConfusionTable
        Without rows where there is no error.
    """
    names = identification.model_names
    wrong = identification.true != identification.chosen
    errors = np.bincount(identification.true[wrong], minlength=len(names))
    errors = errors + np.bincount(identification.chosen[wrong], minlength=len(names))
    # A stable sort: equal counts stay in the order of the names.
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
    """List the pairs of model and test speaker with the most false alarms.

    Parameters
    ----------
    scores : Scores
        Labelled trials.
    threshold : float
        Accept when ``score >= threshold``.
    n_pairs : int, default=10
        At most this many.

    Returns
    -------
    tuple of FalseAcceptance
        The most false alarms first, then the greater share, then by name.
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


def _speaker_names(scores: Scores, clusters: SpeakerClusters) -> list[str]:
    names = [""] * clusters.n_speakers
    owned = (scores.path_names, clusters.paths), (scores.model_names, clusters.models)
    for known, members in owned:
        # From the last to the first: the first name in order remains, and models' names win.
        for name, member in zip(reversed(known), members[::-1].tolist(), strict=True):
            names[member] = name
    return names
