"""The speech that models are trained on: always a feature store, given or temporary.

Training reads the frames of a store block by block and holds none of them. A corpus is extracted to
a temporary store first, so that the same frames lead to the same model to the last bit, whichever
of the two was given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from speakergmm.corpora import Corpus, CorpusLike, as_corpus
from speakergmm.corpora.augmentation import AS_RECORDED, AugmentationOptions
from speakergmm.engine import Engine
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import (
    ExtractionOptions,
    FeatureConfig,
    Features,
    FeatureStore,
    as_feature_config,
    as_feature_store,
    check_same_features,
    temporary_store,
)
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext, SkippedRecording, Skips

DEFAULT_FEATURES = "speaker"
"""Features of a corpus for which none are given."""


class SpeechOfCorpus:
    """The frames of speech of a corpus in a feature store.

    Parameters
    ----------
    corpus : Corpus
        What was asked for.
    store : FeatureStore
        The utterances that can be used.
    augmentation : AugmentationOptions, optional
        Conditions in which each of them is used; None for as they are.
    skipped : sequence of SkippedRecording
        The others.
    """

    def __init__(
        self,
        corpus: Corpus,
        store: FeatureStore,
        augmentation: AugmentationOptions | None = None,
        skipped: tuple[SkippedRecording, ...] = (),
    ) -> None:
        self.corpus = corpus
        self.store = store
        self.augmentation = augmentation
        self.skipped = skipped

    def facts(self) -> dict[str, Any]:
        """Return a description of the data for the provenance of a model."""
        grid = self.store.config.grid(0)
        pieces = [piece for shard in self.store.speech.shards for piece in shard.pieces]
        return {
            "corpus": self.corpus.source,
            "corpus_sha256": self.corpus.digest,
            "frames_sha256": self._frames_sha256(),
            "n_speakers": len(self.store.speakers),
            "n_utterances": len({row.recorded_id for row in self.store.rows}),
            "n_frames": self.store.n_speech_frames,
            "speech_seconds": round(
                sum((grid.seconds(piece.n_speech) for piece in pieces), 0.0), 3
            ),
            "n_skipped": len(self.skipped),
        }

    def _frames_sha256(self) -> str:
        """Return the SHA-256 of shapes, types and values of the speech of all utterances."""
        total = hashlib.sha256()
        for shard in self.store.speech.shards:
            for frames in shard.utterances():
                total.update(f"{frames.shape}{frames.dtype.str}".encode())
                total.update(np.ascontiguousarray(frames).data)
        return total.hexdigest()


@contextmanager
def speech_of(
    corpus: CorpusLike | FeatureStore,
    features: Any,
    *,
    augmentation: AugmentationOptions | None = None,
    engine: Engine,
    run: RunContext,
) -> Iterator[SpeechOfCorpus]:
    """Open the speech of a feature store, or extract that of a corpus to a temporary store.

    Parameters
    ----------
    corpus : FeatureStore, Corpus, path, or list of recordings
    features : FeatureConfig, str, path or None
        By default those of the store, or `DEFAULT_FEATURES` for a corpus.
    augmentation : AugmentationOptions, optional
        Conditions in each of which every recording is used, `AS_RECORDED` for none but itself. By
        default those of the store or, of a corpus, `DEFAULT_CONDITIONS` if the features weigh
        frames by their signal-to-noise ratio: weights alone do not make up for another device.
    engine, run
        As for `speakergmm.features.temporary_store`.

    Raises
    ------
    IncompatibleModelError
        If the store was made with other features, or has other versions of the recordings; the
        message names the differences.
    InsufficientDataError
        If no recording can be used.
    """
    store = as_feature_store(corpus)
    if store is not None:
        if features is not None:
            check_same_features(store.config, as_feature_config(features), what=f"{store.path}")
        _check_augmentation(store, augmentation)
        yield SpeechOfCorpus(store.corpus, store, store.augmentation)
        return
    listed = _recordings(corpus)
    config = as_feature_config(DEFAULT_FEATURES if features is None else features)
    augmentation = versions_of_training(augmentation, config)
    skips = Skips(run.on_skip)
    extraction = ExtractionOptions(features=config, augmentation=augmentation)
    with ExitStack() as leaving:
        told = replace(run, on_skip=skips)
        try:
            store = leaving.enter_context(
                temporary_store(listed.utterances, extraction, engine=engine, run=told)
            )
        except InsufficientDataError:
            if run.strict and listed.utterances:
                raise
            first = f"; the first one: {skips.found[0].message}" if skips.found else ""
            raise InsufficientDataError(
                f"{listed.source}: none of its {len(listed)} recordings can be used{first}"
            ) from None
        yield SpeechOfCorpus(listed, store, augmentation, tuple(skips.found))


def versions_of_training(
    wanted: AugmentationOptions | None, config: FeatureConfig
) -> AugmentationOptions | None:
    """Return the conditions in which the recordings of a corpus are used; None for as they are.

    If nothing is asked for, those of `AugmentationOptions` for features that weigh frames by their
    signal-to-noise ratio: they are meant for other devices and rooms, and weights alone do not
    make up for them.
    """
    if wanted is None:
        return None if config.frame_weights == "none" else AugmentationOptions()
    return None if wanted.conditions == AS_RECORDED.conditions else wanted


def _check_augmentation(store: FeatureStore, wanted: AugmentationOptions | None) -> None:
    """Raise an error if a store has other versions of its recordings than those asked for."""
    found = store.augmentation
    if wanted is not None and wanted.talkers is not None:
        raise InvalidInputError(
            f"{store.path}: the versions of its recordings are made already; give talkers with a "
            "corpus"
        )
    if wanted is None or (
        wanted.conditions == AS_RECORDED.conditions
        if found is None
        else found.seed == wanted.seed and set(found.conditions) == set(wanted.conditions)
    ):
        return
    has = "as they are" if found is None else f"in {', '.join(found.conditions)}, seed {found.seed}"
    raise IncompatibleModelError(
        f"{store.path}: has its recordings {has}, not in {', '.join(wanted.conditions)}, seed "
        f"{wanted.seed}; extract with these conditions (speakergmm extract --augment), or leave "
        "them out to use what it has"
    )


def _recordings(corpus: Any) -> Corpus:
    first = corpus[0] if isinstance(corpus, list | tuple) and corpus else corpus
    if isinstance(first, np.ndarray | Features):
        way = "; frames are what speakergmm.fit_mixture takes"
        raise wrong_type(first, "a Corpus, its path or a list of recordings", way)
    return as_corpus(corpus)
