"""Statistics archives: the statistics of recordings, kept so that systems can share one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from math import nan
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.corpora import AnyPath, CorpusLike, Split, Utterance, as_utterances
from speakergmm.engine import ONE_WORKER, Engine, EngineLike
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import (
    FeatureStore,
    RecordingQuality,
    StoredRecording,
    augmented_recordings,
    find_recordings,
    map_recordings,
)
from speakergmm.mixtures import MixtureStatistics
from speakergmm.run_context import RunContext
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.enrolment import SessionStatistics, collect_statistics
from speakergmm.speakers.extraction import (
    opened_store,
    recording_of,
    segment_of,
    whole_recordings,
)
from speakergmm.speakers.trial_measures import recording_measures

# Digits of a digest by which messages name a background model.
_DIGITS = 12


class ArchivedRow(NamedTuple):
    """The part of an archive that is of one recording: views of its arrays."""

    counts: NDArray[np.float32]
    first_order: NDArray[np.float32]
    log_likelihood: float
    n_frames: float
    seconds: float
    speech_seconds: float
    speech_frames: int
    quality: NDArray[np.float64] | None

    @property
    def session(self) -> SessionStatistics:
        """The statistics in float64, as `collect_statistics` returns them, and the measures."""
        statistics = MixtureStatistics(
            self.counts, self.first_order, None, self.log_likelihood, self.n_frames
        )
        measures = {} if self.quality is None else _unpacked_quality(self.quality)
        return SessionStatistics(statistics, *self[4:7], measures)


@dataclass(frozen=True, eq=False, repr=False)
class StatisticsArchive(records.Filed):
    """Statistics of N recordings under a background model of K components and D features.

    Enrolment with any options, and the tests of back-ends that score statistics, need no more of a
    recording: systems of one background model are compared on the same pass over the audio.

    Parameters
    ----------
    background_digest : str
        Digest of the background model.
    names : tuple of str
        Names of the recordings; see `recording_name`.
    augmented : array of bool, shape (N,)
        Whether the statistics are the sum over all versions that enrolment under the background
        model makes of a recording, or those of the recording as it is.
    occupancy : array of float32, shape (N, K)
        Zeroth-order statistics, in frames by their weights.
    first_order : array of float32, shape (N, K, D)
        Sums of posterior times features.
    n_frames, log_likelihoods : array of float, shape (N,)
        Totals of `MixtureStatistics`: weighted number of frames, and their log-likelihood.
    seconds, speech_seconds : array of float, shape (N,)
        Duration of each recording, and of the speech in it.
    speech_frames : array of int, shape (N,)
        Number of frames of speech.
    sizes, changed : array of int, shape (N,)
        Bytes of the file and time of its last change in nanoseconds, as they were when it was read;
        -1 if there was no file.
    quality : array, shape (N, 5), optional
        The fields of `RecordingQuality`, as they were measured for the features of the background
        model: the first is -1 if they were not, and those that cannot be measured are 0.

    Raises
    ------
    InvalidInputError
        If the parts contradict each other.

    Notes
    -----
    Sums are made in float64 and kept in float32, which halves the file: scores of two real
    protocols (deviation 2) differ by 3e-7 with exact and 2e-6 with linear scoring, whose own
    products in float32 round by 5e-6.

    Examples
    --------
    >>> archive = collect_archive("ubm.safetensors", "list.tsv")           # doctest: +SKIP
    >>> archive.save("list.statistics")                                    # doctest: +SKIP
    """

    file_kind: ClassVar[str] = "statistics archive"

    background_digest: str
    names: tuple[str, ...]
    augmented: Annotated[NDArray[np.bool_], "N"]
    occupancy: Annotated[NDArray[np.float32], "N K"]
    first_order: Annotated[NDArray[np.float32], "N K D"]
    n_frames: Annotated[NDArray[np.float64], "N"]
    log_likelihoods: Annotated[NDArray[np.float64], "N"]
    seconds: Annotated[NDArray[np.float64], "N"]
    speech_seconds: Annotated[NDArray[np.float64], "N"]
    speech_frames: Annotated[NDArray[np.int64], "N"]
    sizes: Annotated[NDArray[np.int64], "N"]
    changed: Annotated[NDArray[np.int64], "N"]
    quality: Annotated[NDArray[np.float64], "N Q"] | None = None

    def __post_init__(self) -> None:
        """Check that the parts agree."""
        n_recordings = len(self.names)
        if self.quality is None:
            object.__setattr__(self, "quality", _unmeasured(n_recordings))
        if self._parts()["quality"].shape[1:] != (len(_QUALITY),):
            raise InvalidInputError(f"the quality of a recording is {len(_QUALITY)} numbers")
        if any(len(part) != n_recordings for part in self._parts().values()):
            raise InvalidInputError(
                f"an archive of {n_recordings} recordings needs statistics of each"
            )
        if len(self._places) != n_recordings:
            raise InvalidInputError("an archive must have each recording once")
        if self.first_order.shape[:2] != self.occupancy.shape:
            raise InvalidInputError(
                f"occupancies of shape {self.occupancy.shape} do not fit first-order statistics "
                f"of shape {self.first_order.shape}"
            )
        if not np.isfinite(self.first_order).all():
            raise InvalidInputError("first-order statistics must be finite")
        for name, values in self._parts().items():
            if name in _AMOUNTS and not ((values >= 0) & (values < np.inf)).all():
                raise InvalidInputError(f"{name} of an archive must be finite and >= 0")
        sums = self.occupancy.sum(axis=1, dtype=np.float64)
        if not (sums > 0).all() or not np.allclose(sums, self.n_frames, rtol=1e-4):
            raise InvalidInputError("occupancies must sum to the number of frames, which is > 0")

    def _parts(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in records.record_types(type(self))
                if name not in ("background_digest", "names")}  # fmt: skip

    @cached_property
    def _places(self) -> Mapping[tuple[str, bool], int]:
        keys = zip(self.names, self.augmented.tolist(), strict=True)
        return {key: place for place, key in enumerate(keys)}

    def __repr__(self) -> str:
        n_recordings, n_components, n_features = self.first_order.shape
        return (
            f"StatisticsArchive({n_recordings} recordings, {n_components} components, "
            f"{n_features} features)"
        )

    def __len__(self) -> int:
        return len(self.names)

    def statistics(self, name: str, *, augmented: bool = False) -> MixtureStatistics:
        """Return the statistics of a recording.

        Parameters
        ----------
        name : str
            Its name; see `recording_name`.
        augmented : bool, default=False
            Return those of all versions that enrolment makes of it.

        Raises
        ------
        InvalidInputError
            If the archive lacks them.
        """
        return self.session(name, augmented=augmented).statistics

    def session(self, name: str, *, augmented: bool = False) -> SessionStatistics:
        """Return the statistics of a recording as `collect_statistics` does; see `statistics`."""
        place = self._places.get((name, augmented))
        if place is None:
            versions = " in all versions" if augmented else ""
            raise InvalidInputError(f"the archive has no statistics of {name}{versions}")
        return self._row(place).session

    def _row(self, place: int) -> ArchivedRow:
        assert self.quality is not None
        quality = self.quality[place]
        return ArchivedRow(
            self.occupancy[place],
            self.first_order[place],
            float(self.log_likelihoods[place]),
            float(self.n_frames[place]),
            float(self.seconds[place]),
            float(self.speech_seconds[place]),
            int(self.speech_frames[place]),
            quality if quality[0] >= 0 else None,
        )

    def found(
        self, utterance: Utterance, *, augmented: bool = False, measured: bool = False
    ) -> ArchivedRow | None:
        """Return the part that is of a recording, unless its file has changed since.

        With `measured`, only a part with the quality of the recording counts.
        """
        place = self._places.get((recording_name(utterance), augmented))
        if place is None:
            return None
        unchanged = (-1, -1), (self.sizes[place], self.changed[place])
        row = self._row(place)
        usable = _file_state(utterance) in unchanged and not (measured and row.quality is None)
        return row if usable else None

    def has(self, utterance: Utterance, *, augmented: bool = False, measured: bool = False) -> bool:
        """Return whether the archive has a recording, whose file has not changed; see `found`."""
        return self.found(utterance, augmented=augmented, measured=measured) is not None

    def check_background(self, background: BackgroundModel) -> None:
        """Raise an error if the statistics are of another background model.

        Raises
        ------
        IncompatibleModelError
            If they are; the message names both.
        """
        shape = background.mixture.means.shape
        if self.background_digest != background.digest or self.first_order.shape[1:] != shape:
            raise _other_background(self.background_digest, background.digest)

    def merged(self, *others: StatisticsArchive) -> StatisticsArchive:
        """Return an archive of the recordings of several; of one in several, the last counts.

        Raises
        ------
        IncompatibleModelError
            If one is of another background model; the message names both.
        """
        archives = (self, *others)
        latest: dict[tuple[str, bool], tuple[int, int]] = {}
        for number, each in enumerate(archives):
            if (
                each.background_digest != self.background_digest
                or each.first_order.shape[1:] != self.first_order.shape[1:]
            ):
                raise _other_background(each.background_digest, self.background_digest)
            latest.update({key: (number, place) for key, place in each._places.items()})
        starts = np.cumsum([0, *map(len, archives)])
        rows = [int(starts[number]) + place for number, place in latest.values()]
        listed = [each._parts() for each in archives]
        parts = {name: np.concatenate([each[name] for each in listed])[rows] for name in listed[0]}
        return StatisticsArchive(self.background_digest, tuple(name for name, _ in latest), **parts)


_QUALITY = tuple(each.name for each in fields(RecordingQuality))
_AMOUNTS = ("occupancy", "n_frames", "seconds", "speech_seconds", "speech_frames")


def _other_background(found: str, wanted: str) -> IncompatibleModelError:
    return IncompatibleModelError(
        f"the statistics are those of background model {found[:_DIGITS]}, not of "
        f"{wanted[:_DIGITS]}; collect them under this one"
    )


def _unmeasured(n_recordings: int) -> NDArray[np.float64]:
    """Return the quality of recordings that were not measured."""
    quality = np.zeros((n_recordings, len(_QUALITY)))
    quality[:, 0] = -1
    return quality


def _unpacked_quality(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the measures of a recording by name; NaN where there is no speech."""
    measures = dict(zip(_QUALITY, values.tolist(), strict=True))
    if measures["speech_seconds"] > 0:
        return measures
    kept = "speech_seconds", "clipped"
    return {name: value if name in kept else nan for name, value in measures.items()}


