"""Acoustic models: HMMs, lexicon and configuration of the features, in one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_type_hints

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.corpora import AnyPath, CorpusLike, Utterance, as_utterances, is_path
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.features import (
    FeatureConfig,
    FeatureNormalisation,
    FeatureStore,
    FeatureTransform,
    FrameGrid,
    cached_extractor,
)
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.ranges import wrong_type
from speakergmm.recognition.feature_archive import FeatureArchive
from speakergmm.recognition.language_arguments import TranscriptsLike, as_lexicon
from speakergmm.recognition.silence_model import SilenceModel
from speakergmm.recognition.store_inputs import split_store
from speakergmm.recognition.transcript_graphs import CompilesTranscripts
from speakergmm.recognition.word_confidence import WordConfidence
from speakergmm.run_context import RunContext

if TYPE_CHECKING:
    from speakergmm.recognition.corpus_preparation import PreparedCorpus
    from speakergmm.recognition.training_options import TrainingOptions
    from speakergmm.recognition.word_lists import WordCorpus


@dataclass(frozen=True, eq=False, repr=False)
class AcousticModel(CompilesTranscripts, records.Filed):
    """Models of phones or words, and everything needed to use them on recordings.

    Parameters
    ----------
    models : PhoneModels
        HMMs of the units, over features of D dimensions.
    lexicon : Lexicon
        Pronunciations of words in units of `models`.
    features : FeatureConfig
        Configuration of the features.
    normalisation : FeatureNormalisation
        Cepstral normalisation, over a speaker or an utterance.
    silence : SilenceModel
        Names and probabilities of pauses.
    unknown : str or None
        Word of the lexicon to which words outside it are mapped; if None, they are errors.
    provenance : dict
        Time, data and options of training, as JSON can hold them; not part of the digest.
    confidence : WordConfidence or None
        Regression for the probability that an aligned word was said; if None, aligned words have
        no confidence.
    unit_kind : {"phone", "word"}, default="phone"
        Kind of the units; see `TrainingOptions.units`.
    transform : FeatureTransform, optional
        Transform of the normalised features, such as LDA and MLLT; `models` are over its results.

    Raises
    ------
    IncompatibleModelError
        If the features have another dimension than the models.
    InvalidInputError
        If the lexicon or the silence names a unit without a model.
    """

    file_kind: ClassVar[str] = "acoustic model"

    models: PhoneModels
    lexicon: Lexicon
    features: FeatureConfig
    normalisation: FeatureNormalisation = field(default_factory=FeatureNormalisation)
    silence: SilenceModel = field(default_factory=SilenceModel)
    unknown: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    confidence: WordConfidence | None = None
    unit_kind: Literal["phone", "word"] = "phone"
    transform: FeatureTransform | None = None

    def __post_init__(self) -> None:
        """Raise an error if the parts do not fit together."""
        n_features = cached_extractor(self.features).n_features
        if self.transform is not None:
            if n_features != self.transform.n_inputs:
                raise IncompatibleModelError(
                    f"the transform takes {self.transform.n_inputs} features per frame, the "
                    f"feature configuration makes {n_features}"
                )
            n_features = self.transform.n_outputs
        if n_features != self.models.n_features:
            raise IncompatibleModelError(
                f"the models have {self.models.n_features} features per frame, the "
                + f"{'feature configuration' if self.transform is None else 'transform'} "
                + f"makes {n_features}"
            )
        missing = sorted({*self.lexicon.phones, *self.silence.units} - set(self.models.units))
        if missing:
            raise InvalidInputError(
                "the lexicon and the silence name units without a model: "
                f"{', '.join(missing[:10])}; the models are {', '.join(self.models.units[:60])}"
            )
        if self.unknown is not None and self.unknown not in self.lexicon:
            raise InvalidInputError(f"the unknown word {self.unknown!r} is not in the lexicon")

    @classmethod
    def train(
        cls,
        corpus: CorpusLike | FeatureStore | WordCorpus | PreparedCorpus,
        transcripts: TranscriptsLike | None = None,
        lexicon: Lexicon | AnyPath | None = None,
        options: TrainingOptions | None = None,
        *,
        engine: EngineLike = None,
        run: RunContext | None = None,
        **changes: Any,
    ) -> AcousticModel:
        """Train models of phones or of whole words on transcribed recordings, from a flat start.

        Parameters
        ----------
        corpus : Corpus, WordCorpus or path
            The recordings, or where they are; with named speakers, if features are to be normalised
            by speaker. A `WordCorpus`, or the path of one, with ``units="words"``. A
            `PreparedCorpus` brings its transcripts and its lexicon along, in which unknown words
            are mapped or spelled already. A `FeatureStore`, or its path, has the features already;
            words of ``units="words"`` are then the names of the recordings' folders.
        transcripts : mapping of str to sequence of str, or path, optional
            The words spoken in each utterance, by its id, such as
            `speakergmm.corpora.read_transcripts` returns them; by default those that belong to the
            corpus.
        lexicon : Lexicon or path, optional
            Pronunciations of the words, for models of phones.
        options : TrainingOptions, optional
            By default those that suit phones, or with ``units="words"`` those of
            `TrainingOptions.for_words`.
        engine : int, executor, Dask client or Engine, optional
            Number of workers: processes that extract features and threads that train. It changes
            nothing but the time.
        run : RunContext, optional
            All parts are used; the callback is called with the `TrainingState` after each
            iteration.
        **changes
            Options by name, in place of those of `options`: ``n_states=5``, ``max_iter=20``.

        Returns
        -------
        AcousticModel
            Its provenance contains the history, the options and the utterances that were left out.

        Raises
        ------
        InsufficientDataError
            If no utterance can be used; with `run.strict`, if one cannot.
        InvalidInputError
            If there is no lexicon for models of phones, or two models have the same name.

        Examples
        --------
        >>> AcousticModel.train("corpus/", lexicon="words.dict", max_iter=20)   # doctest: +SKIP
        >>> AcousticModel.train("commands/", units="words", n_states=10)        # doctest: +SKIP
        """
        from speakergmm.recognition.acoustic_training import train_parts
        from speakergmm.recognition.training_options import TrainingOptions

        options = TrainingOptions.of(options, changes)
        engine, run = Engine.of(engine), RunContext.checked(run)
        return cls(**train_parts(corpus, transcripts, lexicon, options, engine=engine, run=run))

    def __repr__(self) -> str:
        return (
            f"AcousticModel({len(self.models.units)} units, {self.models.n_gaussians} Gaussians, "
            f"{len(self.lexicon)} words, digest={self.digest[:12]!r})"
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of parameters, lexicon and features: what results depend on."""
        return records.digest(
            self.file_kind,
            *(self.features.digest, self.lexicon.digest, self.normalisation, self.silence),
            *(self.unknown, self.models, self.confidence),
            # Models without one have the digests that they had before there were any.
            *(() if self.transform is None else (self.transform,)),
        )

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers that it was trained on or adapted to, as far as they are known."""
        found: set[str] = set()
        facts: dict[str, Any] | None = self.provenance
        while facts:
            found.update(facts.get("speakers", ()))
            facts = facts.get("prior")
        return tuple(sorted(found))

    def with_lexicon(self, lexicon: Lexicon | AnyPath) -> AcousticModel:
        """Return the model with another lexicon.

        Raises
        ------
        InvalidInputError
            If the lexicon names a unit without a model.
        """
        return replace(self, lexicon=as_lexicon(lexicon, units=self.models.units))

    def extract(
        self,
        utterances: CorpusLike | FeatureStore,
        *,
        store: FeatureStore | None = None,
        engine: EngineLike = None,
        run: RunContext | None = None,
    ) -> FeatureArchive:
        """Extract the features that the model was trained on, or find them in a store.

        Those of `utterances` are found in `store`, if it is given; they may be a store themselves.
        They are normalised and transformed; see `FeatureArchive.of`.
        """
        given, own = split_store(utterances)
        return FeatureArchive.of(
            as_utterances(given),
            self.features,
            self.normalisation,
            transform=self.transform,
            store=own if store is None else store,
            engine=engine,
            run=run,
        )

    def normalised(self, values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the features of one recording (T, D) as the models take them."""
        found = self.normalisation(values.astype(np.float64))
        return found if self.transform is None else self.transform(found)

    def features_of(
        self, corpus: CorpusLike, *, engine: EngineLike = None, run: RunContext | None = None
    ) -> Iterator[tuple[Utterance, NDArray[np.float32], FrameGrid]]:
        """Yield each utterance with its normalised features (T, D) and their times.

        All recordings are read before the first is yielded, since features may be normalised over
        all utterances of a speaker; until then they are kept in a temporary file.

        Parameters
        ----------
        corpus : Corpus, path, or sequence of Utterance or path
        engine : int, executor, Dask client or Engine, optional
            Number of processes.
        run : RunContext, optional
            Uses `strict`, `on_skip` and `progress`.
        """
        with self.extract(corpus, engine=engine, run=run) as archive:
            yield from zip(archive.utterances, archive, archive.grids, strict=True)

    @classmethod
    def record_types(cls) -> dict[str, Any]:
        """Return the types of the stored fields; the lexicon is stored as text."""
        hints = get_type_hints(cls)
        types = {each.name: hints[each.name] for each in fields(cls)}
        return types | {"lexicon": NDArray[np.uint8], "lexicon_source": str}

    def record_parts(self) -> dict[str, Any]:
        """Return the fields as they are stored."""
        lexicon = {"lexicon": _packed_lexicon(self.lexicon), "lexicon_source": self.lexicon.source}
        found = {each.name: getattr(self, each.name) for each in fields(self)} | lexicon
        if self.transform is None:
            del found["transform"]  # files of models without one stay as they were
        return found

    @classmethod
    def of_record(
        cls, *, lexicon: NDArray[np.uint8], lexicon_source: str, **parts: Any
    ) -> AcousticModel:
        """Return the model of stored fields, which are checked again."""
        return cls(lexicon=_unpacked_lexicon(lexicon, lexicon_source), **parts)

    def info(self) -> dict[str, Any]:
        """Return a description of the model, as JSON can hold it."""
        return {
            "kind": self.file_kind,
            "unit_kind": self.unit_kind,
            "digest": self.digest,
            "n_units": len(self.models.units),
            "units": list(self.models.units),
            "n_pdfs": self.models.n_pdfs,
            "n_gaussians": self.models.n_gaussians,
            "n_features": self.models.n_features,
            "n_words": len(self.lexicon),
            "n_pronunciations": self.lexicon.n_pronunciations,
            "unknown": self.unknown,
            "silence": asdict(self.silence),
            "normalisation": self.normalisation.to_dict(),
            "features": self.features.to_dict(),
            "features_digest": self.features.digest,
            **({} if self.transform is None else {"transform": self.transform.to_dict()}),
            "word_confidence": None if self.confidence is None else self.confidence.to_dict(),
            "provenance": self.provenance,
        }


