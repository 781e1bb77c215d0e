"""Scorers of the speakers of a store, read from the terms that it keeps of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speakergmm.speakers.backends import split_terms, terms_size
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
        self._places: dict[str, int] = {}
        self._packed: NDArray[np.float32] | None = None
        self._scorer: NormalisedScorer | None = None

    def of_all(self, file: StoreFile) -> NormalisedScorer:
        """Return a scorer of all speakers in the present state of the store."""
        generation = file.value("SELECT value FROM meta WHERE key = 'generation'")
        if self._scorer is None or self._generation != generation:
            rows = list(SpeakerRow.read(file))
            packed = self._read(file, rows)
            self._scorer = self._scorer_of(rows, packed)
            self._generation, self._packed = generation, packed
            self._places = {row.model_sha256: place for place, row in enumerate(rows)}
        return self._scorer

    def of_rows(self, file: StoreFile, rows: Sequence[SpeakerRow]) -> NormalisedScorer:
        """Return a scorer of the speakers in some rows.

        Raises
        ------
        ModelFormatError
            If a model is damaged.
        """
        return self._scorer_of(rows, self._read(file, rows))

    def _scorer_of(
        self, rows: Sequence[SpeakerRow], packed: NDArray[np.float32]
    ) -> NormalisedScorer:
        terms = split_terms(packed, self._system.backend)
        return self._system.scorer(tuple(row.name for row in rows), terms)

    def _read(self, file: StoreFile, rows: Sequence[SpeakerRow]) -> NDArray[np.float32]:
        """Return the terms of the speakers in some rows, packed, shape (S, P)."""
        packed = np.empty((len(rows), terms_size(self._system.backend)), dtype="<f4")
        octets = packed.view(np.uint8)
        unread: dict[int, tuple[str, str]] = {}
        places: dict[int, int] = {}
        for place, row in enumerate(rows):
            if self._packed is not None and row.model_sha256 in self._places:
                packed[place] = self._packed[self._places[row.model_sha256]]
                continue
            unread[row.id] = row.model_sha256, f"the model of {row.name!r}"
            places[row.id] = place
        for number, model in read_large_values(file, "models", unread):
            if len(model) != octets.shape[1]:
                raise file.damaged(f"{unread[number][1]} has another size")
            octets[places[number]] = np.frombuffer(model, np.uint8)
        return packed.astype(np.float32, copy=False)

    def forget(self) -> None:
        """Drop the models in memory, such as that of a speaker who is removed."""
        self._generation, self._places, self._packed, self._scorer = None, {}, None, None
