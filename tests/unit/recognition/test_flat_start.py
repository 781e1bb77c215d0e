"""What models know before training: nothing, or what digital silence sounds like."""

import numpy as np
import pytest
from oracles.spoken import short_sentences, spoken_world

from speakergmm.audio import read_audio, write_audio
from speakergmm.corpora import Corpus, Utterance, read_transcripts
from speakergmm.features import FeatureConfig
from speakergmm.hmm import (
    Lexicon,
    PhoneModels,
    TrainingSchedule,
    sequence_log_likelihood,
    train_phone_models,
    utterance_moments,
)
from speakergmm.recognition import (
    AcousticModel,
    FeatureArchive,
    FeatureNormalisation,
    SilenceModel,
    TrainingOptions,
    align_recordings,
    train_acoustic_model,
)
from speakergmm.records import to_arrays

pytestmark = pytest.mark.usefixtures("without_confidences")

SHORT = TrainingSchedule(max_iter=8, grow_until=5, n_gaussians=120)


@pytest.fixture(scope="module", autouse=True)
def spoken(tmp_path_factory):
    """Speech and a model with confidences, which is there before these are left out."""
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def sentences(spoken, tmp_path_factory):
    return short_sentences(spoken, tmp_path_factory.mktemp("short"))


def trained_by_hand(corpus, transcripts, lexicon, units, topology, schedule, config):
    """All pdfs alike at the start, put together without the code under test."""
    with FeatureArchive.of(tuple(corpus), config, FeatureNormalisation()) as archive:
        mean, variance, _ = utterance_moments(archive)
        flat = PhoneModels.flat(
            {unit: topology(unit) for unit in units}, mean=mean, variance=variance
        )
        known = Lexicon({w: lexicon[w] for words in transcripts.values() for w in words}, "used")
        model = AcousticModel(flat, known, config)
        graphs = [model.compile(transcripts[utterance.id]) for utterance in corpus]
        models = train_phone_models(flat, graphs, archive, schedule=schedule).models
    return AcousticModel(models, known, config)


def word_errors(model, sentences):
    """Seconds between the edges of words found and the true ones."""
    errors = []
    for item in align_recordings(model, sentences.corpus, sentences.transcripts):
        for label, (start, end) in zip(
            item.word_labels(), sentences.words[item.utterance.id], strict=True
        ):
            errors += [abs(label.start - start), abs(label.end - end)]
    return np.array(errors)


@pytest.mark.slow
def test_digital_silence_is_silence_from_the_start(spoken, sentences):
    corpus, transcripts = sentences.corpus, sentences.transcripts
    model = train_acoustic_model(
        corpus, transcripts, spoken.lexicon, TrainingOptions(schedule=SHORT)
    )
    flat = trained_by_hand(
        corpus, transcripts, spoken.lexicon, model.models.units, model.models.topology, SHORT,
        model.features,
    )  # fmt: skip
    assert model.provenance["n_constant_frames"] > 0.1 * model.provenance["n_frames"]
    found, before = word_errors(model, sentences), word_errors(flat, sentences)
    assert np.quantile(found, 0.9) < 0.05 < 0.08 < np.quantile(before, 0.9)
    assert np.median(found) < 0.6 * np.median(before)
    with FeatureArchive.of(tuple(corpus), model.features, model.normalisation) as archive:
        frames = [(archive[place], u.id) for place, u in enumerate(archive.utterances)]
    totals = [
        sum(
            sequence_log_likelihood(
                graph.graph(each.models.transitions), each.models.log_emissions(X, pdfs)
            )
            for X, name in frames
            for graph in [each.compile(transcripts[name])]
            for pdfs in [graph.pdfs]
        )
        for each in (model, flat)
    ]
    assert totals[0] > totals[1] + sum(len(X) for X, _ in frames)


