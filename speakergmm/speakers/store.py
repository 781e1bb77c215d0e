"""The speaker store: one file that holds a background model, speakers and their statistics."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm import ranges
from speakergmm.corpora import AnyPath, is_path
from speakergmm.corpora.names import check_speaker_name
from speakergmm.documents import parse_json
from speakergmm.errors import InvalidInputError, StoreError
from speakergmm.features import FeatureConfig, as_feature_config
from speakergmm.provenance import software_versions, utc_now
from speakergmm.records import pack, unpack
from speakergmm.speakers import (
    database,
    enrolment,
    enrolment_sessions,
    store_queries,
    store_results,
)
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.compatibility import check_background, check_features
from speakergmm.speakers.connection import StoreConnection
from speakergmm.speakers.extraction import SpeechStream
from speakergmm.speakers.integrity import Ledger, check_whole, read_large
from speakergmm.speakers.ratios import unpack_ratio
from speakergmm.speakers.speaker_scoring import DEFAULT_TOP_C, SpeakerScorer
from speakergmm.speakers.store_schema import SpeakerRow
from speakergmm.speakers.values import StoreFile, parsed

STORE_KIND = "speaker store"


class SpeakerStore:
    """Speakers, enrolled from recordings, in one SQLite file.

    Open one that is there, or make one with `create`; close it with `close` or use it in a
    ``with`` statement. Whatever `enroll` and `remove` acknowledged is on disk, a kill at any moment
    leaves the store whole, and several programs may use it at once; reading waits for nobody. The
    file holds biometric data: only its owner may read a new one. An object belongs to the thread
    that made it.

    Parameters
    ----------
    path : path
    background : BackgroundModel or path, optional
        If given, must be the one the store was made with.
    features : FeatureConfig, str or path, optional
        If given, must be those the store was made with.
    busy_timeout : float, default=30
        Seconds to wait for other programs that write.

    Attributes
    ----------
    path : Path
    background : BackgroundModel
        The background model the store was made with.
    settings : AdaptationOptions
        How speaker models are adapted; fixed when the store is made.

    Raises
    ------
    StoreError
        If there is no such store, or it can't be used.
    ModelFormatError
        If the file is something else, damaged, or of another version.
    IncompatibleModelError
        If the background model or the features are other ones; says what differs.

    Notes
    -----
    Opening checks that all rows are there, as they were written, and that the indexes agree with
    them; what a row holds is checked when it is read, and the structure of the whole file before
    the first change and around each removal. A damaged store is refused, and gives no wrong answer.

    Examples
    --------
    >>> with SpeakerStore("voices.db") as store:       # doctest: +SKIP
    ...     store.enroll("ana", ["ana1.wav", "ana2.wav"])
    ...     store.verify("ana", "who.wav").score
    1.374
    """

    def __init__(
        self,
        path: AnyPath,
        *,
        background: AnyBackground | None = None,
        features: FeatureConfig | AnyPath | None = None,
        busy_timeout: float = 30.0,
    ) -> None:
        if not is_path(path):
            way = "; a new one is made by SpeakerStore.create(path, background)"
            raise ranges.wrong_type(path, "the path of a speaker store", way)
        self.path = Path(path)
        wanted = None if features is None else as_feature_config(features)
        self._everybody: tuple[int, tuple[str, ...], SpeakerScorer] | None = None
        self._file = StoreConnection(self.path, busy_timeout=busy_timeout)
        try:
            with self._file.reading() as file:
                self._read_itself(file)
            if wanted is not None:
                check_features(self.background, wanted, what=os.fspath(path))
            if background is not None:
                check_background(self.background, as_background(background), what=os.fspath(path))
        except BaseException:
            self._file.close()
            raise

    def _read_itself(self, file: StoreFile) -> None:
        meta = Ledger.read(file).values
        packed = file.value("SELECT value FROM meta WHERE key = 'background'")
        if not isinstance(packed, bytes):
            raise file.damaged("its background model is no blob")
        try:
            settings = parse_json(meta["settings"])
            self.settings = enrolment.AdaptationOptions(
                settings["relevance_factor"], tuple(settings["parameters"])
            )
            digest = meta["background_digest"]
        except (KeyError, TypeError, ValueError, InvalidInputError) as error:
            raise file.damaged(f"its settings: {error}") from None
        self._made = {"created": meta["created"], "software": parsed(meta["software"])}
        self.background = unpack(BackgroundModel, packed, source=os.fspath(self.path))
        if self.background.digest != digest:
            raise file.damaged("its background model doesn't match its digest")

    @classmethod
    def create(
        cls,
        path: AnyPath,
        background: AnyBackground,
        *,
        relevance_factor: float = enrolment.DEFAULT_RELEVANCE_FACTOR,
        parameters: enrolment.Parameter | Sequence[enrolment.Parameter] = ("means",),
        busy_timeout: float = 30.0,
    ) -> "SpeakerStore":
        """Make a new store.

        Parameters
        ----------
        path : path
            Must not exist.
        background : BackgroundModel or path
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
        background = as_background(background)
        path = Path(path)
        settings = enrolment.AdaptationOptions(
            relevance_factor, enrolment.as_parameters(parameters)
        )
        database.create_database(path, describe_store(background, settings), lambda _: None)
        return cls.open(path, busy_timeout=busy_timeout)

    @classmethod
    def open(
        cls,
        path: AnyPath,
        *,
        background: AnyBackground | None = None,
        features: FeatureConfig | AnyPath | None = None,
        busy_timeout: float = 30.0,
    ) -> "SpeakerStore":
        """Open a store: another way to write ``SpeakerStore(path)``, which see."""
        return cls(path, background=background, features=features, busy_timeout=busy_timeout)

    def close(self) -> None:
        """Close the store; closing twice does no harm."""
        self._file.close()

    def __enter__(self) -> "SpeakerStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def enroll(
        self,
        speaker: str,
        wavs: AnyPath | Iterable[AnyPath],
        *,
        n_jobs: int = 1,
        progress: bool = False,
    ) -> store_results.EnrolmentReport:
        """Enrol a speaker, or add recordings to one who is enrolled.

        Either all recordings are stored or, if one is refused, none.

        Parameters
        ----------
        speaker : str
            The speaker's name.
        wavs : path or iterable of path
            Recordings of the speaker, and of nobody else.
        n_jobs : int, default=1
            Processes that read recordings.
        progress : bool, default=False
            Show how many recordings have been read.

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
            If the same audio is enrolled for the speaker already, or the store can't be written.
        """
        name = check_speaker_name(speaker)
        paths = as_paths(wavs, "enroll")
        collected = enrolment_sessions.collect_sessions(
            self.background,
            paths,
            second_order=self.settings.second_order,
            n_jobs=n_jobs,
            progress=progress,
        )
        return self.enroll_collected(name, collected)

    def enroll_collected(
        self, name: str, collected: Sequence[enrolment_sessions.EnrolmentSession]
    ) -> store_results.EnrolmentReport:
        """Enrol recordings whose statistics against this background model are there already."""
        with self._file.writing() as ledger:
            report = enrolment_sessions.enroll_sessions(
                ledger, name, collected, background=self.background, settings=self.settings
            )
        self._file.empty_log(wait=False)
        return report

    def verify(
        self,
        speaker: str,
        wav: AnyPath,
        *,
        top_c: int | None = DEFAULT_TOP_C,
        threshold: float | None = None,
    ) -> store_results.VerificationScore:
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
        limit = None if threshold is None else ranges.number("threshold", threshold)
        with self._file.reading() as file:
            scorer = self._read_scorer(file, [store_queries.find_speaker(file, name)])
        scores, n_frames, seconds = self._score(scorer, [recording_path(wav)], top_c)
        score = float(scores[0])
        decision = None if limit is None else score >= limit
        return store_results.VerificationScore(name, score, seconds, n_frames, limit, decision)

    def identify(
        self,
        wavs: AnyPath | Iterable[AnyPath],
        *,
        top: int = 5,
        threshold: float | None = None,
        top_c: int | None = DEFAULT_TOP_C,
    ) -> store_results.SpeakerRanking:
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
        top = ranges.whole_number("top", top)
        limit = None if threshold is None else ranges.number("threshold", threshold)
        paths = as_paths(wavs, "identify")
        scorer = self._scorer_of_all()
        if not scorer.names:
            raise StoreError(f"{self.path}: no speaker is enrolled; enroll some first")
        scores, n_frames, seconds = self._score(scorer, paths, top_c)
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], scorer.names[place]))
        ranking = tuple((scorer.names[place], float(scores[place])) for place in order[:top])
        return store_results.SpeakerRanking(ranking, len(scores), seconds, n_frames, limit)

    def model(self, speaker: str) -> enrolment.SpeakerModel:
        """Return a speaker's adapted model.

        Raises
        ------
        UnknownSpeakerError
            If the store has no such speaker.
        """
        name = check_speaker_name(speaker)
        with self._file.reading() as file:
            return self._adapted(file, store_queries.find_speaker(file, name))

    def speakers(self) -> tuple[store_results.EnrolledSpeaker, ...]:
        """List the speakers, sorted by name."""
        with self._file.reading() as file:
            return store_queries.list_speakers(file)

    def remove(self, speaker: str) -> None:
        """Erase a speaker for good: statistics, model, name, and the log entries that name them.

        Afterwards none of it is in the store's files any more.

        Raises
        ------
        UnknownSpeakerError
            If the store has no such speaker.
        StoreError
            If the store can't be written: the message says that nothing was changed. If another
            program reads an older state at that moment, or the disk is full, so that deleted bytes
            can't be overwritten yet: the message says that the speaker is removed. They go as
            soon as the last program has closed the store, and with the next change.
        """
        name = check_speaker_name(speaker)
        with self._file.writing(thorough=True) as ledger:
            row = store_queries.find_speaker(ledger.file, name)
            # What is deleted must be the speaker's own, to the last page.
            self._adapted(ledger.file, row)
            self._read_scorer(ledger.file, [row])
            store_queries.delete_speaker(ledger, row)
            store_queries.write_log(ledger, "remove", None, {})
        self._everybody = None
        left = self._file.empty_log(wait=True)
        if left is not None:
            raise StoreError(
                f"{self.path}: the speaker is removed, but {left} and deleted bytes are still on "
                "disk; they go when the last program has closed the store, or with the next change"
            )

    def log(self) -> tuple[dict[str, Any], ...]:
        """Return the enrolment log, oldest first: ``at``, ``action``, ``speaker``, ``detail``."""
        with self._file.reading() as file:
            return store_queries.list_log(file)

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
        with self._file.reading() as file:
            store_queries.list_log(file)
            check_whole(file)
            for row in SpeakerRow.read(file):
                model = self._adapted(file, row)
                expected = SpeakerScorer(self.background.mixture, {row.name: model.mixture})
                frames = self.background.mixture.means
                scorer = self._read_scorer(file, [row])
                found, wanted = (each.frame_scores(frames)[:, 0] for each in (scorer, expected))
                if not np.allclose(found, wanted, rtol=1e-3, atol=1e-3):
                    raise file.damaged(f"the model of {row.name!r} is not of its recordings")

    def _adapted(self, file: StoreFile, row: SpeakerRow) -> enrolment.SpeakerModel:
        read = enrolment_sessions.read_statistics(file, row, self.background)
        statistics = [each for _, each in read]
        return enrolment.adapt_speaker(
            self.background, statistics, name=row.name, settings=self.settings
        )

    def _scorer_of_all(self) -> SpeakerScorer:
        """Return a scorer of all speakers, as of now; what is in memory is not read again."""
        with self._file.reading() as file:
            generation = file.value("SELECT value FROM meta WHERE key = 'generation'")
            if self._everybody is None or self._everybody[0] != generation:
                rows = list(SpeakerRow.read(file))
                digests = tuple(row.model_sha256 for row in rows)
                self._everybody = generation, digests, self._read_scorer(file, rows)
        return self._everybody[2]

    def _read_scorer(self, file: StoreFile, rows: Sequence[SpeakerRow]) -> SpeakerScorer:
        mixture = self.background.mixture
        width = mixture.n_features * (2 if "variances" in self.settings.parameters else 1)
        slopes = np.empty((len(rows), mixture.n_components, width), np.float32)
        offsets = np.empty((len(rows), mixture.n_components), np.float32)
        known: dict[str, int] = {}
        if self._everybody is not None:
            _, digests, scorer = self._everybody
            known = {digest: place for place, digest in enumerate(digests)}
        for place, row in enumerate(rows):
            if row.model_sha256 in known:
                slopes[place], offsets[place] = scorer.terms(known[row.model_sha256])
                continue
            what = f"the model of {row.name!r}"
            packed = read_large(file, "models", row.id, row.model_sha256, what)
            if not unpack_ratio(packed, slopes[place], offsets[place]):
                raise file.damaged(f"{what} has another size")
        names = [row.name for row in rows]
        return SpeakerScorer.from_terms(mixture, names, slopes, offsets)

    def _score(
        self, scorer: SpeakerScorer, paths: Sequence[Path], top_c: int | None
    ) -> tuple[NDArray[np.float64], int, float]:
        speech = SpeechStream(self.background.features, paths)
        scores, n_frames = scorer.score_blocks(speech, top_c=top_c)
        speech.check()
        return scores, n_frames, speech.speech_seconds


def describe_store(
    background: BackgroundModel, settings: enrolment.AdaptationOptions
) -> dict[str, bytes | str]:
    """Return what a new store says about itself: rows of its table "meta"."""
    document = json.dumps(
        {
            "relevance_factor": settings.relevance_factor,
            "parameters": list(settings.parameters),
        },
        sort_keys=True,
    )
    return {
        "background": pack(background),
        "background_digest": background.digest,
        "settings": document,
        "created": utc_now(),
        "software": json.dumps(software_versions()),
    }


def as_paths(wavs: AnyPath | Iterable[AnyPath], verb: str) -> list[Path]:
    """Return one or more recordings as a list; refuse none."""
    if is_path(wavs) or not isinstance(wavs, Iterable):
        wavs = [wavs]
    paths = [recording_path(wav) for wav in wavs]
    if not paths:
        raise InvalidInputError(f"no recording to {verb}; give at least one")
    return paths


def recording_path(wav: Any) -> Path:
    """Return the path of a recording; refuse anything else, with the call that would be right."""
    if is_path(wav):
        return Path(wav)
    way = "; samples become a file by write_audio(path, samples, sample_rate)"
    raise ranges.wrong_type(wav, "the path of a recording", way)
