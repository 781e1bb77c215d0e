"""Hashes of audio, by which validation and enrolment recognise the same audio."""

import hashlib
import os

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import iter_audio, probe


class AudioHash:
    """Hash of samples that come in blocks, independent of the division into blocks.

    Two recordings are the same audio if they decode to the same mono samples at the same rate, in
    any format.

    Parameters
    ----------
    sample_rate : int
        Sampling rate in Hz: the same samples at another rate are another sound.

    Examples
    --------
    >>> whole, parts = AudioHash(8000), AudioHash(8000)
    >>> whole.add(np.float32([0.5, 0.0, -0.5]))
    >>> parts.add(np.float32([0.5]))
    >>> parts.add(np.float32([-0.0, -0.5]))
    >>> whole.hexdigest() == parts.hexdigest()
    True
    """

    def __init__(self, sample_rate: int) -> None:
        self._total = hashlib.sha256(f"{sample_rate} Hz\n".encode())

    def add(self, block: NDArray[np.float32]) -> None:
        """Add the next samples, shape (n,)."""
        # Adding 0 turns negative zeros into zeros, in which decoders of different formats differ.
        self._total.update((block + np.float32(0)).astype("<f4").tobytes())

    def hexdigest(self) -> str:
        """Return the SHA-256 of all samples so far, as hexadecimal digits."""
        return self._total.hexdigest()


def hash_audio(path: str | os.PathLike[str]) -> str:
    """Return the hash of a whole recording, which is read in blocks and constant memory.

    Parameters
    ----------
    path : path
        The recording.

    Returns
    -------
    str
        SHA-256 as hexadecimal digits, equal for the same audio; see `AudioHash`.

    Raises
    ------
    AudioError
        If the recording cannot be read.
    """
    total = AudioHash(probe(path).sample_rate)
    for block in iter_audio(path):
        total.add(block)
    return total.hexdigest()
