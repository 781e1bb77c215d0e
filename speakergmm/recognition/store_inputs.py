"""Feature stores in place of corpora: what training, alignment and decoding take from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from speakergmm.audio import probe
from speakergmm.corpora import Utterance
from speakergmm.errors import AudioError
from speakergmm.features import FeatureStore, as_feature_store
from speakergmm.recognition.loudness import RecordingMeasurement
from speakergmm.recognition.word_lists import WordCorpus
from speakergmm.words import split_words


def split_store(given: Any) -> tuple[Any, FeatureStore | None]:
    """Return the corpus of a feature store, given as such or by its path, and the store.

    What is no feature store is returned as it is, with None.
    """
    store = as_feature_store(given)
    return (given if store is None else store.corpus), store


def measured_by_store(store: FeatureStore) -> dict[str, RecordingMeasurement]:
    """Return the measurements of all utterances, by id, without a look at the recordings."""
    config, found = store.config, {}
    for utterance, frames in zip(store.utterances, store.utterance_frames, strict=True):
        seconds = config.grid(frames.n_frames).duration
        found[utterance.id] = RecordingMeasurement(
            config.sample_rate, seconds, utterance.start + seconds, frames.n_frames
        )
    return found


def recording_seconds(utterance: Utterance, measured: RecordingMeasurement) -> float:
    """Return the length of a recording; as far as its features reach, if it is not there."""
    try:
        return probe(utterance.path).duration
    except AudioError:
        return measured.recording_seconds


def words_of_store(store: FeatureStore) -> WordCorpus:
    """Return recordings of single words: their folders are called after the words.

    A speaker of the same name as the folder is the word, which other corpora have no name for.
    """
    words: Mapping[str, str] = {
        u.id: " ".join(split_words(u.path.parent.name)) for u in store.utterances
    }
    unnamed = tuple(
        replace(u, speaker=None) if u.speaker == u.path.parent.name else u for u in store.utterances
    )
    return WordCorpus(replace(store.corpus, utterances=unnamed), dict(words))
