"""Control signals of synthesis: smooth tracks of formants, voicing and noise from phones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from speakergmm.corpora.synthesis.phones import PHONES, SILENCE
from speakergmm.corpora.synthesis.voice import N_FORMANTS, SAMPLE_RATE, Floats, Voice

# Samples that formants take to leave or to reach a target, on either side of a boundary.
_GLIDE: Final = 0.035 * SAMPLE_RATE
# Samples that the sources take to change their level, on either side of a boundary.
_RAMP: Final = 0.006 * SAMPLE_RATE
_BURST: Final = 0.010 * SAMPLE_RATE
_ASPIRATION: Final = 0.030 * SAMPLE_RATE
# Hz at which the nasal pole and zero cancel in oral sounds.
_OPEN_NASAL: Final = 300.0


@dataclass(frozen=True, slots=True)
class PlacedPhone:
    """A phone at its place in an utterance.

    Attributes
    ----------
    phone : str
        Name of the phone in `PHONES`.
    start : int
        First sample.
    n_samples : int
        Length in samples; the next phone starts where this one ends.
    word : int or None
        Index of the word in the transcript; None for silence.
    """

    phone: str
    start: int
    n_samples: int
    word: int | None = None

    @property
    def end(self) -> int:
        """First sample after the phone."""
        return self.start + self.n_samples


class Tracks(NamedTuple):
    """Control signals of synthesis: the first four per frame, the others per sample.

    Attributes
    ----------
    formants : array, shape (T, 7)
        Resonance frequencies in Hz.
    nasal_zero, nasal_pole : array, shape (T,)
        Frequencies of the nasal zero and pole in Hz.
    frication : array, shape (T, 2, 2)
        Centre and width of each resonance of frication noise, in Hz.
    voicing : array, shape (N,)
        Linear gain of the glottal source.
    breath : array, shape (N,)
        Linear gain of breath noise through the tract.
    noise : array, shape (N,)
        Linear gain of frication noise.
    """

    formants: Floats
    nasal_zero: Floats
    nasal_pole: Floats
    frication: Floats
    voicing: Floats
    breath: Floats
    noise: Floats


def _hold_and_glide(
    starts: Floats, ends: Floats, first: Floats, last: Floats, glide: float, at: Floats
) -> Floats:
    """Interpolate tracks that are constant inside segments and linear around boundaries."""
    inset = np.minimum(glide, 0.45 * (ends - starts))
    times = np.stack((starts + inset, ends - inset), axis=1).reshape(-1)
    values = np.stack((first, last), axis=1).reshape(2 * len(starts), -1)
    columns = [np.interp(at, times, values[:, column]) for column in range(values.shape[1])]
    return np.stack(columns, axis=1)


def _gain(level: float | None) -> float:
    """Return the linear gain of a level in dB; 0 for None."""
    return 0.0 if level is None else float(10.0 ** (level / 20.0))


def _sources(segment: PlacedPhone) -> list[tuple[float, ...]]:
    """Return gains of the sources in a segment: rows of start, end, voicing, breath, noise."""
    phone = PHONES[segment.phone]
    start, end = float(segment.start), float(segment.end)
    voicing, breath = _gain(phone.voicing), _gain(phone.aspiration)
    noise = _gain(phone.frication.level if phone.frication else None)
    if phone.manner != "stop":
        return [(start, end, voicing, breath, noise)]
    # A stop is silent, or a murmur, until its release; voiceless stops are aspirated afterwards.
    breathing = min(_ASPIRATION, 0.3 * (end - start)) if breath else 0.0
    burst = min(_BURST, 0.2 * (end - start))
    release = end - breathing - burst
    rows: list[tuple[float, ...]] = [
        (start, release, voicing, 0.0, 0.0),
        (release, release + burst, voicing, 0.3 * breath, noise),
    ]
    if breathing:
        rows.append((release + burst, end, 0.0, breath, 0.1 * noise))
    return rows


def _targets(
    segments: Sequence[PlacedPhone], voice: Voice, habits: Floats
) -> tuple[Floats, Floats]:
    """Return the first and last formant targets of each segment, in Hz, shape (S, 4)."""
    # Targets of each phone on its own, scaled to the speaker.
    own = np.array([PHONES[s.phone].formants for s in segments])
    last = np.array([PHONES[s.phone].end_formants or PHONES[s.phone].formants for s in segments])
    offsets = np.array([voice.formant_offsets.get(s.phone, np.ones(4)) for s in segments])
    factors = voice.formant_scale * habits * offsets
    own, last = own * factors, last * factors
    yielding = np.array([PHONES[s.phone].yielding for s in segments])[:, np.newaxis]
    # Targets of the neighbours; beside silence, those of the other neighbour or the phone itself.
    before = np.concatenate((own[:1], last[:-1]))
    after = np.concatenate((own[1:], last[-1:]))
    silent = np.array([s.phone == SILENCE for s in segments])
    lone_before = np.concatenate(([True], silent[:-1]))[:, np.newaxis]
    lone_after = np.concatenate((silent[1:], [True]))[:, np.newaxis]
    before = np.where(lone_before, np.where(lone_after, own, after), before)
    after = np.where(lone_after, before, after)
    # Each target is moved towards the mean of its neighbours, as a locus equation does.
    around = 0.5 * (before + after)
    around = np.where(silent[:, np.newaxis], own, around)
    return own + yielding * (around - own), last + yielding * (around - last)


def articulate(
    segments: Sequence[PlacedPhone], voice: Voice, *, at: Floats, habits: Floats | None = None
) -> Tracks:
    """Interpolate the targets of a sequence of phones.

    Parameters
    ----------
    segments : sequence of PlacedPhone
        Contiguous phones, the first one at sample 0.
    voice : Voice
        The speaker.
    at : array, shape (T,)
        Sample numbers of the centres of the frames.
    habits : array, shape (S, 4), optional
        Factors on the formants of each segment, so that sounds vary; ones by default.

    Returns
    -------
    Tracks

    Notes
    -----
    Formants of consonants lie between their locus and those of the neighbouring vowels, according
    to locus equations [1]_; transitions are linear over 35 ms on each side of a boundary, or less
    in short sounds.

    References
    ----------
    .. [1] Sussman, McCaffrey, Matthews, "An investigation of locus equations as a source of
       relational invariance for stop place categorization", Journal of the Acoustical Society of
       America 90 (1991) 1309-1325.
    """
    if habits is None:
        habits = np.ones((len(segments), 4))
    starts = np.array([s.start for s in segments], dtype=float)
    ends = np.array([s.end for s in segments], dtype=float)
    phones = [PHONES[s.phone] for s in segments]
    # The four lower formants follow the phones, the upper ones belong to the speaker.
    first, last = _targets(segments, voice, habits)
    formants = np.empty((len(at), N_FORMANTS))
    formants[:, :4] = _hold_and_glide(starts, ends, first, last, _GLIDE, at)
    formants[:, 4:] = voice.upper_formants
    nose = np.array([(p.antiformant or _OPEN_NASAL, _OPEN_NASAL) for p in phones])
    nose *= voice.nasal_scale
    # The nasal passage opens and closes faster than the tongue moves.
    nasal = _hold_and_glide(starts, ends, nose, nose, 0.5 * _GLIDE, at)
    # Resonances of frication noise; sounds without noise take over those of their neighbours.
    noises = [p.frication for p in phones]
    shapes = _fill(np.array([f.frequencies + f.bandwidths if f else (0.0,) * 4 for f in noises]))
    shapes[:, :2] = np.minimum(shapes[:, :2] * voice.frication_scale, 7600.0)
    frication = _hold_and_glide(starts, ends, shapes, shapes, _RAMP, at)
    # Gains of the sources change quickly around boundaries, sample by sample.
    rows = np.array([row for segment in segments for row in _sources(segment)])
    time = np.arange(segments[-1].end, dtype=float)
    levels = _hold_and_glide(rows[:, 0], rows[:, 1], rows[:, 2:], rows[:, 2:], _RAMP, time)
    resonances = frication.reshape(len(at), 2, 2).transpose(0, 2, 1)
    return Tracks(formants, nasal[:, 0], nasal[:, 1], resonances, *levels.T)


def _fill(shapes: Floats) -> Floats:
    """Fill in the (inaudible) resonances of sounds without frication from the nearest with it."""
    (known,) = np.nonzero(shapes[:, 0])
    if len(known) == 0:
        return np.full_like(shapes, 4000.0)
    nearest = np.abs(np.arange(len(shapes))[:, np.newaxis] - known).argmin(axis=1)
    return np.asarray(shapes[known[nearest]])
