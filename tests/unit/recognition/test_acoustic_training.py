"""Acoustic models trained on a small invented corpus, and what becomes of bad utterances."""

import json

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import (
    Corpus,
    Utterance,
    make_synthetic_corpus,
    read_corpus,
    read_transcripts,
)
from speakergmm.errors import InsufficientDataError, InvalidInputError, SpeakerGmmError
from speakergmm.features import FeatureConfig
from speakergmm.gaussians import ClassScatter
from speakergmm.hmm import (
    Lexicon,
    PhoneModels,
    Topology,
    TrainingSchedule,
    sequence_log_likelihood,
    train_phone_models,
    utterance_moments,
)
from speakergmm.recognition import (
    NOISE_UNIT,
    UNKNOWN_WORD,
    AcousticModel,
    FeatureArchive,
    FeatureNormalisation,
    SilenceModel,
    TrainingOptions,
    align_recordings,
    modelled_words,
    train_acoustic_model,
)
from speakergmm.records import to_arrays
from speakergmm.run_context import RunContext, SkippedRecordingWarning

pytestmark = pytest.mark.usefixtures("without_confidences")

SHORT = TrainingSchedule(max_iter=4, n_gaussians=150, grow_until=3, min_frames_per_gaussian=5.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("made") / "corpus"
    make_synthetic_corpus(
        made, seed=3, n_background=2, n_dev=2, n_eval=2, n_background_utterances=3,
        n_enrolment_utterances=1, n_trial_utterances=1, n_background_words=3,
        n_enrolment_words=2, n_trial_words=1,
    )  # fmt: skip
    return made / "synthetic"


@pytest.fixture(scope="module")
def corpus(folder):
    return read_corpus(folder)


@pytest.fixture(scope="module")
def said(folder):
    return {name: tuple(words) for name, words in read_transcripts(folder).items()}


@pytest.fixture(scope="module")
def lexicon(folder):
    return Lexicon.read(folder / "lexicon.txt")


@pytest.fixture(scope="module")
def model(corpus, said, lexicon):
    return train(corpus, said, lexicon)


def train(corpus, said, lexicon, *, on_skip=None, engine=1, **options):
    given = TrainingOptions(**({"schedule": SHORT} | options))
    run = RunContext(on_skip=on_skip)
    return AcousticModel.train(corpus, said, lexicon, given, run=run, engine=engine)


def with_utterances(corpus, *more):
    return Corpus((*corpus, *more), corpus.source)


@pytest.mark.slow
def test_models_are_of_what_was_said(model, corpus, said, lexicon):
    spoken = {word for words in said.values() for word in words}
    phones = {phone for word in spoken for phone in lexicon[word][0].phones}
    assert set(model.models.units) == {*phones, "SIL"}
    assert model.models.topology("SIL") == Topology.silence(5)
    assert all(model.models.topology(p) == Topology.left_right(3) for p in phones)
    assert model.models.n_pdfs == 3 * len(phones) + 5
    assert model.models.n_pdfs < model.models.n_gaussians <= 150
    assert spoken <= set(model.lexicon)
    assert model.normalisation == FeatureNormalisation("speaker", True)


SILENCES = [SilenceModel("SIL", 0.2, 0.9), SilenceModel("SIL", 0.2, 0.9, "sp")]


@pytest.mark.slow
@pytest.mark.parametrize("silence", SILENCES)
def test_training_is_that_of_the_parts(corpus, said, lexicon, silence):
    """Features, graphs and embedded training put together by hand."""
    model = train(corpus, said, lexicon, silence=silence, seed=4)
    config = FeatureConfig.load("hmm")
    with FeatureArchive.of(tuple(corpus), config, FeatureNormalisation()) as archive:
        mean, variance, _ = utterance_moments(archive)
        flat = PhoneModels.flat(
            {unit: model.models.topology(unit) for unit in model.models.units},
            mean=mean, variance=variance,
        )  # fmt: skip
        by_hand = AcousticModel(flat, modelled_words(lexicon, flat.units), config, silence=silence)
        graphs = [by_hand.compile(said[utterance.id]) for utterance in corpus]
        expected = train_phone_models(flat, graphs, archive, schedule=SHORT, seed=4)
    arrays = to_arrays(expected.models)[0]
    for name, array in to_arrays(model.models)[0].items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)
    history = [h.log_likelihood for h in expected.history]
    assert [h["log_likelihood"] for h in model.provenance["history"]] == history


