"""``speakergmm train-lm``: n-gram language models from text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from speakergmm.cli.output import JsonOption, counted, print_json, print_line, print_note
from speakergmm.cli.texts import CaseOption, case_of, read_sentences
from speakergmm.errors import InvalidInputError
from speakergmm.words import case_hint

_EXAMPLES = """

Examples:

  speakergmm train-lm sentences.txt --order 3 --method kneser-ney --output lm.arpa

  speakergmm train-lm data/text --ids --lexicon lexicon.txt --output lm.arpa --test test/text
"""


def train_lm(
    text: Annotated[
        Path,
        typer.Argument(
            help="A sentence a line, or a corpus, or a list with a column text.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="What to write: NAME.arpa, or NAME.arpa.gz."),
    ],
    order: Annotated[int, typer.Option(min=1, help="Words of the longest n-grams.")] = 2,
    method: Annotated[
        Literal["witten-bell", "kneser-ney"], typer.Option(help="Smoothing.")
    ] = "witten-bell",
    ids: Annotated[
        bool, typer.Option("--ids", help="The first word of each line is an utterance id.")
    ] = False,
    lexicon: Annotated[
        Path | None,
        typer.Option(help="Lexicon whose words the model foretells, beside the text's."),
    ] = None,
    phones: Annotated[
        bool,
        typer.Option("--phones", help="Model phones: first pronunciations of --lexicon."),
    ] = False,
    silence: Annotated[
        str, typer.Option(help="With --phones: token at both ends of a sentence; '' for none.")
    ] = "SIL",
    unknown_word: Annotated[
        str | None,
        typer.Option(help="Such as <unk>: a word for those of the text outside --lexicon."),
    ] = None,
    case: CaseOption = "asis",
    test: Annotated[
        Path | None, typer.Option(help="Text, as TEXT, to measure the perplexity on.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Estimate an n-gram language model from text and write it in the ARPA format."""
    from speakergmm.hmm.language.lexicon import Lexicon
    from speakergmm.hmm.language.ngram import train_ngram

    _check_output(output)
    words = None if lexicon is None else Lexicon.read(lexicon, case=case_of(case))
    sentences = read_sentences(text, ids, case_of(case))
    if text.is_file() and not ids and _look_like_ids([s[0] for s in sentences if s]):
        print_note(
            f"{text}: every line begins with another word that has digits: give --ids if those "
            "are names of utterances"
        )
    tested = None if test is None else read_sentences(test, ids, case_of(case))
    vocabulary: set[str] | None = None
    if phones:
        if words is None:
            raise InvalidInputError("--phones needs --lexicon, which says what phones words have")
        ends = [silence] if silence else []
        vocabulary = {*words.phones, *ends}
        sentences = [[*ends, *words.first_pronunciation(s), *ends] for s in sentences]
        if tested is not None:
            tested = [[*ends, *words.first_pronunciation(s), *ends] for s in tested]
    elif words is not None:
        vocabulary = set(words)
        strange = list(dict.fromkeys(w for s in sentences for w in s if w not in vocabulary))
        if hint := case_hint(strange, words):
            print_note(
                f"warning: {counted(len(strange), 'word')} of {text} not in the lexicon "
                f"{lexicon}{hint}"
            )
        if unknown_word is None:
            vocabulary |= {word for sentence in sentences for word in sentence}
    model = train_ngram(
        sentences,
        order=order,
        method=method,
        vocabulary=vocabulary,
        unknown_word=unknown_word,
        source=str(text),
    )
    model.write_arpa(output)
    measured = None if tested is None else model.perplexity(tested)
    if json:
        print_json(
            {
                "output": str(output),
                "order": order,
                "method": method,
                "n_sentences": len(sentences),
                "n_words": sum(map(len, sentences)),
                "n_ngrams": [len(group) for group in model.ngrams],
                "vocabulary_size": len(model.vocabulary),
                "digest": model.digest,
                "test": None if measured is None else measured.to_dict(),
            }
        )
        return
    counts = ", ".join(f"{len(group):,} {n}-grams" for n, group in enumerate(model.ngrams, 1))
    print_line(f"{output}: {counts} from {counted(len(sentences), 'sentence')}")
    if measured is not None:
        print_line(
            f"perplexity {measured.perplexity:.2f} on {counted(measured.n_words, 'word')}, "
            f"{measured.n_unknown} outside the vocabulary"
        )


def _look_like_ids(first: Sequence[str]) -> bool:
    """Tell utterance ids from first words: a model of words would learn them too."""
    return (
        len(first) > 1
        and len(set(first)) == len(first)
        and all(any(character.isdigit() for character in word) for word in first)
    )


def _check_output(path: Path) -> None:
    from speakergmm.files import check_writable, kind_of, open_regular

    if kind_of(path) == "file" and path.stat().st_size > 0:
        with open_regular(path) as file:
            start = file.read(4096)
        if not (start.startswith(b"\x1f\x8b") or b"\\data\\" in start):
            raise InvalidInputError(
                f"{path}: exists and is not a language model; give another name, or remove it first"
            )
    check_writable(path)


def register_language_models(app: typer.Typer) -> None:
    """Add this group's commands to the application."""
    app.command(help=(train_lm.__doc__ or "") + _EXAMPLES)(train_lm)
