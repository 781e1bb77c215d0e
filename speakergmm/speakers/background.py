"""The background model: a mixture trained on the speech of many speakers, with its features."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

from speakergmm import records
from speakergmm.checkpoints import kept_checkpoint, short_digest
from speakergmm.corpora import AnyPath, CorpusLike, as_corpus, is_path
from speakergmm.corpora.augmentation import AugmentationOptions, Talkers, as_augmentation
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
)
from speakergmm.features import (
    FeatureConfig,
    FeatureStore,
    as_feature_config,
    as_feature_store,
    cached_extractor,
)
from speakergmm.gaussians.em import EMResult
from speakergmm.mixtures import (
    DiagonalMixture,
    EMOptions,
    FullMixture,
    fit_mixture,
    train_from,
)
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.provenance import software_versions, utc_now
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext
from speakergmm.speakers.extraction import SpeechStream
from speakergmm.speakers.feature_mapping import (
    FeatureMapping,
    check_mapping,
    fit_feature_mapping,
)
from speakergmm.speakers.mixture_training_options import BackgroundOptions
from speakergmm.speakers.speech_store import (
    DEFAULT_FEATURES,
    SpeechOfCorpus,
    speech_of,
    versions_of_training,
)


class BackgroundWarning(UserWarning):
    """A background model was trained on a corpus that is not suitable for one."""


@dataclass(frozen=True, eq=False, repr=False)
class BackgroundModel(records.Filed):
    """A universal background model (UBM) and everything needed to use it.

    Parameters
    ----------
    mixture : DiagonalMixture or FullMixture
        Mixture of K components and D features; a fitted estimator of these kinds is accepted. With
        full covariances it serves i-vectors; all other back-ends take diagonal ones.
    features : FeatureConfig
        Configuration of the features, which are extracted in the same way for scoring.
    provenance : dict
        Time, data and options of the training, as JSON can hold them; not part of the digest.
    augmentation : AugmentationOptions, optional
        Conditions in each of which the recordings of the training were used, and those of speakers
        are to be, see `versions`; without talkers. None for as they are.
    talkers : Talkers, optional
        Real voices of babble, if the augmentation has such: a few seconds of each are stored.
    mapping : FeatureMapping, optional
        By which the frames of every recording are mapped before they meet the mixture; see
        `speech`. None to use them as they are.

    Raises
    ------
    IncompatibleModelError
        If mixture and features have different numbers of features, or the mapping is that of
        another background model.
    """

    file_kind: ClassVar[str] = "background model"

    mixture: FullMixture | DiagonalMixture
    features: FeatureConfig
    provenance: dict[str, Any] = field(default_factory=dict)
    augmentation: AugmentationOptions | None = None
    talkers: Talkers | None = None
    mapping: FeatureMapping | None = None

    def __post_init__(self) -> None:
        if self.augmentation is not None:
            if (talkers := self.augmentation.talkers) is not None:
                kept = talkers if isinstance(talkers, Talkers) else Talkers.of(talkers)
                object.__setattr__(self, "talkers", kept)
            object.__setattr__(self, "augmentation", replace(self.augmentation, talkers=None))
        object.__setattr__(self, "mixture", _checked_mixture(self.mixture))
        object.__setattr__(self, "features", as_feature_config(self.features))
        n_features = cached_extractor(self.features).n_features
        if n_features != self.mixture.n_features:
            raise IncompatibleModelError(
                f"the mixture has {self.mixture.n_features} features per frame, the feature "
                f"configuration has {n_features}"
            )
        if self.mapping is not None and self.mapping.background_digest != self._own_digest:
            raise IncompatibleModelError(
                f"the feature mapping is that of background model "
                f"{self.mapping.background_digest[:12]}, not of {self._own_digest[:12]}; train "
                "this one with feature_mapping"
            )

    def __repr__(self) -> str:
        return (
            f"BackgroundModel({self.mixture.n_components} components, {self.mixture.n_features} "
            f"features {self.features.name!r}, digest={self.digest[:12]!r})"
        )

    @property
    def diagonal_mixture(self) -> DiagonalMixture:
        """The mixture, whose covariances must be diagonal.

        Raises
        ------
        IncompatibleModelError
            If they are not.
        """
        if not isinstance(self.mixture, DiagonalMixture):
            raise IncompatibleModelError(
                f"the background model has {self.mixture.covariance_type} covariances, which only "
                "i-vectors take: train them first (speakergmm train-backend), or train a "
                "background model with diagonal ones"
            )
        return self.mixture

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of parameters and features, augmentation and mapping if any.

        They determine all scores.
        """
        if self.mapping is None:
            return self._own_digest
        return records.digest(self._own_digest, self.mapping)

    @cached_property
    def _own_digest(self) -> str:
        """Digest without the mapping, which belongs to it."""
        versions: list[Any] = [] if self.augmentation is None else [self.augmentation.to_dict()]
        versions += [] if self.talkers is None else [self.talkers]
        return records.digest(self.file_kind, self.features.digest, self.mixture, *versions)

    @property
    def versions(self) -> AugmentationOptions | None:
        """The augmentation with its talkers, by which a recording of a speaker is enrolled."""
        if self.augmentation is None:
            return None
        return replace(self.augmentation, talkers=self.talkers)

    @property
    def n_versions(self) -> int:
        """Number of versions in which a recording of a speaker is enrolled, the clean one first."""
        if self.augmentation is None:
            return 1
        return len({"clean", *self.augmentation.conditions})

    def speech(
        self, recordings: Sequence[Any], options: Mapping[str, Any] | None = None
    ) -> SpeechStream:
        """Return the frames of speech of recordings as the mixture is to be used on them.

        Parameters
        ----------
        recordings : sequence of path, array, iterator of arrays, StoredRecording or GivenSamples
        options : mapping of str to object, optional
            Keywords of `FeatureExtractor.stream`, such as ``sample_rate``.

        Returns
        -------
        SpeechStream
            Iterable over blocks of `WeightedFrames`, mapped if the model has a mapping, which takes
            each recording for one condition.
        """
        return SpeechStream(self.features, recordings, options or {}, self.mapping)

    @classmethod
    def train(
        cls,
        corpus: CorpusLike | FeatureStore,
        options: BackgroundOptions | None = None,
        *,
        engine: EngineLike = None,
        run: RunContext | None = None,
        **changes: Any,
    ) -> "BackgroundModel":
        """Train a background model on a corpus.

        Parameters
        ----------
        corpus : Corpus, FeatureStore, path of either, or list of recordings
            Speech of many speakers, who need not be named. The path of a corpus is read by
            `speakergmm.read_corpus`; recordings are given by their paths. The features of a store
            are used as they are.
        options : BackgroundOptions, optional
        engine : int, executor, Dask client or Engine, optional
            Where recordings are read and frames are summed: a number is that of processes, -1 for
            all cores. It changes nothing but the time.
        run : RunContext, optional
            ``strict``, ``on_skip`` and ``progress`` are used while features are extracted, and
            ``callback`` and ``checkpoint`` by `speakergmm.mixtures.fit_mixture`; the checkpoint
            stays until the feature mapping is trained, too.
        **changes
            Fields of `BackgroundOptions`, in place of those of `options`, such as ``features``,
            ``n_components``, ``seed``, ``max_iter``, ``tol``, ``variance_floor``.

        Returns
        -------
        BackgroundModel

        Raises
        ------
        InsufficientDataError
            If no recording is usable, or there are fewer frames of speech than components.
        InvalidInputError
            If an option is out of range, or there is to be a feature mapping of recordings that are
            not in several conditions.
        AudioError, InsufficientDataError
            With ``run.strict``, if a recording cannot be used.
        IncompatibleModelError
            If a store was made with other features than `options` asks for.

        Warns
        -----
        BackgroundWarning
            If all speech is of one speaker, so that the model cannot represent other speakers.

        Notes
        -----
        No frames are held in memory. The features of a corpus are written to a temporary feature
        store in the folder of temporary files (the environment's TMPDIR), 86 MB per hour of speech
        at 60 features, and removed at the end: the model is the same to the last bit as that of a
        feature store of the same corpus. Workers on other machines need a store, or a TMPDIR, that
        all of them see.

        References
        ----------
        .. [1] Reynolds, Quatieri, Dunn, "Speaker Verification Using Adapted Gaussian Mixture
           Models", Digital Signal Processing 10 (2000) 19-41.
        """
        options = BackgroundOptions.of(options, changes)
        run, engine = RunContext.checked(run), Engine.of(engine)
        wanted = _with_talkers(as_augmentation(options.augmentation), options)
        store = as_feature_store(corpus)
        check_mapping(options.feature_mapping, _versions(wanted, options, store))
        with (
            kept_checkpoint(run) as run,
            speech_of(
                corpus if store is None else store,
                options.features,
                augmentation=wanted,
                engine=engine,
                run=run,
            ) as speech,
        ):
            config, facts, augmentation = speech.store.config, speech.facts(), speech.augmentation
            _check_speech(speech, facts, options.n_components)
            # Expectation-maximisation.
            run = run.with_facts(
                corpus=short_digest(facts["corpus_sha256"]), features=config.to_dict()
            )
            result: EMResult[Any] = fit_mixture(
                speech.store.speech, options, engine=engine, run=run
            )
            if options.covariance_type == "full":
                result = _with_full_covariances(result, speech.store, options, engine, run)
            provenance = {
                "created": utc_now(),
                "software": software_versions(),
                "seed": options.seed,
                "training": _plain_options(options),
                **facts,
                "convergence": str(result.convergence),
                "history": [float(value) for value in result.objectives],
            }
            model = cls(result.model, config, provenance, augmentation)
            return _with_mapping(model, speech.store, options, engine)

    def info(self) -> dict[str, Any]:
        """Return a description of the model as JSON can hold it."""
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            "n_components": self.mixture.n_components,
            "n_features": self.mixture.n_features,
            "features": self.features.to_dict(),
            "features_digest": self.features.digest,
            "augmentation": None if self.augmentation is None else self.augmentation.to_dict(),
            "n_talkers": 0 if self.talkers is None else len(self.talkers.samples),
            "mapping": None if self.mapping is None else self.mapping.info(),
            "provenance": self.provenance,
        }


