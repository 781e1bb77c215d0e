"""Figures of the recipe, one function per experiment."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from anomalies import Detection
from dirichlet import Clusters
from fitting import KINDS, STARTS, Course, Limit, Scored
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from numpy.typing import NDArray
from speech import LOUD, Frames

from speakergmm.estimators import Selection
from speakergmm.reports import PALETTE, draw_components

BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK, OLIVE = PALETTE
GREY = "#59626d"
CLOUD = "#9aa5b1"
KIND_STYLES = dict(zip(KINDS, ((SKY, "^"), (GREEN, "s"), (ORANGE, "v"), (BLUE, "o")), strict=True))
AXES = ("c1", "c2")
Array = NDArray[np.float64]


@contextmanager
def style() -> Iterator[None]:
    """Apply one style to all figures."""
    look = {
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.color": "#e4e8ec",
        "axes.axisbelow": True,
        "legend.fontsize": 8.5,
        "legend.framealpha": 0.9,
        "svg.fonttype": "none",
    }
    with mpl.rc_context(look):
        yield


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def _cloud(axes: Any, frames: Array, limits: tuple[Array, Array], **options: Any) -> None:
    axes.plot(
        *frames.T,
        **{"marker": ".", "markersize": 2.5, "color": CLOUD, "linestyle": "none", "alpha": 0.45}
        | options,
    )
    axes.set(xlim=limits[0], ylim=limits[1], xlabel=AXES[0], ylabel=AXES[1])
    axes.grid(False)


def _limits(frames: Array) -> tuple[Array, Array]:
    """Return limits of the axes that leave out the outermost 0.5 % of the frames."""
    low, high = np.quantile(frames, [0.005, 0.995], axis=0)
    margin = 0.08 * (high - low)
    return tuple(np.stack([low - margin, high + margin], axis=1))  # type: ignore[return-value]


def draw_kinds(frames: Array, drawn: Sequence[Scored], path: Sequence[Scored]) -> Figure:
    """Plot four kinds of covariance over the frames, and log-likelihoods against parameters."""
    figure = _figure(11, 6.4)
    grid = figure.add_gridspec(2, 3, width_ratios=(1, 1, 1.25))
    for number, model in enumerate(drawn):
        axes = figure.add_subplot(grid[divmod(number, 2)])
        _cloud(axes, frames, _limits(frames))
        draw_components(axes, model.mixture)
        axes.set_title(
            f"{model.kind}: {model.n_parameters} parameters,\n"
            f"{model.held_out:.3f} nats per held-out frame"
        )
    axes = figure.add_subplot(grid[:, 2])
    for kind, (colour, marker) in KIND_STYLES.items():
        rows = [row for row in path if row.kind == kind]
        axes.plot(
            [row.n_parameters for row in rows],
            [row.held_out for row in rows],
            color=colour,
            marker=marker,
            label=kind,
        )
        axes.annotate(
            f"K = {rows[-1].n_components}",
            (rows[-1].n_parameters, rows[-1].held_out),
            xytext=(0, -15),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=GREY,
        )
    axes.set_xscale("log")
    axes.set(
        xlabel="number of parameters", ylabel="log-likelihood of eval speakers, nats per frame"
    )
    axes.set_title(f"all {path[0].mixture.n_features} cepstra, K doubling")
    axes.legend(title="covariances", loc="lower right")
    return figure


def draw_selection(found: Mapping[str, Selection]) -> Figure:
    """Plot the three criteria against the number of components."""
    figure = _figure(11, 3.9)
    for axes, (name, selection) in zip(figure.subplots(1, 3), found.items(), strict=True):
        selection.plot(axes)
        numbers = [row.n_components for row in selection.path]
        axes.set_xscale("log", base=2)
        shown = [number for number in numbers if number & (number - 1) == 0]
        axes.set_xticks(shown, [str(number) for number in shown])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_title(f"{name}: K = {selection.n_components}")
        if selection.criterion == "held_out":
            axes.set_ylabel("log-likelihood, nats per held-out frame")
    return figure


def draw_dirichlet(real: Clusters, planted: Clusters, n_planted: int) -> Figure:
    """Plot variational weights by concentration, and the chains and posterior of the sampler."""
    figure = _figure(11, 9)
    panels = figure.subplots(3, 2)
    names = ("frames of speech", f"frames of {n_planted} planted clusters")
    colours = (SKY, GREEN, BLUE, ORANGE, VERMILION, PINK)
    for column, (found, name) in enumerate(zip((real, planted), names, strict=True)):
        axes = panels[0, column]
        for (concentration, weights), colour in zip(found.weights.items(), colours, strict=False):
            axes.plot(
                np.arange(1, len(weights) + 1),
                np.maximum(weights, 1e-6),
                color=colour,
                marker="o",
                markersize=3.5,
                label=f"{concentration:g}: {found.n_used[concentration]}",
            )
        axes.axhline(0.01, color=GREY, linewidth=0.8, linestyle=":")
        axes.set(yscale="log", ylim=(1e-6, 1.5), xlabel="component, by weight")
        axes.set_ylabel("expected weight")
        axes.set_title(f"variational: {name}")
        axes.legend(
            title="concentration:\nnumber above 1 %", loc="upper left", bbox_to_anchor=(1.0, 1.04),
            title_fontsize=8.5, fontsize=8.5,
        )  # fmt: skip
        axes.set_xticks(range(1, len(weights) + 1, 3))
        _draw_chains(panels[1, column], found, name)
        axes = panels[2, column]
        sampled = found.frames[: len(found.gibbs.labels_)]
        _cloud(axes, sampled, _limits(found.frames), markersize=4, alpha=0.7)
        mixture = found.gibbs.mixture_
        heavy = mixture.weights > 0.02
        shown = type(mixture)(
            mixture.weights[heavy] / mixture.weights[heavy].sum(),
            mixture.means[heavy],
            mixture.covariances[heavy],
        )
        draw_components(axes, shown)
        axes.set_title(
            f"a partition of the chains: {len(heavy)} clusters, {heavy.sum()} above 2 % drawn"
        )
    return figure


def _draw_chains(axes: Any, found: Clusters, name: str) -> None:
    trace = found.gibbs.n_clusters_trace_
    step = max(1, trace.shape[1] // 400)
    for chain, colour in zip(trace, (SKY, GREEN, ORANGE, PINK), strict=False):
        axes.plot(np.arange(1, len(chain) + 1)[::step], chain[::step], color=colour, linewidth=0.7)
    axes.axvline(found.gibbs.samples_.burn_in, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="sweep (burn-in left of the dotted line)", ylabel="clusters")
    axes.set_xticks(np.linspace(0, trace.shape[1], 5)[:-1])
    axes.set_title(
        f"Gibbs: {name}\nR-hat {found.r_hat:.2f}, effective sample size "
        f"{found.effective_sample_size:.0f}"
    )
    posterior = found.gibbs.n_clusters_posterior_
    inset = axes.inset_axes((1.02, 0.0, 0.22, 1.0), sharey=axes)
    inset.barh(list(posterior), list(posterior.values()), color=BLUE, height=0.8)
    inset.set_xlabel("posterior")
    inset.tick_params(labelleft=False)


def draw_em(courses: Sequence[Course]) -> Figure:
    """Plot the log-likelihood against iterations, and its distance from the best maximum."""
    figure = _figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    colours = dict(zip(STARTS, (BLUE, GREEN, ORANGE, PINK, BLACK), strict=True))
    best = max(course.bounds[-1] for course in courses)
    for course in courses:
        label = course.start if course.seed == 0 else None
        numbers = np.arange(1, len(course.bounds) + 1)
        line = {"color": colours[course.start], "linewidth": 1.1, "alpha": 0.85}
        left.plot(numbers, course.bounds, label=label, **line)
        right.plot(numbers, np.maximum(best - course.bounds, 1e-4), **line)
        right.plot(numbers[-1], max(best - course.bounds[-1], 1e-4), "o", ms=4, color=line["color"])
    low = np.quantile([course.bounds[1] for course in courses if len(course.bounds) > 1], 0.02)
    left.set(xlabel="iteration", ylabel="log-likelihood, nats per frame", xscale="log")
    left.set_ylim(low, best + 0.05 * (best - low))
    left.set_title("each iteration of EM increases the log-likelihood")
    left.legend(title="start", loc="lower right")
    right.set(xlabel="iteration", ylabel="nats per frame below the best maximum", yscale="log")
    right.set_ylim(0.5e-4, 10)
    right.set_title("starts lead to different maxima (dots)")
    return figure


def draw_limit(frames: Array, found: Limit) -> Figure:
    """Plot the agreement with k-means against the standard deviation, and three partitions."""
    figure = _figure(11, 3.7)
    panels = figure.subplots(1, 4, width_ratios=(1.35, 1, 1, 1))
    axes = panels[0]
    axes.plot(found.deviations, 100 * found.agreement, "o-", color=BLUE, label="same label")
    axes.plot(
        found.deviations, 100 * found.certainty, "s--", color=VERMILION, label="mean top posterior"
    )
    axes.set(xscale="log", ylim=(0, 104), ylabel="% of frames")
    axes.set_xlabel("standard deviation of the components\n/ that of the frames")
    axes.invert_xaxis()
    axes.set_title("k-means as the limit")
    axes.legend(loc="lower right")
    for axes, at in zip(panels[1:], (0, len(found.deviations) // 2 - 1, -1), strict=True):
        deviation = found.deviations[at]
        labels = found.labels[deviation]
        differs = labels != found.kmeans
        _cloud(axes, frames[:0], _limits(frames))
        for k in np.unique(labels):
            chosen = frames[labels == k]
            axes.plot(*chosen.T, ".", markersize=2.5, color=PALETTE[k % len(PALETTE)], alpha=0.8)
        axes.plot(*frames[differs].T, "x", markersize=2.5, color=BLACK, alpha=0.35, mew=0.6)
        axes.set_title(f"{deviation:g}: {differs.sum()} frames differ (x)")
    return figure


def draw_detection(found: Mapping[str, Detection], example: Frames, target: float) -> Figure:
    """Plot scores, rates and one recording."""
    figure = _figure(11, 7.6)
    grid = figure.add_gridspec(2, 2)
    for column, (name, each) in enumerate(found.items()):
        _draw_scores(figure.add_subplot(grid[0, column]), name, each)
    axes = figure.add_subplot(grid[1, 0])
    for number, ((name, each), colour) in enumerate(
        zip(found.items(), (SKY, VERMILION), strict=True)
    ):
        for at, rate in enumerate(each.rates.values()):
            y = -at + (0.19 if number == 0 else -0.19)
            axes.barh(
                y, 100 * rate.rate, color=colour, height=0.36, label=name if at == 0 else None
            )
            axes.plot([100 * rate.low, 100 * rate.high], [y, y], color=BLACK, linewidth=1.2)
            x = min(100 * max(rate.high, rate.rate), 100) + 1.5
            axes.text(x, y, f"{100 * rate.rate:.1f}", va="center", fontsize=8.5)
    kinds = list(next(iter(found.values())).rates)
    axes.axvline(100 * target, color=GREY, linestyle=":", label=f"target, {100 * target:g} %")
    axes.set_yticks([-at for at in range(len(kinds))], kinds)
    axes.set(xlim=(0, 112), xticks=range(0, 101, 20))
    axes.set_xlabel("% of frames classified as anomalies, with 95 % intervals")
    axes.set_title("loud speech: false alarms; the others: detections")
    axes.legend(loc="upper right")
    _draw_recording(figure.add_subplot(grid[1, 1]), example, found["cepstra and level"])
    return figure


def _draw_scores(axes: Any, name: str, found: Detection) -> None:
    threshold = found.detector.threshold_
    pooled = np.concatenate(list(found.scores.values()))
    edges = np.linspace(threshold - 25, pooled.max(), 70)
    colours = (BLUE, SKY, VERMILION, GREEN, ORANGE, PINK)
    for (kind, scores), colour in zip(found.scores.items(), colours, strict=False):
        counts = np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0]
        share = 100 * counts / len(scores)
        is_main = kind in ("loud speech", "pauses")
        if is_main:
            axes.stairs(share, edges, fill=True, color=colour, alpha=0.2)
        width, line = (1.6, "solid") if is_main else (1.0, (0, (4, 1.5)))
        axes.stairs(share, edges, color=colour, linewidth=width, linestyle=line, label=kind)
    axes.axvline(threshold, color=BLACK, linewidth=1.2, label="threshold")
    axes.set(
        xlabel="log-likelihood per frame, nats (outermost bins contain the rest)", ylim=(0, 20)
    )
    axes.set_ylabel("% of the kind's frames per bin")
    axes.set_title(f"features: {name}")
    axes.legend(loc="upper left", fontsize=8)


def _draw_recording(axes: Any, example: Frames, found: Detection) -> None:
    times = 0.01 * np.arange(len(example))
    flagged = found.example_scores < found.detector.threshold_
    axes.plot(times, example.level, color=CLOUD, linewidth=1)
    axes.set_ylim(max(example.level.min(), -85) - 3, 30)
    for mask, colour, label in (
        (example.is_speech, BLUE, "labelled speech"),
        (example.is_pause, ORANGE, "labelled pause"),
    ):
        axes.fill_between(
            times, 0, 1, where=mask, transform=axes.get_xaxis_transform(), step="mid",
            color=colour, alpha=0.14, linewidth=0, label=label,
        )  # fmt: skip
    axes.plot(
        times[~flagged],
        example.level[~flagged],
        "o",
        ms=3,
        color=BLUE,
        label="classified as speech",
    )
    axes.plot(times[flagged], example.level[flagged], "x", ms=4, color=VERMILION, label="anomaly")
    axes.axhline(LOUD, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="time, s", ylabel="level of the frame, dB", xlim=(0, times[-1]))
    axes.grid(False)
    axes.set_title(f"a recording of eval speaker {example.speakers[0]}, by cepstra and level")
    axes.legend(loc="upper left", ncols=2, fontsize=8)
