"""Preparation of a transcribed corpus: which utterances can be used, and why not the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from speakergmm.corpora import (
    AnyPath,
    Corpus,
    CorpusLike,
    Problem,
    Transcripts,
    Utterance,
    as_corpus,
    is_path,
    read_transcripts,
)
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FeatureStore, check_same_features
from speakergmm.files import shown_path
from speakergmm.hmm.language.language_model import BackoffLanguageModel
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.language.pronunciation import Pronunciation
from speakergmm.ranges import wrong_type
from speakergmm.recognition.corpus_checks import recording_problems, too_long_texts, unpaired_texts
from speakergmm.recognition.language_arguments import (
    TranscriptsLike,
    as_lexicon,
    as_transcripts,
    keeps_stress,
)
from speakergmm.recognition.loudness import MeasureRecording, RecordingMeasurement
from speakergmm.recognition.preparation_options import PreparationOptions
from speakergmm.recognition.store_inputs import (
    measured_by_store,
    split_store,
)
from speakergmm.recognition.text_problems import Texts, order, problems_of
from speakergmm.recognition.text_words import (
    language_model_words,
    missing_phones,
    spelled_out,
    unknown_words,
)
from speakergmm.recognition.training_options import NOISE_UNIT, UNKNOWN_WORD, TrainingOptions
from speakergmm.recognition.usage_requirements import ModelWithFeatures, Requirements
from speakergmm.recognition.utterance_skips import UtteranceSkips
from speakergmm.run_context import RunContext
from speakergmm.text_files import Fault, FaultyFileError
from speakergmm.words import Case, case_hint


@dataclass(frozen=True, slots=True, eq=False)
class PreparedCorpus:
    """A transcribed corpus whose utterances have been checked.

    `AcousticModel.train` and `align_recordings` take it in place of a corpus.

    Parameters
    ----------
    corpus : Corpus
        All recordings, those that cannot be used among them.
    transcripts : Transcripts
        The words spoken in each utterance.
    lexicon : Lexicon or None
        Pronunciations, with words spelled or mapped as the options ask; None if there is none.
    unknown : str or None
        Word of the lexicon to which words outside it are mapped.
    problems : tuple of Problem
        Errors first, then by file and line.
    measurements : dict of str to RecordingMeasurement
        Rate, length and speech of each utterance, by its id.
    store : FeatureStore, optional
        Features of the recordings, if they were extracted before.
    """

    corpus: Corpus
    transcripts: Transcripts
    lexicon: Lexicon | None
    unknown: str | None
    problems: tuple[Problem, ...]
    measurements: Mapping[str, RecordingMeasurement]
    store: FeatureStore | None = None

    @property
    def reasons(self) -> dict[str, Problem]:
        """The first error of each utterance that cannot be used, by its id."""
        found: dict[str, Problem] = {}
        for problem in self.problems:
            if problem.severity == "error" and problem.utterance is not None:
                found.setdefault(problem.utterance, problem)
        return found

    @property
    def usable(self) -> tuple[Utterance, ...]:
        """The utterances that can be used."""
        reasons = self.reasons
        return tuple(utterance for utterance in self.corpus if utterance.id not in reasons)

    def lexicon_for(self, model: ModelWithFeatures) -> Lexicon:
        """Return the words as far as a model can say them; its own if there is no other lexicon."""
        if self.lexicon is None or self.lexicon is model.lexicon:
            return model.lexicon
        # A corpus that was prepared for training may have words of units that no one says.
        return modelled_words(self.lexicon, model.models.units)

    def report(self, skips: UtteranceSkips) -> tuple[Utterance, ...]:
        """Report the utterances that cannot be used, and return the others.

        Raises
        ------
        InsufficientDataError
            If no utterance can be used; in strict work, for the first that cannot.
        """
        reasons = self.reasons
        for utterance in self.corpus:
            if utterance.id in reasons:
                skips.leave_out(utterance, reasons[utterance.id].message)
        usable = self.usable
        if not usable:
            reason = skips.found[0].message if skips.found else "the corpus is empty"
            hint = ""
            if self.lexicon is not None:
                hint = case_hint(self.lexicon.unknown(self.transcripts), self.lexicon)
            raise InsufficientDataError(f"no utterance can be used: {reason}{hint}")
        return usable


def prepare(
    corpus: CorpusLike | FeatureStore,
    transcripts: TranscriptsLike | None = None,
    lexicon: Lexicon | Mapping[str, Any] | AnyPath | None = None,
    options: PreparationOptions | None = None,
    *,
    model: ModelWithFeatures | None = None,
    training: TrainingOptions | None = None,
    language_model: BackoffLanguageModel | AnyPath | None = None,
    store: FeatureStore | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> PreparedCorpus:
    """Find the utterances that can be trained on, aligned or scored, and the others' problems.

    Parameters
    ----------
    corpus : Corpus, FeatureStore or path
        The recordings, or where they are. The recordings of a feature store are not looked at: it
        knows their lengths.
    transcripts : mapping of str to sequence of str, or path, optional
        The words spoken in each utterance; by default as `read_transcripts` finds them for the
        corpus.
    lexicon : Lexicon or path, optional
        Pronunciations; by default the model's. Without any, words are measured by their letters.
    options : PreparationOptions, optional
    model : AcousticModel, optional
        Model to align with, whose units, topologies and features must fit.
    training : TrainingOptions, optional
        Options of a training, whose topologies, features and treatment of unknown words count.
        Without `model` and `training` recordings may have any rate, and frames are those of the
        preset ``hmm``.
    language_model : BackoffLanguageModel or path, optional
        Its words are compared with the transcripts and the lexicon.
    store : FeatureStore, optional
        Has the features of a corpus that is given beside it.
    engine : int, executor, Dask client or Engine, optional
        Number of processes that read recordings.
    run : RunContext, optional
        Uses `progress`.
    **changes
        Options by name, in place of those of `options`.

    Returns
    -------
    PreparedCorpus
        What is wrong with one utterance hides nothing of the others, and what is wrong with one
        file nothing of the other files.

    Raises
    ------
    InvalidInputError
        If both a lexicon and `graphemes` are given, or the lexicon does not contain the `unknown`
        word.
    CorpusError
        If there are no transcripts at all.
    IncompatibleModelError
        If a store has other features than the model or the training.

    Notes
    -----
    A transcript is too long if the shortest pronunciations of its words, through the shortest path
    of each unit's states (three without a model), take more frames than the recording has. That is
    the least that any alignment needs; a transcript may still be hopelessly long where it passes.

    Examples
    --------
    >>> prepared = prepare("corpus/", lexicon="words.dict")                  # doctest: +SKIP
    >>> [(p.utterance, p.message) for p in prepared.problems]                # doctest: +SKIP
    >>> AcousticModel.train(prepared)                                        # doctest: +SKIP
    """
    options = PreparationOptions.of(options, changes)
    if is_path(model):
        raise wrong_type(model, "an acoustic model, AcousticModel.load(path)", " for model")
    if training is not None:
        training = TrainingOptions.of(training, {})
        options = PreparationOptions.of(options, {"unknown_words": training.unknown_words})
    if options.graphemes and lexicon is not None:
        raise InvalidInputError("a lexicon is given, and graphemes are asked for; choose one")
    # The recordings, the words spoken in them, and their pronunciations.
    given, stored = split_store(corpus)
    store = stored if store is None else store
    corpus = as_corpus(given, strict=False)
    said = _read_text(corpus, transcripts, options.case)
    texts, lexicon_faults = _texts(corpus, said, lexicon, options, model)
    if store is not None and training is not None and training.features is None:
        training = replace(training, features=store.config)
    needs = Requirements.of(model, training)
    if store is not None and (model is not None or training is not None):
        check_same_features(store.config, needs.config, what=shown_path(store.path))
    # A row of a list that has both a recording and a text is reported once.
    reported = {(fault.path, fault.line) for fault in corpus.faults}
    text_faults = [fault for fault in said.faults if (fault.path, fault.line) not in reported]
    problems = [
        problems_of("bad_list", corpus.faults),
        problems_of("bad_text", text_faults),
        problems_of("bad_lexicon", lexicon_faults),
        [Problem("warning", "skipped", None, None, note) for note in said.notes],
        unpaired_texts(texts),
        unknown_words(texts),
        missing_phones(texts, needs.units),
        language_model_words(texts, language_model),
    ]
    # Each recording is read once, or only its header.
    bar = RunContext.checked(run).description("checking")
    if store is None:
        measured = _measured(corpus, needs, options, Engine.of(engine), bar)
    else:
        known = measured_by_store(store)
        absent = RecordingMeasurement(refusal=f"{shown_path(store.path)}: does not have it")
        measured = {u.id: known.get(u.id, absent) for u in corpus}
    problems += [
        recording_problems(texts, measured, needs, options.sample_rate),
        too_long_texts(texts, measured, needs),
    ]
    return PreparedCorpus(
        corpus,
        said,
        texts.lexicon if model is None else _spoken(texts, model),
        texts.unknown,
        tuple(sorted(chain.from_iterable(problems), key=order)),
        measured,
        store,
    )


def check_prepared_alone(*given: Any) -> None:
    """Raise an error if transcripts or a lexicon are given beside a prepared corpus."""
    if any(each is not None for each in given):
        raise InvalidInputError(
            "a prepared corpus has transcripts and a lexicon of its own; give them to prepare(...)"
        )


def _measured(
    corpus: Corpus,
    needs: Requirements,
    options: PreparationOptions,
    engine: Engine,
    description: str | None,
) -> dict[str, RecordingMeasurement]:
    """Measure the recordings of a corpus: samples in processes, headers on threads."""
    measure = MeasureRecording(needs.config, options.listen)
    apply = engine.map if options.listen else engine.map_threads
    found = apply(measure, corpus.utterances, description=description)
    return {u.id: each for u, each in zip(corpus, found, strict=True)}


def _texts(
    corpus: Corpus,
    said: Transcripts,
    lexicon: Lexicon | Mapping[str, Any] | AnyPath | None,
    options: PreparationOptions,
    model: ModelWithFeatures | None,
) -> tuple[Texts, Sequence[Fault]]:
    """Return the texts with their lexicon, words spelled or mapped, and faults of its file."""
    if options.graphemes:
        spoken = {word for words in said.values() for word in words}
        return Texts(corpus, said, Lexicon.graphemes(spoken, strict=False), graphemes=True), ()
    words, faults = _read_lexicon(lexicon, options, model)
    unknown = options.unknown
    if words is None:
        return Texts(corpus, said, None), faults
    if unknown is not None and unknown not in words:
        raise InvalidInputError(f"the lexicon does not contain the unknown word {unknown!r}")
    if unknown is None and model is not None and model.unknown in words:
        unknown = model.unknown
    if options.unknown_words == "map" and unknown is None:
        unknown = UNKNOWN_WORD
        if unknown not in words:
            words = words.extended({unknown: (Pronunciation((NOISE_UNIT,)),)})
    texts = Texts(corpus, said, words, unknown)
    if options.unknown_words != "graphemes":
        return texts, faults
    units = None if model is None else set(model.models.units)
    more = spelled_out(words, said, modelled=units)
    counts = words.unknown(texts.used)
    spelled = {word: count for word, count in counts.items() if word in more}
    return Texts(corpus, said, more, unknown, spelled=spelled), faults


def _read_lexicon(
    lexicon: Lexicon | Mapping[str, Any] | AnyPath | None,
    options: PreparationOptions,
    model: ModelWithFeatures | None,
) -> tuple[Lexicon | None, Sequence[Fault]]:
    """Read a lexicon with the faults of its file; by default return the model's."""
    if lexicon is None and model is None:
        return None, ()
    known = None if model is None else model.lexicon.folded(options.case)
    faults: Sequence[Fault] = ()
    if lexicon is None:
        words = known
    elif isinstance(lexicon, Lexicon | Mapping):
        words = as_lexicon(lexicon)
    else:
        units = () if model is None else model.models.units
        stress = "keep" if keeps_stress(units) else options.stress
        try:
            words = Lexicon.read(lexicon, stress=stress, case=options.case)
        except FaultyFileError as error:
            # The other lines serve to look up the rest of the text.
            words, faults = getattr(error, "rest", None), error.faults
    unknown = None if model is None else model.unknown
    if words is not None and model is not None and unknown is not None and unknown not in words:
        # The unknown word is a symbol, which no dictionary contains.
        words = words.extended({unknown: model.lexicon[unknown]})
    return words, faults


