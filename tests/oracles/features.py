"""Features written down as the papers and manuals have them: slow, in float64, one loop a sum."""

import cmath
import math
from statistics import NormalDist

import numpy as np


def hamming(n):
    return [0.54 - 0.46 * math.cos(2 * math.pi * i / (n - 1)) for i in range(n)]


def povey(n):
    return [(0.5 - 0.5 * math.cos(2 * math.pi * i / (n - 1))) ** 0.85 for i in range(n)]


def htk_mel(hertz):
    return 2595.0 * math.log10(1.0 + hertz / 700.0)


def identity(hertz):
    return hertz


def spectrum(frame, n_fft):
    """Magnitudes of bins 0 ... n_fft / 2 by the sum that defines the Fourier transform."""
    return [
        abs(sum(x * cmath.exp(-2j * math.pi * k * i / n_fft) for i, x in enumerate(frame)))
        for k in range(n_fft // 2 + 1)
    ]


def filter_weight(hertz, filter_number, *, n_filters, low, high, scale):
    """Triangle `filter_number` (from 0) of filters evenly spaced on a scale, at a frequency."""
    step = (scale(high) - scale(low)) / (n_filters + 1)
    left = scale(low) + filter_number * step
    x = scale(hertz)
    if left < x <= left + step:
        return (x - left) / step
    if left + step < x < left + 2 * step:
        return (left + 2 * step - x) / step
    return 0.0


def cepstra(
    samples,
    *,
    rate,
    length,
    shift,
    n_fft,
    n_filters,
    n_ceps,
    low=0.0,
    high=None,
    scale=htk_mel,
    window=hamming,
    pre_emphasis=0.97,
    remove_dc=False,
    power=False,
    floor=1.0,
    lifter=22,
    c0_factor=1.0,
):
    """Rows of c1 ... c_n, c0, log energy of each frame that lies inside the samples."""
    high = rate / 2 if high is None else high
    taper = window(length)
    rows = []
    for start in range(0, len(samples) - length + 1, shift):
        frame = [float(x) for x in samples[start : start + length]]
        if remove_dc:
            mean = sum(frame) / length
            frame = [x - mean for x in frame]
        log_energy = math.log(max(sum(x * x for x in frame), floor))
        emphasised = [frame[0] * (1 - pre_emphasis)]
        emphasised += [frame[i] - pre_emphasis * frame[i - 1] for i in range(1, length)]
        magnitudes = spectrum([x * w for x, w in zip(emphasised, taper, strict=True)], n_fft)
        logs = []
        for m in range(n_filters):
            total = 0.0
            for k, magnitude in enumerate(magnitudes):
                weight = filter_weight(
                    k * rate / n_fft, m, n_filters=n_filters, low=low, high=high, scale=scale
                )
                total += weight * (magnitude**2 if power else magnitude)
            logs.append(math.log(max(total, floor)))
        row = []
        for n in [*range(1, n_ceps + 1), 0]:
            c = math.sqrt(2 / n_filters) * sum(
                logs[j - 1] * math.cos(math.pi * n / n_filters * (j - 0.5))
                for j in range(1, n_filters + 1)
            )
            c *= 1 + lifter / 2 * math.sin(math.pi * n / lifter) if lifter else 1.0
            row.append(c * (c0_factor if n == 0 else 1.0))
        rows.append([*row, log_energy])
    return np.array(rows)


def deltas(values, window):
    """Regression slope with the first and the last frame repeated beyond the ends."""
    n_frames, n_features = values.shape
    found = np.zeros((n_frames, n_features))
    for t in range(n_frames):
        for n in range(1, window + 1):
            ahead = values[min(t + n, n_frames - 1)]
            behind = values[max(t - n, 0)]
            found[t] += n * (ahead.astype(float) - behind)
    return found / (2 * sum(n * n for n in range(1, window + 1)))


def window_of(t, n_frames, window):
    """Frames of the window about t: centred, and shifted inside near the ends."""
    if n_frames <= window:
        return list(range(n_frames))
    first = min(max(t - window // 2, 0), n_frames - window)
    return list(range(first, first + window))


def speech_of(frames, speech):
    """Those of the frames that are speech, or all if none is."""
    return [s for s in frames if speech[s]] or frames


def sliding(values, speech, window, variance):
    """Mean (and variance) normalisation, window by window."""
    found = np.zeros(values.shape)
    for t in range(len(values)):
        used = values[speech_of(window_of(t, len(values), window), speech)].astype(float)
        found[t] = values[t] - used.mean(axis=0)
        if variance:
            deviation = used.std(axis=0)
            found[t] /= np.where(deviation > 1e-5, deviation, 1.0)
    return found


def warp(values, speech, window):
    """Pelecanos and Sridharan 2001, frame by frame; equal values rank in order of time."""
    found = np.zeros(values.shape)
    for t in range(len(values)):
        used = speech_of(window_of(t, len(values), window), speech)
        n = len(used)
        for d in range(values.shape[1]):
            own = (values[t, d], t)
            rank = 1 + sum((values[s, d], s) > own for s in used)
            found[t, d] = NormalDist().inv_cdf((n + 0.5 - min(rank, n)) / n)
    return found


def rasta(values):
    """The difference equation, from a past in which the first frame had gone on for ever."""
    x = np.concatenate([np.repeat(values[:1], 4, axis=0), values]).astype(float)
    y = np.zeros(values.shape[1])
    found = []
    for t in range(4, len(x)):
        y = 0.98 * y + 0.1 * (2 * x[t] + x[t - 1] - x[t - 3] - 2 * x[t - 4])
        found.append(y)
    return np.array(found)


def energy_decisions(log_energy, *, threshold, mean_scale, context, proportion, hangover=0):
    """Kaldi's rule, and hangover after it."""
    limit = threshold + mean_scale * sum(log_energy) / len(log_energy)
    voted = []
    for t in range(len(log_energy)):
        voters = [s for s in range(t - context, t + context + 1) if 0 <= s < len(log_energy)]
        loud = sum(log_energy[s] > limit for s in voters)
        voted.append(loud > len(voters) * proportion)
    return np.array([any(voted[max(0, t - hangover) : t + 1]) for t in range(len(voted))])


def averaged(energies):
    """Means over each frame and its neighbours."""
    found = []
    for t in range(len(energies)):
        near = [energies[u] for u in (t - 1, t, t + 1) if 0 <= u < len(energies)]
        found.append(sum(near) / len(near))
    return found


def peak(energies):
    """The averaged energy, not 0, above which 2 % lie, or a fifth of seldom loud ones if fewer."""
    means = averaged(energies)
    ordered = sorted(energy for energy in means if energy > 0)
    quiet = [means[t] for t in quiet_frames(energies)]
    noise = sum(quiet) / len(quiet)
    above = len(ordered) - 1 - math.floor(0.98 * (len(ordered) - 1))
    loud = sum(math.log(energy / noise) > 2 for energy in ordered)
    if loud >= 10:
        above = min(above, math.floor(loud / 5))
    return ordered[len(ordered) - 1 - above]


def quiet_frames(energies):
    """The numbers of the frames of the quietest quarter, digital silence aside."""
    means = averaged(energies)
    ordered = sorted((mean, t) for t, mean in enumerate(means) if mean > 0)
    return [t for _, t in ordered[: math.floor(0.25 * (len(ordered) - 1)) + 1]]


def local_snr_weights(powers, energies, *, midpoint, slope):
    """Soft decisions about frames, by filter powers (T, F) and energies of frames."""
    gain = math.exp(25.0) / peak(energies)
    n_filters = len(powers[0])
    quiet = quiet_frames(energies)
    noise = [sum(gain * powers[t][m] for t in quiet) / len(quiet) for m in range(n_filters)]
    weights = []
    for row in powers:
        ratio = sum(math.log(gain * row[m] + 1) - math.log(noise[m] + 1) for m in range(n_filters))
        weights.append(1 / (1 + math.exp(-(ratio / n_filters - midpoint) / slope)))
    return weights
