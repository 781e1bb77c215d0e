"""Recognition of words, phones or isolated words in recordings."""

from __future__ import annotations

import math
import os
import uuid
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath, CorpusLike
from speakergmm.corpora.names import escaped_name, unescaped_name
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.features import FeatureStore, cached_extractor
from speakergmm.hmm.decoding.beam_search import DecodingResult, decode
from speakergmm.hmm.decoding.decoding_graph import phone_graph, word_graph
from speakergmm.hmm.decoding.decoding_options import DecodingOptions
from speakergmm.hmm.decoding.transducer import DecodingGraph
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.recognition.acoustic_model import AcousticModel, as_model
from speakergmm.recognition.feature_archive import NormalisedFeatures
from speakergmm.recognition.language_arguments import as_language_model
from speakergmm.recognition.recognised_utterance import Recognition
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.run_context import RunContext
from speakergmm.words import words_of

if TYPE_CHECKING:
    from speakergmm.hmm.decoding.isolated import IsolatedWords, WordScore
    from speakergmm.hmm.language.language_model import BackoffLanguageModel
    from speakergmm.hmm.models.phone_models import PhoneModels

_CHUNK = 16
"""Utterances that travel to a worker at a time."""


@dataclass(frozen=True, eq=False)
class Decoder:
    """Recognise words or phones in recordings.

    Parameters
    ----------
    model : AcousticModel
        The model, with the configuration of its features.
    search : DecodingGraph or IsolatedWords
        A graph of possible words or phones, or a list of words of which each recording is one.
    options : DecodingOptions
        Options of the search.

    Notes
    -----
    `for_words`, `for_phones` and `for_isolated_words` build the graph or list.
    """

    model: AcousticModel
    search: DecodingGraph | IsolatedWords
    options: DecodingOptions = field(default_factory=DecodingOptions)

    def __new__(cls, *arguments: Any, **named: Any) -> Decoder:
        """Raise an error that names the right call if only a model is given."""
        if len(arguments) + len(named) == 1 and "search" not in named:
            raise InvalidTypeError(
                "a decoder needs words or phones to recognise, as of Decoder.for_words(model), "
                "Decoder.for_phones(model) or Decoder.for_isolated_words(model)"
            )
        return super().__new__(cls)

    @property
    def omitted_words(self) -> tuple[str, ...]:
        """Words of the language model that are not in the lexicon."""
        search = self.search
        return search.grammar.omitted if isinstance(search, DecodingGraph) else ()

    @classmethod
    def for_words(
        cls,
        model: AcousticModel | AnyPath,
        *,
        language_model: BackoffLanguageModel | AnyPath | None = None,
        words: Iterable[str] | None = None,
        options: DecodingOptions | None = None,
        language_scale: float = 1.0,
        word_penalty: float = 0.0,
        **changes: Any,
    ) -> Decoder:
        """Recognise sentences of a language model, or of a loop over words.

        Parameters
        ----------
        model : AcousticModel or path
            Model with pronunciations of the words in its lexicon.
        language_model : BackoffLanguageModel or path of an ARPA file, optional
            An n-gram model. Its words that are not in the lexicon are listed in `omitted_words`.
        words : iterable of str, optional
            Words of the loop, or words to which the language model is limited; by default those of
            the lexicon.
        options : DecodingOptions, optional
            Options of the search.
        language_scale, word_penalty
            See `DecodingGraphOptions`.
        **changes
            Options of the search by name, in place of those of `options`.

        Notes
        -----
        Silences are as probable as in training: `SilenceModel.probability` between words,
        `edge_probability` before the first and after the last one. Models of isolated words, whose
        `probability` is 0, have `edge_probability` between words, too.

        Raises
        ------
        InvalidInputError
            If words have no pronunciation, or there are no words.
        """
        model = as_model(model)
        graph = word_graph(
            model.models,
            model.lexicon,
            language_model=as_language_model(language_model),
            words=_lexicon_words(words, model.lexicon),
            short_pause=model.silence.short_pause,
            language_scale=language_scale,
            word_penalty=word_penalty,
            **_silence(model),
        )
        return cls(model, graph, DecodingOptions.of(options, changes))

    @classmethod
    def for_phones(
        cls,
        model: AcousticModel | AnyPath,
        *,
        language_model: BackoffLanguageModel | AnyPath | None = None,
        options: DecodingOptions | None = None,
        language_scale: float = 1.0,
        word_penalty: float = 0.0,
        **changes: Any,
    ) -> Decoder:
        """Recognise phones: those of an n-gram model of phones, or any in any order.

        Parameters
        ----------
        model : AcousticModel or path
            Models of the phones.
        language_model : BackoffLanguageModel or path of an ARPA file, optional
            An n-gram model of phones. If silence is one of its words, it is recognised as one.
        options, language_scale, word_penalty, **changes
            As `for_words` takes them.
        """
        model = as_model(model)
        ngrams = as_language_model(language_model)
        graph = phone_graph(
            model.models,
            language_model=ngrams,
            language_scale=language_scale,
            word_penalty=word_penalty,
            **_silence(model),
        )
        return cls(model, graph, DecodingOptions.of(options, changes))

    @classmethod
    def for_isolated_words(
        cls,
        model: AcousticModel | AnyPath,
        words: Iterable[str] | Mapping[str, float] | None = None,
        *,
        options: DecodingOptions | None = None,
        **changes: Any,
    ) -> Decoder:
        """Recognise recordings of one word each, by likelihoods summed over all paths.

        Parameters
        ----------
        model : AcousticModel or path
            Model with pronunciations of the words in its lexicon.
        words : iterable of str, or mapping of str to float, optional
            The words, with prior probabilities if they differ; by default those of the lexicon.
        options : DecodingOptions, optional
            Options, of which the acoustic scale (of posteriors) and the number of alternatives
            count.
        **changes
            Options by name, in place of those of `options`.
        """
        model = as_model(model)
        return cls(model, isolated_words(model, words), DecodingOptions.of(options, changes))

    @property
    def words(self) -> tuple[str, ...]:
        """The words that can be recognised; phones, if phones are recognised."""
        search = self.search
        found = search.grammar.words if isinstance(search, DecodingGraph) else search.words
        return tuple(map(unescaped_name, found))

    def rank_words(
        self,
        source: AnyPath | NDArray[Any],
        *,
        sample_rate: int | None = None,
    ) -> tuple[WordScore, ...]:
        """Rank isolated words by the probability that a recording is one of them.

        Parameters
        ----------
        source : path, array of samples (N,), or array of features (T, D)
            The recording. Its features are normalised over this recording alone; features that are
            given must be normalised already.
        sample_rate : int, optional
            Rate of samples in Hz; without it the rate of the features is assumed, with a warning.

        Returns
        -------
        tuple of WordScore
            All words with their log-likelihoods in nats and posterior probabilities, the most
            probable first.

        Raises
        ------
        InvalidInputError
            If the decoder is not one `for_isolated_words`.
        NoPathError
            If the recording is too short for every word.
        """
        from speakergmm.hmm.decoding.isolated import ISOLATED_SCALE

        search = self.search
        if isinstance(search, DecodingGraph):
            raise InvalidInputError(
                "only isolated words are ranked; give Decoder.for_isolated_words(model)"
            )
        if isinstance(source, np.ndarray) and source.ndim == 2:
            X = source
        else:
            extractor = cached_extractor(self.model.features)
            values = extractor.extract(source, sample_rate=sample_rate).values
            X = self.model.normalised(values)
        scale = self.options.acoustic_scale
        ranked = search.rank(X, acoustic_scale=ISOLATED_SCALE if scale is None else scale)
        return tuple(replace(score, word=unescaped_name(score.word)) for score in ranked)

    def decode_features(self, X: NDArray[np.floating[Any]]) -> DecodingResult:
        """Recognise normalised features (T, D).

        Raises
        ------
        NoPathError
            See `speakergmm.hmm.decoding.beam_search.decode`.
        """
        return self._search(X)

    @property
    def _search(self) -> _Search:
        return _Search(self.model.models, self.search, self.options)

    def decode(
        self,
        corpus: CorpusLike | FeatureStore,
        *,
        engine: EngineLike = None,
        run: RunContext | None = None,
        lattices: bool = False,
    ) -> Iterator[Recognition]:
        """Recognise all utterances of a corpus.

        Parameters
        ----------
        corpus : Corpus, FeatureStore, path, or sequence of Utterance or path
            The recordings, or a store of their features. If features are normalised by speaker, all
            utterances of a speaker among them count.
        engine : int, executor, Dask client or Engine, optional
            Where the work is done. It changes nothing but the time.
        run : RunContext, optional
            Uses `strict`, `on_skip` and `progress`. Recordings that cannot be read and those in
            which no path was found are left out.
        lattices : bool, default=False
            Keep the text of the lattices; needs a lattice beam.

        Yields
        ------
        Recognition
            In order, without the utterances that were left out.
        """
        if lattices and (
            self.options.lattice_beam is None or not isinstance(self.search, DecodingGraph)
        ):
            raise InvalidInputError("lattices need a search with a lattice_beam, such as 8")
        run, engine = RunContext.checked(run), Engine.of(engine)
        skips = UtteranceSkips(run, {}, error=NoPathError)
        jobs = engine.count
        with self.model.extract(
            corpus,
            engine=engine,
            run=replace(run, on_skip=skips),
        ) as archive:
            # Utterances are sent to the workers in chunks, which read their features by themselves;
            # results come back in order.
            work = _Work(uuid.uuid4().hex, os.getpid(), self._search, lattices)
            size = 1 if jobs == 1 else min(_CHUNK, math.ceil(len(archive) / jobs))
            chunks = [range(i, min(i + size, len(archive))) for i in range(0, len(archive), size)]
            items = (
                ([archive.utterances[i].id for i in chunk], archive.part(chunk.start, chunk.stop))
                for chunk in chunks
            )
            found = engine.map(work, items, description=run.description("recognition"))
            for chunk, outcomes in zip(chunks, found, strict=True):
                for place, (result, text) in zip(chunk, outcomes, strict=True):
                    utterance = archive.utterances[place]
                    if isinstance(result, NoPathError):
                        skips.leave_out(utterance, str(result))
                    else:
                        yield Recognition(utterance, result, archive.grids[place], text)


