"""How transcripts become graphs: words by their units, and the silences between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
from speakergmm.ranges import number


@dataclass(frozen=True, slots=True)
class SilenceModel:
    """How pauses enter the graphs of transcripts.

    Parameters
    ----------
    unit : str or None
        Name of the model of silence; None where there is none.
    probability : float
        Of silence between two words.
    edge_probability : float
        Of silence before the first word and after the last one.
    short_pause : str or None
        Model that follows each word but the last in place of optional silence; see
        `transcript_edges`.

    Raises
    ------
    InvalidInputError
        If a name is no text or a probability lies outside 0..1.
    """

    unit: str | None = "SIL"
    probability: float = 0.5
    edge_probability: float = 0.5
    short_pause: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no name or no probability."""
        for name in (self.unit, self.short_pause):
            if name is not None and not (isinstance(name, str) and name):
                raise InvalidInputError(f"a model of silence needs a name, found {name!r}")
        number("the silence's probability", self.probability, least=0, most=1)
        number("the silence's edge_probability", self.edge_probability, least=0, most=1)

    @property
    def units(self) -> list[str]:
        """Names of the models of silence and short pause, of those there are."""
        return [unit for unit in (self.unit, self.short_pause) if unit is not None]


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
