"""Pictures of alignments: waveform and spectrogram above tiers of words and phones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.features import FrameGrid
from speakergmm.features.framing import window
from speakergmm.files import atomic_writer
from speakergmm.metrics import TimedLabel
from speakergmm.reports.svg import figure_style, render_figure, svg_element

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png", ".pdf")
"""Endings of the picture files that can be written."""

# Six milliseconds resolve single glottal pulses, so that formants appear as bands.
_WINDOW_SECONDS = 0.006
_RANGE_DB = 60.0
_TOP_HZ = 8000.0
_MOST_COLUMNS = 4000
_INCHES_PER_SECOND = 2.6
_NARROWEST, _WIDEST = 7.0, 60.0
# Colours of confidences from 0 to 1: orange to a light blue on which black letters are legible.
_UNSURE, _SURE = np.array([0.90, 0.42, 0.10]), np.array([0.84, 0.91, 0.97])
_UNKNOWN = (0.94, 0.94, 0.94)
_POINT = 1 / 72
# Lines at the boundaries of the first tier and of the second one.
_STRONG: dict[str, Any] = {"color": "#c0392b", "linewidth": 1.1, "alpha": 0.9, "zorder": 3}
_WEAK: dict[str, Any] = {"color": "#2471a3", "linewidth": 0.6, "alpha": 0.75, "zorder": 2}


def draw_alignment(
    samples: NDArray[np.floating[Any]],
    sample_rate: int,
    tiers: Mapping[str, Sequence[TimedLabel]],
    *,
    title: str = "",
    start: float = 0.0,
    inches_per_second: float = _INCHES_PER_SECOND,
) -> Figure:
    """Draw a waveform and a spectrogram above the labels of some tiers.

    Parameters
    ----------
    samples : array of float, shape (n,)
        The segment to draw; full scale is 1.
    sample_rate : int
        Sample rate, in Hz.
    tiers : mapping of str to sequence of TimedLabel
        The tiers from top to bottom. The boundaries of the first tier are drawn through the
        spectrogram as thick lines, those of the second as thin ones. The colour of a label shows
        its confidence or, if it has none, the posterior of its position; the number is written
        below the label if there is room.
    title : str
        Title above the picture; none by default.
    start : float, default=0.0
        Time of the first sample, in seconds, on the time axis of the labels.
    inches_per_second : float, default=2.6
        Scale of the time axis; the picture is between 7 and 60 inches wide.

    Returns
    -------
    matplotlib.figure.Figure
        The picture, for `write_picture` or `picture_svg`.

    Raises
    ------
    InvalidInputError
        If there are less than 12 ms of samples, or no tiers.
    """
    from matplotlib.figure import Figure

    signal = np.asarray(samples, dtype=np.float64)
    if signal.ndim != 1 or len(signal) < 2 * _WINDOW_SECONDS * sample_rate or not tiers:
        raise InvalidInputError(
            "a picture needs one-dimensional samples of at least 12 ms and a tier, found shape "
            f"{signal.shape} at {sample_rate} Hz and {len(tiers)} tiers"
        )
    seconds = len(signal) / sample_rate
    width = float(np.clip(seconds * inches_per_second + 1.2, _NARROWEST, _WIDEST))
    heights = [0.7, 2.3, *(0.5 for _ in tiers)]
    with _plain_style():
        figure = Figure(figsize=(width, sum(heights) + 1.0))
        figure.set_layout_engine("constrained", h_pad=0.01, hspace=0.0)
        panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _draw_waveform(panels[0], signal, sample_rate, start)
        _draw_spectrogram(panels[1], signal, sample_rate, start)
        inches = (width - 1.2) / seconds
        for axes, (name, labels) in zip(panels[2:], tiers.items(), strict=True):
            _draw_tier(axes, name, labels, start, start + seconds, inches)
        for line, labels in zip((_STRONG, _WEAK), tiers.values(), strict=False):
            for time in sorted({time for item in labels for time in (item.start, item.end)}):
                for axes in panels[:2]:
                    axes.axvline(time, **line)
        if title:
            # A dollar sign in a file name is not the beginning of a formula.
            figure.suptitle(title, fontsize=11, parse_math=False)
        panels[-1].set_xlim(start, start + seconds)
        panels[-1].set_xlabel("time in seconds; colour and number: posterior probability")
    return figure


def write_picture(path: str | Path, figure: Figure, *, dots_per_inch: int = 130) -> None:
    """Write a figure to a file in the format of its ending, completely or not at all.

    Parameters
    ----------
    path : path
        The file, which ends in .svg, .png or .pdf.
    figure : matplotlib.figure.Figure
    dots_per_inch : int, default=130
        Resolution of a PNG, and of the spectrogram in the other formats.

    Raises
    ------
    InvalidInputError
        If the file name has another ending.
    SpeakerGmmError
        If the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInputError(f"{path}: the name of a picture must end in {', '.join(SUFFIXES)}")
    # No date is written, so that the same picture has the same bytes.
    date: dict[str, Any] = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
    with _plain_style():
        picture = render_figure(figure, format=suffix[1:], dpi=dots_per_inch, metadata=date)
    with atomic_writer(path) as file:
        file.write(picture)


