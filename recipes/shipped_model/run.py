"""The model that ships: trained on LibriSpeech, calibrated on the dev lists of two other corpora.

python recipes/shipped_model/run.py choose --data DIR    # systems on the dev lists
python recipes/shipped_model/run.py measures --data DIR  # measures of the calibration, on dev
python recipes/shipped_model/run.py train --data DIR     # writes the model
python recipes/shipped_model/run.py report --data DIR    # one corpus left out, then eval, once
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from material import trials_of
from settings import (
    ATTRIBUTION,
    CALIBRATION_CONDITIONS,
    CORPORA,
    MEASURE_SETS,
    MEASURED_ON,
    MEASURES,
    MOST_EVIDENCE,
    REPORT_CONDITIONS,
    SHRINKAGE,
    SYSTEMS,
    TITLE,
)
from systems import background_model, left_out, make_system, measured_scores, ratios, select
from tables import QUALITY, print_conditions, print_row, quality, row, separation

from speakergmm.speakers import SHIPPED_SYSTEM, SpeakerSystem, calibrate_system, run_protocol

DataOption = Annotated[Path, typer.Option(help="Folder of real speech, with protocols/.")]
WorkOption = Annotated[Path, typer.Option(help="Folder of joined recordings and models.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def choose(data: DataOption, work: WorkOption = Path("work"), jobs: JobsOption = 1) -> None:
    """Compare systems on the dev lists: EER % / minDCF(0.05) of raw or normalised scores."""
    background = background_model(data, work, jobs)
    protocol = trials_of(data, work, "dev")
    columns = [(c, v) for c in CORPORA for v in CALIBRATION_CONDITIONS]
    row(
        "system",
        *(f"{corpus[:3]} {version}" for corpus, version in columns),
        "1-1",
        "3-3",
        "10-10",
        "all",
    )
    row(*["---"] * (len(columns) + 5))
    for changes in SYSTEMS:
        system = make_system(data, background, jobs, **changes)
        scores = run_protocol(
            protocol, system, split="dev", test_versions=CALIBRATION_CONDITIONS, engine=jobs
        )
        cells = [separation(select(scores, corpus=c, condition=v)) for c, v in columns]
        cells += [
            separation(select(scores, enrolment_words=n, test_words=n)) for n in ("1", "3", "10")
        ]
        row(str(changes), *cells, separation(scores))


@app.command()
def measures(data: DataOption, work: WorkOption = Path("work"), jobs: JobsOption = 1) -> None:
    """Compare measures that the calibration takes, on dev with one corpus left out."""
    system = make_system(data, background_model(data, work, jobs), jobs)
    scores = measured_scores(system, data, work, "dev", CALIBRATION_CONDITIONS, jobs)
    row("measures", *(f"{corpus}: {name}" for corpus in CORPORA for name in QUALITY[2:]))
    row(*["---"] * (1 + len(CORPORA) * len(QUALITY[2:])))
    for names in MEASURE_SETS:
        cells = [cell for each in left_out(scores, names).values() for cell in quality(each)[2:]]
        row(", ".join(names) or "none", *cells)


@app.command()
def train(data: DataOption, work: WorkOption = Path("work"), jobs: JobsOption = 1) -> None:
    """Train, calibrate and write the model; the error rates in it are written by report."""
    system = make_system(data, background_model(data, work, jobs), jobs)
    system = calibrate_system(
        system,
        trials_of(data, work, "dev"),
        split="dev",
        test_versions=CALIBRATION_CONDITIONS,
        measures=MEASURES,
        shrinkage=SHRINKAGE,
        measures_scale=False,
        engine=jobs,
    )
    calibration = system.calibration
    assert calibration is not None
    thin = replace(calibration, evidence=calibration.evidence.thinned(MOST_EVIDENCE))
    provenance = {**system.provenance, "title": TITLE, "attribution": list(ATTRIBUTION)}
    path = work / SHIPPED_SYSTEM
    system.replace(calibration=thin, provenance=provenance).save(path)
    print(f"{path}: {path.stat().st_size:,} bytes")


@app.command()
def report(data: DataOption, work: WorkOption = Path("work"), jobs: JobsOption = 1) -> None:
    """Measure the model on dev with one corpus left out, then on eval, and write the rates."""
    path = work / SHIPPED_SYSTEM
    system = SpeakerSystem.load(path)
    assert system.calibration is not None
    row("trials", "condition", *QUALITY)
    row(*["---"] * (2 + len(QUALITY)))
    dev = measured_scores(system, data, work, "dev", CALIBRATION_CONDITIONS, jobs)
    for corpus, llrs in left_out(dev, MEASURES).items():
        print_conditions(f"dev of {corpus}, calibrated on the other", llrs)
    found = measured_scores(system, data, work, "eval", REPORT_CONDITIONS, jobs)
    llrs = ratios(system.calibration, found)
    for corpus in CORPORA:
        print_conditions(f"eval of {corpus}", select(llrs, corpus=corpus))
    rates = print_conditions("eval of both", llrs)
    for words in ("1", "3", "10"):
        group = select(llrs, enrolment_words=words, test_words=words)
        name = f"{words} words each" if words != "1" else "1 word each"
        rates.append((name, print_row("eval of both", name, group)))
    measured = {"on": MEASURED_ON, "equal_error_rates": [list(each) for each in rates]}
    system.replace(provenance={**system.provenance, "measured": measured}).save(path)


if __name__ == "__main__":
    app()