def _packed_lexicon(lexicon: Lexicon) -> NDArray[np.uint8]:
    """Return a lexicon as UTF-8 text, a pronunciation per line: word, probability, phones."""
    lines = [
        f"{word}\t{way.probability!r}\t{' '.join(way.phones)}\n"
        for word in lexicon
        for way in lexicon[word]
    ]
    return np.frombuffer("".join(lines).encode(), np.uint8)


def _unpacked_lexicon(packed: NDArray[np.uint8], source: str) -> Lexicon:
    ways: dict[str, list[Pronunciation]] = {}
    *lines, rest = packed.tobytes().decode().split("\n")
    if rest:
        raise InvalidInputError(f"its lexicon ends in the middle of a line, at {rest[:40]!r}")
    for line in lines:
        word, probability, phones = line.split("\t")
        ways.setdefault(word, []).append(Pronunciation(tuple(phones.split()), float(probability)))
    return Lexicon({word: tuple(found) for word, found in ways.items()}, source)


train_acoustic_model = AcousticModel.train


def as_model(model: AcousticModel | AnyPath) -> AcousticModel:
    """Return an acoustic model, or read the one at a path.

    Raises
    ------
    InvalidTypeError
        If it is neither; the message names the right call.
    """
    if is_path(model):
        return AcousticModel.load(model)
    if isinstance(model, AcousticModel):
        return model
    raise wrong_type(
        model, "an acoustic model, AcousticModel.load(path) or AcousticModel.train(...)"
    )