def recording_name(utterance: Utterance) -> str:
    """Return the name of a recording in an archive: its path, its part in seconds, its version.

    Examples
    --------
    >>> recording_name(Utterance("a", "calls/a.wav", None, start=0.5, end=2.0))
    'calls/a.wav@0.5-2.0'
    >>> recording_name(Utterance("a#noise", "calls/a.wav", None, version="noise/0"))
    'calls/a.wav#noise/0'
    """
    name = os.fspath(utterance.path)
    is_whole = utterance.start == 0 and utterance.end is None
    part = "" if is_whole else f"@{utterance.start}-{utterance.end or ''}"
    return f"{name}{part}{'#' if utterance.version else ''}{utterance.version}"


def _file_state(utterance: Utterance) -> tuple[int, int]:
    """Return size and time of change of a recording; -1, -1 if there is no file."""
    try:
        found = utterance.path.stat()
    except (OSError, ValueError):
        return -1, -1
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class ArchivedRecording(Utterance):
    """A recording whose statistics are in an archive.

    Parameters
    ----------
    id, path, speaker, start, end, recording, version
        As in `Utterance`.
    row : ArchivedRow
    """

    row: ArchivedRow | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Accept what was an utterance already, as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class CollectStatistics:
    """Statistics of a recording, from an archive or the audio; can be sent to worker processes."""

    background: BackgroundModel
    second_order: bool = False
    measured: bool = False
    augmented: bool = True
    apart: bool = False

    def __call__(self, utterance: Utterance) -> SessionStatistics:
        """Return the statistics of one recording."""
        if isinstance(utterance, ArchivedRecording):
            assert utterance.row is not None
            return utterance.row.session
        if utterance.version:
            return self._version(utterance)
        found = self._collected(recording_of(utterance), **segment_of(utterance))
        if not self.measured:
            return found
        measures = recording_measures(
            utterance.path, self.background.features, start=utterance.start, end=utterance.end
        )
        return replace(found, measures=measures)

    def _collected(self, audio: Any, **part: Any) -> SessionStatistics:
        return collect_statistics(
            self.background,
            audio,
            **part,
            second_order=self.second_order,
            augmented=self.augmented,
            apart=self.apart,
        )

    def _version(self, utterance: Utterance) -> SessionStatistics:
        """Return the statistics of an augmented version, whose quality is not measured."""
        whole = replace(self, augmented=False, apart=False)
        if isinstance(utterance, StoredRecording):
            return whole._collected(utterance)
        condition, seed, *talkers = utterance.version.split("/")
        if talkers:
            raise InvalidInputError(
                f"{utterance.path}: babble of given talkers can be read from feature stores only; "
                "extract the recordings (speakergmm extract), and give the store"
            )
        options = {"conditions": (condition,), "seed": int(seed)}
        rate = self.background.features.sample_rate
        versions = augmented_recordings(utterance.path, options, rate, **segment_of(utterance))
        return whole._collected(next(versions).audio, sample_rate=rate)


