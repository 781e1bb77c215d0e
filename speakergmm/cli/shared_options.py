"""Options that several commands share, each declared once as an annotated type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from speakergmm.cli.command_options import option
from speakergmm.features import PRESETS

LARGEST_SEED = (1 << 32) - 1
"""The largest seed that every random generator accepts and every model file can store."""

_UBM_HELP = "Background model, from train-ubm."
FEATURES_HELP = (
    f"Preset of features ({', '.join(PRESETS)}), or a TOML or JSON file that changes the one "
    "that its key 'preset' names."
)


def _at_most_cores(jobs: int) -> int:
    if jobs == 0:
        raise typer.BadParameter("0 processes do no work; give 1 or more, or -1 for all cores")
    return min(jobs, os.cpu_count() or 1)


CorpusArgument = Annotated[
    Path,
    typer.Argument(
        help="A folder of speaker folders, a Kaldi data directory, or a CSV/TSV list of recordings."
    ),
]


CorpusOrStoreArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CORPUS",
        help="A folder of speaker folders, a Kaldi data directory, a CSV/TSV list of recordings, "
        "or a feature store (speakergmm extract).",
    ),
]


StatisticsOption = Annotated[
    Path | None,
    typer.Option(
        "--statistics",
        help="Statistics archive: recordings that it has are not read again, and the statistics of "
        "the others are added to it; made if there is none.",
    ),
]

FeatureStoreOption = Annotated[
    Path | None,
    typer.Option(
        "--feature-store",
        help="Feature store (speakergmm extract) with features of the recordings; those that it "
        "lacks are extracted.",
    ),
]


def output(default: Any, help: str) -> Any:
    """Return the field of the option that names a command's output, with ``-o`` for short."""
    return option(default, help, "-o")


Components = Annotated[
    int,
    typer.Option(
        "--components", "--n-components", min=1, help="Number of Gaussians of the mixture."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        "--data",
        help="Folder that relative paths in a list start from (default: the folder of the list).",
    ),
]
Features = Annotated[str, typer.Option(help=FEATURES_HELP)]

FeaturesToExtract = Annotated[
    str | None,
    typer.Option(
        help=f"{FEATURES_HELP.rstrip('.')} (default: speaker; of features that Kaldi has "
        "computed, none)."
    ),
]
Graphemes = Annotated[
    bool,
    typer.Option(
        "--graphemes",
        help="Spell the words: letters take the place of phones, and no lexicon is needed.",
    ),
]
LanguageModel = Annotated[Path | None, typer.Option(help="Language model of words (ARPA).")]
Phones = Annotated[bool, typer.Option("--phones", help="Use phones instead of words.")]
Silence = Annotated[str, typer.Option(help="Name of the silence unit.")]
Ubm = Annotated[Path, typer.Option(help=_UBM_HELP)]
OptionalUbm = Annotated[Path | None, typer.Option(help=_UBM_HELP)]
StoreArgument = Annotated[Path, typer.Argument(help="Speaker store, a single SQLite file.")]
SpeakerArgument = Annotated[str, typer.Argument(help="Name of the speaker.")]
ModelOutput = Annotated[Path, typer.Option("--output", "-o", help="Model file to write.")]
SpeakerPattern = Annotated[
    str | None,
    typer.Option(
        help="Where a file name contains the speaker, such as '{speaker}_*.wav'; with a slash, "
        "where the path does, such as '{speaker}/*/*.wav'; or a regular expression whose group is "
        "the speaker."
    ),
]
Transcripts = Annotated[
    Path | None,
    typer.Option(
        help="File with the transcripts (default: the file or column 'text', or the .txt and "
        ".lab files of the corpus)."
    ),
]
Lexicon = Annotated[Path | None, typer.Option(help="Pronunciation lexicon in CMUdict format.")]
ReplacedLexicon = Annotated[
    Path | None,
    typer.Option(help="Pronunciation lexicon in CMUdict format, in place of the model's own."),
]
Stress = Annotated[
    Literal["fold", "keep"],
    typer.Option(help="Remove the stress digits from the phones of the lexicon, or keep them."),
]
Case = Annotated[
    Literal["asis", "upper", "lower"],
    typer.Option(help="Letter case that all words are converted to; 'asis' converts none."),
]
BY_HELP = (
    "Names in a CTM file: utterances, with times from the start of each, or recordings, with times "
    "from the start of the recording, as sclite expects."
)
By = Annotated[Literal["utterance", "recording"], typer.Option(help=BY_HELP)]
Normalisation = Annotated[
    Literal["speaker", "utterance", "none"],
    typer.Option(help="Speech over which cepstral means and variances are normalised."),
]
Iterations = Annotated[
    int,
    typer.Option("--iterations", "--max-iter", min=1, help="Number of iterations of training."),
]
Seed = Annotated[
    int,
    typer.Option("--seed", min=0, max=LARGEST_SEED, help="Seed of the random numbers."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Dask scheduler whose workers do the work in place of --jobs: tcp://HOST:PORT, or the "
        "file of 'dask scheduler --scheduler-file FILE'. They see the files under the same paths.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        "--n-jobs",
        callback=_at_most_cores,
        help="Number of processes that work on recordings, at most one per core; -1 for all cores.",
    ),
]
