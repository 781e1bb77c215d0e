"""Writing of recordings, whole or not at all."""

import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.audio.messages import reason
from speakergmm.audio.reading import check_rate
from speakergmm.errors import AudioError, InvalidInputError, InvalidTypeError, SpeakerGmmError
from speakergmm.files import atomic_writer, shown_path
from speakergmm.ranges import wrong_type


def write_audio(path: str | os.PathLike[str], samples: ArrayLike, sample_rate: int) -> None:
    """Write mono samples as 16-bit WAV or FLAC; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        File to write; its suffix, ``.wav`` or ``.flac``, determines the format.
    samples : array, shape (n_samples,)
        Samples with full scale at 1; values beyond it are clipped. Samples read from a 16-bit file
        are written back unchanged.
    sample_rate : int
        Samples per second.

    Raises
    ------
    InvalidInputError
        If `samples` is empty, not one-dimensional or not finite, or the suffix or rate is wrong.
    InvalidTypeError
        If the arguments are given in another order.
    AudioError
        If the file cannot be written (no such folder, no permission, no space left).
    """
    import soundfile

    if not isinstance(path, str | os.PathLike):
        raise wrong_type(path, "a path, write_audio(path, samples, sample_rate),")
    path = Path(path)
    file_format = {".wav": "WAV", ".flac": "FLAC"}.get(path.suffix.lower())
    if file_format is None:
        raise InvalidInputError(
            f"{shown_path(path)}: can write .wav and .flac, not {path.suffix or 'this'!r}"
        )
    check_rate(sample_rate)
    try:
        values = np.asarray(samples, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"{shown_path(path)}: samples must be an array of numbers, found "
            f"{type(samples).__name__}"
        ) from None
    if values.ndim != 1 or values.size == 0:
        raise InvalidInputError(
            f"{shown_path(path)}: samples to write must have shape (n,), n > 0, found "
            f"{values.shape}"
        )
    if not np.isfinite(values).all():
        raise InvalidInputError(
            f"{shown_path(path)}: samples to write must be finite, found NaN or infinity"
        )
    pcm = np.clip(np.rint(values * 32768.0), -32768, 32767).astype(np.int16)
    # Encoded in memory first: if the disk is full, libsndfile reports "System error" only.
    encoded = io.BytesIO()
    try:
        soundfile.write(encoded, pcm, sample_rate, format=file_format, subtype="PCM_16")
        # Not durable: thousands of files may be written, and none should wait for the disk.
        with atomic_writer(path, durable=False) as file:
            file.write(encoded.getbuffer())
    except soundfile.SoundFileError as error:
        raise AudioError(f"{shown_path(path)}: cannot be written ({reason(error)})") from error
    except SpeakerGmmError as error:
        raise AudioError(str(error)) from error
