"""Reading, probing and writing of recordings, and all checks that they are whole.

Samples are mono float32 with full scale at 1. Files are WAV, FLAC, OGG or MP3 (libsndfile through
`soundfile`); other rates are converted by `soxr`. Several channels are averaged.
A recording is read whole or refused: its frames, pages and chunks are counted before it is opened,
since the length in a header may be wrong. No other package opens an audio file.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.audio.audio_sources import AudioSource as AudioSource
    from speakergmm.audio.coding import Coding as Coding
    from speakergmm.audio.coding import can_code as can_code
    from speakergmm.audio.coding import recode as recode
    from speakergmm.audio.probing import AudioInfo as AudioInfo
    from speakergmm.audio.probing import probe as probe
    from speakergmm.audio.reading import AudioWarning as AudioWarning
    from speakergmm.audio.reading import convert_rate as convert_rate
    from speakergmm.audio.reading import iter_audio as iter_audio
    from speakergmm.audio.reading import read_audio as read_audio
    from speakergmm.audio.reading import resample_blocks as resample_blocks
    from speakergmm.audio.suffixes import AUDIO_SUFFIXES as AUDIO_SUFFIXES
    from speakergmm.audio.suffixes import READABLE_FORMATS as READABLE_FORMATS
    from speakergmm.audio.suffixes import UNREADABLE_SUFFIXES as UNREADABLE_SUFFIXES
    from speakergmm.audio.suffixes import has_audio_suffix as has_audio_suffix
    from speakergmm.audio.suffixes import has_unreadable_suffix as has_unreadable_suffix
    from speakergmm.audio.writing import write_audio as write_audio

__getattr__, __dir__ = lazy_names(__name__)
