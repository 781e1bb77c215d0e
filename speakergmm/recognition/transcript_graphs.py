"""Graphs of transcripts: words as sequences of units, with optional silences between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
from speakergmm.recognition.silence_model import SilenceModel


class CompilesTranscripts:
    """Base of classes with models, a lexicon and silences, which compile transcripts to graphs."""

    models: PhoneModels
    lexicon: Lexicon
    silence: SilenceModel
    unknown: str | None

    def known_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Map words outside the lexicon to the unknown word, if there is one."""
        if self.unknown is None:
            return tuple(words)
        return tuple(word if word in self.lexicon else self.unknown for word in words)

    def compile(self, words: Sequence[str]) -> UtteranceGraph:
        """Compile the graph of a transcript: all pronunciations, optional silences.

        Raises
        ------
        UnknownWordError
            If a word is not in the lexicon and there is no unknown word.
        InvalidInputError
            If there are no words.
        """
        return compile_transcript(
            self.known_words(words), self.lexicon, self.models, **self._silences
        )

    def texts(self, transcripts: Sequence[Sequence[str]]) -> TranscriptTexts:
        """Return transcripts from which training compiles graphs, with the pronunciations.

        Raises
        ------
        UnknownWordError, InvalidInputError
            As `compile`.
        """
        known = map(self.known_words, transcripts)
        return TranscriptTexts.of(list(known), self.lexicon, **self._silences)

    @property
    def _silences(self) -> dict[str, Any]:
        return {
            "silence": self.silence.unit,
            "silence_probability": self.silence.probability,
            "edge_silence_probability": self.silence.edge_probability,
            "short_pause": self.silence.short_pause,
        }


@dataclass(frozen=True)
class TranscriptModels(CompilesTranscripts):
    """An acoustic model without features and provenance, while it is trained."""

    models: PhoneModels
    lexicon: Lexicon
    silence: SilenceModel
    unknown: str | None
