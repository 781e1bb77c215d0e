"""``speakergmm train-lm``: n-gram language models of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from speakergmm import hmm
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command, option, options_of
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted, print_note
from speakergmm.cli.transcript_inputs import letter_case, read_sentences
from speakergmm.errors import InvalidInputError
from speakergmm.hmm import NgramOptions
from speakergmm.words import case_hint

if TYPE_CHECKING:
    from speakergmm.hmm import Perplexity


@command
class TrainLm(AnsweringCommand):
    """Estimate an n-gram language model from text and write it in the ARPA format.

    The words of --lexicon are added to those of the text. With --phones, words are replaced by
    their first pronunciations in --lexicon, with the silence unit at both ends ('' adds none).

    Examples:

      speakergmm train-lm sentences.txt --order 3 --method kneser-ney --output lm.arpa

      speakergmm train-lm data/text --ids --lexicon lexicon.txt --output lm.arpa --test test/text
    """

    text: Path = argument(
        "A text with one sentence per line, a corpus, or a list with a column text."
    )
    output: Path = options.output(..., "File to write, NAME.arpa or NAME.arpa.gz.")
    ngrams: NgramOptions = options_of(NgramOptions, "order", "method", "unknown_word")
    ids: bool = option(
        False, "Skip the first word of each line, which is the name of an utterance."
    )
    lexicon: options.Lexicon = None
    phones: options.Phones = False
    silence: options.Silence = "SIL"
    case: options.Case = "asis"
    test: Path | None = option(
        None, "Further text, of the same form, to measure the perplexity on."
    )

    def run(self) -> None:
        """Estimate and write the model, and measure its perplexity if a test text is given."""
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
                f"note: {self.text}: every line begins with a different word with digits; give "
                f"--ids if "
                "these words are names of utterances"
            )
        vocabulary: set[str] | None = None
        if self.phones:
            if words is None:
                raise InvalidInputError("--phones needs --lexicon, for the phones of the words")
            ends = [self.silence] if self.silence else []
            vocabulary = {*words.phones, *ends}
            texts = [[[*ends, *words.first_pronunciation(s), *ends] for s in t] for t in texts]
        elif words is not None:
            vocabulary = self._vocabulary(words, sentences)
        sentences, *tested = texts
        model = hmm.train_ngram(
            sentences,
            options=self.ngrams,
            vocabulary=vocabulary,
            source=str(self.text),
        )
        model.write_arpa(self.output)
        self._summarise(model, sentences, model.perplexity(tested[0]) if tested else None)

    def _summarise(
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
                "order": self.ngrams.order,
                "method": self.ngrams.method,
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
        """Return the words of the lexicon and, unless one word replaces them, those of the text."""
        used = dict.fromkeys(word for sentence in sentences for word in sentence)
        strange = [word for word in used if word not in words]
        if hint := case_hint(strange, words):
            print_note(
                f"warning: {counted(len(strange), 'word')} of {self.text} outside the "
                f"lexicon {self.lexicon}{hint}"
            )
        return {*words, *(used if self.ngrams.unknown_word is None else ())}


def _look_like_ids(first: Sequence[str]) -> bool:
    """Return whether the first words of lines are names of utterances rather than words."""
    return (
        len(first) > 1
        and len(set(first)) == len(first)
        and all(any(character.isdigit() for character in word) for word in first)
    )
