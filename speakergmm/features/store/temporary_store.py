"""A feature store that lives as long as the work on it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from speakergmm.corpora import Utterance
from speakergmm.engine import EngineLike
from speakergmm.features.store.extraction_options import ExtractionOptions
from speakergmm.features.store.feature_store import FeatureStore
from speakergmm.features.store.shard_files import forget_removed
from speakergmm.features.store.store_extraction import extract_utterances
from speakergmm.files import UnwritableFileError
from speakergmm.run_context import RunContext
from speakergmm.temporaries import new_private_folder, temporary_sibling

# Dead temporary stores of this name are removed by the next one.
_NAME = "speakergmm-features"


@contextmanager
def temporary_store(
    utterances: Sequence[Utterance],
    options: ExtractionOptions,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> Iterator[FeatureStore]:
    """Extract the features of utterances into a store that is removed at the end.

    It lies in the system's folder of temporary files (the environment's TMPDIR), and only its owner
    can read it. Should this process be killed, the next temporary store removes what it left.

    Parameters
    ----------
    utterances : sequence of Utterance
        They need not be a corpus: ids and recordings may repeat.
    options : ExtractionOptions
    engine : int, executor, Dask client or Engine, optional
        Where the work is done. Workers on other machines must see the folder.
    run : RunContext, optional
        Uses `strict`, `on_skip` and `progress`.

    Yields
    ------
    FeatureStore

    Raises
    ------
    InsufficientDataError
        If no recording can be used.
    SpeakerGmmError
        If the store cannot be written.
    """
    target = Path(tempfile.gettempdir(), _NAME)
    try:
        with temporary_sibling(target, new_private_folder) as (folder, _):
            try:
                store = extract_utterances(utterances, folder, options, engine=engine, run=run)
            except UnwritableFileError as error:
                raise UnwritableFileError(
                    f"{error}; features are kept there while they are used: make room, or set "
                    "TMPDIR to another folder"
                ) from None
            yield store
    finally:
        forget_removed()
