"""Scorers of the speakers of a store, read from the terms that it keeps of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speakergmm.speakers.backends import Terms, unpack_terms
from speakergmm.speakers.integrity import read_large_values
from speakergmm.speakers.normalised_scorer import NormalisedScorer
from speakergmm.speakers.store_schema import SpeakerRow
from speakergmm.speakers.system import SpeakerSystem
from speakergmm.speakers.values import StoreFile


class StoredScorers:
    """Scorers of the speakers of a store; models that are in memory are not read again.

    Parameters
    ----------
    system : SpeakerSystem
        The system of the store.
    """

    def __init__(self, system: SpeakerSystem) -> None:
        self._system = system
        self._generation: int | None = None
        self._digests: dict[str, int] = {}
        self._scorer: NormalisedScorer | None = None

    def of_all(self, file: StoreFile) -> NormalisedScorer:
        """Return a scorer of all speakers in the present state of the store."""
        generation = file.value("SELECT value FROM meta WHERE key = 'generation'")
        if self._scorer is None or self._generation != generation:
            rows = list(SpeakerRow.read(file))
            self._scorer = self.of_rows(file, rows)
            self._generation = generation
            self._digests = {row.model_sha256: place for place, row in enumerate(rows)}
        return self._scorer

    def of_rows(self, file: StoreFile, rows: Sequence[SpeakerRow]) -> NormalisedScorer:
        """Return a scorer of the speakers in some rows.

        Raises
        ------
        ModelFormatError
            If a model is damaged.
        """
        shapes = self._system.backend.term_shapes
        terms: Terms = tuple(np.empty((len(rows), *shape), np.float32) for shape in shapes)
        unread: dict[int, tuple[str, str]] = {}
        places: dict[int, int] = {}
        for place, row in enumerate(rows):
            if self._scorer is not None and row.model_sha256 in self._digests:
                known = self._scorer.terms(self._digests[row.model_sha256])
                for each, value in zip(terms, known, strict=True):
                    each[place] = value
                continue
            unread[row.id] = row.model_sha256, f"the model of {row.name!r}"
            places[row.id] = place
        for number, packed in read_large_values(file, "models", unread):
            if not unpack_terms(packed, tuple(each[places[number], ...] for each in terms)):
                raise file.damaged(f"{unread[number][1]} has another size")
        return self._system.scorer(tuple(row.name for row in rows), terms)

    def forget(self) -> None:
        """Drop the models in memory, such as that of a speaker who is removed."""
        self._generation, self._digests, self._scorer = None, {}, None