def _checked_mixture(given: Any) -> FullMixture | DiagonalMixture:
    """Return the mixture of an argument, of one of the kinds that background models have."""
    mixture = mixture_of(given)
    if isinstance(mixture, FullMixture):
        return mixture
    return mixture_of(mixture, kind=DiagonalMixture)


AnyBackground = BackgroundModel | AnyPath
"""A background model, or the path of its file."""


def as_background(background: AnyBackground) -> BackgroundModel:
    """Return a background model, which is read if a path is given.

    Raises
    ------
    InvalidTypeError
        If it is something else; the message names the call that makes a background model of it.
    """
    if isinstance(background, BackgroundModel):
        return background
    if is_path(background):
        return BackgroundModel.load(background)
    mixture = isinstance(background, Mixture) or hasattr(background, "mixture_")
    way = "BackgroundModel(mixture, features)" if mixture else "BackgroundModel.train(corpus)"
    raise wrong_type(background, f"a background model, {way}, or its path")


def _plain_options(options: BackgroundOptions) -> dict[str, Any]:
    """Return the options of the mixture, as JSON can hold them, for the provenance."""
    values = {
        each.name: getattr(holder, each.name)
        for holder in (options, options.update)
        for each in fields(holder)
    }
    return {
        name: value if isinstance(value, str | int | float | None) else str(value)
        for name, value in values.items()
        if name not in ("features", "n_components", "seed", "update", "augmentation", "talkers")
    }