@pytest.mark.slow
@pytest.mark.parametrize("energy", ["none", "last"])
def test_energy_is_where_the_features_have_it(spoken, sentences, energy):
    """Without an energy nothing says what is quiet: the start is flat."""
    changes = {"energy": "none"} if energy == "none" else {"energy_position": "last"}
    config = FeatureConfig.preset("hmm").replace(**changes)
    schedule = TrainingSchedule(max_iter=2, grow_until=1, n_gaussians=100)
    options = TrainingOptions(schedule=schedule, features=config)
    corpus, transcripts = sentences.corpus, sentences.transcripts
    model = train_acoustic_model(corpus, transcripts, spoken.lexicon, options)
    flat = trained_by_hand(
        corpus, transcripts, spoken.lexicon, model.models.units, model.models.topology, schedule,
        config,
    )  # fmt: skip
    same = np.array_equal(
        to_arrays(model.models)[0]["bank.means"], to_arrays(flat.models)[0]["bank.means"]
    )
    assert same == (energy == "none")
    if energy == "last":
        first = TrainingOptions(schedule=schedule)
        reference = train_acoustic_model(corpus, transcripts, spoken.lexicon, first)
        history = [h["log_likelihood"] for h in model.provenance["history"]]
        # Frames between two states go by rounding, which the order of features changes; from a
        # flat start the second pass has -50 in place of -32.
        assert history == pytest.approx(
            [h["log_likelihood"] for h in reference.provenance["history"]], rel=2e-3
        )


def test_ordinary_speech_starts_flat(data_dir):
    """LibriSpeech holds some digital silence, too; here in one recording of eleven."""
    folder = data_dir / "librispeech"
    lexicon = Lexicon.read(data_dir / "librispeech_asr" / "lexicon.txt")
    said = read_transcripts(folder / "text")
    files = sorted((folder / "train-clean-100").glob("*.flac"))[:10]
    files.append(folder / "train-clean-100" / "254-12312-0000.flac")
    corpus = Corpus(tuple(Utterance(f.stem, f, f.stem.split("-")[0]) for f in files), source="few")
    schedule = TrainingSchedule(max_iter=2, grow_until=1, n_gaussians=150)
    model = train_acoustic_model(corpus, said, lexicon, TrainingOptions(schedule=schedule))
    flat = trained_by_hand(
        corpus, {u.id: tuple(said[u.id]) for u in corpus}, lexicon, model.models.units,
        model.models.topology, schedule, model.features,
    )  # fmt: skip
    assert 0 < model.provenance["n_constant_frames"] < 0.01 * model.provenance["n_frames"]
    arrays = to_arrays(flat.models)[0]
    for name, array in to_arrays(model.models)[0].items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("zeros", [True, False])
def test_words_start_likewise(spoken, sentences, tmp_path, zeros):
    """Whole words between zeros: silence takes the zeros, words do not; without, all is flat."""
    utterances, words = [], {}
    for utterance in sentences.corpus:
        samples, rate = read_audio(utterance.path)
        start, end = sentences.words[utterance.id][0]
        part = samples[round(start * rate) : round(end * rate)]
        if zeros:
            quiet = np.zeros(rate // 4, np.float32)
            part = np.concatenate([quiet, part, quiet])
        path = tmp_path / f"{utterance.id}.wav"
        write_audio(path, part, rate)
        utterances.append(Utterance(utterance.id, path, None))
        words[utterance.id] = sentences.transcripts[utterance.id][0]
    corpus = Corpus(tuple(utterances), source="words")
    options = TrainingOptions.for_words(n_states=5, max_iter=4)
    model = AcousticModel.train(corpus, words, options=options)
    if not zeros:
        with FeatureArchive.of(
            corpus.utterances, model.features, FeatureNormalisation("utterance")
        ) as archive:
            mean, variance, _ = utterance_moments(archive)
            flat = PhoneModels.flat(
                {unit: model.models.topology(unit) for unit in model.models.units},
                mean=mean, variance=variance,
            )  # fmt: skip
            silence = SilenceModel(probability=0.0)
            by_hand = AcousticModel(flat, model.lexicon, model.features, silence=silence)
            graphs = [by_hand.compile([words[u.id]]) for u in corpus]
            schedule = options.schedule_for(flat.n_pdfs)
            expected = train_phone_models(flat, graphs, archive, schedule=schedule).models
        np.testing.assert_array_equal(
            to_arrays(model.models)[0]["bank.means"], to_arrays(expected)[0]["bank.means"]
        )
        return
    for item in align_recordings(model, corpus, {u.id: (words[u.id],) for u in corpus}):
        (word,) = item.word_labels()
        assert abs(word.start - 0.25) < 0.05
        assert abs(item.end - word.end - 0.25) < 0.1
