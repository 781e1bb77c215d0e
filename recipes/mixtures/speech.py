"""Frames of recordings with their speakers, levels and labels; synthetic noises."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Protocol
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig, FeatureExtractor

# Frames (of 10 ms) between a pause and the nearest speech, whose edges are soft.
GUARD = 8
# Log energy, in nats of 16-bit units, below which a frame is digital silence, not room noise.
SILENCE = 3.0
# Lowest level of loud speech, in dB relative to the loud frames of the recording (their 95 %
# quantile).
LOUD = -13.0
# One nat of energy in dB.
DECIBEL = 10 / np.log(10)
NOISES = ("white", "pink", "hum", "crackle")


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """T frames of several recordings, one row of each array per frame; `level` in dB, as `LOUD`."""

    cepstra: NDArray[np.float32]
    level: NDArray[np.float32]
    is_speech: NDArray[np.bool_]
    is_pause: NDArray[np.bool_]
    speakers: NDArray[np.str_]
    recordings: NDArray[np.intp]

    def __getitem__(self, chosen: NDArray[np.bool_ | np.intp]) -> "Frames":
        """Return some of the frames, by a mask or by their numbers."""
        return Frames(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def __len__(self) -> int:
        return len(self.cepstra)

    @property
    def speech(self) -> "Frames":
        """Frames of speech."""
        return self[self.is_speech]

    def loud_speech(self, limit: float = LOUD) -> "Frames":
        """Return the frames of speech above a level in dB."""
        return self[self.is_speech & (self.level > limit)]

    @property
    def soft_speech(self) -> "Frames":
        """Frames of speech that is not loud."""
        return self[self.is_speech & (self.level <= LOUD)]

    @property
    def pauses(self) -> "Frames":
        """Frames of pauses."""
        return self[self.is_pause]

    def draw(self, most: int, seed: int) -> "Frames":
        """Draw frames at random, the same number per speaker, and keep their order."""
        rng = np.random.default_rng(seed)
        names = np.unique(self.speakers)
        share = -(-most // len(names))
        parts = [np.flatnonzero(self.speakers == name) for name in names]
        drawn = [rng.choice(part, min(share, len(part)), replace=False) for part in parts]
        return self[np.sort(np.concatenate(drawn))]


def read_group(protocol: Protocol, name: str, config: FeatureConfig) -> Frames:
    """Extract all recordings of a group of speakers: background, dev or eval.

    Recordings without detected speech are left out.
    """
    extractor = FeatureExtractor(config)
    parts = []
    for number, (speaker, path) in enumerate(_recordings(protocol, name)):
        try:
            found = extractor.extract(path)
        except InsufficientDataError:
            continue
        log_energy = found.values[:, -1]
        near = np.convolve(found.speech, np.ones(2 * GUARD + 1), mode="same") > 0.5
        parts.append(
            Frames(
                cepstra=found.values[:, :-1],
                level=DECIBEL * (log_energy - np.quantile(log_energy, 0.95)),
                is_speech=found.speech & (log_energy > SILENCE),
                is_pause=~near & (log_energy > SILENCE),
                speakers=np.full(len(log_energy), speaker),
                recordings=np.full(len(log_energy), number),
            )
        )
    return join(parts)


def join(parts: Iterable[Frames]) -> Frames:
    """Concatenate frames."""
    parts = list(parts)
    return Frames(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Frames))
    )


def _recordings(protocol: Protocol, name: str) -> Iterator[tuple[str, Path]]:
    if name == "background":
        assert protocol.background is not None
        for utterance in protocol.background:
            yield utterance.speaker, utterance.path
        return
    split = protocol.split(name)
    for model, paths in split.enrolment.items():
        for path in paths:
            yield model, path
    for trial in split.trials:
        if trial.label == "target":
            yield trial.model, trial.path


def make_noises(config: FeatureConfig, *, n_recordings: int, level: float, seed: int) -> Frames:
    """Synthesise recordings of one second of all kinds of noise, with `level` in dB as for speech.

    Cepstra without c0 do not depend on the level.
    """
    extractor = FeatureExtractor(config.replace(voice_activity="none"))
    rng = np.random.default_rng(seed)
    parts = []
    for kind in NOISES:
        for number in range(n_recordings):
            samples = _noise(kind, config.sample_rate, rng)
            quiet = samples * (0.01 / samples.std())
            values = extractor.extract(quiet, sample_rate=config.sample_rate).values
            n = len(values)
            levels = DECIBEL * (values[:, -1] - values[:, -1].mean()) + level
            yes, no = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
            names, numbers = np.full(n, f"{kind} {number}"), np.full(n, len(parts))
            parts.append(Frames(values[:, :-1], levels, no, yes, names, numbers))
    return join(parts)


def _noise(kind: str, rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    white = rng.normal(size=rate)
    if kind == "white":
        return white
    if kind == "pink":
        spectrum = np.fft.rfft(white)
        return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), rate)
    if kind == "hum":
        # The mains frequency and its odd harmonics, on a noise floor 40 dB below.
        times, mains = np.arange(rate) / rate, rng.choice([50.0, 60.0])
        tones = [np.sin(2 * np.pi * mains * n * times) / n for n in (1, 3, 5, 7, 9)]
        return np.sum(tones, axis=0) + 0.01 * white
    # Short clicks at random times, on average 30 per second, on a noise floor 40 dB below.
    clicks = np.convolve(rng.random(rate) < 30 / rate, np.exp(-np.arange(80) / 8), mode="same")
    return clicks * white + 0.01 * white
