"""A cohort: other speakers, whose scores say what a score means."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.corpora import Corpus, CorpusLike, Utterance, as_corpus
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureStore, WeightedFrames, find_recordings
from speakergmm.options import Options, whole
from speakergmm.run_context import RunContext
from speakergmm.speakers.backends import Backend, Terms, TrialScorer, split_terms, terms_size
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.enrolment import SessionStatistics, collect_statistics
from speakergmm.speakers.extraction import (
    map_grouped_recordings,
    opened_store,
    recording_of,
    segment_of,
)
from speakergmm.speakers.packed_terms import PackedTerms


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortOptions(Options):
    """Options of a cohort.

    Parameters
    ----------
    tests_per_speaker : int, default=0
        Recordings of each speaker that are kept as tests, at most half of them; the others make
        the speaker's model. Z-norm, S-norm and calibration by the cohort need tests, T-norm none.
    frames_per_test : int, default=500
        Frames of speech that are kept of a test, evenly spaced.
    """

    tests_per_speaker: int = whole(
        0, "Recordings of each speaker of the cohort that are kept as tests.", least=0
    )
    frames_per_test: int = whole(500, "Frames of speech that are kept of a test.")


@dataclass(frozen=True, eq=False, repr=False)
class Cohort(records.Filed):
    """Models and tests of speakers who are neither enrolled nor tested.

    Parameters
    ----------
    background_digest : str
        Digest of the background model.
    backend : str
        Name of the back-end that made the models.
    backend_digest : str
        Digest of that back-end, with the options of enrolment.
    speakers : tuple of str
        Names of the C speakers.
    models : array of float32, shape (C, P), or PackedTerms
        The terms of each speaker, one after the other; see `terms`.
    frames : array of float32, shape (F, D)
        Frames of speech of all tests, one after the other.
    weights : array of float32, shape (F,)
        Their weights.
    lengths : array of int, shape (N,)
        Number of frames of each test.
    owners : array of int, shape (N,)
        Speaker of each test: the place in `speakers`.

    Raises
    ------
    InvalidInputError
        If the parts contradict each other.
    """

    file_kind: ClassVar[str] = "cohort"

    background_digest: str
    backend: str
    backend_digest: str
    speakers: tuple[str, ...]
    models: NDArray[np.float32] | PackedTerms
    frames: Annotated[NDArray[np.float32], "F D"]
    weights: Annotated[NDArray[np.float32], "F"]
    lengths: Annotated[NDArray[np.int64], "N"]
    owners: Annotated[NDArray[np.int64], "N"]

    def __post_init__(self) -> None:
        """Check that the parts agree."""
        n_speakers = len(self.speakers)
        for name, values in (("models", self._values), ("frames", self.frames)):
            if not np.isfinite(values).all():
                raise InvalidInputError(f"the {name} of a cohort must be finite")
        if not ((self.weights >= 0) & (self.weights <= 1)).all():
            raise InvalidInputError("the weights of the frames of a cohort must be from 0 to 1")
        if len(set(self.speakers)) < n_speakers or not n_speakers:
            raise InvalidInputError("a cohort must have speakers of different names")
        if len(self.models) != n_speakers or np.ndim(self._values) != 2:
            raise InvalidInputError(f"a cohort of {n_speakers} speakers must have a model of each")
        whole_tests = bool((self.lengths > 0).all()) and self.lengths.sum() == len(self.frames)
        known = bool(((self.owners >= 0) & (self.owners < n_speakers)).all())
        if not (whole_tests and known):
            raise InvalidInputError("the tests of a cohort must be of its speakers, and not empty")

    def __repr__(self) -> str:
        return f"Cohort({len(self.speakers)} speakers, {self.n_tests} tests)"

    @property
    def n_tests(self) -> int:
        """Number of tests."""
        return len(self.lengths)

    @property
    def _values(self) -> NDArray[np.float32]:
        return self.models.values if isinstance(self.models, PackedTerms) else self.models

    def packed(self) -> Self:
        """Return the cohort with its models in a byte for each number, a quarter of their size."""
        return replace(self, models=PackedTerms.of(self._values))

    def terms(self, backend: Backend) -> Terms:
        """Return the terms of all speakers: arrays of shapes (C, ...), see `Backend.term_shapes`.

        Raises
        ------
        IncompatibleModelError
            If the models are of another size than those of the back-end.
        """
        models, size = self._values, terms_size(backend)
        if models.shape[1] != size:
            raise IncompatibleModelError(
                f"the models of the cohort have {models.shape[1]} numbers, those of the "
                f"system {size}"
            )
        return split_terms(models, backend)

    @property
    def same_speaker(self) -> NDArray[np.bool_]:
        """Mask of models and tests of one speaker, shape (C, N)."""
        same: NDArray[np.bool_] = np.arange(len(self.speakers))[:, None] == self.owners
        return same

    @property
    def averages_of_speakers(self) -> NDArray[np.float64]:
        """Matrix, shape (N, C), that averages scores of tests over those of each speaker.

        Raises
        ------
        InsufficientDataError
            If a speaker has no test.
        """
        counts = self.same_speaker.sum(axis=1)
        if not counts.all():
            raise InsufficientDataError(
                f"speaker {self.speakers[int(np.argmin(counts))]!r} of the cohort has no test; "
                "adaptive S-norm needs one of each"
            )
        averages: NDArray[np.float64] = (self.same_speaker / counts[:, None]).T
        return averages

    def tests(self) -> Iterator[WeightedFrames]:
        """Yield the frames of each test."""
        ends = np.cumsum(self.lengths).tolist()
        for start, end in zip([0, *ends], ends, strict=False):
            yield WeightedFrames(self.frames[start:end], self.weights[start:end])

    def test_scores(self, scorer: TrialScorer) -> NDArray[np.float64]:
        """Return the raw scores of all tests, shape (S, N)."""
        columns = [scorer.score_blocks([test])[0] for test in self.tests()]
        return np.stack(columns, axis=1) if columns else np.empty((len(scorer), 0))


def make_cohort(
    corpus: CorpusLike,
    background: BackgroundModel,
    backend: Backend,
    options: CohortOptions | None = None,
    *,
    feature_store: FeatureStore | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: object,
) -> Cohort:
    """Enrol the speakers of a corpus as a cohort.

    Parameters
    ----------
    corpus : Corpus, path or list of utterances
        Recordings with speakers, such as those of the background model.
    background : BackgroundModel
    backend : Backend
        Makes the models.
    options : CohortOptions, optional
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again.
    engine : int, executor, Dask client or Engine, optional
        Where recordings are read; a number is one of worker processes.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used.
    **changes
        Fields of `CohortOptions`, in place of those of `options`.

    Returns
    -------
    Cohort

    Raises
    ------
    InsufficientDataError
        If there are fewer than two speakers with usable recordings.
    InvalidInputError
        If a recording has no speaker.
    """
    options = CohortOptions.of(options, changes)
    store = opened_store(feature_store, background.features)
    listed, engine = as_corpus(corpus), Engine.of(engine)
    by_speaker = _recordings_of_speakers(listed, store, engine)
    n_tests = {
        name: min(options.tests_per_speaker, len(group) // 2) for name, group in by_speaker.items()
    }
    work = _CohortWork(
        background, backend.needs_second_order, backend.versions_apart, options.frames_per_test
    )
    run = RunContext.checked(run)

    # Models of the first recordings of each speaker, tests of the last ones.
    models: dict[str, Terms] = {}
    enrolled = {name: group[: len(group) - n_tests[name]] for name, group in by_speaker.items()}
    sessions = map_grouped_recordings(
        work, enrolled, engine=engine, run=run, description="Enrolling the cohort"
    )
    for name, usable in sessions:
        if usable:
            models[name] = backend.enroll([each.statistics for each in usable], name=name)
    if len(models) < 2:
        raise InsufficientDataError(
            f"{listed.source}: a cohort needs recordings of at least two speakers, found "
            f"{len(models)}"
        )
    places = {name: place for place, name in enumerate(models)}
    tested = {
        name: group[len(group) - n_tests[name] :]
        for name, group in by_speaker.items()
        if n_tests[name] and name in models
    }
    tests: list[WeightedFrames] = []
    owners: list[int] = []
    for name, frames in map_grouped_recordings(
        work.keep_frames, tested, engine=engine, run=run, description="Reading the cohort's tests"
    ):
        tests += frames
        owners += [places[name]] * len(frames)
    return Cohort(
        background.digest,
        backend.name,
        backend.digest,
        tuple(models),
        np.stack([np.concatenate([part.ravel() for part in each]) for each in models.values()]),
        *_joined(tests, background.mixture.n_features),
        np.array(owners, dtype=np.int64),
    )


def _recordings_of_speakers(
    corpus: Corpus, store: FeatureStore | None, engine: Engine
) -> dict[str, list[Utterance]]:
    """Return the recordings of each speaker, from a feature store where it has them.

    Raises
    ------
    InvalidInputError
        If a recording has no speaker.
    """
    by_speaker: dict[str, list[Utterance]] = {}
    for utterance in corpus.utterances:
        if utterance.speaker is None:
            raise InvalidInputError(f"{utterance.path}: a recording of a cohort needs a speaker")
        by_speaker.setdefault(utterance.speaker, []).append(utterance)
    if store is None:
        return by_speaker
    return {
        name: list(find_recordings(store, group, engine=engine))
        for name, group in by_speaker.items()
    }


def _joined(
    tests: Sequence[WeightedFrames], n_features: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Return the frames and weights of all tests, and the number of frames of each."""
    frames = [test.values for test in tests]
    weights = [
        np.ones(len(test.values), np.float32) if test.weights is None else test.weights
        for test in tests
    ]
    lengths = np.array([len(each) for each in frames], dtype=np.int64)
    if not tests:
        return np.empty((0, n_features), np.float32), np.empty(0, np.float32), lengths
    return np.concatenate(frames), np.concatenate(weights), lengths


@dataclass(frozen=True, slots=True, eq=False)
class _CohortWork:
    """Work on a recording of a cohort; can be sent to worker processes."""

    background: BackgroundModel
    second_order: bool
    versions_apart: bool
    frames_per_test: int

    def __call__(self, utterance: Utterance) -> SessionStatistics:
        """Return the statistics of a recording."""
        return collect_statistics(
            self.background,
            recording_of(utterance),
            **segment_of(utterance),
            second_order=self.second_order,
            apart=self.versions_apart,
        )

    def keep_frames(self, utterance: Utterance) -> WeightedFrames:
        """Return frames of speech of a recording, evenly spaced."""
        speech = self.background.speech([recording_of(utterance)], segment_of(utterance))
        blocks = list(speech)
        speech.check()
        values = np.concatenate([block.values for block in blocks])
        weights = np.concatenate(
            [
                np.ones(len(block.values), np.float32) if block.weights is None else block.weights
                for block in blocks
            ]
        )
        kept = np.linspace(0, len(values) - 1, min(len(values), self.frames_per_test)).round()
        return WeightedFrames(values[kept.astype(int)], weights[kept.astype(int)])