def test_the_likelihood_rises(model, corpus, said):
    found = [h["log_likelihood"] for h in model.provenance["history"]]
    assert found[-1] > found[1] > found[0]
    total = n_frames = 0
    for utterance, X, _ in model.features_of(corpus):
        graph = model.compile(said[utterance.id])
        emissions = model.models.log_emissions(X, graph.pdfs)
        total += sequence_log_likelihood(graph.graph(model.models.transitions), emissions)
        n_frames += len(X)
    assert total / n_frames > found[-1]


def test_provenance_tells_the_story(model, corpus):
    story = model.provenance
    assert json.loads(json.dumps(story)) == story
    assert story["n_utterances"] == len(corpus)
    assert story["n_speakers"] == 6
    assert story["n_skipped"] == 0
    assert story["skipped"] == []
    assert story["corpus_digest"] == corpus.digest
    assert sum(story["occupancy"]) == pytest.approx(story["n_frames"], abs=1.0)
    assert len(story["history"]) == 4


def test_what_is_saved_is_what_was_trained(model, tmp_path):
    model.save(tmp_path / "am.safetensors")
    assert AcousticModel.load(tmp_path / "am.safetensors").digest == model.digest


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["baum-welch", "viterbi"])
def test_jobs_and_repetition_change_nothing(corpus, said, lexicon, algorithm):
    schedule = TrainingSchedule(**(SHORT.to_dict() | {"algorithm": algorithm, "max_iter": 3}))
    one, two = (train(corpus, said, lexicon, schedule=schedule, engine=engine) for engine in (1, 2))
    assert one.digest == two.digest


@pytest.mark.slow
def test_seeds_differ(corpus, said, lexicon, model):
    assert train(corpus, said, lexicon).digest == model.digest
    assert train(corpus, said, lexicon, seed=1).digest != model.digest


@pytest.mark.slow
def test_eight_kilohertz_words_and_no_silence(corpus, said, lexicon):
    """Features as given, units with topologies of their own, normalised by utterance."""
    config = FeatureConfig.load("hmm").replace(sample_rate=8000)
    phone = lexicon.phones[0]
    found = train(
        corpus, said, lexicon, features=config, silence=SilenceModel(None), n_states=2,
        normalisation=FeatureNormalisation("utterance", False),
        topologies={phone: Topology.left_right(1)},
    )  # fmt: skip
    assert found.features.sample_rate == 8000
    assert "SIL" not in found.models.units
    if phone in found.models.units:
        assert found.models.topology(phone).n_states == 1
    assert {t.n_states for t in found.models.topologies} <= {1, 2}
    assert found.normalisation.scope == "utterance"


@pytest.mark.slow
def test_short_pauses(corpus, said, lexicon):
    found = train(corpus, said, lexicon, silence=SilenceModel("SIL", short_pause="sp"))
    assert found.models.topology("sp").is_tee
    assert "sp" in [unit.unit for unit in found.compile(next(iter(said.values()))).units]


@pytest.fixture
def bad(corpus, said, tmp_path):
    """Utterances that can't be used, each for another reason; their transcripts."""
    (tmp_path / "noise.wav").write_bytes(b"no recording")
    rng = np.random.default_rng(0)
    for name, size in (("brief", 1200), ("untold", 9000), ("silent", 9000), ("foreign", 9000)):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * rng.normal(size=size), 16000)
    word = said[corpus.utterances[0].id][0]
    made = [
        (Utterance("untold", tmp_path / "untold.wav", "x"), None, "no transcript"),
        (Utterance("silent", tmp_path / "silent.wav", "x"), (), "empty transcript"),
        (
            Utterance("foreign", tmp_path / "foreign.wav", "x"),
            ("who", word, "is", "who"),
            "who is",
        ),
        (Utterance("broken", tmp_path / "noise.wav", "x"), (word,), "noise.wav"),
        (Utterance("lost", tmp_path / "lost.wav", "x"), (word,), "lost.wav"),
        (
            Utterance("brief", tmp_path / "brief.wav", "x"),
            (word,) * 5,
            "recording has 6",
        ),
    ]
    transcripts = {u.id: words for u, words, _ in made if words is not None}
    return [u for u, _, _ in made], transcripts, {u.id: reason for u, _, reason in made}


