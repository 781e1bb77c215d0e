"""``speakergmm score-transcripts``: errors of recognised words and phones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from speakergmm import corpora, hmm, metrics
from speakergmm.cli import options
from speakergmm.cli.options import AnsweringCommand, argument, command, option
from speakergmm.cli.printing import Table, counted, listed, print_note
from speakergmm.cli.transcript_inputs import is_recording_list, letter_case, read_word_sequences
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import kind_of
from speakergmm.words import fold


@command
class ScoreTranscripts(AnsweringCommand):
    """Count word or phone errors, with intervals over speakers.

    Nothing is normalised unless asked. Utterances that HYP lacks count as deleted whole.

    Examples:

      speakergmm score-transcripts data/text recognised.txt --speakers data/utt2spk

      speakergmm score-transcripts data/ recognised.json

      speakergmm score-transcripts data/ phones.ctm --phones --lexicon lexicon.txt --mapping cmu-39
    """

    reference: Path = argument(
        "What was said: a Kaldi text, a list with a column text, or a corpus.", metavar="REF"
    )
    hypothesis: Path = argument(
        "What was recognised: the same, or what decode wrote (.json, .ctm or text).",
        metavar="HYP",
    )
    speakers: Path | None = option(
        None, "Kaldi utt2spk (default: the speakers of REF, where it is a corpus)."
    )
    phones: bool = option(False, "Count phones, without silence.")
    lexicon: Path | None = option(
        None, "With --phones: REF has words, said by their first pronunciation here."
    )
    speaker_pattern: options.SpeakerPattern = None
    mapping: str | None = option(
        None,
        "With --phones: identity, stress, cmu-39, timit-39, or a file with a phone and "
        "what it becomes on each line.",
    )
    case: options.Case = "asis"
    confidence: float = option(0.95, "Coverage of the intervals.")
    bootstrap: int = option(1000, "Resamples.", "--n-bootstrap", min=2)
    seed: int = option(0, "Of the resampling.")
    confusions: int = option(20, "How many confusions to list.", min=0)

    def run(self) -> None:
        """Read both sides, count the errors and print them."""
        if not self.phones and (self.lexicon is not None or self.mapping is not None):
            raise InvalidInputError("--lexicon and --mapping go with --phones")
        case = letter_case(self.case)
        said: Mapping[str, Sequence[str]] = read_word_sequences(
            self.reference, case if self.lexicon or not self.phones else None
        )
        heard = read_word_sequences(self.hypothesis, None if self.phones else case)
        named = self._speakers(said)
        if self.phones:
            if self.lexicon is not None:
                words = hmm.Lexicon.read(self.lexicon, case=case)
                said = {name: words.first_pronunciation(text) for name, text in said.items()}
            errors = metrics.phone_errors(said, heard, mapping=self._mapping(), speakers=named)
        else:
            errors = metrics.word_errors(said, heard, speakers=named)
        intervals = metrics.transcription_intervals(
            errors, n_bootstrap=self.bootstrap, confidence=self.confidence, seed=self.seed
        )
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
                "n_bootstrap": self.bootstrap,
                "seed": self.seed,
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
                f"--mapping {name!r}: is no file, and none of {', '.join(metrics.PHONE_MAPPINGS)}"
            )
        return metrics.read_phone_mapping(name)

    def _speakers(self, said: Mapping[str, Any]) -> dict[str, str] | None:
        """Find who says each utterance: as a file, a pattern or the corpus says, or nobody does."""
        reference, pattern = self.reference, self.speaker_pattern
        if self.speakers is not None:
            speaker_of = corpora.read_transcripts(self.speakers)
            for words in speaker_of.values():
                if len(words) != 1:
                    raise CorpusError(
                        f"{self.speakers}:{words.line}: a line is an utterance and its speaker"
                    )
            return {name: words[0] for name, words in speaker_of.items()}
        # What came through a pipe is read already.
        is_corpus = reference.is_dir() or (
            kind_of(reference) == "file" and is_recording_list(reference)
        )
        if is_corpus:
            try:
                corpus = corpora.read_corpus(reference, speaker_pattern=pattern)
            except CorpusError:
                if pattern is not None:
                    raise
                return None  # a list of ids and text
        elif pattern is not None:  # utterances are called as their recordings are
            utterances = tuple(corpora.Utterance(name, Path(name), None) for name in said)
            corpus = corpora.name_speakers(corpora.Corpus(utterances, str(reference)), pattern)
        else:
            return None
        named = {u.id: u.speaker for u in corpus if u.speaker is not None}
        return named if pattern is not None or said.keys() <= named.keys() else None


def _no_intervals(errors: metrics.TranscriptionErrors) -> str | None:
    """Say why there are no intervals, where that is so."""
    speakers = errors.by_speaker()
    if len(speakers or errors.utterances) > 1:
        return None
    return f"no intervals: one {'speaker' if speakers else 'utterance'} tells nothing of others"


def _case_note(errors: metrics.TranscriptionErrors) -> str | None:
    """Say how many words count as wrong for their letter case."""
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
        f"note: {counted(number, 'substitution')} differ in letter case only, such as "
        f"{first.reference!r} and {first.hypothesis!r}: give --case lower"
    )


def _shown(
    errors: metrics.TranscriptionErrors,
    intervals: Mapping[str, metrics.Interval | None],
    confusions: int,
) -> Iterator[str | Table]:
    """Yield what a person is shown: the figures, the confusions, what has no hypothesis."""
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
        ("figure", "rate", "interval", "count"),
        rows,
        right=(1, 2, 3),
    )
    if note := _no_intervals(errors):
        yield note
    if errors.confusions and confusions:
        yield Table(
            "Most frequent",
            ("said", "recognised", "times"),
            [
                (each.reference or "-", each.hypothesis or "-", str(each.count))
                for each in errors.confusions[:confusions]
            ],
            right=(2,),
        )
    if errors.missing:
        number = counted(len(errors.missing), "utterance")
        yield f"{number} without a hypothesis, counted as deleted: {listed(errors.missing)}"
