"""Detection of wrong words by confidences, measured on words that were exchanged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from material import Material
from numpy.typing import NDArray

from speakergmm.corpora import Corpus
from speakergmm.hmm import Lexicon
from speakergmm.metrics import draw_multiplicities, percentile_interval
from speakergmm.recognition import AcousticModel, align_recordings

BINS = 10


@dataclass(frozen=True)
class JudgedWords:
    """Aligned words with their confidences, and whether they are wrong.

    All arrays have shape (N,); `speaker` counts from 0.
    """

    wrong: NDArray[np.bool_]
    speaker: NDArray[np.int64]
    confidence: NDArray[np.float64]
    goodness: NDArray[np.float64]
    posterior: NDArray[np.float64]


def exchange_words(
    said: Mapping[str, Sequence[str]], lexicon: Lexicon, *, count: int, seed: int
) -> tuple[dict[str, tuple[str, ...]], set[tuple[str, int]]]:
    """Exchange words for others that are said elsewhere and not pronounced alike.

    They are drawn by how often they are said: drawn from the lexicon they would be longer than
    those that are right, and length alone would give them away.
    """
    rng = np.random.default_rng(seed)
    result = {name: list(words) for name, words in said.items()}
    places = [(name, place) for name, words in said.items() for place in range(len(words))]
    pool = [word for words in said.values() for word in words]
    wrong = set()
    for number in rng.permutation(len(places)):
        name, place = places[number]
        ways = {way.phones for way in lexicon[result[name][place]]}
        for choice in rng.integers(len(pool), size=100):
            if ways.isdisjoint(way.phones for way in lexicon[pool[choice]]):
                result[name][place] = pool[choice]
                wrong.add((name, place))
                break
        if len(wrong) == count:
            break
    return {name: tuple(words) for name, words in result.items()}, wrong


def judge_words(
    model: AcousticModel,
    material: Material,
    corpus: Corpus,
    *,
    count: int,
    seed: int,
    jobs: int = 1,
) -> JudgedWords:
    """Align a corpus with some words exchanged."""
    said, wrong = exchange_words(material.said(corpus), material.lexicon, count=count, seed=seed)
    speakers = material.speakers(corpus)
    numbers = {name: number for number, name in enumerate(sorted(set(speakers.values())))}
    rows = []
    for item in align_recordings(
        model.with_lexicon(material.lexicon), corpus, said, goodness=True, engine=jobs
    ):
        name = item.utterance.id
        rows += [
            (
                (name, place) in wrong,
                numbers[speakers[name]],
                word.confidence,
                word.goodness,
                word.posterior,
            )
            for place, word in enumerate(item.alignment.words)
        ]
    columns = np.array(rows, np.float64).T
    return JudgedWords(columns[0] > 0, columns[1].astype(np.int64), *columns[2:])


def area(right: NDArray[np.float64], wrong: NDArray[np.bool_], w: NDArray[np.float64]) -> float:
    """Area under the ROC: how often a right word has more than a wrong one; ties count half."""
    order = np.argsort(right, kind="stable")
    values, weight = right[order], w[order]
    is_wrong = wrong[order]
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf))
    of_wrong = np.add.reduceat(weight * is_wrong, starts)
    of_right = np.add.reduceat(weight * ~is_wrong, starts)
    below = np.cumsum(of_wrong) - of_wrong / 2
    pairs = of_right.sum() * of_wrong.sum()
    return float(of_right @ below / pairs) if pairs else np.nan


def calibration_error(
    confidence: NDArray[np.float64], wrong: NDArray[np.bool_], w: NDArray[np.float64]
) -> float:
    """Return the mean distance, in bins, of confidence and the share of words that are right."""
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, w * (confidence - ~wrong), BINS)
    return float(np.abs(gaps).sum() / w.sum())


def with_interval(
    judged: JudgedWords, figure: Callable[[NDArray[np.float64]], float], *, n_bootstrap: int = 1000
) -> tuple[float, str]:
    """Return a figure of weights of words, and its interval over speakers."""
    drawn = draw_multiplicities(int(judged.speaker.max()) + 1, n_bootstrap=n_bootstrap, seed=0)
    found = np.array([figure(weights[judged.speaker].astype(np.float64)) for weights in drawn])
    between = percentile_interval(found)
    value = figure(np.ones(len(judged.wrong)))
    return value, "-" if between is None else f"{between.low:.3f} to {between.high:.3f}"
