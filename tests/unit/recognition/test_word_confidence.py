"""Whether a word was said: confidences tell wrong words, posteriors do not pretend to."""

import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from oracles.spoken import spoken_world

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.corpora import Corpus, read_corpus
from speakergmm.errors import InvalidInputError, ModelFormatError, WorkerLostError
from speakergmm.hmm import Alignment, AlignmentOptions, Lexicon, Segment, TrainingSchedule
from speakergmm.recognition import (
    AcousticModel,
    FeatureArchive,
    TrainingOptions,
    WordConfidence,
    align_recording,
    align_recordings,
    fit_confidence,
    train_acoustic_model,
    word_evidence,
)
from speakergmm.recognition.alignment_task import AlignmentTask
from speakergmm.run_context import RunContext


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.mark.slow
def test_wrong_words_are_told_and_posteriors_do_not_tell_them(spoken):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = random.Random(5)
    said = {u.id: list(spoken.transcripts[u.id]) for u in spoken.corpus}
    pool = [word for words in said.values() for word in words]
    wrong = set()
    for name, place in rng.sample([(n, p) for n in sorted(said) for p in range(len(said[n]))], 25):
        ways = {way.phones for way in spoken.lexicon[said[name][place]]}
        others = [w for w in pool if ways.isdisjoint(way.phones for way in spoken.lexicon[w])]
        said[name][place] = rng.choice(others)
        wrong.add((name, place))
    rows = [
        ((item.utterance.id, place) in wrong, word.confidence, word.posterior)
        for item in align_recordings(spoken.model, spoken.corpus, said)
        for place, word in enumerate(item.word_labels())
    ]
    is_wrong, confidence, posterior = np.array(rows, np.float64).T
    by_confidence = metrics.roc_auc_score(is_wrong, 1 - confidence)
    assert by_confidence > 0.97
    assert metrics.roc_auc_score(is_wrong, 1 - posterior) < by_confidence - 0.1
    assert np.median(confidence[is_wrong > 0]) < 0.1 < 0.9 < np.median(confidence[is_wrong == 0])
    # As many are wrong as confidences say, within what so few words can show.
    assert abs(confidence.mean() - (1 - is_wrong.mean())) < 0.05


def test_evidence_is_what_it_is_said_to_be():
    phones = (
        Segment("SIL", 0, 5, math.nan, None, -9.0, 0.1),
        Segment("a", 5, 9, math.nan, 0, -1.0, 0.8),
        Segment("b", 9, 14, math.nan, 0, -3.0, 0.4),
        Segment("c", 14, 30, math.nan, 1, -0.5, 1.0),
    )
    words = (
        Segment("ab", 5, 14, math.nan, None, -19 / 9, 0.7),
        Segment("c", 14, 30, math.nan, None, -0.5, 1.0),
    )
    alignment = Alignment(
        words, phones, (), log_likelihood=-1.0, n_frames=30,
        phone_edges=np.zeros(5), frame_log_likelihoods=np.zeros(30),
    )  # fmt: skip
    np.testing.assert_allclose(
        word_evidence(alignment),
        [
            [-19 / 9, -19 / 3, -19.0, -3.0, math.log(9), math.log(0.6 / 0.4)],
            [-0.5, -2.0, -8.0, -0.5, math.log(16), math.log(99)],
        ],
        rtol=1e-12,
    )
    judge = WordConfidence(np.array([1.0, 0.0, 0.0, 0.5, 0.0, 0.0, 3.0]), 0.05, 10, 10)
    expected = [1 / (1 + math.exp(19 / 9 + 1.5 - 3)), 1 / (1 + math.exp(0.75 - 3))]
    assert judge.probabilities(alignment) == pytest.approx(expected)
    assert [w.confidence for w in judge.applied(alignment).words] == pytest.approx(expected)
    assert all(math.isnan(w.confidence) for w in alignment.words)


