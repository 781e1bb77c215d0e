"""Sources of the vocal tract: glottal pulses with jitter and shimmer, and breath."""

import numpy as np

from speakergmm.corpora.synthesis.voice import SAMPLE_RATE, Floats, Voice


def rosenberg_flow(
    phase: Floats, *, open_quotient: float = 0.6, speed_quotient: float = 2.0
) -> Floats:
    """Glottal flow over one cycle: slow opening, quick closing, closed phase.

    Parameters
    ----------
    phase : array
        Position in the cycle, from 0 (opening) to 1.
    open_quotient : float, default=0.6
        Share of the cycle in which the glottis is open, between 0 and 1.
    speed_quotient : float, default=2.0
        Duration of the opening divided by that of the closing; > 0.

    Returns
    -------
    array
        Flow between 0 and 1, same shape as `phase`; 0 outside the open phase.

    Notes
    -----
    The trigonometric pulse ("type C") that listeners preferred in [1]_.

    References
    ----------
    .. [1] Rosenberg, "Effect of glottal pulse shape on the quality of natural vowels", Journal of
       the Acoustical Society of America 49 (1971) 583-590.

    Examples
    --------
    >>> import numpy as np
    >>> rosenberg_flow(np.array([0.0, 0.2, 0.4, 0.6, 0.9])).round(3).tolist()
    [0.0, 0.5, 1.0, 0.0, 0.0]
    """
    opening = open_quotient * speed_quotient / (1.0 + speed_quotient)
    closing = open_quotient - opening
    rise = 0.5 - 0.5 * np.cos(np.pi * np.clip(phase / opening, 0.0, 1.0))
    fall = np.cos(0.5 * np.pi * np.clip((phase - opening) / closing, 0.0, 1.0))
    return np.where(phase <= opening, rise, fall)


def glottal_source(
    f0: Floats, voice: Voice, rng: np.random.Generator, *, tilt_shift: float = 0.0
) -> tuple[Floats, Floats]:
    """Differentiated glottal flow with a given f0 contour, and the flow itself.

    Parameters
    ----------
    f0 : array, shape (N,)
        Fundamental frequency at every sample, in Hz.
    voice : Voice
        The speaker, with jitter, shimmer, quotients and tilt.
    rng : numpy.random.Generator
        Generator of jitter and shimmer.
    tilt_shift : float, default=0.0
        Number added to the tilt of the voice.

    Returns
    -------
    derivative : array, shape (N,)
        Excitation of the tract, including lip radiation; its steepest slope is about -1.
    flow : array, shape (N,)
        Flow between 0 and about 1, with which breath is modulated.

    Notes
    -----
    The derivative is taken as the difference of the flow at successive samples: the exact average
    of the continuous derivative over a sample, so the jump at closure aliases little.
    """
    cycles = np.concatenate(([0.0], np.cumsum(f0 / SAMPLE_RATE)))[: len(f0)]
    n_cycles = int(cycles[-1]) + 2
    # Instants of opening in samples; the last ones lie beyond the end and close the last cycle.
    instants = np.interp(np.arange(n_cycles, dtype=float), cycles, np.arange(len(f0), dtype=float))
    period = SAMPLE_RATE / float(f0[-1])
    beyond = np.arange(n_cycles) > cycles[-1]
    instants[beyond] = (len(f0) - 1) + (np.arange(n_cycles)[beyond] - cycles[-1]) * period
    # Jitter shifts the instants, shimmer changes the amplitudes.
    lengths = np.diff(instants, append=instants[-1] + period)
    if voice.jitter > 0.0:
        shift = np.clip(rng.standard_normal(n_cycles) * voice.jitter, -0.2, 0.2)
        instants = instants + shift * lengths
        lengths = np.diff(instants, append=instants[-1] + period)
    gains = np.ones(n_cycles)
    if voice.shimmer > 0.0:
        gains = np.clip(1.0 + voice.shimmer * rng.standard_normal(n_cycles), 0.3, 1.7)
    # One additional sample, so that the difference has N values; phase in the cycle of each sample.
    time = np.arange(-1, len(f0), dtype=float)
    index = np.clip(np.searchsorted(instants, time, side="right") - 1, 0, n_cycles - 1)
    length = lengths[index]
    phase = np.clip((time - instants[index]) / length, 0.0, 1.0)
    flow = rosenberg_flow(
        phase, open_quotient=voice.open_quotient, speed_quotient=voice.speed_quotient
    )
    flow *= gains[index]
    # The flow is scaled by the period so that the slope at closure, which excites the tract,
    # does not grow with f0.
    closing = voice.open_quotient / (1.0 + voice.speed_quotient)
    derivative = np.diff(flow * length * (closing * 2.0 / np.pi))
    tilt = float(np.clip(voice.tilt + tilt_shift, 0.0, 0.9))
    if tilt > 0.0:
        from scipy.signal import lfilter

        derivative = lfilter([1.0 - tilt], [1.0, -tilt], derivative)
    return derivative, flow[1:]
