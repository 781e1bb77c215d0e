"""Reports of the utterances with transcripts that a piece of work leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from speakergmm.corpora import Utterance
from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.run_context import RunContext, SkippedRecording, Skips


class UtteranceSkips(Skips):
    """The utterances that a piece of work leaves out, each reported once.

    Parameters
    ----------
    run : RunContext
        Its `strict` and `on_skip` count.
    transcripts : mapping of str to sequence of str
        The words of each utterance; messages name the file and line of a transcript that was read.
    error : type, default=InsufficientDataError
        Class of the error in strict work.
    """

    def __init__(
        self,
        run: RunContext,
        transcripts: Mapping[str, Sequence[str]],
        *,
        error: type[SpeakerGmmError] = InsufficientDataError,
    ) -> None:
        super().__init__(run.on_skip, strict=run.strict, error=error)
        self._transcripts = transcripts

    def leave_out(self, utterance: Utterance, reason: str) -> None:
        """Report an utterance that is left out, with the reason and the place of its transcript."""
        said = self._transcripts.get(utterance.id)
        path, line = getattr(said, "path", None), getattr(said, "line", None)
        where = "" if path is None else f" ({path}{'' if line is None else f':{line}'})"
        name = f"utterance {utterance.id!r}"
        # A reason may be a sentence about the utterance, which then gets its place.
        end = reason.removeprefix(name) if reason.startswith(f"{name} ") else f": {reason}"
        message = f"{utterance.path}: {name}{where}{end}"
        self(SkippedRecording(utterance.path, message, (utterance.id,)))
