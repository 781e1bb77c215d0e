"""I-vectors keep the versions in which a recording is enrolled apart; a test is of one of them."""

import numpy as np
import pytest

from speakergmm.corpora import Protocol, Split, Trial, Utterance
from speakergmm.corpora.augmentation import utterance_versions
from speakergmm.errors import IncompatibleModelError
from speakergmm.speakers import (
    BackgroundModel,
    SpeakerStore,
    collect_archive,
    collect_statistics,
    compare_recordings,
    database,
    enroll_into,
    run_protocol,
    train_backend,
)
from speakergmm.speakers.backends import stack_terms

CONDITIONS = ("clean", "noise", "telephone")
SCORERS = ("plda", "cosine")


@pytest.fixture(scope="module")
def conditioned(background_corpus):
    return BackgroundModel.train(
        background_corpus, n_components=4, seed=1, max_iter=5, augmentation=CONDITIONS
    )


@pytest.fixture(scope="module")
def systems(conditioned, background_corpus):
    archive = collect_archive(
        conditioned, utterance_versions(background_corpus.utterances, conditioned.augmentation)
    )
    return {
        scorer: train_backend(
            conditioned,
            background_corpus,
            statistics=archive,
            dimension=3,
            max_iter=2,
            n_discriminants=2,
            scorer=scorer,
        )
        for scorer in SCORERS
    }


def version_statistics(background, wav):
    """Statistics of each version of a recording, collected one by one."""
    versions = utterance_versions([Utterance("a", wav, None)], background.augmentation)
    archive = collect_archive(background, versions)
    rows = [archive.found(each) for each in versions]
    return np.stack([row.counts for row in rows]), np.stack([row.first_order for row in rows])


def by_hand(system, wavs, test):
    """The score of a test, version by version."""
    background, extractor, analysis = (
        system.background,
        system.trained.extractor,
        system.trained.analysis,
    )
    sessions = [extractor.transform(*version_statistics(background, wav)) for wav in wavs]
    found = collect_statistics(background, test, augmented=False).statistics
    vector = extractor.transform(found.counts[None], found.about_zero().first_order[None])
    scores = []
    for version in range(len(CONDITIONS)):
        model = analysis.enroll([each[version] for each in sessions], ["ana"] * len(wavs))
        scores.append(analysis.score(model, vector)[0, 0])
    return max(scores) if analysis.plda is None else np.log(np.mean(np.exp(scores)))


@pytest.mark.parametrize("scorer", SCORERS)
def test_a_test_is_scored_for_each_version(systems, voices, scorer, tmp_path):
    system, wavs, test = systems[scorer], [voices(1, 0), voices(1, 1)], voices(1, 2)
    expected = by_hand(system, wavs, test)
    # In a store, to which the second recording is added later.
    path = tmp_path / "voices.db"
    enroll_into(path, "ana", wavs[0], background=system)
    enroll_into(path, "ana", wavs[1])
    with SpeakerStore.open(path) as store:
        store.check()
        np.testing.assert_allclose(store.verify("ana", test).score, expected, rtol=1e-4, atol=1e-4)
    # In a protocol; an archive of another back-end has the sums of versions, which are not wanted.
    trials = (Trial("ana", test, "target"), Trial("ana", voices(2, 2), "nontarget"))
    protocol = Protocol(None, {"eval": Split({"ana": tuple(wavs)}, trials)})
    run_protocol(protocol, system.background, backend="linear", statistics=tmp_path / "sums")
    for statistics in (None, tmp_path / "kept", tmp_path / "kept", tmp_path / "sums"):
        found = run_protocol(protocol, system, statistics=statistics)
        np.testing.assert_allclose(found.scores[0], expected, rtol=1e-4, atol=1e-4)
    # Of two recordings, each is enrolled once.
    answer = compare_recordings(wavs[0], test, system=system)
    expected = by_hand(system, wavs[:1], test)
    np.testing.assert_allclose(answer.directions[0].score, expected, rtol=1e-4, atol=1e-4)


def test_who_makes_the_store_first_decides_what_is_kept(systems, voices, tmp_path, monkeypatch):
    """Two programs make a store at once; the other one is of i-vectors, this one of none."""
    system, path = systems["plda"], tmp_path / "voices.db"
    create = database.create_database

    def too_late(store, *rest):
        monkeypatch.setattr(database, "create_database", create)
        enroll_into(store, "bea", voices(2, 0), background=system)
        return create(store, *rest)

    monkeypatch.setattr(database, "create_database", too_late)
    enroll_into(path, "ana", voices(1, 0), background=system.background)
    with SpeakerStore.open(path) as store:
        assert {each.name for each in store.speakers()} == {"ana", "bea"}
        found = store.verify("ana", voices(1, 2)).score
    expected = by_hand(system, [voices(1, 0)], voices(1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_version_in_which_nobody_is_heard_does_not_count(systems, conditioned, voices):
    system = systems["plda"]
    n_components = conditioned.mixture.n_components
    session = collect_statistics(conditioned, voices(1, 0), apart=True).statistics
    counts, first_order = session.counts.copy(), session.first_order.copy()
    counts[n_components:] = 0
    first_order[n_components:] = 0
    silent = type(session)(counts, first_order, None, 0.0, session.n_frames)
    terms = system.backend.enroll([silent], name="ana")
    np.testing.assert_array_equal(terms[1], [1, 0, 0])
    test = collect_statistics(conditioned, voices(1, 2), augmented=False).statistics
    scorer = system.scorer(("ana",), stack_terms(system.backend, [terms]))
    found = scorer.score_tests([test])[0, 0]
    extractor, analysis = system.trained.extractor, system.trained.analysis
    vectors = extractor.transform(
        [counts[:n_components], test.counts],
        [first_order[:n_components], test.about_zero().first_order],
    )
    model = analysis.enroll(vectors[:1], ["ana"])
    np.testing.assert_allclose(found, analysis.score(model, vectors[1:])[0, 0], rtol=1e-4)


def test_sums_of_versions_are_refused(systems, conditioned, voices):
    summed = collect_statistics(conditioned, voices(1, 0)).statistics
    with pytest.raises(IncompatibleModelError, match="in 3 versions, which are kept apart"):
        systems["plda"].backend.enroll([summed], name="ana")


def test_versions_apart_are_those_of_the_sum(conditioned, voices):
    summed, apart = (
        collect_statistics(conditioned, voices(1, 0), apart=apart) for apart in (False, True)
    )
    total = apart.statistics.counts.reshape(len(CONDITIONS), -1).sum(axis=0)
    np.testing.assert_allclose(total, summed.statistics.counts, rtol=1e-12)
    assert apart.statistics.n_frames == pytest.approx(summed.statistics.n_frames)
