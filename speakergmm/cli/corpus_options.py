"""What commands on a corpus share: its options, and what is said of what was not read."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm import corpora
from speakergmm.cli import options
from speakergmm.cli.options import AnsweringCommand, command, option
from speakergmm.cli.printing import counted, listed, print_note, print_warnings

if TYPE_CHECKING:
    from speakergmm.words import Case


@command
class CorpusCommand(AnsweringCommand):
    """Options of commands on a corpus, and how they read it."""

    data_dir: Path | None = option(
        None, "Folder that relative paths in a list start from (default: the list's own).", "--data"
    )
    speaker_pattern: options.SpeakerPattern = None
    jobs: options.Jobs = 1

    def open_corpus(self, path: Path, *, strict: bool = True) -> corpora.Corpus:
        """Read a corpus, and say what was passed over in it."""
        corpus = self.read_corpus(path, strict=strict)
        print_warnings(corpus.notes)
        return corpus

    def read_corpus(self, path: Path, *, strict: bool) -> corpora.Corpus:
        """Read a corpus as the options say."""
        return corpora.read_corpus(
            path, data_dir=self.data_dir, speaker_pattern=self.speaker_pattern, strict=strict
        )

    def transcripts_of(
        self, corpus: corpora.Corpus, given: Path | None, case: Case | None, *, strict: bool = False
    ) -> corpora.Transcripts:
        """Read what is said in a corpus, from a file that is given or from where it lies."""
        return corpora.read_transcripts(
            given or corpus, case=case, data_dir=self.data_dir, corpus=corpus, strict=strict
        )


def print_transcript_notes(said: corpora.Transcripts, corpus: corpora.Corpus) -> None:
    """Say what of the transcripts belongs to no recording; what the corpus said is not repeated."""
    print_warnings(note for note in said.notes if note not in corpus.notes)
    known = {u.id for u in corpus} | {fault.utterance for fault in corpus.faults}
    if others := [name for name in said if name not in known]:
        print_note(
            f"warning: {said.source}: {counted(len(others), 'transcript')} of no recording of the "
            f"corpus, such as {others[0]!r}"
        )


def names_of(corpus: corpora.Corpus) -> list[str]:
    """Name all utterances of a corpus, those that have faults and were not read among them."""
    faulty = [fault.utterance for fault in corpus.faults if fault.utterance is not None]
    return list(dict.fromkeys([*(utterance.id for utterance in corpus), *faulty]))


def print_missing(done: Container[str], corpus: corpora.Corpus, what: str) -> list[str]:
    """Name the utterances of a corpus that came to nothing; says so on standard error."""
    names = names_of(corpus)
    missing = [name for name in names if name not in done]
    if missing:
        print_note(
            f"warning: {len(missing):,} of {counted(len(names), 'utterance')} not {what}: "
            f"{listed(missing)}"
        )
    return missing


def corpus_report(corpus: corpora.Corpus) -> dict[str, Any]:
    """Return what JSON says of what was not read of a corpus."""
    return {
        "notes": list(corpus.notes),
        "skipped_files": [each.to_dict() for each in corpus.skipped_files],
        "faults": [fault.to_dict() for fault in corpus.faults],
    }


def location_text(problem: corpora.Problem, end: str = "") -> str:
    """Write the file and line that a problem lies in, as far as they are known."""
    if problem.path is None:
        return ""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{problem.path}{line}{end}"
