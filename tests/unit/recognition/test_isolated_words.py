"""Models of words: training, recognition, lists of recordings, error rates."""

import math
import os
import threading
import wave
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from speakergmm.corpora import Corpus, Transcripts, Utterance
from speakergmm.errors import (
    CorpusError,
    InsufficientDataError,
    InvalidInputError,
    InvalidTypeError,
    SpeakerGmmError,
)
from speakergmm.features import FeatureConfig, FeatureExtractor
from speakergmm.hmm import DecodingOptions, Lexicon, NoPathError, sequence_log_likelihood
from speakergmm.recognition import (
    AcousticModel,
    Decoder,
    FeatureNormalisation,
    RecognisedWord,
    TrainingOptions,
    WordEvaluation,
    cut_words,
    evaluate_words,
    read_words,
)
from speakergmm.run_context import RunContext

pytestmark = pytest.mark.usefixtures("without_confidences")

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


@pytest.mark.slow
def test_units_are_words(model):
    assert model.models.units == ("down", "left", "up", "SIL")
    assert [t.n_states for t in model.models.topologies] == [4, 4, 4, 3]
    assert model.lexicon["up"][0].phones == ("up",)
    assert model.models.n_gaussians == round(1.5 * 15)
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


def test_only_isolated_words_are_ranked(model):
    with pytest.raises(InvalidInputError, match=r"Decoder\.for_isolated_words\(model\)"):
        Decoder.for_words(model).rank_words(np.zeros(4000), sample_rate=RATE)


def test_a_recording_that_is_too_short_is_refused(model):
    with pytest.raises(NoPathError, match="frames"):
        Decoder.for_isolated_words(model).rank_words(np.zeros(300) + 0.01, sample_rate=RATE)


def test_the_model_survives_its_file(model, tmp_path):
    model.save(tmp_path / "words.safetensors")
    assert AcousticModel.load(tmp_path / "words.safetensors").digest == model.digest


@pytest.mark.slow
def test_jobs_change_nothing(read, model):
    assert AcousticModel.train(read, options=OPTIONS, engine=2).digest == model.digest


@pytest.mark.slow
def test_warped_copies_help_with_another_vocal_tract(read, model):
    options = TrainingOptions.of(OPTIONS, {"frequency_warps": (0.85, 1.0, 1.18)})
    warped = AcousticModel.train(read, options=options)
    assert warped.provenance["frequency_warps"] == [0.85, 1.0, 1.18]
    assert warped.features == model.features
    rng = np.random.default_rng(4)
    gains = []
    for word in SPOKEN:
        samples = say(word, rng, factor=1.18)
        plain, other = (
            {
                s.word: s.log_likelihood
                for s in Decoder.for_isolated_words(m).rank_words(samples, sample_rate=RATE)
            }[word]
            for m in (model, warped)
        )
        gains.append(other - plain)
    assert sum(gains) > 0


@pytest.mark.slow
def test_phones_in_place_of_words(read):
    sounds = {"up": [("a", "b")], "down": [("b", "a")], "left": [("c", "d", "c")]}
    options = TrainingOptions.of(OPTIONS, {"units": "phones", "n_states": 2, "silence_states": 1})
    model = AcousticModel.train(read, options=options, lexicon=Lexicon.from_dict(sounds))
    assert set(model.models.units) == {"a", "b", "c", "d", "SIL"}
    assert evaluate_words(model, read.corpus, read.words).error_rate < 0.2


@pytest.mark.slow
def test_without_silence(read):
    options = TrainingOptions.of(OPTIONS, {"silence_states": 0, "max_iter": 2})
    model = AcousticModel.train(read, options=options)
    assert "SIL" not in model.models.units
    assert model.silence.unit is None


@pytest.mark.slow
def test_recordings_that_cannot_be_used_are_named(read, tmp_path):
    write(tmp_path / "short.wav", np.zeros(400))
    short = Utterance("short", tmp_path / "short.wav", "ana")
    lost = Utterance("lost", tmp_path / "absent.wav", "ana")
    mute = Utterance("mute", tmp_path / "mute.wav", "ana")
    corpus = Corpus((*read.corpus.utterances, short, lost, mute), source="x")
    words = {**read.words, "short": "up", "lost": "up"}
    found = []
    options = TrainingOptions.of(OPTIONS, {"max_iter": 2, "frequency_warps": (1.0, 1.1)})
    run = RunContext(on_skip=found.append)
    model = AcousticModel.train(corpus, words, options=options, run=run)
    named = {name for item in found for name in item.affected}
    assert named == {"short", "lost", "mute"}
    assert model.provenance["n_skipped"] == len(found) == 3
    assert model.provenance["n_utterances"] == len(read.corpus)
    assert model.provenance["n_speakers"] == 2
    strict = RunContext(strict=True)
    for utterance, reason in ((mute, "'mute'"), (short, "'short'"), (lost, "absent.wav")):
        corpus = Corpus((*read.corpus.utterances, utterance), source="x")
        with pytest.raises(SpeakerGmmError, match=reason):
            AcousticModel.train(corpus, words, options=options, run=strict)


