"""The speaker store: one file that holds a background model, speakers and their statistics."""

import contextlib
import hashlib
import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.names import check_speaker_name
from speakergmm.errors import (
    InvalidInputError,
    ModelFormatError,
    StoreError,
)
from speakergmm.features import FeatureConfig
from speakergmm.features.recordings import as_config, cached_extractor
from speakergmm.mixtures import MixtureStatistics
from speakergmm.provenance import software_versions, utc_now
from speakergmm.speakers import database, records, sessions
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.compatibility import check_background, check_features
from speakergmm.speakers.enrolment import (
    DEFAULT_RELEVANCE_FACTOR,
    AdaptationSettings,
    Parameter,
    SpeakerModel,
    adapt_speaker,
)
from speakergmm.speakers.extraction import check_speech
from speakergmm.speakers.results import (
    EnrolledSpeaker,
    EnrolmentReport,
    Identification,
    VerificationScore,
)
from speakergmm.speakers.scoring import DEFAULT_TOP_C, SpeakerScorer

PathLike = str | os.PathLike[str]

STORE_KIND = "speaker store"


class SpeakerStore:
    """Speakers, enrolled from recordings, in one SQLite file.

    Make one with `create` or `open`; close it with `close` or use it in a ``with`` statement.
    Whatever `enroll` and `remove` acknowledged is on disk, a kill at any moment leaves the store
    whole, and several programs may use it at once. An object belongs to the thread that made it.

    Attributes
    ----------
    path : Path
    background : BackgroundModel
        The background model the store was made with.
    settings : AdaptationSettings
        How speaker models are adapted; fixed when the store is made.

    Examples
    --------
    >>> with SpeakerStore.open("voices.db") as store:       # doctest: +SKIP
    ...     store.enroll("ana", ["ana1.wav", "ana2.wav"])
    ...     store.verify("ana", "who.wav").score
    1.374
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = connection
        self._models: dict[str, SpeakerModel] = {}
        self._scorers: dict[tuple[str, ...], SpeakerScorer] = {}
        self._generation = -1
        with self._errors():
            meta = dict(connection.execute("SELECT key, value FROM meta"))
        try:
            packed, digest = meta["background"], meta["background_digest"]
            if _hash_settings(meta["settings"], digest) != meta["settings_sha256"]:
                raise ValueError("they don't match their own hash")
            settings = json.loads(meta["settings"])
            self.settings = AdaptationSettings(
                settings["relevance_factor"], tuple(settings["parameters"])
            )
        except (KeyError, TypeError, ValueError, InvalidInputError) as error:
            raise ModelFormatError(f"{path}: damaged store (its settings: {error})") from None
        records.check_meta(meta, path)
        self._made = {"created": meta["created"], "software": records.parsed(meta["software"])}
        with self._errors():
            records.count_changes(connection, path)
        if not isinstance(packed, bytes):
            raise ModelFormatError(f"{path}: damaged store (its background model is no blob)")
        self.background = BackgroundModel.from_bytes(packed, source=os.fspath(path))
        if self.background.digest != digest:
            raise ModelFormatError(
                f"{path}: damaged store (its background model doesn't match its digest)"
            )
        if meta["erasing"]:
            # A removal was cut short after it was committed; finish it if nobody is in the way.
            self._erase()

    @classmethod
    def create(
        cls,
        path: PathLike,
        background: BackgroundModel,
        *,
        relevance_factor: float = DEFAULT_RELEVANCE_FACTOR,
        parameters: Sequence[Parameter] = ("means",),
        busy_timeout: float = 30.0,
    ) -> "SpeakerStore":
        """Make a new store.

        Parameters
        ----------
        path : path
            Must not exist.
        background : BackgroundModel
            Copied into the store.
        relevance_factor : float, default=3
            Occupancy, in frames, at which speaker and background weigh the same.
        parameters : sequence of str, default=("means",)
            What enrolment adapts, of ``"means"``, ``"weights"``, ``"variances"``.
        busy_timeout : float, default=30
            Seconds to wait for other programs that write.

        Returns
        -------
        SpeakerStore

        Raises
        ------
        StoreError
            If the file exists or can't be written.
        InvalidInputError
            If a setting is out of range.
        """
        path = Path(path)
        settings = AdaptationSettings(relevance_factor, tuple(parameters))
        database.create_database(path, describe_store(background, settings))
        return cls.open(path, busy_timeout=busy_timeout)

    @classmethod
    def open(
        cls,
        path: PathLike,
        *,
        background: BackgroundModel | None = None,
        features: FeatureConfig | str | os.PathLike[str] | None = None,
        busy_timeout: float = 30.0,
    ) -> "SpeakerStore":
        """Open a store.

        Parameters
        ----------
        path : path
        background : BackgroundModel, optional
            If given, must be the one the store was made with.
        features : FeatureConfig, str or path, optional
            If given, must be those the store was made with.
        busy_timeout : float, default=30
            Seconds to wait for other programs that write.

        Returns
        -------
        SpeakerStore

        Raises
        ------
        StoreError
            If there is no such store, or it can't be used.
        ModelFormatError
            If the file is something else, damaged, or of a newer version.
        IncompatibleModelError
            If the background model or the features are other ones; says what differs.
        """
        path = Path(path)
        wanted = None if features is None else as_config(features)
        connection = database.connect(path, busy_timeout=busy_timeout)
        try:
            store = cls(path, connection)
            if wanted is not None:
                check_features(store.background, wanted, what=os.fspath(path))
            if background is not None:
                check_background(store.background, background, what=os.fspath(path))
        except BaseException:
            connection.close()
            raise
        return store

    def close(self) -> None:
        """Close the store; closing twice does no harm."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> "SpeakerStore":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def enroll(
        self, speaker: str, wavs: PathLike | Iterable[PathLike], *, n_jobs: int = 1
    ) -> EnrolmentReport:
        """Enrol a speaker, or add recordings to one who is enrolled.

        Either all recordings are stored or, if one is refused, none.

        Parameters
        ----------
        speaker : str
            Her name.
        wavs : path or iterable of path
            Recordings of her, and of nobody else.
        n_jobs : int, default=1
            Processes that read recordings.

        Returns
        -------
        EnrolmentReport

        Raises
        ------
        InvalidInputError
            If the name isn't allowed or there is no recording.
        AudioError, InsufficientDataError
            If a recording can't be read or has less than 0.1 s of speech.
        StoreError
            If the same audio is enrolled for her already, or the store can't be written.
        """
        name = check_speaker_name(speaker)
        paths = as_paths(wavs, "enroll")
        collected = sessions.collect_sessions(
            self.background, paths, second_order=self.settings.second_order, n_jobs=n_jobs
        )
        return self.enroll_collected(name, paths, collected)

    def enroll_collected(
        self, name: str, paths: Sequence[Path], collected: Sequence[sessions.Session]
    ) -> EnrolmentReport:
        """Enrol recordings whose statistics against this background model are there already."""
        connection = self._open_connection()
        with self._errors(), database.writing(connection):
            return sessions.enroll_sessions(
                connection,
                name,
                paths,
                collected,
                background_digest=self.background.digest,
                path=self.path,
            )

    def verify(
        self,
        speaker: str,
        wav: PathLike,
        *,
        top_c: int | None = DEFAULT_TOP_C,
        threshold: float | None = None,
    ) -> VerificationScore:
        """Score the claim that a recording is of a speaker.

        Parameters
        ----------
        speaker : str
        wav : path
        top_c : int or None, default=5
            Components scored per frame; None for all.
        threshold : float, optional
            Decide yes at this score and above. There is no default: what errors a threshold
            makes must be measured on trials of one's own kind.

        Returns
        -------
        VerificationScore

        Raises
        ------
        UnknownSpeakerError
            If the store has no such speaker.
        AudioError, InsufficientDataError
            If the recording can't be read or has less than 0.1 s of speech.
        """
        name = check_speaker_name(speaker)
        limit = _checked_threshold(threshold)
        scorer = self._scorer((name,))
        scores, n_frames, seconds = self._score(scorer, [Path(wav)], top_c)
        score = float(scores[0])
        decision = None if limit is None else score >= limit
        return VerificationScore(name, score, seconds, n_frames, limit, decision)

    def identify(
        self,
        wavs: PathLike | Iterable[PathLike],
        *,
        top: int = 5,
        threshold: float | None = None,
        top_c: int | None = DEFAULT_TOP_C,
    ) -> Identification:
        """Rank the speakers by how well they explain recordings of one unknown speaker.

        Parameters
        ----------
        wavs : path or iterable of path
            Recordings of one person; their frames are pooled.
        top : int, default=5
            How many speakers to return.
        threshold : float, optional
            The answer is "unknown" if the best score lies below.
        top_c : int or None, default=5
            Components scored per frame; None for all.

        Returns
        -------
        Identification

        Raises
        ------
        StoreError
            If the store has no speakers.
        AudioError, InsufficientDataError
            If a recording can't be read or has no speech, or all have less than 0.1 s together.
        """
        if isinstance(top, bool) or top < 1:
            raise InvalidInputError(f"top is {top!r}; it must be at least 1")
        limit = _checked_threshold(threshold)
        paths = as_paths(wavs, "identify")
        scorer = self._scorer(None)
        if not scorer.names:
            raise StoreError(f"{self.path}: no speaker is enrolled; enroll some first")
        scores, n_frames, seconds = self._score(scorer, paths, top_c)
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], scorer.names[place]))
        ranking = tuple((scorer.names[place], float(scores[place])) for place in order[:top])
        return Identification(ranking, len(scores), seconds, n_frames, limit)

    def model(self, speaker: str) -> SpeakerModel:
        """Return a speaker's adapted model.

        Raises
        ------
        UnknownSpeakerError
            If the store has no such speaker.
        """
        name = check_speaker_name(speaker)
        return self._adapted([name])[0]

    def speakers(self) -> tuple[EnrolledSpeaker, ...]:
        """List the speakers, sorted by name."""
        connection = self._open_connection()
        with self._errors():
            return records.list_speakers(connection, self.path)

    def remove(self, speaker: str) -> None:
        """Erase a speaker for good: her statistics, her name, the log entries that name her.

        Afterwards none of it is in the store's files any more.

        Raises
        ------
        UnknownSpeakerError
            If the store has no such speaker.
        StoreError
            If another program uses the store, so that bytes of the deleted data can't be
            overwritten yet; she is removed, and the next `open` or `remove` tries again.
        """
        name = check_speaker_name(speaker)
        connection = self._open_connection()
        with self._errors(), database.writing(connection):
            records.delete_speaker(connection, name, self.path)
            records.write_log(connection, "remove", None, {})
        self._models.clear()
        self._scorers.clear()
        if not self._erase():
            raise StoreError(
                f"{self.path}: the speaker is removed, but another program uses the store and "
                "deleted bytes are still on disk; they go when the store is next opened alone"
            )

    def log(self) -> tuple[dict[str, Any], ...]:
        """Return the enrolment log, oldest first: ``at``, ``action``, ``speaker``, ``detail``."""
        connection = self._open_connection()
        with self._errors():
            return records.list_log(connection, self.path)

    def info(self) -> dict[str, Any]:
        """Say what the store is, as JSON can hold it."""
        enrolled = self.speakers()
        return {
            "kind": STORE_KIND,
            "format_version": database.SCHEMA_VERSION,
            "created": self._made["created"],
            "software": self._made["software"],
            "n_speakers": len(enrolled),
            "n_sessions": sum(speaker.n_sessions for speaker in enrolled),
            "speech_seconds": sum(speaker.speech_seconds for speaker in enrolled),
            "last_enrolled": max((s.last_enrolled for s in enrolled), default=None),
            "relevance_factor": self.settings.relevance_factor,
            "parameters": list(self.settings.parameters),
            "background": self.background.info(),
        }

    def check(self) -> None:
        """Read everything and check it: the database's structure, and each recording's statistics.

        Raises
        ------
        ModelFormatError
            If something is damaged.
        """
        connection = self._open_connection()
        with self._errors():
            found = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
        if found != ["ok"] or orphans:
            reason = "rows without a speaker" if orphans else " ".join(str(found[0]).split())
            raise ModelFormatError(f"{self.path}: damaged store ({reason})")
        with self._errors(), database.reading(connection):
            for name in records.names_of(connection, self.path):
                self._sessions(connection, name)
            records.list_log(connection, self.path)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        with database.translated_errors(self.path):
            yield

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"{self.path}: the store is closed; open it again")
        return self._connection

    def _erase(self) -> bool:
        connection = self._open_connection()
        with self._errors():
            generation = records.count_changes(connection, self.path)
            if not database.erase_deleted(connection):
                return False
            with database.writing(connection):
                records.note_erased(connection, generation)
        return True

    def _sessions(self, connection: sqlite3.Connection, name: str) -> list[MixtureStatistics]:
        found = sessions.read_sessions(
            connection,
            records.find_speaker(connection, name, self.path),
            name,
            self.background,
            self.path,
        )
        if not found:
            raise ModelFormatError(f"{self.path}: damaged store (no recording of {name!r})")
        return found

    def _adapted(self, names: Iterable[str] | None) -> list[SpeakerModel]:
        """Return models of some speakers, or of all, as of now."""
        connection = self._open_connection()
        with self._errors(), database.reading(connection):
            generation = records.count_changes(connection, self.path)
            if generation != self._generation:
                self._models.clear()
                self._scorers.clear()
                self._generation = generation
            wanted = records.names_of(connection, self.path) if names is None else list(names)
            for name in wanted:
                if name not in self._models:
                    self._models[name] = adapt_speaker(
                        self.background,
                        self._sessions(connection, name),
                        name=name,
                        settings=self.settings,
                    )
        return [self._models[name] for name in wanted]

    def _scorer(self, names: tuple[str, ...] | None) -> SpeakerScorer:
        models = {model.name: model.mixture for model in self._adapted(names)}
        key = tuple(models)
        if key not in self._scorers:
            self._scorers[key] = SpeakerScorer(self.background.mixture, models)
        return self._scorers[key]

    def _score(
        self, scorer: SpeakerScorer, paths: Sequence[Path], top_c: int | None
    ) -> tuple[NDArray[np.float64], int, float]:
        extractor = cached_extractor(self.background.features)
        seconds = 0.0

        def blocks() -> Iterator[NDArray[np.float32]]:
            nonlocal seconds
            for path in paths:
                for features in extractor.stream(path):
                    seconds += features.speech_seconds
                    yield features.speech_values

        scores, n_frames = scorer.score_blocks(blocks(), top_c=top_c)
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        check_speech(seconds, f"{paths[0]}{more}")
        return scores, n_frames, seconds


