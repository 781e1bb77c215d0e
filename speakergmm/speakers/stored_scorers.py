"""Scorers of the speakers of a store, read from the terms of likelihood ratios that it keeps."""

from collections.abc import Sequence

import numpy as np

from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.integrity import read_large
from speakergmm.speakers.ratios import unpack_ratio
from speakergmm.speakers.speaker_options import AdaptationOptions
from speakergmm.speakers.speaker_scoring import SpeakerScorer
from speakergmm.speakers.store_schema import SpeakerRow
from speakergmm.speakers.values import StoreFile


class StoredScorers:
    """Scorers of the speakers of a store; models that are in memory are not read again.

    Parameters
    ----------
    background : BackgroundModel
        The background model of the store.
    adaptation : AdaptationOptions
        Those of the store.
    """

    def __init__(self, background: BackgroundModel, adaptation: AdaptationOptions) -> None:
        self._mixture = background.mixture
        # Terms of adapted variances have slopes of squared features as well.
        self._width = self._mixture.n_features * (2 if adaptation.second_order else 1)
        self._generation: int | None = None
        self._digests: tuple[str, ...] = ()
        self._scorer: SpeakerScorer | None = None

    def of_all(self, file: StoreFile) -> SpeakerScorer:
        """Return a scorer of all speakers in the present state of the store."""
        generation = file.value("SELECT value FROM meta WHERE key = 'generation'")
        if self._scorer is None or self._generation != generation:
            rows = list(SpeakerRow.read(file))
            self._scorer = self.of_rows(file, rows)
            self._generation = generation
            self._digests = tuple(row.model_sha256 for row in rows)
        return self._scorer

    def of_rows(self, file: StoreFile, rows: Sequence[SpeakerRow]) -> SpeakerScorer:
        """Return a scorer of the speakers in some rows.

        Raises
        ------
        ModelFormatError
            If a model is damaged.
        """
        n_components = self._mixture.n_components
        slopes = np.empty((len(rows), n_components, self._width), np.float32)
        offsets = np.empty((len(rows), n_components), np.float32)
        in_memory = {digest: place for place, digest in enumerate(self._digests)}
        for place, row in enumerate(rows):
            if self._scorer is not None and row.model_sha256 in in_memory:
                slopes[place], offsets[place] = self._scorer.terms(in_memory[row.model_sha256])
                continue
            what = f"the model of {row.name!r}"
            packed = read_large(file, "models", row.id, row.model_sha256, what)
            if not unpack_ratio(packed, slopes[place], offsets[place]):
                raise file.damaged(f"{what} has another size")
        names = [row.name for row in rows]
        return SpeakerScorer.from_terms(self._mixture, names, slopes, offsets)

    def forget(self) -> None:
        """Drop the models in memory, such as that of a speaker who is removed."""
        self._generation, self._digests, self._scorer = None, (), None
