"""Test recordings as another device, room or level would have made them; enrolment stays clean.

The conditions are those of the test alone: augmentation in training and enrolment has other
filters, codecs, voices and levels, and nothing like the loudspeaker.
"""

import os
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from speakergmm.audio import Coding, read_audio, recode, write_audio
from speakergmm.corpora import Protocol, Split, Trial
from speakergmm.corpora.augmentation import active_power

Samples = NDArray[np.float32]
RATE = 16000
N_TALKERS = 6
BABBLE_DB = 10.0
GAIN_DB = -12.0


def telephone(samples: Samples) -> Samples:
    """Return speech in the band 300 to 3400 Hz (Butterworth, order 6), in mu-law of 8 bits."""
    band = signal.butter(6, (300, 3400), btype="bandpass", fs=RATE // 2, output="sos")
    line = signal.sosfilt(band, signal.resample_poly(samples, 1, 2)).astype(np.float32)
    coded = recode(np.clip(line, -1.0, 1.0), RATE // 2, Coding("WAV", "ULAW"))
    return signal.resample_poly(coded, 2, 1)[: len(samples)].astype(np.float32)


def babble(
    samples: Samples, seed: int, talkers: Mapping[str, Sequence[Path]], *, offsets: bool = False
) -> Samples:
    """Return speech with one recording each of six talkers, 10 dB below it (active speech).

    All begin at once, so that single words coincide, or with `offsets` each somewhere.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(sorted(talkers), N_TALKERS, replace=len(talkers) < N_TALKERS)
    total = np.zeros(len(samples))
    for name in chosen:
        voice = read_audio(talkers[name][rng.integers(len(talkers[name]))], sample_rate=RATE)[0]
        begin = int(rng.integers(len(voice))) if offsets else 0
        looped = np.resize(np.roll(voice, -begin), len(samples))
        total += looped / np.sqrt(active_power(voice, RATE))
    wanted = active_power(samples, RATE) * 10.0 ** (-BABBLE_DB / 10.0)
    mixed = samples + total * np.sqrt(wanted / active_power(total.astype(np.float32), RATE))
    return (mixed / max(1.0, np.abs(mixed).max())).astype(np.float32)


def gain(samples: Samples) -> Samples:
    """Return speech 12 dB quieter."""
    return samples * np.float32(10.0 ** (GAIN_DB / 20.0))


def loudspeaker(samples: Samples) -> Samples:
    """Return speech as a small resonant loudspeaker that is driven too hard plays it.

    No condition of augmentation has resonances or harmonic distortion.
    """
    out = signal.sosfilt(signal.butter(2, 250, btype="highpass", fs=RATE, output="sos"), samples)
    for frequency, quality, height in ((800, 5, 1.5), (2300, 8, 2.0), (4700, 6, 1.0)):
        out = out + height * signal.lfilter(*signal.iirpeak(frequency, quality, fs=RATE), out)
    peak = np.abs(out).max() or 1.0
    driven = np.tanh(3.0 * out / peak) / np.tanh(3.0)
    return (driven * np.abs(samples).max()).astype(np.float32)


POOLED = ("clean", "telephone", "babble", "gain")
"""The recordings as they are, and three conditions that augmentation resembles."""

CONDITIONS = (*POOLED, "babble-offsets", "loudspeaker")
"""These, babble whose talkers begin anywhere, and a condition that nothing was prepared for."""


def talkers_of(protocol: Protocol) -> dict[str, list[Path]]:
    """Return the recordings of each background speaker."""
    assert protocol.background is not None
    found: dict[str, list[Path]] = {}
    for utterance in protocol.background.utterances:
        found.setdefault(utterance.speaker or "", []).append(utterance.path)
    return found


def in_conditions(
    split: Split,
    talkers: Mapping[str, Sequence[Path]],
    folder: Path,
    *,
    root: Path,
    conditions: Sequence[str] = CONDITIONS,
) -> Split:
    """Return the trials of a split once in each condition, which is a column of the trials.

    Parameters
    ----------
    split : Split
    talkers : mapping of str to sequence of Path
        Recordings of the voices of babble.
    folder : Path
        Where the changed recordings are written, as FLAC; those that are there are used.
    root : Path
        Folder of the data: the path of a recording below it is the seed of its babble.
    conditions : sequence of str
    """
    trials: list[Trial] = []
    column: list[str] = []
    further: dict[str, list[str]] = {name: [] for name in split.conditions}
    for condition in conditions:
        changed = {
            path: _changed(path, condition, talkers, folder, root) for path in split.test_paths()
        }
        trials += [
            replace(trial, path=changed[trial.path], name=f"{condition}/{trial.name}")
            for trial in split.trials
        ]
        column += [condition] * len(split.trials)
        for name, values in split.conditions.items():
            further[name] += values
    return Split(split.enrolment, tuple(trials), {**further, "condition": column})


def _changed(
    path: Path, condition: str, talkers: Mapping[str, Sequence[Path]], folder: Path, root: Path
) -> Path:
    """Return the recording of a path in a condition; it is written unless it is there."""
    if condition == "clean":
        return path
    relative = path.relative_to(root)
    made = folder / condition / relative.with_suffix(".flac")
    if made.exists():
        return made
    seed = zlib.crc32(os.fsencode(relative.as_posix()))
    changes: dict[str, Callable[[Samples], Samples]] = {
        "telephone": telephone,
        "babble": lambda samples: babble(samples, seed, talkers),
        "babble-offsets": lambda samples: babble(samples, seed, talkers, offsets=True),
        "gain": gain,
        "loudspeaker": loudspeaker,
    }
    made.parent.mkdir(parents=True, exist_ok=True)
    write_audio(made, changes[condition](read_audio(path, sample_rate=RATE)[0]), RATE)
    return made
