"""``speakergmm score-transcripts``: error rates of recognised words and phones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from speakergmm import corpora, hmm, metrics
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.cli.printing import Table, counted, listed, print_note
from speakergmm.cli.transcript_inputs import is_recording_list, letter_case, read_word_sequences
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import kind_of
from speakergmm.words import fold


@command
class ScoreTranscripts(AnsweringCommand):
    """Count the word or phone errors of recognised utterances, with intervals over speakers.

    Words are compared as they are written, unless --case is given. All words of an utterance that
    HYP does not contain count as deletions. With --phones, silence is ignored, and --lexicon
    converts the words of REF by their first pronunciations.

    Examples:

      speakergmm score-transcripts data/text recognised.txt --speakers data/utt2spk

      speakergmm score-transcripts data/ recognised.json

      speakergmm score-transcripts data/ phones.ctm --phones --lexicon lexicon.txt --mapping cmu-39
    """

    reference: Path = argument(
        "Reference: a Kaldi text, a list with a column text, or a corpus with transcripts.",
        metavar="REF",
    )
    hypothesis: Path = argument(
        "Hypotheses: a file of the same form, or an output of decode (.json, .ctm or text).",
        metavar="HYP",
    )
    speakers: Path | None = option(
        None, "Kaldi file utt2spk with the speakers (default: the speakers of the corpus REF)."
    )
    phones: options.Phones = False
    lexicon: options.Lexicon = None
    speaker_pattern: options.SpeakerPattern = None
    mapping: str | None = option(
        None,
        "With --phones, the mapping of phones before the comparison: identity, stress, cmu-39, "
        "timit-39, or a file with a phone and its replacement on each line.",
    )
    case: options.Case = "asis"
    bootstrap: metrics.BootstrapOptions = options_of(
        metrics.BootstrapOptions, "n_bootstrap", "confidence", "seed"
    )
    confusions: int = option(20, "Number of confusions to list.", min=0)

    def run(self) -> None:
        """Read the references and hypotheses, count the errors and print them."""
        if not self.phones and (self.lexicon is not None or self.mapping is not None):
            raise InvalidInputError("--lexicon and --mapping need --phones")
        case = letter_case(self.case)
        reference: Mapping[str, Sequence[str]] = read_word_sequences(
            self.reference, case if self.lexicon or not self.phones else None
        )
        hypothesis = read_word_sequences(self.hypothesis, None if self.phones else case)
        named = self._speakers(reference)
        if self.phones:
            if self.lexicon is not None:
                words = hmm.Lexicon.read(self.lexicon, case=case)
                reference = {
                    name: words.first_pronunciation(text) for name, text in reference.items()
                }
            errors = metrics.phone_errors(
                reference, hypothesis, mapping=self._mapping(), speakers=named
            )
        else:
            errors = metrics.word_errors(reference, hypothesis, speakers=named)
        intervals = metrics.transcription_intervals(errors, self.bootstrap)
        case_note = _case_note(errors)
        self.answer(
            {
                **errors.to_dict(n_confusions=self.confusions),
                "intervals": {
                    name: None if each is None else asdict(each) for name, each in intervals.items()
                },
                "intervals_note": _no_intervals(errors),
                "case_note": case_note,
                "resampled": "speakers" if errors.by_speaker() else "utterances",
                "n_bootstrap": self.bootstrap.n_bootstrap,
                "seed": self.bootstrap.seed,
            },
            *_shown(errors, intervals, self.confusions),
        )
        if case_note and not self.json:
            print_note(case_note)

    def _mapping(self) -> metrics.PhoneMapping:
        name = "identity" if self.mapping is None else self.mapping
        if name in metrics.PHONE_MAPPINGS:
            return metrics.PHONE_MAPPINGS[name]
        if kind_of(name) == "missing":
            raise InvalidInputError(
                f"--mapping must be a file or one of {', '.join(metrics.PHONE_MAPPINGS)}, found "
                f"{name!r}"
            )
        return metrics.read_phone_mapping(name)

    def _speakers(self, transcripts: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the speaker of each utterance, if a file, a pattern or the corpus states it."""
        reference, pattern = self.reference, self.speaker_pattern
        if self.speakers is not None:
            speaker_of = corpora.read_transcripts(self.speakers)
            for words in speaker_of.values():
                if len(words) != 1:
                    raise CorpusError(
                        f"{self.speakers}:{words.line}: a line must contain an utterance and its "
                        f"speaker"
                    )
            return {name: words[0] for name, words in speaker_of.items()}
        # A pipe has been read already.
        is_corpus = reference.is_dir() or (
            kind_of(reference) == "file" and is_recording_list(reference)
        )
        if is_corpus:
            try:
                corpus = corpora.read_corpus(reference, speaker_pattern=pattern)
            except CorpusError:
                if pattern is not None:
                    raise
                return None  # a list of names and transcripts
        elif pattern is not None:  # the names of utterances are those of their recordings
            utterances = tuple(corpora.Utterance(name, Path(name), None) for name in transcripts)
            corpus = corpora.name_speakers(corpora.Corpus(utterances, str(reference)), pattern)
        else:
            return None
        named = {u.id: u.speaker for u in corpus if u.speaker is not None}
        return named if pattern is not None or transcripts.keys() <= named.keys() else None


def _no_intervals(errors: metrics.TranscriptionErrors) -> str | None:
    """Return the reason why there are no intervals; None if there are."""
    speakers = errors.by_speaker()
    if len(speakers or errors.utterances) > 1:
        return None
    return f"no intervals: they need more than one {'speaker' if speakers else 'utterance'}"


def _case_note(errors: metrics.TranscriptionErrors) -> str | None:
    """Return a note on words that are wrong only by their letter case; None if there are none."""
    if errors.unit != "word":
        return None
    pairs = [
        each
        for each in errors.confusions
        if fold(each.reference or "", "lower") == fold(each.hypothesis or "", "lower")
    ]
    number = sum(each.count for each in pairs)
    if not number:
        return None
    first = pairs[0]
    return (
        f"note: {counted(number, 'substitution')} differ only in letter case, such as "
        f"{first.reference!r} and {first.hypothesis!r}: give --case lower"
    )


def _shown(
    errors: metrics.TranscriptionErrors,
    intervals: Mapping[str, metrics.Interval | None],
    confusions: int,
) -> Iterator[str | Table]:
    """Yield the results for a person: error rates, confusions, utterances without a hypothesis."""
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
    yield Table(
        f"Errors ({counted(len(errors.utterances), 'utterance')}{mapping}; intervals over {over})",
        ("measure", "rate", "interval", "count"),
        rows,
        right=(1, 2, 3),
    )
    if note := _no_intervals(errors):
        yield note
    if errors.confusions and confusions:
        yield Table(
            "Most frequent errors",
            ("reference", "recognised", "times"),
            [
                (each.reference or "-", each.hypothesis or "-", str(each.count))
                for each in errors.confusions[:confusions]
            ],
            right=(2,),
        )
    if errors.missing:
        number = counted(len(errors.missing), "utterance")
        yield f"{number} without a hypothesis, counted as deleted: {listed(errors.missing)}"
