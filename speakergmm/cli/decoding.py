"""``speakergmm decode``: recognise words or phones in recordings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from speakergmm.cli.corpora import (
    DataOption,
    SpeakerPatternOption,
    missing_from,
    open_corpus,
    passed_over,
)
from speakergmm.cli.output import (
    JobsOption,
    JsonOption,
    counted,
    print_json,
    print_line,
    print_note,
)
from speakergmm.cli.outputs import check_output
from speakergmm.cli.texts import ByOption, names_list
from speakergmm.errors import InvalidInputError
from speakergmm.files import check_writable, make_folders
from speakergmm.words import case_hint

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus
    from speakergmm.features.recordings import SkippedRecording
    from speakergmm.hmm.decoding.search import DecodingOptions
    from speakergmm.recognition.acoustic_model import AcousticModel
    from speakergmm.recognition.decoding import Decoder, Recognition
    from speakergmm.recognition.file_names import FileNames

_EXAMPLES = """

Examples:

  speakergmm decode am.safetensors one.wav two.wav --lm lm.arpa

  speakergmm decode am.safetensors corpus.tsv --lm lm.arpa --nbest 10 --output words.json -j 2

  speakergmm decode am.safetensors corpus/ --phones --phone-lm phones.arpa --output phones.ctm

  speakergmm decode words.safetensors one.wav --isolated --nbest 3 --json
