"""Coding of samples in memory, as telephones and compressed files do it."""

import inspect
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio.messages import reason
from speakergmm.errors import AudioError


@dataclass(frozen=True, slots=True)
class Coding:
    """A codec of libsndfile.

    Parameters
    ----------
    container, encoding : str
        Names of the format and of the encoding in `soundfile`, such as ``"WAV"`` and ``"GSM610"``.
    compression : float, optional
        From 0 (best) to 1 (smallest), for encodings that have it and versions of `soundfile` that
        pass it on.
    """

    container: str
    encoding: str
    compression: float | None = None


def recode(samples: NDArray[np.float32], sample_rate: int, coding: Coding) -> NDArray[np.float32]:
    """Return samples as they are after coding and decoding.

    Parameters
    ----------
    samples : array of float32, shape (n,)
        Full scale at 1; values beyond it are clipped.
    sample_rate : int
        In Hz.
    coding : Coding

    Returns
    -------
    array of float32, shape (n,)
        Silence takes the place of samples that a codec swallows at the end.

    Raises
    ------
    AudioError
        If libsndfile does not have the codec, or not at this rate.
    """
    import soundfile

    settings: dict[str, Any] = {"format": coding.container, "subtype": coding.encoding}
    known = inspect.signature(soundfile.SoundFile).parameters
    if coding.compression is not None and "compression_level" in known:
        settings["compression_level"] = coding.compression
    encoded = io.BytesIO()
    try:
        with soundfile.SoundFile(encoded, "w", sample_rate, 1, **settings) as file:
            file.write(np.clip(samples, -1.0, 1.0))
        encoded.seek(0)
        decoded, _ = soundfile.read(encoded, dtype="float32")
    except (soundfile.SoundFileError, ValueError, TypeError) as error:
        raise AudioError(
            f"libsndfile cannot code {coding.encoding} in {coding.container} at {sample_rate} Hz "
            f"({reason(error)})"
        ) from error
    result = np.zeros(len(samples), np.float32)
    result[: len(decoded)] = decoded[: len(samples)]
    return result


def can_code(coding: Coding, sample_rate: int) -> bool:
    """Return whether the installed libsndfile has a codec at a sampling rate."""
    try:
        recode(np.zeros(sample_rate // 10, np.float32), sample_rate, coding)
    except AudioError:
        return False
    return True