def picture_svg(figure: Figure, *, prefix: str = "alignment", dots_per_inch: int = 130) -> str:
    """Return a figure as an ``<svg>`` element for an HTML page.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    prefix : str
        Prefix of all ids, which must differ from those of other figures of the page.
    dots_per_inch : int, default=130
        Resolution of the spectrogram, which is an embedded image: the content policy of the page
        must allow ``img-src data:``.

    Returns
    -------
    str
    """
    with _plain_style():
        return svg_element(figure, prefix=prefix, dpi=dots_per_inch)


def spectrogram(
    samples: NDArray[np.floating[Any]], sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.floating[Any]], NDArray[np.float64]]:
    """Compute a wide-band spectrogram.

    Parameters
    ----------
    samples : array of float, shape (n,)
        The samples, at least 6 ms.
    sample_rate : int
        Sample rate, in Hz.

    Returns
    -------
    levels : array, shape (F, T)
        Level relative to the loudest point, in dB, at least -60.
    frequencies : array, shape (F,)
        Frequencies in Hz, at most 8 kHz.
    times : array, shape (T,)
        Centres of the windows, in seconds from the first sample: at most 4,000, evenly spaced.
    """
    signal = np.asarray(samples, dtype=np.float64)
    length = max(4, round(_WINDOW_SECONDS * sample_rate))
    emphasised = np.append(signal[:1], signal[1:] - 0.97 * signal[:-1])
    shift = max(1, round(0.001 * sample_rate), -(-(len(signal) - length) // (_MOST_COLUMNS - 1)))
    frames = np.lib.stride_tricks.sliding_window_view(emphasised, length)[::shift]
    n_fft = max(256, 1 << (length - 1).bit_length())
    power = np.abs(np.fft.rfft(frames * window("hann", length), n_fft, axis=1)) ** 2
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    kept = frequencies <= _TOP_HZ
    power = np.asarray(power[:, kept].T, dtype=np.float64)
    loudest = power.max()
    floor = 10 ** (-_RANGE_DB / 10)
    levels = 10 * np.log10(np.maximum(power / loudest if loudest > 0 else power, floor))
    grid = FrameGrid(length / sample_rate, shift / sample_rate, start=0.0, n_frames=len(frames))
    return np.asarray(levels), frequencies[kept], grid.centres


def _draw_waveform(axes: Axes, signal: NDArray[np.float64], sample_rate: int, start: float) -> None:
    """Draw the range of the samples in each column of the waveform."""
    step = max(1, len(signal) // _MOST_COLUMNS)
    edges = np.arange(0, len(signal), step)
    low, high = np.minimum.reduceat(signal, edges), np.maximum.reduceat(signal, edges)
    times = start + (edges + step / 2) / sample_rate
    axes.fill_between(times, low, high, color="#33557a", linewidth=0.3)
    reach = float(np.max(np.abs(signal))) or 1.0
    axes.set_ylim(-1.05 * reach, 1.05 * reach)
    axes.set_yticks([])
    axes.set_ylabel("wave", rotation=0, ha="right", va="center")


def _draw_spectrogram(
    axes: Axes, signal: NDArray[np.float64], sample_rate: int, start: float
) -> None:
    levels, frequencies, times = spectrogram(signal, sample_rate)
    half = (times[1] - times[0]) / 2 if len(times) > 1 else _WINDOW_SECONDS / 2
    extent = (start + times[0] - half, start + times[-1] + half, 0.0, float(frequencies[-1]) / 1000)
    axes.imshow(
        levels,
        origin="lower",
        aspect="auto",
        extent=extent,
        cmap="gray_r",
        interpolation="bilinear",
        interpolation_stage="data",
        vmin=-_RANGE_DB,
        vmax=-5.0,
    )
    axes.set_ylabel("kHz", rotation=0, ha="right", va="center")


def _draw_tier(
    axes: Axes,
    name: str,
    labels: Sequence[TimedLabel],
    start: float,
    end: float,
    inches_per_second: float,
) -> None:
    """Draw a box for each label in the colour of its confidence."""
    for item in labels:
        if item.end <= start or item.start >= end:
            continue
        first, last = max(item.start, start), min(item.end, end)
        sure = item.posterior if np.isnan(item.confidence) else item.confidence
        axes.axvspan(first, last, facecolor=confidence_colour(sure), edgecolor="#5d6d7e", lw=0.6)
        room = (last - first) * inches_per_second
        size, turned = _fitting(item.label, room)
        if size == 0:
            continue
        with_number = not turned and not np.isnan(sure) and room > 0.24
        write = partial(axes.text, (first + last) / 2, ha="center", clip_on=True)
        write(
            0.66 if with_number else 0.5,
            item.label,
            fontsize=size,
            rotation=90 if turned else 0,
            va="center" if turned else "center_baseline",
            parse_math=False,
        )
        if with_number:
            write(0.2, f"{sure:.2f}", fontsize=5.5, color="#34495e", va="center_baseline")
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_ylabel(name, rotation=0, ha="right", va="center")


def confidence_colour(confidence: float) -> tuple[float, ...]:
    """Return the colour of a confidence: light blue for 1, orange for 0, grey for NaN.

    >>> confidence_colour(float("nan"))
    (0.94, 0.94, 0.94)
    """
    if np.isnan(confidence):
        return _UNKNOWN
    share = float(np.clip(confidence, 0.0, 1.0))
    return tuple((share * _SURE + (1 - share) * _UNSURE).tolist())


def _fitting(label: str, room: float) -> tuple[float, bool]:
    """Return the font size of a label in points, 0 if nothing fits, and whether it is rotated."""
    if not label:
        return 0.0, False
    needed = 0.62 * len(label) * _POINT
    for size in (9.0, 8.0, 7.0, 6.0):
        if needed * size <= room:
            return size, False
    # A rotated line needs its height in the width of the box, and its length in the height.
    for size in (7.0, 6.0, 5.0):
        if 1.15 * size * _POINT <= room and needed * size <= 0.48:
            return size, True
    return (4.5, len(label) > 1) if room > 4.5 * _POINT and needed * 4.5 <= 0.48 else (0.0, False)


def _plain_style() -> Any:
    lines = dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6)
    white = dict.fromkeys(("figure.facecolor", "axes.facecolor"), "white")
    return figure_style("alignment", **{"font.size": 8.5}, **lines, **white)
