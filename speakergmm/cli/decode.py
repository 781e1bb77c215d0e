"""``speakergmm decode``: recognition of words or phones in recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from speakergmm import corpora, hmm, recognition
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import argument, command, option, options_of, values_of
from speakergmm.cli.corpus_options import CorpusCommand, corpus_report, print_missing
from speakergmm.cli.guesses import check_model_first
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted, print_note, write_json
from speakergmm.cli.transcript_inputs import is_recording_list
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import atomic_text_writer, check_writable, make_folders
from speakergmm.hmm import DecodingGraphOptions, DecodingOptions
from speakergmm.run_context import RunContext
from speakergmm.words import case_hint, split_words, word_fault

if TYPE_CHECKING:
    from speakergmm.features import FeatureStore
    from speakergmm.recognition import FileNames, Recognition
    from speakergmm.run_context import SkippedRecording

_LATTICE_BEAM = 8.0


@command
class Decode(CorpusCommand):
    """Recognise the words or phones of recordings, with times, alternatives and confidences.

    Alternatives, confidences and lattices need a lattice, whose width is then 8 by default.
    Alternatives are written with --json or to a .json file.

    Examples:

      speakergmm decode am.safetensors one.wav two.wav --lm lm.arpa

      speakergmm decode am.safetensors corpus.tsv --lm lm.arpa --nbest 10 --output words.json -j 2

      speakergmm decode am.safetensors corpus/ --phones --phone-lm phones.arpa --output phones.ctm

      speakergmm decode words.safetensors one.wav --isolated --nbest 3 --json
    """

    model: Path = argument("Acoustic model, from train-hmm or train-words.")
    inputs: list[Path] = argument(
        "One or more recordings, or a folder of speaker folders, a Kaldi data directory, a "
        "CSV/TSV list of recordings, or a feature store.",
        metavar="WAV...|CORPUS",
    )
    lm: options.LanguageModel = None
    words: Path | None = option(
        None,
        "File with the words that can be recognised, one per line (default: all words of the "
        "lexicon).",
    )
    phones: options.Phones = False
    phone_lm: Path | None = option(None, "With --phones: a language model of phones (ARPA).")
    isolated: bool = option(False, "Recognise exactly one word in each recording.")
    lexicon: options.ReplacedLexicon = None
    search: dict[str, Any] = values_of(
        DecodingOptions, "acoustic_scale", "beam", "max_active", "n_best", "lattice_beam"
    )
    graph: DecodingGraphOptions = options_of(DecodingGraphOptions, "language_scale", "word_penalty")
    confidences: bool = option(
        False,
        "Compute a confidence for each word, which is slower; with a language model, confidences "
        "are approximate.",
    )
    lattice: Path | None = option(
        None, "Folder to write lattices to, one file per utterance in Kaldi's text format."
    )
    output: Path | None = options.output(
        None,
        "File to write: .ctm contains words with times, .json everything, any other file one "
        "line per utterance, as Kaldi's text files (default: standard output).",
    )
    by: options.By = "utterance"
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Recognise all recordings, and print or write the hypotheses."""
        from speakergmm.corpora import transcript_line

        check_model_first(self.model, self.inputs)
        self._check()
        search = self._options()
        given = self._given()
        corpus = given if isinstance(given, corpora.Corpus) else given.corpus
        for fault in corpus.faults:
            print_note(f"not recognised: {fault}")
        acoustic = recognition.AcousticModel.load(self.model)
        if self.lexicon is not None:
            acoustic = acoustic.with_lexicon(hmm.Lexicon.read(self.lexicon))
        decoder = self._decoder(acoustic, search)
        if self.lattice is not None:
            make_folders(self.lattice)
        found, skipped = self._recognise(decoder, acoustic, given)
        missing = print_missing({r.utterance.id for r in found}, corpus, "recognised")
        document = {
            "model": str(self.model),
            "model_digest": acoustic.digest,
            "n_utterances": len(found) + len(missing),
            "n_recognised": len(found),
            "not_recognised": missing,
            **corpus_report(corpus),
            "utterances": [each.to_dict() for each in found],
            "skipped": [item.to_dict() for item in skipped],
        }
        silence = acoustic.silence.unit if self.phones else None
        said = {r.utterance.id: [w for w in r.words if w != silence] for r in found}
        shown = [transcript_line(name, words) for name, words in said.items()]
        if self.output is not None:
            self._write(self.output, found, document, shown, () if silence is None else (silence,))
            total = len(found) + len(missing)
            lost = f"; {len(missing):,} of {total:,} not recognised" if missing else ""
            n_said = counted(sum(map(len, said.values())), "phone" if self.phones else "word")
            shown = [f"{self.output}: {counted(len(found), 'utterance')}, {n_said}{lost}"]
        self.answer(document, *shown)
        if not found:
            raise typer.Exit(1)

    def _check(self) -> None:
        """Raise an error for options that exclude each other, or an unsuitable output."""
        if self.phone_lm is not None and not self.phones:
            raise InvalidInputError(
                "--phone-lm needs --phones; the language model of words is --lm"
            )
        if self.phones and (self.lm is not None or self.words is not None or self.isolated):
            raise InvalidInputError(
                "--phones excludes --lm, --words and --isolated; give --phone-lm for a language "
                "model"
            )
        if self.isolated and (self.lm is not None or self.lattice is not None):
            raise InvalidInputError(
                "--isolated excludes --lm and --lattice; give --words to restrict the words"
            )
        if self.lattice is not None and self.lattice.exists() and not self.lattice.is_dir():
            raise InvalidInputError(f"--lattice must be a folder, found the file {self.lattice}")
        if self.output is not None:
            self._check_output(self.output)

    def _check_output(self, output: Path) -> None:
        """Raise an error if the output is an input of this command, or a file of another kind."""
        read = (self.model, *self.inputs, self.lm, self.words, self.phone_lm, self.lexicon)
        if output.exists() and any(
            path is not None and path.exists() and output.samefile(path) for path in read
        ):
            raise InvalidInputError(f"{output}: is an input of this command; give another --output")
        kind = output.suffix.lower()
        if kind == ".json":
            check_output(output, "recognition")
            return
        if kind == ".ctm":
            from speakergmm.recognition import check_kind

            check_kind(output)
        elif kind == ".textgrid":
            raise InvalidInputError(
                f"{output}: decode writes no TextGrids; give a name that ends in .ctm or .json"
            )
        elif output.is_file() and output.stat().st_size > 0:
            # Nothing distinguishes it from transcripts that someone has typed.
            raise InvalidInputError(
                f"{output}: exists, and may be other text; give another --output, or remove it "
                f"first"
            )
        check_writable(output)

    def _options(self) -> DecodingOptions:
        """Return the options of the search; print a note on results that will not be visible."""
        kind = "" if self.output is None else self.output.suffix.lower()
        if self.confidences and not self.json and kind not in (".ctm", ".json"):
            print_note(
                "note: confidences are only written with --json or an --output that ends in .ctm "
                "or .json"
            )
        if self.search["n_best"] > 1 and not self.json and kind != ".json":
            print_note(
                "note: hypotheses beyond the best are only written with --json or an --output "
                "that ends in "
                ".json"
            )
        beam = self.search["lattice_beam"]
        wanted = (
            self.search["n_best"] > 1
            or self.confidences
            or self.lattice is not None
            or self.isolated
        )
        if beam is None and wanted:
            beam = _LATTICE_BEAM
        return DecodingOptions(**self.search | {"lattice_beam": beam})

    def _given(self) -> corpora.Corpus | FeatureStore:
        """Read a corpus, open a feature store, or take the inputs as recordings."""
        from speakergmm.corpora import as_utterances

        inputs, pattern = self.inputs, self.speaker_pattern
        listed = [p for p in inputs if p.is_dir() or is_recording_list(p)]
        if len(inputs) == 1 and listed:
            return self.open_corpus_or_store(inputs[0], strict=self.context.strict)
        if len(listed) > 1:
            raise InvalidInputError(
                f"{listed[1]}: is a second corpus; give one corpus, or recordings"
            )
        if listed:
            raise InvalidInputError(
                f"{listed[0]}: is a corpus; give one corpus alone, or several recordings"
            )
        twice = [path for path, count in Counter(inputs).items() if count > 1]
        if twice:
            raise InvalidInputError(f"{twice[0]}: was given twice; give each recording once")
        source = f"{counted(len(inputs), 'recording')} of the command line"
        given = corpora.Corpus(as_utterances(inputs), source=source)
        if pattern is not None:
            given = corpora.name_speakers(given, pattern, strict=self.context.strict)
        return given

    def _decoder(
        self, model: recognition.AcousticModel, search: DecodingOptions
    ) -> recognition.Decoder:
        listed = None if self.words is None else _read_list(self.words, model.lexicon)
        if self.isolated:
            return recognition.Decoder.for_isolated_words(model, listed, options=search)
        settings: dict[str, Any] = {
            "language_model": self._language_model(model),
            "options": search,
            "language_scale": self.graph.language_scale,
            "word_penalty": self.graph.word_penalty,
        }
        if self.phones:
            decoder = recognition.Decoder.for_phones(model, **settings)
            self._note_omitted(decoder, "not among the phones", model.models.units)
            return decoder
        unknown = [word for word in listed or () if word not in model.lexicon]
        if unknown:
            raise InvalidInputError(
                f"{self.words}: {counted(len(unknown), 'word')} without a pronunciation: "
                f"{', '.join(unknown[:10])}"
                + (
                    case_hint(unknown, model.lexicon, "write them so")
                    or "; give --lexicon FILE with pronunciations"
                )
            )
        decoder = recognition.Decoder.for_words(model, words=listed, **settings)
        if listed is None:
            self._note_omitted(decoder, "without a pronunciation", model.lexicon)
        return decoder

    def _language_model(self, model: recognition.AcousticModel) -> hmm.BackoffLanguageModel | None:
        """Read the language model, which must share words or phones with the acoustic model."""
        from speakergmm.recognition import as_language_model

        ngrams = self.lm or self.phone_lm
        language_model = as_language_model(ngrams)
        if language_model is None:
            return None
        said = set(language_model.vocabulary) - {language_model.unknown_word, "<s>", "</s>"}
        units = set(model.models.units if self.phones else model.lexicon)
        foreign = sorted(said - units)
        # A model of a language may have more words than a lexicon, but not more phones.
        if said and (len(foreign) == len(said) or (self.phones and 2 * len(foreign) > len(said))):
            raise InvalidInputError(
                f"{ngrams}: {len(foreign):,} of its {counted(len(said), 'word')} are "
                f"{'not phones of the model' if self.phones else 'not in the lexicon'}, such as "
                f"{', '.join(foreign[:5])}"
                + case_hint(foreign, units, "train it with --case {case}")
            )
        return language_model

    def _note_omitted(self, decoder: recognition.Decoder, what: str, known: Iterable[str]) -> None:
        """Print a warning for words of the language model that cannot be recognised."""
        if omitted := decoder.omitted_words:
            print_note(
                f"warning: {self.lm or self.phone_lm}: {counted(len(omitted), 'word')} {what} "
                f"cannot be recognised, such as {', '.join(omitted[:5])}"
                + case_hint(omitted, known, "train it with --case {case}")
            )

    def _recognise(
        self,
        decoder: recognition.Decoder,
        acoustic: recognition.AcousticModel,
        given: corpora.Corpus | FeatureStore,
    ) -> tuple[list[Recognition], list[SkippedRecording]]:
        """Recognise the recordings one by one, and write their lattices."""
        from speakergmm.recognition import FileNames, MeasureRecording

        found: list[Recognition] = []
        skipped: list[SkippedRecording] = []

        def skip(what: SkippedRecording) -> None:
            skipped.append(what)
            print_note(f"not recognised: {what.message}")

        names = FileNames()
        listen = MeasureRecording(acoustic.features, listen=True)
        for heard in decoder.decode(
            given,
            engine=self.engine,
            run=replace(self.context, on_skip=skip, progress=not self.json),
            lattices=self.lattice is not None,
        ):
            if self.lattice is not None:
                _write_lattice(self.lattice, heard, names)
            measured = listen(heard.utterance)  # a store may have outlived its recordings
            if measured.has_speech is False:
                print_note(
                    f"warning: {heard.utterance.path}: no speech was found in "
                    f"{measured.seconds:.2f} s; its hypothesis is meaningless"
                )
            # The lattices of a whole corpus are too large for memory.
            found.append(replace(heard, lattice_text=None))
        return found, skipped

    def _write(
        self,
        output: Path,
        found: list[Recognition],
        document: dict[str, Any],
        lines: list[str],
        unspoken: tuple[str, ...],
    ) -> None:
        """Write the hypotheses, in the format that the ending of the file name stands for."""
        from speakergmm.recognition import Timelines, own_times

        kind = output.suffix.lower()
        if kind == ".json":
            write_json(output, document)
        elif kind == ".ctm":
            labels = {r.utterance.id: own_times(r.utterance, r.word_labels()) for r in found}
            if self.by == "recording":
                timelines = Timelines()
                for r in found:
                    timelines.add(r.utterance, {"words": r.word_labels()}, duration=r.grid.duration)
                labels = timelines.tier("words")
            recognition.write_ctm(output, labels, leave_out=unspoken)
        else:
            with atomic_text_writer(output) as file:
                file.writelines(f"{line}\n" for line in lines)


def _read_list(path: Path, lexicon: Container[str]) -> list[str]:
    """Read words, one per line; empty lines are ignored."""
    from speakergmm.corpora import escaped_name
    from speakergmm.text_files import read_text_lines

    listed: dict[str, int] = {}
    for line, word in read_text_lines(path, error=CorpusError):
        if len(split_words(word)) > 1 and escaped_name(word) in lexicon:  # one word in training
            word = escaped_name(word)
        if len(split_words(word)) > 1:
            raise CorpusError(f"{path}:{line}: {word!r} is more than one word; write one per line")
        if fault := word_fault(word):
            raise CorpusError(f"{path}:{line}: {word!r} {fault}")
        if word in listed:
            raise CorpusError(f"{path}:{line}: the word {word} is already in line {listed[word]}")
        listed[word] = line
    return list(listed)


def _write_lattice(folder: Path, heard: Recognition, names: FileNames) -> None:
    """Write a lattice to a file in a folder; slashes of its name are escaped as in URLs."""
    name = heard.utterance.id.replace("%", "%25").replace("/", "%2F").replace("\\", "%5C")
    with atomic_text_writer(folder / f"{names.of(name)}.lat") as file:
        file.write(heard.lattice_text or "")
