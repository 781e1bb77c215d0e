"""``speakergmm train-words``: a model for each word, from recordings of one word each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from speakergmm.cli.corpora import (
    FEATURES_HELP,
    DataOption,
    SpeakerPatternOption,
    left_out,
    names_of,
    passed_over,
)
from speakergmm.cli.output import (
    LARGEST_SEED,
    JobsOption,
    JsonOption,
    counted,
    hmm_training_status,
    print_json,
    print_line,
    print_note,
)
from speakergmm.cli.outputs import check_output
from speakergmm.errors import InvalidInputError

_EXAMPLES = """

Examples:

  speakergmm train-words commands/ --output words.safetensors

  speakergmm train-words list.tsv --states 10 --warps 0.9,1,1.1 --output words.safetensors -j 2

  speakergmm train-words flat/ --speaker-pattern '{word}_{speaker}_*' --output words.safetensors

  speakergmm decode words.safetensors one.wav two.wav --isolated
"""


def train_words(
    corpus: Annotated[
        Path,
        typer.Argument(
            help="A folder that holds a folder of recordings for each word; or a CSV/TSV list with "
            "the columns path and word (or text); or a Kaldi data directory.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Model file to write.", show_default=False)
    ],
    states: Annotated[
        int, typer.Option("--states", "--n-states", min=1, help="States of each word.")
    ] = 12,
    gaussians: Annotated[
        float,
        typer.Option("--gaussians", "--n-gaussians", min=1, help="Gaussians a state, on average."),
    ] = 2.5,
    iterations: Annotated[
        int, typer.Option("--iterations", "--n-iterations", min=1, help="Updates of the models.")
    ] = 14,
    features: Annotated[str, typer.Option(help=f"{FEATURES_HELP}; 'hmm' suits words.")] = "hmm",
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            "--sample-rate",
            min=4000,
            help="Rate of the features in Hz (default: 16000, 8000 for telephone speech).",
            show_default=False,
        ),
    ] = None,
    normalisation: Annotated[
        Literal["speaker", "utterance", "none"],
        typer.Option(help="What cepstral means and variances are taken over."),
    ] = "utterance",
    warps: Annotated[
        str,
        typer.Option(
            "--warps",
            "--frequency-warps",
            help="Factors, as in 0.9,1,1.1, by which frequencies are moved in training.",
        ),
    ] = "1",
    speaker_pattern: SpeakerPatternOption = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the splits of Gaussians.")
    ] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File to go on from after an interruption.", show_default=False),
    ] = None,
    data_dir: DataOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the corpus if one recording is bad.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Train a model for each word on recordings of one word each, and write them to a file."""
    from speakergmm.features import FeatureConfig, FeatureNormalisation
    from speakergmm.recognition.features import suited_rate
    from speakergmm.recognition.word_lists import read_words
    from speakergmm.recognition.words import WordTrainingOptions, train_word_models

    check_output(output, "word models")
    read = read_words(corpus, data_dir=data_dir, speaker_pattern=speaker_pattern)
    for note in read.corpus.notes:
        print_note(f"warning: {note}")
    config = FeatureConfig.load(features)
    if rate is not None or features == "hmm":
        config = config.replace(sample_rate=rate or suited_rate(read.corpus.utterances))
    if normalisation == "speaker" and not read.corpus.speakers:
        raise InvalidInputError(
            "--normalisation speaker needs speakers: a column speaker, or --speaker-pattern"
        )
    options = WordTrainingOptions(
        features=config,
        normalisation=FeatureNormalisation(normalisation),
        n_states=states,
        n_gaussians=gaussians,
        n_iterations=iterations,
        frequency_warps=_factors(warps),
        seed=seed,
    )
    with hmm_training_status(iterations) as callback:
        model = train_word_models(
            read.corpus,
            read.words,
            options,
            n_jobs=jobs,
            strict=strict,
            on_skip=lambda skipped: print_note(f"left out: {skipped.message}"),
            callback=callback,
            checkpoint=checkpoint,
            progress=not json,
        )
    model.save(output)
    facts = model.provenance
    if json:
        document = {
            "output": str(output),
            "words": list(read.vocabulary),
            "n_left_out": len(names_of(read.corpus)) - facts["n_utterances"],
        }
        print_json(document | passed_over(read.corpus) | model.info())
        return
    print_line(
        f"{output}: {counted(len(model.lexicon), 'word')}, "
        f"{counted(model.models.n_components, 'Gaussian')}, trained on "
        f"{counted(facts['n_utterances'], 'recording')} ({facts['seconds'] / 60:.1f} minutes) of "
        f"{counted(facts['n_speakers'], 'named speaker')}; log-likelihood "
        f"{facts['history'][-1]['log_likelihood'] or float('nan'):.3f} a frame, "
        f"digest {model.digest[:12]}{left_out(read.corpus, facts['n_utterances'])}"
    )


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInputError(
            f"--warps {text!r}: factors with commas between, as in 0.9,1,1.1, were expected"
        ) from None


def register(app: typer.Typer) -> None:
    """Add this group's command to the application."""
    app.command("train-words", help=(train_words.__doc__ or "") + _EXAMPLES)(train_words)