@pytest.mark.slow
def test_viterbi_training_begins_as_baum_welch(read):
    found = {}
    for algorithm in ("baum-welch", "viterbi"):
        options = TrainingOptions.of(OPTIONS, {"algorithm": algorithm})
        model = AcousticModel.train(read, options=options)
        found[algorithm] = model.provenance["history"]
        assert evaluate_words(model, read.corpus, read.words).error_rate == 0
    assert found["viterbi"][0] == found["baum-welch"][0]
    assert found["viterbi"][1] != found["baum-welch"][1]


@pytest.mark.slow
def test_an_interrupted_training_goes_on(read, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(state):
        if state.iteration == 3:
            raise Interrupted

    checkpoint = tmp_path / "words.ckpt"
    run = RunContext(callback=interrupt, checkpoint=checkpoint)
    with pytest.raises(Interrupted):
        AcousticModel.train(read, options=OPTIONS, run=run)
    heard = []
    run = RunContext(callback=heard.append, checkpoint=checkpoint)
    model = AcousticModel.train(read, options=OPTIONS, run=run)
    assert [state.iteration for state in heard] == [4, 5, 6]
    assert model.digest == AcousticModel.train(read, options=OPTIONS).digest
    assert not checkpoint.exists()


def test_bad_options_are_refused(read):
    for change in ({"n_states": 0}, {"n_gaussians": 0.5}, {"frequency_warps": ()}, {"seed": -1}):
        with pytest.raises(InvalidInputError):
            TrainingOptions.of(OPTIONS, change)
    with pytest.raises(InvalidInputError, match="as the model of silence is"):
        AcousticModel.train(read, options=OPTIONS, unit="up")
    only = Lexicon.from_dict({"up": [("a",)]})
    with pytest.raises(InvalidInputError, match="take no lexicon"):
        AcousticModel.train(read, options=OPTIONS, lexicon=only)
    strict = RunContext(strict=True)
    with pytest.raises(SpeakerGmmError, match="down"):
        AcousticModel.train(read, options=OPTIONS, lexicon=only, units="phones", run=strict)
    silent = RunContext(on_skip=lambda _: None)
    with pytest.raises(InsufficientDataError):
        AcousticModel.train(read.corpus, {}, options=OPTIONS, run=silent)


def test_evaluation_counts(model, read):
    found = evaluate_words(model, read.corpus, read.words)
    assert found.error_rate == 0
    assert found.by_speaker() == {"ana": (0, 9), "bea": (0, 9)}
    wrong = {**read.words, read.corpus.utterances[0].id: "left"}
    worse = evaluate_words(model, read.corpus, wrong)
    assert (worse.n_errors, worse.confusions) == (1, (("left", "down", 1),))
    pooled = found + worse
    assert len(pooled.recognised) == 36
    assert pooled.error_rate == pytest.approx(1 / 36)
    interval = pooled.speaker_interval()
    assert interval.low == 0
    assert interval.high == pytest.approx(1 / 18)
    assert found.wilson_interval().low == 0
    assert WordEvaluation(()).speaker_interval() is None
    assert math.isnan(WordEvaluation(()).error_rate)
    unread = WordEvaluation((RecognisedWord("u", None, "up", None, math.nan),))
    assert unread.confusions == (("up", "", 1),)


def test_recordings_without_a_speaker_are_drawn_too():
    def recognised(name, speaker, heard):
        return RecognisedWord(name, speaker, "up", heard, 1.0)

    right = [recognised(f"r{n}", f"s{n % 2}", "up") for n in range(6)]
    wrong = [recognised(f"w{n}", None, "down") for n in range(6)]
    found = WordEvaluation((*right, *wrong))
    interval = found.speaker_interval(seed=3)
    assert interval.low < found.error_rate == 0.5 < interval.high
    # Two speakers of three recordings each, and six recordings alone.
    drawn = np.random.default_rng(3).multinomial(8, np.full(8, 1 / 8), size=1000)
    errors, total = drawn[:, 2:].sum(axis=1), drawn @ [3, 3, *[1] * 6]
    limits = np.quantile(errors / total, [0.025, 0.975])
    assert [interval.low, interval.high] == pytest.approx(limits, abs=1e-12)
    # Of one speaker nothing is known of others.
    assert WordEvaluation((*right[::2], *wrong)).speaker_interval() is None


def test_lists_name_words(folder, tmp_path):
    listed = tmp_path / "list.tsv"
    listed.write_text(
        "path\tspeaker\tword\nup/ana_0.wav\tana\tup there\ndown/bea_3.wav\tbea\tdown\n"
    )
    read = read_words(listed, data_dir=folder)
    assert read.words == {"up/ana_0.wav": "up there", "down/bea_3.wav": "down"}
    assert read.corpus.speakers == ("ana", "bea")
    listed.write_text("path,text\nup/ana_0.wav,up there\n")
    with pytest.raises(CorpusError, match=r"list.tsv:2: .*more than one word"):
        read_words(listed, data_dir=folder)
    listed.write_text("path,word\nup/ana_0.wav, \n")
    with pytest.raises(CorpusError, match=r"list.tsv:2: the column word is empty"):
        read_words(listed, data_dir=folder)


def test_folders_and_patterns(folder, tmp_path):
    assert {u.speaker for u in read_words(folder).corpus} == {None}
    with pytest.raises(InvalidInputError, match="not a regular expression"):
        read_words(folder, speaker_pattern="(")
    with pytest.raises(InvalidInputError, match="has no group"):
        read_words(folder, speaker_pattern="ana")
    with pytest.raises(CorpusError, match="finds no speaker"):
        read_words(folder, speaker_pattern="(carl)")
    write(tmp_path / "zoom in" / "a.wav", np.zeros(800))
    write(tmp_path / "zoom_in" / "b.wav", np.zeros(800))
    assert read_words(tmp_path).vocabulary == ("zoom in", "zoom_in")


@pytest.mark.slow
def test_a_word_with_a_space_comes_back_as_it_is_called(folder, tmp_path):
    """And is another one than that with an underscore."""
    called = {"up": "zoom in", "down": "zoom_in", "left": "left"}
    read = read_words(folder)
    words = {name: called[word] for name, word in read.words.items()}
    AcousticModel.train(read.corpus, words, options=OPTIONS).save(tmp_path / "words.safetensors")
    model = AcousticModel.load(tmp_path / "words.safetensors")
    found = evaluate_words(model, read.corpus, words)
    assert found.error_rate < 0.1
    assert {item.heard for item in found.recognised} == set(called.values())
    recogniser = Decoder.for_isolated_words(model)
    assert set(recogniser.words) == set(called.values())
    first = next(u for u in read.corpus if words[u.id] == "zoom in")
    assert recogniser.rank_words(first.path)[0].word == "zoom in"
    some = Decoder.for_isolated_words(model, ["zoom in", "left"]).rank_words(first.path)
    assert [score.word for score in some] == ["zoom in", "left"]
    decoder = Decoder.for_isolated_words(model, {"zoom in": 0.5, "zoom_in": 0.5})
    (recognised,) = decoder.decode([first])
    assert recognised.words == ("zoom in",)
    assert recognised.to_dict()["hypotheses"][0]["words"] == ["zoom in"]
    assert [label.label for label in recognised.word_labels()] == ["zoom in"]
    (running,) = Decoder.for_words(model, words=["zoom in", "zoom_in"]).decode([first])
    assert set(running.words) <= {"zoom in", "zoom_in"}
    assert Decoder.for_words(model, words=list(model.lexicon)).search.words == tuple(model.lexicon)


def test_kaldi_directories(folder, tmp_path):
    (tmp_path / "wav.scp").write_text(f"a-1 {folder}/up/ana_0.wav\n")
    (tmp_path / "utt2spk").write_text("a-1 a\n")
    (tmp_path / "text").write_text("a-1 up\n")
    assert read_words(tmp_path).words == {"a-1": "up"}
    (tmp_path / "text").write_text("a-1 up down\n")
    with pytest.raises(CorpusError, match=r"text:1: .*has 2 words"):
        read_words(tmp_path)


def test_words_are_cut_from_running_speech(tmp_path):
    corpus = Corpus((Utterance("u1", tmp_path / "u1.wav", "ana"),), source="x")
    table = tmp_path / "words.tsv"
    table.write_text(
        "utterance\tstart\tduration\tword\nu1\t0.5\t0.25\tup\nu1\t1\t0.5\tup\nu1\t2\t1\tno\n"
        "u2\t0\t1\tno\n"
    )
    cut = cut_words(corpus, table, most_frequent=1)
    assert [(u.id, u.start, u.end) for u in cut.corpus] == [
        ("u1#0.5", 0.5, 0.75),
        ("u1#1", 1.0, 1.5),
    ]
    table.write_text("utterance\tstart\tduration\tword\nu1\t0.5\t-1\tup\n")
    with pytest.raises(CorpusError, match=r"words.tsv:2"):
        cut_words(corpus, table)
    table.write_text("utterance\tstart\tduration\tword\nu7\t0.5\t1\tup\n")
    with pytest.raises(CorpusError, match="no word of the recordings"):
        cut_words(corpus, table)


@pytest.mark.slow
def test_normalisation_by_speaker(read):
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