def _with_talkers(
    wanted: AugmentationOptions | None, options: BackgroundOptions
) -> AugmentationOptions | None:
    """Return the augmentation with the speech of its talkers, if there are real ones."""
    recordings: Any = None if wanted is None else wanted.talkers
    if options.talkers is not None:
        wanted = wanted or AugmentationOptions()
        if "babble" not in wanted.conditions:
            raise InvalidInputError(
                f"talkers are voices of babble, which is not among the conditions "
                f"{', '.join(wanted.conditions)}; add it, or leave the talkers out"
            )
        first = {
            each.speaker or each.id: each
            for each in reversed(as_corpus(options.talkers).utterances)
        }
        recordings = [each.path for each in reversed(first.values())]
    if recordings is None or wanted is None or isinstance(recordings, Talkers):
        return wanted
    return replace(wanted, talkers=Talkers.of(recordings))


def _versions(
    wanted: AugmentationOptions | None, options: BackgroundOptions, store: FeatureStore | None
) -> AugmentationOptions | None:
    """Return the conditions in which the recordings will be used; None for as they are."""
    if store is not None:
        return store.augmentation
    return versions_of_training(wanted, as_feature_config(options.features or DEFAULT_FEATURES))


def _with_full_covariances(
    diagonal: EMResult[DiagonalMixture],
    store: FeatureStore,
    options: BackgroundOptions,
    engine: Engine,
    run: RunContext,
) -> EMResult[FullMixture]:
    """Train a mixture with full covariances from one with diagonal ones, as far as that came."""
    model = diagonal.model
    start = FullMixture(model.weights, model.means, model.full_covariances())
    # Another loop than that of the checkpoint, which stays until this one has ended.
    quiet = replace(run, checkpoint=None)
    em = EMOptions(
        max_iter=options.max_iter,
        tol=options.tol,
        precision=options.precision,
        update=options.update,
    )
    return train_from(store.speech, start, em, engine=engine, run=quiet)


def _with_mapping(
    model: BackgroundModel, store: FeatureStore, options: BackgroundOptions, engine: Engine
) -> BackgroundModel:
    """Return a background model with the feature mapping that is asked for."""
    if options.feature_mapping == "none":
        return model
    mapping = fit_feature_mapping(
        model.diagonal_mixture,
        store,
        background_digest=model.digest,
        reference=options.feature_mapping,
        precision=options.precision,
        engine=engine,
    )
    return replace(model, mapping=mapping)


def _check_speech(speech: SpeechOfCorpus, facts: Mapping[str, Any], n_components: int) -> None:
    """Raise an error if there is too little speech; warn if all of it is of one speaker."""
    n_frames, source = facts["n_frames"], speech.corpus.source
    if n_frames < n_components:
        raise InsufficientDataError(
            f"{source}: {n_frames} frames of speech are fewer than the {n_components} "
            "components asked for; give more speech or ask for fewer components"
        )
    if facts["n_speakers"] == 1:
        warnings.warn(
            f"{source}: all speech is of one speaker; a background model needs many",
            BackgroundWarning,
            stacklevel=3,
        )
