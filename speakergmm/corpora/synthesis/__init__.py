"""Source-filter speech synthesis: glottal pulses and noise, filtered by a moving vocal tract."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.corpora.synthesis.articulation import PlacedPhone as PlacedPhone
    from speakergmm.corpora.synthesis.articulation import Tracks as Tracks
    from speakergmm.corpora.synthesis.articulation import articulate as articulate
    from speakergmm.corpora.synthesis.phones import PHONES as PHONES
    from speakergmm.corpora.synthesis.phones import SILENCE as SILENCE
    from speakergmm.corpora.synthesis.phones import Frication as Frication
    from speakergmm.corpora.synthesis.phones import Phone as Phone
    from speakergmm.corpora.synthesis.prosody import intonation as intonation
    from speakergmm.corpora.synthesis.prosody import lay_out as lay_out
    from speakergmm.corpora.synthesis.rendering import render as render
    from speakergmm.corpora.synthesis.session import SessionConditions as SessionConditions
    from speakergmm.corpora.synthesis.session import draw_session as draw_session
    from speakergmm.corpora.synthesis.session import linear_phase as linear_phase
    from speakergmm.corpora.synthesis.source import glottal_source as glottal_source
    from speakergmm.corpora.synthesis.source import rosenberg_flow as rosenberg_flow
    from speakergmm.corpora.synthesis.tract import ECHO as ECHO
    from speakergmm.corpora.synthesis.tract import cascade as cascade
    from speakergmm.corpora.synthesis.tract import cut as cut
    from speakergmm.corpora.synthesis.tract import n_frames as n_frames
    from speakergmm.corpora.synthesis.tract import overlap_add as overlap_add
    from speakergmm.corpora.synthesis.tract import quadratic as quadratic
    from speakergmm.corpora.synthesis.tract import response as response
    from speakergmm.corpora.synthesis.utterance import Spoken as Spoken
    from speakergmm.corpora.synthesis.utterance import add_session as add_session
    from speakergmm.corpora.synthesis.utterance import speak as speak
    from speakergmm.corpora.synthesis.vocabulary import ENROLMENT_WORDS as ENROLMENT_WORDS
    from speakergmm.corpora.synthesis.vocabulary import LEXICON as LEXICON
    from speakergmm.corpora.synthesis.vocabulary import TRIAL_WORDS as TRIAL_WORDS
    from speakergmm.corpora.synthesis.voice import SAMPLE_RATE as SAMPLE_RATE
    from speakergmm.corpora.synthesis.voice import Voice as Voice
    from speakergmm.corpora.synthesis.voice import draw_voice as draw_voice

__getattr__, __dir__ = lazy_names(__name__)
