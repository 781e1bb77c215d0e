"""Train, align, recognise: each stage kept in the output folder, with the time it took."""

import hashlib
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from material import Material
from settings import Search, Settings

from speakergmm.audio import probe
from speakergmm.corpora import Corpus
from speakergmm.hmm import BackoffLanguageModel, train_ngram
from speakergmm.recognition import (
    AcousticModel,
    AlignedUtterance,
    Decoder,
    align_recordings,
    write_ctm,
)

SILENCE = "SIL"


@dataclass
class Run:
    """One training and what follows from it."""

    material: Material
    settings: Settings
    output: Path
    jobs: int = 1
    seconds: dict[str, float] = field(default_factory=dict)  # of processor time, by stage

    def file(self, ending: str) -> Path:
        """Name a file of this run, after all options of its training, defaults included.

        A model of an earlier run is not taken for one of a preset that has changed since.
        """
        config, options = self.settings.config(), self.settings.options()
        told = f"{self.material.name} {config.digest} {options}"
        key = hashlib.sha256(told.encode()).hexdigest()[:12]
        self.output.mkdir(parents=True, exist_ok=True)
        return self.output / f"{self.settings.algorithm}-{key}.{ending}"

    def lengths(self, corpus: Corpus) -> float:
        """Seconds of speech."""
        return sum(probe(u.path).duration for u in corpus)

    def model(self) -> AcousticModel:
        """Train, or load what was trained before."""
        path, times = self.file("safetensors"), self.file("seconds.json")
        if path.exists() and times.exists():
            self.seconds |= json.loads(times.read_text())
            return AcousticModel.load(path)
        settings, material = self.settings, self.material
        start = time.process_time()
        model = AcousticModel.train(
            material.train,
            material.transcripts,
            material.lexicon,
            settings.options(),
            engine=self.jobs,
        )
        self.seconds["training, features included"] = time.process_time() - start
        start = time.process_time()
        with model.extract(tuple(material.train), engine=self.jobs):
            self.seconds["features of training"] = time.process_time() - start
        model.save(path)
        times.write_text(json.dumps(self.seconds))
        return model

    def align(self, model: AcousticModel, corpus: Corpus) -> list[AlignedUtterance]:
        """Align recordings with what is said, and write the phones as CTM."""
        start = time.process_time()
        found = list(align_recordings(model, corpus, self.material.transcripts, engine=self.jobs))
        if corpus is self.material.train:
            self.seconds["alignment, features included"] = time.process_time() - start
            write_ctm(self.file("phones.ctm"), {a.utterance.id: a.phone_labels() for a in found})
        return found

    def phone_model(self, aligned: Iterable[AlignedUtterance]) -> BackoffLanguageModel:
        """Return the bigram of phones: given, or that of an alignment."""
        given = self.material.phone_model
        return given or train_ngram([[p.label for p in a.alignment.phones] for a in aligned])

    def recognise_phones(
        self, model: AcousticModel, bigram: BackoffLanguageModel, search: Search | None = None
    ) -> dict[str, tuple[str, ...]]:
        """Recognise the phones of the test part."""
        search = search or self.settings.phones
        decoder = Decoder.for_phones(
            model,
            language_model=bigram,
            options=search.options(),
            word_penalty=search.word_penalty,
        )
        return self._decode(decoder, "phones")

    def recognise_words(
        self, model: AcousticModel, search: Search | None = None
    ) -> dict[str, tuple[str, ...]]:
        """Recognise the words of the test part."""
        search = search or self.settings.words
        decoder = Decoder.for_words(
            model.with_lexicon(self.material.lexicon),
            language_model=self.material.word_model,
            options=search.options(),
            word_penalty=search.word_penalty,
        )
        return self._decode(decoder, "words")

    def _decode(self, decoder: Decoder, unit: str) -> dict[str, tuple[str, ...]]:
        start = time.process_time()
        found = {
            r.utterance.id: r.words for r in decoder.decode(self.material.test, engine=self.jobs)
        }
        self.seconds[f"recognition of {unit}, features included"] = time.process_time() - start
        return found