def describe_store(
    background: BackgroundModel, settings: AdaptationSettings
) -> dict[str, bytes | str | int]:
    """Return what a new store says about itself: rows of its table "meta"."""
    document = json.dumps(
        {
            "relevance_factor": settings.relevance_factor,
            "parameters": list(settings.parameters),
        },
        sort_keys=True,
    )
    return {
        "background": background.to_bytes(),
        "background_digest": background.digest,
        "settings": document,
        "settings_sha256": _hash_settings(document, background.digest),
        "generation": 0,
        "erasing": 0,
        "created": utc_now(),
        "software": json.dumps(software_versions()),
    }


def _hash_settings(settings: str, background_digest: str) -> str:
    return hashlib.sha256(f"{settings} {background_digest}".encode()).hexdigest()


def as_paths(wavs: PathLike | Iterable[PathLike], verb: str) -> list[Path]:
    """Return one or more recordings as a list; refuse none."""
    paths = [Path(wavs)] if isinstance(wavs, str | os.PathLike) else [Path(wav) for wav in wavs]
    if not paths:
        raise InvalidInputError(f"no recording to {verb}; give at least one")
    return paths


def _checked_threshold(threshold: float | None) -> float | None:
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not math.isfinite(threshold):
        raise InvalidInputError(f"threshold is {threshold!r}; it must be a finite number")
    return float(threshold)
