"""Speaker verification: GMM-UBM, robust features, normalised scores, calibrated decisions.

python recipes/verification/run.py choose --data DIR         # the dev tables: settings
python recipes/verification/run.py report --data DIR         # the eval tables
python recipes/verification/run.py report --synthetic FOLDER # the same on synthetic speech
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from calibrated import CALIBRATION, calibration_rows
from conditions import CONDITIONS
from ladder import CROSS, Rung, climb, cross
from settings import FACTORS, LADDER, NORMALISED, ROBUST_FACTORS, SAME_SESSION, difference
from systems import Work, evenly, measured, train
from tables import figure_cells, head, mean_figures, row

from speakergmm.corpora import Protocol, Utterance, make_synthetic_corpus, read_protocol
from speakergmm.corpora.augmentation import N_TALKERS
from speakergmm.speakers import BackgroundModel

REAL = ("dspspeech20", "arabic_speech_commands", "librispeech")
DataOption = Annotated[Path | None, typer.Option(help="Folder of real speech, with protocols/.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")]
SetOption = Annotated[list[str] | None, typer.Option("--set", help="Protocols (default: all).")]
app = typer.Typer(add_completion=False, help=__doc__)


def protocols(
    data: Path | None, synthetic: Path | None, names: Sequence[str] | None
) -> Iterator[tuple[str, Protocol, Path]]:
    """Yield name, protocol and folder of the data that are asked for."""
    if data is None and synthetic is None:
        raise typer.BadParameter("give --data DIR or --synthetic FOLDER")
    for name in names or REAL if data is not None else ():
        yield name, read_protocol(data / "protocols" / name, data_dir=data), data
    if synthetic is not None:
        yield "synthetic", make_synthetic_corpus(synthetic, seed=0, engine=2), synthetic


def further_speakers(data: Path | None) -> Sequence[Utterance]:
    """Return recordings of LibriSpeech's background speakers, for cohorts."""
    if data is None:
        return ()
    background = read_protocol(data / "protocols" / REAL[2], data_dir=data).background
    return () if background is None else background.utterances


def work_on(
    name: str, root: Path, folder: str, seed: int, jobs: int, others: Sequence[Utterance]
) -> Work:
    """Return the work on a protocol; LibriSpeech's speakers babble in its own tests only."""
    voices = [] if name == REAL[2] else [each.path for each in evenly(others, N_TALKERS)]
    return Work(seed, jobs, Path(folder), root, others, voices)


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
    with TemporaryDirectory() as folder:
        for name, protocol, root in protocols(data, None, names or REAL[:2]):
            for title, variants in table.items():
                for settings in variants if factor is None or title in factor else ():
                    several = [
                        measured(
                            protocol,
                            settings,
                            work_on(name, root, folder, seed, jobs, further_speakers(data)),
                            split="dev",
                            conditions=conditions,
                        )
                        for seed in range(seeds)
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
    rungs: dict[str, list[Rung]] = {}
    models: BackgroundModel | None = None
    head("set", "system", *CONDITIONS, "pooled", "seconds")
    with TemporaryDirectory() as folder:
        for name, protocol, root in protocols(data, synthetic, names):
            work = work_on(name, root, folder, seed, jobs, others)
            for rung in climb(
                protocol, work, [each for each in LADDER if each in (system or LADDER)]
            ):
                print_rung(name, rung, n_bootstrap)
                rungs.setdefault(name, []).append(rung)
            if name in REAL[:2] and (not system or CROSS in system):
                models = models or train(others, NORMALISED, work)
                rungs[name].append(cross(protocol, models, work))
                print_rung(name, rungs[name][-1], n_bootstrap)
    print()
    head("set", "system", "condition", *CALIBRATION)
    for name, listed in rungs.items():
        for rung in listed:
            if rung.dev is not None:
                found = calibration_rows(rung.dev, rung.scores, n_bootstrap=n_bootstrap)
                for condition, cells in found.items():
                    row(name, rung.title, condition, *cells)


def print_rung(name: str, rung: Rung, n_bootstrap: int) -> None:
    """Print the row of a rung."""
    figures = figure_cells(rung.scores, n_bootstrap=n_bootstrap)
    row(name, rung.title, *figures, f"{rung.seconds:.0f}")


if __name__ == "__main__":
    app()
