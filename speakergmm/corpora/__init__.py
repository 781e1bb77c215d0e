"""Corpora: whose speech lies where, read from folders and lists, checked and written."""

from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.names import check_speaker_name
from speakergmm.corpora.protocol import Protocol, Split, Trial, read_protocol
from speakergmm.corpora.reading import read_corpus

__all__ = [
    "Corpus",
    "Protocol",
    "Split",
    "Trial",
    "Utterance",
    "check_speaker_name",
    "read_corpus",
    "read_protocol",
]
