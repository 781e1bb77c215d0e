"""Corpora: whose speech lies where and what is said; read, checked and written."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.corpora.corpus import Corpus as Corpus
    from speakergmm.corpora.corpus import Utterance as Utterance
    from speakergmm.corpora.manifests import write_corpus as write_corpus
    from speakergmm.corpora.manifests import write_protocol as write_protocol
    from speakergmm.corpora.names import check_speaker_name as check_speaker_name
    from speakergmm.corpora.passed_over import PassedOver as PassedOver
    from speakergmm.corpora.patterns import NamePattern as NamePattern
    from speakergmm.corpora.patterns import name_speakers as name_speakers
    from speakergmm.corpora.protocol import Protocol as Protocol
    from speakergmm.corpora.protocol import Split as Split
    from speakergmm.corpora.protocol import Trial as Trial
    from speakergmm.corpora.protocol import read_protocol as read_protocol
    from speakergmm.corpora.reading import read_corpus as read_corpus
    from speakergmm.corpora.synthetic import make_synthetic_corpus as make_synthetic_corpus
    from speakergmm.corpora.transcript import Transcript as Transcript
    from speakergmm.corpora.transcript import Transcripts as Transcripts
    from speakergmm.corpora.transcripts import read_transcripts as read_transcripts
    from speakergmm.corpora.validation import Problem as Problem
    from speakergmm.corpora.validation import validate_corpus as validate_corpus

__getattr__, __dir__ = lazy_names(__name__)
