"""Every kind of file that the package writes and reads back, small, and what is read from it."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from oracles import hmm_training

from speakergmm.audio import write_audio
from speakergmm.corpora import Corpus, Utterance
from speakergmm.estimators import (
    BayesianGaussianMixture,
    DirichletProcessMixture,
    EmbeddingTransformer,
    GaussianMixture,
    GaussianMixtureHMM,
    GaussianMixtureOutlierDetector,
    GaussianMixtureRegressor,
    HMMClassifier,
)
from speakergmm.features import FeatureConfig, FeatureStore, WeightedFrames, extract_features
from speakergmm.hmm import (
    BackoffLanguageModel,
    Lexicon,
    Topology,
    TrainingSchedule,
    compile_transcript,
    sequence_log_likelihood,
    train_ngram,
    train_phone_models,
)
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, accumulate, fit_mixture
from speakergmm.recognition import AcousticModel, FeatureNormalisation, SilenceModel
from speakergmm.records import digest
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    AdaptationOptions,
    BackgroundModel,
    Calibration,
    CalibrationTrials,
    Cohort,
    FeatureMapping,
    NormalisationOptions,
    SpeakerStore,
    SpeakerSystem,
    StatisticsArchive,
    SupervectorSvm,
    fit_calibration,
)
from speakergmm.speakers.backends import (
    TrainedIvectors,
    TrainedJointFactors,
    TrainedSessionVariability,
    TrainedSupervectors,
)
from speakergmm.subspace import (
    AffineTransform,
    EmbeddingAnalysis,
    Factors,
    JointFactors,
    LengthNormalisation,
    NuisanceProjection,
    Plda,
    TotalVariability,
    fit_nuisance_projection,
    fit_plda,
    fit_total_variability,
    fit_whitening,
    mixture_digest,
)

TRAINED = {
    each.backend_name: each
    for each in (
        TrainedIvectors,
        TrainedSessionVariability,
        TrainedJointFactors,
        TrainedSupervectors,
    )
}
X = np.random.default_rng(0).normal(size=(120, 3))
NAMES = np.repeat(["ana", "bea", "cid"], 40)
FEATURES = FeatureConfig.preset("speaker")
LEXICON = Lexicon.from_dict({"a": "A", "ab": ["A B", "B"]})
TOPOLOGIES = {"A": Topology.left_right(2), "B": Topology.left_right(1), "S": Topology.silence(3)}
SENTENCES = (("yes", "no"), ("no", "maybe", "yes"), ("yes",))


@dataclass(frozen=True)
class Kept:
    """A kind of file.

    Parameters
    ----------
    make : callable
        Makes it in a folder, and returns its path.
    use : callable
        Reads it, and returns digests and numbers.
    n_sampled : int
        Bytes that are damaged, where the file has more: as many as take a second or two.
    refused : float
        Least part of the flips that is refused; stores of speakers hold pages of zeros.
    """

    make: Callable[[Path], Path]
    use: Callable[[Path], Any]
    n_sampled: int = 1500
    refused: float = 0.8


def _record(made: Callable[[], Any], name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        made().save(folder / name)
        return folder / name

    return make


def _estimator(
    unfitted: Any, fit: Callable[[Any], Any], number: Callable[[Any], Any], n_sampled: int = 1500
) -> Kept:
    """Return the kind of an estimator's files."""

    def use(path: Path) -> Any:
        found = type(unfitted).load(path)
        return digest(found), repr(found.get_params()), np.asarray(number(found)).tobytes()

    return Kept(_record(lambda: fit(unfitted), "estimator"), use, n_sampled)


def _background() -> BackgroundModel:
    means = np.random.default_rng(1).normal(size=(2, 60))
    mixture = DiagonalMixture(np.full(2, 0.5), means, np.ones((2, 60)))
    plain = BackgroundModel(mixture, FEATURES, {"created": "today"})
    moved = DiagonalMixture(np.full(2, 0.5), means + 1.0, np.full((2, 60), 2.0))
    mapping = FeatureMapping(plain.digest, ("clean", "noise"), (mixture, moved), mixture)
    return replace(plain, mapping=mapping)


def _use_background(path: Path) -> Any:
    found = BackgroundModel.load(path)
    score = float(found.mixture.log_likelihood(np.ones((2, 60))).sum())
    return found.digest, found.provenance, repr(found.features), repr(found.mapping), score


