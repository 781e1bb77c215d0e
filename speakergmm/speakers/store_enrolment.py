"""Enrolment into a store that may not exist yet, in one step."""

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from speakergmm.corpora import AnyPath
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import StoreError
from speakergmm.features import FeatureStore
from speakergmm.files import shown_path
from speakergmm.run_context import RunContext
from speakergmm.speakers import database, enrolment_sessions
from speakergmm.speakers.extraction import opened_store
from speakergmm.speakers.recording_arguments import AnyRecording, as_recordings
from speakergmm.speakers.speaker_options import AdaptationOptions, BackendName
from speakergmm.speakers.store import SpeakerStore, describe_store, speaker_name
from speakergmm.speakers.store_results import EnrolmentReport
from speakergmm.speakers.system import AnySystem, SpeakerSystem, as_system, loaded_system


def enroll_into(
    path: AnyPath,
    speaker: str,
    wavs: AnyRecording | Iterable[AnyRecording],
    *,
    sample_rate: int | None = None,
    background: AnySystem | None = None,
    relevance_factor: float | None = None,
    backend: BackendName | None = None,
    busy_timeout: float = 30.0,
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> EnrolmentReport:
    """Enrol a speaker into a store; make the store if there is none.

    A new store is written together with its first speaker: if a recording is refused, no file is
    left behind. If several programs do this at once, one of them makes the store and the others
    add to it.

    Parameters
    ----------
    path : path
        The store.
    speaker : str
        Name of the speaker.
    wavs : path, array, iterator of arrays, or iterable of paths and arrays
        Recordings of the speaker, in which nobody else speaks.
    sample_rate : int, optional
        Sampling rate in hertz of arrays and blocks, which need it.
    background : SpeakerSystem, BackgroundModel or path of either, optional
        Needed if the store is new; otherwise it must be that of the store.
    relevance_factor : float, optional
        Relevance factor of a new store, in frames; by default that of `AdaptationOptions`. It
        must be the relevance factor of the store if the store exists.
    backend : {"gmm-ubm", "linear", "ivector", "isv", "jfa", "svm"}, optional
        Back-end of a new store of a background model, by default "gmm-ubm"; a system has its own.
        It must be that of the store if the store exists.
    busy_timeout : float, default=30
        Longest wait for other programs that write to the store, in seconds.
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again. Recordings that it lacks, or has
        from another version of the file, are extracted, with a warning.
    engine : int, executor, Dask client or Engine, optional
        Where recordings are read; a number is one of worker processes. It changes nothing but the
        time.
    run : RunContext, optional
        ``progress`` is used.

    Returns
    -------
    EnrolmentReport

    Raises
    ------
    StoreError
        If there is neither a store nor a background model, the store has another relevance factor,
        the same audio is already enrolled for the speaker, or the store cannot be written.
    IncompatibleModelError
        If the store was made with another background model; the message names the differences.
    InvalidInputError
        If the name is not allowed, there is no recording, or the relevance factor is out of range.
    AudioError, InsufficientDataError
        If a recording cannot be read or contains less than 0.1 s of speech.

    Examples
    --------
    >>> background = BackgroundModel.load("ubm.safetensors")            # doctest: +SKIP
    >>> enroll_into("voices.db", "ana", "ana1.wav", background=background)  # doctest: +SKIP
    """
    engine, run = Engine.of(engine), RunContext.checked(run)
    store_path = Path(path)
    name = speaker_name(speaker)
    paths = as_recordings(wavs, "enroll", sample_rate)
    options = None
    if relevance_factor is not None:
        options = AdaptationOptions(relevance_factor=relevance_factor)

    # A new store: it is written together with its first speaker.
    collected: list[enrolment_sessions.EnrolmentSession] | None = None
    made_for = ""
    if not os.path.lexists(store_path):
        if background is None:
            raise StoreError(
                f"{shown_path(store_path)}: there is no such store; give a background model to "
                "make a new one"
            )
        database.check_place(store_path)
        system = as_system(background, options, backend)
        made_for = system.backend.digest
        collected = enrolment_sessions.collect_sessions(
            system.background,
            paths,
            second_order=system.backend.needs_second_order,
            apart=system.backend.versions_apart,
            store=opened_store(feature_store, system.background.features),
            engine=engine,
            run=run,
        )
        contents: dict[str, Any] = {"name": name, "collected": collected, "system": system}
        write = partial(enrolment_sessions.enroll_sessions, **contents)
        # If another program makes the store first, what was collected is added to that one.
        with suppress(database.StoreExistsError):
            return database.create_database(store_path, describe_store(system), write)

    # A store that exists: background model, back-end and relevance factor must be its own.
    loaded = None if background is None else loaded_system(background)
    given = loaded.background if isinstance(loaded, SpeakerSystem) else loaded
    with SpeakerStore.open(store_path, background=given, busy_timeout=busy_timeout) as store:
        if (
            isinstance(loaded, SpeakerSystem)
            and loaded.backend.digest != store.system.backend.digest
        ):
            raise StoreError(
                f"{store_path}: this store was made with another system: back-end "
                f"{store.system.backend_name}, not {loaded.backend_name}, or other options; leave "
                "the system out, or make another store"
            )
        if backend is not None:
            store.system.check_backend(backend)
        stored = store.adaptation
        if options is not None and stored.relevance_factor != options.relevance_factor:
            raise StoreError(
                f"{store_path}: the relevance factor of this store is "
                f"{stored.relevance_factor:g}, fixed when it was made, not "
                f"{options.relevance_factor:g}; leave it out, or make another store"
            )
        # Another program may have made it for a back-end that takes other statistics.
        if collected is None or store.system.backend.digest != made_for:
            return store.enroll(name, paths, feature_store=feature_store, engine=engine, run=run)
        return store.enroll_collected(name, collected)
