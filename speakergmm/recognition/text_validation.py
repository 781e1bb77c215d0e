"""Every problem of a transcribed corpus at once, found before a model is trained on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from speakergmm.corpora import (
    AnyPath,
    Corpus,
    CorpusLike,
    Problem,
    Transcripts,
    as_corpus,
    read_transcripts,
)
from speakergmm.errors import InvalidInputError
from speakergmm.features import FeatureConfig, as_feature_config
from speakergmm.hmm.language.language_model import BackoffLanguageModel
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.parallel import parallel_map
from speakergmm.recognition.language_arguments import as_lexicon, as_transcripts
from speakergmm.recognition.loudness import MeasureRecording, RecordingMeasurement
from speakergmm.recognition.text_problems import Texts, order, problems_of
from speakergmm.recognition.text_words import (
    language_model_words,
    missing_phones,
    shortest_frames,
    spelled_out,
    unknown_words,
)
from speakergmm.text_files import Fault, FaultyFileError
from speakergmm.words import Case

if TYPE_CHECKING:
    from speakergmm.recognition.acoustic_model import AcousticModel


def validate_text(
    corpus: CorpusLike,
    transcripts: Mapping[str, Sequence[str] | str] | AnyPath | None = None,
    lexicon: Lexicon | Mapping[str, Any] | AnyPath | None = None,
    *,
    graphemes: bool = False,
    stress: Literal["fold", "keep"] = "fold",
    case: Literal["upper", "lower"] | None = None,
    unknown: str | None = None,
    spell_unknown: bool = False,
    language_model: BackoffLanguageModel | AnyPath | None = None,
    model: AcousticModel | None = None,
    features: FeatureConfig | str | None = None,
    sample_rate: int | None = None,
    listen: bool = True,
    n_jobs: int = 1,
    description: str | None = None,
) -> tuple[Problem, ...]:
    """Look for everything that would stop an utterance from being trained on, aligned or scored.

    Parameters
    ----------
    corpus : Corpus or path
        CorpusLike, or where they lie.
    transcripts : mapping of str to sequence of str, or path, optional
        What is said in them; by default as `read_transcripts` finds it for the corpus.
    lexicon : Lexicon or path, optional
        By default the model's, where there is one; else words are measured by their letters.
    graphemes : bool, default=False
        Words are to be spelled, and no lexicon is used.
    stress : {"fold", "keep"}, default="fold"
        As `Lexicon.read` has it, for a lexicon that is read.
    case : {"upper", "lower"}, optional
        Letter case of words, for transcripts and a lexicon that are read.
    unknown : str, optional
        Word of the lexicon that stands for words outside it, by default the model's; those are
        warnings then.
    spell_unknown : bool, default=False
        Words outside the lexicon are spelled, where they can be.
    language_model : BackoffLanguageModel or path, optional
        Its words are compared with the text and the lexicon.
    model : AcousticModel, optional
        Its units, topologies and features count.
    features : FeatureConfig or str, optional
        Whose rate and frames count, where there is no model. By default any rate will do, and
        frames are those of the preset ``hmm``.
    sample_rate : int, optional
        Rate of the recordings wanted, in Hz: others are errors. By default recordings of a lower
        rate than that of the features (or of the model's) are errors.
    listen : bool, default=True
        Read the samples and look for speech; without it only headers are read.
    n_jobs : int, default=1
        Processes.
    description : str, optional
        Text of a progress bar on standard error, where that is a terminal.

    Returns
    -------
    tuple of Problem
        Errors first, then by file and line. What is wrong with one utterance hides nothing of the
        others, and what is wrong with one file nothing of the other files.

    Raises
    ------
    InvalidInputError
        If both a lexicon and `graphemes` are given, or the lexicon doesn't have the `unknown` word.
    CorpusError
        If there are no transcripts at all.

    Notes
    -----
    A transcript is too long if the shortest pronunciations of its words, through the shortest path
    of each phone's states (three without a model), take more frames than the recording has. That is
    the least that any alignment needs; a transcript may still be hopelessly long where it passes.
    """
    if graphemes and lexicon is not None:
        raise InvalidInputError("a lexicon is given, and graphemes are asked for; choose one")
    corpus = as_corpus(corpus, strict=False)
    said = _read_text(corpus, transcripts, case)
    words, lexicon_faults = _read_lexicon(lexicon, stress, case)
    if words is None and model is not None and lexicon is None and not graphemes:
        words = model.lexicon
    if words is not None:
        unknown = _unknown_word(unknown, words, model)
    texts = Texts(corpus, said, words, unknown, graphemes, model)
    if spell_unknown and words is not None:
        texts = replace(texts, lexicon=spelled_out(words, texts.used))
    # A row of a list that holds both recordings and text is told of once.
    told = {(fault.path, fault.line) for fault in corpus.faults}
    text_faults = [fault for fault in said.faults if (fault.path, fault.line) not in told]
    problems = [
        problems_of("bad_list", corpus.faults),
        problems_of("bad_text", text_faults),
        problems_of("bad_lexicon", lexicon_faults),
        [Problem("warning", "skipped", None, None, note) for note in said.notes],
        _pairs(texts),
        unknown_words(texts),
        missing_phones(texts),
        language_model_words(texts, language_model),
    ]
    config = model.features if model is not None else as_feature_config(features or "hmm")
    least_rate = 0 if model is None and features is None else config.sample_rate
    found = parallel_map(
        MeasureRecording(config, listen), corpus.utterances, n_jobs=n_jobs, description=description
    )
    measured = {u.id: each for u, each in zip(corpus, found, strict=True)}
    problems += _recordings(texts, measured, least_rate, sample_rate), _too_short(texts, measured)
    return tuple(sorted(chain.from_iterable(problems), key=order))


def _unknown_word(given: str | None, words: Lexicon, model: AcousticModel | None) -> str | None:
    if given is not None and given not in words:
        raise InvalidInputError(f"the lexicon doesn't have the unknown word {given!r}")
    if given is None and model is not None and model.unknown in words:
        return model.unknown
    return given


def _read_text(
    corpus: Corpus,
    transcripts: Mapping[str, Sequence[str] | str] | AnyPath | None,
    case: Case | None,
) -> Transcripts:
    if isinstance(transcripts, Mapping):
        return as_transcripts(transcripts)
    source = corpus if transcripts is None else transcripts
    try:
        return read_transcripts(source, case=case, corpus=corpus, strict=False)
    except FaultyFileError as error:
        return Transcripts({}, faults=tuple(error.faults))


def _read_lexicon(
    lexicon: Lexicon | Mapping[str, Any] | AnyPath | None,
    stress: Literal["fold", "keep"],
    case: Case | None,
) -> tuple[Lexicon | None, Sequence[Fault]]:
    if lexicon is None or isinstance(lexicon, Lexicon | Mapping):
        return None if lexicon is None else as_lexicon(lexicon), ()
    try:
        return Lexicon.read(lexicon, stress=stress, case=case), ()
    except FaultyFileError as error:
        # The other lines serve to look up the rest of the text.
        return getattr(error, "rest", None), error.faults


def _pairs(texts: Texts) -> Iterator[Problem]:
    """Find recordings without text, and text without recording or words."""
    corpus, said = texts.corpus, texts.said
    faulty = {fault.utterance for fault in said.faults}
    known = {u.id for u in corpus} | {fault.utterance for fault in corpus.faults}
    for utterance in corpus:
        if utterance.id not in said and utterance.id not in faulty:
            message = f"nothing says what is said in it ({said.source}); add its text"
            yield Problem("error", "no_text", utterance.path, utterance.id, message)
    for name, transcript in said.items():
        if name not in known:
            message = f"there is no recording of utterance {name!r}"
            yield texts.at_line("warning", "no_audio", name, message)
        if not transcript.words:
            message = f"utterance {name!r} has an empty transcript; write what is said"
            yield texts.at_line("error", "empty_text", name, message)


def _recordings(
    texts: Texts, measured: Mapping[str, RecordingMeasurement], least_rate: int, wanted: int | None
) -> Iterator[Problem]:
    """Find recordings that can't be read, of the wrong rate, or without speech."""
    for utterance in texts.corpus:
        for kind, message in _wrong_with(measured[utterance.id], least_rate, wanted):
            message = message.removeprefix(f"{utterance.path}: ")
            yield Problem("error", kind, utterance.path, utterance.id, message)


def _wrong_with(
    found: RecordingMeasurement, least_rate: int, wanted: int | None
) -> Iterator[tuple[str, str]]:
    if found.refusal is not None:
        yield "unreadable", found.refusal
        return
    rate = f"its rate is {found.sample_rate} Hz"
    if wanted is not None and found.sample_rate != wanted:
        yield "wrong_rate", f"{rate}; {wanted} Hz is asked for"
    elif wanted is None and found.sample_rate < least_rate:
        least = f"the features need {least_rate} Hz at least"
        yield "wrong_rate", f"{rate}; {least}: take features of a lower rate"
    if found.has_speech is False:
        quiet = "it is silent, or too quiet to tell speech from background"
        yield "no_speech", f"no speech found in {found.seconds:.2f} s: {quiet}"


def _too_short(texts: Texts, measured: Mapping[str, RecordingMeasurement]) -> Iterator[Problem]:
    """Find transcripts that take more frames than their recordings have."""
    shortest: dict[str, int] = {}
    edges = 0
    if texts.model is not None:
        models, silence = texts.model.models, texts.model.silence
        durations = (topology.shortest_duration for topology in models.topologies)
        shortest = dict(zip(models.units, durations, strict=True))
        if silence.unit is not None and silence.edge_probability == 1:
            edges = 2 * shortest[silence.unit]
    for name, said in texts.used.items():
        found = measured[name]
        if found.refusal is not None or not said.words:
            continue
        needed = edges + shortest_frames(
            said.words,
            texts.lexicon,
            frames_of=lambda phone: shortest.get(phone, 3),
            unknown=texts.unknown,
        )
        if needed > found.n_frames:
            message = (
                f"utterance {name!r} has {len(said)} words that take {needed} frames at the least, "
                f"and its recording has {found.n_frames} ({found.seconds:.2f} s): is it the right "
                "text?"
            )
            yield texts.at_line("error", "too_short_for_text", name, message)