def _archive() -> StatisticsArchive:
    mixture = DiagonalMixture([0.5, 0.5], [[0.0] * 3, [1.0] * 3], np.ones((2, 3)))
    parts = [accumulate(mixture, half) for half in np.split(X, 2)]
    counts = np.array([60, 60])
    return StatisticsArchive(
        "0" * 64,
        ("a.wav", "b.wav"),
        np.array([False, True]),
        np.stack([each.counts for each in parts]).astype(np.float32),
        np.stack([each.first_order for each in parts]).astype(np.float32),
        np.array([each.n_frames for each in parts]),
        np.array([each.log_likelihood for each in parts]),
        *(np.array([0.9, 0.8]), np.array([0.6, 0.6])),
        *(counts, counts, counts),
    )


def _use_archive(path: Path) -> Any:
    found = StatisticsArchive.load(path)
    kept = [found.statistics("a.wav"), found.statistics("b.wav", augmented=True)]
    return digest(found), [each.first_order.tobytes() for each in kept]


def _system() -> SpeakerSystem:
    """Return a system with a cohort of two speakers and a test of each."""
    system = SpeakerSystem(_background(), AdaptationOptions(relevance_factor=2.0), "linear")
    rng = np.random.default_rng(5)
    frames = rng.normal(size=(6, 60)).astype(np.float32)
    cohort = Cohort(
        system.background.digest,
        system.backend_name,
        system.backend.digest,
        ("ana", "bea"),
        rng.normal(size=(2, 122)).astype(np.float32),
        *(frames, np.ones(6, np.float32)),
        *(np.array([3, 3]), np.array([0, 1])),
    )
    return system.replace(cohort=cohort, normalisation=NormalisationOptions(normalisation="s"))


def _cohort() -> Cohort:
    cohort = _system().cohort
    assert cohort is not None
    return cohort


def _use_system(path: Path) -> Any:
    found = SpeakerSystem.load(path)
    terms = tuple(
        np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
        for shape in found.backend.term_shapes
    )
    block = WeightedFrames(np.ones((3, 60), np.float32), None)
    score = found.scorer(("cid",), terms).score_blocks([block])[0]
    return found.digest, repr(found.info()), score.tobytes()


def _statistics() -> MixtureStatistics:
    return accumulate(DiagonalMixture([0.5, 0.5], [[0.0] * 3, [1.0] * 3], np.ones((2, 3))), X)


def _calibration() -> Calibration:
    names = np.array(["ann", "bob", "cid", "dan"])
    models, tests = (each.ravel() for each in np.meshgrid(names, np.tile(names, 3)))
    noise = np.random.default_rng(5).normal(size=len(models))
    sex = np.where(np.isin(models, ("ann", "cid")), "f", "m")
    return fit_calibration(
        CalibrationTrials(
            3.0 * (models == tests) + noise, models == tests, models, tests,
            {"snr_db": 20 + noise**2}, {"sex": sex},
        )
    )  # fmt: skip


def _use_calibration(path: Path) -> Any:
    found = Calibration.load(path)
    llrs = found.llr([0.5, 9.0], {"snr_db": 22.0}).tobytes()
    return found.digest, repr(found.info()), llrs, found.unlike({"snr_db": 1.0})


def _acoustic() -> AcousticModel:
    models = hmm_training.random_models(
        np.random.default_rng(2), TOPOLOGIES, sizes=(1, 2), n_features=13
    )
    return AcousticModel(
        models=models, lexicon=LEXICON, features=FeatureConfig.load("hmm").replace(deltas=0),
        normalisation=FeatureNormalisation("utterance", variance=False),
        silence=SilenceModel("S", 0.3, 0.9), provenance={"trained": "once"},
    )  # fmt: skip


def _use_acoustic(path: Path) -> Any:
    found = AcousticModel.load(path)
    graph = found.compile(["ab", "a"])
    frames = np.random.default_rng(3).normal(size=(20, 13))
    densities = hmm_training.log_emissions(found.models.bank, frames)[:, graph.pdfs]
    number = sequence_log_likelihood(graph.graph(found.models.transitions), densities)
    return found.digest, repr(found.info()), number


