"""Names of the files that are written for each utterance."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from speakergmm.audio import AUDIO_SUFFIXES
from speakergmm.corpora.names import comparison_key

# Characters with a special meaning in some file system or shell.
_UNSAFE = re.compile(r'[<>:"\\|?*\x00-\x1f]')
_LONGEST = 120
# The ending of a recording, also before the seconds of an excerpt, as in "one.flac#2.79-14.52".
_AUDIO_ENDING = re.compile(
    rf"(?<=[^/])(?:{'|'.join(map(re.escape, AUDIO_SUFFIXES))})(?=#[^/]*$|$)", re.IGNORECASE
)
# Names of devices in Windows, with any ending.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)", re.IGNORECASE)


class FileNames:
    """Names for the files of utterances, distinct on every file system.

    Slashes of an id become folders, of an absolute path only the last one; the ending of a
    recording is removed. If another utterance has that name already, apart from letter case or
    Unicode normal form, more of the id is kept, and at last a digest of the id is added.

    Examples
    --------
    >>> names = FileNames()
    >>> [names.of(id) for id in ("/data/ana/one.wav", "ana/one.flac", "ana/ONE")]
    ['ana/one', 'ana/one.flac', 'ana/ONE~3ea7f8ce']
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, utterance: str) -> str:
        """Return the name for an utterance, the same each time, without the ending of a file."""
        if utterance not in self._names:
            digest = hashlib.sha256(utterance.encode("utf-8", "replace")).hexdigest()
            names = _short_names(utterance)
            names += [f"{names[-1]}~{digest[:size]}" for size in (8, len(digest))]
            name = next(n for n in names if comparison_key(n) not in self._taken)
            self._taken.add(comparison_key(name))
            self._names[utterance] = name
        return self._names[utterance]


def _short_names(utterance: str) -> list[str]:
    """Return names for an utterance, the shortest first; the last one is the whole id."""
    short = utterance
    if utterance.startswith("/"):
        short = "/".join(PurePosixPath(utterance).parts[1:][-2:])
    bare = _AUDIO_ENDING.sub("", short)
    return list(dict.fromkeys(safe_name(name) for name in (bare, short, utterance)))


def safe_name(utterance: str) -> str:
    r"""Turn an utterance id into a relative path that stays below its folder.

    Examples
    --------
    >>> safe_name("ana/first take"), safe_name("../../etc/passwd"), safe_name("C:\\x")
    ('ana/first take', '_/_/etc/passwd', 'C__x')
    """
    parts = []
    for part in utterance.split("/"):
        part = _UNSAFE.sub("_", part).rstrip(". ") if set(part) - {"."} else "_"
        part = f"_{part}" if _DEVICE.match(part) else part
        if len(part.encode("utf-8", "replace")) > _LONGEST:
            digest = hashlib.sha256(part.encode("utf-8", "replace")).hexdigest()
            part = f"{part[:30]}~{digest[:8]}"
        parts.append(part or "_")
    return "/".join(parts)
