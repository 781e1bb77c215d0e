"""Opening a recording: what its header says, and whether the file can keep what it promises."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speakergmm.audio.containers import check_ogg_end, open_wav
from speakergmm.audio.messages import KNOWN_FORMATS, described, reason
from speakergmm.errors import AudioError

# libsndfile's answer when a stream's header leaves the length open.
_UNKNOWN_LENGTH = 1 << 60
_VALUES_PER_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording's header says.

    Attributes
    ----------
    path : Path
        The file.
    sample_rate : int
        Samples per second and channel.
    n_channels : int
        Channels in the file; reading averages them.
    n_samples : int
        Samples per channel.
    format, subtype : str
        libsndfile's names, such as ``"WAV"`` and ``"PCM_16"``.
    """

    path: Path
    sample_rate: int
    n_channels: int
    n_samples: int
    format: str
    subtype: str

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.sample_rate


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Read a recording's header; refuse what can't be a whole recording.

    Parameters
    ----------
    path : path-like
        A WAV, FLAC, OGG or MP3 file.

    Returns
    -------
    AudioInfo
        The header's content. Damage inside the data shows on reading only.

    Raises
    ------
    AudioError
        If the file is missing, a folder, empty, not audio, holds no samples, or is a WAV whose
        header promises more bytes than the file has.
    """
    with opened(path) as file:
        return _info(Path(path), file)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Open an audio file, or say in one line why it is none."""
    import soundfile

    path = Path(path)
    try:
        if path.is_dir():
            raise AudioError(f"{described(path)}: is a folder, not a recording")
        size = path.stat().st_size
        if not path.is_file():
            raise AudioError(f"{described(path)}: is not a regular file")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        found = "no such file" if isinstance(error, FileNotFoundError) else reason(error)
        raise AudioError(f"{described(path)}: {found}") from error
    if size == 0:
        raise AudioError(f"{described(path)}: is empty (0 bytes), not a {KNOWN_FORMATS} file")
    with ExitStack() as stack:
        try:
            streamed = open_wav(path)
            if streamed is not None:
                stack.callback(streamed.close)
            file = stack.enter_context(soundfile.SoundFile(streamed or _openable(path)))
        except (OSError, soundfile.SoundFileError, TypeError) as error:  # TypeError: bare .raw
            raise AudioError(
                f"{described(path)}: is not a readable {KNOWN_FORMATS} file: {reason(error)}"
            ) from error
        yield file


def _openable(path: Path) -> Path | bytes:
    # Names are bytes there and need not be UTF-8, which is what soundfile makes of a text.
    return os.fsencode(path) if os.name == "posix" else path


def _info(path: Path, file: Any) -> AudioInfo:
    """Gather what the header says and refuse promises that the file can't keep."""
    if file.format == "OGG":
        check_ogg_end(path, file)
    n_samples = file.frames
    if n_samples >= _UNKNOWN_LENGTH:
        n_samples = _count_samples(path, file)
    if n_samples <= 0 or file.samplerate <= 0:
        raise AudioError(f"{described(path)}: holds no samples (length 0)")
    return AudioInfo(path, file.samplerate, file.channels, n_samples, file.format, file.subtype)


def _count_samples(path: Path, file: Any) -> int:
    """Count by decoding, for streams whose header leaves the length open."""
    import soundfile

    count = 0
    try:
        while n := len(file.read(_VALUES_PER_READ // file.channels, dtype="float32")):
            count += n
    except soundfile.SoundFileError as error:
        raise AudioError(
            f"{described(path)}: damaged {file.format} file: {reason(error)}"
        ) from error
    return count
