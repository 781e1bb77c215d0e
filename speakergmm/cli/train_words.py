"""``speakergmm train-words``: models of whole words, from recordings of one word each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from speakergmm import recognition
from speakergmm.cli.command_options import argument, command, option, options_of
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted, print_note, print_warnings
from speakergmm.cli.training_commands import UnitTrainingCommand
from speakergmm.errors import InvalidInputError
from speakergmm.recognition import TrainingOptions


@command
class TrainWords(UnitTrainingCommand):
    """Train a model for each word on recordings of one word each, and write them to a file.

    Examples:

      speakergmm train-words commands/ --output words.safetensors

      speakergmm train-words list.tsv --states 10 --warps 0.9,1,1.1 --output words.safetensors -j 2

      speakergmm train-words flat/ --speaker-pattern '{word}_{speaker}_*' --output words.safetensors

      speakergmm decode words.safetensors one.wav two.wav --isolated
    """

    corpus: Path = argument(
        "A folder with a folder of recordings for each word, a CSV/TSV list with the columns path "
        "and word (or text), a Kaldi data directory, or a feature store of folders of words."
    )
    training: TrainingOptions = options_of(
        TrainingOptions,
        *("n_states", "gaussians_per_state", "max_iter", "normalisation"),
        base=TrainingOptions.for_words,
    )
    warps: str = option(
        "1",
        "Factors by which the frequencies of training recordings are scaled, such as 0.9,1,1.1.",
        "--frequency-warps",
    )

    def run(self) -> None:
        """Read the words, train and write the models, and print a summary."""
        check_output(self.output, "word models")
        from speakergmm.features import FeatureStore

        store = None
        if FeatureStore.is_store(self.corpus):
            _, store = self.opened(self.corpus)
        if store is None:
            read = recognition.read_words(
                self.corpus, data_dir=self.data_dir, speaker_pattern=self.speaker_pattern
            )
        else:
            read = recognition.words_of_store(store)
        print_warnings(read.corpus.notes)
        if self.training.normalisation == "speaker" and not read.corpus.speakers:
            raise InvalidInputError(
                "--normalisation speaker needs speakers: give a column speaker or --speaker-pattern"
            )
        chosen = replace(
            self.training,
            features=self.features_of(read.corpus, store),
            frequency_warps=_factors(self.warps),
            seed=self.seed,
        )
        with self.run_context(
            chosen.schedule.max_iter, lambda skipped: print_note(f"left out: {skipped.message}")
        ) as run:
            material = read if store is None else store
            model = recognition.AcousticModel.train(
                material, options=chosen, engine=self.engine, run=run
            )
            model.save(self.output)
        modelled = counted(len(model.lexicon), "word")
        words = list(read.vocabulary)
        self.summarise(model, read.corpus, modelled=modelled, item="recording", words=words)


def _factors(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InvalidInputError(
            f"--warps must be factors with commas between them, such as 0.9,1,1.1, found {text!r}"
        ) from None
