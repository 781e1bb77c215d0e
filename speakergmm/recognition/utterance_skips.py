"""Which utterances can be used with their transcripts, and what is told of the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from speakergmm.corpora import Utterance
from speakergmm.corpora.names import first_few
from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.run_context import OnSkip, SkippedRecording, Skips
from speakergmm.words import case_hint


class UtteranceSkips(Skips):
    """What is left out of utterances with transcripts.

    Parameters
    ----------
    on_skip, strict, error
        As `Skips` has them.
    transcripts : mapping of str to sequence of str
        What is said; messages name the file and line of a transcript that was read.
    """

    def __init__(
        self,
        on_skip: OnSkip | None,
        transcripts: Mapping[str, Sequence[str]],
        *,
        strict: bool,
        error: type[SpeakerGmmError] = InsufficientDataError,
    ) -> None:
        super().__init__(on_skip, strict=strict, error=error)
        self._transcripts = transcripts

    def leave_out(self, utterance: Utterance, reason: str) -> None:
        """Go on without an utterance, and say why and where its transcript stands."""
        said = self._transcripts.get(utterance.id)
        path, line = getattr(said, "path", None), getattr(said, "line", None)
        where = "" if path is None else f" ({path}{'' if line is None else f':{line}'})"
        message = f"{utterance.path}: utterance {utterance.id!r}{where}: {reason}"
        self(SkippedRecording(utterance.path, message, (utterance.id,)))

    def usable(
        self,
        utterances: Sequence[Utterance],
        lexicon: Lexicon,
        *,
        unknown: str | None = None,
        unusable: Mapping[str, str] | None = None,
    ) -> list[Utterance]:
        """Return the utterances that have a transcript of known words; leave out the others.

        Parameters
        ----------
        utterances : sequence of Utterance
        lexicon : Lexicon
        unknown : str, optional
            Word that others are taken for; without it they must be in the lexicon.
        unusable : mapping of str to str, optional
            Utterances that are known to be useless, and why.

        Raises
        ------
        InsufficientDataError
            If there is none.
        """
        kept = []
        for utterance in utterances:
            said = self._transcripts.get(utterance.id)
            if unusable and utterance.id in unusable:
                self.leave_out(utterance, unusable[utterance.id])
            elif said is None:
                self.leave_out(utterance, "it has no transcript")
            elif not tuple(said):
                self.leave_out(utterance, "its transcript is empty")
            elif unknown is None and (missing := sorted(lexicon.unknown([said]))):
                self.leave_out(utterance, _missing_words(missing))
            else:
                kept.append(utterance)
        if not kept:
            reason = self.found[0].message if self.found else "the corpus is empty"
            hint = case_hint(lexicon.unknown(self._transcripts), lexicon)
            raise InsufficientDataError(f"no utterance can be used: {reason}{hint}")
        return kept


def _missing_words(words: Sequence[str]) -> str:
    named = first_few(words, most=5)
    one = f"the word {named} is not in the lexicon"
    return one if len(words) == 1 else f"the words {named} are not in the lexicon"
