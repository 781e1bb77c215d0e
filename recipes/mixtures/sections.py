"""Sections of the page, one per experiment: the question, the figure, the table."""

import figures
import numpy as np
from anomalies import Detection
from dirichlet import Clusters
from fitting import Course, Limit, Scored
from numpy.typing import NDArray
from page import Section
from settings import Settings
from speech import Frames

from speakergmm.estimators import Selection

Array = NDArray[np.float64]


def kinds(frames: Array, drawn: list[Scored], path: list[Scored]) -> Section:
    rows = [
        [
            "c1, c2" if row in drawn else f"{row.mixture.n_features} cepstra",
            row.kind,
            str(row.n_components),
            str(row.n_parameters),
            f"{row.fitted:.3f}",
            f"{row.held_out:.3f}",
        ]
        for row in (*drawn, *path)
    ]
    return Section(
        "kinds",
        "Four kinds of covariance",
        "Mixtures of speech frames of background speakers, judged on frames of eval speakers. "
        "Ellipses lie at two standard deviations; the wider their line, the larger the weight. On "
        "the right, all cepstra: what counts is the log-likelihood of new speakers, relative to "
        "the number of parameters.",
        figures.draw_kinds(frames, drawn, path),
        ("features", "covariances", "K", "parameters", "nats per training frame", "held out"),
        rows,
    )


def selection(found: dict[str, Selection]) -> Section:
    rows = []
    for name, each in found.items():
        for row in each.path:
            rows.append(
                [
                    name,
                    str(row.n_components) + (" (chosen)" if row is each.chosen else ""),
                    f"{row.value:.3f}" if each.criterion == "held_out" else f"{row.value:.0f}",
                    f"{row.difference_error:.3g}",
                    str(row.n_parameters),
                    row.convergence,
                ]
            )
    return Section(
        "selection",
        "How many components?",
        "Full covariances, all cepstra. BIC and randomly held-out frames measure how well frames "
        "of the training speakers are modelled: held-out frames often lie less than a tenth of a "
        "second from training frames. Held-out speakers measure how well new speakers are "
        "modelled, which components that are specific to training speakers make worse. Bars are "
        "one standard error of the difference to the best K.",
        figures.draw_selection(found),
        ("criterion", "K", "value", "error of the difference", "parameters", "fits"),
        rows,
    )


def dirichlet(real: Clusters, planted: Clusters, settings: Settings) -> Section:
    rows = []
    for name, found in (("speech", real), (f"{settings.n_planted} planted", planted)):
        for concentration, used in found.n_used.items():
            settled = found.ends[concentration]
            rows.append(
                [name, "variational", f"concentration {concentration:g}", str(used), settled]
            )
        posterior = found.gibbs.n_clusters_posterior_
        mode = max(posterior, key=lambda k: posterior[k])
        rows.append(
            [
                name,
                "Gibbs",
                f"{len(found.gibbs.labels_)} frames, {settings.n_sweeps} sweeps",
                f"{mode} (posterior {posterior[mode]:.2f}); 90 %: {_interval(posterior)}",
                f"R-hat {found.r_hat:.3f}, effective sample size {found.effective_sample_size:.0f}",
            ]
        )
    return Section(
        "dirichlet",
        "The Dirichlet process finds the number of clusters",
        "Left, frames of speech (c1 and c2), which have no true number of Gaussians; right, as "
        "many frames drawn from a mixture with a known number. Variational inference empties those "
        f"of {settings.n_most} components that it does not need; collapsed Gibbs sampling draws "
        "partitions, and thereby the posterior of the number of clusters. If R-hat exceeds 1.01, "
        "the chains have not converged, and the posterior is only approximate.",
        figures.draw_dirichlet(real, planted, settings.n_planted),
        ("frames", "method", "settings", "clusters (variational: above 1 %)", "convergence"),
        rows,
    )


def _interval(posterior: dict[int, float]) -> str:
    numbers, shares = np.array(list(posterior)), np.cumsum(list(posterior.values()))
    return f"{numbers[np.searchsorted(shares, 0.05)]} to {numbers[np.searchsorted(shares, 0.95)]}"


def convergence(courses: list[Course]) -> Section:
    rows = []
    for start in dict.fromkeys(course.start for course in courses):
        runs = [course for course in courses if course.start == start]
        ends = [course.bounds[-1] for course in runs]
        steps = [len(course.bounds) for course in runs]
        rows.append(
            [
                start,
                str(len(runs)),
                f"{min(steps)} to {max(steps)}",
                f"{min(ends):.3f} to {max(ends):.3f}",
                f"{np.mean([course.seconds for course in runs]):.2f}",
                f"{max(course.largest_decrease for course in runs):.1e}",
            ]
        )
    return Section(
        "convergence",
        "How EM converges",
        "Diagonal covariances, all cepstra, several random starts of each kind. The log-likelihood "
        "never decreases (the last column is its largest decrease in all runs, in nats per frame); "
        "its maximum depends on the start.",
        figures.draw_em(courses),
        ("start", "runs", "iterations", "log-likelihood per frame", "seconds", "largest decrease"),
        rows,
    )


def limit(frames: Array, found: Limit) -> Section:
    rows = [
        [f"{deviation:g}", f"{100 * same:.2f}", f"{100 * sure:.2f}"]
        for deviation, same, sure in zip(
            found.deviations, found.agreement, found.certainty, strict=True
        )
    ]
    return Section(
        "kmeans",
        "K-means as the limit",
        "All components have one spherical covariance, which is fixed; EM fits weights and means, "
        "from the centres from which k-means starts. As the covariance shrinks, posteriors "
        "approach 0 and 1, and the most probable component of every frame is its cluster in "
        "k-means.",
        figures.draw_limit(frames, found),
        ("standard deviation / that of the frames", "same label, %", "mean top posterior, %"),
        rows,
    )


def anomalies(found: dict[str, Detection], example: Frames, settings: Settings) -> Section:
    rows = [
        [
            name,
            kind,
            str(rate.n_frames),
            str(rate.n_sources),
            f"{100 * rate.rate:.2f}",
            f"{100 * rate.low:.2f} to {100 * rate.high:.2f}",
        ]
        for name, each in found.items()
        for kind, rate in each.rates.items()
    ]
    detectors = []
    for name, each in found.items():
        low, high = each.detector.threshold_interval_
        detectors.append(
            f"{name}: K = {each.detector.mixture_.n_components} (dev log-likelihood "
            + ", ".join(f"{score:.2f} for {k}" for k, score in each.path)
            + f"), threshold {each.detector.threshold_:.2f} nats ({low:.2f} to {high:.2f} if "
            "frames were independent)"
        )
    n_validation = next(iter(found.values())).detector.n_validation_
    return Section(
        "anomalies",
        "Frames without speech, as anomalies",
        "Full Gaussians of background speakers' loud speech (down to 13 dB below a recording's "
        f"loud frames); the threshold is set for {100 * settings.false_alarm:g} % of the "
        f"{n_validation} frames of loud speech of dev speakers. {'; '.join(detectors)}. Judged on "
        "eval speakers and on noises of four kinds; intervals are bootstrapped over speakers, or "
        "recordings of noise. Anomalies are defined by low density only: the cepstra of a noise "
        "with a flat spectrum lie among those of speech, and are not anomalous. The level "
        "separates loud speech from everything softer; but frames were labelled by their level, "
        "too, and soft speech is rejected together with the pauses.",
        figures.draw_detection(found, example, settings.false_alarm),
        ("features", "frames of", "frames", "speakers or recordings", "anomalies, %", "95 %"),
        rows,
    )
