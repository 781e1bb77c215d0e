"""``speakergmm align``: the times of words and phones in transcribed recordings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from speakergmm import audio, corpora, recognition
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import argument, command, option, options_of
from speakergmm.cli.corpus_options import (
    CorpusCommand,
    corpus_report,
    print_missing,
    print_transcript_notes,
)
from speakergmm.cli.guesses import check_model_first
from speakergmm.cli.printing import Table, counted, print_first_notes, print_note
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.files import UnreadableFileError, kind_of, make_folders
from speakergmm.hmm import AlignmentOptions
from speakergmm.run_context import RunContext
from speakergmm.words import split_words, word_fault

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from speakergmm.features import FeatureStore
    from speakergmm.recognition import (
        AlignedUtterance,
        AlignmentFiles,
        Diagnosis,
        UtteranceEvidence,
    )
    from speakergmm.run_context import SkippedRecording

_SHOWN_SUSPECTS = 10


@dataclass
class _Done:
    """The results of the utterances that have been aligned so far."""

    evidence: list[UtteranceEvidence] = field(default_factory=list)
    skipped: list[SkippedRecording] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    seconds: float = 0.0


@command
class Align(CorpusCommand):
    """Align recordings with their transcripts: times of words and phones, with confidences.

    With --beam, utterances that lose all their paths are tried again with ten times the beam, and
    doubtful results are searched for again without one.

    Examples:

      speakergmm align am.safetensors corpus/ --output aligned -j 2

      speakergmm align am.safetensors corpus/ --lexicon more.dict --output aligned

      speakergmm align am.safetensors hello.wav --text "HELLO WORLD" --output aligned --picture hello
    """  # noqa: E501 - a line of the help

    model: Path = argument("Acoustic model, from train-hmm.")
    corpus: Path = argument(
        "A recording, a folder of speaker folders, a Kaldi data directory, a CSV/TSV list of "
        "recordings, or a feature store."
    )
    output: Path = options.output(
        ..., "Folder to write to: TextGrids, CTM files, alignments.jsonl and diagnostics.tsv."
    )
    text: str | None = option(
        None, "Words spoken in the recording, or a text file that contains them."
    )
    transcripts: options.Transcripts = None
    lexicon: options.ReplacedLexicon = None
    unknown_words: Literal["skip", "graphemes"] = option(
        "skip",
        "For words outside the lexicon: leave out their utterances, or spell them, if the model is "
        "one of letters.",
        "--unknown",
    )
    format: str = option(
        "textgrid,ctm,json", "Formats to write, with commas between them: textgrid, ctm, json."
    )
    by: Literal["utterance", "recording"] = option(
        "utterance",
        f"{options.BY_HELP} With 'recording', a TextGrid covers a whole recording and has tiers "
        "for each speaker.",
    )
    write_states: bool = option(False, "Write the states of phones, too.")
    picture: list[str] | None = option(
        None, "Name of an utterance to draw over its spectrogram; may be repeated."
    )
    alignment: AlignmentOptions = options_of(AlignmentOptions, "beam")
    edges: Literal["expected", "path"] = option(
        "expected",
        "Boundaries of phones: their expected times, within frames, or those of the best path.",
    )
    speaker_transforms: Literal["none", "offset", "diagonal", "full"] = option(
        "none", "Transform of each speaker's features (fMLLR), estimated from a first alignment."
    )
    case: options.Case = "asis"
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Align all utterances, write the requested files, and rank the suspicious utterances."""
        from speakergmm.recognition import (
            AlignmentFiles,
            check_kind,
            write_diagnoses,
        )

        check_model_first(self.model, [self.corpus])
        model = recognition.AcousticModel.load(self.model)
        read, transcripts, store = self._recordings()
        strangers = sorted(set(self.picture or ()) - {utterance.id for utterance in read})
        if strangers:
            raise InvalidInputError(f"--picture {strangers[0]!r}: the corpus has no such utterance")
        files = AlignmentFiles(
            self.output,
            formats=[name.strip() for name in self.format.split(",") if name.strip()],
            states=self.write_states,
            silence=model.silence.unit,
            by=self.by,
        )
        table = self.output / "diagnostics.tsv"
        check_kind(table)
        prepared = self._prepared(model, store or read, transcripts)
        done = _Done()
        self._align(model, prepared, files, done)
        found = recognition.diagnose(done.evidence)
        write_diagnoses(table, found)
        print_first_notes([f"left out: {each.message}" for each in done.skipped])
        if others := files.left_over():
            print_note(
                f"warning: {others[0]}: {counted(len(others), 'TextGrid')} in the folder belong to "
                "no utterance of this run"
            )
        missing = print_missing({f.utterance for f in found}, read, "aligned")
        self._summarise(found, done, missing, read)

    def _summarise(
        self, found: tuple[Diagnosis, ...], done: _Done, missing: list[str], read: corpora.Corpus
    ) -> None:
        """Print how much was aligned, and the most suspicious utterances."""
        suspects = [item for item in found if item.reasons]
        table = Table(
            "Most suspicious transcripts and recordings",
            ("utterance", "suspicion", "reason"),
            [
                (item.utterance, f"{item.suspicion:.1f}", "; ".join(item.reasons[:3]))
                for item in suspects[:_SHOWN_SUSPECTS]
            ],
            right=(1,),
        )
        seconds = done.seconds
        length = f"{seconds:.1f} s" if seconds < 60 else f"{seconds / 60:.1f} minutes"
        left_out = f", {counted(len(missing), 'utterance')} left out" if missing else ""
        self.answer(
            {
                "output": str(self.output),
                "n_utterances": len(found) + len(missing),
                "n_aligned": len(found),
                "not_aligned": missing,
                "seconds": round(seconds, 3),
                "left_out": [skip.to_dict() for skip in done.skipped],
                "pictures": [str(path) for path in done.pictures],
                "suspicious": [item.to_dict() for item in suspects],
                **corpus_report(read),
            },
            table if suspects else None,
            *(f"picture: {path}" for path in done.pictures),
            f"{self.output}: {counted(len(found), 'utterance')} aligned ({length})"
            f"{left_out}; {len(suspects):,} suspicious, all ranked in diagnostics.tsv",
        )

    def _align(
        self,
        model: recognition.AcousticModel,
        prepared: recognition.PreparedCorpus,
        files: AlignmentFiles,
        done: _Done,
    ) -> None:
        """Align the utterances one by one, and write each."""
        beam = self.alignment.beam
        run = RunContext(
            strict=self.context.strict, on_skip=done.skipped.append, progress=not self.json
        )
        try:
            with files:
                for aligned in recognition.align_recordings(
                    model,
                    prepared,
                    beam=beam,
                    retry_beam=None if beam is None else 10 * beam,
                    goodness=True,
                    loudness=True,
                    edges=self.edges,
                    speaker_transforms=self.speaker_transforms,
                    engine=self.engine,
                    run=run,
                ):
                    files.write(aligned)
                    done.evidence.append(recognition.gather_evidence(aligned))
                    done.seconds += aligned.end - aligned.start
                    name = aligned.utterance.id
                    if name in (self.picture or ()):
                        path = self.output / "pictures" / f"{files.name_of(name)}.png"
                        _write_pictures(aligned, path)
                        done.pictures.append(path)
                if not done.evidence:
                    raise InsufficientDataError("no utterance could be aligned")
        except InsufficientDataError:
            if self.context.strict or done.evidence or not done.skipped:
                raise
            from speakergmm.text_files import and_more

            reason = f"{done.skipped[0].message}{and_more(done.skipped)}"
            raise InsufficientDataError(f"no utterance could be aligned: {reason}") from None

    def _prepared(
        self,
        model: recognition.AcousticModel,
        read: corpora.Corpus | FeatureStore,
        said: corpora.Transcripts,
    ) -> recognition.PreparedCorpus:
        """Find the utterances that can be aligned; list the words without a pronunciation."""
        case, lexicon = letter_case(self.case), None
        if self.lexicon is not None:
            lexicon = recognition.as_lexicon(self.lexicon, units=model.models.units, case=case)
        prepared = recognition.prepare(
            read,
            said,
            lexicon,
            model=model,
            case=case,
            unknown_words=self.unknown_words,
            listen=False,
            engine=self.engine,
            run=RunContext(progress=not self.json),
        )
        unknown = [problem for problem in prepared.problems if problem.kind == "unknown_word"]
        summaries = [problem.message for problem in unknown if problem.utterance is None]
        if any(problem.severity == "error" for problem in unknown):
            # The last summary lists the words that are neither spelled nor mapped.
            fault = summaries.pop()
            if "would be known" not in fault:
                fault += "; give --lexicon FILE with pronunciations"
            if self.context.strict or not prepared.usable:
                raise InvalidInputError(fault)
            summaries.append(fault)
        for summary in summaries:
            print_note(f"warning: {summary}")
        return prepared

    def _recordings(self) -> tuple[corpora.Corpus, corpora.Transcripts, FeatureStore | None]:
        """Read a corpus or store and its transcripts, or one recording and its words."""
        path, case = self.corpus, letter_case(self.case)
        named = audio.has_audio_suffix(path.name) or audio.has_unreadable_suffix(path.name)
        if path.is_dir() or not named:
            return self._corpus()
        if self.transcripts is not None:
            raise InvalidInputError(
                f"--transcripts is for a corpus, and {path} is a recording; give --text 'WORDS'"
            )
        # The source must not look like a list that a reader could open.
        alone = corpora.Corpus(
            (corpora.Utterance(path.stem, path, None),), source=f"one recording, {path.name}"
        )
        if self.text is None:
            return alone, corpora.read_transcripts(alone, case=case, strict=False), None
        words = split_words(_file_text(self.text) or self.text, case)
        for word in words:
            if wrong := word_fault(word):
                raise InvalidInputError(f"--text: word {word!r} {wrong}")
        transcript = {path.stem: corpora.Transcript(words)}
        return alone, corpora.Transcripts(transcript, source="--text"), None

    def _corpus(self) -> tuple[corpora.Corpus, corpora.Transcripts, FeatureStore | None]:
        if self.text is not None:
            raise InvalidInputError(
                f"--text is for one recording, and {self.corpus} is a corpus; "
                "give --transcripts FILE"
            )
        strict, case = self.context.strict, letter_case(self.case)
        read = self.open_corpus_or_store(self.corpus, strict=strict)
        if isinstance(read, corpora.Corpus):
            corpus, store = read, None
            transcripts = self.transcripts_of(corpus, self.transcripts, case, strict=strict)
        else:
            corpus, store = read.corpus, read
            transcripts = self.transcripts_of_stored(read, self.transcripts, case, strict=strict)
        print_transcript_notes(transcripts, corpus)
        printed = {(fault.path, fault.line) for fault in corpus.faults}
        others = [f for f in transcripts.faults if (f.path, f.line) not in printed]
        for fault in (*corpus.faults, *others):
            print_note(f"left out: {fault}")
        return corpus, transcripts, store


def _file_text(text: str) -> str | None:
    """Return the content of the file or pipe of that name; None if there is none."""
    try:
        if kind_of(text) in ("missing", "folder"):
            return None
    except UnreadableFileError:  # the sentence is longer than a file name can be
        return None
    from speakergmm.text_files import read_text_lines

    return " ".join(line for _, line in read_text_lines(text, error=InvalidInputError))


def draw_aligned(aligned: AlignedUtterance, title: str) -> Figure:
    """Draw one alignment over the spectrogram of its recording."""
    from speakergmm.reports import draw_alignment

    utterance = aligned.utterance
    samples, rate = audio.read_audio(utterance.path, start=utterance.start, end=utterance.end)
    tiers = {"words": aligned.word_labels(), "phones": aligned.phone_labels()}
    return draw_alignment(samples, rate, tiers, title=title, start=utterance.start)


def _write_pictures(aligned: AlignedUtterance, path: Path) -> None:
    """Write the picture of one alignment, as PNG and as SVG."""
    from speakergmm.reports import write_picture

    figure = draw_aligned(aligned, aligned.utterance.id)
    make_folders(path.parent)
    for each in (path, path.with_suffix(".svg")):
        write_picture(each, figure)
