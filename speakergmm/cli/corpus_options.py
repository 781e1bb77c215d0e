"""Options that commands on a corpus share, and the messages about parts that were not read."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm import corpora
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, command
from speakergmm.cli.engine_options import EngineCommand
from speakergmm.cli.printing import counted, listed, print_note, print_warnings
from speakergmm.errors import CorpusError, InvalidInputError

if TYPE_CHECKING:
    from speakergmm.features import FeatureStore
    from speakergmm.words import Case


@command
class CorpusCommand(EngineCommand, AnsweringCommand):
    """A command on a corpus: its shared options, and reading the corpus as they say."""

    data_dir: options.DataDir = None
    speaker_pattern: options.SpeakerPattern = None

    def open_corpus(self, path: Path, *, strict: bool = True) -> corpora.Corpus:
        """Read a corpus, and print a warning for each part that was not read."""
        corpus = self.read_corpus(path, strict=strict)
        print_warnings(corpus.notes)
        return corpus

    def open_corpus_or_store(
        self, path: Path, *, strict: bool = True
    ) -> corpora.Corpus | FeatureStore:
        """Open a feature store, or read a corpus as `open_corpus` does.

        Raises
        ------
        InvalidInputError
            If an option that only concerns the reading of a corpus is given with a store.
        """
        from speakergmm.features import FeatureStore

        if not FeatureStore.is_store(path):
            return self.open_corpus(path, strict=strict)
        for name in ("data_dir", "speaker_pattern"):
            if getattr(self, name) is not None:
                raise InvalidInputError(
                    f"--{name.replace('_', '-')} says how a corpus is read; {path} is a feature "
                    "store, which knows its recordings and speakers"
                )
        return FeatureStore.open(path)

    def read_corpus(self, path: Path, *, strict: bool) -> corpora.Corpus:
        """Read a corpus with the options of the command."""
        return corpora.read_corpus(
            path, data_dir=self.data_dir, speaker_pattern=self.speaker_pattern, strict=strict
        )

    def transcripts_of(
        self, corpus: corpora.Corpus, file: Path | None, case: Case | None, *, strict: bool = False
    ) -> corpora.Transcripts:
        """Read the transcripts of a corpus, from a given file or from the corpus itself."""
        return corpora.read_transcripts(
            file or corpus, case=case, data_dir=self.data_dir, corpus=corpus, strict=strict
        )

    def transcripts_of_stored(
        self, store: FeatureStore, file: Path | None, case: Case | None, *, strict: bool = False
    ) -> corpora.Transcripts:
        """Read the transcripts of a feature store, from a file or from beside the recordings.

        Raises
        ------
        InvalidInputError
            If no file is given, and there are none beside the recordings.
        """
        try:
            return self.transcripts_of(store.corpus, file, case, strict=strict)
        except CorpusError as error:
            if file is not None:
                raise
            raise InvalidInputError(
                f"{store.path}: a feature store has no transcripts, and there are none beside its "
                f"recordings; give --transcripts FILE ({error})"
            ) from None


def print_transcript_notes(transcripts: corpora.Transcripts, corpus: corpora.Corpus) -> None:
    """Print the notes on transcripts that the corpus lacks, and transcripts without a recording."""
    print_warnings(note for note in transcripts.notes if note not in corpus.notes)
    known = {u.id for u in corpus} | {fault.utterance for fault in corpus.faults}
    if others := [name for name in transcripts if name not in known]:
        print_note(
            f"warning: {transcripts.source}: {counted(len(others), 'transcript')} without a "
            f"recording in the corpus, such as {others[0]!r}"
        )


def names_of(corpus: corpora.Corpus) -> list[str]:
    """Return the names of all utterances of a corpus, including those that could not be read."""
    faulty = [fault.utterance for fault in corpus.faults if fault.utterance is not None]
    return list(dict.fromkeys([*(utterance.id for utterance in corpus), *faulty]))


def print_missing(done: Container[str], corpus: corpora.Corpus, what: str) -> list[str]:
    """Return the utterances of a corpus that are not done, and print a warning about them."""
    names = names_of(corpus)
    missing = [name for name in names if name not in done]
    if missing:
        print_note(
            f"warning: {len(missing):,} of {counted(len(names), 'utterance')} not {what}: "
            f"{listed(missing)}"
        )
    return missing


def corpus_report(corpus: corpora.Corpus) -> dict[str, Any]:
    """Return the parts of a corpus that were not read, as JSON documents of commands list them."""
    return {
        "notes": list(corpus.notes),
        "skipped_files": [each.to_dict() for each in corpus.skipped_files],
        "faults": [fault.to_dict() for fault in corpus.faults],
    }


def read_report(read: corpora.Corpus | FeatureStore) -> dict[str, Any]:
    """Return the report of what `CorpusCommand.open_corpus_or_store` read."""
    return corpus_report(read if isinstance(read, corpora.Corpus) else read.corpus)


def location_text(problem: corpora.Problem, end: str = "") -> str:
    """Return the file and line of a problem, as far as they are known."""
    if problem.path is None:
        return ""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{problem.path}{line}{end}"
