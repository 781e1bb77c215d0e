"""Back-ends that learn from sessions: scores are those of the mathematics on the statistics."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from speakergmm.corpora import Corpus, Utterance
from speakergmm.corpora.augmentation import as_augmentation
from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
    StoreError,
)
from speakergmm.features import FeatureStoreWarning, extract_features
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    AdaptationOptions,
    BackgroundModel,
    NormalisationOptions,
    SpeakerStore,
    SpeakerSystem,
    StatisticsArchive,
    calibrate_system,
    collect_archive,
    collect_statistics,
    compare_recordings,
    enroll_into,
    make_cohort,
    run_protocol,
    train_backend,
)
from speakergmm.speakers.backends import (
    TrainedIvectors,
    TrainedSessionVariability,
    make_backend,
    stack_terms,
)
from speakergmm.subspace import EmbeddingAnalysis, fit_total_variability, scaled_supervectors

OPTIONS = {
    "ivector": {"dimension": 3, "max_iter": 2, "n_discriminants": 2},
    "isv": {"dimension": 2, "max_iter": 2},
    "jfa": {"speaker_dimension": 2, "session_dimension": 2, "max_iter": 2},
    "svm": {"n_nuisances": 1, "relevance_factor": 4.0},
}
KINDS = tuple(OPTIONS)


@pytest.fixture(scope="module")
def sessions(background, background_corpus):
    """Statistics of the background's recordings, collected one by one."""
    found = [collect_statistics(background, each.path) for each in background_corpus.utterances]
    return (
        np.stack([each.statistics.counts for each in found]),
        np.stack([each.statistics.first_order for each in found]),
        [each.speaker for each in background_corpus.utterances],
    )


@pytest.fixture(scope="module")
def archive(background, background_corpus):
    return collect_archive(background, background_corpus)


@pytest.fixture(scope="module")
def systems(background, background_corpus, archive):
    return {
        kind: train_backend(background, background_corpus, kind, statistics=archive, **options)
        for kind, options in OPTIONS.items()
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voices):
    folder = tmp_path_factory.mktemp("trained")
    rows = [f"m{voice}\t{voices(voice, take)}\n" for voice in (1, 2) for take in (0, 1)]
    (folder / "dev_enroll.tsv").write_text("model\tpath\n" + "".join(rows))
    trials = [
        f"m{model}\t{voices(voice, 2)}\t{'target' if model == voice else 'nontarget'}\n"
        for model in (1, 2)
        for voice in (1, 2, 3)
    ]
    (folder / "dev_trials.tsv").write_text("model\tpath\tlabel\n" + "".join(trials))
    return folder


def statistics(background, *wavs):
    found = [collect_statistics(background, wav).statistics for wav in wavs]
    return np.stack([each.counts for each in found]), np.stack([each.first_order for each in found])


def by_hand(kind, system, background, enrolled, test):
    """Scores of a test for speakers of several recordings, by calls of the mathematics."""
    trained = system.trained
    own = statistics(background, test)
    scores = []
    for wavs in enrolled:
        theirs = statistics(background, *wavs)
        if kind == "ivector":
            extractor, analysis = trained.extractor, trained.analysis
            model = analysis.enroll(extractor.transform(*theirs), ["x"] * len(wavs))
            found = analysis.score(model, extractor.transform(*own))
        elif kind == "svm":
            plane = trained.machine.enroll(supervectors(background, *theirs))
            found = trained.machine.score(plane[None], supervectors(background, *own))
        else:
            found = trained.model.scores(trained.model.enroll(*theirs)[None], *own)
        scores.append(found[0, 0])
    return np.array(scores)


def further_voices(voices):
    return [
        Utterance(f"{voice}-{take}", voices(voice, take), f"c{voice}")
        for voice in range(20, 26)
        for take in (0, 1)
    ]


def supervectors(background, counts, sums):
    """Supervectors of relevance MAP, by the formula."""
    means = background.mixture.means
    adapted = (sums + 4.0 * means) / (counts + 4.0)[:, :, None]
    return scaled_supervectors(adapted, background.mixture)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_mathematics(background, systems, voices, kind):
    system = systems[kind]
    enrolled = [[voices(1, 0), voices(1, 1)], [voices(2, 0)]]
    test = voices(1, 2)
    terms = [
        system.backend.enroll(
            [collect_statistics(background, wav).statistics for wav in wavs], name="x"
        )
        for wavs in enrolled
    ]
    scorer = system.scorer(("ana", "bea"), stack_terms(system.backend, terms))
    found = scorer.score_tests([collect_statistics(background, test).statistics])[:, 0]
    expected = by_hand(kind, system, background, enrolled, test)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    # From frames, some of them, and of a part of the speakers.
    speech = background.speech([test])
    from_frames, occupancy = scorer.score_blocks(speech)
    np.testing.assert_allclose(from_frames, found, rtol=1e-3, atol=1e-3)
    assert 0 < occupancy <= speech.n_frames
    part = scorer.subset(["bea"])
    np.testing.assert_allclose(
        part.score_tests([collect_statistics(background, test).statistics])[0], found[1:], rtol=1e-6
    )


