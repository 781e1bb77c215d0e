"""``speakergmm align``: where the words and phones of transcribed recordings lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from speakergmm.cli.corpora import (
    DataOption,
    SpeakerPatternOption,
    missing_from,
    open_corpus,
    passed_over,
    tell_notes,
)
from speakergmm.cli.output import (
    JobsOption,
    JsonOption,
    counted,
    print_json,
    print_line,
    print_note,
    print_table,
)
from speakergmm.cli.texts import ByOption, case_of
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.words import case_hint, split_words, word_fault

if TYPE_CHECKING:
    from speakergmm.corpora import Corpus
    from speakergmm.corpora.transcripts import Transcript, Transcripts
    from speakergmm.features.recordings import SkippedRecording
    from speakergmm.recognition.acoustic_model import AcousticModel
    from speakergmm.recognition.aligning import AlignedUtterance
    from speakergmm.recognition.diagnostics import Diagnosis, UtteranceEvidence

_EXAMPLES = """

Examples:

  speakergmm align am.safetensors corpus/ --output aligned -j 2

  speakergmm align am.safetensors corpus/ --lexicon more.dict --output aligned

  speakergmm align am.safetensors hello.wav --text "HELLO WORLD" --output aligned --picture hello
"""
_SHOWN_SUSPECTS = 10
_SHOWN_SKIPS = 20


def align(
    model: Annotated[
        Path, typer.Argument(help="Acoustic model, from train-hmm.", show_default=False)
    ],
    corpus: Annotated[
        Path,
        typer.Argument(
            help="A recording, a folder, a Kaldi data directory, or a CSV/TSV list.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write to.", show_default=False)
    ],
    text: Annotated[
        str | None,
        typer.Option(help="Of one recording its words, or a file with them.", show_default=False),
    ] = None,
    transcripts: Annotated[
        Path | None,
        typer.Option(
            help="File with the transcripts, where they are not with the corpus.",
            show_default=False,
        ),
    ] = None,
    lexicon: Annotated[
        Path | None,
        typer.Option(
            help="Pronunciations in CMUdict format, in place of the model's.", show_default=False
        ),
    ] = None,
    unknown: Annotated[
        Literal["skip", "graphemes"],
        typer.Option(
            help="Words without a pronunciation: leave their utterances out, or spell them by "
            "letters, which a model of letters can."
        ),
    ] = "skip",
    formats: Annotated[
        str, typer.Option("--format", help="What to write, of textgrid, ctm and json.")
    ] = "textgrid,ctm,json",
    by: ByOption = "utterance",
    states: Annotated[bool, typer.Option("--states", help="Write states of phones too.")] = False,
    picture: Annotated[
        list[str] | None,
        typer.Option(
            help="Utterance to draw over its spectrogram; may be repeated.", show_default=False
        ),
    ] = None,
    beam: Annotated[
        float | None,
        typer.Option(
            help="Give up paths that are this many nats worse than the best, and search again "
            "without a beam where the result is doubtful (default: none is given up).",
            show_default=False,
        ),
    ] = None,
    edges: Annotated[
        Literal["expected", "path"],
        typer.Option(help="Phones meet where expected, between frames, or where the path has it."),
    ] = "expected",
    case: Annotated[
        Literal["asis", "upper", "lower"], typer.Option(help="Letter case to bring words to.")
    ] = "asis",
    data_dir: DataOption = None,
    speaker_pattern: SpeakerPatternOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at the first utterance that can't be aligned.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Align recordings with what is said in them: times of words and phones, and how sure."""
    from speakergmm.recognition.acoustic_model import AcousticModel
    from speakergmm.recognition.aligning import align_recordings
    from speakergmm.recognition.alignment_files import AlignmentFiles, check_kind, write_diagnoses
    from speakergmm.recognition.diagnostics import diagnose, gather_evidence

    if beam is not None and not beam > 0:
        raise InvalidInputError(f"--beam must be above 0, got {beam!r}")
    loaded = AcousticModel.load(model)
    read, said = _recordings(
        corpus, text, transcripts, case, data_dir, speaker_pattern, strict=strict
    )
    wanted = set(picture or ())
    missing = sorted(wanted - {utterance.id for utterance in read})
    if missing:
        raise InvalidInputError(f"--picture {missing[0]!r}: the corpus has no such utterance")
    files = AlignmentFiles(
        output,
        formats=[name.strip() for name in formats.split(",") if name.strip()],
        states=states,
        silence=loaded.silence.unit,
        by=by,
    )
    check_kind(output / "diagnostics.tsv")
    loaded = _with_words(
        loaded, [said[u.id] for u in read if u.id in said], lexicon, unknown, case, strict
    )
    skipped: list[SkippedRecording] = []
    evidence: list[UtteranceEvidence] = []
    pictures: list[Path] = []
    seconds = 0.0
    try:
        with files:
            for aligned in align_recordings(
                loaded,
                read,
                said,
                beam=beam,
                retry_beam=None if beam is None else 10 * beam,
                goodness=True,
                loudness=True,
                edges=edges,
                n_jobs=jobs,
                strict=strict,
                on_skip=skipped.append,
                description=None if json else "features",
            ):
                files.write(aligned)
                evidence.append(gather_evidence(aligned))
                seconds += aligned.end - aligned.start
                if aligned.utterance.id in wanted:
                    name = files.name_of(aligned.utterance.id)
                    pictures.append(_draw(aligned, output / "pictures" / f"{name}.png"))
            if not evidence:
                raise InsufficientDataError("no utterance could be aligned")
    except InsufficientDataError:
        if strict or evidence or not skipped:
            raise
        more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise InsufficientDataError(
            f"no utterance could be aligned: {skipped[0].message}{more}"
        ) from None
    found = diagnose(evidence)
    write_diagnoses(output / "diagnostics.tsv", found)
    _print_skips(skipped)
    if others := files.left_over():
        print_note(
            f"warning: {others[0]}: {counted(len(others), 'TextGrid')} of no utterance of this run "
            "beside the new ones"
        )
    missing = missing_from({item.utterance for item in found}, read, "aligned")
    if json:
        document = _document(output, found, skipped, missing, seconds, pictures)
        print_json(document | passed_over(read))
    else:
        _print_summary(output, found, missing, seconds, pictures)


