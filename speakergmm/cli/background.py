"""``speakergmm train-ubm`` and ``speakergmm info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from speakergmm.cli.corpora import (
    FEATURES_HELP,
    CorpusArgument,
    DataOption,
    SpeakerPatternOption,
    open_corpus,
    passed_over,
)
from speakergmm.cli.output import (
    LARGEST_SEED,
    JobsOption,
    JsonOption,
    counted,
    print_json,
    print_line,
    print_table,
    training_status,
)
from speakergmm.cli.outputs import check_output
from speakergmm.errors import ModelFormatError

_TRAIN_EXAMPLES = """

Examples:

  speakergmm train-ubm recordings/ --components 128 --output ubm.safetensors

  speakergmm train-ubm background.tsv --data-dir corpus/ --features my-features.toml -j 2
"""

_INFO_EXAMPLES = """

Examples:

  speakergmm info ubm.safetensors

  speakergmm info voices.db --json
"""


def train_ubm(
    corpus: CorpusArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Model file to write.", show_default=False)
    ],
    components: Annotated[
        int,
        typer.Option("--components", "--n-components", min=1, help="Gaussians in the mixture."),
    ] = 64,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the initialisation.")
    ] = 0,
    features: Annotated[
        str, typer.Option(help=f"{FEATURES_HELP}; 'speaker' suits speakers.")
    ] = "speaker",
    data_dir: DataOption = None,
    speaker_pattern: SpeakerPatternOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the corpus if one recording is bad.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Train a background model (UBM) on a corpus of many speakers and write it to a file."""
    from speakergmm.features import FeatureConfig
    from speakergmm.speakers import BackgroundModel

    check_output(output, "model")
    read = open_corpus(corpus, data_dir, speaker_pattern)
    with training_status() as callback:
        background = BackgroundModel.train(
            read,
            features=FeatureConfig.load(features),
            n_components=components,
            seed=seed,
            n_jobs=jobs,
            strict=strict,
            progress=not json,
            callback=callback,
        )
    background.save(output)
    if json:
        print_json({"output": str(output), **passed_over(read), **background.info()})
        return
    facts = background.provenance
    print_line(
        f"{output}: {counted(components, 'component')}, "
        f"{counted(background.mixture.n_features, 'feature')}, trained on "
        f"{counted(facts['n_frames'], 'frame')} of {counted(facts['n_utterances'], 'recording')}, "
        f"{counted(facts['n_speakers'], 'named speaker')}; "
        f"{counted(len(facts['history']), 'iteration')} "
        f"({facts['convergence'].replace('_', ' ')}), digest {background.digest[:12]}"
    )


def _flatten(document: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in document.items():
        if isinstance(value, dict):
            rows.extend(_flatten(value, f"{prefix}{key}."))
        elif isinstance(value, list) and (
            len(value) > 6 or any(isinstance(entry, dict | list) for entry in value)
        ):
            rows.append((f"{prefix}{key}", f"{len(value)} values"))
        else:
            text = f"{value:.6g}" if isinstance(value, float) else str(value)
            rows.append((f"{prefix}{key}", text))
    return rows


def _summary(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what a person asks of a store first; all of it is in the JSON."""
    background = document["background"]
    made, features = background["provenance"], background["features"]
    trained = [
        counted(made[key], noun)
        for key, noun in (("n_speakers", "named speaker"), ("n_utterances", "recording"))
        if isinstance(made.get(key), int)
    ]
    return [
        (
            "speakers",
            f"{document['n_speakers']}, {counted(document['n_sessions'], 'recording')}, "
            f"{document['speech_seconds']:.1f} s of speech; last enrolled "
            f"{document['last_enrolled'] or 'never'}",
        ),
        (
            "adapted",
            f"{', '.join(document['parameters'])}; relevance factor "
            f"{document['relevance_factor']:g}",
        ),
        (
            "background",
            f"{counted(background['n_components'], 'component')}, digest "
            f"{background['digest'][:12]}" + f"; {', '.join(trained)}" * bool(trained),
        ),
        (
            "features",
            f"{features.get('name') or 'of its own'}, {background['n_features']} a frame, digest "
            f"{background['features_digest'][:12]}",
        ),
        (
            "made",
            f"{document['created']}, format version {document['format_version']}; all of it: "
            "--json",
        ),
    ]


def info(
    file: Annotated[Path, typer.Argument(help="Any file of speakergmm's: a model, a store.")],
    json: JsonOption = False,
) -> None:
    """Say what a model or store is, what it was made of, with which features, and when."""
    document = _describe(file)
    if json:
        print_json(document)
    else:
        short = document["kind"] == "speaker store"
        rows = _summary(document) if short else _flatten(document)
        print_table(str(file), ("what", "value"), rows)


def _describe(file: Path) -> dict[str, Any]:
    """Check a file of ours as loading it would, and return what there is to say of it."""
    from speakergmm.file_kinds import describe_file
    from speakergmm.files import kind_of, shown_path
    from speakergmm.serialization import load_arrays, read_header
    from speakergmm.speakers import BackgroundModel, SpeakerStore

    if kind_of(file) == "missing":
        raise ModelFormatError(
            f"{shown_path(file)}: no such file; a model or a speaker store was expected"
        )
    if kind_of(file) == "file" and describe_file(file) == "a speaker store":
        with SpeakerStore.open(file) as store:
            return store.info()
    header = read_header(file)
    kind = header["kind"]
    if kind == "background model":
        return BackgroundModel.load(file).info()
    if kind == "acoustic model":
        from speakergmm.recognition.acoustic_model import AcousticModel

        return AcousticModel.load(file).info()
    # Estimators, statistics and checkpoints tell of themselves what they hold.
    arrays, metadata = load_arrays(file, kind=kind)
    return {
        "kind": kind,
        "digest": header["content_sha256"],
        **{name: value for name, value in metadata.items() if name not in ("kind", "digest")},
        "arrays": {name: [array.dtype.name, *array.shape] for name, array in arrays.items()},
    }


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command("train-ubm", help=(train_ubm.__doc__ or "") + _TRAIN_EXAMPLES)(train_ubm)
    app.command(help=(info.__doc__ or "") + _INFO_EXAMPLES)(info)