"""
_LATTICE_BEAM = 8.0


def decode(
    model: Annotated[Path, typer.Argument(help="Acoustic model.", show_default=False)],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="WAV...|CORPUS",
            help="Recordings; or a folder of speaker folders, a Kaldi data directory, or a CSV/TSV "
            "list.",
            show_default=False,
        ),
    ],
    lm: Annotated[
        Path | None, typer.Option("--lm", help="N-gram model of words (ARPA).", show_default=False)
    ] = None,
    words: Annotated[
        Path | None,
        typer.Option(
            help="File with the words that may be said, one a line (default: all of the lexicon).",
            show_default=False,
        ),
    ] = None,
    phones: Annotated[bool, typer.Option("--phones", help="Recognise phones, not words.")] = False,
    phone_lm: Annotated[
        Path | None,
        typer.Option(help="N-gram model of phones (ARPA), for --phones.", show_default=False),
    ] = None,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Each recording is exactly one word.")
    ] = False,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            help="Pronunciations in CMUdict format, in place of the model's.", show_default=False
        ),
    ] = None,
    acoustic_scale: Annotated[
        float | None,
        typer.Option(
            help="Factor of acoustic log-likelihoods (default: 0.15 for words, 0.25 for phones, "
            "best on held-out read speech; 0.1 for isolated words).",
            show_default=False,
        ),
    ] = None,
    lm_scale: Annotated[
        float,
        typer.Option(
            "--lm-scale",
            "--language-scale",
            help="Factor of the language model's log-probabilities.",
        ),
    ] = 1.0,
    word_penalty: Annotated[
        float, typer.Option(help="Added for each word; below 0 for fewer words.")
    ] = 0.0,
    beam: Annotated[
        float,
        typer.Option(
            help="Width of the search in graphs of more than 100,000 arcs (thousands of words); "
            "smaller ones are searched whole."
        ),
    ] = 13.0,
    max_active: Annotated[
        int,
        typer.Option(
            min=2,
            help="Most states followed at a frame, where --beam counts and no lattice is kept.",
        ),
    ] = 7000,
    nbest: Annotated[
        int,
        typer.Option(
            "--nbest",
            "--n-best",
            min=1,
            help="Alternatives to list, in JSON; with an n-gram model posteriors are approximate.",
        ),
    ] = 1,
    confidence: Annotated[
        bool,
        typer.Option(
            "--confidence",
            help="Say how sure each word is (slower); with an n-gram model approximately.",
        ),
    ] = False,
    lattice: Annotated[
        Path | None,
        typer.Option(
            help="Folder for lattices, a file each in Kaldi's text format.", show_default=False
        ),
    ] = None,
    lattice_beam: Annotated[
        float | None,
        typer.Option(
            help="Width of lattices (default: 8 where alternatives, confidences or lattices are "
            "asked for).",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: .ctm for words with times, .json for everything, else a line an "
            "utterance as in Kaldi's text (default: standard output).",
            show_default=False,
        ),
    ] = None,
    by: ByOption = "utterance",
    data_dir: DataOption = None,
    speaker_pattern: SpeakerPatternOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="End at the first recording that can't be recognised.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Recognise the words or phones of recordings, with times, alternatives and confidences."""
    from speakergmm.hmm.decoding.search import DecodingOptions
    from speakergmm.recognition.acoustic_model import AcousticModel
    from speakergmm.recognition.file_names import FileNames
    from speakergmm.recognition.text_durations import Measure

    _check_modes(lm, words, phones, phone_lm, isolated, lattice)
    _check_positive(
        {"--acoustic-scale": acoustic_scale, "--beam": beam, "--lattice-beam": lattice_beam}
    )
    read = [model, *inputs, *(p for p in (lm, words, phone_lm, lexicon) if p is not None)]
    _check_outputs(output, lattice, read)
    wants_lattice = nbest > 1 or confidence or lattice is not None or isolated
    options = DecodingOptions(
        acoustic_scale=acoustic_scale,
        beam=beam,
        max_active=max_active,
        lattice_beam=_LATTICE_BEAM if lattice_beam is None and wants_lattice else lattice_beam,
        n_best=nbest,
    )
    suffix = "" if output is None else output.suffix.lower()
    if confidence and not json and suffix not in (".ctm", ".json"):
        print_note("note: for confidences give --json, or an --output that ends in .ctm or .json")
    if nbest > 1 and not json and suffix != ".json":
        print_note("note: for alternatives give --json, or an --output that ends in .json")
    corpus = _corpus(inputs, data_dir, speaker_pattern, strict)
    for fault in corpus.faults:
        print_note(f"not recognised: {fault}")
    acoustic = AcousticModel.load(model)
    if lexicon is not None:
        from speakergmm.hmm.language.lexicon import Lexicon

        acoustic = acoustic.with_lexicon(Lexicon.read(lexicon))
    decoder = _decoder(
        acoustic,
        options,
        lm=lm,
        words=words,
        phones=phones,
        phone_lm=phone_lm,
        isolated=isolated,
        language_scale=lm_scale,
        word_penalty=word_penalty,
    )
    if lattice is not None:
        make_folders(lattice)
    skipped: list[SkippedRecording] = []

    def skip(found: SkippedRecording) -> None:
        skipped.append(found)
        print_note(f"not recognised: {found.message}")

    names = FileNames()
    listen = Measure(acoustic.features, listen=True)
    found = []
    for recognition in decoder.decode(
        corpus.utterances,
        n_jobs=jobs,
        strict=strict,
        on_skip=skip,
        lattices=lattice is not None,
        description=None if json else "recognising",
    ):
        if lattice is not None:
            _write_lattice(lattice / f"{_flat_name(recognition, names)}.lat", recognition)
        measured = listen(recognition.utterance)
        if measured.has_speech is False:
            print_note(
                f"warning: {recognition.utterance.path}: no speech found in "
                f"{measured.seconds:.2f} s; what was recognised there means nothing"
            )
        # Lattices of a corpus are too large to be kept.
        found.append(replace(recognition, lattice_text=None))
    silence = acoustic.silence.unit if phones else None
    recognised = {recognition.utterance.id for recognition in found}
    missing = missing_from(recognised, corpus, "recognised")
    document = {
        "model": str(model),
        "model_digest": acoustic.digest,
        "n_utterances": len(found) + len(missing),
        "n_recognised": len(found),
        "not_recognised": missing,
        **passed_over(corpus),
        "utterances": [recognition.to_dict() for recognition in found],
        "skipped": [item.to_dict() for item in skipped],
    }
    if output is not None:
        _write(output, found, document, silence, by)
    if json:
        print_json(document)
    elif output is None:
        for line in _text_lines(found, silence):
            print_line(line)
    else:
        total = len(found) + len(missing)
        lost = f"; {len(missing):,} of {total:,} not recognised" if missing else ""
        print_line(
            f"{output}: {counted(len(found), 'utterance')}, "
            f"{counted(sum(len(_said(r, silence)) for r in found), 'phone' if phones else 'word')}"
            f"{lost}"
        )
    if not found:
        raise typer.Exit(1)


