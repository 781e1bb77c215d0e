"""Seed and sizes of the synthetic corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from speakergmm.corpora.synthesis.vocabulary import ENROLMENT_WORDS, LEXICON, TRIAL_WORDS
from speakergmm.options import Options, whole

_MOST = 999


def _size(default: int, help: str, *, least: int = 1, most: int = _MOST) -> Any:
    return whole(default, help, least=least, most=most)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticCorpusOptions(Options):
    """Seed and sizes of the corpus that `make_synthetic_corpus` synthesises.

    Parameters
    ----------
    seed : int, default=0
        Determines every sample. Each random choice has a random stream of its own, so more
        speakers or recordings leave the others unchanged.
    n_background, n_dev, n_eval : int, default=20, 10, 20
        Number of speakers in each group, women and men in turn; at least two in dev and eval.
    n_background_utterances : int, default=10
        Recordings per background speaker, spread over two sessions.
    n_enrolment_utterances : int, default=4
        Enrolment recordings per dev or eval speaker, all from one session.
    n_trial_utterances : int, default=10
        Trial recordings per dev or eval speaker, spread over two other sessions.
    n_background_words, n_enrolment_words, n_trial_words : int, default=5, 4, 3
        Words per recording; each takes about 0.5 s, pauses included.
    """

    seed: int = whole(0, "Seed of everything random.", least=0)
    n_background: int = _size(20, "Number of background speakers.")
    n_dev: int = _size(10, "Number of speakers of the dev part.", least=2)
    n_eval: int = _size(20, "Number of speakers of the eval part.", least=2)
    n_background_utterances: int = _size(10, "Recordings per background speaker.")
    n_enrolment_utterances: int = _size(4, "Enrolment recordings per dev or eval speaker.")
    n_trial_utterances: int = _size(10, "Trial recordings per dev or eval speaker.")
    n_background_words: int = _size(5, "Words per background recording.", most=len(LEXICON))
    n_enrolment_words: int = _size(4, "Words per enrolment recording.", most=len(ENROLMENT_WORDS))
    n_trial_words: int = _size(3, "Words per trial recording.", most=len(TRIAL_WORDS))

    def sizes(self) -> dict[str, int]:
        """Return every option but the seed, by name."""
        return {name: getattr(self, name) for name in self.declarations() if name != "seed"}
