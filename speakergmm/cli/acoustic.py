"""``speakergmm train-hmm``: phone models of transcribed recordings, from a flat start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from speakergmm.cli.corpora import (
    FEATURES_HELP,
    CorpusArgument,
    DataOption,
    SpeakerPatternOption,
    left_out,
    names_of,
    open_corpus,
    passed_over,
    tell_notes,
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
    print_table,
)
from speakergmm.cli.outputs import check_output
from speakergmm.errors import InvalidInputError
from speakergmm.words import case_hint

if TYPE_CHECKING:
    from speakergmm.hmm.language.lexicon import Lexicon
    from speakergmm.recognition.text_problems import TextProblem

_EXAMPLES = """

Examples:

  speakergmm train-hmm corpus/ --lexicon cmudict.txt --output am.safetensors

  speakergmm train-hmm list.tsv --graphemes --gaussians 500 --output am.safetensors -j 2
"""
_SHOWN_PROBLEMS = 20


def train_hmm(
    corpus: CorpusArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Model file to write.", show_default=False)
    ],
    lexicon: Annotated[
        Path | None,
        typer.Option(help="Pronunciations in CMUdict format.", show_default=False),
    ] = None,
    graphemes: Annotated[
        bool, typer.Option("--graphemes", help="Spell words out instead: no lexicon is needed.")
    ] = False,
    transcripts: Annotated[
        Path | None,
        typer.Option(help="File with the transcripts, where they are not with the corpus."),
    ] = None,
    unknown: Annotated[
        Literal["skip", "map", "graphemes"],
        typer.Option(
            "--unknown",
            "--unknown-words",
            help="Words outside the lexicon: leave out, spoken noise, or spell.",
        ),
    ] = "skip",
    stress: Annotated[
        Literal["fold", "keep"], typer.Option(help="Stress digits of phones in the lexicon.")
    ] = "fold",
    case: Annotated[
        Literal["asis", "upper", "lower"], typer.Option(help="Letter case to bring words to.")
    ] = "asis",
    gaussians: Annotated[
        int, typer.Option("--gaussians", "--n-gaussians", min=1, help="Gaussians of all phones.")
    ] = 1000,
    iterations: Annotated[
        int, typer.Option("--iterations", "--n-iterations", min=1, help="Updates of the models.")
    ] = 40,
    algorithm: Annotated[
        Literal["baum-welch", "viterbi"],
        typer.Option(help="Sums over all paths, or the best path alone (faster)."),
    ] = "baum-welch",
    beam: Annotated[
        float | None,
        typer.Option(
            help="Give up paths this many nats worse than the best; ten times as many are tried "
            "where none is left (default: none is given up)."
        ),
    ] = None,
    states: Annotated[
        int, typer.Option("--states", "--n-states", min=1, help="States of each phone.")
    ] = 3,
    variance_floor: Annotated[
        float,
        typer.Option(min=0, max=1, help="Least variance, as a part of that of all frames."),
    ] = 0.01,
    min_occupancy: Annotated[
        float, typer.Option(min=0, help="Frames that a Gaussian needs to be kept.")
    ] = 10.0,
    memory: Annotated[
        float,
        typer.Option(help="Gigabytes that one utterance may take; longer ones are left out."),
    ] = 2.0,
    features: Annotated[str, typer.Option(help=f"{FEATURES_HELP}; 'hmm' suits phones.")] = "hmm",
    rate: Annotated[
        int | None,
        typer.Option(
            "--rate",
            "--sample-rate",
            min=4000,
            help="Rate of the features in Hz (default: 16000, or 8000 for telephone speech).",
        ),
    ] = None,
    normalisation: Annotated[
        Literal["speaker", "utterance", "none"],
        typer.Option(help="What cepstral means and variances are taken over."),
    ] = "speaker",
    silence: Annotated[str, typer.Option(help="Name of the model of silence.")] = "SIL",
    silence_probability: Annotated[
        float,
        typer.Option(min=0, max=1, help="Of silence between words, and at either end."),
    ] = 0.5,
    short_pause: Annotated[
        str | None,
        typer.Option(
            help="Name of a pause that may last no time, in place of silence between words.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=LARGEST_SEED, help="Seed of the splits of Gaussians.")
    ] = 0,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="File to go on from after an interruption.", show_default=False),
    ] = None,
    data_dir: DataOption = None,
    speaker_pattern: SpeakerPatternOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the corpus if one utterance is bad.")
    ] = False,
    jobs: JobsOption = 1,
    json: JsonOption = False,
) -> None:
    """Train phone models on recordings and their transcripts, and write them to a file."""
    from speakergmm.corpora.transcripts import read_transcripts
    from speakergmm.features import FeatureConfig
    from speakergmm.hmm.language.lexicon import Lexicon
    from speakergmm.hmm.training.schedule import ANNEALED, TrainingSchedule
    from speakergmm.recognition import AcousticModel, FeatureNormalisation, SilenceModel
    from speakergmm.recognition.features import suited_rate
    from speakergmm.recognition.text_problems import unusable_utterances
    from speakergmm.recognition.text_validation import validate_text
    from speakergmm.recognition.text_words import spelled_out
    from speakergmm.recognition.training import UNKNOWN_WORD, TrainingOptions

    if (lexicon is None) == (not graphemes):
        raise InvalidInputError("give either --lexicon FILE or --graphemes")
    check_output(output, "acoustic model")
    read = open_corpus(corpus, data_dir, speaker_pattern, strict=False)
    folded = None if case == "asis" else case
    said = read_transcripts(
        transcripts or read, case=folded, data_dir=data_dir, corpus=read, strict=False
    )
    tell_notes(said, read)
    if lexicon is None:
        spoken = {word for utterance in said.values() for word in utterance}
        words = Lexicon.graphemes(spoken, strict=False)
    else:
        words = Lexicon.read(lexicon, stress=stress, case=folded)
    config = FeatureConfig.load(features)
    if rate is not None or features == "hmm":
        config = config.replace(sample_rate=rate or suited_rate(read.utterances))
    heard = {u.id: said[u.id] for u in read if u.id in said}
    checked = words
    if lexicon is not None and unknown == "graphemes":
        checked = spelled_out(words, heard)
    problems = validate_text(
        read,
        said,
        None if lexicon is None else checked,
        graphemes=lexicon is None,
        features=config,
        n_jobs=jobs,
        description=None if json else "checking",
    )
    if unknown == "map":
        problems = tuple(p for p in problems if p.kind != "unknown_word")
    unusable = unusable_utterances(problems)
    _report(problems, strict=strict)
    if lexicon is not None and unknown != "skip":
        _note_unknown(words, heard, UNKNOWN_WORD if unknown == "map" else None)
    options = TrainingOptions(
        features=config,
        normalisation=FeatureNormalisation(normalisation),
        schedule=TrainingSchedule(
            algorithm=algorithm,
            # A short training has no time to be annealed.
            annealing=ANNEALED[: iterations // 4],
            n_iterations=iterations,
            grow_until=max(0, iterations * 3 // 4),
            n_gaussians=gaussians,
            beam=beam,
            retry_beam=None if beam is None else 10 * beam,
            variance_floor=variance_floor,
            min_occupancy=min_occupancy,
            memory=memory * 1e9,
        ),
        silence=SilenceModel(silence, silence_probability, silence_probability, short_pause),
        n_states=states,
        unknown_words=unknown,
        seed=seed,
    )
    with hmm_training_status(iterations) as callback:
        model = AcousticModel.train(
            read,
            said,
            words,
            options,
            n_jobs=jobs,
            strict=strict,
            unusable=unusable,
            on_skip=lambda skipped: _note_skip(skipped.affected, skipped.message, unusable),
            callback=callback,
            checkpoint=checkpoint,
            progress=not json,
        )
    model.save(output)
    facts = model.provenance
    if json:
        print_json(
            {
                "output": str(output),
                "n_left_out": len(names_of(read)) - facts["n_utterances"],
                **passed_over(read),
                "problems": [problem.to_dict() for problem in problems],
                **model.info(),
            }
        )
        return
    print_line(
        f"{output}: {counted(len(model.models.units), 'unit')}, "
        f"{counted(model.models.n_components, 'Gaussian')}, trained on "
        f"{counted(facts['n_utterances'], 'utterance')} ({facts['seconds'] / 60:.1f} minutes) of "
        f"{counted(facts['n_speakers'], 'named speaker')}; log-likelihood "
        f"{facts['history'][-1]['log_likelihood'] or float('nan'):.3f} a frame, "
        f"digest {model.digest[:12]}{left_out(read, facts['n_utterances'])}"
    )
    if UNKNOWN_WORD in model.lexicon:
        print_line(f"words outside the lexicon are taken for {UNKNOWN_WORD}")


def _note_skip(affected: tuple[str, ...], message: str, known: dict[str, str]) -> None:
    """Say what was left out, unless the list of problems said it."""
    if not any(utterance in known for utterance in affected):
        print_note(f"left out: {message}")


def _note_unknown(words: Lexicon, heard: Mapping[str, Sequence[str]], mapped: str | None) -> None:
    """List the words outside the lexicon, and what becomes of them."""
    from speakergmm.hmm.language.graphemes import spell
    from speakergmm.recognition.text_words import with_counts

    found = words.unknown(heard)
    if mapped is None:
        found = {word: count for word, count in found.items() if spell(word)}
    if found:
        what = "spelled" if mapped is None else f"taken for {mapped}"
        print_note(
            f"warning: words not in the lexicon, {what}: {with_counts(found)}"
            f"{case_hint(found, words)}"
        )


def _report(problems: tuple[TextProblem, ...], *, strict: bool) -> None:
    """List what is wrong with the corpus; with `strict`, an error ends the command."""
    errors = [problem for problem in problems if problem.severity == "error"]
    if not errors:
        return
    if not strict:
        for problem in problems:
            if problem.kind == "unknown_word" and problem.utterance is None:
                print_note(f"warning: {problem.message}")
        for problem in errors[:_SHOWN_PROBLEMS]:
            what = "warning" if problem.utterance is None else "left out"
            print_note(f"{what}: {_place(problem)}{problem.message}")
        if len(errors) > _SHOWN_PROBLEMS:
            print_note(f"and {len(errors) - _SHOWN_PROBLEMS} more; 'validate --text' lists them")
        return
    print_table(
        "Problems of the corpus",
        ("kind", "file", "what"),
        [(p.kind, _place(p).rstrip(": "), p.message) for p in errors],
    )
    raise InvalidInputError(
        f"{counted(len(errors), 'problem')} of recordings and transcripts; mend them, or train "
        "without --strict, which leaves the utterances out"
    )


def _place(problem: TextProblem) -> str:
    """Write file and line before a message, as far as they are known."""
    if problem.path is None:
        return ""
    line = "" if problem.line is None else f":{problem.line}"
    return f"{problem.path}{line}: "


def register(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command("train-hmm", help=(train_hmm.__doc__ or "") + _EXAMPLES)(train_hmm)
