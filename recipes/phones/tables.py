"""Figures of a run, as rows of a table in Markdown."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from confidence import JudgedWords, area, calibration_error, with_interval
from material import Material
from settings import Search
from stages import SILENCE, Run

from speakergmm.corpora import Corpus
from speakergmm.hmm import BackoffLanguageModel
from speakergmm.metrics import (
    TranscriptionErrors,
    boundary_errors,
    phone_errors,
    summarise_boundaries,
    transcription_intervals,
    word_errors,
)
from speakergmm.recognition import AcousticModel, AlignedUtterance

ERRORS = ("error %", "95 % interval", "substituted", "deleted", "inserted", "of")
"""Headings of `error_cells`."""

Found = Mapping[str, Sequence[str]]


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def heading(*cells: str) -> None:
    """Print the first rows of a table."""
    print()
    row(*cells)
    row(*["---"] * len(cells))


def errors_of_phones(material: Material, found: Found) -> TranscriptionErrors:
    """Count against the first pronunciation of each word, silence left out."""
    test = material.test
    return phone_errors(material.phones(test), found, speakers=material.speakers(test))


def errors_of_words(material: Material, found: Found) -> TranscriptionErrors:
    """Count against the transcripts."""
    test = material.test
    return word_errors(material.said(test), found, speakers=material.speakers(test))


def error_cells(errors: TranscriptionErrors) -> list[str]:
    """Error rate with its interval, and what it is made of."""
    counts = errors.counts
    cells = [f"{100 * errors.error_rate:.2f}"]
    between = transcription_intervals(errors)["error_rate"]
    cells.append("-" if between is None else f"{100 * between.low:.1f} to {100 * between.high:.1f}")
    parts = (counts.substitutions, counts.deletions, counts.insertions, counts.n_reference)
    return [*cells, *map(str, parts)]


def phone_cells(
    run: Run, model: AcousticModel, bigram: BackoffLanguageModel, search: Search | None = None
) -> list[str]:
    """Recognise the phones of the test part, and count."""
    return error_cells(errors_of_phones(run.material, run.recognise_phones(model, bigram, search)))


def word_cells(run: Run, model: AcousticModel, search: Search | None = None) -> list[str]:
    """Recognise the words of the test part, and count."""
    return error_cells(errors_of_words(run.material, run.recognise_words(model, search)))


def describe_alignment(run: Run, aligned: Sequence[AlignedUtterance]) -> None:
    """Print durations, the share of silence, and errors of boundaries where they are known."""
    phones = [p for a in aligned for p in a.alignment.phones]
    spoken = [p.n_frames / 100 for p in phones if p.label != SILENCE]
    frames = sum(p.n_frames for p in phones)
    silent = frames - round(100 * sum(spoken))
    deciles = statistics.quantiles(spoken, n=20)
    pauses = sum(p.label == SILENCE for p in phones)
    posterior = statistics.fmean(p.posterior for p in phones)
    heading("alignment of the training part", "")
    row("utterances aligned", f"{len(aligned)} of {len(run.material.train)}")
    row("phones, pauses", f"{len(spoken)}, {pauses}")
    row("median duration of a phone", f"{1000 * statistics.median(spoken):.0f} ms")
    row("5th and 95th percentile", f"{1000 * deciles[0]:.0f} and {1000 * deciles[-1]:.0f} ms")
    shortest = sum(seconds <= 0.03 for seconds in spoken) / len(spoken)
    row("phones of the least duration, 30 ms", f"{100 * shortest:.1f} %")
    row("silence", f"{100 * silent / frames:.1f} % of frames")
    row("mean posterior of phones", f"{posterior:.3f}")


def boundary_cells(
    material: Material, aligned: Sequence[AlignedUtterance], corpus: Corpus
) -> list[str]:
    """Median and 90th percentile of the absolute errors of boundaries, in ms, with intervals."""
    assert material.boundaries is not None
    found = boundary_errors(
        material.boundaries, {a.utterance.id: a.phone_labels() for a in aligned}
    )
    figures = summarise_boundaries(found, clusters=material.speakers(corpus))
    cells = [str(len(found))]
    for name in ("median_absolute", "p90_absolute"):
        figure = figures[name]
        between = figure.interval
        width = (
            "" if between is None else f" ({1000 * between.low:.1f} to {1000 * between.high:.1f})"
        )
        cells.append(f"{1000 * figure.value:.1f}{width}")
    return cells


def confidence_rows(judged: JudgedWords) -> Iterator[list[str]]:
    """Compare what an alignment says of its words; and how far confidences are from the truth."""
    exchanged = f"{judged.wrong.sum()} of {len(judged.wrong)}"
    for name in ("confidence", "goodness", "posterior"):
        values = getattr(judged, name)
        value, between = with_interval(judged, lambda w, v=values: area(v, judged.wrong, w))
        above = "-"
        if name != "goodness":
            above = f"{100 * np.mean(values[judged.wrong] > 0.9):.0f} %"
        yield [exchanged, name, f"{value:.3f}", between, above]
    error, between = with_interval(
        judged, lambda w: calibration_error(judged.confidence, judged.wrong, w)
    )
    yield [exchanged, "confidence: calibration error", f"{error:.3f}", between, ""]


def print_times(run: Run) -> None:
    """Print processor seconds of each stage, and against the time that speech takes."""
    heading("stage", "processor seconds", "times real time")
    lengths = {
        "train": run.lengths(run.material.train),
        "test": run.lengths(run.material.test),
    }
    for stage, seconds in run.seconds.items():
        part = lengths["test" if stage.startswith("recognition") else "train"]
        row(stage, f"{seconds:.1f}", f"{seconds / part:.4f}")
