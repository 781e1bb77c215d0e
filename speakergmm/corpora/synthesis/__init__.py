"""A source-filter speech synthesiser: glottal pulses and noise through a moving vocal tract."""

from speakergmm.corpora.synthesis.articulation import Segment, Tracks, articulate
from speakergmm.corpora.synthesis.lexicon import ENROLMENT_WORDS, LEXICON, TRIAL_WORDS
from speakergmm.corpora.synthesis.phones import PHONES, SILENCE, Frication, Phone
from speakergmm.corpora.synthesis.prosody import SAMPLE_RATE, intonation, lay_out
from speakergmm.corpora.synthesis.rendering import render
from speakergmm.corpora.synthesis.session import Session, draw_session
from speakergmm.corpora.synthesis.utterance import Spoken, add_session, speak
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
