"""Speaker verification: GMM-UBM, robust features, normalised scores, calibrated decisions.

python recipes/verification/run.py choose --data DIR         # the dev tables: settings
python recipes/verification/run.py report --data DIR         # the eval tables
python recipes/verification/run.py report --synthetic FOLDER # the same on synthetic speech
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from calibrated import CALIBRATION, calibration_rows
from conditions import CONDITIONS
from ladder import Rung, climb, fuse
from material import REAL, further_speakers, protocols, work_on
from settings import (
    BASELINE,
    FACTORS,
    FUSED,
    LADDER,
    NORMALISED,
    ROBUST_FACTORS,
    SAME_SESSION,
    difference,
)
from systems import measured
from tables import figure_cells, head, mean_figures, ratio, row

DataOption = Annotated[Path | None, typer.Option(help="Folder of real speech, with protocols/.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Protocols (default: all).")]
app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def choose(
    data: DataOption,
    seeds: int = 1,
    jobs: JobsOption = 1,
    factor: list[str] | None = None,
    names: SetOption = None,
    robust: bool = True,
) -> None:
    """Compare settings on the dev lists; eval is not touched."""
    table = ROBUST_FACTORS if robust else FACTORS
    conditions = CONDITIONS if robust else CONDITIONS[:1]
    head("factor", "set", "settings", *(f"{name}: EER % / minDCF(0.05)" for name in conditions),
         *(["pooled"] if robust else []))  # fmt: skip
    trained: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name, protocol, root in protocols(data, None, names or REAL[:2]):
            others = further_speakers(data)
            works = [
                work_on(name, root, folder, seed, jobs, others, trained) for seed in range(seeds)
            ]
            for title, variants in table.items():
                for settings in variants if factor is None or title in factor else ():
                    several = [
                        measured(protocol, settings, work, split="dev", conditions=conditions)
                        for work in works
                    ]
                    base = NORMALISED if robust else SAME_SESSION
                    found = mean_figures(several)[: len(conditions) + robust]
                    row(title, name, difference(settings, base), *found)


@app.command()
def report(
    data: DataOption = None,
    synthetic: Annotated[Path | None, typer.Option(help="Folder for synthetic speech.")] = None,
    names: SetOption = None,
    seed: int = 0,
    jobs: JobsOption = 1,
    system: Annotated[list[str] | None, typer.Option(help="Systems (default: all).")] = None,
    n_bootstrap: int = 1000,
) -> None:
    """Measure the ladder of systems on the eval lists, in all conditions of the test."""
    others = further_speakers(data)
    rungs: dict[str, dict[str, Rung]] = {}
    trained: dict[str, Any] = {}
    wanted = system or [*LADDER, *FUSED]
    head("set", "system", *CONDITIONS, "pooled", "seconds")
    with TemporaryDirectory() as folder:
        for name, protocol, root in protocols(data, synthetic, names):
            work = work_on(name, root, folder, seed, jobs, others, trained)
            found = rungs.setdefault(name, {})
            for rung in climb(protocol, work, [each for each in LADDER if each in wanted]):
                print_rung(name, rung, n_bootstrap)
                found[rung.title] = rung
            for title, parts in FUSED.items():
                if title in wanted and all(each in found for each in parts):
                    found[title] = fuse(title, [found[each] for each in parts])
                    print_rung(name, found[title], n_bootstrap)
    print()
    head("set", "system", f"pooled EER / that of {BASELINE}")
    for name, found in rungs.items():
        for rung in found.values() if BASELINE in found else ():
            row(name, rung.title, ratio(found[BASELINE].scores, rung.scores, n_bootstrap))
    print()
    head("set", "system", "condition", *CALIBRATION)
    for name, found in rungs.items():
        for rung in found.values():
            if rung.dev is not None:
                rows = calibration_rows(rung.dev, rung.scores, n_bootstrap=n_bootstrap)
                for condition, cells in rows.items():
                    row(name, rung.title, condition, *cells)


def print_rung(name: str, rung: Rung, n_bootstrap: int) -> None:
    """Print the row of a rung."""
    figures = figure_cells(rung.scores, n_bootstrap=n_bootstrap)
    row(name, rung.title, *figures, f"{rung.seconds:.0f}")


if __name__ == "__main__":
    app()
