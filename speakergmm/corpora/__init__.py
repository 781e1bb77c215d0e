"""Corpora: whose speech lies where and what is said; read, checked and written."""

from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.manifests import write_corpus, write_protocol
from speakergmm.corpora.names import check_speaker_name
from speakergmm.corpora.passed_over import PassedOver
from speakergmm.corpora.patterns import NamePattern, name_speakers
from speakergmm.corpora.protocol import Protocol, Split, Trial, read_protocol
from speakergmm.corpora.reading import read_corpus
from speakergmm.corpora.synthetic import make_synthetic_corpus
from speakergmm.corpora.transcripts import Transcript, Transcripts, read_transcripts
from speakergmm.corpora.validation import Problem, validate_corpus

__all__ = [
    "Corpus",
    "NamePattern",
    "PassedOver",
    "Problem",
    "Protocol",
    "Split",
    "Transcript",
    "Transcripts",
    "Trial",
    "Utterance",
    "check_speaker_name",
    "make_synthetic_corpus",
    "name_speakers",
    "read_corpus",
    "read_protocol",
    "read_transcripts",
    "validate_corpus",
    "write_corpus",
    "write_protocol",
]
