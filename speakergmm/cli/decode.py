"""``speakergmm decode``: recognise words or phones in recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from speakergmm import corpora, hmm, recognition
from speakergmm.cli import options
from speakergmm.cli.corpus_options import CorpusCommand, corpus_report, print_missing
from speakergmm.cli.options import argument, command, option
from speakergmm.cli.output_checks import check_output
from speakergmm.cli.printing import counted, print_note, write_json
from speakergmm.cli.transcript_inputs import is_recording_list
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.files import atomic_text_writer, check_writable, make_folders
from speakergmm.ranges import number
from speakergmm.words import case_hint, split_words, word_fault

if TYPE_CHECKING:
    from speakergmm.recognition import FileNames, Recognition
    from speakergmm.run_context import SkippedRecording

_LATTICE_BEAM = 8.0


@command
class Decode(CorpusCommand):
    """Recognise the words or phones of recordings, with times, alternatives and confidences.

    Examples:

      speakergmm decode am.safetensors one.wav two.wav --lm lm.arpa

      speakergmm decode am.safetensors corpus.tsv --lm lm.arpa --nbest 10 --output words.json -j 2

      speakergmm decode am.safetensors corpus/ --phones --phone-lm phones.arpa --output phones.ctm

      speakergmm decode words.safetensors one.wav --isolated --nbest 3 --json
    """

    model: Path = argument("Acoustic model.")
    inputs: list[Path] = argument(
        "Recordings; or a folder of speaker folders, a Kaldi data directory, or a CSV/TSV list.",
        metavar="WAV...|CORPUS",
    )
    lm: Path | None = option(None, "N-gram model of words (ARPA).")
    words: Path | None = option(
        None, "File with the words that may be said, one a line (default: all of the lexicon)."
    )
    phones: bool = option(False, "Recognise phones, not words.")
    phone_lm: Path | None = option(None, "N-gram model of phones (ARPA), for --phones.")
    isolated: bool = option(False, "Each recording is exactly one word.")
    lexicon: options.Lexicon = None
    acoustic_scale: float | None = option(
        None,
        "Factor of acoustic log-likelihoods (default: 0.15 for words, 0.25 for phones, "
        "best on held-out read speech; 0.1 for isolated words).",
    )
    lm_scale: float = option(
        1.0, "Factor of the language model's log-probabilities.", "--language-scale"
    )
    word_penalty: float = option(0.0, "Added for each word; below 0 for fewer words.")
    beam: float = option(
        13.0,
        "Width of the search in graphs of more than 100,000 arcs (thousands of words); "
        "smaller ones are searched whole.",
    )
    max_active: int = option(
        7000,
        "Most states followed at a frame, where --beam counts and no lattice is kept.",
        min=2,
    )
    nbest: int = option(
        1,
        "Alternatives to list, in JSON; with an n-gram model posteriors are approximate.",
        "--n-best",
        min=1,
    )
    confidence: bool = option(
        False, "Say how sure each word is (slower); with an n-gram model approximately."
    )
    lattice: Path | None = option(None, "Folder for lattices, a file each in Kaldi's text format.")
    lattice_beam: float | None = option(
        None,
        "Width of lattices (default: 8 where alternatives, confidences or lattices are asked for).",
    )
    output: Path | None = option(
        None,
        "File to write: .ctm for words with times, .json for everything, else a line an "
        "utterance as in Kaldi's text (default: standard output).",
        "-o",
    )
    by: options.By = "utterance"
    strict: bool = option(False, "End at the first recording that can't be recognised.")

    def run(self) -> None:
        """Recognise all recordings, and print or write what was said."""
        from speakergmm.corpora import transcript_line

        self._check()
        search = self._options()
        corpus = self._corpus()
        for fault in corpus.faults:
            print_note(f"not recognised: {fault}")
        acoustic = recognition.AcousticModel.load(self.model)
        if self.lexicon is not None:
            acoustic = acoustic.with_lexicon(hmm.Lexicon.read(self.lexicon))
        decoder = self._decoder(acoustic, search)
        if self.lattice is not None:
            make_folders(self.lattice)
        found, skipped = self._recognise(decoder, acoustic, corpus)
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
        """Refuse options that don't go together, and outputs that would cost something."""
        if self.phone_lm is not None and not self.phones:
            raise InvalidInputError("--phone-lm is for --phones; for words give --lm")
        if self.phones and (self.lm is not None or self.words is not None or self.isolated):
            raise InvalidInputError(
                "--phones goes with --phone-lm, not with --lm, --words, --isolated"
            )
        if self.isolated and (self.lm is not None or self.lattice is not None):
            raise InvalidInputError("--isolated goes with --words, not with --lm or --lattice")
        for name in ("acoustic_scale", "beam", "lattice_beam"):
            value = getattr(self, name)
            if value is not None:
                number(f"--{name.replace('_', '-')}", value, above=0)
        if self.lattice is not None and self.lattice.exists() and not self.lattice.is_dir():
            raise InvalidInputError(f"{self.lattice}: is a file; give --lattice a folder")
        if self.output is not None:
            self._check_output(self.output)

    def _check_output(self, output: Path) -> None:
        """Refuse to write over what is read, or over what this command didn't write."""
        read = (self.model, *self.inputs, self.lm, self.words, self.phone_lm, self.lexicon)
        if output.exists() and any(
            path is not None and path.exists() and output.samefile(path) for path in read
        ):
            raise InvalidInputError(f"{output}: is read by this command; give another --output")
        kind = output.suffix.lower()
        if kind == ".json":
            check_output(output, "recognition")
            return
        if kind == ".ctm":
            from speakergmm.recognition import check_kind

            check_kind(output)
        elif output.is_file() and output.stat().st_size > 0:
            # It has no mark that would tell it from transcripts that someone typed.
            raise InvalidInputError(
                f"{output}: exists, and may be other text; give another name, or remove it first"
            )
        check_writable(output)

    def _options(self) -> hmm.DecodingOptions:
        """Take the options of the search, and say what of them nobody will see."""
        kind = "" if self.output is None else self.output.suffix.lower()
        if self.confidence and not self.json and kind not in (".ctm", ".json"):
            print_note(
                "note: for confidences give --json, or an --output that ends in .ctm or .json"
            )
        if self.nbest > 1 and not self.json and kind != ".json":
            print_note("note: for alternatives give --json, or an --output that ends in .json")
        beam = self.lattice_beam
        wanted = self.nbest > 1 or self.confidence or self.lattice is not None or self.isolated
        if beam is None and wanted:
            beam = _LATTICE_BEAM
        return hmm.DecodingOptions(
            acoustic_scale=self.acoustic_scale,
            beam=self.beam,
            max_active=self.max_active,
            lattice_beam=beam,
            n_best=self.nbest,
        )

    def _corpus(self) -> corpora.Corpus:
        """Read a corpus, or take files as recordings, of speakers whom only their names tell."""
        from speakergmm.corpora import as_utterances

        inputs, pattern = self.inputs, self.speaker_pattern
        listed = [p for p in inputs if p.is_dir() or is_recording_list(p)]
        if len(inputs) == 1 and listed:
            return self.open_corpus(inputs[0], strict=self.strict)
        if len(listed) > 1:
            raise InvalidInputError(f"{listed[1]}: a second corpus; give one, or recordings")
        if listed:
            raise InvalidInputError(f"{listed[0]}: give either one corpus or recordings, not both")
        twice = [path for path, count in Counter(inputs).items() if count > 1]
        if twice:
            raise InvalidInputError(f"{twice[0]}: is given twice; give each recording once")
        source = f"the {counted(len(inputs), 'recording')} given"
        given = corpora.Corpus(as_utterances(inputs), source=source)
        if pattern is not None:
            given = corpora.name_speakers(given, pattern, strict=self.strict)
        return given

    def _decoder(
        self, model: recognition.AcousticModel, search: hmm.DecodingOptions
    ) -> recognition.Decoder:
        listed = None if self.words is None else _read_list(self.words, model.lexicon)
        if self.isolated:
            return recognition.Decoder.for_isolated_words(model, listed, options=search)
        settings: dict[str, Any] = {
            "language_model": self._language_model(model),
            "options": search,
            "language_scale": self.lm_scale,
            "word_penalty": self.word_penalty,
        }
        if self.phones:
            decoder = recognition.Decoder.for_phones(model, **settings)
            self._note_omitted(decoder, "not among the phones", model.models.units)
            return decoder
        unheard = [word for word in listed or () if word not in model.lexicon]
        if unheard:
            raise InvalidInputError(
                f"{self.words}: {counted(len(unheard), 'word')} with no pronunciation: "
                f"{', '.join(unheard[:10])}"
                + (
                    case_hint(unheard, model.lexicon, "write them so")
                    or "; give --lexicon FILE with pronunciations"
                )
            )
        decoder = recognition.Decoder.for_words(model, words=listed, **settings)
        if listed is None:
            self._note_omitted(decoder, "without a pronunciation", model.lexicon)
        return decoder

    def _language_model(self, model: recognition.AcousticModel) -> hmm.BackoffLanguageModel | None:
        """Read the n-grams, which must be of the words or phones that the model has."""
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
                f"{'no phones of the model' if self.phones else 'not in the lexicon'}, such as "
                f"{', '.join(foreign[:5])}"
                + case_hint(foreign, units, "train it with --case {case}")
            )
        return language_model

    def _note_omitted(self, decoder: recognition.Decoder, what: str, known: Iterable[str]) -> None:
        """Name what a language model has and can't be recognised."""
        if omitted := decoder.omitted_words:
            print_note(
                f"warning: {self.lm or self.phone_lm}: {counted(len(omitted), 'word')} {what} "
                f"can't be recognised, such as {', '.join(omitted[:5])}"
                + case_hint(omitted, known, "train it with --case {case}")
            )

    def _recognise(
        self,
        decoder: recognition.Decoder,
        acoustic: recognition.AcousticModel,
        corpus: corpora.Corpus,
    ) -> tuple[list[Recognition], list[SkippedRecording]]:
        """Recognise one recording after the other, and write its lattice."""
        from speakergmm.recognition import FileNames, MeasureRecording

        found: list[Recognition] = []
        skipped: list[SkippedRecording] = []

        def skip(what: SkippedRecording) -> None:
            skipped.append(what)
            print_note(f"not recognised: {what.message}")

        names = FileNames()
        listen = MeasureRecording(acoustic.features, listen=True)
        for heard in decoder.decode(
            corpus.utterances,
            n_jobs=self.jobs,
            strict=self.strict,
            on_skip=skip,
            lattices=self.lattice is not None,
            description=None if self.json else "recognising",
        ):
            if self.lattice is not None:
                _write_lattice(self.lattice, heard, names)
            measured = listen(heard.utterance)
            if measured.has_speech is False:
                print_note(
                    f"warning: {heard.utterance.path}: no speech found in "
                    f"{measured.seconds:.2f} s; what was recognised there means nothing"
                )
            # Lattices of a corpus are too large to be kept.
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
        """Write what was recognised, in the format that the file's name asks for."""
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
    """Read words, one a line; empty lines don't count."""
    from speakergmm.corpora import escaped_name
    from speakergmm.text_files import read_text_lines

    listed: dict[str, int] = {}
    for line, word in read_text_lines(path, error=CorpusError):
        if len(split_words(word)) > 1 and escaped_name(word) in lexicon:  # trained as one word
            word = escaped_name(word)
        if len(split_words(word)) > 1:
            raise CorpusError(f"{path}:{line}: {word!r} is more than one word; give one a line")
        if fault := word_fault(word):
            raise CorpusError(f"{path}:{line}: {word!r} {fault}")
        if word in listed:
            raise CorpusError(f"{path}:{line}: the word {word} stands in line {listed[word]} too")
        listed[word] = line
    return list(listed)


def _write_lattice(folder: Path, heard: Recognition, names: FileNames) -> None:
    """Write a lattice to a file without folders: slashes are written as URLs have them."""
    name = heard.utterance.id.replace("%", "%25").replace("/", "%2F").replace("\\", "%5C")
    with atomic_text_writer(folder / f"{names.of(name)}.lat") as file:
        file.write(heard.lattice_text or "")