@pytest.mark.parametrize("prior", [0.05, 0.5])
def test_weights_are_where_the_slopes_of_the_penalised_loss_vanish(prior):
    rng = np.random.default_rng(0)
    right = rng.random(500) < 0.8
    evidence = rng.normal(size=(500, 6)) * [1, 10, 0.1, 1, 5, 1] + right[:, None]
    judge = WordConfidence.fit(evidence, right, prior=prior)
    assert (judge.prior, judge.n_right, judge.n_wrong) == (prior, right.sum(), 500 - right.sum())
    importance = np.where(right, (1 - prior) / right.mean(), prior / (1 - right.mean()))
    probability = 1 / (1 + np.exp(-(evidence @ judge.weights[:-1] + judge.weights[-1])))
    pulls = importance * (probability - right)
    scale = evidence.std(axis=0)
    standard = (evidence - evidence.mean(axis=0)) / scale
    # The loss is convex, and its curvature at least 3: the weights are right to a third of this.
    np.testing.assert_allclose(standard.T @ pulls, -judge.weights[:-1] * scale, atol=1e-4)
    assert pulls.sum() == pytest.approx(0, abs=1e-4)


def test_a_model_keeps_it_in_its_file(spoken, tmp_path):
    model = spoken.model
    assert model.confidence.n_wrong >= 200
    loaded = AcousticModel.load(spoken.model_path)
    assert loaded.digest == model.digest
    assert loaded.confidence.weights.tobytes() == model.confidence.weights.tobytes()
    assert loaded.info()["word_confidence"] == model.confidence.to_dict()
    assert replace(model, confidence=None).digest != model.digest
    other = replace(model.confidence, weights=model.confidence.weights + 1)
    assert replace(model, confidence=other).digest != model.digest
    assert model.with_lexicon(spoken.lexicon).confidence is model.confidence

    arrays, metadata = load_arrays(spoken.model_path, kind="acoustic model")
    path = tmp_path / "other.safetensors"
    for changes, message in (
        ({"version": 2}, "version 2"),
        ({"evidence": ["mean"]}, "word confidence"),
        ({"prior": 1.5}, "prior"),
    ):
        judge = metadata["confidence"] | changes
        save_arrays(path, arrays, kind="acoustic model", metadata=metadata | {"confidence": judge})
        with pytest.raises(ModelFormatError, match=message) as error:
            AcousticModel.load(path)
        assert "\n" not in str(error.value)
    save_arrays(path, {k: v for k, v in arrays.items() if k != "confidence.weights"},
                kind="acoustic model", metadata=metadata)  # fmt: skip
    with pytest.raises(ModelFormatError, match=r"array 'confidence.weights' is missing"):
        AcousticModel.load(path)


def test_a_model_without_it_has_posteriors_alone(spoken, tmp_path):
    path = tmp_path / "without.safetensors"
    replace(spoken.model, confidence=None).save(path)
    model = AcousticModel.load(path)
    assert model.confidence is None
    utterance = spoken.corpus.utterances[0]
    words = spoken.transcripts[utterance.id]
    item = align_recording(model, utterance, words)
    with_them = align_recording(spoken.model, utterance, words)
    assert all(math.isnan(word.confidence) for word in item.word_labels())
    # On some processors float32 rounds by where arrays lie in memory.
    assert [w.posterior for w in item.word_labels()] == pytest.approx(
        [w.posterior for w in with_them.word_labels()], abs=1e-8
    )
    document = json.loads(json.dumps(item.to_dict(), allow_nan=False))
    assert document["words"][0]["confidence"] is None
    assert document["words"][0]["posterior"] == pytest.approx(
        item.word_labels()[0].posterior, abs=1e-6
    )
    assert "confidence" not in document["phones"][0]
    without = align_recording(spoken.model, utterance, words, confidences=False)
    assert all(math.isnan(w.confidence) and math.isnan(w.posterior) for w in without.word_labels())


@pytest.mark.slow
def test_fitting_depends_on_the_seed_and_on_nothing_else(spoken):
    few = spoken.corpus.utterances[:8]
    with FeatureArchive.of(few, spoken.model.features, spoken.model.normalisation) as archive:
        first, again, other = (
            fit_confidence(spoken.model, archive, spoken.transcripts, **options)
            for options in ({}, {"engine": 2}, {"seed": 1})
        )
        assert first.weights.tobytes() == again.weights.tobytes()
        assert first.weights.tobytes() != other.weights.tobytes()
        assert first.n_wrong < first.n_right
        # Nothing can be exchanged where one word is all that is said.
        alone = {u.id: spoken.transcripts[u.id][:1] * 2 for u in few[:1]}
        assert fit_confidence(spoken.model, archive, alone) is None
        assert fit_confidence(spoken.model, archive, {}) is None