def _check_modes(
    lm: Path | None,
    words: Path | None,
    phones: bool,
    phone_lm: Path | None,
    isolated: bool,
    lattice: Path | None,
) -> None:
    if phone_lm is not None and not phones:
        raise InvalidInputError("--phone-lm is for --phones; for words give --lm")
    if phones and (lm is not None or words is not None or isolated):
        raise InvalidInputError("--phones goes with --phone-lm, not with --lm, --words, --isolated")
    if isolated and (lm is not None or lattice is not None):
        raise InvalidInputError("--isolated goes with --words, not with --lm or --lattice")


def _check_positive(options: dict[str, float | None]) -> None:
    for name, value in options.items():
        if value is not None and not (math.isfinite(value) and value > 0):
            raise InvalidInputError(f"{name} must be finite and above 0, found {value:g}")


def _check_outputs(output: Path | None, lattice: Path | None, read: Iterable[Path]) -> None:
    """Refuse to write over what is read, or over what this command didn't write."""
    if lattice is not None and lattice.exists() and not lattice.is_dir():
        raise InvalidInputError(f"{lattice}: is a file; give --lattice a folder")
    if output is None:
        return
    if output.exists() and any(path.exists() and output.samefile(path) for path in read):
        raise InvalidInputError(f"{output}: is read by this command; give another --output")
    kind = output.suffix.lower()
    if kind == ".ctm":
        from speakergmm.recognition.alignment_files import check_kind

        check_kind(output)
        check_writable(output)
    elif kind == ".json":
        check_output(output, "recognition")
    elif output.is_file() and output.stat().st_size > 0:
        # It has no mark that would tell it from transcripts that someone typed.
        raise InvalidInputError(
            f"{output}: exists, and may be other text; give another name, or remove it first"
        )
    else:
        check_writable(output)


def _corpus(
    inputs: Sequence[Path], data_dir: Path | None, speaker_pattern: str | None, strict: bool
) -> Corpus:
    """Read a corpus, or take files as recordings, of speakers whom only their names can tell."""
    from speakergmm.corpora import Corpus, Utterance, name_speakers

    listed = [p for p in inputs if p.is_dir() or names_list(p)]
    if len(inputs) == 1 and listed:
        return open_corpus(inputs[0], data_dir, speaker_pattern, strict=strict)
    if len(listed) > 1:
        raise InvalidInputError(f"{listed[1]}: a second corpus; give one, or recordings")
    if listed:
        raise InvalidInputError(f"{listed[0]}: give either one corpus or recordings, not both")
    twice = [path for path, count in Counter(inputs).items() if count > 1]
    if twice:
        raise InvalidInputError(f"{twice[0]}: is given twice; give each recording once")
    stems = Counter(path.stem for path in inputs)
    given = Corpus(
        tuple(Utterance(p.stem if stems[p.stem] == 1 else str(p), p, None) for p in inputs),
        source=f"the {counted(len(inputs), 'recording')} given",
    )
    return (
        given if speaker_pattern is None else name_speakers(given, speaker_pattern, strict=strict)
    )


def _decoder(
    model: AcousticModel,
    options: DecodingOptions,
    *,
    lm: Path | None,
    words: Path | None,
    phones: bool,
    phone_lm: Path | None,
    isolated: bool,
    language_scale: float,
    word_penalty: float,
) -> Decoder:
    from speakergmm.hmm.language.language_model import BackoffLanguageModel
    from speakergmm.recognition.decoding import Decoder

    listed = None if words is None else _read_list(words, model.lexicon)
    if isolated:
        return Decoder.for_isolated_words(model, listed, options=options)
    scales: dict[str, Any] = {"language_scale": language_scale, "word_penalty": word_penalty}
    ngrams = lm or phone_lm
    language_model = None if ngrams is None else BackoffLanguageModel.read_arpa(ngrams)
    if language_model is not None:
        said = set(language_model.vocabulary) - {language_model.unknown_word, "<s>", "</s>"}
        units = set(model.models.units if phones else model.lexicon)
        foreign = sorted(said - units)
        # A model of a language may have more words than a lexicon, but not more phones.
        if said and (len(foreign) == len(said) or (phones and 2 * len(foreign) > len(said))):
            raise InvalidInputError(
                f"{ngrams}: {len(foreign):,} of its {counted(len(said), 'word')} are "
                f"{'no phones of the model' if phones else 'not in the lexicon'}, such as "
                f"{', '.join(foreign[:5])}"
                + case_hint(foreign, units, "train it with --case {case}")
            )
    if phones:
        decoder = Decoder.for_phones(
            model, language_model=language_model, options=options, **scales
        )
        _say_omitted(decoder, phone_lm, "not among the phones", model.models.units)
        return decoder
    unheard = [word for word in listed or () if word not in model.lexicon]
    if unheard:
        raise InvalidInputError(
            f"{words}: {counted(len(unheard), 'word')} with no pronunciation: "
            f"{', '.join(unheard[:10])}"
            + (
                case_hint(unheard, model.lexicon, "write them so")
                or "; give --lexicon FILE with pronunciations"
            )
        )
    decoder = Decoder.for_words(
        model, language_model=language_model, words=listed, options=options, **scales
    )
    if listed is None:
        _say_omitted(decoder, lm, "without a pronunciation", model.lexicon)
    return decoder


