"""Each experiment as a section of the page: what is asked, the picture, the figures."""

import figures
import numpy as np
from anomalies import Detection
from dirichlet import Found
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
        "the right, all cepstra: what counts is the log-likelihood of new people for the "
        "parameters it takes.",
        figures.draw_kinds(frames, drawn, path),
        ("features", "covariances", "K", "parameters", "nats per fitted frame", "held out"),
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
        "Full covariances, all cepstra. BIC and randomly held-out frames ask how well these "
        "people's frames are described: the frames held out were spoken by those who were fitted, "
        "often less than a tenth of a second away. Held-out speakers ask about new people, to whom "
        "components that fit only the old ones do harm. Bars are one standard error of the "
        "difference to the best K.",
        figures.draw_selection(found),
        ("criterion", "K", "value", "error of the difference", "parameters", "fits"),
        rows,
    )


def dirichlet(real: Found, planted: Found, settings: Settings) -> Section:
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
        "many frames drawn from a mixture whose number is known. Variational inference empties "
        f"those of {settings.n_most} components that it does not need; collapsed Gibbs sampling "
        "draws partitions, and so a posterior over the number of clusters. R-hat above 1.01 says "
        "that the chains have not met and that the posterior is not to be trusted to the digit.",
        figures.draw_dirichlet(real, planted, settings.n_planted),
        ("frames", "method", "with", "clusters (variational: above 1 %)", "convergence"),
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
                f"{max(course.largest_fall for course in runs):.1e}",
            ]
        )
    return Section(
        "convergence",
        "How EM converges",
        "Diagonal covariances, all cepstra, several random starts of each kind. The log-likelihood "
        "never falls (the last column is its largest fall over all runs, in nats per frame); where "
        "it ends depends on the start.",
        figures.draw_em(courses),
        ("start", "runs", "iterations", "log-likelihood per frame", "seconds", "largest fall"),
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
        "One round covariance for all components, fixed; EM fits weights and means from the "
        "centres from which k-means starts. As the covariance shrinks, posteriors become certain, "
        "and the most probable component of every frame is its cluster in k-means.",
        figures.draw_limit(frames, found),
        ("deviation / that of the frames", "same label, %", "mean top posterior, %"),
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
            f"{name}: K = {each.detector.n_components} (dev log-likelihood "
            + ", ".join(f"{score:.2f} for {k}" for k, score in each.path)
            + f"), threshold {each.detector.threshold_:.2f} nats ({low:.2f} to {high:.2f} if "
            "frames were independent)"
        )
    n_validation = next(iter(found.values())).detector.n_validation_
    return Section(
        "anomalies",
        "Frames that are no speech, as anomalies",
        "Full Gaussians of background speakers' loud speech (down to 13 dB below a recording's "
        f"loud frames); the threshold is set for {100 * settings.false_alarm:g} % of the "
        f"{n_validation} frames of loud speech of dev speakers. {'; '.join(detectors)}. Judged on "
        "eval speakers and on noises of four kinds; intervals are bootstraps over speakers, or "
        "recordings of noise. Rareness is all that makes an anomaly: a noise whose flat spectrum "
        "lies amid those of speech is none by its cepstra. The level tells what is softer than "
        "loud speech; but by level the frames were labelled, too, and soft speech goes with the "
        "pauses.",
        figures.draw_detection(found, example, settings.false_alarm),
        ("features", "frames of", "frames", "speakers or recordings", "anomalies, %", "95 %"),
        rows,
    )