def archived_recordings(
    utterances: Sequence[Utterance],
    archive: StatisticsArchive | None,
    *,
    augmented: bool,
    measured: bool = False,
    store: FeatureStore | None = None,
    engine: Engine = ONE_WORKER,
) -> tuple[Utterance, ...]:
    """Return utterances as `ArchivedRecording` where an archive has them.

    Parameters
    ----------
    utterances : sequence of Utterance
    archive : StatisticsArchive or None
    augmented : bool
        Whether statistics of all versions are wanted.
    measured : bool
        Whether their quality is wanted, too.
    store : FeatureStore, optional
        Where the others are looked for; see `speakergmm.features.find_recordings`.
    engine : Engine
        Workers that look for them.
    """
    found: list[Utterance] = list(utterances)
    lacking = []
    for place, each in enumerate(utterances):
        row = None
        if archive is not None:
            row = archive.found(each, augmented=augmented, measured=measured)
        if row is None:
            lacking.append(place)
            continue
        parts = each.id, each.path, each.speaker, each.start, each.end, each.recording, each.version
        found[place] = ArchivedRecording(*parts, row=row)
    if store is not None and lacking:
        others = find_recordings(store, [found[place] for place in lacking], engine=engine)
        for place, each in zip(lacking, others, strict=True):
            found[place] = each
    return tuple(found)