@dataclass(frozen=True, slots=True)
class _Search:
    """Recognition of normalised features, as a function that can be pickled."""

    models: PhoneModels
    search: DecodingGraph | IsolatedWords
    options: DecodingOptions

    def __call__(self, X: NDArray[np.floating[Any]]) -> DecodingResult:
        options = self.options
        if isinstance(self.search, DecodingGraph):
            return decode(self.models, self.search, X, options=options)
        return self.search.decode(X, n_best=options.n_best, acoustic_scale=options.acoustic_scale)


_Outcome = tuple[DecodingResult | NoPathError, str | None]
_kept: _Work | None = None
"""In a worker process: its last work, whose search graph has been built already."""


@dataclass(frozen=True, slots=True)
class _Work:
    """Recognition of some utterances, as a function that can be pickled."""

    token: str
    home: int  # number of the process that created this
    search: _Search
    lattices: bool

    def __call__(self, items: tuple[list[str], NormalisedFeatures]) -> list[_Outcome]:
        global _kept  # one read and one write, both atomic: several threads may call this
        work = self if os.getpid() == self.home else _kept
        if work is None or work.token != self.token:  # each chunk brings a copy of the work
            work = _kept = self
        return [work.one(name, X) for name, X in zip(*items, strict=True)]

    def one(self, name: str, X: NDArray[np.float32]) -> _Outcome:
        """Recognise an utterance; return the result or the error, and the lattice as text."""
        try:
            result = self.search(X)
        except NoPathError as error:
            return error, None
        lattice = result.lattice if self.lattices else None
        text = None if lattice is None else lattice.to_text(escaped_name(name))
        # A lattice contains the graph, which is too large to be returned for each utterance.
        return replace(result, lattice=None), text


