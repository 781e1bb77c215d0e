"""The same background model from one process, from several, and from a cluster that loses one.

python recipes/scale/run.py                                # on synthetic speech, made on the spot
python recipes/scale/run.py --data DIR                     # on the part of LibriSpeech in DIR
python recipes/scale/run.py --way serial --way processes   # without Dask
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from engines import WAYS
from material import read_librispeech, read_synthetic

from speakergmm.features import FeatureStore, extract_features
from speakergmm.run_context import RunContext
from speakergmm.speakers import BackgroundModel

app = typer.Typer(add_completion=False, help=__doc__)
HEADING = ("way", "seconds", "of them iterations", "iterations", "digest of the model", "lost")


def row(*cells: object) -> None:
    """Print a row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def train(
    store: FeatureStore, engine: Any, n_components: int, callback: Callable[..., None]
) -> BackgroundModel:
    """Train on the frames of speech of a store, a fixed number of iterations."""
    return BackgroundModel.train(
        store,
        features=store.config,
        n_components=n_components,
        max_iter=10,
        tol=0.0,
        engine=engine,
        run=RunContext(callback=callback),
    )


@app.command()
def report(
    data: Annotated[Path | None, typer.Option(help="Folder with librispeech/.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Keep recordings and store there.")] = None,
    components: Annotated[int, typer.Option(min=1, help="Components of the mixture.")] = 64,
    speakers: Annotated[int, typer.Option(min=2, help="Speakers of synthetic speech.")] = 12,
    shard_frames: Annotated[int, typer.Option(min=1, help="Frames in a shard.")] = 5000,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Workers.")] = 2,
    way: Annotated[list[str] | None, typer.Option(help=f"Some of {', '.join(WAYS)}.")] = None,
) -> None:
    """Extract features once, train the same model in each way, and compare the digests."""
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        corpus = (
            read_librispeech(data) if data else read_synthetic(place, jobs=jobs, speakers=speakers)
        )
        start = time.perf_counter()
        store = extract_features(
            corpus, place / "store", features="hmm", shard_frames=shard_frames, engine=jobs
        )
        print(
            f"{corpus.source}: {len(store)} recordings, {store.n_speech_frames:,} frames of speech "
            f"in {len(store.speech.shards)} shards; extracted, as far as they were not there, in "
            f"{time.perf_counter() - start:.1f} s by {jobs} processes\n"
        )
        row(*HEADING)
        row(*["---"] * len(HEADING))
        digests = set()
        for name in way or WAYS:
            with WAYS[name](jobs) as engine:
                start = time.perf_counter()
                model = train(store, engine.engine, components, engine.iteration_ends)
                seconds = time.perf_counter() - start
            digests.add(model.digest)
            cells = f"{seconds:.1f}", f"{engine.seconds:.1f}", engine.n_iterations
            row(name, *cells, model.digest[:16], engine.lost or "")
    if len(digests) > 1:
        print("\nThe models differ.")
        raise typer.Exit(1)
    print("\nAll models are the same, bit for bit.")


if __name__ == "__main__":
    app()