@pytest.mark.slow
def test_bad_utterances_are_told_and_left_out(corpus, said, lexicon, bad, model):
    utterances, transcripts, reasons = bad
    heard = []
    found = train(
        with_utterances(corpus, *utterances), said | transcripts, lexicon, on_skip=heard.append
    )
    assert {skipped.affected[0] for skipped in heard} == set(reasons)
    assert len(heard) == len(reasons)
    for skipped in heard:
        assert reasons[skipped.affected[0]] in skipped.message
        assert "\n" not in skipped.message
    assert found.provenance["n_utterances"] == len(corpus)
    assert found.provenance["n_skipped"] == 6
    assert [s["affected"] for s in found.provenance["skipped"]] == [
        list(skipped.affected) for skipped in heard
    ]
    # The five frames too many take part in the mean alone; nothing else is to differ.
    assert found.models.units == model.models.units
    np.testing.assert_allclose(
        [h["log_likelihood"] for h in found.provenance["history"]],
        [h["log_likelihood"] for h in model.provenance["history"]],
        atol=0.2,
    )


@pytest.mark.slow
def test_without_a_listener_they_are_warnings(corpus, said, lexicon, bad):
    utterances, transcripts, _ = bad
    with pytest.warns(SkippedRecordingWarning, match="skipped") as caught:
        train(
            with_utterances(corpus, utterances[2], utterances[3]),
            said | transcripts,
            lexicon,
            schedule=TrainingSchedule(max_iter=1),
        )
    assert len(caught) == 2


@pytest.mark.parametrize("place", range(6))
def test_strict_training_refuses_them(corpus, said, lexicon, bad, place):
    utterances, transcripts, reasons = bad
    states = []
    with pytest.raises(SpeakerGmmError, match=reasons[utterances[place].id]):
        train_acoustic_model(
            with_utterances(corpus, utterances[place]), said | transcripts, lexicon,
            TrainingOptions(schedule=SHORT), run=RunContext(strict=True, callback=states.append),
        )  # fmt: skip
    assert not states, "found before training, not after it"


@pytest.mark.slow
def test_recordings_too_long_for_memory_are_told_and_left_out(corpus, said, lexicon):
    schedule = TrainingSchedule(**(SHORT.to_dict() | {"max_iter": 1, "memory_gb": 40_000.0 / 1e9}))
    heard = []
    found = train(corpus, said, lexicon, schedule=schedule, on_skip=heard.append)
    assert 0 < len(heard) < len(corpus)
    assert all("GB allowed" in skipped.message for skipped in heard)
    assert found.provenance["n_utterances"] == len(corpus) - len(heard)
    states = []
    with pytest.raises(InsufficientDataError, match="GB allowed"):
        train_acoustic_model(
            corpus, said, lexicon, TrainingOptions(schedule=schedule),
            run=RunContext(strict=True, callback=states.append),
        )  # fmt: skip
    assert not states


def test_nothing_to_train_on(corpus, said, lexicon, bad):
    utterances, transcripts, _ = bad
    heard = []
    for chosen in ([], utterances[:3], utterances[3:5], utterances[5:]):
        with pytest.raises(InsufficientDataError):
            train(Corpus(tuple(chosen), "nothing"), transcripts, lexicon, on_skip=heard.append)
    with pytest.raises(InsufficientDataError, match="no transcript"):
        train(corpus, {}, lexicon, on_skip=heard.append)


@pytest.fixture(scope="module")
def smaller(said, lexicon):
    """A lexicon without one of the words said, and who says it."""
    word = next(iter(said.values()))[0]
    return word, lexicon.restricted(set(lexicon) - {word})


@pytest.mark.slow
def test_unknown_words_are_skipped(corpus, said, smaller):
    word, lexicon = smaller
    heard = []
    found = train(corpus, said, lexicon, on_skip=heard.append)
    assert {s.affected[0] for s in heard} == {u for u, words in said.items() if word in words}
    assert all(word in s.message.split() for s in heard)
    assert found.unknown is None
    assert word not in found.lexicon


