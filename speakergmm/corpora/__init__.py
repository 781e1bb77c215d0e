"""Corpora: recordings, speakers and transcripts, which are read, checked and written."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.corpora.columns import CORPUS_COLUMNS as CORPUS_COLUMNS
    from speakergmm.corpora.corpus import Corpus as Corpus
    from speakergmm.corpora.corpus import Utterance as Utterance
    from speakergmm.corpora.corpus_columns import read_speaker_sexes as read_speaker_sexes
    from speakergmm.corpora.corpus_inputs import AnyPath as AnyPath
    from speakergmm.corpora.corpus_inputs import CorpusLike as CorpusLike
    from speakergmm.corpora.corpus_inputs import CorpusWarning as CorpusWarning
    from speakergmm.corpora.corpus_inputs import as_corpus as as_corpus
    from speakergmm.corpora.corpus_inputs import as_utterances as as_utterances
    from speakergmm.corpora.corpus_inputs import is_path as is_path
    from speakergmm.corpora.corpus_reading import read_corpus as read_corpus
    from speakergmm.corpora.corpus_reading import read_utterances as read_utterances
    from speakergmm.corpora.delimited_tables import read_table as read_table
    from speakergmm.corpora.folders import read_folder as read_folder
    from speakergmm.corpora.inspection import ClippingCounter as ClippingCounter
    from speakergmm.corpora.inspection import inspect_blocks as inspect_blocks
    from speakergmm.corpora.manifests import write_corpus as write_corpus
    from speakergmm.corpora.manifests import write_protocol as write_protocol
    from speakergmm.corpora.names import Spellings as Spellings
    from speakergmm.corpora.names import check_speaker_name as check_speaker_name
    from speakergmm.corpora.names import comparison_key as comparison_key
    from speakergmm.corpora.names import escaped_name as escaped_name
    from speakergmm.corpora.names import first_few as first_few
    from speakergmm.corpora.names import quoted as quoted
    from speakergmm.corpora.names import shown as shown
    from speakergmm.corpora.names import unescaped_name as unescaped_name
    from speakergmm.corpora.names import unlistable_character as unlistable_character
    from speakergmm.corpora.patterns import NamePattern as NamePattern
    from speakergmm.corpora.patterns import name_speakers as name_speakers
    from speakergmm.corpora.protocol import Protocol as Protocol
    from speakergmm.corpora.protocol import Split as Split
    from speakergmm.corpora.protocol import Trial as Trial
    from speakergmm.corpora.protocol import read_protocol as read_protocol
    from speakergmm.corpora.protocol import read_trials as read_trials
    from speakergmm.corpora.protocol_making import make_protocol as make_protocol
    from speakergmm.corpora.recording_lists import parse_seconds as parse_seconds
    from speakergmm.corpora.same_audio import AudioHash as AudioHash
    from speakergmm.corpora.same_audio import hash_audio as hash_audio
    from speakergmm.corpora.sidecar_transcripts import (
        read_sidecar_transcripts as read_sidecar_transcripts,
    )
    from speakergmm.corpora.skipped_files import SkippedFiles as SkippedFiles
    from speakergmm.corpora.split_options import SplitOptions as SplitOptions
    from speakergmm.corpora.synthesis.synthetic_options import (
        SyntheticCorpusOptions as SyntheticCorpusOptions,
    )
    from speakergmm.corpora.synthetic import make_synthetic_corpus as make_synthetic_corpus
    from speakergmm.corpora.transcript import Transcript as Transcript
    from speakergmm.corpora.transcript import TranscriptError as TranscriptError
    from speakergmm.corpora.transcript import Transcripts as Transcripts
    from speakergmm.corpora.transcript import transcript_line as transcript_line
    from speakergmm.corpora.transcript import write_transcripts as write_transcripts
    from speakergmm.corpora.transcript_reading import is_corpus_list as is_corpus_list
    from speakergmm.corpora.transcript_reading import read_transcripts as read_transcripts
    from speakergmm.corpora.validation import Problem as Problem
    from speakergmm.corpora.validation import Severity as Severity
    from speakergmm.corpora.validation import validate_corpus as validate_corpus
    from speakergmm.corpora.validation_options import ValidationOptions as ValidationOptions

__getattr__, __dir__ = lazy_names(__name__)