def test_i_vectors_are_trained_as_by_hand(background, systems, sessions):
    occupancy, first_order, speakers = sessions
    trained = systems["ivector"].trained
    extractor = fit_total_variability(
        background.mixture, occupancy, first_order, dimension=3, max_iter=2
    ).model
    analysis = EmbeddingAnalysis.train(
        extractor.transform(occupancy, first_order), speakers, n_discriminants=2
    )
    vectors = extractor.transform(occupancy[:4], first_order[:4])
    found = trained.extractor.transform(occupancy[:4], first_order[:4])
    np.testing.assert_allclose(found, vectors, rtol=1e-3, atol=1e-4)
    expected = analysis.score(analysis.enroll(vectors, [1, 1, 2, 2]), vectors)
    model = trained.analysis.enroll(found, [1, 1, 2, 2])
    np.testing.assert_allclose(trained.analysis.score(model, found), expected, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("n_enrolled", [1, 3])
def test_plda_of_i_vectors_is_the_ratio_of_joint_gaussians(background, systems, voices, n_enrolled):
    system = systems["ivector"]
    extractor, analysis = system.trained.extractor, system.trained.analysis
    wavs = [voices(1, take) for take in range(n_enrolled)]
    heard = [collect_statistics(background, wav).statistics for wav in (*wavs, voices(1, 3))]
    terms = stack_terms(system.backend, [system.backend.enroll(heard[:-1], name="ana")])
    found = system.scorer(("ana",), terms).score_tests(heard[-1:])[0, 0]
    # The oracle: all sessions as one vector, of one speaker or of two.
    vectors = extractor.transform(
        np.stack([each.counts for each in heard]), np.stack([each.first_order for each in heard])
    )
    joint = analysis.transform(vectors) - analysis.plda.mean
    n, size = joint.shape
    shared = np.ones((n, n))
    apart = shared.copy()
    apart[-1, :-1] = apart[:-1, -1] = 0
    within = np.kron(np.eye(n), analysis.plda.within)
    same, different = (
        multivariate_normal(np.zeros(n * size), within + np.kron(tied, analysis.plda.between))
        for tied in (shared, apart)
    )
    expected = same.logpdf(joint.ravel()) - different.logpdf(joint.ravel())
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_system_goes_through_store_cohort_protocol_and_calibration(
    tmp_path, background, background_corpus, systems, folder, voices, kind
):
    system = systems[kind]
    scores = run_protocol(folder, system, split="dev")
    enrolled = {f"m{voice}": [voices(voice, 0), voices(voice, 1)] for voice in (1, 2)}
    for model, path, score in list(zip(scores.models, scores.paths, scores.scores, strict=True))[
        :3
    ]:
        expected = by_hand(kind, system, background, [enrolled[model]], path)[0]
        assert score == pytest.approx(expected, rel=1e-3, abs=1e-3)
    # The same from a statistics archive, which is made on the way.
    again = run_protocol(folder, system, split="dev", statistics=tmp_path / "kept")
    np.testing.assert_allclose(again.scores, scores.scores, rtol=1e-3, atol=1e-3)
    # Normalised by a cohort, calibrated, saved and loaded.
    others = background_corpus if kind != "svm" else further_voices(voices)
    cohort = make_cohort(others, background, system.backend, tests_per_speaker=1)
    normalised = system.replace(
        cohort=cohort, normalisation=NormalisationOptions(normalisation="s")
    )
    normalised = calibrate_system(normalised)
    assert normalised.calibration is not None
    normalised.save(tmp_path / "system")
    loaded = SpeakerSystem.load(tmp_path / "system")
    assert loaded.digest == normalised.digest != system.digest
    assert loaded.trained.digest == system.trained.digest
    expected = run_protocol(folder, normalised, split="dev", statistics=tmp_path / "kept")
    assert not np.allclose(expected.scores, scores.scores)
    with SpeakerStore.create(tmp_path / "voices.db", loaded) as store:
        for name, wavs in enrolled.items():
            store.enroll(name, wavs[0])
            store.enroll(name, wavs[1])
        found = [
            store.verify(model, path).score
            for model, path in zip(expected.models[:3], expected.paths, strict=False)
        ]
        np.testing.assert_allclose(found, expected.scores[:3], rtol=1e-3, atol=1e-3)
        ranking = dict(store.identify(voices(1, 2)).ranking)
        assert ranking["m1"] == pytest.approx(found[0], rel=1e-3, abs=1e-3)
        store.check()
    both = compare_recordings(voices(1, 0), voices(1, 1), loaded)
    assert np.isfinite(both.llr)


def test_what_was_trained_belongs_to_one_background_and_one_back_end(
    background, other_background, systems
):
    trained = systems["ivector"].trained
    plain = SpeakerSystem(background)
    of_four = EmbeddingAnalysis.train(np.eye(4), range(4), scorer="cosine")
    for make, error, words in (
        (
            lambda: SpeakerSystem(background, backend_name="ivector"),
            InvalidInputError,
            "'ivector': must be trained.*speakergmm train-backend",
        ),
        (
            lambda: SpeakerSystem(other_background, backend_name="ivector", trained=trained),
            IncompatibleModelError,
            f"trained with background model {background.digest[:12]}, not with "
            f"{other_background.digest[:12]}",
        ),
        (lambda: plain.replace(trained=trained), IncompatibleModelError, "for back-end 'ivector'"),
        (
            lambda: replace(trained, analysis=of_four),
            IncompatibleModelError,
            "takes vectors of 4 dimensions, the extractor makes i-vectors of 3",
        ),
        (
            lambda: make_backend(
                "ivector",
                background,
                plain.adaptation,
                TrainedIvectors(
                    background.digest,
                    replace(trained.extractor, background_digest="0" * 64),
                    trained.analysis,
                ),
            ),
            IncompatibleModelError,
            "i-vector extractor was trained with the background mixture 000000000000",
        ),
    ):
        with pytest.raises(error, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_a_store_keeps_to_one_training(tmp_path, background, background_corpus, archive, systems):
    other = train_backend(
        background, background_corpus, statistics=archive, dimension=2, scorer="cosine"
    )
    assert other.digest != systems["ivector"].digest
    with (
        SpeakerStore.create(tmp_path / "a.db", systems["ivector"]) as store,
        pytest.raises(IncompatibleModelError, match="from another training"),
    ):
        store.set_system(other)


def test_too_few_sessions_or_speakers_are_told(background, background_corpus, archive):
    single = Corpus(background_corpus.utterances[::2], source="single takes")
    with pytest.raises(InsufficientDataError, match=r"PLDA needs speakers of two or more.*cosine"):
        train_backend(background, single, statistics=archive, dimension=2)
    system = train_backend(background, single, statistics=archive, dimension=2, scorer="cosine")
    assert system.trained.analysis.steps[-1] == "cosine"
    with pytest.raises(InsufficientDataError, match=r"50 factors need more sessions.*found 12"):
        train_backend(background, background_corpus, statistics=archive, dimension=50)
    unnamed = [replace(each, speaker=None) for each in background_corpus.utterances]
    with pytest.raises(InvalidInputError, match="needs a speaker"):
        train_backend(background, unnamed, statistics=archive, dimension=2)
    with pytest.raises(InvalidInputError, match="backend"):
        train_backend(background, background_corpus, "linear")


def test_each_version_of_a_recording_is_a_session(tmp_path, background, background_corpus):
    """An archive keeps them apart; their sum is what enrolment makes of the recording."""
    augmented = BackgroundModel(
        background.mixture, background.features, augmentation=as_augmentation("clean,noise")
    )
    few = Corpus(background_corpus.utterances[:4], source="few voices")
    path = tmp_path / "kept"
    system = train_backend(
        augmented, few, statistics=path, dimension=2, scorer="cosine", max_iter=1
    )
    assert system.trained.provenance["sessions"] == 8
    kept = collect_archive(augmented, few, augmented=True)
    apart = StatisticsArchive.load(path)
    name = str(few.utterances[0].path)
    total = apart.statistics(name) + apart.statistics(f"{name}#noise/0")
    together = kept.statistics(name, augmented=True)
    np.testing.assert_allclose(total.counts, together.counts, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(total.first_order, together.first_order, rtol=1e-4, atol=1e-2)
    again = train_backend(
        augmented, few, statistics=apart, dimension=2, scorer="cosine", max_iter=1
    )
    assert again.digest == system.digest


def test_inter_session_variability_without_factors_is_linear_scoring(
    background, background_corpus, archive, folder
):
    options = {"dimension": 0, "relevance_factor": 5.0, "max_iter": 1}
    system = train_backend(background, background_corpus, "isv", statistics=archive, **options)
    linear = SpeakerSystem(background, AdaptationOptions(relevance_factor=5.0), "linear")
    found, expected = (run_protocol(folder, each, split="dev") for each in (system, linear))
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-5)


def test_joint_factors_of_speakers_are_no_inter_session_variability(background, systems):
    jfa = systems["jfa"].trained
    with pytest.raises(IncompatibleModelError, match="no factors of speakers, found 2"):
        TrainedSessionVariability(background.digest, jfa.model)
    with pytest.raises(IncompatibleModelError, match="for back-end 'isv', not 'jfa'"):
        systems["jfa"].replace(trained=systems["isv"].trained)
    factors = jfa.model.factors
    moved = replace(jfa.model, factors=replace(factors, means=factors.means + 1))
    with pytest.raises(IncompatibleModelError, match="other means or variances"):
        systems["jfa"].replace(trained=replace(jfa, model=moved))


def test_a_speaker_of_the_machines_background_is_not_enrolled(background, systems, voices):
    session = collect_statistics(background, voices(1, 0)).statistics
    with pytest.raises(InvalidInputError, match=r"speaker 'B100' is one of those.*other speakers"):
        systems["svm"].backend.enroll([session], name="B100")
    assert systems["svm"].backend.enroll([session], name="ana")[0].shape == (8 * 60 + 1,)


def test_a_feature_store_stands_for_its_recordings(tmp_path, background, background_corpus):
    """Versions are found in it as well; nothing is read twice."""
    augmented = replace(background, augmentation=as_augmentation("clean,gain"))
    few = Corpus(background_corpus.utterances[:4], source="few voices")
    store = extract_features(
        few, tmp_path / "store", features=background.features, augmentation="clean,gain"
    )
    options = {"dimension": 2, "scorer": "cosine", "max_iter": 1}
    expected = train_backend(augmented, few, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FeatureStoreWarning)
        found = train_backend(augmented, store, **options)
        again = train_backend(augmented, few, feature_store=store, **options)
    assert found.trained.provenance["sessions"] == 8
    assert found.digest == again.digest == expected.digest


@pytest.mark.parametrize("kind", ["ivector", "isv", "jfa"])
def test_a_training_that_was_interrupted_resumes(
    tmp_path, background, background_corpus, archive, systems, kind
):
    def train(corpus=background_corpus, callback=None):
        run = RunContext(
            checkpoint=tmp_path / "checkpoint", checkpoint_seconds=0.0, callback=callback
        )
        return train_backend(background, corpus, kind, statistics=archive, run=run, **OPTIONS[kind])

    seen = []

    def interrupt(number, _):
        seen.append(number)
        if len(seen) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(callback=interrupt)
    assert (tmp_path / "checkpoint").exists()
    renamed = [replace(each, speaker=f"x{each.speaker}") for each in background_corpus.utterances]
    with pytest.raises(IncompatibleModelError, match="another training, which differs in speakers"):
        train(corpus=renamed)
    assert train(callback=interrupt).digest == systems[kind].digest
    assert seen == [0, 1]  # the first iteration is not made again
    assert not list(tmp_path.iterdir())


def test_a_scorer_of_machines_leaves_their_background_behind(systems):
    """It is sent to workers, and the supervectors of the background may be gigabytes."""
    system = systems["svm"]
    (shape,) = system.backend.term_shapes
    scorer = system.backend.scorer(("ana",), (np.zeros((1, *shape), np.float32),))
    background = system.trained.machine.background.tobytes()
    assert background not in pickle.dumps(scorer)
    assert background in pickle.dumps(system.backend)


def test_a_new_store_has_the_backend_that_is_asked_for(background, voices, tmp_path):
    path = tmp_path / "voices.db"
    enroll_into(path, "ana", voices(1, 0), background=background, backend="linear")
    enroll_into(path, "bea", voices(2, 0), backend="linear")
    with SpeakerStore.open(path) as store:
        assert store.system.backend_name == "linear"
    with pytest.raises(IncompatibleModelError, match="has backend linear, not gmm-ubm; leave"):
        enroll_into(path, "eva", voices(3, 0), backend="gmm-ubm")
    with pytest.raises(InvalidInputError, match="train"):
        enroll_into(tmp_path / "new.db", "ana", voices(1, 0), background=background, backend="isv")
    assert not (tmp_path / "new.db").exists()


def test_a_store_of_another_system_takes_no_speaker(systems, voices, tmp_path):
    path = tmp_path / "voices.db"
    enroll_into(path, "ana", voices(1, 0), background=systems["isv"], backend="isv")
    with pytest.raises(StoreError, match="another system: back-end isv, not ivector, or other"):
        enroll_into(path, "bea", voices(2, 0), background=systems["ivector"])
    enroll_into(path, "bea", voices(2, 0), background=systems["isv"])
    with SpeakerStore.open(path) as store:
        assert [each.name for each in store.speakers()] == ["ana", "bea"]
