"""Problems of a transcribed corpus, and the places where they are found.

The path of such a `Problem` is the file at fault: that of the transcript, a lexicon, a language
model or a recording. Its `kind` is one of ``bad_text``, ``bad_lexicon``, ``bad_language_model``
(faults of the files themselves), ``no_text``, ``no_audio``, ``empty_text``, ``unknown_word``,
``language_model_words``, ``missing_phones``, ``too_short_for_text``, ``no_speech``,
``wrong_rate``, ``unreadable``; ``bad_list`` is a fault of a list of recordings. An utterance named
by an error cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speakergmm.corpora import Corpus, Problem, Severity, Transcript, Transcripts
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.text_files import Fault


@dataclass(frozen=True, slots=True)
class Texts:
    """A transcribed corpus, and the lexicon in which its words are looked up.

    Parameters
    ----------
    corpus : Corpus
    said : Transcripts
        Transcripts, of other recordings too.
    lexicon : Lexicon or None
        None if words are measured by their letters.
    unknown : str or None
        Word of the lexicon to which words outside it are mapped.
    graphemes : bool
        Whether all words are spelled.
    spelled : mapping of str to int
        Words outside the lexicon that have been spelled, with their counts.
    """

    corpus: Corpus
    said: Transcripts
    lexicon: Lexicon | None
    unknown: str | None = None
    graphemes: bool = False
    spelled: Mapping[str, int] = field(default_factory=dict)

    @property
    def used(self) -> dict[str, Transcript]:
        """Transcripts of the corpus's own utterances, by their ids."""
        return {u.id: self.said[u.id] for u in self.corpus if u.id in self.said}

    def at_line(self, severity: Severity, kind: str, utterance: str, message: str) -> Problem:
        """Return a problem of an utterance, with the place of its transcript."""
        said = self.said[utterance]
        return Problem(severity, kind, optional_path(said.path), utterance, message, said.line)

    def listed(
        self,
        severity: Severity,
        kind: str,
        found: Mapping[str, Sequence[str]],
        what: str,
        summary: str,
    ) -> Iterator[Problem]:
        """Yield a problem for each utterance with findings, after one warning that sums them up."""
        if any(found.values()):
            # A warning: the errors are those of the utterances, which would be counted twice.
            yield Problem("warning", kind, None, None, summary)
        for name, items in found.items():
            if items:
                message = f"utterance {name!r} has {what}: {' '.join(items)}"
                yield self.at_line(severity, kind, name, message)


def problems_of(kind: str, faults: Iterable[Fault]) -> list[Problem]:
    """Return the faults of a file as problems."""
    return [
        Problem(
            "error", kind, optional_path(fault.path), fault.utterance, fault.message, fault.line
        )
        for fault in faults
    ]


def order(problem: Problem) -> tuple[bool, str, str, int, str, str]:
    """Return a sort key: errors first, those of files before those of utterances, then by place."""
    return (
        problem.severity != "error",
        "" if problem.utterance is None else "utterance",
        str(problem.path or ""),
        problem.line or 0,
        problem.kind,
        problem.message,
    )


def optional_path(name: str | None) -> Path | None:
    """Return a path, or None for a file without a name."""
    return None if name is None else Path(name)
