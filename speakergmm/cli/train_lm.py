"""``speakergmm train-lm``: n-gram language models from text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from speakergmm import hmm
from speakergmm.cli import options
from speakergmm.cli.options import AnsweringCommand, argument, command, option
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted, print_note
from speakergmm.cli.transcript_inputs import letter_case, read_sentences
from speakergmm.errors import InvalidInputError
from speakergmm.words import case_hint

if TYPE_CHECKING:
    from speakergmm.hmm import Perplexity


@command
class TrainLm(AnsweringCommand):
    """Estimate an n-gram language model from text and write it in the ARPA format.

    Examples:

      speakergmm train-lm sentences.txt --order 3 --method kneser-ney --output lm.arpa

      speakergmm train-lm data/text --ids --lexicon lexicon.txt --output lm.arpa --test test/text
    """

    text: Path = argument("A sentence a line, or a corpus, or a list with a column text.")
    output: Path = option(..., "What to write: NAME.arpa, or NAME.arpa.gz.", "-o")
    order: int = option(2, "Words of the longest n-grams.", min=1)
    method: Literal["witten-bell", "kneser-ney"] = option("witten-bell", "Smoothing.")
    ids: bool = option(False, "The first word of each line is an utterance id.")
    lexicon: Path | None = option(
        None, "Lexicon whose words the model foretells, beside the text's."
    )
    phones: bool = option(False, "Model phones: first pronunciations of --lexicon.")
    silence: str = option("SIL", "With --phones: token at both ends of a sentence; '' for none.")
    unknown_word: str | None = option(
        None, "Such as <unk>: a word for those of the text outside --lexicon."
    )
    case: options.Case = "asis"
    test: Path | None = option(None, "Text, as TEXT, to measure the perplexity on.")

    def run(self) -> None:
        """Count the n-grams, write the model, and measure it where there is a text for that."""
        check_output(self.output, "language model")
        case = letter_case(self.case)
        words = None if self.lexicon is None else hmm.Lexicon.read(self.lexicon, case=case)
        texts = [
            read_sentences(path, self.ids, case)
            for path in (self.text, self.test)
            if path is not None
        ]
        sentences = texts[0]
        if self.text.is_file() and not self.ids and _look_like_ids([s[0] for s in sentences if s]):
            print_note(
                f"{self.text}: every line begins with another word that has digits: give --ids "
                "if those are names of utterances"
            )
        vocabulary: set[str] | None = None
        if self.phones:
            if words is None:
                raise InvalidInputError(
                    "--phones needs --lexicon, which says what phones words have"
                )
            ends = [self.silence] if self.silence else []
            vocabulary = {*words.phones, *ends}
            texts = [[[*ends, *words.first_pronunciation(s), *ends] for s in t] for t in texts]
        elif words is not None:
            vocabulary = self._vocabulary(words, sentences)
        sentences, *tested = texts
        model = hmm.train_ngram(
            sentences,
            order=self.order,
            method=self.method,
            vocabulary=vocabulary,
            unknown_word=self.unknown_word,
            source=str(self.text),
        )
        model.write_arpa(self.output)
        self._tell(model, sentences, model.perplexity(tested[0]) if tested else None)

    def _tell(
        self,
        model: hmm.BackoffLanguageModel,
        sentences: Sequence[Sequence[str]],
        measured: Perplexity | None,
    ) -> None:
        counts = ", ".join(f"{len(group):,} {n}-grams" for n, group in enumerate(model.ngrams, 1))
        perplexity = None
        if measured is not None:
            perplexity = (
                f"perplexity {measured.perplexity:.2f} on {counted(measured.n_words, 'word')}, "
                f"{measured.n_unknown} outside the vocabulary"
            )
        self.answer(
            {
                "output": str(self.output),
                "order": self.order,
                "method": self.method,
                "n_sentences": len(sentences),
                "n_words": sum(map(len, sentences)),
                "n_ngrams": [len(group) for group in model.ngrams],
                "vocabulary_size": len(model.vocabulary),
                "digest": model.digest,
                "test": None if measured is None else measured.to_dict(),
            },
            f"{self.output}: {counts} from {counted(len(sentences), 'sentence')}",
            perplexity,
        )

    def _vocabulary(self, words: hmm.Lexicon, sentences: Sequence[Sequence[str]]) -> set[str]:
        """Take the words of the lexicon, and the text's others unless one word stands for them."""
        used = dict.fromkeys(word for sentence in sentences for word in sentence)
        strange = [word for word in used if word not in words]
        if hint := case_hint(strange, words):
            print_note(
                f"warning: {counted(len(strange), 'word')} of {self.text} not in the lexicon "
                f"{self.lexicon}{hint}"
            )
        return {*words, *(used if self.unknown_word is None else ())}


def _look_like_ids(first: Sequence[str]) -> bool:
    """Tell utterance ids from first words: a model of words would learn them too."""
    return (
        len(first) > 1
        and len(set(first)) == len(first)
        and all(any(character.isdigit() for character in word) for word in first)
    )
