"""Probability that an aligned word was said, by logistic regression on its alignment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.decoding.segments import Alignment, Segment
from speakergmm.ranges import number

EVIDENCE = ("mean", "by_root", "total", "worst_phone", "log_frames", "logit_posterior")
"""Names of the evidence of an aligned word; see `word_evidence`."""

# Assumed share of wrong words: confidences are calibrated for one wrong word in twenty.
_PRIOR = 0.05
_CLIPPED = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class WordConfidence:
    """Logistic regression from the alignment of a word to the probability that it was said.

    Parameters
    ----------
    weights : array, shape (7,)
        Weights of `EVIDENCE`, then the constant: the logit is the weighted sum.
    prior : float
        Share of wrong words for which the probabilities are calibrated.
    n_right, n_wrong : int
        Numbers of right and wrong words that it was fitted on.
    version : int, default=1
        Version of the evidence.
    evidence : tuple of str
        Names of the evidence that is weighted: `EVIDENCE`.

    Raises
    ------
    InvalidInputError
        If the weights have another shape or are not finite, the prior lies outside 0..1, or version
        or evidence differ from these.
    """

    weights: NDArray[np.float64]
    prior: float
    n_right: int
    n_wrong: int
    version: int = 1
    evidence: tuple[str, ...] = EVIDENCE

    def __post_init__(self) -> None:
        """Raise an error if the weights do not fit the evidence."""
        object.__setattr__(self, "weights", np.asarray(self.weights, np.float64))
        if self.weights.shape != (len(EVIDENCE) + 1,) or not np.isfinite(self.weights).all():
            raise InvalidInputError(
                f"confidence needs {len(EVIDENCE) + 1} finite weights, found shape "
                f"{self.weights.shape}"
            )
        number("prior", self.prior, above=0, below=1)
        if self.version != 1 or self.evidence != EVIDENCE:
            raise InvalidInputError(
                f"its word confidence is of version {self.version!r}; this speakergmm reads "
                "version 1, a newer one may read it"
            )

    @classmethod
    def fit(
        cls, evidence: NDArray[np.float64], right: NDArray[np.bool_], *, prior: float = _PRIOR
    ) -> Self:
        """Fit weights by logistic regression with a weak ridge penalty.

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
        from sklearn.linear_model import LogisticRegression

        centre, scale = evidence.mean(axis=0), evidence.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        share = right.mean()
        importance = np.where(right, (1.0 - prior) / share, prior / (1.0 - share))
        # The penalty is half the sum of squared weights, without the constant.
        found = LogisticRegression(C=1.0, tol=1e-8, max_iter=10_000)
        found.fit((evidence - centre) / scale, right, sample_weight=importance)
        weights = found.coef_[0] / scale
        n_right = int(np.count_nonzero(right))
        constant = found.intercept_[0] - weights @ centre
        return cls(np.append(weights, constant), prior, n_right, len(right) - n_right)

    def probabilities(self, alignment: Alignment) -> NDArray[np.float64]:
        """Return the confidence (n_words,) of each word; NaN without posteriors or goodness."""
        logits = word_evidence(alignment) @ self.weights[:-1] + self.weights[-1]
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0))))

    def applied(self, alignment: Alignment) -> Alignment:
        """Return the alignment with a confidence for each of its words."""
        sure = self.probabilities(alignment).tolist()
        words = zip(alignment.words, sure, strict=True)
        return replace(alignment, words=tuple(w._replace(confidence=p) for w, p in words))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the weights, as JSON can hold it."""
        facts = {"prior": self.prior, "n_right": self.n_right, "n_wrong": self.n_wrong}
        return {"version": self.version, "evidence": list(self.evidence), **facts}


def word_evidence(alignment: Alignment) -> NDArray[np.float64]:
    """Return the evidence for each word of an alignment.

    Parameters
    ----------
    alignment : Alignment
        An alignment with posteriors and goodness.

    Returns
    -------
    array, shape (n_words, 6)
        Sum over the n frames of the word of the log-likelihood ratio to the best state of all
        models, divided by n, by the root of n, and undivided: with independent frames the sum would
        count, with equal frames the mean. Then the mean over its worst phone, the logarithm of n,
        and the logit of the mean posterior of its phones, clipped to 0.01..0.99.
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
