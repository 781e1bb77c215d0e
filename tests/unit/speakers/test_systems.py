"""Speaker systems: parts that belong together, scores as loops compute them, other back-ends."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from speakergmm.corpora import Split, read_protocol
from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
    SpeakerGmmError,
)
from speakergmm.features import FeatureExtractor
from speakergmm.mixtures import MixtureStatistics, accumulate
from speakergmm.speakers import (
    AdaptationOptions,
    BackgroundModel,
    CalibrationTrials,
    Cohort,
    NormalisationOptions,
    SpeakerScorer,
    SpeakerStore,
    SpeakerSystem,
    adapt_speaker,
    adaptive_s_norm,
    collect_archive,
    collect_statistics,
    fit_calibration,
    make_cohort,
    run_protocol,
    s_norm,
    t_norm,
    z_norm,
    zt_norm,
)
from speakergmm.speakers.backends import (
    BACKENDS,
    pack_terms,
    split_terms,
    stack_terms,
    terms_size,
)

KINDS = ("z", "t", "zt", "s", "adaptive_s")


@pytest.fixture(scope="module")
def system(background):
    return SpeakerSystem(background)


@pytest.fixture(scope="module")
def cohort(background, background_corpus, system):
    return make_cohort(background_corpus, background, system.backend, tests_per_speaker=1)


def normalised(system, cohort, kind, **options):
    chosen = NormalisationOptions(normalisation=kind, **options)
    return system.replace(cohort=cohort, normalisation=chosen)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voices):
    folder = tmp_path_factory.mktemp("protocol")
    rows = [f"m{voice}\t{voices(voice, 0)}\n" for voice in (1, 2)]
    (folder / "eval_enroll.tsv").write_text("model\tpath\n" + "".join(rows))
    trials = [
        f"m{model}\t{voices(voice, 1)}\t{'target' if model == voice else 'nontarget'}\n"
        for model in (1, 2)
        for voice in (1, 2, 3)
    ]
    (folder / "eval_trials.tsv").write_text("model\tpath\tlabel\n" + "".join(trials))
    return folder


def speech(background, wav):
    return FeatureExtractor(background.features).extract(wav).speech_frames


def mixtures(background, wavs):
    """Models of single recordings, each adapted by itself."""
    return [
        adapt_speaker(background, [collect_statistics(background, wav)], name="x").mixture
        for wav in wavs
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_normalised_scores_are_those_of_a_loop(
    background, background_corpus, system, cohort, voices, kind
):
    # The oracle: one scorer for each model, one call for each test, and the formula for one trial.
    models = mixtures(background, [voices(1, 0), voices(2, 0)])
    others = mixtures(background, [each.path for each in background_corpus.utterances[::2]])
    names = [each.speaker for each in background_corpus.utterances[::2]]
    assert cohort.speakers == tuple(names)

    def raw(model, block):
        return float(SpeakerScorer(background, {"x": model}).score(block)[0])

    tests = list(cohort.tests())
    test = speech(background, voices(1, 1))
    of_models = np.array([[raw(model, test)] for model in others])
    cross = np.array([[raw(model, each) for each in tests] for model in others])
    expected = []
    for model in models:
        score = np.array([[raw(model, test)]])
        of_tests = np.array([[raw(model, each) for each in tests]])
        expected.append(
            {
                "z": lambda s, t: z_norm(s, t),
                "t": lambda s, t: t_norm(s, of_models),
                "zt": lambda s, t: zt_norm(s, t, of_models, cross, same_speaker=np.eye(6) > 0),
                "s": lambda s, t: s_norm(s, t, of_models),
                # With one test of each speaker, the mean over the tests of a speaker is the test's.
                "adaptive_s": lambda s, t: adaptive_s_norm(s, t, of_models, top=4),
            }[kind](score, of_tests)[0, 0]
        )
    chosen = normalised(system, cohort, kind, **({"cohort_top": 4} if kind == "adaptive_s" else {}))
    terms = stack_terms(
        chosen.backend,
        [
            chosen.backend.enroll(
                [collect_statistics(background, voices(n, 0)).statistics], name="x"
            )
            for n in (1, 2)
        ],
    )
    scorer = chosen.scorer(("ana", "bea"), terms)
    found, occupancy = scorer.score_blocks([test])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    weights = test.weights
    assert occupancy == pytest.approx(len(test.values) if weights is None else weights.sum())
    # A part of the speakers is scored as all of them are.
    np.testing.assert_allclose(
        scorer.subset(["bea"]).score_blocks([test])[0], found[1:], rtol=1e-5, atol=1e-5
    )
    for one, other in zip(scorer.terms(1), terms, strict=True):
        np.testing.assert_array_equal(one, other[1])


def test_a_cohort_has_the_models_and_frames_of_its_recordings(
    background, background_corpus, system, cohort
):
    slopes, offsets = cohort.terms(system.backend)
    for place, (first, second) in enumerate(
        zip(background_corpus.utterances[::2], background_corpus.utterances[1::2], strict=True)
    ):
        statistics = collect_statistics(background, first.path).statistics
        expected = system.backend.enroll([statistics], name="x")
        np.testing.assert_array_equal(slopes[place], expected[0])
        np.testing.assert_array_equal(offsets[place], expected[1])
        kept = list(cohort.tests())[place]
        np.testing.assert_array_equal(kept.values, speech(background, second.path).values)
    assert cohort.owners.tolist() == list(range(6))
    np.testing.assert_array_equal(cohort.same_speaker, np.eye(6, dtype=bool))
    np.testing.assert_array_equal(cohort.averages_of_speakers, np.eye(6))


def test_parts_of_recordings_are_those_of_a_cohort(background, background_corpus, system):
    parts = [replace(each, start=0.3, end=1.0) for each in background_corpus.utterances[::2]]
    found = make_cohort(parts, background, system.backend)
    statistics = collect_statistics(background, parts[0].path, start=0.3, end=1.0).statistics
    expected = system.backend.enroll([statistics], name="x")
    np.testing.assert_array_equal(found.terms(system.backend)[0][0], expected[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_scores_as_a_protocol_does(tmp_path, system, cohort, folder, voices, kind):
    chosen = normalised(system, cohort, kind, cohort_top=4 if kind in ("t", "adaptive_s") else None)
    expected = run_protocol(folder, chosen)
    chosen.save(tmp_path / "system")
    with SpeakerStore.create(tmp_path / "voices.db", tmp_path / "system") as store:
        for voice in (1, 2):
            store.enroll(f"m{voice}", voices(voice, 0))
        found = [
            store.verify(model, path).score
            for model, path in zip(expected.models, expected.paths, strict=True)
        ]
        np.testing.assert_allclose(found, expected.scores, rtol=1e-4, atol=1e-4)
        ranking = dict(store.identify(voices(1, 1)).ranking)
        assert ranking["m1"] == pytest.approx(found[0], rel=1e-4, abs=1e-4)
        store.check()
    with SpeakerStore(tmp_path / "voices.db") as store:
        assert (
            store.system.digest == chosen.digest == SpeakerSystem.load(tmp_path / "system").digest
        )


def test_a_speaker_of_the_cohort_is_neither_enrolled_nor_tested(
    tmp_path, system, cohort, folder, voices
):
    with SpeakerStore.create(tmp_path / "a.db", normalised(system, cohort, "t")) as store:
        with pytest.raises(InvalidInputError, match="cohort contains speakers of the trials: 'B1"):
            store.enroll("B100", voices(1, 0))
        assert not store.speakers()
        store.enroll("ana", voices(1, 0))
    split = read_protocol(folder).splits["eval"]
    renamed = Split(
        {"b100" if name == "m1" else name: paths for name, paths in split.enrolment.items()},
        tuple(replace(each, model="b100") if each.model == "m1" else each for each in split.trials),
    )
    protocol = replace(read_protocol(folder), splits={"eval": renamed})
    with pytest.raises(InvalidInputError, match="cohort contains speakers of the trials: 'b100'"):
        run_protocol(protocol, normalised(system, cohort, "t"))
    assert len(run_protocol(protocol, system)) == 6


def test_parts_of_another_system_are_refused(
    background, other_background, background_corpus, system, cohort
):
    without_tests = make_cohort(background_corpus, background, system.backend)
    variances = AdaptationOptions(parameters=("means", "variances"))
    resized = replace(cohort, backend_digest=SpeakerSystem(background, variances).backend.digest)
    nine = AdaptationOptions(relevance_factor=9)
    owners = cohort.owners.copy()
    owners[5] = 0
    for make, error, words in (
        (lambda: SpeakerSystem(background, backend_name="plda"), InvalidInputError, "backend"),
        (lambda: SpeakerSystem(background, variances, "linear"), InvalidInputError, "'linear'"),
        (lambda: normalised(system, None, "t"), InvalidInputError, "needs a cohort"),
        (lambda: normalised(system, without_tests, "s"), InvalidInputError, "with tests"),
        (
            lambda: SpeakerSystem(other_background, cohort=cohort),
            IncompatibleModelError,
            "another background model",
        ),
        (
            lambda: SpeakerSystem(background, backend_name="linear", cohort=cohort),
            IncompatibleModelError,
            "back-end 'gmm-ubm', not 'linear'",
        ),
        (
            lambda: SpeakerSystem(background, nine, cohort=cohort),
            IncompatibleModelError,
            "other options.*relevance factor",
        ),
        (
            lambda: SpeakerSystem(background, variances, cohort=resized),
            IncompatibleModelError,
            "the models of the cohort have 488 numbers",
        ),
        (
            lambda: system.replace(cohort=replace(cohort, frames=cohort.frames[:, :20].copy())),
            IncompatibleModelError,
            "tests of the cohort have 20 features",
        ),
        (
            lambda: normalised(system, replace(cohort, owners=owners), "adaptive_s"),
            InsufficientDataError,
            "has no test",
        ),
    ):
        with pytest.raises(error, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_parts_of_a_cohort_that_contradict_each_other_are_refused(cohort):
    for changes, words in (
        ({"speakers": cohort.speakers[:5]}, "a model of each"),
        ({"speakers": ("a",) * 6}, "different names"),
        ({"models": cohort.models * np.float32(np.nan)}, "models of a cohort must be finite"),
        ({"frames": cohort.frames * np.float32(np.inf)}, "frames of a cohort must be finite"),
        ({"weights": cohort.weights + np.float32(2)}, "from 0 to 1"),
        ({"lengths": cohort.lengths + 1}, "tests of a cohort"),
        ({"owners": cohort.owners + 1}, "tests of a cohort"),
    ):
        with pytest.raises(SpeakerGmmError, match=words):
            replace(cohort, **changes)


@pytest.mark.parametrize("changed", ["relevance_factor", "backend", "normalisation", "cohort"])
def test_a_digest_is_of_all_that_determines_scores(background, system, cohort, changed):
    nine = AdaptationOptions(relevance_factor=9)
    other = {
        "relevance_factor": lambda: SpeakerSystem(background, nine),
        "backend": lambda: SpeakerSystem(background, backend_name="linear"),
        "normalisation": lambda: normalised(system, cohort, "z"),
        "cohort": lambda: system.replace(cohort=cohort),
    }[changed]()
    assert other.digest != system.digest
    assert system.replace(provenance={"by": "hand"}).digest == system.digest


def test_terms_are_packed_and_unpacked(background, system, voices):
    statistics = collect_statistics(background, voices(1, 0)).statistics
    terms = system.backend.enroll([statistics], name="x")
    packed = pack_terms(terms)
    assert len(packed) == 4 * terms_size(system.backend)
    rows = np.stack([np.frombuffer(packed, "<f4")] * 3)
    rows[1] = 0
    for found, expected in zip(split_terms(rows, system.backend), terms, strict=True):
        np.testing.assert_array_equal(found, [expected, 0 * expected, expected])
    empty = stack_terms(system.backend, [])
    assert [part.shape for part in empty] == [(0, 8, 60), (0, 8)]


@dataclass(frozen=True, eq=False)
class MeanScorer:
    """Scores by the distance of means of features, as no mixture does."""

    background: BackgroundModel
    names: tuple
    means: np.ndarray

    def __len__(self):
        return len(self.names)

    def subset(self, names):
        places = [self.names.index(name) for name in names]
        return replace(self, names=tuple(names), means=self.means[places])

    def terms(self, place):
        return (self.means[place],)

    def score_tests(self, tests):
        found = [each.first_order.sum(axis=0) / each.n_frames for each in tests]
        return -np.stack([np.linalg.norm(self.means - each, axis=1) for each in found], axis=1)

    def score_blocks(self, blocks, *, top_c=None):
        mixture = self.background.mixture
        total = MixtureStatistics.zeros(*mixture.means.shape, second_order=False)
        for values, weights in blocks:
            total += accumulate(mixture, values, weights, second_order=False)
        return self.score_tests([total])[:, 0], total.n_frames


@dataclass(frozen=True, eq=False)
class MeanBackend:
    """A back-end whose speakers are one vector, as those of factor analysis are."""

    name: ClassVar[str] = "mean"
    scores_statistics: ClassVar[bool] = True
    needs_second_order: ClassVar[bool] = False
    versions_apart: ClassVar[bool] = False
    background: BackgroundModel
    adaptation: AdaptationOptions

    @property
    def digest(self):
        return "mean of " + self.background.digest

    @property
    def term_shapes(self):
        return ((self.background.mixture.n_features,),)

    def enroll(self, sessions, *, name):
        total = sum(sessions)
        return ((total.first_order.sum(axis=0) / total.n_frames).astype(np.float32),)

    def scorer(self, names, terms):
        return MeanScorer(self.background, tuple(names), terms[0])


@pytest.mark.parametrize("kind", ["none", "s"])
def test_another_back_end_goes_through_store_and_protocol(
    tmp_path, monkeypatch, background, background_corpus, folder, voices, kind
):
    monkeypatch.setitem(BACKENDS, "mean", MeanBackend)
    system = SpeakerSystem(background, backend_name="mean")
    if kind == "s":
        cohort = make_cohort(background_corpus, background, system.backend, tests_per_speaker=1)
        assert isinstance(cohort, Cohort)
        system = normalised(system, cohort, "s")
    scores = run_protocol(folder, system)
    if kind == "none":
        # The oracle: means of weighted frames.
        def mean(wav):
            values, weights = speech(background, wav)
            return np.average(values, axis=0, weights=weights)

        expected = [
            -np.linalg.norm(mean(voices(int(model[1:]), 0)) - mean(path))
            for model, path in zip(scores.models, scores.paths, strict=True)
        ]
        np.testing.assert_allclose(scores.scores, expected, rtol=1e-4)
    archive = collect_archive(background, read_protocol(folder).splits["eval"])
    again = run_protocol(folder, system, statistics=archive)
    np.testing.assert_allclose(again.scores, scores.scores, rtol=1e-4, atol=1e-4)
    with SpeakerStore.create(tmp_path / "voices.db", system) as store:
        for voice in (1, 2):
            store.enroll(f"m{voice}", voices(voice, 0))
    with SpeakerStore(tmp_path / "voices.db") as store:
        found = [
            store.verify(model, path).score
            for model, path in zip(scores.models, scores.paths, strict=True)
        ]
        np.testing.assert_allclose(found, scores.scores, rtol=1e-4, atol=1e-4)
        assert store.identify(voices(1, 1)).n_speakers == 2
        store.check()
        store.remove("m1")
        assert [each.name for each in store.speakers()] == ["m2"]


def calibration_of_noise():
    names = np.array(["ann", "bob", "cid", "dan"], dtype=object)
    models, tests = (each.ravel() for each in np.meshgrid(names, np.tile(names, 3)))
    scores = 3.0 * (models == tests) + np.random.default_rng(5).normal(size=len(models))
    return fit_calibration(CalibrationTrials(scores, models == tests, models, tests))


def test_a_calibration_stays_with_the_system_whose_scores_it_saw(system, cohort, tmp_path):
    calibrated = system.replace(calibration=calibration_of_noise())
    assert calibrated.replace(provenance={"by": "hand"}).calibration is not None
    assert normalised(calibrated, cohort, "t").calibration is None
    with pytest.raises(IncompatibleModelError, match="is that of another system"):
        replace(calibrated, cohort=cohort, normalisation=NormalisationOptions(normalisation="t"))
    calibrated.save(tmp_path / "system")
    assert SpeakerSystem.load(tmp_path / "system").calibration.llr([1.0]) == pytest.approx(
        calibrated.calibration.llr([1.0]), abs=1e-12
    )
