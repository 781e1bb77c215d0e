"""What libsndfile passes over in silence: WAV and Ogg files that lack a part, or their length."""

import os
from pathlib import Path
from typing import IO, Any

from speakergmm.audio.messages import described
from speakergmm.errors import AudioError

# Programs that stream and can't go back leave 0 or a length near 2^31 or 2^32 in a WAV header.
_STREAMED_WAV_LENGTH = 0x7FFFF000
# An Ogg page is at most this long, so the last one begins within it from the end.
_LARGEST_OGG_PAGE = 65307


def open_wav(path: Path) -> "_StreamedWav | None":
    """Check a WAV's length: libsndfile shortens a truncated one silently.

    Parameters
    ----------
    path : Path
        Any file; what is not RIFF is passed over.

    Returns
    -------
    file-like or None
        A file to read instead, where the header gives no audio though audio follows: as programs
        leave it that stream and can't go back, or were killed while recording.

    Raises
    ------
    AudioError
        If the header promises more audio than the file holds.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        riff = file.read(12)
        byte_order: Any = {b"RIFF": "little", b"RIFX": "big"}.get(riff[:4])
        if byte_order is None or riff[8:] != b"WAVE":
            return None
        while len(header := file.read(8)) == 8:
            promised = int.from_bytes(header[4:], byte_order)
            present = size - file.tell()
            if header[:4] != b"data":
                file.seek(promised + promised % 2, os.SEEK_CUR)
            elif promised == 0 and present > 0:
                return _StreamedWav(path, file.tell() - 4, present.to_bytes(4, byte_order))
            elif present < promised < _STREAMED_WAV_LENGTH:
                raise AudioError(
                    f"{described(path)}: truncated WAV file, holds {present} bytes of audio where "
                    f"its header promises {promised}"
                )
            else:
                return None
    return None


class _StreamedWav:
    """A WAV file read as if its header held the length of its audio.

    Parameters
    ----------
    path : Path
        The file.
    position : int
        Where the length stands.
    length : bytes
        What is to stand there.
    """

    def __init__(self, path: Path, position: int, length: bytes) -> None:
        self._file: IO[bytes] = path.open("rb")
        self._position = position
        self._length = length
        self.close = self._file.close
        self.seek = self._file.seek
        self.tell = self._file.tell

    def read(self, n: int = -1) -> bytes:
        """Read bytes; those of the length are replaced."""
        at = self._file.tell()
        content = bytearray(self._file.read(n))
        for place, value in enumerate(self._length, self._position - at):
            if 0 <= place < len(content):
                content[place] = value
        return bytes(content)


def check_ogg_end(path: Path, file: Any) -> None:
    """Refuse an Ogg stream that lacks its end or a part: libsndfile stops there silently."""
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _LARGEST_OGG_PAGE))
        tail = stream.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27 or not page[5] & 4:
        raise AudioError(
            f"{described(path)}: truncated OGG file, its last page is not an end of stream"
        )
    # The page's position counts samples, always at 48 kHz for Opus.
    rate = 48000 if file.subtype == "OPUS" else file.samplerate
    promised = int.from_bytes(page[6:14], "little", signed=True) / rate
    found = file.frames / file.samplerate
    if promised > found + 0.1:
        raise AudioError(
            f"{described(path)}: damaged OGG file, {found:.2f} s can be decoded where its last "
            f"page promises {promised:.2f} s"
        )
