"""Names that people bring from other tools: accepted if their meaning is clear, else explained.

Users of Kaldi, the Montreal Forced Aligner and scikit-learn type ``--num-jobs``, ``--output_dir``
or ``--random-state``. A name that has one meaning here is taken for it (`accepted_name`); any other
unknown name is refused in one line that states the right one (`explained`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from speakergmm.errors import InvalidInputError

# Our name of an option, and what it is called elsewhere. A command's own names go first.
_ELSEWHERE = {
    "output": "out out-dir outdir output-dir output-directory output-folder output-file "
    "output-path output-model-path",
    "jobs": "num-jobs nj workers n-workers num-workers processes threads num-threads",
    "scheduler": "scheduler-address scheduler-file dask cluster",
    "format": "formats output-format",
    "lexicon": "dict dictionary dictionary-path lexicon-path pronunciations",
    "check-transcripts": "text",  # before the next one: of validate, "text" was a switch
    "transcripts": "transcript text transcriptions",
    "components": "num-components gaussians n-gaussians num-gauss num-gaussians n-mixtures",
    "gaussians": "num-gauss num-gaussians total-gaussians totgauss",
    "iterations": "max-iter max-iterations n-iter n-iterations num-iter num-iters num-iterations",
    "seed": "random-state random-seed",
    "states": "num-states",
    "write-states": "states",
    "features": "feature-config mfcc-config feature-type",
    "rate": "sr samplerate sampling-rate sample-rate sample-frequency",
    "lm": "language-model language-model-path arpa",
    "acoustic-scale": "acwt am-scale am-weight acoustic-weight",
    "lm-scale": "lmwt lm-weight language-weight language-model-scale",
    "word-penalty": "word-ins-penalty word-insertion-penalty",
    "nbest": "num-best n-best",
    "words": "vocabulary word-list",
    "ubm": "background background-model ubm-model",
    "relevance-factor": "relevance tau",
    "top": "top-n topn n-best nbest",
    "prior": "ptarget p-target",
    "confidence": "coverage confidence-level",
    "confidences": "confidence",
    "bootstrap": "replicates",
    "data-dir": "data root audio-dir audio-directory wav-dir",
    "speakers": "utt2spk",
    "speaker-pattern": "speaker-regex",
    "unknown-words": "unknown",
    "order": "ngram-order n-gram-order",
    "method": "smoothing",
    "report": "html html-report",
}
_OPTIONS: dict[str, list[str]] = {}
for _ours, _theirs in _ELSEWHERE.items():
    for _name in _theirs.split():
        _OPTIONS.setdefault(_name, []).append(_ours)

_PARALLEL = (
    "--jobs states the number of processes, which run on this machine; --scheduler takes the "
    "workers of a Dask scheduler, on any number of machines"
)
_LABELS = "run-protocol reads the trials from its folder, and writes their labels to the scores"
_COSTS = "costs other than 1 are options of speakergmm.evaluate and metrics.min_dcf in Python"
_MEAN = (
    'train-ubm --features FILE, with the two lines preset = "speaker", normalisation = "mean"; it '
    "helps against another channel only, costs accuracy where the channel is the same, and cures "
    "no change of level"
)
_WORDS = "the words and their phones are those of the file of --lexicon"
_BEST_COMPONENTS = "verify, identify and run-protocol score all components, --top-c N the N best"
_REPLACED = "an older output of the same kind is always replaced"
_PRINTED = "the result is printed, and > FILE writes it to a file"
_SETTINGS = "all options are given on the command line (those of features: --features FILE)"
_ENDING = "if there are several formats, the ending of the name in --output chooses one"
_PRONOUNCED = "pronunciations are not predicted: add them to the file of --lexicon"
_FOLDERS = "the speakers are the folders of the corpus, or what --speaker-pattern finds"
# Options that no command has, or that mean several things, and what to give instead.
_OPTION_HINTS = {
    "overwrite": _REPLACED,
    "clean": _REPLACED,
    "force": _REPLACED,
    "config": _SETTINGS,
    "config-path": _SETTINGS,
    "output": _PRINTED,
    "rate": "the rate is one of the features: train-ubm --features FILE, with the two lines "
    'preset = "speaker" and sample_rate = 8000',
    "iterations": "training ends when it has converged, after 30 iterations at most",
    "oov": "--unknown-word is the word of the lexicon that stands for unknown words, "
    "--unknown-words what becomes of their utterances",
    "cmd": _PARALLEL,
    "trials": _LABELS,
    "labels": _LABELS,
    "c-miss": _COSTS,
    "c-fa": _COSTS,
    "det": "the file of --report contains the DET curve",
    "apply-cmn": _MEAN,
    "cmn": _MEAN,
    "num-gselect": _BEST_COMPONENTS,
    "spk2utt": "enroll takes one speaker and the recordings; run-protocol enrols a list",
    "lang": _WORDS,
    "word-symbol-table": _WORDS,
    "boost-silence": "only --silence-probability changes the weight of silence",
    "ctm": "give --format ctm",
    "speaker-characters": "give --speaker-pattern, such as '{speaker}_*.wav'",
    "single-speaker": _FOLDERS,
    "temporary-directory": "temporary files lie beside the output, and are always removed",
    "retry-beam": "align and train-hmm try an utterance without a path again, with ten times the "
    "--beam",
    "g2p-model": _PRONOUNCED,
    "g2p-model-path": _PRONOUNCED,
    "format": _ENDING,
    "output-format": _ENDING,
    "include-original-text": "alignments.jsonl contains the transcript as well",
    "reference-directory": "boundary_errors in speakergmm.metrics compares two alignments",
    "phone-set": "the phones are those of the file of --lexicon",
    "fine-tune": "--edges expected, the default, places boundaries between frames",
    "test-transcriptions": "align ranks suspicious transcripts in diagnostics.tsv",
    "evaluate": "score-transcripts counts the errors of the output",
    "gaussians": "give --gaussians-per-state, a mean number",
    "covariance-type": "only train-ubm has it; in Python, GaussianMixture has all types",
    "verbose": "progress and notes are always printed on standard error",
    "quiet": "progress and notes go to standard error: 2> FILE writes them to a file",
}
_SHORT = {"c": "config", "q": "quiet", "t": "temporary-directory", "v": "verbose"}
_COMMANDS = {"enrol": "enroll", "recognise": "decode", "recognize": "decode"}
# Optional files that are arguments in other programs: `mfa align CORPUS LEXICON MODEL OUTPUT`.
_ARGUMENTS_ELSEWHERE = ("lexicon", "lm")
_COMMAND_HINTS = {
    "train": "train-ubm trains a background model of speakers, train-hmm models of phones, "
    "train-words models of words, train-lm a language model",
    "fit": "train-ubm trains a background model of speakers, train-hmm models of phones; in "
    "Python, speakergmm.GaussianMixture has fit",
    "score": "verify scores one recording, run-protocol a list of trials, score-transcripts what "
    "decode has recognised",
    "test": "verify scores one recording, run-protocol a list of trials",
    "adapt": "enroll adapts the background model to a speaker; phone models are not adapted, but "
    "trained by train-hmm",
    "transcribe": "decode recognises words or phones, align finds the times of known words",
    "mfcc": "extract computes the features of a corpus once, into a store; elsewhere they are "
    "computed when they are needed, and --features chooses them",
    "mfa": "its commands are called without it, such as align MODEL CORPUS --output FOLDER",
    "score-trials": "run-protocol scores a list of trials",
    "train-gmm": "train-ubm trains the Gaussian mixture of many speakers",
    "g2p": "train-hmm --graphemes spells words, without a lexicon",
    "model": "train-hmm trains an acoustic model, info describes it; none can be downloaded",
    "inspect": "info describes a model or a store",
    "configure": "all options are given with the command that they concern",
    "find-oovs": "validate CORPUS --lexicon FILE lists the words outside the lexicon",
    "align-one": "align takes one recording, too: align MODEL WAV --text WORDS --output FOLDER",
    "eer": "evaluate computes the EER and the minDCF of a score file",
    "mono": "train-hmm trains models of phones without context",
    "graph": "decode builds its graph from the lexicon of the model and the file of --lm",
    "ctm": "align writes the times of words and phones, decode --output FILE.ctm those of words",
    "wer": "score-transcripts counts word errors",
    "list": "speakers lists those of a store, info describes a file",
    "delete": "remove erases a speaker from a store",
    "help": "give --help, or COMMAND --help",
    "version": "give --version",
}
for _name, _same in (
    ("make-mfcc", "mfcc"),
    ("compute-mfcc-feats", "mfcc"),
    ("compute-vad", "mfcc"),
    ("compute-cmvn-stats", "mfcc"),
    ("compute-eer", "eer"),
    ("compute-min-dcf", "eer"),
    ("min-dcf", "eer"),
    ("gmm-global-init-from-feats", "train-gmm"),
    ("train-diag-ubm", "train-gmm"),
    ("train-full-ubm", "train-gmm"),
    ("train-mono", "mono"),
    ("train-deltas", "mono"),
    ("mkgraph", "graph"),
    ("ali-to-phones", "ctm"),
    ("lattice-to-ctm", "ctm"),
    ("lattice-to-ctm-conf", "ctm"),
    ("compute-wer", "wer"),
    ("erase", "delete"),
    ("rm", "delete"),
    ("predict", "test"),
    ("train-g2p", "g2p"),
    ("models", "model"),
    ("download", "model"),
    ("validate-dictionary", "find-oovs"),
):
    _COMMAND_HINTS[_name] = _COMMAND_HINTS[_same]


def accepted_name(name: str, own: Collection[str]) -> str:
    """Return the name of an option that a command has for what was typed; else what was typed.

    >>> accepted_name("output_dir", {"output", "jobs"}), accepted_name("num-jobs", {"output"})
    ('output', 'num-jobs')
    """
    if name in own:
        return name
    dashed = name.replace("_", "-")
    if dashed in own:
        return dashed
    return next((ours for ours in _OPTIONS.get(dashed, ()) if ours in own), name)


class Command(TyperCommand):
    """A command that accepts the names that its options have elsewhere."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Parse the arguments, with the names of options that are known from elsewhere."""
        own = option_names(self)
        extra.setdefault("token_normalize_func", lambda name: accepted_name(name, own))
        extra.setdefault("help_option_names", ["--help", "-h"])
        return super().make_context(info_name, args, parent=parent, **extra)


