"""A source-filter speech synthesiser: glottal pulses and noise through a moving vocal tract."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.corpora.synthesis.articulation import Segment as Segment
    from speakergmm.corpora.synthesis.articulation import Tracks as Tracks
    from speakergmm.corpora.synthesis.articulation import articulate as articulate
    from speakergmm.corpora.synthesis.lexicon import ENROLMENT_WORDS as ENROLMENT_WORDS
    from speakergmm.corpora.synthesis.lexicon import LEXICON as LEXICON
    from speakergmm.corpora.synthesis.lexicon import TRIAL_WORDS as TRIAL_WORDS
    from speakergmm.corpora.synthesis.phones import PHONES as PHONES
    from speakergmm.corpora.synthesis.phones import SILENCE as SILENCE
    from speakergmm.corpora.synthesis.phones import Frication as Frication
    from speakergmm.corpora.synthesis.phones import Phone as Phone
    from speakergmm.corpora.synthesis.prosody import intonation as intonation
    from speakergmm.corpora.synthesis.prosody import lay_out as lay_out
    from speakergmm.corpora.synthesis.rendering import render as render
    from speakergmm.corpora.synthesis.session import Session as Session
    from speakergmm.corpora.synthesis.session import draw_session as draw_session
    from speakergmm.corpora.synthesis.utterance import Spoken as Spoken
    from speakergmm.corpora.synthesis.utterance import add_session as add_session
    from speakergmm.corpora.synthesis.utterance import speak as speak
    from speakergmm.corpora.synthesis.voice import SAMPLE_RATE as SAMPLE_RATE
    from speakergmm.corpora.synthesis.voice import Voice as Voice
    from speakergmm.corpora.synthesis.voice import draw_voice as draw_voice

__getattr__, __dir__ = lazy_names(__name__)
