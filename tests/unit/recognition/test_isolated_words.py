"""Models of words: training, recognition, lists of recordings, error rates."""

import os
import threading
import wave
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from speakergmm.corpora import Transcripts
from speakergmm.errors import (
    CorpusError,
    InvalidInputError,
    InvalidTypeError,
)
from speakergmm.features import FeatureConfig, FeatureExtractor
from speakergmm.hmm import DecodingOptions, NoPathError, sequence_log_likelihood
from speakergmm.recognition import (
    AcousticModel,
    Decoder,
    FeatureNormalisation,
    TrainingOptions,
    evaluate_words,
    read_words,
)

RATE = 8000
# Formants of the sounds that each word is made of.
SPOKEN = {
    "up": [(400.0, 900.0), (900.0, 2600.0)],
    "down": [(900.0, 2600.0), (400.0, 900.0)],
    "left": [(700.0, 1300.0), (300.0, 2300.0), (700.0, 1300.0)],
}
OPTIONS = TrainingOptions.for_words(
    features=FeatureConfig.preset("hmm").replace(sample_rate=RATE),
    n_states=4,
    silence_states=3,
    gaussians_per_state=1.5,
    max_iter=6,
)


def say(word: str, rng: np.random.Generator, *, factor: float = 1.0) -> np.ndarray:
    """A word between two silences; `factor` moves its formants."""
    pieces = [np.zeros(int(RATE * rng.uniform(0.05, 0.1)))]
    for formants in SPOKEN[word]:
        time = np.arange(int(RATE * rng.uniform(0.1, 0.16))) / RATE
        pitch = np.arange(1, 30) * rng.uniform(110, 130)
        level = sum(np.exp(-0.5 * ((pitch / factor - f) / 120.0) ** 2) for f in formants)
        pieces.append((level[:, None] * np.sin(2 * np.pi * pitch[:, None] * time)).sum(axis=0))
    pieces.append(np.zeros(int(RATE * rng.uniform(0.05, 0.1))))
    samples = np.concatenate(pieces)
    return 0.1 * samples + rng.normal(0, 0.002, len(samples))


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(0)
    for word in SPOKEN:
        for number in range(6):
            speaker = "ana" if number < 3 else "bea"
            write(place / word / f"{speaker}_{number}.wav", say(word, rng))
    return place


@pytest.fixture(scope="module")
def read(folder):
    return read_words(folder, speaker_pattern="^(.+)_")


@pytest.fixture(scope="module")
def model(read) -> AcousticModel:
    return AcousticModel.train(read, options=OPTIONS)


def test_units_are_words(model):
    assert model.models.units == ("down", "left", "up", "SIL")
    assert [t.n_states for t in model.models.topologies] == [4, 4, 4, 3]
    assert model.lexicon["up"][0].phones == ("up",)
    assert model.models.n_components == round(1.5 * 15)
    history = [h["log_likelihood"] for h in model.provenance["history"]]
    assert history[-1] > history[1]
    assert (model.provenance["n_utterances"], model.provenance["n_speakers"]) == (18, 2)


def test_transcripts_of_one_word_name_it(read, model):
    said = Transcripts({name: [word] for name, word in read.words.items()})
    found = evaluate_words(model, read.corpus, said)
    assert found.recognised == evaluate_words(model, read.corpus, read.words).recognised
    first = read.corpus.utterances[0]
    for take in (partial(AcousticModel.train, units="words"), partial(evaluate_words, model)):
        with pytest.raises(InvalidInputError, match="has 2 words; models of words need"):
            take([first], {first.id: ["up", "down"]})
        with pytest.raises(InvalidTypeError, match=r"read = read_words\(folder\)"):
            take([first], "words/")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_list_of_words_may_come_through_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "list")
    text = "path\tword\na.wav\tup\nb.wav\tdown\n"
    writer = threading.Thread(target=(tmp_path / "list").write_text, args=(text,))
    writer.start()
    assert read_words(tmp_path / "list").words == {"a.wav": "up", "b.wav": "down"}
    writer.join()


def test_new_recordings_are_recognised(model, tmp_path):
    recogniser = Decoder.for_isolated_words(model)
    assert recogniser.words == ("down", "left", "up")
    rng = np.random.default_rng(1)
    for word in SPOKEN:
        samples = say(word, rng)
        ranked = recogniser.rank_words(samples, sample_rate=RATE)
        assert ranked[0].word == word
        assert sum(score.posterior for score in ranked) == pytest.approx(1)
        write(tmp_path / "one.wav", samples)
        from_file = recogniser.rank_words(tmp_path / "one.wav")
        assert from_file[0].log_likelihood == pytest.approx(ranked[0].log_likelihood, rel=1e-2)


