"""Suffixes by which recordings are distinguished from other files; the only list of them."""

READABLE_FORMATS = {
    "WAV": (".wav", ".wave", ".bwf"),
    "RF64": (".rf64",),
    "W64": (".w64",),
    "FLAC": (".flac",),
    "OGG": (".ogg", ".oga", ".opus"),
    "MP3": (".mp3", ".mp2", ".mpga"),
    "AIFF": (".aiff", ".aif", ".aifc"),
    "AU": (".au", ".snd"),
    "CAF": (".caf",),
    "NIST": (".sph", ".nist", ".wv1", ".wv2"),
    "VOC": (".voc",),
    "IRCAM": (".sf", ".ircam"),
    "SVX": (".svx", ".8svx", ".iff"),
    "AVR": (".avr",),
    "PAF": (".paf",),
    "PVF": (".pvf",),
    "SDS": (".sds",),
    "WVE": (".wve",),
}
"""Formats of libsndfile that are read, each with the suffixes of its files."""

AUDIO_SUFFIXES = tuple(ending for endings in READABLE_FORMATS.values() for ending in endings)
"""Suffixes, in lower case, of recordings that libsndfile reads. Formats that other programs use for
something other than recordings (MAT, HTK, XI) and formats without a header are not included."""

# fmt: off
UNREADABLE_SUFFIXES = (
    ".3ga", ".3gp", ".aac", ".ac3", ".act", ".alac", ".amr", ".ape", ".asf", ".avi", ".awb",
    ".dff", ".ds2", ".dsf", ".dss", ".dts", ".dvf", ".g722", ".g729", ".gsm", ".m4a", ".m4b",
    ".m4p", ".m4r", ".m4v", ".mka", ".mkv", ".mov", ".mp4", ".mpc", ".mpeg", ".mpg", ".msv",
    ".opx", ".pcm", ".qcp", ".ra", ".raw", ".rm", ".sd2", ".shn", ".sln", ".spx", ".tta", ".ulaw",
    ".alaw", ".vox", ".webm", ".wma", ".wmv", ".wv",
)
# fmt: on
"""Suffixes, in lower case, of recordings that must be converted before they can be read."""


def has_audio_suffix(name: str) -> bool:
    """Return whether a file name has the suffix of a readable recording, in any letter case.

    Examples
    --------
    >>> has_audio_suffix("A.WAV"), has_audio_suffix("a.opus"), has_audio_suffix("notes.txt")
    (True, True, False)
    """
    return name.lower().endswith(AUDIO_SUFFIXES)


def has_unreadable_suffix(name: str) -> bool:
    """Return whether a file name has the suffix of a recording that must be converted first.

    Examples
    --------
    >>> has_unreadable_suffix("a.M4A"), has_unreadable_suffix("a.wav")
    (True, False)
    """
    return name.lower().endswith(UNREADABLE_SUFFIXES)