@pytest.mark.slow
def test_unknown_words_are_noise(corpus, said, smaller):
    word, lexicon = smaller
    found = train(corpus, said, lexicon, unknown_words="map")
    assert found.provenance["n_utterances"] == len(corpus)
    assert found.unknown == UNKNOWN_WORD
    assert found.lexicon[UNKNOWN_WORD][0].phones == (NOISE_UNIT,)
    assert found.models.topology(NOISE_UNIT) == Topology.silence(5)
    assert NOISE_UNIT in [unit.unit for unit in found.compile([word]).units]
    number = found.models.tying.pdfs(found.models.unit_number(NOISE_UNIT))
    assert np.array(found.provenance["occupancy"])[number].sum() > 3


@pytest.mark.slow
def test_no_unknown_word_to_be_noise(corpus, said, lexicon):
    """Where nobody says a word outside the lexicon there is no model of noise, and no unknown."""
    found = train(corpus, said, lexicon, unknown_words="map")
    assert NOISE_UNIT not in found.models.units
    assert found.unknown is None
    assert UNKNOWN_WORD not in found.lexicon


@pytest.mark.slow
def test_unknown_words_are_spelled(corpus, said, smaller):
    word, lexicon = smaller
    found = train(corpus, said, lexicon, unknown_words="graphemes")
    assert found.provenance["n_utterances"] == len(corpus)
    assert found.lexicon[word][0].phones == tuple(word)
    assert set(word) <= set(found.models.units)


@pytest.mark.slow
def test_words_that_cannot_be_spelled_cost_their_utterances(corpus, said, lexicon):
    name = corpus.utterances[0].id
    heard = []
    found = train(
        corpus, said | {name: (*said[name], "1984")}, lexicon, unknown_words="graphemes",
        on_skip=heard.append, schedule=TrainingSchedule(max_iter=1),
    )  # fmt: skip
    assert [skipped.affected for skipped in heard] == [(name,)]
    assert "1984" in heard[0].message
    assert found.provenance["n_utterances"] == len(corpus) - 1


def test_words_that_nobody_says_keep_their_place_where_they_can(model, lexicon):
    known = set(model.models.units)
    for word in lexicon:
        assert (word in model.lexicon) == known.issuperset(lexicon[word][0].phones)
    extended = Lexicon.from_dict({"x": ["Q"], "y": ["Q", *lexicon.phones[:1]]})
    models = PhoneModels.flat(
        {lexicon.phones[0]: Topology.left_right(1)}, mean=[0.0], variance=[1.0]
    )
    kept = modelled_words(extended, models.units)
    assert list(kept) == ["y"]
    assert kept.n_pronunciations == 1


@pytest.mark.slow
def test_goes_on_from_a_checkpoint(corpus, said, lexicon, model, tmp_path):
    class Stop(Exception):
        pass

    def stop(state):
        if state.iteration == 2:
            raise Stop

    path, options = tmp_path / "c", TrainingOptions(schedule=SHORT)
    with pytest.raises(Stop):
        train_acoustic_model(
            corpus, said, lexicon, options, run=RunContext(callback=stop, checkpoint=path)
        )
    assert path.exists()
    heard = []
    found = train_acoustic_model(
        corpus, said, lexicon, options,
        run=RunContext(callback=lambda state: heard.append(state.iteration), checkpoint=path),
    )  # fmt: skip
    assert heard == [3, 4]
    assert found.digest == model.digest
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unknown_words": "ignore"}, "found 'ignore'"),
        ({"n_states": 0}, "n_states"),
        ({"silence_states": -1}, "silence_states"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"frequency_warps": 1.1}, "frequency_warps must be a sequence, found 1.1"),
        ({"normalisation": 3}, "normalisation"),
    ],
)
def test_refuses_options_out_of_range(options, message):
    with pytest.raises(InvalidInputError, match=message):
        TrainingOptions(**options)


