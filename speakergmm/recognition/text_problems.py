"""What is wrong with a transcribed corpus, and where it stands.

The path of such a `Problem` is the file at fault: that of the transcript, a lexicon, a language
model or a recording. Its `kind` is one of ``bad_text``, ``bad_lexicon``, ``bad_language_model``
(faults of the files themselves), ``no_text``, ``no_audio``, ``empty_text``, ``unknown_word``,
``language_model_words``, ``missing_phones``, ``too_short_for_text``, ``no_speech``,
``wrong_rate``, ``unreadable``; ``bad_list`` is what readers of the corpus left out. An utterance
named by an error can't be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from speakergmm.corpora import Corpus, Problem, Severity, Transcript, Transcripts
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.recognition.transcript_graphs import CompilesTranscripts
from speakergmm.text_files import Fault


@dataclass(frozen=True, slots=True)
class Texts:
    """A transcribed corpus, and what its words are looked up in.

    Parameters
    ----------
    corpus : Corpus
    said : Transcripts
        What is said, of other recordings too.
    lexicon : Lexicon or None
        None where words are spelled, or measured by their letters.
    unknown : str or None
        Word of the lexicon that others are taken for.
    graphemes : bool
        Words are to be spelled.
    model : CompilesTranscripts or None
        Whose units and silence count.
    """

    corpus: Corpus
    said: Transcripts
    lexicon: Lexicon | None
    unknown: str | None
    graphemes: bool
    model: CompilesTranscripts | None

    @property
    def used(self) -> dict[str, Transcript]:
        """What the corpus says: other words are not looked up, for a text may serve several."""
        return {u.id: self.said[u.id] for u in self.corpus if u.id in self.said}

    def at_line(self, severity: Severity, kind: str, utterance: str, message: str) -> Problem:
        """Make a problem of an utterance that stands where its transcript does."""
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
        """Tell what was found of each utterance, and of all that have any once more."""
        if any(found.values()):
            # Utterances are the errors; to count what they have in common would count it twice.
            yield Problem("warning", kind, None, None, summary)
        for name, items in found.items():
            if items:
                message = f"utterance {name!r} has {what}: {' '.join(items)}"
                yield self.at_line(severity, kind, name, message)


def unusable_utterances(problems: Iterable[Problem]) -> dict[str, str]:
    """Name the utterances that errors make useless, each with the first reason.

    Parameters
    ----------
    problems : iterable of Problem

    Returns
    -------
    dict of str to str
        Utterance id -> message.
    """
    found: dict[str, str] = {}
    for problem in problems:
        if problem.severity == "error" and problem.utterance is not None:
            found.setdefault(problem.utterance, problem.message)
    return found


def problems_of(kind: str, faults: Iterable[Fault]) -> list[Problem]:
    """Turn the faults of a file into problems."""
    return [
        Problem(
            "error", kind, optional_path(fault.path), fault.utterance, fault.message, fault.line
        )
        for fault in faults
    ]


def order(problem: Problem) -> tuple[bool, str, str, int, str, str]:
    """Sort errors first, those of whole files before those of utterances, then by place."""
    return (
        problem.severity != "error",
        "" if problem.utterance is None else "utterance",
        str(problem.path or ""),
        problem.line or 0,
        problem.kind,
        problem.message,
    )


def optional_path(name: str | None) -> Path | None:
    """Return the path of a file that may have no name."""
    return None if name is None else Path(name)
