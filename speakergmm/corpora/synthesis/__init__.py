"""A source-filter speech synthesiser: glottal pulses and noise through a moving vocal tract."""

from speakergmm.corpora.synthesis.articulation import Segment, Tracks, articulate
from speakergmm.corpora.synthesis.lexicon import ENROLMENT_WORDS, LEXICON, TRIAL_WORDS
from speakergmm.corpora.synthesis.phones import PHONES, SILENCE, Frication, Phone
from speakergmm.corpora.synthesis.session import Session, draw_session
from speakergmm.corpora.synthesis.utterance import (
    SAMPLE_RATE,
    Spoken,
    add_session,
    intonation,
    lay_out,
    render,
    speak,
)
from speakergmm.corpora.synthesis.voice import Voice, draw_voice

__all__ = [
    "ENROLMENT_WORDS",
    "LEXICON",
    "PHONES",
    "SAMPLE_RATE",
    "SILENCE",
    "TRIAL_WORDS",
    "Frication",
    "Phone",
    "Segment",
    "Session",
    "Spoken",
    "Tracks",
    "Voice",
    "add_session",
    "articulate",
    "draw_session",
    "draw_voice",
    "intonation",
    "lay_out",
    "render",
    "speak",
]
