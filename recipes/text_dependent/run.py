"""Text-dependent verification: word models adapted to speakers against a GMM-UBM.

python recipes/text_dependent/run.py choose --data DIR     # settings, on the dev speakers
python recipes/text_dependent/run.py report --data DIR     # the chosen ones on the eval speakers
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from material import read_arabic, read_fsdd
from settings import (
    CHOSEN,
    FACTORS,
    FIRST,
    MIXTURES,
    MIXTURES_OF_SPEAKERS,
    MIXTURES_OF_WORDS,
    RELEVANCE_FACTORS,
    Mixtures,
    Phrases,
    difference,
)
from systems import Corpora, calibrated, dev_figures, fused, joined

from speakergmm.metrics import Scores, compare_systems, evaluate

app = typer.Typer(add_completion=False, help=__doc__)
DataOption = Annotated[
    Path, typer.Option(help="Folder with protocols/, arabic_speech_commands/ and fsdd/.")
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
KEYS = ("eer_linear", "min_cllr", "cllr")
SYSTEMS: dict[str, Phrases | Mixtures] = {
    "adapted word models": CHOSEN,
    "GMM-UBM, enrolled with all words": MIXTURES_OF_SPEAKERS,
    "GMM-UBM, enrolled with the word": MIXTURES_OF_WORDS,
}


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(*cells: str) -> None:
    """Print the head of a table."""
    row(*cells)
    row(*["---"] * len(cells))


def _mixtures() -> Iterator[tuple[str, Mixtures]]:
    for settings in MIXTURES:
        for factor in RELEVANCE_FACTORS:
            for by_word in (False, True):
                name = "with the word" if by_word else "with all words"
                yield name, replace(settings, relevance_factor=factor, by_word=by_word)


@app.command()
def choose(
    data: DataOption,
    factor: Annotated[
        list[str] | None, typer.Option(help="Factors to compare, or 'mixtures'.")
    ] = None,
    jobs: JobsOption = 1,
) -> None:
    """Compare settings on the dev speakers of the Arabic words; eval is not touched."""
    recordings, protocol = read_arabic(data)
    assert protocol.background is not None
    corpora = Corpora(recordings, protocol.background.speakers, jobs=jobs)
    speakers = protocol.split("dev").models
    tried = [("first", FIRST), *((name, each) for name in FACTORS for each in FACTORS[name])]
    every: list[tuple[str, Phrases | Mixtures]] = [*tried, *_mixtures()]
    head("factor", "value", "EER %", "minCllr", "Cllr")
    for name, settings in every:
        kind = "mixtures" if isinstance(settings, Mixtures) else name
        if factor is None or kind in factor:
            base = Mixtures(n_components=0) if isinstance(settings, Mixtures) else FIRST
            found = dev_figures(corpora.score(settings, speakers))
            figures = (f"{found['EER']:.2f}", f"{found['minCllr']:.3f}", f"{found['Cllr']:.3f}")
            row(name, difference(settings, base), *figures)


def _print(llrs: dict[str, Scores], seconds: dict[str, float], n_bootstrap: int) -> None:
    """Print the figures of systems on the same trials, and how much lower Cllr is than theirs."""
    first, *_ = llrs
    head("system", "EER %", "minCllr", "Cllr", f"Cllr minus that of {first}", "p", "seconds")
    for title, scores in llrs.items():
        found = evaluate(scores, llr=True, n_bootstrap=n_bootstrap)
        cells = [f"{found[key].format_value()} ({found[key].format_interval()})" for key in KEYS]
        beside = ["", ""]
        if title != first:
            compared = compare_systems(llrs[first], scores, llr=True, n_bootstrap=n_bootstrap)
            change = compared["cllr"]
            low, high = change.interval.ends() if change.interval else (np.nan, np.nan)
            beside = [
                f"{change.difference:+.3f} ({low:+.3f} to {high:+.3f})",
                f"{change.p_value:.3f}",
            ]
        row(title, *cells, *beside, f"{seconds.get(title, 0):.0f}" if title in seconds else "")


@app.command()
def report(data: DataOption, n_bootstrap: int = 1000, jobs: JobsOption = 1) -> None:
    """Measure the chosen settings on the eval speakers, and show the digits of FSDD."""
    recordings, protocol = read_arabic(data)
    assert protocol.background is not None
    corpora = Corpora(recordings, protocol.background.speakers, jobs=jobs)
    scores, dev, seconds = {}, {}, {}
    for title, settings in SYSTEMS.items():
        start = time.perf_counter()
        scores[title] = corpora.score(settings, protocol.split("eval").models)
        seconds[title] = time.perf_counter() - start
        dev[title] = corpora.score(settings, protocol.split("dev").models)
    llrs = {title: calibrated(each, dev[title]) for title, each in scores.items()}
    own, *others = SYSTEMS
    for title in others:
        pair = own, title
        llrs[f"both, {title}"] = fused([scores[t] for t in pair], [dev[t] for t in pair])
    print(f"Arabic words, {len(scores[title]):,} trials\n")
    _print(llrs, seconds, n_bootstrap)
    _report_fsdd(data, n_bootstrap, jobs)


def _report_fsdd(data: Path, n_bootstrap: int, jobs: int) -> None:
    """Show the digits: each pair of speakers is tested with models of the other four."""
    recordings = read_fsdd(data)
    names = sorted({each.speaker for each in recordings})
    parts: dict[str, list[Scores]] = {title: [] for title in SYSTEMS}
    for tested in (names[:2], names[2:4], names[4:]):
        others = [name for name in names if name not in tested]
        corpora = Corpora(recordings, others, sample_rate=8000, jobs=jobs)
        for title, settings in SYSTEMS.items():
            parts[title].append(corpora.score(settings, tested))
    print("\nFSDD\n")
    head("system", "EER %", "minCllr", "Cllr")
    for title, several in parts.items():
        found = dev_figures(joined(several))
        row(title, f"{found['EER']:.2f}", f"{found['minCllr']:.3f}", f"{found['Cllr']:.3f}")


if __name__ == "__main__":
    app()
