"""How transcripts become graphs: words by their units, and the silences between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
from speakergmm.recognition.silence_model import SilenceModel


class CompilesTranscripts:
    """Models that say the words of a lexicon; a base of what has the four attributes."""

    models: PhoneModels
    lexicon: Lexicon
    silence: SilenceModel
    unknown: str | None

    def known_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Replace words outside the lexicon by the unknown word, where there is one."""
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
            If there is no word.
        """
        return compile_transcript(
            self.known_words(words),
            self.lexicon,
            self.models,
            silence=self.silence.unit,
            silence_probability=self.silence.probability,
            edge_silence_probability=self.silence.edge_probability,
            short_pause=self.silence.short_pause,
        )


@dataclass(frozen=True)
class TranscriptModels(CompilesTranscripts):
    """Nothing but what speaks words: an acoustic model in the making, without features."""

    models: PhoneModels
    lexicon: Lexicon
    silence: SilenceModel
    unknown: str | None
