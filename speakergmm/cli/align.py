"""``speakergmm align``: where the words and phones of transcribed recordings lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from speakergmm import audio, corpora, hmm, recognition
from speakergmm.cli import options
from speakergmm.cli.corpus_options import (
    CorpusCommand,
    corpus_report,
    print_missing,
    print_transcript_notes,
)
from speakergmm.cli.options import argument, command, option
from speakergmm.cli.printing import Table, counted, print_first_notes, print_note
from speakergmm.cli.transcript_inputs import letter_case
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.files import UnreadableFileError, kind_of, make_folders
from speakergmm.ranges import number
from speakergmm.words import case_hint, split_words, word_fault

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from speakergmm.recognition import (
        AlignedUtterance,
        AlignmentFiles,
        Diagnosis,
        UtteranceEvidence,
    )
    from speakergmm.run_context import SkippedRecording

_SHOWN_SUSPECTS = 10
_SHOWN_WORDS = 20


@dataclass
class _Done:
    """What came of the utterances so far."""

    evidence: list[UtteranceEvidence] = field(default_factory=list)
    skipped: list[SkippedRecording] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    seconds: float = 0.0


@command
class Align(CorpusCommand):
    """Align recordings with what is said in them: times of words and phones, and how sure.

    Examples:

      speakergmm align am.safetensors corpus/ --output aligned -j 2

      speakergmm align am.safetensors corpus/ --lexicon more.dict --output aligned

      speakergmm align am.safetensors hello.wav --text "HELLO WORLD" --output aligned --picture hello
    """  # noqa: E501 - a line of the help

    model: Path = argument("Acoustic model, from train-hmm.")
    corpus: Path = argument("A recording, a folder, a Kaldi data directory, or a CSV/TSV list.")
    output: Path = option(..., "Folder to write to.", "-o")
    text: str | None = option(None, "Of one recording its words, or a file with them.")
    transcripts: options.Transcripts = None
    lexicon: options.Lexicon = None
    unknown: Literal["skip", "graphemes"] = option(
        "skip",
        "Words without a pronunciation: leave their utterances out, or spell them by "
        "letters, which a model of letters can.",
    )
    format: str = option("textgrid,ctm,json", "What to write, of textgrid, ctm and json.")
    by: options.By = "utterance"
    states: bool = option(False, "Write states of phones too.")
    picture: list[str] | None = option(
        None, "Utterance to draw over its spectrogram; may be repeated."
    )
    beam: float | None = option(
        None,
        "Give up paths that are this many nats worse than the best, and search again "
        "without a beam where the result is doubtful (default: none is given up).",
    )
    edges: Literal["expected", "path"] = option(
        "expected", "Phones meet where expected, between frames, or where the path has it."
    )
    case: options.Case = "asis"
    strict: bool = option(False, "Stop at the first utterance that can't be aligned.")

    def run(self) -> None:
        """Align all utterances, write what was asked for, and rank the suspicious ones."""
        from speakergmm.recognition import (
            AlignmentFiles,
            check_kind,
            write_diagnoses,
        )

        if self.beam is not None and self.beam != math.inf:
            number("--beam", self.beam, above=0)
        model = recognition.AcousticModel.load(self.model)
        read, said = self._recordings()
        strangers = sorted(set(self.picture or ()) - {utterance.id for utterance in read})
        if strangers:
            raise InvalidInputError(f"--picture {strangers[0]!r}: the corpus has no such utterance")
        files = AlignmentFiles(
            self.output,
            formats=[name.strip() for name in self.format.split(",") if name.strip()],
            states=self.states,
            silence=model.silence.unit,
            by=self.by,
        )
        table = self.output / "diagnostics.tsv"
        check_kind(table)
        model = self._with_words(model, [said[u.id] for u in read if u.id in said])
        done = _Done()
        self._align(model, read, said, files, done)
        found = recognition.diagnose(done.evidence)
        write_diagnoses(table, found)
        print_first_notes([f"left out: {each.message}" for each in done.skipped])
        if others := files.left_over():
            print_note(
                f"warning: {others[0]}: {counted(len(others), 'TextGrid')} of no utterance of "
                "this run beside the new ones"
            )
        self._tell(found, done, print_missing({f.utterance for f in found}, read, "aligned"), read)

    def _tell(
        self, found: tuple[Diagnosis, ...], done: _Done, missing: list[str], read: corpora.Corpus
    ) -> None:
        """Say what was aligned, and which of it to look at first."""
        suspects = [item for item in found if item.reasons]
        table = Table(
            "Most suspicious: transcripts and recordings to look at first",
            ("utterance", "suspicion", "why"),
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
        read: corpora.Corpus,
        said: corpora.Transcripts,
        files: AlignmentFiles,
        done: _Done,
    ) -> None:
        """Align one utterance after the other, and write each."""
        try:
            with files:
                for aligned in recognition.align_recordings(
                    model,
                    read,
                    said,
                    beam=self.beam,
                    retry_beam=None if self.beam is None else 10 * self.beam,
                    goodness=True,
                    loudness=True,
                    edges=self.edges,
                    n_jobs=self.jobs,
                    strict=self.strict,
                    on_skip=done.skipped.append,
                    description=None if self.json else "features",
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
            if self.strict or done.evidence or not done.skipped:
                raise
            from speakergmm.text_files import and_more

            reason = f"{done.skipped[0].message}{and_more(done.skipped)}"
            raise InsufficientDataError(f"no utterance could be aligned: {reason}") from None

    def _with_words(
        self, model: recognition.AcousticModel, sentences: list[corpora.Transcript]
    ) -> recognition.AcousticModel:
        """Give the model the words that are said; name those without a pronunciation."""
        from speakergmm.recognition import as_lexicon, spelled_out

        units = set(model.models.units)
        case = letter_case(self.case)
        known = model.lexicon.folded(case)
        if model.unknown is not None:  # a symbol, which the model knows by its name
            known = known.extended({model.unknown: model.lexicon[model.unknown]})
        listed = model.lexicon
        if self.lexicon is not None:
            listed = as_lexicon(self.lexicon, units=units, case=case)
            # A dictionary of a whole language may have phones that no word here needs.
            spoken = {word for words in sentences for word in words}
            used = {word: listed[word] for word in sorted(spoken) if word in listed}
            if model.unknown is not None:
                used.setdefault(model.unknown, known[model.unknown])
            known = hmm.Lexicon(used, listed.source) if used else listed
        if self.unknown == "graphemes":
            known = spelled_out(known, sentences, modelled=units)
        if outside := {} if model.unknown is not None else known.unknown(sentences):
            shown = [f"{word} ({count})" for word, count in outside.items()]
            more = len(shown) - _SHOWN_WORDS
            hint = case_hint(outside, listed) or "; give --lexicon FILE with pronunciations"
            message = (
                f"{counted(len(outside), 'word')} not in the lexicon {known.source}: "
                + ", ".join(shown[:_SHOWN_WORDS])
                + (f" and {more} more" if more > 0 else "")
                + hint
            )
            if self.strict or not any(
                words and known.unknown([words]) == {} for words in sentences
            ):
                raise InvalidInputError(message)
            print_note(f"warning: {message}")
        return model if known is model.lexicon else model.with_lexicon(known)

    def _recordings(self) -> tuple[corpora.Corpus, corpora.Transcripts]:
        """Read a corpus with its transcripts, or one recording with its own."""
        path, case = self.corpus, letter_case(self.case)
        named = audio.has_audio_suffix(path.name) or audio.has_unreadable_suffix(path.name)
        if path.is_dir() or not named:
            return self._corpus()
        if self.transcripts is not None:
            raise InvalidInputError(
                f"--transcripts is for a corpus, and {path} is a recording; give --text 'ITS WORDS'"
            )
        # No source that a reader could take for a list.
        alone = corpora.Corpus(
            (corpora.Utterance(path.stem, path, None),), source=f"one recording, {path.name}"
        )
        if self.text is None:
            return alone, corpora.read_transcripts(alone, case=case, strict=False)
        words = split_words(_file_text(self.text) or self.text, case)
        for word in words:
            if wrong := word_fault(word):
                raise InvalidInputError(f"--text: word {word!r} {wrong}")
        return alone, corpora.Transcripts({path.stem: corpora.Transcript(words)}, source="--text")

    def _corpus(self) -> tuple[corpora.Corpus, corpora.Transcripts]:
        if self.text is not None:
            raise InvalidInputError(
                f"--text is what one recording says, {self.corpus} is a corpus; "
                "give --transcripts FILE"
            )
        corpus = self.open_corpus(self.corpus, strict=self.strict)
        said = self.transcripts_of(
            corpus, self.transcripts, letter_case(self.case), strict=self.strict
        )
        print_transcript_notes(said, corpus)
        told = {(fault.path, fault.line) for fault in corpus.faults}
        untold = [fault for fault in said.faults if (fault.path, fault.line) not in told]
        for fault in (*corpus.faults, *untold):
            print_note(f"left out: {fault}")
        return corpus, said


def _file_text(text: str) -> str | None:
    """Return what the file or pipe of that name holds; None where there is none."""
    try:
        if kind_of(text) in ("missing", "folder"):
            return None
    except UnreadableFileError:  # a sentence longer than a file's name may be
        return None
    from speakergmm.text_files import read_text_lines

    return " ".join(line for _, line in read_text_lines(text, error=InvalidInputError))


def draw_aligned(aligned: AlignedUtterance, title: str) -> Figure:
    """Draw one alignment over the spectrogram of its recording."""
    from speakergmm.reports import draw_alignment

    utterance = aligned.utterance
    samples, rate = audio.read_audio(utterance.path, start=utterance.start, end=utterance.end)
    tiers = {"words": aligned.words(), "phones": aligned.phones()}
    return draw_alignment(samples, rate, tiers, title=title, start=utterance.start)


def _write_pictures(aligned: AlignedUtterance, path: Path) -> None:
    """Write the picture of one alignment as PNG, and as SVG beside it."""
    from speakergmm.reports import write_picture

    figure = draw_aligned(aligned, aligned.utterance.id)
    make_folders(path.parent)
    for each in (path, path.with_suffix(".svg")):
        write_picture(each, figure)