def _voice(path: Path, seed: int) -> Path:
    """Write noise that is loud in its middle, so that part of it is speech."""
    rng = np.random.default_rng(seed)
    level = np.where(abs(np.arange(8000) - 4000) < 2500, 0.2, 0.001)
    write_audio(path, (level * rng.normal(size=8000)).astype(np.float32), 16000)
    return path


def _store(folder: Path) -> Path:
    path = folder / "voices.db"
    with SpeakerStore.create(path, _background()) as store:
        for seed, name in enumerate(("ana", "bea", "ana")):
            store.enroll(name, _voice(folder / f"{seed}.wav", seed))
    return path


def _use_store(path: Path) -> Any:
    with SpeakerStore.open(path) as store:
        means = [store.model(name).mixture.means.tobytes() for name in ("ana", "bea")]
        heard = store.identify(path.parent / "2.wav").ranking
        return store.background.digest, repr(store.speakers()), repr(store.log()), means, heard


def _feature_store(folder: Path) -> Path:
    utterances = tuple(
        Utterance(f"u{n}", _voice(folder / f"{n}.wav", n), f"s{n}") for n in range(3)
    )
    extract_features(Corpus(utterances, source="made"), folder / "store", features=FEATURES)
    return folder / "store"


def _index(folder: Path) -> Path:
    return next(_feature_store(folder).glob("index*"))


