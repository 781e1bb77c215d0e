"""``speakergmm score-transcripts``: errors of recognised words and phones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speakergmm.cli.corpora import SpeakerPatternOption
from speakergmm.cli.language_models import register_language_models
from speakergmm.cli.output import (
    JsonOption,
    counted,
    print_json,
    print_line,
    print_note,
    print_table,
)
from speakergmm.cli.texts import CaseOption, case_of, names_list, read_words
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import kind_of
from speakergmm.words import fold

if TYPE_CHECKING:
    from speakergmm.metrics.intervals import Interval
    from speakergmm.metrics.phone_mappings import PhoneMapping
    from speakergmm.metrics.transcription import TranscriptionErrors

_SCORE_EXAMPLES = """

Examples:

  speakergmm score-transcripts data/text recognised.txt --speakers data/utt2spk

  speakergmm score-transcripts data/ recognised.json

  speakergmm score-transcripts data/ phones.ctm --phones --lexicon lexicon.txt --mapping cmu-39
"""


def score_transcripts(
    reference: Annotated[
        Path,
        typer.Argument(
            metavar="REF",
            help="What was said: a Kaldi text, a list with a column text, or a corpus.",
            show_default=False,
        ),
    ],
    hypothesis: Annotated[
        Path,
        typer.Argument(
            metavar="HYP",
            help="What was recognised: the same, or what decode wrote (.json, .ctm or text).",
            show_default=False,
        ),
    ],
    speakers: Annotated[
        Path | None,
        typer.Option(help="Kaldi utt2spk (default: the speakers of REF, where it is a corpus)."),
    ] = None,
    phones: Annotated[
        bool, typer.Option("--phones", help="Count phones, without silence.")
    ] = False,
    lexicon: Annotated[
        Path | None,
        typer.Option(help="With --phones: REF has words, said by their first pronunciation here."),
    ] = None,
    speaker_pattern: SpeakerPatternOption = None,
    mapping: Annotated[
        str | None,
        typer.Option(
            help="With --phones: identity, stress, cmu-39, timit-39, or a file with a phone and "
            "what it becomes on each line."
        ),
    ] = None,
    case: CaseOption = "asis",
    confidence: Annotated[float, typer.Option(help="Coverage of the intervals.")] = 0.95,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", "--n-bootstrap", min=2, help="Resamples.")
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resampling.")] = 0,
    confusions: Annotated[int, typer.Option(min=0, help="How many confusions to list.")] = 20,
    json: JsonOption = False,
) -> None:
    """Count word or phone errors, with intervals over speakers.

    Nothing is normalised unless asked. Utterances that HYP lacks count as deleted whole.
    """
    from speakergmm.metrics.transcription import phone_errors, word_errors
    from speakergmm.metrics.transcription_intervals import transcription_intervals

    if not phones and (lexicon is not None or mapping is not None):
        raise InvalidInputError("--lexicon and --mapping go with --phones")
    said: Mapping[str, Sequence[str]] = read_words(
        reference, case_of(case) if lexicon or not phones else None
    )
    heard = read_words(hypothesis, None if phones else case_of(case))
    named = _speakers(reference, speakers, speaker_pattern, said)
    if phones:
        if lexicon is not None:
            from speakergmm.hmm.language.lexicon import Lexicon

            words = Lexicon.read(lexicon, case=case_of(case))
            said = {name: words.first_pronunciation(text) for name, text in said.items()}
        errors = phone_errors(said, heard, mapping=_mapping(mapping), speakers=named)
    else:
        errors = word_errors(said, heard, speakers=named)
    intervals = transcription_intervals(
        errors, n_bootstrap=bootstrap, confidence=confidence, seed=seed
    )
    if json:
        print_json(_document(errors, intervals, confusions, bootstrap, seed))
    else:
        _print_errors(errors, intervals, confusions)


def _mapping(name: str | None) -> PhoneMapping:
    from speakergmm.metrics.phone_mappings import PHONE_MAPPINGS, read_phone_mapping

    if name is None or name in PHONE_MAPPINGS:
        return PHONE_MAPPINGS[name or "identity"]
    if kind_of(name) == "missing":
        raise InvalidInputError(
            f"--mapping {name!r}: is no file, and none of {', '.join(PHONE_MAPPINGS)}"
        )
    return read_phone_mapping(name)


def _speakers(
    reference: Path, given: Path | None, speaker_pattern: str | None, said: Mapping[str, Any]
) -> dict[str, str] | None:
    from speakergmm.corpora import Corpus, Utterance, name_speakers, read_corpus
    from speakergmm.corpora.transcripts import read_transcripts

    if given is not None:
        listed = read_transcripts(given)
        for words in listed.values():
            if len(words) != 1:
                raise CorpusError(f"{given}:{words.line}: a line is an utterance and its speaker")
        return {name: words[0] for name, words in listed.items()}
    # What came through a pipe is read already.
    is_corpus = reference.is_dir() or (kind_of(reference) == "file" and names_list(reference))
    if speaker_pattern is not None:
        if is_corpus:
            corpus = read_corpus(reference, speaker_pattern=speaker_pattern)
        else:  # utterances are called as their recordings are
            listed_ids = tuple(Utterance(name, Path(name), None) for name in said)
            corpus = name_speakers(Corpus(listed_ids, str(reference)), speaker_pattern)
        return {u.id: u.speaker for u in corpus if u.speaker is not None}
    if not is_corpus:
        return None
    try:
        named = {u.id: u.speaker for u in read_corpus(reference) if u.speaker is not None}
    except CorpusError:  # a list of ids and text
        return None
    return named if all(name in named for name in said) else None


def _document(
    errors: TranscriptionErrors,
    intervals: Mapping[str, Interval | None],
    confusions: int,
    bootstrap: int,
    seed: int,
) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **errors.to_dict(n_confused=confusions),
        "intervals": {name: None if i is None else asdict(i) for name, i in intervals.items()},
        "intervals_note": _no_intervals(errors),
        "case_note": _case_note(errors),
        "resampled": "speakers" if errors.by_speaker() else "utterances",
        "n_bootstrap": bootstrap,
        "seed": seed,
    }


def _no_intervals(errors: TranscriptionErrors) -> str | None:
    """Say why there are no intervals, where that is so."""
    speakers = errors.by_speaker()
    if len(speakers or errors.utterances) > 1:
        return None
    return f"no intervals: one {'speaker' if speakers else 'utterance'} tells nothing of others"


def _case_note(errors: TranscriptionErrors) -> str | None:
    """Say how many words count as wrong for their letter case."""
    if errors.unit != "word":
        return None
    pairs = [
        each
        for each in errors.confused
        if each.reference
        and each.hypothesis
        and fold(each.reference, "lower") == fold(each.hypothesis, "lower")
    ]
    number = sum(each.count for each in pairs)
    if not number:
        return None
    first = pairs[0]
    return (
        f"note: {counted(number, 'substitution')} differ in letter case only, such as "
        f"{first.reference!r} and {first.hypothesis!r}: give --case lower"
    )


def _print_errors(
    errors: TranscriptionErrors, intervals: Mapping[str, Interval | None], confusions: int
) -> None:
    unit, counts = errors.unit, errors.counts
    over = "speakers" if errors.by_speaker() else "utterances"
    size = counts.n_reference
    figures = [
        (f"{unit} error", counts.errors, size, "error_rate"),
        ("substitutions", counts.substitutions, size, "substitutions"),
        ("deletions", counts.deletions, size, "deletions"),
        ("insertions", counts.insertions, size, "insertions"),
        (
            "sentence error",
            sum(each.counts.errors > 0 for each in errors.utterances),
            len(errors.utterances),
            "sentence_error_rate",
        ),
    ]
    rows = []
    for name, wrong, total, key in figures:
        found = intervals[key]
        rate = f"{100 * wrong / total:.2f} %" if total else "-"
        span = "-" if found is None else f"{100 * found.low:.2f} to {100 * found.high:.2f} %"
        rows.append((name, rate, span, f"{wrong:,} of {total:,}"))
    mapping = "" if errors.mapping is None else f", mapping {errors.mapping}"
    print_table(
        f"Errors ({counted(len(errors.utterances), 'utterance')}{mapping}; intervals over {over})",
        ("figure", "rate", "interval", "count"),
        rows,
        right=(1, 2, 3),
    )
    if note := _no_intervals(errors):
        print_line(note)
    if hint := _case_note(errors):
        print_note(hint)
    if errors.confused and confusions:
        print_table(
            "Most frequent",
            ("said", "recognised", "times"),
            [
                (each.reference or "-", each.hypothesis or "-", str(each.count))
                for each in errors.confused[:confusions]
            ],
            right=(2,),
        )
    if errors.missing:
        missing = ", ".join(errors.missing[:20]) + (", ..." if len(errors.missing) > 20 else "")
        number = counted(len(errors.missing), "utterance")
        print_line(f"{number} without a hypothesis, counted as deleted: {missing}")


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=cleandoc(score_transcripts.__doc__ or "") + _SCORE_EXAMPLES)(score_transcripts)
    register_language_models(app)
