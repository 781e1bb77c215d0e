"""Gaussian mixtures of frames of real speech, in pictures.

python recipes/mixtures/run.py --data DIR --output DIR          # real speech
python recipes/mixtures/run.py --synthetic FOLDER --output DIR  # the same on synthetic speech
python recipes/mixtures/run.py --data DIR --choose              # the dev table of anomalies
"""

import platform
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import figures
import numpy as np
import sections
import typer
from anomalies import compare, detect
from dirichlet import find_clusters, plant
from fitting import approach_kmeans, compare_kinds, select, watch_em
from page import Section, write_results
from settings import Settings
from sklearn.exceptions import ConvergenceWarning
from speech import read_group

from speakergmm.corpora import Protocol, make_synthetic_corpus, read_protocol

app = typer.Typer(add_completion=False, help=__doc__)


def examine(protocol: Protocol, settings: Settings, *, jobs: int) -> list[Section]:
    """Run all experiments on a protocol with background, dev and eval speakers."""
    config = settings.features()
    background, dev, evaluation = (
        read_group(protocol, name, config) for name in ("background", "dev", "eval")
    )
    speech = background.speech.draw(settings.n_frames, settings.seed)
    others = evaluation.speech.draw(settings.n_frames, settings.seed)
    # In random order, so that the first frames are representative of all.
    rng = np.random.default_rng(settings.seed)
    flat = rng.permutation(speech.cepstra[:, :2].astype(np.float64))[: settings.n_flat_frames]
    seed = settings.seed
    drawn = compare_kinds(flat, others.cepstra[:, :2], (settings.n_drawn_components,), seed)
    path = compare_kinds(speech.cepstra, others.cepstra, settings.kinds_path, seed)
    real = find_clusters(flat, settings, jobs=jobs)
    planted = find_clusters(plant(flat, settings), settings, jobs=jobs)
    with figures.style():
        return [
            sections.kinds(flat, drawn, path),
            sections.selection(select(speech, settings, jobs=jobs)),
            sections.dirichlet(real, planted, settings),
            sections.convergence(watch_em(speech.cepstra, settings)),
            sections.limit(flat, approach_kmeans(flat, settings)),
            sections.anomalies(*detect(background, dev, evaluation, settings), settings),
        ]


def describe(protocol: Protocol, name: str, settings: Settings, seconds: float) -> dict[str, str]:
    """Return the data, settings, versions and time of the results, for the page."""
    packages = ("speakergmm", "numpy", "scipy", "scikit-learn", "numba", "matplotlib")
    assert protocol.background is not None
    counts = {
        "background": len(set(protocol.background.speakers)),
        **{part: len(protocol.split(part).models) for part in ("dev", "eval")},
    }
    return {
        "Data": name + ": " + ", ".join(f"{n} {part} speakers" for part, n in counts.items()),
        "Features": f"{settings.features().n_ceps} cepstra, digest {settings.features().digest}",
        "Frames per fit": f"{settings.n_frames} at most",
        "Seed": str(settings.seed),
        "Versions": f"Python {platform.python_version()}, "
        + ", ".join(f"{package} {version(package)}" for package in packages),
        "Seconds": f"{seconds:.0f}",
    }


def choose_anomalies(protocol: Protocol, settings: Settings) -> None:
    """Compare features and limits of loud speech by the pauses they find, on dev speakers only."""
    groups = (read_group(protocol, name, settings.features()) for name in ("background", "dev"))
    print(
        "| features | speech down to, dB | false alarms, % | pauses found, % |\n"
        + "| --- " * 4
        + "|"
    )
    for name, limit, alarms, found in compare(*groups, settings):
        print(f"| {name} | {limit:g} | {100 * alarms:.1f} | {100 * found:.1f} |")


@app.command()
def main(
    output: Annotated[
        Path | None, typer.Option(help="Folder for the page and its figures.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of real speech that contains protocols/.")
    ] = None,
    synthetic: Annotated[
        Path | None, typer.Option(help="Folder for synthetic speech, which is made first.")
    ] = None,
    name: Annotated[
        str, typer.Option("--set", help="Name of the protocol of the data.")
    ] = "dspspeech20",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Number of processes and threads.")
    ] = 2,
    seed: int = 0,
    choose: Annotated[
        bool, typer.Option(help="Compare features for anomalies on dev speakers.")
    ] = False,
) -> None:
    """Fit mixtures to frames of speech, and write a page with the results."""
    if (data is None) == (synthetic is None):
        raise typer.BadParameter("pass --data DIR or --synthetic FOLDER")
    if (output is None) != choose:
        raise typer.BadParameter("pass --output FOLDER or --choose")
    if data is not None:
        protocol = read_protocol(data / "protocols" / name, data_dir=data)
    else:
        assert synthetic is not None
        name, protocol = "synthetic", make_synthetic_corpus(synthetic, seed=0, engine=jobs)
    settings = Settings(seed=seed)
    if output is None:
        choose_anomalies(protocol, settings)
        return
    start = time.perf_counter()
    with warnings.catch_warnings():
        # The tables show which fits ended at their iteration limit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = examine(protocol, settings, jobs=jobs)
    about = describe(protocol, name, settings, time.perf_counter() - start)
    write_results(output, found, title="Gaussian mixtures of speech frames", about=about)
    print((output / "results.md").read_text())


if __name__ == "__main__":
    app()