def _with_words(
    model: AcousticModel,
    sentences: list[Transcript],
    lexicon: Path | None,
    unknown: str,
    case: Literal["asis", "upper", "lower"],
    strict: bool,
) -> AcousticModel:
    """Give the model the words that are said; name those for which there is no pronunciation."""
    from speakergmm.hmm.language.graphemes import spell
    from speakergmm.hmm.language.lexicon import Lexicon
    from speakergmm.hmm.language.pronunciation import Pronunciation

    spoken = {word for words in sentences for word in words}
    units = set(model.models.units)
    folded = case_of(case)
    known = model.lexicon.folded(folded)
    if model.unknown is not None:  # a symbol, which the model knows by its name
        known = known.extended({model.unknown: model.lexicon[model.unknown]})
    if lexicon is not None:
        read = Lexicon.read(
            lexicon,
            # As the model has it: AH0 or AH.
            stress="keep" if any(unit[-1:].isdigit() for unit in units) else "fold",
            case=folded,
        )
        # A dictionary of a whole language may have phones that no word here needs.
        used = {word: read[word] for word in sorted(spoken) if word in read}
        if model.unknown is not None:
            used.setdefault(model.unknown, known[model.unknown])
        known = Lexicon(used, read.source) if used else read
    if unknown == "graphemes":
        spelled = {word: spell(word) for word in known.unknown(sentences)}
        known = known.extended(
            {
                word: (Pronunciation(letters),)
                for word, letters in spelled.items()
                if letters and units.issuperset(letters)
            }
        )
    outside = {} if model.unknown is not None else known.unknown(sentences)
    if outside:
        counts = ", ".join(
            f"{word} ({count})" for word, count in list(outside.items())[:_SHOWN_SKIPS]
        )
        if len(outside) > _SHOWN_SKIPS:
            counts += f" and {len(outside) - _SHOWN_SKIPS} more"
        hint = case_hint(outside, model.lexicon if lexicon is None else read)
        message = f"{counted(len(outside), 'word')} not in the lexicon {known.source}: {counts}" + (
            hint or "; give --lexicon FILE with pronunciations"
        )
        if strict or not any(words and known.unknown([words]) == {} for words in sentences):
            raise InvalidInputError(message)
        print_note(f"warning: {message}")
    return model if known is model.lexicon else model.with_lexicon(known)