def isolated_words(
    model: AcousticModel, words: Iterable[str] | Mapping[str, float] | None
) -> IsolatedWords:
    """Return the search for isolated words, with silence before and after them."""
    from speakergmm.hmm.decoding.isolated import IsolatedWords

    return IsolatedWords(
        model.models,
        model.lexicon,
        _lexicon_words(words, model.lexicon),
        silence=model.silence.unit,
        silence_probability=model.silence.edge_probability,
    )


def _lexicon_words(
    words: Iterable[str] | Mapping[str, float] | str | None, lexicon: Container[str]
) -> list[str] | dict[str, float] | None:
    """Return words as they are spelled in a lexicon, where white space is escaped."""

    def known(word: str) -> str:
        return word if word in lexicon else escaped_name(word)

    if words is None:
        return None
    if isinstance(words, Mapping):
        return {known(word): prior for word, prior in words.items()}
    return [known(word) for word in words_of(words)]


def _silence(model: AcousticModel) -> dict[str, Any]:
    """Return the options of silence in decoding graphs, as in training.

    Models of isolated words have been trained with silence at the edges only; between several such
    words silence is as probable as at the edges.
    """
    silence, between = model.silence, model.silence.probability
    ways = (way for word in model.lexicon for way in model.lexicon[word])
    if between == 0 and all(len(way.phones) == 1 for way in ways):
        between = silence.edge_probability
    return {
        "silence": silence.unit,
        "silence_probability": between,
        "edge_silence_probability": silence.edge_probability,
    }
