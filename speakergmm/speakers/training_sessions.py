"""The sessions that back-ends learn from: statistics of recordings with their speakers."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, CorpusLike, Utterance, as_corpus, is_path
from speakergmm.corpora.augmentation import utterance_versions
from speakergmm.engine import Engine
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureStore, as_feature_store
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.extraction import opened_store
from speakergmm.speakers.statistics_archive import StatisticsArchive, collect_archive


class TrainingSessions(NamedTuple):
    """Statistics of N sessions under a background model, and their speakers.

    Parameters
    ----------
    occupancy : array of float32, shape (N, K)
    first_order : array of float32, shape (N, K, D)
        About zero.
    speakers : array of str, shape (N,)
    source : str
        Name of the corpus.
    """

    occupancy: NDArray[np.float32]
    first_order: NDArray[np.float32]
    speakers: NDArray[np.str_]
    source: str


def training_sessions(
    background: BackgroundModel,
    corpus: CorpusLike | FeatureStore,
    *,
    statistics: StatisticsArchive | AnyPath | None = None,
    feature_store: FeatureStore | AnyPath | None = None,
    engine: Engine,
    run: RunContext,
) -> TrainingSessions:
    """Collect the statistics of recordings, each a session of its speaker.

    Parameters
    ----------
    background : BackgroundModel
        If it was trained on augmented recordings, each version of a recording is a session, too.
    corpus : Corpus, FeatureStore, path of either, or list of utterances
        Recordings with speakers.
    statistics : StatisticsArchive or path, optional
        Recordings that it has are not read. An archive is not changed; a file is made if there is
        none, and completed.
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again.
    engine, run
        As for `collect_archive`.

    Raises
    ------
    InvalidInputError
        If a recording has no speaker.
    InsufficientDataError
        If no recording can be used.
    IncompatibleModelError
        If statistics or features are not those of the background model.
    """
    own_store = as_feature_store(corpus)
    given: Any = corpus if own_store is None else own_store.corpus
    listed = as_corpus(given)
    store = opened_store(feature_store if own_store is None else own_store, background.features)
    spoken = [each for each in listed.utterances if not each.version]
    for utterance in spoken:
        if utterance.speaker is None:
            raise InvalidInputError(
                f"{utterance.path}: a recording that a back-end is trained on needs a speaker"
            )
    if not spoken:
        raise InsufficientDataError(f"{listed.source}: has no recordings")
    wanted: list[Utterance] = spoken
    if background.augmentation is not None:
        wanted = utterance_versions(spoken, background.augmentation)
    archive = _collected(background, wanted, statistics, store, engine, run)
    rows = [(each.speaker, archive.found(each)) for each in wanted]
    usable = [(speaker, row) for speaker, row in rows if row is not None]
    if not usable:
        raise InsufficientDataError(f"{listed.source}: none of its recordings can be used")
    return TrainingSessions(
        np.stack([row.counts for _, row in usable]),
        np.stack([row.first_order for _, row in usable]),
        np.array([speaker for speaker, _ in usable]),
        listed.source,
    )


def _collected(
    background: BackgroundModel,
    wanted: list[Utterance],
    given: StatisticsArchive | AnyPath | None,
    store: FeatureStore | None,
    engine: Engine,
    run: RunContext,
) -> StatisticsArchive:
    """Return an archive of the recordings; the file of one is made or completed."""
    known: StatisticsArchive | None = None
    if isinstance(given, StatisticsArchive):
        known = given
    elif given is not None:
        if not is_path(given):
            raise wrong_type(given, "a statistics archive, collect_archive(ubm, list), or its path")
        known = StatisticsArchive.load(given) if os.path.lexists(given) else None
    archive = collect_archive(
        background, wanted, known=known, feature_store=store, engine=engine, run=run
    )
    if archive is not known and given is not None and not isinstance(given, StatisticsArchive):
        archive.save(given)
    return archive
