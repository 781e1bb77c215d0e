"""Isolated digits by HMMs of whole words, for speakers known and unknown in training.

python recipes/digits/run.py choose --data DIR         # settings, on training recordings alone
python recipes/digits/run.py report --data DIR         # the test recordings, all figures
python recipes/digits/run.py nested --data DIR         # speakers left out, settings chosen without
python recipes/digits/run.py report --synthetic FOLDER # the same on synthetic speech
"""

import itertools
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from folds import leave_one_out, run, without_each
from material import TEST_INDEX, for_choice, make_synthetic, part, read_fsdd
from settings import (
    CANDIDATES,
    KNOWN,
    KNOWN_FACTORS,
    KNOWN_SYNTHETIC,
    UNKNOWN,
    UNKNOWN_FACTORS,
    Settings,
)
from tables import HEADING, cells, describe_errors, heading, row

app = typer.Typer(add_completion=False, help=__doc__)
DataOption = Annotated[Path | None, typer.Option(help="Folder that holds fsdd/.")]
SyntheticOption = Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]


@app.command()
def report(
    data: DataOption = None,
    synthetic: SyntheticOption = None,
    seed: int = 0,
    jobs: JobsOption = 1,
) -> None:
    """Measure the chosen settings on the test recordings, and what each part is worth."""
    if (data is None) == (synthetic is None):
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    material = read_fsdd(data) if data else make_synthetic(synthetic or Path(), jobs=jobs)
    rate, known = (8000, KNOWN) if data else (16000, KNOWN_SYNTHETIC)
    train = part(material, lambda _, index: index >= TEST_INDEX)
    test = part(material, lambda _, index: index < TEST_INDEX)
    heading(f"{material.corpus.source}: split, settings", *HEADING)
    start = time.process_time()
    found = run(train, test, known, rate=rate, seed=seed, jobs=jobs)
    row("usual split", *cells(found, time.process_time() - start))
    errors = {"usual split": found}
    without_warps = UNKNOWN.but(frequency_warps=(1.0,))
    variants: Mapping[str, Settings] = {
        "leave one speaker out": UNKNOWN,
        "the same without warps": without_warps,
        "the same, normalised by utterance": replace(without_warps, scope="utterance"),
    }
    for name, settings in variants.items():
        start = time.process_time()
        same = dict.fromkeys(material.corpus.speakers, settings)
        errors[name] = leave_one_out(material, same, rate=rate, seed=seed, jobs=jobs)
        row(name, *cells(errors[name], time.process_time() - start))
    for name, found in errors.items():
        describe_errors(name, found)


@app.command()
def nested(
    data: Annotated[Path, typer.Option(help="Folder that holds fsdd/.")],
    scope: Annotated[str, typer.Option(help="Normalised by speaker or utterance.")] = "speaker",
    step: Annotated[int, typer.Option(min=1, help="Choose on one recording of so many.")] = 6,
    seed: int = 0,
    jobs: JobsOption = 1,
) -> None:
    """Leave one speaker out, with settings chosen on the other speakers alone, for each anew.

    The choice leaves each of the others out in turn, too, and has nothing of the speaker tested.
    """
    if scope not in ("speaker", "utterance"):
        raise typer.BadParameter("--scope must be speaker or utterance")
    material = read_fsdd(data)
    candidates = {name: replace(s, scope=scope) for name, s in CANDIDATES.items()}
    few, speakers = for_choice(material, step), material.corpus.speakers
    pairs = list(itertools.combinations(speakers, 2))
    heading("Gaussians per state", *(f"without {s}" for s in speakers))
    estimates = {}
    for name, settings in candidates.items():
        found = without_each(few, pairs, settings, rate=8000, seed=seed, jobs=jobs)
        row(name, *(f"{found[speaker]:.2f}" for speaker in speakers))
        estimates[name] = found
    chosen = {s: min(candidates, key=lambda name: estimates[name][s]) for s in speakers}
    row("chosen", *chosen.values())
    heading(f"{material.corpus.source}: normalised by", *HEADING)
    start = time.process_time()
    chosen_settings = {speaker: candidates[name] for speaker, name in chosen.items()}
    tested = leave_one_out(material, chosen_settings, rate=8000, seed=seed, jobs=jobs)
    row(f"{scope}, chosen for each fold", *cells(tested, time.process_time() - start))
    describe_errors(f"{scope}, chosen for each fold", tested)


@app.command()
def choose(
    data: Annotated[Path, typer.Option(help="Folder that holds fsdd/.")],
    seed: int = 0,
    split: Annotated[str, typer.Option(help="known, unknown or both.")] = "both",
    step: Annotated[int, typer.Option(min=1, help="Unknown: one recording of so many.")] = 5,
    all_pairs: Annotated[bool, typer.Option(help="Unknown: 15 pairs, not 3.")] = False,
    jobs: JobsOption = 1,
) -> None:
    """Compare settings on training recordings; the usual test recordings are not touched.

    For known speakers, every fifth training recording is held out. For unknown ones, models of
    four speakers are tested on the two others, pair by pair: the error for a speaker who is left
    out is estimated on the other one of the pair, without any recording of the first.
    """
    material = read_fsdd(data)
    inner = for_choice(material)
    if split in ("known", "both"):
        train = part(inner, lambda _, index: index % 5 != 1)
        held = part(inner, lambda _, index: index % 5 == 1)
        heading("known speakers", "value", *HEADING)
        for name, value, settings in _variants(KNOWN, KNOWN_FACTORS):
            start = time.process_time()
            found = run(train, held, settings, rate=8000, seed=seed, jobs=jobs)
            row(name, value, *cells(found, time.process_time() - start))
    if split in ("unknown", "both"):
        few = for_choice(material, step)
        speakers = material.corpus.speakers
        three = zip(speakers[::2], speakers[1::2], strict=True)
        pairs = list(itertools.combinations(speakers, 2) if all_pairs else three)
        heading("unknown speakers", "value", *(f"without {s}" for s in speakers), "mean error %")
        for name, value, settings in _variants(UNKNOWN, UNKNOWN_FACTORS):
            found = without_each(few, pairs, settings, rate=8000, seed=seed, jobs=jobs)
            each = [found[speaker] for speaker in speakers]
            row(name, value, *(f"{e:.1f}" for e in each), f"{sum(each) / len(each):.2f}")


def _variants(
    chosen: Settings, factors: Mapping[str, Mapping[str, Settings]]
) -> list[tuple[str, str, Settings]]:
    others = [(f, value, s) for f, variants in factors.items() for value, s in variants.items()]
    return [("chosen", "", chosen), *others]


if __name__ == "__main__":
    app()