def _shard(folder: Path) -> Path:
    return max(
        (path for path in _feature_store(folder).rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )


def _use_features(path: Path) -> Any:
    folder = next(parent for parent in path.parents if parent.name == "store")
    store = FeatureStore.open(folder)
    read = [store.read(utterance) for utterance in store.utterances]
    sums = [block.sum() for block in store.speech.shards[0].blocks()]
    return store.digest, [each.values.tobytes() for each in read], repr(store.utterances), sums


def _factors(**parts: Any) -> Factors:
    rng = np.random.default_rng(6)
    means, variances = rng.normal(size=(2, 3)), rng.uniform(0.5, 1.5, (2, 3))
    return Factors("diag", means, variances, rng.normal(size=(2, 3, 2)), **parts)


def _use_extractor(path: Path) -> Any:
    found = TotalVariability.load(path)
    vectors = found.transform(np.ones((1, 2)), np.ones((1, 2, 3)))
    return found.digest, found.background_digest, vectors.tobytes()


def _trained(name: str) -> Callable[[Path], Path]:
    """Return what writes a back-end that learnt under the background model."""

    def made() -> Any:
        background = _background()
        mixture = background.mixture
        rng = np.random.default_rng(6)
        if name == "svm":
            vectors = rng.normal(size=(3, mixture.means.size))
            return TrainedSupervectors(background.digest, SupervectorSvm.train(vectors), 3.0)
        of_speaker = {"ivector": 2, "isv": 0, "jfa": 1}[name]
        factors = Factors(
            "diag",
            mixture.means,
            mixture.variances,
            rng.normal(size=(*mixture.means.shape, 2)),
            of_speaker,
            None if name == "ivector" else np.ones(mixture.means.shape),
        )
        if name != "ivector":
            model = JointFactors(mixture_digest(mixture), factors)
            return TRAINED[name](background.digest, model)
        extractor = TotalVariability(mixture_digest(mixture), factors)
        analysis = EmbeddingAnalysis.train(X[:, :2], NAMES, max_iter=1)
        return TrainedIvectors(background.digest, extractor, analysis)

    return _record(made, name)


def _use_trained(name: str) -> Callable[[Path], Any]:
    def use(path: Path) -> Any:
        system = SpeakerSystem(_background(), backend_name=name, trained=TRAINED[name].load(path))
        mixture = system.background.mixture
        session = accumulate(mixture, np.ones((3, 60)), second_order=False)
        terms = system.backend.enroll([session], name="ana")
        return repr(system.info()), system.digest, [each.tobytes() for each in terms]

    return use


def _use_joint_factors(path: Path) -> Any:
    found = JointFactors.load(path)
    offset = found.enroll(np.ones((2, 2)), np.ones((2, 2, 3)))
    return found.digest, found.background_digest, offset.tobytes()


class _Interrupted(Exception):
    pass


def _checkpoint(train: Callable[[Path, Callable[..., None] | None], Any]) -> Kept:
    """Return the kind of a training's checkpoints; `train` is called with a path and a callback."""

    def make(folder: Path) -> Path:
        calls = []

        def interrupt(*_: object) -> None:
            calls.append(1)
            if len(calls) == 2:
                raise _Interrupted

        with contextlib.suppress(_Interrupted):
            train(folder / "checkpoint", interrupt)
        return folder / "checkpoint"

    return Kept(make, lambda path: digest(train(path, None)), 300)


def _run(path: Path, callback: Callable[..., None] | None) -> RunContext:
    return RunContext(checkpoint=path, checkpoint_seconds=0.0, callback=callback)


def _fit_mixture(path: Path, callback: Callable[..., None] | None) -> Any:
    return fit_mixture(
        X, n_components=2, seed=0, max_iter=3, tol=0.0, run=_run(path, callback)
    ).model  # fmt: skip


def _fit_estimator(path: Path, callback: Callable[..., None] | None) -> Any:
    return GaussianMixture(
        2, n_init=2, max_iter=3, tol=0.0, random_state=0, init_params="random_from_data",
        checkpoint=path, checkpoint_seconds=0.0, callback=callback,
    ).fit(X)  # fmt: skip


def _fit_extractor(path: Path, callback: Callable[..., None] | None) -> Any:
    mixture = DiagonalMixture([0.5, 0.5], [[0.0] * 3, [1.0] * 3], np.ones((2, 3)))
    sums = np.random.default_rng(7).normal(size=(9, 2, 3))
    return fit_total_variability(
        mixture, np.ones((9, 2)), sums, dimension=2, max_iter=3, run=_run(path, callback)
    ).model


def _fit_phones(path: Path, callback: Callable[..., None] | None) -> Any:
    rng = np.random.default_rng(4)
    models = hmm_training.random_models(rng, TOPOLOGIES, n_features=2)
    graphs = [compile_transcript(["ab", "a"], LEXICON, models, silence="S")] * 3
    frames = [rng.normal(size=(15, 2)).astype(np.float32) for _ in graphs]
    schedule = TrainingSchedule(max_iter=3, n_gaussians=7, min_frames_per_gaussian=1.0)
    return train_phone_models(
        models=models, graphs=graphs, frames=frames, schedule=schedule, run=_run(path, callback)
    ).models


def _use_analysis(path: Path) -> Any:
    found = EmbeddingAnalysis.load(path)
    return found.digest, repr(found.info()), found.score(found.enroll(X, NAMES), X).tobytes()


def _fit_plda(path: Path, callback: Callable[..., None] | None) -> Any:
    return fit_plda(X, NAMES, max_iter=3, tol=0.0, run=_run(path, callback)).model


def _language(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        train_ngram(SENTENCES, order=2).write_arpa(folder / name)
        return folder / name

    return make


def _use_language(path: Path) -> Any:
    found = BackoffLanguageModel.read_arpa(path)
    return found.digest, found.log_probability(["yes", "maybe"])


def _fit(model: Any) -> Any:
    return model.fit(X)


def _scores(found: Any) -> Any:
    return found.score_samples(X)


KINDS = {
    "background model": Kept(_record(_background, "ubm"), _use_background),
    "mixture statistics": Kept(
        _record(_statistics, "statistics"),
        lambda path: (digest(found := MixtureStatistics.load(path)), float(found.counts.sum())),
    ),
    "score calibration": Kept(_record(_calibration, "calibration"), _use_calibration, 1000),
    "statistics archive": Kept(_record(_archive, "archive"), _use_archive, 800),
    "speaker system": Kept(_record(_system, "system"), _use_system, 400),
    "cohort": Kept(
        _record(_cohort, "cohort"),
        lambda path: (digest(found := Cohort.load(path)), found.same_speaker.tobytes()),
        600,
    ),
    "i-vector extractor": Kept(
        _record(
            lambda: TotalVariability("0" * 64, _factors(n_speaker=2, prior_mean=np.ones(2))), "tv"
        ),
        _use_extractor,
    ),
    "joint factor analysis": Kept(
        _record(
            lambda: JointFactors("0" * 64, _factors(n_speaker=1, residual=np.ones((2, 3)))), "jfa"
        ),
        _use_joint_factors,
    ),
    **{TRAINED[name].file_kind: Kept(_trained(name), _use_trained(name), 200) for name in TRAINED},
    "acoustic model": Kept(_record(_acoustic, "am"), _use_acoustic, 1000),
    "gaussian mixture": _estimator(GaussianMixture(2, random_state=0), _fit, _scores),
    "stepwise mixture": _estimator(
        GaussianMixture(2, random_state=0), lambda model: model.partial_fit(X), _scores
    ),
    "bayesian mixture": _estimator(
        BayesianGaussianMixture(n_components=2, tol=1.0, random_state=0), _fit, _scores
    ),
    "dirichlet process": _estimator(
        DirichletProcessMixture(random_state=0, n_sweeps=20, n_chains=1),
        _fit,
        lambda found: found.predict(X),
    ),
    "mixture regressor": _estimator(
        GaussianMixtureRegressor(estimator=GaussianMixture(2, random_state=0)),
        lambda model: model.fit(X[:, :2], X[:, 2]),
        lambda found: found.predict(X[:, :2]),
    ),
    "outlier detector": _estimator(
        GaussianMixtureOutlierDetector(estimator=GaussianMixture(2, random_state=0)), _fit, _scores
    ),
    "mixture HMM": _estimator(
        GaussianMixtureHMM(2, random_state=0, n_iter=1), _fit, lambda found: found.score(X), 800
    ),
    "HMM classifier": _estimator(
        HMMClassifier(GaussianMixtureHMM(2, random_state=0, n_iter=1)),
        lambda model: model.fit([X[:40], X[40:80], X[80:]], ["a", "b", "a"]),
        lambda found: found.predict_log_proba([X[:40]]),
        500,
    ),
    "affine transform": Kept(
        _record(lambda: fit_whitening(X), "whitening"),
        lambda path: AffineTransform.load(path).transform(X).tobytes(),
        400,
    ),
    "nuisance projection": Kept(
        _record(lambda: fit_nuisance_projection(X, NAMES, n_directions=1), "projection"),
        lambda path: NuisanceProjection.load(path).transform(X).tobytes(),
        400,
    ),
    "length normalisation": Kept(
        _record(lambda: LengthNormalisation(by_dimension=True), "lengths"),
        lambda path: LengthNormalisation.load(path).transform(X).tobytes(),
        400,
    ),
    "embedding scorer": Kept(
        _record(lambda: EmbeddingAnalysis.train(X, NAMES, n_discriminants=2, max_iter=1), "chain"),
        _use_analysis,
        600,
    ),
    "supervector SVM": Kept(
        _record(lambda: SupervectorSvm.train(X, NAMES, n_nuisances=1), "svm"),
        lambda path: SupervectorSvm.load(path).enroll(X[:3]).tobytes(),
        400,
    ),
    "PLDA model": Kept(
        _record(lambda: fit_plda(X, NAMES, max_iter=1).model, "plda"),
        lambda path: Plda.load(path).score(X, X).tobytes(),
        400,
    ),
    "checkpoint of PLDA": _checkpoint(_fit_plda),
    "embedding transformer": _estimator(
        EmbeddingTransformer(n_discriminants=1),
        lambda model: model.fit(X, NAMES),
        lambda found: found.transform(X),
        400,
    ),
    "speaker store": Kept(_store, _use_store, 500, 0.1),
    "feature store index": Kept(_index, _use_features, 500),
    "feature store shard": Kept(_shard, _use_features, 400),
    "checkpoint of a mixture": _checkpoint(_fit_mixture),
    "checkpoint of an estimator": _checkpoint(_fit_estimator),
    "checkpoint of an extractor": _checkpoint(_fit_extractor),
    "checkpoint of phone models": _checkpoint(_fit_phones),
    "language model": Kept(_language("lm.arpa"), _use_language),
    "packed language model": Kept(_language("lm.arpa.gz"), _use_language),
}
"""Kinds of files by name."""


def other_formats() -> dict[str, bytes]:
    """Return beginnings of files of other programs."""
    return {
        "nothing": b"",
        "text": b"some text\n" * 50,
        "zeros": bytes(5000),
        "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(40),
        "gzip": gzip.compress(b"text " * 100, mtime=0),
        "pickle": b"\x80\x04\x95" + bytes(100),
        "ZIP": b"PK\x03\x04" + bytes(100),
        "JSON": b'{"a": [1, 2, 3]}',
        "SQLite": b"SQLite format 3\0" + bytes(4080),
        "NumPy": b"\x93NUMPY\x01\0" + bytes(120),
        "safetensors": b"\x02\0\0\0\0\0\0\0{}",
    }
