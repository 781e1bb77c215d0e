"""What is wrong with a transcribed corpus, and where it stands.

The path of such a `Problem` is the file at fault: that of the transcript, a lexicon, a language
model or a recording. Its `kind` is one of ``bad_text``, ``bad_lexicon``, ``bad_language_model``
(faults of the files themselves), ``no_text``, ``no_audio``, ``empty_text``, ``unknown_word``,
``language_model_words``, ``missing_phones``, ``too_short_for_text``, ``no_speech``,
``wrong_rate``, ``unreadable``; ``bad_list`` is what readers of the corpus left out. An utterance
named by an error can't be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from speakergmm.corpora import Problem
from speakergmm.corpora.transcript import Transcript
from speakergmm.corpora.validation import Severity
from speakergmm.text_files import Fault


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


def problems_of(kind: str, faults: Iterable[Fault]) -> Iterator[Problem]:
    """Turn the faults of a file into problems."""
    for fault in faults:
        yield Problem(
            "error", kind, as_path(fault.path), fault.utterance, fault.message, fault.line
        )


def at_line(
    severity: Severity, kind: str, utterance: str, said: Transcript, message: str
) -> Problem:
    """Make a problem of an utterance that stands where its transcript does."""
    return Problem(severity, kind, as_path(said.path), utterance, message, said.line)


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


def as_path(name: str | None) -> Path | None:
    """Return the path of a file that may have no name."""
    return None if name is None else Path(name)