class Group(TyperGroup):
    """The commands: one that is not there is refused with the name of the nearest one."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Parse the arguments before the command."""
        extra.setdefault("help_option_names", ["--help", "-h"])
        return super().make_context(info_name, args, parent=parent, **extra)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the first argument names."""
        typed = args[0]
        name = typed.replace("_", "-").lower()
        name = _COMMANDS.get(name, name)
        if name not in self.commands and not typed.startswith("-"):
            raise InvalidInputError(f"there is no command {typed!r}; {_right_command(name, self)}")
        return super().resolve_command(ctx, [name, *args[1:]])


def _right_command(name: str, group: Group) -> str:
    if name in _COMMAND_HINTS:
        return _COMMAND_HINTS[name]
    near = _nearest(name, {other: other for other in group.commands})
    if near is not None:
        return f"did you mean {near}?"
    return f"the commands are {', '.join(group.commands)}"


def option_names(command: Any) -> set[str]:
    """Return the names of a command's options without their dashes."""
    flags = (flag for each in command.params for flag in (*each.opts, *each.secondary_opts))
    return {flag.lstrip("-") for flag in flags if flag.startswith("-")}


def explained(error: TyperException) -> str:
    """Return the message of an error in what was typed, with what would have been right."""
    message = error.format_message().replace("Value error, ", "")  # said by Typer's validation
    context = getattr(error, "ctx", None)
    if context is None or not message:
        return message
    option: str | None = getattr(error, "option_name", None)
    if option is not None and message.startswith("No such option"):
        hint = _right_option(option.lstrip("-"), context.command)
        message = f"{context.info_name} has no option {option}{hint}"
    elif message.startswith("Missing") and getattr(error, "param", None) is not None:
        message = f"{_shown(error.param)} is missing; usage: {usage(context)}"  # type: ignore[attr-defined] # an error of a parameter
    elif extra := re.match(r"Got unexpected extra argument\w*(?:\(s\))? \((.*)\)", message):
        message = f"{extra[1]!r} is more than {context.info_name} takes; usage: {usage(context)}"
    return f"{message} (see {context.command_path} --help)"