@pytest.mark.parametrize(("max_iter", "annealed"), [(3, 0), (8, 2), (20, 5), (40, 6)])
def test_a_short_training_is_annealed_in_a_quarter_of_its_iterations(max_iter, annealed):
    """Six iterations are annealed by default: of forty all six, of fewer a quarter."""
    whole = TrainingOptions().schedule.annealing
    assert len(whole) == 6
    short = TrainingOptions.of(None, {"max_iter": max_iter})
    assert short.schedule.annealing == whole[:annealed]
    # What is given by name is taken as it is.
    given = TrainingOptions.of(None, {"max_iter": max_iter, "annealing": whole})
    assert given.schedule.annealing == whole


@pytest.mark.slow
def test_triphones_begin_with_phones(corpus, said, lexicon, model, tmp_path):
    options = {"n_leaves": 160, "triphone_iterations": 3, "triphone_gaussians": 190}
    options["min_leaf_frames"] = 5
    run = RunContext(checkpoint=tmp_path / "checkpoint")
    given = TrainingOptions.of(TrainingOptions(schedule=SHORT), {"stages": "mono,tri", **options})
    found = AcousticModel.train(corpus, said, lexicon, given, run=run)
    assert list(tmp_path.iterdir()) == []
    assert model.models.n_pdfs < found.models.n_pdfs <= 160
    assert found.models.units == model.models.units
    assert len(found.models.pdfs("SIL")) == len(model.models.pdfs("SIL"))
    assert found.provenance["stages"] == "mono,tri"
    found.save(tmp_path / "am")
    again = AcousticModel.load(tmp_path / "am")
    assert again.digest == found.digest
    assert again.models.tree.report() == found.models.tree.report()
    # Little speech makes a small tree, however many leaves are allowed.
    few = AcousticModel.train(corpus, said, lexicon, given, min_leaf_frames=100, n_leaves=10_000)
    assert few.models.n_pdfs < model.models.n_pdfs
    with pytest.raises(InvalidInputError, match="words as units have no context"):
        TrainingOptions.for_words(stages="mono,tri")


@pytest.mark.slow
def test_triphones_over_transformed_features(corpus, said, lexicon, tmp_path):
    options = {"n_leaves": 160, "triphone_iterations": 8, "triphone_gaussians": 190}
    given = TrainingOptions.of(
        TrainingOptions(schedule=SHORT),
        {"stages": "mono,tri,lda-mllt", "n_discriminants": 12, "spliced": 2, **options},
    )
    found = AcousticModel.train(corpus, said, lexicon, given)
    transform = found.transform
    assert (transform.n_inputs, transform.n_outputs, transform.width) == (39, 12, 5)
    assert found.models.n_features == 12
    # Only features without slopes are joined.
    slopes = transform.matrix.reshape(12, 5, 39)[:, :, 13:]
    assert (slopes == 0).all()
    found.save(tmp_path / "am")
    loaded = AcousticModel.load(tmp_path / "am")
    assert loaded.digest == found.digest
    aligned = list(align_recordings(loaded, corpus, said))
    assert len(aligned) == len(corpus)


@pytest.mark.slow
def test_each_further_matrix_is_part_of_the_transform(corpus, said, lexicon, monkeypatch):
    """Twice the features after each estimate: the transform ends with a power of two."""
    place = "speakergmm.recognition.transform_stage"
    given = TrainingOptions.of(
        TrainingOptions(schedule=SHORT),
        {"stages": "mono,tri,lda-mllt", "n_discriminants": 5, "triphone_iterations": 5},
    )
    weights, calls = [], []
    of = ClassScatter.of

    def recorded(frames, classes, n_classes, **more):
        weights.append(more["weights"])
        return of(frames, classes, n_classes, **more)

    found = []
    for factor in (1.0, 2.0):

        def scaled(models, *_, factor=factor, **__):
            calls.append(factor)
            return models, factor * np.eye(5)

        monkeypatch.setattr(f"{place}.semi_tied_models", scaled)
        monkeypatch.setattr(f"{place}.ClassScatter.of", recorded)
        found.append(AcousticModel.train(corpus, said, lexicon, given).transform)
    assert calls == [1.0, 1.0, 2.0, 2.0]
    np.testing.assert_allclose(found[1].matrix, 4 * found[0].matrix, rtol=1e-12)
    # Silence does not count among what is to be told apart.
    assert 0.01 < np.mean(~np.concatenate(weights)) < 0.9