def collect_archive(
    background: AnyBackground,
    recordings: Split | CorpusLike,
    *,
    augmented: bool = False,
    measured: bool = False,
    known: StatisticsArchive | None = None,
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> StatisticsArchive:
    """Collect the statistics of recordings in one pass over the audio.

    Parameters
    ----------
    background : BackgroundModel or path
    recordings : Split, Corpus, path, or iterable of Utterance or path
        A split stands for all of its recordings. An utterance that is an augmented version
        (`Utterance.version`) is collected as that version.
    augmented : bool, default=False
        Sum the versions that enrolment under the background model makes of each recording
        (`BackgroundModel.augmentation`), as `collect_statistics` does; without them, statistics are
        those of the recording as it is, which tests have.
    measured : bool, default=False
        Measure the quality of the recordings as well, which calibrated systems need.
    known : StatisticsArchive, optional
        Recordings that it has are not read again unless their files have changed; it is part of the
        result.
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again.
    engine : int, executor, Dask client or Engine, optional
        Where recordings are read; a number is one of worker processes.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used.

    Returns
    -------
    StatisticsArchive

    Raises
    ------
    InsufficientDataError
        If no recording can be used.
    IncompatibleModelError
        If `known` is of another background model.
    """
    background, engine = as_background(background), Engine.of(engine)
    if known is not None:
        known.check_background(background)
    if isinstance(recordings, Split):
        listed = whole_recordings(dict.fromkeys(recordings.paths()))
    else:
        listed = as_utterances(recordings)
    wanted = {recording_name(each): each for each in listed}
    augmented = augmented and background.augmentation is not None
    rest = [
        each
        for each in wanted.values()
        if known is None or not known.has(each, augmented=augmented, measured=measured)
    ]
    store = opened_store(feature_store, background.features)
    states = dict(zip(map(recording_name, rest), map(_file_state, rest), strict=True))
    found = map_recordings(
        CollectStatistics(background, augmented=augmented, measured=measured),
        archived_recordings(rest, None, augmented=augmented, store=store, engine=engine),
        engine=engine,
        run=run,
        description="Collecting statistics",
    )
    collected = _filled(background, augmented, found, states)
    if known is not None:
        return known.merged(collected) if len(collected) else known
    if not len(collected):
        raise InsufficientDataError("none of the recordings can be used")
    return collected


def _filled(
    background: BackgroundModel,
    augmented: bool,
    found: Iterable[tuple[Utterance, SessionStatistics]],
    states: Mapping[str, tuple[int, int]],
) -> StatisticsArchive:
    """Return the archive of the statistics of recordings, which are kept as they come."""
    shape, n_most = background.mixture.means.shape, len(states)
    occupancy = np.empty((n_most, shape[0]), np.float32)
    first_order = np.empty((n_most, *shape), np.float32)
    names: list[str] = []
    totals: list[tuple[float, float, float, float]] = []
    counts: list[tuple[int, int, int]] = []
    quality = _unmeasured(n_most)
    for utterance, session in found:
        name, statistics = recording_name(utterance), session.statistics.about_zero()
        occupancy[len(names)], first_order[len(names)] = statistics.counts, statistics.first_order
        if session.measures:
            measures = [session.measures[each] for each in _QUALITY]
            quality[len(names)] = np.nan_to_num(measures, nan=0.0)
        names.append(name)
        totals.append(
            (
                statistics.n_frames,
                statistics.log_likelihood,
                session.seconds,
                session.speech_seconds,
            )
        )
        counts.append((session.n_frames, *states[name]))
    n = len(names)
    archive = StatisticsArchive(
        background.digest,
        tuple(names),
        np.full(n, augmented),
        occupancy[:n],
        first_order[:n],
        *np.array(totals, np.float64).reshape(n, 4).T.copy(),
        *np.array(counts, np.int64).reshape(n, 3).T.copy(),
    )
    return replace(archive, quality=quality[:n])
