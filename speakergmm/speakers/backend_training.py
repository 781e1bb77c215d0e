"""Training of back-ends that learn from the sessions of many speakers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from speakergmm.checkpoints import kept_checkpoint, short_digest
from speakergmm.corpora import AnyPath, CorpusLike
from speakergmm.engine import Engine, EngineLike
from speakergmm.features import FeatureStore
from speakergmm.gaussians.em import EMResult
from speakergmm.options import Options
from speakergmm.provenance import software_versions, utc_now
from speakergmm.ranges import choice
from speakergmm.run_context import RunContext
from speakergmm.speakers.backend_options import IvectorOptions, SupervectorOptions
from speakergmm.speakers.backends import (
    TrainedBackend,
    TrainedIvectors,
    TrainedJointFactors,
    TrainedSessionVariability,
    TrainedSupervectors,
    session_supervectors,
)
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.statistics_archive import StatisticsArchive
from speakergmm.speakers.supervector_svm import SupervectorSvm
from speakergmm.speakers.system import AnySystem, SpeakerSystem, loaded_system
from speakergmm.speakers.training_sessions import TrainingSessions, training_sessions
from speakergmm.subspace import (
    EmbeddingAnalysis,
    EmbeddingOptions,
    JointFactorOptions,
    JointFactors,
    SessionVariabilityOptions,
    fit_joint_factors,
    fit_session_variability,
    fit_total_variability,
)
from speakergmm.subspace.labelled_embeddings import SpeakerGroups


def train_backend(
    system: AnySystem,
    corpus: CorpusLike | FeatureStore,
    backend: str = "ivector",
    options: Options | None = None,
    *,
    statistics: StatisticsArchive | AnyPath | None = None,
    feature_store: FeatureStore | AnyPath | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> SpeakerSystem:
    """Train a back-end on the sessions of many speakers.

    Parameters
    ----------
    system : BackgroundModel, SpeakerSystem or path of either
        The background model; of a system, nothing else is used.
    corpus : Corpus, FeatureStore, path of either, or list of utterances
        Recordings with speakers, several of each, such as those of the background model. Each is a
        session; if the background model was trained on augmented recordings, so is each version.
    backend : {"ivector", "isv", "jfa", "svm"}
        I-vectors, inter-session variability, joint factor analysis, or support vector machines on
        supervectors.
    options : IvectorOptions, SessionVariabilityOptions, JointFactorOptions, SupervectorOptions
        Those of the back-end, optional.
    statistics : StatisticsArchive or path, optional
        Statistics of recordings under the background model, which are not read. An archive is not
        changed; a file is made if there is none, and completed.
    feature_store : FeatureStore or path, optional
        Features of recordings that it has are not extracted again.
    engine : int, executor, Dask client or Engine, optional
        Where recordings are read and statistics are summed. It changes nothing but the time.
    run : RunContext, optional
        ``strict``, ``on_skip`` and ``progress`` are used while recordings are read; ``callback``,
        ``checkpoint`` and ``checkpoint_seconds`` by the training of factors. The checkpoint stays
        until what follows them is trained, too.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    SpeakerSystem
        With the trained back-end; neither normalised nor calibrated.

    Raises
    ------
    InvalidInputError
        If there is no such back-end, an option is out of range, or a recording has no speaker.
    InsufficientDataError
        If there are too few recordings or speakers for what is to be learnt, or all speakers have
        one session and it needs several.
    IncompatibleModelError
        If statistics, features or a checkpoint are of another background model.
    """
    training = BACKEND_TRAININGS[choice("backend", backend, BACKEND_TRAININGS)]
    chosen = training.options.of(options, changes)
    given = loaded_system(system)
    background = given.background if isinstance(given, SpeakerSystem) else given
    if backend != "ivector":
        _ = background.diagonal_mixture  # which refuses others, before any recording is read
    run, engine = RunContext.checked(run), Engine.of(engine)
    sessions = training_sessions(
        background,
        corpus,
        statistics=statistics,
        feature_store=feature_store,
        engine=engine,
        run=run,
    )
    provenance = {
        "created": utc_now(),
        "software": software_versions(),
        "corpus": sessions.source,
        "sessions": len(sessions.speakers),
        "speakers": len(set(sessions.speakers.tolist())),
    }
    with kept_checkpoint(run) as kept:
        known = kept.with_facts(
            background=background.digest, speakers=short_digest(sessions.speakers.tolist())
        )
        trained = training.train(background, sessions, chosen, provenance, engine, known)
    return SpeakerSystem(
        background, backend_name=backend, trained=trained, provenance={"backend": provenance}
    )


def _train_ivectors(
    background: BackgroundModel,
    sessions: TrainingSessions,
    options: IvectorOptions,
    provenance: dict[str, Any],
    engine: Engine,
    run: RunContext,
) -> TrainedIvectors:
    """Train an extractor, and the analysis of the i-vectors of the same sessions."""
    occupancy, first_order, speakers, _ = sessions
    _check_speakers(SpeakerGroups.of(speakers, len(speakers)), options.analysis)
    result = fit_total_variability(
        background.mixture, occupancy, first_order, options.extractor, engine=engine, run=run
    )
    vectors = result.model.transform(occupancy, first_order, engine=engine)
    quiet = replace(run, callback=None, checkpoint=None)
    analysis = EmbeddingAnalysis.train(
        vectors, speakers, options.analysis, engine=engine, run=quiet
    )
    facts = provenance | _history(result)
    return TrainedIvectors(background.digest, result.model, analysis, facts)


def _train_factors(
    fit: Callable[..., EMResult[JointFactors]],
    kind: type[TrainedJointFactors],
    background: BackgroundModel,
    sessions: TrainingSessions,
    options: Options,
    provenance: dict[str, Any],
    engine: Engine,
    run: RunContext,
) -> TrainedJointFactors:
    """Train factors of sessions, with factors of speakers or relevance MAP of them."""
    occupancy, first_order, speakers, _ = sessions
    result = fit(
        background.mixture, occupancy, first_order, speakers, options, engine=engine, run=run
    )
    return kind(background.digest, result.model, provenance | _history(result))


def _history(result: EMResult[Any]) -> dict[str, list[float]]:
    """Return the objectives of a training, as a part of its provenance."""
    return {"history": [float(value) for value in result.objectives]}


def _collect_supervectors(
    background: BackgroundModel,
    sessions: TrainingSessions,
    options: SupervectorOptions,
    provenance: dict[str, Any],
    _: Engine,
    __: RunContext,
) -> TrainedSupervectors:
    """Make supervectors of all sessions, without the directions that are removed."""
    occupancy, first_order, speakers, _source = sessions
    vectors = session_supervectors(
        occupancy,
        first_order,
        background.diagonal_mixture,
        relevance_factor=options.relevance_factor,
    )
    machine = SupervectorSvm.train(vectors, speakers, options.machine)
    names = tuple(sorted(set(speakers.tolist())))
    return TrainedSupervectors(
        background.digest, machine, options.relevance_factor, names, provenance
    )


def _check_speakers(groups: SpeakerGroups, options: EmbeddingOptions) -> None:
    """Raise an error, before factors are trained, if a step lacks speakers or sessions."""
    needs = {
        "PLDA": options.scorer == "plda",
        "nuisance attribute projection": options.n_nuisances > 0,
        "linear discriminant analysis": options.n_discriminants is not None,
        "WCCN": options.normalisation == "wccn",
    }
    for what, is_asked_for in needs.items():
        if is_asked_for:
            groups.need_several_speakers(what)
            groups.need_several_sessions(what)


@dataclass(frozen=True)
class BackendTraining:
    """The training of a back-end: its options, and the function that does it.

    Parameters
    ----------
    options : type
        Class of its options.
    train : callable
        Returns what was learnt from a background model, sessions, options, provenance, engine and
        context.
    """

    options: type[Options]
    train: Callable[..., TrainedBackend]


BACKEND_TRAININGS = {
    "ivector": BackendTraining(IvectorOptions, _train_ivectors),
    "isv": BackendTraining(
        SessionVariabilityOptions,
        partial(_train_factors, fit_session_variability, TrainedSessionVariability),
    ),
    "jfa": BackendTraining(
        JointFactorOptions, partial(_train_factors, fit_joint_factors, TrainedJointFactors)
    ),
    "svm": BackendTraining(SupervectorOptions, _collect_supervectors),
}
"""The back-ends that are trained, by name."""