def test_scores_are_likelihoods_of_normalised_features(model):
    """The recogniser's numbers against features normalised by hand and graphs compiled alone."""
    samples = say("left", np.random.default_rng(2))
    extractor = FeatureExtractor(model.features)
    values = extractor.extract(samples, sample_rate=RATE).values.astype(np.float64)
    X = ((values - values.mean(axis=0)) / values.std(axis=0)).astype(np.float32)
    ranked = {
        s.word: s for s in Decoder.for_isolated_words(model).rank_words(samples, sample_rate=RATE)
    }
    for word in SPOKEN:
        graph = model.compile([word])
        emissions = model.models.log_emissions(X, graph.pdfs)
        expected = sequence_log_likelihood(graph.graph(model.models.transitions), emissions)
        assert ranked[word].log_likelihood == pytest.approx(expected, rel=1e-5)
    by_hand = Decoder.for_isolated_words(model).rank_words(X)
    assert by_hand[0].log_likelihood == pytest.approx(ranked["left"].log_likelihood, rel=1e-5)


def test_priors_decide_where_sounds_do_not(model):
    samples = say("up", np.random.default_rng(3))
    assert (
        Decoder.for_isolated_words(model, ["down", "left"])
        .rank_words(samples, sample_rate=RATE)[0]
        .word
        != "up"
    )
    unlikely = Decoder.for_isolated_words(
        model, {"up": 1e-300, "down": 1.0}, options=DecodingOptions(acoustic_scale=1e-3)
    )
    assert unlikely.rank_words(samples, sample_rate=RATE)[0].word == "down"


def test_a_recording_that_is_too_short_is_refused(model):
    with pytest.raises(NoPathError, match="frames"):
        Decoder.for_isolated_words(model).rank_words(np.zeros(300) + 0.01, sample_rate=RATE)


def test_the_model_survives_its_file(model, tmp_path):
    model.save(tmp_path / "words.safetensors")
    assert AcousticModel.load(tmp_path / "words.safetensors").digest == model.digest


def test_jobs_change_nothing(read, model):
    assert AcousticModel.train(read, options=OPTIONS, n_jobs=2).digest == model.digest


def test_warped_copies_help_with_another_vocal_tract(read, model):
    options = TrainingOptions.of(
        OPTIONS, {"normalisation": FeatureNormalisation("speaker"), "max_iter": 3}
    )
    model = AcousticModel.train(read, options=options)
    assert model.normalisation.scope == "speaker"
    assert evaluate_words(model, read.corpus, read.words).error_rate < 0.2


def test_folders_of_speakers_are_taken_where_words_stand_beside_the_recordings(tmp_path):
    for who, word, n in (("ana", "up", 0), ("ana", "down", 1), ("bea", "up", 2)):
        (tmp_path / who).mkdir(exist_ok=True)
        (tmp_path / who / f"{n}.wav").touch()
        (tmp_path / who / f"{n}.txt").write_text(f"{word}\n")
    read = read_words(tmp_path)
    assert read.corpus.speakers == ("ana", "bea")
    assert read.words == {"ana/0.wav": "up", "ana/1.wav": "down", "bea/2.wav": "up"}
    assert "the folders name speakers" in read.corpus.notes[-1]
    # Where one says nothing, folders are words again, and one of all is told.
    (tmp_path / "ana/0.txt").unlink()
    assert read_words(tmp_path).vocabulary == ("ana", "bea")


def test_names_may_say_word_and_speaker(tmp_path):
    for name in ("7_ana_0.wav", "7_bea_0.wav", "3_ana_0.wav"):
        (tmp_path / "recordings").mkdir(exist_ok=True)
        (tmp_path / "recordings" / name).touch()
    for source in (tmp_path, tmp_path / "recordings"):
        read = read_words(source, speaker_pattern="{word}_{speaker}_*")
        assert (read.vocabulary, read.corpus.speakers) == (("3", "7"), ("ana", "bea"))
    (note,) = read_words(tmp_path).corpus.notes
    assert "all recordings are of one word, 'recordings'" in note


def test_lists_of_words_name_their_columns_where_none_is_known(tmp_path):
    (tmp_path / "list.csv").write_text("path,label\n1.wav,up\n")
    with pytest.raises(CorpusError, match="its columns are path, label"):
        read_words(tmp_path / "list.csv")
