"""Recordings in and out: probe, read (whole or block by block), write; all refusals of bad files.

Samples are mono float32 with full scale at 1. Files are WAV, FLAC, OGG or MP3 (libsndfile through
`soundfile`); other rates are converted by `soxr`. Several channels are averaged. A recording
is read whole or refused: its frames, pages and chunks are counted before it is opened, since a
length in a header is a claim. Nothing outside this package opens an audio file.
"""

from speakergmm.audio.endings import (
    AUDIO_SUFFIXES,
    UNREADABLE_SUFFIXES,
    has_audio_suffix,
    has_unreadable_suffix,
)
from speakergmm.audio.files import AudioInfo, probe
from speakergmm.audio.reading import AudioWarning, iter_audio, read_audio, resample_blocks
from speakergmm.audio.sources import AudioSource
from speakergmm.audio.writing import write_audio

__all__ = [
    "AUDIO_SUFFIXES",
    "UNREADABLE_SUFFIXES",
    "AudioInfo",
    "AudioSource",
    "AudioWarning",
    "has_audio_suffix",
    "has_unreadable_suffix",
    "iter_audio",
    "probe",
    "read_audio",
    "resample_blocks",
    "write_audio",
]