def _say_omitted(decoder: Decoder, ngrams: Path | None, what: str, known: Iterable[str]) -> None:
    """Name what a language model has and can't be recognised."""
    if omitted := decoder.omitted_words:
        print_note(
            f"warning: {ngrams}: {counted(len(omitted), 'word')} {what} can't be "
            f"recognised, such as {', '.join(omitted[:5])}"
            + case_hint(omitted, known, "train it with --case {case}")
        )


def _read_list(path: Path, lexicon: Container[str]) -> list[str]:
    """Read words, one a line; empty lines don't count."""
    from speakergmm.corpora.names import escaped_name
    from speakergmm.errors import CorpusError
    from speakergmm.text_files import read_text_lines
    from speakergmm.words import split_words, word_fault

    listed: dict[str, int] = {}
    for number, word in read_text_lines(path, error=CorpusError):
        if len(split_words(word)) > 1 and escaped_name(word) in lexicon:  # trained as one word
            word = escaped_name(word)
        if len(split_words(word)) > 1:
            raise CorpusError(f"{path}:{number}: {word!r} is more than one word; give one a line")
        if fault := word_fault(word):
            raise CorpusError(f"{path}:{number}: {word!r} {fault}")
        if word in listed:
            raise CorpusError(f"{path}:{number}: the word {word} stands in line {listed[word]} too")
        listed[word] = number
    return list(listed)


def _said(recognition: Recognition, silence: str | None) -> list[str]:
    return [word for word in recognition.words if word != silence]


def _text_lines(found: Iterable[Recognition], silence: str | None) -> list[str]:
    from speakergmm.corpora.transcripts import transcript_line

    return [transcript_line(r.utterance.id, _said(r, silence)) for r in found]


def _write(
    output: Path,
    found: Sequence[Recognition],
    document: dict[str, Any],
    silence: str | None,
    by: Literal["utterance", "recording"],
) -> None:
    import json

    from speakergmm.files import atomic_text_writer
    from speakergmm.recognition.ctm import write_ctm
    from speakergmm.recognition.timelines import Timelines, own_times

    kind = output.suffix.lower()
    if kind == ".ctm":
        labels = {r.utterance.id: own_times(r.utterance, r.word_labels()) for r in found}
        if by == "recording":
            timelines = Timelines()
            for r in found:
                timelines.add(r.utterance, {"words": r.word_labels()}, duration=r.grid.duration)
            labels = timelines.tier("words")
        write_ctm(output, labels, leave_out=() if silence is None else (silence,))
        return
    with atomic_text_writer(output) as file:
        if kind == ".json":
            json.dump(document, file, indent=1, ensure_ascii=False, allow_nan=False)
            file.write("\n")
        else:
            file.writelines(line + "\n" for line in _text_lines(found, silence))


def _flat_name(recognition: Recognition, names: FileNames) -> str:
    """Name a file for an utterance, without folders: slashes are written as URLs have them."""
    name = recognition.utterance.id.replace("%", "%25").replace("/", "%2F").replace("\\", "%5C")
    return names.of(name)


def _write_lattice(path: Path, recognition: Recognition) -> None:
    from speakergmm.files import atomic_text_writer

    with atomic_text_writer(path) as file:
        file.write(recognition.lattice_text or "")


def register(app: typer.Typer) -> None:
    """Add this group's command to the application."""
    app.command(help=(decode.__doc__ or "") + _EXAMPLES)(decode)
