"""Verification experiments on embeddings that another program has extracted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, Protocol, Split, Utterance
from speakergmm.corpora.names import first_few
from speakergmm.engine import EngineLike
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.metrics import Scores
from speakergmm.options import Options, nested, one_of, text, whole, yes_no
from speakergmm.run_context import RunContext
from speakergmm.speakers.cohort_scores import CohortScores, check_cohort, normalise_scores
from speakergmm.speakers.embedding_files import EmbeddingTable, read_embeddings
from speakergmm.speakers.speaker_options import NormalisationOptions, ScoreNormalisation
from speakergmm.speakers.system_calibration import calibrated_scores, check_ratios
from speakergmm.speakers.verification_experiment import as_protocol
from speakergmm.subspace import (
    EmbeddingAnalysis,
    EmbeddingOptions,
    EnrolledEmbeddings,
    LengthNormalisation,
)

# Scores that are held at a time: 64 MB.
_BLOCK_SCORES = 1 << 23


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingScoringOptions(Options):
    """Options of a verification experiment on embeddings.

    Parameters
    ----------
    split : str, default="eval"
        The part of the protocol that is scored: ``"dev"`` or ``"eval"``.
    analysis : EmbeddingOptions
        Everything from the embedding to the score, which is learnt from the background speakers.
    score_normalisation : {"none", "z", "t", "zt", "s", "adaptive_s"}, default="none"
        Normalisation of the scores; the cohort are the background speakers.
    cohort_top : int, optional
        Members of the cohort that count, as in `NormalisationOptions`.
    llr : bool, default=False
        Log-likelihood ratios, calibrated on the dev lists, in place of scores.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or dev scores are to be calibrated on themselves.
    """

    split: str = text("eval", "Part of the protocol that is scored: dev or eval.")
    analysis: EmbeddingOptions = nested(EmbeddingOptions, "From the embedding to the score.")
    score_normalisation: ScoreNormalisation = one_of(
        "none",
        get_args(ScoreNormalisation),
        "Normalisation of scores by those of the background speakers.",
        flags=("--score-norm",),
    )
    cohort_top: int | None = whole(
        None,
        "Background speakers that T-, ZT- and adaptive S-norm use (default: all, in adaptive "
        "S-norm 40).",
        least=2,
        optional=True,
    )
    llr: bool = yes_no(False, "Log-likelihood ratios, calibrated on the dev lists, not scores.")

    def __post_init__(self) -> None:
        """Check the options, and that they do not contradict one another."""
        self.check_fields()
        self.normalisation_options()
        check_ratios(self.split, self.llr)

    def normalisation_options(self) -> NormalisationOptions:
        """Return the options of the normalisation of scores."""
        return NormalisationOptions(
            normalisation=self.score_normalisation, cohort_top=self.cohort_top
        )


def score_embeddings(
    protocol: Protocol | AnyPath,
    embeddings: EmbeddingTable | AnyPath,
    options: EmbeddingScoringOptions | None = None,
    *,
    analysis: EmbeddingAnalysis | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> Scores:
    """Score the trials of a protocol by embeddings, such as x-vectors, without any recording.

    Parameters
    ----------
    protocol : Protocol or path
        Its background speakers train the analysis, and are the cohort, where these are needed.
    embeddings : EmbeddingTable or path
        An embedding of each recording, or a file that `read_embeddings` reads. Its name is the path
        of the recording, or the end of it, with or without the ending of the file: that of
        ``s1/a.wav`` is ``s1/a.wav``, ``s1/a``, ``a.wav`` or ``a``.
    options : EmbeddingScoringOptions, optional
    analysis : EmbeddingAnalysis or path of one, optional
        What scores, in place of an analysis that is trained here.
    engine : int, executor, Dask client or Engine, optional
        Where PLDA is trained; it changes nothing but the time.
    run : RunContext, optional
        Used by the training of PLDA.
    **changes
        Fields of `EmbeddingScoringOptions` and of the options in it, such as ``n_discriminants``
        or ``scorer``, in place of those of `options`.

    Returns
    -------
    Scores
        In the order of the trial list, with its further columns as conditions: cosines, or by PLDA
        natural log-likelihood ratios, which are calibrated with ``llr`` only.

    Raises
    ------
    CorpusError
        If the protocol has no such split or lacks background speakers that are needed, or a
        recording has no embedding.
    InsufficientDataError
        If there are too few speakers or sessions for a step of the analysis or the calibration.
    InvalidInputError
        If an option is out of range, or background, dev and eval share speakers.
    """
    options = EmbeddingScoringOptions.of(options, changes)
    protocol = as_protocol(protocol)
    split = protocol.split(options.split)
    dev = protocol.split("dev") if options.llr else None
    table = embeddings if isinstance(embeddings, EmbeddingTable) else read_embeddings(embeddings)
    found = _Embeddings(table)
    background = _background(protocol, options, learns=analysis is None)
    found.check(split.paths(), () if dev is None else dev.paths(), (u.path for u in background))
    speakers = _speakers_of(background)
    tried = [*split.models, *(() if dev is None else dev.models)]
    check_cohort(speakers, tried, what="background")
    vectors = found.rows(utterance.path for utterance in background)
    if analysis is None:
        analysis = _learnt(vectors, speakers, options.analysis, engine, run)
    elif options.analysis != EmbeddingOptions():
        raise InvalidInputError(
            "the steps of a trained analysis are its own; leave the options out"
        )
    elif not isinstance(analysis, EmbeddingAnalysis):
        analysis = EmbeddingAnalysis.load(analysis)
    chosen = options.normalisation_options()
    cohort = None
    if chosen.normalisation != "none":
        cohort = _Cohort.of(analysis, vectors, speakers)
    scorer = _Scorer(analysis, found, chosen, cohort)
    scores = scorer.score(split)
    if dev is None:
        return scores
    return calibrated_scores(scores, scorer.score(dev), split.models)


def _speakers_of(background: Sequence[Utterance]) -> list[str]:
    """Return the speaker of each recording of the background.

    Raises
    ------
    InvalidInputError
        If one has none.
    """
    speakers = []
    for utterance in background:
        if utterance.speaker is None:
            raise InvalidInputError(f"{utterance.path}: a background recording needs a speaker")
        speakers.append(utterance.speaker)
    return speakers


def _background(
    protocol: Protocol, options: EmbeddingScoringOptions, *, learns: bool
) -> tuple[Utterance, ...]:
    """Return the recordings of the background speakers, as far as they are needed.

    Raises
    ------
    CorpusError
        If they are, and the protocol has none.
    """
    is_cohort = options.score_normalisation != "none"
    if not is_cohort and not (learns and _learns(options.analysis)):
        return ()
    if protocol.background is None:
        needs = "score normalisation needs" if is_cohort else "the analysis learns from"
        raise CorpusError(
            f"{protocol.source}: {needs} background speakers; the protocol has none "
            "(background.tsv)"
        )
    return tuple(protocol.background)


def _learns(options: EmbeddingOptions) -> bool:
    """Return whether an analysis depends on the embeddings that it is trained on."""
    return (
        options.scorer == "plda"
        or options.centre
        or options.n_nuisances > 0
        or options.n_discriminants is not None
        or options.normalisation != "none"
    )


def _learnt(
    vectors: NDArray[np.float64],
    speakers: Sequence[str],
    options: EmbeddingOptions,
    engine: EngineLike,
    run: RunContext | None,
) -> EmbeddingAnalysis:
    """Return an analysis, learnt from the background speakers if there is anything to learn."""
    if _learns(options):
        return EmbeddingAnalysis.train(vectors, speakers, options, engine=engine, run=run)
    return EmbeddingAnalysis((LengthNormalisation(),) if options.length_normalisation else ())


class _Embeddings:
    """Embeddings by the path of their recording."""

    def __init__(self, table: EmbeddingTable) -> None:
        self.table = table
        self._places = {name: place for place, name in enumerate(table.names)}
        self._known: dict[Path, int | None] = {}

    def place(self, path: Path) -> int | None:
        """Return the row of a recording; the longest end of its path that is a name counts."""
        if path not in self._known:
            self._known[path] = self._find(path)
        return self._known[path]

    def _find(self, path: Path) -> int | None:
        for start in range(len(path.parts)):
            end = Path(*path.parts[start:])
            for name in (end.as_posix(), end.with_suffix("").as_posix()):
                if (place := self._places.get(name)) is not None:
                    return place
        return None

    def check(self, *groups: Iterable[Path]) -> None:
        """Raise an error if a recording has no embedding."""
        paths = {path for group in groups for path in group}
        missing = sorted(path.as_posix() for path in paths if self.place(path) is None)
        if missing:
            raise CorpusError(
                f"there is no embedding of {first_few(missing)}, {len(missing)} of the "
                f"{len(paths)} recordings of the lists; names are such as "
                f"{first_few(self.table.names[:1])}"
            )

    def rows(self, paths: Iterable[Path]) -> NDArray[np.float64]:
        """Return the embeddings of recordings, in their order."""
        places = [place for path in paths if (place := self.place(path)) is not None]
        return self.table.vectors[places]


@dataclass(frozen=True, slots=True, eq=False)
class _Cohort:
    """The background speakers as a cohort: their models, and the scores of its sessions."""

    sessions: NDArray[np.float64]
    models: EnrolledEmbeddings
    cross: NDArray[np.float64]
    same_speaker: NDArray[np.bool_]

    @classmethod
    def of(
        cls, analysis: EmbeddingAnalysis, sessions: NDArray[np.float64], speakers: Sequence[str]
    ) -> _Cohort:
        """Return the cohort of sessions of speakers."""
        models = analysis.enroll(sessions, speakers)
        same = np.array(models.names)[:, None] == np.array(speakers)
        return cls(sessions, models, analysis.score(models, sessions), same)

    def scores(
        self, tests: NDArray[np.float64], models: NDArray[np.float64], *, averaged: bool
    ) -> CohortScores:
        """Return the scores that normalise those of models; `averaged` ones are one per speaker."""
        if averaged:
            tests = tests @ (self.same_speaker / self.same_speaker.sum(axis=1)[:, None]).T
        return CohortScores(tests, models, self.cross, self.same_speaker)


@dataclass(frozen=True, slots=True, eq=False)
class _Scorer:
    """An analysis, with the cohort that normalises its scores."""

    analysis: EmbeddingAnalysis
    found: _Embeddings
    options: NormalisationOptions
    cohort: _Cohort | None

    def score(self, split: Split) -> Scores:
        """Return the scores of the trials of a split."""
        enrolled = [(path, name) for name in split.models for path in split.enrolment[name]]
        vectors = self.found.rows(path for path, _ in enrolled)
        models = self.analysis.enroll(vectors, [name for _, name in enrolled])
        paths = split.test_paths()
        tests = self.found.rows(paths)
        rows = _places(models.names, (trial.model for trial in split.trials))
        columns = _places(paths, (trial.path for trial in split.trials))
        scores = np.empty(len(rows))
        # The scores of all models on all tests may be far more than those of the trials.
        n_models = max(1, _BLOCK_SCORES // len(paths))
        for start, block in self._scores(models, tests, n_models):
            mine = np.flatnonzero((rows >= start) & (rows < start + len(block)))
            scores[mine] = block[rows[mine] - start, columns[mine]]
        return Scores(
            np.array([trial.model for trial in split.trials], dtype=object),
            np.array([trial.name for trial in split.trials], dtype=object),
            scores,
            np.array([trial.label for trial in split.trials], dtype=object),
            {name: np.array(values, object) for name, values in split.conditions.items()},
        )

    def _scores(
        self, models: EnrolledEmbeddings, tests: NDArray[np.float64], n_models: int
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield the scores of a number of models at a time on all tests, with the first's place."""
        cohort, averaged = self.cohort, self.options.normalisation == "adaptive_s"
        of_cohort = None if cohort is None else self.analysis.score(cohort.models, tests)
        for start in range(0, len(models.names), n_models):
            some = slice(start, start + n_models)
            block = EnrolledEmbeddings(
                models.names[some], models.averages[some], models.counts[some]
            )
            scores = self.analysis.score(block, tests)
            if cohort is not None and of_cohort is not None:
                sessions = self.analysis.score(block, cohort.sessions)
                known = cohort.scores(sessions, of_cohort, averaged=averaged)
                scores = normalise_scores(scores, known, self.options)
            yield start, scores


def _places(known: Iterable[Any], wanted: Iterable[Any]) -> NDArray[np.intp]:
    """Return the place of each wanted one among those that are known."""
    places = {each: place for place, each in enumerate(known)}
    return np.array([places[each] for each in wanted], dtype=np.intp)