def _recordings(
    path: Path,
    text: str | None,
    transcripts: Path | None,
    case: Literal["asis", "upper", "lower"],
    data_dir: Path | None,
    speaker_pattern: str | None,
    *,
    strict: bool,
) -> tuple[Corpus, Transcripts]:
    """Read a corpus with its transcripts, or one recording with its own."""
    from speakergmm.audio import has_audio_suffix, has_unreadable_suffix
    from speakergmm.corpora import Corpus, Utterance
    from speakergmm.corpora.transcripts import Transcript, Transcripts, read_transcripts

    folded = case_of(case)
    named = has_audio_suffix(path.name) or has_unreadable_suffix(path.name)
    if path.is_dir() or not named:
        if text is not None:
            raise InvalidInputError(
                f"--text is what one recording says, {path} is a corpus; give --transcripts FILE"
            )
        corpus = open_corpus(path, data_dir, speaker_pattern, strict=strict)
        said = read_transcripts(
            transcripts or corpus,
            case=folded,
            data_dir=data_dir,
            corpus=corpus,
            strict=strict,
        )
        tell_notes(said, corpus)
        listed = {(fault.path, fault.line) for fault in corpus.faults}
        untold = [f for f in said.faults if (f.path, f.line) not in listed]
        for fault in (*corpus.faults, *untold):
            print_note(f"left out: {fault}")
        return corpus, said
    if transcripts is not None:
        raise InvalidInputError(
            f"--transcripts is for a corpus, and {path} is a recording; give --text 'ITS WORDS'"
        )
    # No source that a reader could take for a list.
    alone = Corpus((Utterance(path.stem, path, None),), source=f"one recording, {path.name}")
    if text is None:
        return alone, read_transcripts(alone, case=folded, strict=False)
    words = split_words(_file_text(text) or text, folded)
    for word in words:
        if wrong := word_fault(word):
            raise InvalidInputError(f"--text: word {word!r} {wrong}")
    return alone, Transcripts({path.stem: Transcript(words)}, source="--text")


def _file_text(text: str) -> str | None:
    """Return what the file or pipe of that name holds; None where there is none."""
    from speakergmm.files import UnreadableFileError, kind_of

    try:
        if kind_of(text) in ("missing", "folder"):
            return None
    except UnreadableFileError:  # a sentence longer than a file's name may be
        return None
    from speakergmm.text_files import read_text_lines

    return " ".join(line for _, line in read_text_lines(text, error=InvalidInputError))


def _draw(aligned: AlignedUtterance, path: Path) -> Path:
    """Draw one alignment as PNG, and as SVG beside it; returns the file."""
    from speakergmm.audio import read_audio
    from speakergmm.files import write_error
    from speakergmm.reports.alignments import draw_alignment, write_picture

    utterance = aligned.utterance
    samples, rate = read_audio(utterance.path, start=utterance.start, end=utterance.end)
    figure = draw_alignment(
        samples,
        rate,
        {"words": aligned.words(), "phones": aligned.phones()},
        title=utterance.id,
        start=utterance.start,
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from None
    for each in (path, path.with_name(f"{path.stem}.svg")):
        write_picture(each, figure)
    return path


def _print_skips(skipped: list[SkippedRecording]) -> None:
    for found in skipped[:_SHOWN_SKIPS]:
        print_note(f"left out: {found.message}")
    if len(skipped) > _SHOWN_SKIPS:
        print_note(f"and {len(skipped) - _SHOWN_SKIPS} more")


def _document(
    output: Path,
    found: tuple[Diagnosis, ...],
    skipped: list[SkippedRecording],
    missing: list[str],
    seconds: float,
    pictures: list[Path],
) -> dict[str, Any]:
    return {
        "output": str(output),
        "n_utterances": len(found) + len(missing),
        "n_aligned": len(found),
        "not_aligned": missing,
        "seconds": round(seconds, 3),
        "left_out": [skip.to_dict() for skip in skipped],
        "pictures": [str(path) for path in pictures],
        "suspicious": [item.to_dict() for item in found if item.reasons],
    }


def _print_summary(
    output: Path,
    found: tuple[Diagnosis, ...],
    missing: list[str],
    seconds: float,
    pictures: list[Path],
) -> None:
    suspects = [item for item in found if item.reasons]
    if suspects:
        print_table(
            "Most suspicious: transcripts and recordings to look at first",
            ("utterance", "suspicion", "why"),
            [
                (item.utterance, f"{item.suspicion:.1f}", "; ".join(item.reasons[:3]))
                for item in suspects[:_SHOWN_SUSPECTS]
            ],
            right=(1,),
        )
    for path in pictures:
        print_line(f"picture: {path}")
    length = f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} minutes"
    left_out = f", {counted(len(missing), 'utterance')} left out" if missing else ""
    print_line(
        f"{output}: {counted(len(found), 'utterance')} aligned ({length})"
        f"{left_out}; {len(suspects):,} suspicious, all ranked in diagnostics.tsv"
    )


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=(align.__doc__ or "") + _EXAMPLES)(align)