class LosesOneTask(ThreadPoolExecutor):
    """An executor that loses its first task, and does all others."""

    lost = False

    def submit(self, task, *items, **named):
        if not self.lost:
            self.lost = True
            raise WorkerLostError("workers died")
        return super().submit(task, *items, **named)


@pytest.mark.slow
def test_lost_workers_are_an_error_and_not_another_confidence(spoken):
    """Otherwise models that were trained on all words would be those of the held-out words."""
    few = spoken.corpus.utterances[:12]
    with (
        FeatureArchive.of(few, spoken.model.features, spoken.model.normalisation) as archive,
        LosesOneTask(1) as pool,
        pytest.raises(WorkerLostError),
    ):
        fit_confidence(spoken.model, archive, spoken.transcripts, engine=pool)


@pytest.mark.slow
def test_frames_that_cannot_be_read_are_an_error_and_no_failed_alignment(spoken):
    class Damaged:
        def __getitem__(self, place):
            raise ModelFormatError("the shard is damaged")

    model = spoken.model
    task = AlignmentTask(model.models, AlignmentOptions(), goodness=False)
    text = model.texts([next(iter(spoken.transcripts.values()))])
    with pytest.raises(ModelFormatError, match="damaged"):
        task(text, Damaged())


@pytest.mark.slow
def test_words_that_sound_alike_are_not_exchanged(spoken):
    """Otherwise wrong words would be as right as any: here all words are one sound."""
    word = next(iter(spoken.lexicon))
    ways = spoken.lexicon[word]
    same = dict.fromkeys(spoken.lexicon, ways)
    model = spoken.model.with_lexicon(Lexicon(same, "alike"))
    few = spoken.corpus.utterances[:4]
    with FeatureArchive.of(few, model.features, model.normalisation) as archive:
        assert fit_confidence(model, archive, spoken.transcripts) is None


@pytest.mark.slow
def test_models_of_words_have_it_too(spoken):
    utterances = spoken.corpus.utterances[:24]
    names = {u.id: str(u.speaker) for u in utterances}
    corpus = Corpus(utterances, source="some")
    model = AcousticModel.train(corpus, names, units="words", n_states=4, max_iter=3)
    assert model.confidence is not None
    item = align_recording(model, utterances[0], [names[utterances[0].id]])
    assert 0.0 <= item.word_labels()[0].confidence <= 1.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": np.zeros(5)}, "7 finite weights"),
        ({"weights": np.full(7, np.nan)}, "7 finite weights"),
        ({"prior": 0.0}, "prior"),
    ],
)
def test_what_is_no_regression_is_refused(values, message):
    good = {"weights": np.zeros(7), "prior": 0.05, "n_right": 1, "n_wrong": 1}
    with pytest.raises(InvalidInputError, match=message):
        WordConfidence(**good | values)


@pytest.mark.slow
def test_where_speakers_are_enough_some_are_held_out(spoken):
    """Right words of speakers that the model does not know: they are as right as others."""
    few = [u for number, u in enumerate(spoken.corpus) if number % 14 < 5]
    # A Gaussian for every few frames: the models know these recordings by heart.
    schedule = TrainingSchedule(
        max_iter=8, grow_until=6, n_gaussians=900, min_frames_per_gaussian=3.0, min_occupancy=2.0
    )
    model = train_acoustic_model(
        Corpus(tuple(few), source="few"),
        spoken.transcripts,
        spoken.lexicon,
        TrainingOptions(schedule=schedule),
    )
    with FeatureArchive.of(few, model.features, model.normalisation) as archive:
        # The same frames, as if one speaker had said them all.
        archive.utterances = tuple(replace(u, speaker="one") for u in archive.utterances)
        known = fit_confidence(model, archive, spoken.transcripts)
    chosen = {u.id for u in few}
    others = [u for u in read_corpus(spoken.folder) if u.id not in chosen]
    aligned = list(
        align_recordings(
            model,
            others,
            spoken.transcripts,
            goodness=True,
            run=RunContext(on_skip=lambda found: None),
        )
    )
    means = [
        np.mean([np.mean(judge.probabilities(item.alignment)) for item in aligned])
        for judge in (model.confidence, known)
    ]
    assert 1.0 - means[0] < 0.5 * (1.0 - means[1])
