"""Synthesis of sound from phones and f0: sources filtered by the moving vocal tract."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.synthesis.articulation import PlacedPhone, Tracks, articulate
from speakergmm.corpora.synthesis.source import glottal_source
from speakergmm.corpora.synthesis.tract import (
    ECHO,
    Complexes,
    cascade,
    cut,
    frame_samples,
    overlap_add,
    quadratic,
    response,
)
from speakergmm.corpora.synthesis.voice import SAMPLE_RATE, Floats, Voice, random_factors
from speakergmm.errors import InvalidInputError

_NASAL_BANDWIDTH: Final = 100.0
# Number of frames filtered at once, so small that their spectra stay in the cache.
_BLOCK: Final = 64


def render(
    segments: Sequence[PlacedPhone],
    f0: Floats,
    voice: Voice,
    rng: np.random.Generator,
    *,
    tilt_shift: float = 0.0,
    variation: float = 0.0,
) -> Floats:
    """Synthesise sound from phones and an f0 contour, as recorded close to the lips.

    Parameters
    ----------
    segments : sequence of PlacedPhone
        Contiguous phones from sample 0.
    f0 : array, shape (N,)
        Fundamental frequency at every sample, in Hz; N is the end of the last segment.
    voice : Voice
        The speaker.
    rng : numpy.random.Generator
        Generator of jitter, shimmer, noise and variation.
    tilt_shift : float, default=0.0
        Number added to the tilt of the voice.
    variation : float, default=0.0
        Standard deviation of the factor on each formant of each phone.

    Returns
    -------
    array, shape (N,)
        Samples, not normalised: peaks of vowels are of the order of 1 to 10.

    Raises
    ------
    InvalidInputError
        If `f0` has another shape.
    """
    n_samples = segments[-1].end
    if f0.shape != (n_samples,):
        raise InvalidInputError(f"f0 must have shape ({n_samples},), found {f0.shape}")
    habits = random_factors(rng, variation, (len(segments), 4))
    tracks = articulate(segments, voice, at=frame_samples(n_samples), habits=habits)
    glottal, flow = glottal_source(f0, voice, rng, tilt_shift=tilt_shift)
    breath = rng.standard_normal(n_samples)
    breathiness = 10.0 ** (voice.breathiness / 20.0)
    # Breath flows while the glottis is open; a fifth of it leaks through at all times.
    lungs = tracks.voicing * (glottal + breathiness * breath * (0.2 + flow))
    lungs += 0.1 * tracks.breath * breath
    hiss = tracks.noise * rng.standard_normal(n_samples)

    # Voice and breath are filtered by the whole tract, frication by the cavity in front.
    echoes = _filter(cut(lungs), lambda rows: _tract(tracks, voice, rows))
    echoes += _filter(cut(hiss), lambda rows: _constriction(tracks, rows))
    return overlap_add(echoes, n_samples)


def _filter(frames: Floats, response_at: Callable[[NDArray[np.intp]], Complexes]) -> Floats:
    """Filter the non-zero frames of a source, each by its own response, shape (T, ECHO)."""
    (active,) = np.nonzero(frames.any(axis=1))
    output = np.zeros((len(frames), ECHO))
    for first in range(0, len(active), _BLOCK):
        rows = active[first : first + _BLOCK]
        # Padded with zeros for the decay of the filter.
        spectra = np.fft.rfft(frames[rows], n=ECHO)
        spectra *= response_at(rows)
        output[rows] = np.fft.irfft(spectra, n=ECHO)
    return output


def _tract(tracks: Tracks, voice: Voice, rows: NDArray[np.intp]) -> Complexes:
    """Return the response of the tract, including the nose, in some frames."""
    resonances = quadratic(tracks.formants[rows], voice.bandwidths)
    width = np.array(_NASAL_BANDWIDTH)
    pole = quadratic(tracks.nasal_pole[rows], width)
    zero = quadratic(tracks.nasal_zero[rows], width)
    poles = cascade(np.concatenate((resonances, pole[:, np.newaxis]), axis=1))
    # Normalised to unity at 0 Hz, as for a tube.
    gains = poles.sum(axis=1) / zero.sum(axis=1)
    return response(zero * gains[:, np.newaxis]) / response(poles)


def _constriction(tracks: Tracks, rows: NDArray[np.intp]) -> Complexes:
    """Return the response of the cavity in front of a constriction in some frames."""
    centres, widths = tracks.frication[rows, :, 0], tracks.frication[rows, :, 1]
    poles = cascade(quadratic(centres, widths))
    # Each resonance is scaled to about unity at its centre; nothing passes at 0 Hz.
    narrow = 1.0 - np.exp(-np.pi * widths / SAMPLE_RATE)
    angle = 2.0 * np.pi * centres / SAMPLE_RATE
    scale = (narrow * 2.0 * np.abs(np.sin(angle))).prod(axis=1)
    return response(np.stack((scale, -scale), axis=1)) / response(poles)
