"""The commands: name, panel, summary and class of each, which is loaded when it is called.

A start loads one command of many, or none: ``--help``, completion and wrong command lines need no
more than what is stated here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from speakergmm.cli.guesses import Command, Group

# Panel of the list of commands -> name of a command -> file and class in it, and the summary, which
# is the first sentence of the class's docstring.
PANELS = {
    "Corpora and demonstrations": {
        "validate": (
            "validate:Validate",
            "Check every recording of a corpus, and list all problems.",
        ),
        "extract": (
            "extract:Extract",
            "Extract the features of a corpus into a store, which other commands read in its "
            "place.",
        ),
        "prune-store": (
            "extract:PruneStore",
            "Remove features from a store: those of a speaker, or all that a corpus lacks.",
        ),
        "make-protocol": (
            "make_protocol:MakeProtocol",
            "Divide a corpus into background, dev and eval lists that share no speaker.",
        ),
        "demo": (
            "demo:Demo",
            "Demonstrate speaker recognition, or phone models, on synthetic speech.",
        ),
    },
    "Speakers": {
        "train-ubm": (
            "train_ubm:TrainUbm",
            "Train a background model (UBM) on recordings of many speakers, or on a feature store.",
        ),
        "train-backend": (
            "train_backend:TrainBackend",
            "Train a back-end on sessions of many speakers: i-vectors, isv, jfa or supervectors.",
        ),
        "info": (
            "info:Info",
            "Describe a model or a store: its contents, training data, features and date.",
        ),
        "compare": (
            "compare:Compare",
            "Compare two recordings, and say whether they are of one speaker.",
        ),
        "enroll": (
            "speaker_store:Enroll",
            "Enrol a speaker from recordings, or add recordings to an enrolled speaker.",
        ),
        "calibrate": (
            "calibrate:Calibrate",
            "Calibrate a store or a model, so that its answers are likelihood ratios and "
            "decisions.",
        ),
        "verify": (
            "speaker_store:Verify",
            "Verify that a recording is of a speaker.",
        ),
        "identify": (
            "speaker_store:Identify",
            "Identify the speaker of recordings: rank the speakers of a store by their scores.",
        ),
        "speakers": (
            "speaker_store:Speakers",
            "List the speakers of a store, sorted by name.",
        ),
        "remove": (
            "speaker_store:Remove",
            "Erase a speaker and all of the speaker's data from a store; this cannot be undone.",
        ),
        "run-protocol": (
            "run_protocol:RunProtocol",
            "Enrol the models of a protocol, score its trials, and write the scores.",
        ),
        "score-embeddings": (
            "score_embeddings:ScoreEmbeddings",
            "Score the trials of a protocol by embeddings of another program, such as x-vectors.",
        ),
        "score-phrases": (
            "score_phrases:ScorePhrases",
            "Score the trials of a protocol whose words are known, by adapted phone or word "
            "models.",
        ),
        "evaluate": (
            "evaluate:Evaluate",
            "Compute the EER, minDCF and identification accuracy of scores, with intervals.",
        ),
        "compare-systems": (
            "compare_systems:CompareSystems",
            "Compare two systems on the same trials: differences with paired intervals and "
            "p-values.",
        ),
    },
    "Phones and words": {
        "train-hmm": (
            "train_hmm:TrainHmm",
            "Train phone models on recordings and their transcripts, from a flat start.",
        ),
        "train-words": (
            "train_words:TrainWords",
            "Train a model for each word on recordings of one word each, and write them to a file.",
        ),
        "adapt-hmm": (
            "adapt_hmm:AdaptHmm",
            "Adapt an acoustic model to transcribed recordings of a speaker, a room or an accent, "
            "by MAP.",
        ),
        "import": (
            "import_model:Import",
            "Import phone models that Kaldi or the Montreal Forced Aligner has trained.",
        ),
        "align": (
            "align:Align",
            "Align recordings with their transcripts: times of words and phones, with confidences.",
        ),
        "decode": (
            "decode:Decode",
            "Recognise the words or phones of recordings, with times, alternatives and "
            "confidences.",
        ),
        "score-transcripts": (
            "score_transcripts:ScoreTranscripts",
            "Count the word or phone errors of recognised utterances, with intervals over "
            "speakers.",
        ),
        "train-lm": (
            "train_lm:TrainLm",
            "Estimate an n-gram language model from text and write it in the ARPA format.",
        ),
    },
}


class UnloadedCommand(Command):
    """A command in the list of commands: it has a summary, but no options before it is called."""

    def __init__(self, name: str, home: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        self._home = home

    def load(self) -> Any:
        """Return the command with its options and its whole help."""
        from speakergmm.cli.command_options import as_command

        module, _, kind = self._home.partition(":")
        return as_command(getattr(import_module(f"speakergmm.cli.{module}"), kind))

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Parse the arguments with the command itself, which is that of the context."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


class CommandList(Group):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, commands in PANELS.items():
            for name, (home, summary) in commands.items():
                self.add_command(UnloadedCommand(name, home, help=summary, rich_help_panel=panel))
