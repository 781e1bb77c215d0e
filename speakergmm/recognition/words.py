"""Models of whole words: training on recordings of one word each, and recognition."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.given import AnyPath
from speakergmm.corpora.names import unescaped_name
from speakergmm.features.recordings import cached_extractor
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.decoding import isolated_words

if TYPE_CHECKING:
    from speakergmm.hmm.decoding.isolated import WordScore


class WordRecogniser:
    """Recognise recordings that are one word each.

    Parameters
    ----------
    model : AcousticModel or path
        Of words, as `train_word_models` gives it, or of phones with the words in its lexicon.
    words : iterable of str, or mapping of str to float, optional
        The words that may be said, with prior probabilities if they are not the same; by default
        those of the model's lexicon.
    acoustic_scale : float, default=0.1
        Power of the likelihoods in the posteriors; see `IsolatedWords.rank`. It does not change
        the order of equally probable words.
    """

    def __init__(
        self,
        model: AcousticModel | AnyPath,
        words: Sequence[str] | Mapping[str, float] | None = None,
        *,
        acoustic_scale: float = 0.1,
    ) -> None:
        self.model = as_model(model)
        self.acoustic_scale = acoustic_scale
        self._search = isolated_words(self.model, words)

    @property
    def words(self) -> tuple[str, ...]:
        """What may be said."""
        return tuple(map(unescaped_name, self._search.words))

    def recognise(
        self,
        source: str | os.PathLike[str] | NDArray[Any],
        *,
        sample_rate: int | None = None,
    ) -> tuple[WordScore, ...]:
        """Rank the words by how probable it is that the recording is one of them.

        Parameters
        ----------
        source : path, binary file, array of samples (N,), or array of features (T, D)
            A recording, which is normalised by itself; features must be normalised already.
        sample_rate : int, optional
            Of samples, in Hz; without it a warning says that the features' is taken for it.

        Returns
        -------
        tuple of WordScore
            With log-likelihoods and posteriors, the best first.

        Raises
        ------
        NoPathError
            If the recording is too short for every word.
        """
        if isinstance(source, np.ndarray) and source.ndim == 2:
            return self._rank(source)
        extractor = cached_extractor(self.model.features)
        values = extractor.extract(source, sample_rate=sample_rate).values
        return self._rank(self.model.normalisation(values.astype(np.float64)))

    def _rank(self, X: NDArray[Any]) -> tuple[WordScore, ...]:
        ranked = self._search.rank(X, acoustic_scale=self.acoustic_scale)
        return tuple(replace(score, word=unescaped_name(score.word)) for score in ranked)
