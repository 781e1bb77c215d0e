"""Rows of the benchmark of HMMs that are about recognition: digits, and 3,004 words."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from speakergmm.corpora import Corpus, Utterance
from speakergmm.features import FeatureConfig
from speakergmm.hmm import (
    BackoffLanguageModel,
    DecodingOptions,
    Lexicon,
    TrainingSchedule,
    word_graph,
)
from speakergmm.hmm.decoding import make_transducer
from speakergmm.recognition import (
    AcousticModel,
    Decoder,
    FeatureNormalisation,
    TrainingOptions,
    train_acoustic_model,
)

from ._figure import Figure
from ._hmm_training import corpus
from ._timing import interleaved_medians

DIGITS = Lexicon.from_dict(
    {
        "zero": ["Z IH R OW", "Z IY R OW"],
        "one": ["W AH N"],
        "two": ["T UW"],
        "three": ["TH R IY"],
        "four": ["F AO R"],
        "five": ["F AY V"],
        "six": ["S IH K S"],
        "seven": ["S EH V AH N"],
        "eight": ["EY T"],
        "nine": ["N AY N"],
    }
)
FRAMES_A_SECOND = 100.0


def digit_model(recordings: Path) -> tuple[AcousticModel, list[np.ndarray]]:
    """Train monophones of digits at 8 kHz; give them and strings of ten unseen recordings each."""
    names = list(DIGITS)
    files = sorted(recordings.glob("*.flac"))
    if not files:
        raise FileNotFoundError(f"{recordings} holds no recordings")
    groups: dict[bool, list[Utterance]] = {False: [], True: []}
    said = {}
    for file in files:
        digit, speaker, index = file.stem.split("_")
        if int(index) < 15:  # a fifth of what there is: this measures time, not errors
            groups[int(index) < 5].append(Utterance(file.stem, file, speaker))
            said[file.stem] = (names[int(digit)],)
    options = TrainingOptions(
        features=FeatureConfig.load("hmm").replace(sample_rate=8000),
        normalisation=FeatureNormalisation("speaker"),
        schedule=TrainingSchedule(algorithm="viterbi", max_iter=20, grow_until=15, n_gaussians=300),
    )
    train = Corpus(tuple(groups[False]), source=str(recordings))
    model = train_acoustic_model(train, said, DIGITS, options)
    test = Corpus(tuple(sorted(groups[True], key=lambda u: u.id.split("_")[1:])), source="test")
    features = [X for _, X, _ in model.features_of(test)]
    return model, [np.concatenate(features[i : i + 10]) for i in range(0, len(features), 10)]


def _seconds(frames: Sequence[np.ndarray]) -> float:
    return sum(map(len, frames)) / FRAMES_A_SECOND


def _all(decoder: Decoder, frames: Sequence[np.ndarray]) -> None:
    for X in frames:
        decoder.decode_features(X)


def digits(data: Path, *, rounds: int) -> list[Figure]:
    """Measure the loop of digits: log-densities and search, features made before."""
    model, strings = digit_model(data / "fsdd" / "recordings")
    plain = Decoder.for_words(model, options=DecodingOptions(acoustic_scale=0.1))
    lattice = Decoder.for_words(
        model, options=DecodingOptions(acoustic_scale=0.1, lattice_beam=8.0)
    )
    models, graph = model.models, plain.search
    seconds = interleaved_medians(
        {
            "best path": lambda: _all(plain, strings),
            "lattice": lambda: _all(lattice, strings),
            "densities": lambda: [models.log_emissions(X, graph.pdfs) for X in strings],
        },
        rounds=rounds,
    )
    spoken = _seconds(strings)
    case = (
        f"loop of 10 digits, {len(models.units)} phones, {models.n_gaussians} Gaussians, strings "
        "of 10 recordings"
    )
    note = f"log-densities {seconds['densities'] / spoken:.5f} of it; {spoken:.0f} s of speech"
    return [
        Figure(
            "decoding", f"best path, x real time: {case}", seconds["best path"] / spoken,
            "<= 0.005", note,
        ),
        Figure(
            "decoding", f"lattice with confidences, x real time: {case}",
            seconds["lattice"] / spoken, "",
        ),
    ]  # fmt: skip


def words(data: Path, model: AcousticModel, *, n_recordings: int) -> list[Figure]:
    """Measure a loop over 3,004 words with a bigram, on the first recordings of the test part."""
    texts = data / "librispeech_asr"
    model = model.with_lexicon(Lexicon.read(texts / "lexicon.txt"))
    bigram = BackoffLanguageModel.read_arpa(texts / "word_2gram.arpa")
    before = time.process_time()
    graph = word_graph(model.models, model.lexicon, language_model=bigram)
    _ = graph.prepared(make_transducer)
    built = time.process_time() - before
    files = sorted((data / "librispeech" / "test-other").glob("*.flac"))[:n_recordings]
    recordings = [Utterance(file.stem, file, file.stem.split("-")[0]) for file in files]
    frames = [X for _, X, _ in model.features_of(recordings)]
    case = f"{len(model.lexicon):,} words, bigram of {len(bigram.ngrams[1]):,}"
    found = [
        Figure(
            "decoding", f"graph, CPU seconds: {case}", built, "",
            f"{graph.n_states:,} states, {graph.n_arcs:,} arcs",
        )
    ]  # fmt: skip
    for beam, lattice_beam, wanted in ((13.0, None, "<= 1"), (16.0, None, "<= 1"), (13.0, 6.0, "")):
        options = DecodingOptions(acoustic_scale=0.083, beam=beam, lattice_beam=lattice_beam)
        decoder = Decoder(model, graph, options)
        before = time.process_time()
        _all(decoder, frames)
        spent = time.process_time() - before
        what = "best path" if lattice_beam is None else f"lattice of beam {lattice_beam:g}"
        found.append(
            Figure(
                "decoding", f"{what}, beam {beam:g}, x real time: {case}",
                spent / _seconds(frames), wanted, f"{_seconds(frames):.0f} s of speech",
            )
        )  # fmt: skip
    return found


def decoding(*, quick: bool = False) -> list[Figure]:
    """Measure recognition in one thread; KeyError where there is no folder of real speech.

    The models of phones are trained here, which takes a minute: a quick run leaves them out.
    """
    data = Path(os.environ["SPEAKERGMM_DATA"])
    found = digits(data, rounds=2 if quick else 7)
    if not quick:
        recordings, text, lexicon = corpus()
        options = TrainingOptions(schedule=TrainingSchedule(algorithm="viterbi"))
        model = train_acoustic_model(recordings, text, lexicon, options)
        found += words(data, model, n_recordings=30)
    return found
