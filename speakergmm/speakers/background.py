"""The background model: a mixture of many speakers' speech, and the features it was trained on."""

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.corpora import AnyPath, Corpus, Utterance, is_path, read_corpus
from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
)
from speakergmm.features import FeatureConfig, as_feature_config, cached_extractor, map_recordings
from speakergmm.mixtures import DiagonalMixture, fit_mixture
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.parallel import Workers
from speakergmm.provenance import software_versions, utc_now
from speakergmm.ranges import whole_number, wrong_type
from speakergmm.run_context import RunContext, SkippedRecording, Skips
from speakergmm.speakers.extraction import ExtractSpeech, SpeechFrames


class BackgroundWarning(UserWarning):
    """A background model was trained, but on a corpus that hardly makes one."""


@dataclass(frozen=True, eq=False)
class BackgroundModel(records.Filed):
    """A universal background model (UBM) and everything needed to use it.

    Parameters
    ----------
    mixture : DiagonalMixture
        K components over the features' D dimensions; a fitted estimator of that kind will do.
    features : FeatureConfig
        How the features were made; scoring makes them the same way.
    provenance : dict
        When, from what and how it was trained, as JSON can hold it; no part of the identity.

    Raises
    ------
    IncompatibleModelError
        If the features have another dimension than the mixture.
    """

    file_kind: ClassVar[str] = "background model"

    mixture: DiagonalMixture
    features: FeatureConfig
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mixture", mixture_of(self.mixture, kind=DiagonalMixture))
        object.__setattr__(self, "features", as_feature_config(self.features))
        n_features = cached_extractor(self.features).n_features
        if n_features != self.mixture.n_features:
            raise IncompatibleModelError(
                f"the mixture has {self.mixture.n_features} features per frame, the feature "
                f"configuration makes {n_features}"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of parameters and features: what makes scores what they are."""
        return records.digest(self.file_kind, self.features.digest, self.mixture)

    @classmethod
    def train(
        cls,
        corpus: Corpus | AnyPath,
        *,
        features: FeatureConfig | AnyPath = "speaker",
        n_components: int = 64,
        seed: int = 0,
        n_jobs: int = 1,
        run: RunContext | None = None,
        **options: Any,
    ) -> "BackgroundModel":
        """Train a background model on a corpus.

        Parameters
        ----------
        corpus : Corpus or path
            Speech of many people; whether it names them doesn't matter for the training. A path is
            read by `speakergmm.corpora.read_corpus`.
        features : FeatureConfig, str or path, default="speaker"
            A configuration, the name of a preset, or a TOML or JSON file.
        n_components : int, default=64
            Components of the mixture, K.
        seed : int, default=0
            Seed of the initialisation. The same seed, data and software give the same model.
        n_jobs : int, default=1
            Processes; changes nothing but the time.
        run : RunContext, optional
            All of it is used: ``strict``, ``on_skip`` and ``progress`` while features are
            extracted, ``callback`` and ``checkpoint`` by `speakergmm.mixtures.fit_mixture`.
        **options
            Further keywords of `speakergmm.mixtures.fit_mixture`.

        Returns
        -------
        BackgroundModel

        Raises
        ------
        InsufficientDataError
            If no recording is usable, or there are fewer frames of speech than components.
        InvalidInputError
            If an option is out of range.
        AudioError, InsufficientDataError
            With ``run.strict``, if a recording cannot be used.

        Warns
        -----
        BackgroundWarning
            If the corpus is of one speaker, whose model is no background for telling people apart.
        """
        corpus, config = _asked_for(corpus, n_components), as_feature_config(features)
        run = run or RunContext()
        skips = Skips(run.on_skip)
        spoken = list(
            map_recordings(
                ExtractSpeech(config),
                corpus.utterances,
                workers=Workers(n_jobs),
                run=replace(run, on_skip=skips),
                description="Extracting features",
            )
        )
        blocks = [speech.values for _, speech in spoken]
        facts = _facts_of(corpus, spoken, blocks) | {"n_skipped": len(skips.found)}
        _check_speech_of(corpus, facts, n_components, skips.found)
        fitted = fit_mixture(
            blocks,
            n_components=n_components,
            seed=seed,
            n_jobs=n_jobs,
            run=run,
            **options,
        )
        provenance = {
            "created": utc_now(),
            "software": software_versions(),
            "seed": seed,
            "training": {
                name: value if isinstance(value, str | int | float | None) else str(value)
                for name, value in options.items()
            },
            **facts,
            "convergence": str(fitted.convergence),
            "history": [float(value) for value in fitted.objectives],
        }
        return cls(fitted.model, config, provenance)

    def info(self) -> dict[str, Any]:
        """Say what the model is, as JSON can hold it."""
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            "n_components": self.mixture.n_components,
            "n_features": self.mixture.n_features,
            "features": self.features.to_dict(),
            "features_digest": self.features.digest,
            "provenance": self.provenance,
        }


AnyBackground = BackgroundModel | AnyPath
"""A background model, or where its file lies."""


def as_background(background: AnyBackground) -> BackgroundModel:
    """Return a background model, or read the one that lies at a path.

    Raises
    ------
    InvalidTypeError
        That names the call which makes one of what was given.
    """
    if isinstance(background, BackgroundModel):
        return background
    if is_path(background):
        return BackgroundModel.load(background)
    mixture = isinstance(background, Mixture) or hasattr(background, "mixture_")
    way = "BackgroundModel(mixture, features)" if mixture else "BackgroundModel.train(corpus)"
    raise wrong_type(background, f"a background model, {way}, or its path")


def _asked_for(corpus: Corpus | AnyPath, n_components: int) -> Corpus:
    """Refuse what nothing can be trained on before anything is read of it."""
    if is_path(corpus):
        corpus = read_corpus(corpus)
    if not isinstance(corpus, Corpus):
        way = "; frames are what speakergmm.mixtures.fit_mixture takes"
        raise wrong_type(corpus, "a Corpus or its path", way)
    whole_number("n_components", n_components)
    return corpus


def _facts_of(
    corpus: Corpus,
    spoken: Sequence[tuple[Utterance, SpeechFrames]],
    blocks: list[NDArray[np.float32]],
) -> dict[str, Any]:
    return {
        "corpus": corpus.source,
        "corpus_sha256": corpus.digest,
        "frames_sha256": _frames_hash(blocks),
        "n_speakers": len({utterance.speaker for utterance, _ in spoken} - {None}),
        "n_utterances": len(spoken),
        "n_frames": sum(map(len, blocks)),
        "speech_seconds": round(sum((speech.seconds for _, speech in spoken), 0.0), 3),
    }


def _check_speech_of(
    corpus: Corpus,
    facts: Mapping[str, Any],
    n_components: int,
    skipped: Sequence[SkippedRecording],
) -> None:
    """Refuse too little speech, and warn of one speaker's."""
    n_frames = facts["n_frames"]
    if n_frames == 0:
        reason = f"; the first: {skipped[0].message}" if skipped else ""
        raise InsufficientDataError(
            f"{corpus.source}: none of its {len(corpus)} recordings can be used{reason}"
        )
    if n_frames < n_components:
        raise InsufficientDataError(
            f"{corpus.source}: {n_frames} frames of speech are fewer than the {n_components} "
            "components asked for; give more speech or ask for fewer components"
        )
    if facts["n_speakers"] == 1:
        warnings.warn(
            f"{corpus.source}: all speech is of one speaker; a background model needs many",
            BackgroundWarning,
            stacklevel=3,
        )


def _frames_hash(blocks: list[NDArray[np.float32]]) -> str:
    total = hashlib.sha256()
    for block in blocks:
        total.update(f"{block.shape}{block.dtype.str}".encode())
        total.update(np.ascontiguousarray(block).tobytes())
    return total.hexdigest()
