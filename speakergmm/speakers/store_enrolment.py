"""Enrolling into a store that may not be there yet, in one step."""

import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from speakergmm.corpora import AnyPath
from speakergmm.corpora.names import check_speaker_name
from speakergmm.errors import StoreError
from speakergmm.files import shown_path
from speakergmm.speakers import database, enrolment_sessions
from speakergmm.speakers.background import AnyBackground, as_background
from speakergmm.speakers.enrolment import DEFAULT_RELEVANCE_FACTOR, AdaptationOptions
from speakergmm.speakers.store import SpeakerStore, as_paths, describe_store
from speakergmm.speakers.store_results import EnrolmentReport


def enroll_into(
    path: AnyPath,
    speaker: str,
    wavs: AnyPath | Iterable[AnyPath],
    *,
    background: AnyBackground | None = None,
    relevance_factor: float | None = None,
    n_jobs: int = 1,
    busy_timeout: float = 30.0,
    progress: bool = False,
) -> EnrolmentReport:
    """Enrol a speaker into a store; make the store if there is none.

    A new store comes into being with the speaker in it: if a recording is refused, no file is left
    behind. Of several programs that do so at once one makes the store, and the others add to it.

    Parameters
    ----------
    path : path
        The store.
    speaker : str
        The speaker's name.
    wavs : path or iterable of path
        Recordings of the speaker, and of nobody else.
    background : BackgroundModel or path, optional
        Needed if the store is new; otherwise it must be the one the store was made with.
    relevance_factor : float, optional
        Of a new store, by default 3; otherwise it must be the one the store was made with.
    n_jobs : int, default=1
        Processes that read recordings.
    busy_timeout : float, default=30
        Seconds to wait for other programs that write.
    progress : bool, default=False
        Show how many recordings have been read.

    Returns
    -------
    EnrolmentReport

    Raises
    ------
    StoreError
        If there is no store and no background model, the store has another relevance factor, the
        same audio is enrolled for the speaker already, or the store can't be written.
    IncompatibleModelError
        If the store was made with another background model; says what differs.
    InvalidInputError
        If the name isn't allowed, there is no recording, or the relevance factor is out of range.
    AudioError, InsufficientDataError
        If a recording can't be read or has less than 0.1 s of speech.

    Examples
    --------
    >>> background = BackgroundModel.load("ubm.safetensors")            # doctest: +SKIP
    >>> enroll_into("voices.db", "ana", "ana1.wav", background=background)  # doctest: +SKIP
    """
    place = Path(path)
    if background is not None:
        background = as_background(background)
    name = check_speaker_name(speaker)
    paths = as_paths(wavs, "enroll")
    settings = AdaptationOptions(
        DEFAULT_RELEVANCE_FACTOR if relevance_factor is None else relevance_factor
    )
    how: dict[str, Any] = {"n_jobs": n_jobs, "progress": progress}
    collected: list[enrolment_sessions.EnrolmentSession] | None = None
    if not os.path.lexists(place):
        if background is None:
            raise StoreError(
                f"{shown_path(place)}: no such store; give a background model to make a new one"
            )
        database.check_place(place)
        collected = enrolment_sessions.collect_sessions(background, paths, **how)
        made: dict[str, Any] = {"name": name, "collected": collected, "background": background}
        enrol = partial(enrolment_sessions.enroll_sessions, settings=settings, **made)
        # Another program may be faster; what was collected is as good for its store.
        with suppress(database.StoreExistsError):
            return database.create_database(place, describe_store(background, settings), enrol)
    with SpeakerStore.open(place, background=background, busy_timeout=busy_timeout) as store:
        found = store.settings
        if relevance_factor is not None and found.relevance_factor != settings.relevance_factor:
            raise StoreError(
                f"{place}: its relevance factor is {found.relevance_factor:g}, fixed when it was "
                f"made, not {settings.relevance_factor:g}; leave it out, or make another store"
            )
        if collected is None or found.second_order:
            return store.enroll(name, paths, **how)
        return store.enroll_collected(name, collected)
