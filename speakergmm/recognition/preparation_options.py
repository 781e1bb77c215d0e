"""Options of preparing recordings and transcripts for training, alignment or scoring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from speakergmm.options import Options, one_of, text, whole, yes_no
from speakergmm.recognition.training_options import UnknownWords
from speakergmm.words import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparationOptions(Options):
    """Options of `speakergmm.recognition.prepare`.

    Parameters
    ----------
    graphemes : bool, default=False
        Spell all words, one unit per letter, in place of a lexicon.
    stress : {"fold", "keep"}, default="fold"
        Treatment of stress digits in a lexicon that is read; those of a model with such units are
        kept in any case.
    case : {"upper", "lower"}, optional
        Letter case to which the words of transcripts and of a lexicon that are read are brought.
    unknown : str, optional
        Word of the lexicon to which words outside it are mapped; by default the model's.
    unknown_words : {"skip", "map", "graphemes"}, default="skip"
        Treatment of words outside the lexicon, as `TrainingOptions` has it.
    sample_rate : int, optional
        Sample rate in Hz that all recordings must have; by default at least that of the features.
    listen : bool, default=True
        Read the samples and look for speech; otherwise only the headers are read.
    """

    graphemes: bool = yes_no(False, "Spell words instead of looking them up in a lexicon.")
    stress: Literal["fold", "keep"] = one_of(
        "fold", ("fold", "keep"), "Remove or keep stress digits of phones in the lexicon."
    )
    case: Case | None = one_of(
        None, ("upper", "lower"), "Letter case to which words are brought.", optional=True
    )
    unknown: str | None = text(
        None, "Word of the lexicon that stands for words outside it.", optional=True
    )
    unknown_words: UnknownWords = one_of(
        "skip",
        ("skip", "map", "graphemes"),
        "Leave out utterances with words outside the lexicon, map the words to noise, or spell "
        "them.",
    )
    sample_rate: int | None = whole(
        None, "Sample rate in Hz that all recordings must have.", optional=True
    )
    listen: bool = yes_no(True, "Look for speech in the samples.")