def _right_option(name: str, command: Any) -> str:
    own, name = option_names(command), name.replace("_", "-")
    arguments = {each.name: each for each in command.params if each.param_type_name == "argument"}
    if name in arguments:
        return f": its {_shown(arguments[name])} stands without an option"
    name = _SHORT.get(name, name)
    for meant in (name, *_OPTIONS.get(name, ())):
        if meant in _OPTION_HINTS:
            return f": {_OPTION_HINTS[meant]}"
    elsewhere = {theirs: accepted_name(theirs, own) for theirs in _OPTIONS}
    known = {theirs: ours for theirs, ours in elsewhere.items() if ours in own}
    near = _nearest(name, known | {ours: ours for ours in own})
    return "" if near is None else f"; did you mean --{near}?"


def _nearest(name: str, known: Mapping[str, str]) -> str | None:
    """Return what the known name means that is written most like a name."""
    from difflib import get_close_matches

    return next((known[near] for near in get_close_matches(name, known, n=1)), None)


def check_model_first(model: Path, others: Sequence[Path]) -> None:
    """Raise an error if an acoustic model was given after the recordings, as elsewhere.

    Raises
    ------
    InvalidInputError
        If only a later argument has the ending of a model.
    """
    later = [path for path in others if path.suffix == ".safetensors"]
    if later and model.suffix != ".safetensors":
        raise InvalidInputError(f"the model comes first: give {later[0]} before {model}")


def usage(context: Any) -> str:
    """Return the shortest call of a command: its arguments and the options that it requires.

    The words come in the order in which they are typed. Optional files that other programs take as
    arguments are shown as well.
    """
    words = [context.command_path]
    for each in context.command.params:
        if each.param_type_name == "argument":
            words.append(_shown(each))
        elif each.required:
            words.append(f"{_shown(each)} {each.name.upper()}")
        elif each.name in _ARGUMENTS_ELSEWHERE:
            words.append(f"[{_shown(each)} {each.name.upper()}]")
    return " ".join(words)


def _shown(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return str(parameter.opts[0])
    name = parameter.metavar or parameter.name.upper()
    return f"{name}..." if parameter.nargs == -1 and "..." not in name else str(name)
