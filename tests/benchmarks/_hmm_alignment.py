"""Speed of forced alignment as multiples of real time, and its boundaries where they are known."""

import contextlib
import csv
import tempfile
from pathlib import Path

from speakergmm.corpora import (
    Corpus,
    Utterance,
    make_synthetic_corpus,
    read_corpus,
    read_transcripts,
)
from speakergmm.engine import single_threaded_blas
from speakergmm.hmm import ANNEALED, Aligner, Lexicon, TrainingSchedule
from speakergmm.metrics import TimedLabel, boundary_errors, summarise_boundaries
from speakergmm.recognition import TrainingOptions, align_recordings, train_acoustic_model

from ._figure import Figure
from ._timing import interleaved_medians

_ROUNDS = 5
_BEAM = 200.0


def alignment(*, quick: bool = False) -> list[Figure]:
    """Speed and boundaries on the synthetic corpus; speed on read speech where there is some."""
    figures = synthetic(quick=quick)
    # Without a folder of real speech there is none.
    with contextlib.suppress(KeyError, FileNotFoundError):
        figures += read_speech(quick=quick)
    return figures


def synthetic(*, quick: bool = False) -> list[Figure]:
    """Train on the corpus's training part; align its evaluation part."""
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"n_background": 4, "n_dev": 2, "n_eval": 4} if quick else {}
        make_synthetic_corpus(folder, **sizes)
        base = Path(folder) / "synthetic"
        everyone, text = read_corpus(base), read_transcripts(base)
        parts = {
            name: Corpus(
                tuple(u for u in everyone if u.speaker and u.speaker[0] == name), source=name
            )
            for name in "be"
        }
        options = TrainingOptions(schedule=TrainingSchedule(n_gaussians=400))
        model = train_acoustic_model(
            parts["b"], text, Lexicon.read(base / "lexicon.txt", stress="keep"), options
        )
        figures = speed("synthetic", model, parts["e"], text, to_reach="")
        truth = true_phones(base / "phones.tsv")
        for edges in ("expected", "path"):
            aligned = align_recordings(model, parts["e"], text, edges=edges)
            errors = boundary_errors(truth, {a.utterance.id: a.phone_labels() for a in aligned})
            speakers = {u.id: str(u.speaker) for u in parts["e"]}
            found = summarise_boundaries(errors, clusters=speakers)
            for name, limit in (("median_absolute", 10), ("p90_absolute", 25)):
                interval = found[name].interval
                note = f"{len(errors)} boundaries"
                if interval is not None:
                    note += f", 95 % {1e3 * interval.low:.1f} to {1e3 * interval.high:.1f} ms"
                figures.append(
                    Figure(
                        "alignment",
                        f"synthetic, evaluation part, {edges} edges: {name.replace('_', ' ')} "
                        "error of phone boundaries, ms",
                        1e3 * found[name].value,
                        f"<= {limit}" if edges == "expected" and not quick else "",
                        note,
                    )
                )
        return figures


def read_speech(*, quick: bool = False) -> list[Figure]:
    """Train briefly on LibriSpeech's training part; align its test part."""
    import os

    from ._hmm_training import corpus

    recordings, text, lexicon = corpus()
    schedule = TrainingSchedule(
        algorithm="viterbi",
        max_iter=4 if quick else 12,
        annealing=ANNEALED[: 1 if quick else 3],
        grow_until=9,
        n_gaussians=1000,
    )
    model = train_acoustic_model(recordings, text, lexicon, TrainingOptions(schedule=schedule))
    files = sorted((Path(os.environ["SPEAKERGMM_DATA"]) / "librispeech/test-other").glob("*.flac"))
    model = model.with_lexicon(lexicon)
    test = Corpus(
        tuple(
            Utterance(f.stem, f, f.stem.split("-")[0])
            for f in files
            if all(word in lexicon for word in text[f.stem])
        ),
        source="librispeech/test-other",
    )
    return speed("LibriSpeech test-other", model, test, text, to_reach="" if quick else ">= 1500")


def speed(name, model, corpus, text, *, to_reach) -> list[Figure]:
    """CPU time of alignment on one thread: what is called so, what else there is, and parts of it.

    The bar stands on alignment of features that are there: from words to graphs, densities, path
    and posteriors; confidences need the densities of all states, not only of the transcript's.
    Features are made once and serve more than this; they have a row of their own.
    """
    with model.extract(corpus.utterances) as archive, single_threaded_blas():
        seconds = sum(grid.duration for grid in archive.grids)
        frames = list(archive)
        words = [text[utterance.id] for utterance in archive.utterances]
        graphs = [model.compile(said) for said in words]

        def whole(**options):
            aligner = Aligner(model.models, **options)
            for said, X in zip(words, frames, strict=True):
                found = aligner.align(model.compile(said), X)
                if options:
                    model.confidence.applied(found)

        def compiled(**options):
            aligner = Aligner(model.models, **options)
            for graph, X in zip(graphs, frames, strict=True):
                aligner.align(graph, X)

        def with_features():
            for _ in align_recordings(model, corpus, text):
                pass

        alignment = "graphs, densities, path and posteriors"
        rates = {
            alignment: whole,
            "these, and confidences of words": lambda: whole(goodness=True),
            "these, and features from the recordings": with_features,
            "of it densities, path and posteriors": compiled,
            "of it densities and path": lambda: compiled(confidences=False),
            f"of it densities and path within a beam of {_BEAM:g}": lambda: compiled(
                confidences=False, beam=_BEAM, retry_beam=10 * _BEAM
            ),
        }
        spent = interleaved_medians(rates, rounds=_ROUNDS)
    note = (
        f"{seconds / 60:.1f} minutes, {model.models.n_gaussians} Gaussians, median of {_ROUNDS} "
        "runs"
    )
    return [
        Figure(
            "alignment",
            f"{name}: {what}, times real time",
            seconds / spent[what],
            to_reach if what == alignment else "",
            note,
        )
        for what in rates
    ]


def true_phones(path: Path) -> dict[str, list[TimedLabel]]:
    """Boundaries as the synthetic corpus has them."""
    found: dict[str, list[TimedLabel]] = {}
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            start = float(row["start"])
            label = TimedLabel(start, round(start + float(row["duration"]), 7), row["phone"])
            found.setdefault(row["utterance"], []).append(label)
    return found


if __name__ == "__main__":
    import sys

    for figure in alignment(quick="--quick" in sys.argv):
        print(f"{figure.seen:10.2f}  {figure.to_reach:10s} {figure.what} ({figure.note})")