def _spoken(texts: Texts, model: ModelWithFeatures) -> Lexicon:
    """Return the words of a lexicon that a model needs for these texts.

    A dictionary of a whole language may contain phones that no word here needs.
    """
    lexicon, units = texts.lexicon, set(model.models.units)
    if lexicon is None or lexicon is model.lexicon:
        return model.lexicon
    if units >= set(lexicon.phones):
        return lexicon
    spoken = {word for said in texts.used.values() for word in said if word in lexicon}
    return modelled_words(
        lexicon.restricted(spoken | ({texts.unknown or ""} & set(lexicon))), units
    )


def modelled_words(lexicon: Lexicon, units: Sequence[str] | set[str]) -> Lexicon:
    """Return the words, and their pronunciations, that consist of some units.

    Training makes models of the units that its transcripts need; a lexicon of the whole language
    may contain more.
    """
    known = set(units)
    kept = {
        word: tuple(way for way in lexicon[word] if known.issuperset(way.phones))
        for word in lexicon
    }
    return Lexicon({word: ways for word, ways in kept.items() if ways}, lexicon.source)


def _read_text(
    corpus: Corpus, transcripts: TranscriptsLike | None, case: Case | None
) -> Transcripts:
    if isinstance(transcripts, Mapping):
        return as_transcripts(transcripts)
    source = corpus if transcripts is None else transcripts
    try:
        return read_transcripts(source, case=case, corpus=corpus, strict=False)
    except FaultyFileError as error:
        return Transcripts({}, faults=tuple(error.faults))
