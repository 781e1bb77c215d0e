"""Feature mapping: the formula, channels that are undone, and every use of a background model."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from oracles import speakers as slow

from speakergmm.corpora import Corpus, Protocol, Split, Trial, Utterance
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    WeightedFrames,
    extract_features,
    find_recordings,
)
from speakergmm.mixtures import DiagonalMixture
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    BackgroundModel,
    FeatureMapping,
    SpeakerStore,
    as_system,
    check_background,
    collect_archive,
    collect_statistics,
    compare_recordings,
    enroll_into,
    make_cohort,
    run_protocol,
)

CONDITIONS = ("clean", "telephone", "noise")
SETTINGS = {"n_components": 4, "max_iter": 3, "seed": 1}


def random_mixture(rng, n_components=3, n_features=2, spread=1.0):
    return DiagonalMixture(
        rng.dirichlet(np.full(n_components, 5.0)),
        rng.normal(size=(n_components, n_features)) * spread,
        rng.uniform(0.5, 2.0, (n_components, n_features)),
    )


def random_mapping(seed, n_conditions=3):
    rng = np.random.default_rng(seed)
    names = tuple(f"condition {n}" for n in range(n_conditions))
    mixtures = tuple(random_mixture(rng) for _ in names)
    return FeatureMapping("", names, mixtures, random_mixture(rng)), rng


def weighted(values, weights=None):
    given = None if weights is None else np.asarray(weights, np.float32)
    return WeightedFrames(np.asarray(values, np.float32), given)


def mapped_slowly(frames, weights, mapping):
    """Frames by the paper: one condition, frame, component and feature at a time."""
    likelihoods = [
        math.fsum(
            w * slow.log_sum(slow.log_joint(x, each)) for x, w in zip(frames, weights, strict=True)
        )
        for each in mapping.mixtures
    ]
    there = mapping.mixtures[likelihoods.index(max(likelihoods))]
    found = []
    for x in frames:
        joint = slow.log_joint(x, there)
        k = joint.index(max(joint))
        found.append(
            [
                (x[d] - there.means[k][d])
                * math.sqrt(mapping.reference.variances[k][d])
                / math.sqrt(there.variances[k][d])
                + mapping.reference.means[k][d]
                for d in range(len(x))
            ]
        )
    return likelihoods, found


@pytest.mark.parametrize("seed", range(4))
def test_frames_are_mapped_as_in_the_paper(seed):
    mapping, rng = random_mapping(seed)
    values = rng.normal(size=(60, 2)).astype(np.float32)
    weights = rng.uniform(size=60).astype(np.float32)
    likelihoods, expected = mapped_slowly(values.tolist(), weights.tolist(), mapping)
    cuts = [weighted(values[part], weights[part]) for part in (slice(25), slice(25, None))]
    np.testing.assert_allclose(mapping.log_likelihoods(cuts), likelihoods, rtol=1e-5)
    found = list(mapping.mapped(iter(cuts)))
    assert [len(each.values) for each in found] == [25, 35]
    np.testing.assert_allclose(np.concatenate([each.values for each in found]), expected, atol=1e-5)
    np.testing.assert_array_equal(np.concatenate([each.weights for each in found]), weights)


def test_frames_count_by_their_weights_in_the_choice_of_the_condition():
    near, far = (DiagonalMixture([1.0], [[mean]], [[1.0]]) for mean in (0.0, 10.0))
    mapping = FeatureMapping("", ("near", "far"), (near, far), near)
    values = [[0.0], [10.0], [10.0]]
    assert mapping.condition([weighted(values)]) == "far"
    assert mapping.condition([weighted(values, [1.0, 0.2, 0.2])]) == "near"


@pytest.mark.parametrize("seed", range(3))
def test_channels_that_are_affine_in_each_component_are_undone(seed):
    rng = np.random.default_rng(seed)
    centres = 100.0 * np.arange(4)[:, None] + rng.normal(size=(4, 3))
    clean = DiagonalMixture(np.full(4, 0.25), centres, rng.uniform(0.5, 2.0, (4, 3)))
    components = rng.integers(4, size=200)
    noise = rng.normal(size=(200, 3)) * np.sqrt(clean.variances[components])
    spoken = clean.means[components] + noise
    channels = []
    for _ in range(3):
        scale, shift = rng.uniform(0.5, 2.0, (4, 3)), rng.normal(size=(4, 3)) * 5
        moved = DiagonalMixture(
            clean.weights, clean.means * scale + shift, clean.variances * scale**2
        )
        channels.append((moved, spoken * scale[components] + shift[components]))
    names = ("clean", "one", "two", "three")
    mapping = FeatureMapping("", names, (clean, *(each for each, _ in channels)), clean)
    for name, (_, heard) in zip(names[1:], channels, strict=True):
        frames = weighted(heard)
        assert mapping.condition([frames]) == name
        (found,) = mapping.mapped([frames])
        np.testing.assert_allclose(found.values, spoken, atol=1e-4)


def test_speech_of_the_references_own_condition_stays_to_the_last_bit():
    mapping, rng = random_mapping(5)
    values = rng.normal(size=(50, 2)).astype(np.float32) * 3
    alike = FeatureMapping("", ("a", "b"), (mapping.reference,) * 2, mapping.reference)
    for each in (alike, replace(mapping, reference=mapping.mixtures[1])):
        name = each.conditions[1]
        np.testing.assert_array_equal(each.map_frames(values, name), values)
    assert replace(mapping, reference=mapping.mixtures[1]).reference_name == "condition 1"
    assert mapping.reference_name == "background"


def test_mappings_whose_parts_disagree_are_refused():
    mapping, rng = random_mapping(0)
    with pytest.raises(InvalidInputError, match="of different names"):
        replace(mapping, conditions=("a", "a", "b"))
    with pytest.raises(InvalidInputError, match="3 conditions needs a mixture of each, found 2"):
        replace(mapping, mixtures=mapping.mixtures[:2])
    other = random_mixture(rng, n_components=2)
    with pytest.raises(IncompatibleModelError, match="'condition 0' has means of shape"):
        replace(mapping, mixtures=(other, *mapping.mixtures[1:]))
    with pytest.raises(InvalidInputError, match="condition must be one of"):
        mapping.map_frames(np.zeros((1, 2)), "underwater")


@pytest.fixture(scope="module")
def corpus(background_corpus):
    return Corpus(background_corpus.utterances[:4], source="two voices")


@pytest.fixture(scope="module")
def store(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conditions") / "store"
    return extract_features(corpus, folder, augmentation=CONDITIONS)


@pytest.fixture(scope="module")
def mapped_background(store):
    return BackgroundModel.train(store, feature_mapping="background", **SETTINGS)


def test_the_mixtures_are_adapted_to_the_weighted_speech_of_their_conditions(
    store, mapped_background
):
    mapping, prior = mapped_background.mapping, mapped_background.mixture
    assert mapping.conditions == CONDITIONS
    assert mapped_background.info()["mapping"] == {
        "conditions": list(CONDITIONS),
        "reference": "background",
    }
    ends = ("", "#telephone", "#noise")
    for end, found in zip(ends, mapping.mixtures, strict=True):
        parts = [
            store.read(each.id).speech_frames
            for each in store.utterances
            if each.id.endswith(end) and ("#" in each.id) == bool(end)
        ]
        values = np.concatenate([part.values for part in parts]).astype(np.float64)
        counts = np.concatenate([part.weights for part in parts])
        joint = prior.log_density(values, precision="float64")
        shares = np.exp(joint - joint.max(axis=1, keepdims=True))
        shares *= counts[:, None] / shares.sum(axis=1, keepdims=True)
        # Equations 8 to 14 of Reynolds, Quatieri and Dunn (2000) with relevance factor 16.
        n = shares.sum(axis=0)
        alpha = (n / (n + 16.0))[:, None]
        first = shares.T @ values / n[:, None]
        second = shares.T @ values**2 / n[:, None]
        means = alpha * first + (1 - alpha) * prior.means
        variances = alpha * second + (1 - alpha) * (prior.variances + prior.means**2) - means**2
        np.testing.assert_allclose(found.means, means, rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(found.variances, variances, rtol=1e-2, atol=1e-3)
        weights = alpha[:, 0] * n / n.sum() + (1 - alpha[:, 0]) * prior.weights
        np.testing.assert_allclose(found.weights, weights / weights.sum(), rtol=1e-3)


def test_a_corpus_a_store_and_workers_give_the_same_mapping(corpus, store, mapped_background):
    of_corpus = BackgroundModel.train(
        corpus, augmentation=CONDITIONS, feature_mapping="background", **SETTINGS
    )
    with ThreadPoolExecutor(2) as workers:
        of_workers = BackgroundModel.train(
            store, feature_mapping="background", engine=workers, **SETTINGS
        )
    assert of_corpus.digest == of_workers.digest == mapped_background.digest
    plain = BackgroundModel.train(store, **SETTINGS)
    assert plain.mapping is None
    assert plain.info()["mapping"] is None
    assert plain.digest == replace(mapped_background, mapping=None).digest != of_corpus.digest


def test_a_mapping_is_saved_and_belongs_to_its_background_model(
    mapped_background, background, tmp_path
):
    mapped_background.save(tmp_path / "ubm.safetensors")
    found = BackgroundModel.load(tmp_path / "ubm.safetensors")
    assert found.digest == mapped_background.digest
    assert repr(found.mapping) == "FeatureMapping(clean, telephone, noise -> background)"
    with pytest.raises(IncompatibleModelError, match="mapping is that of background model"):
        replace(background, mapping=mapped_background.mapping)
    plain = replace(mapped_background, mapping=None)
    with pytest.raises(IncompatibleModelError, match="they differ in: feature mapping"):
        check_background(plain, mapped_background, what="store")
    with pytest.raises(IncompatibleModelError, match="they differ in: augmentation"):
        check_background(replace(plain, augmentation=None), plain, what="store")


def test_backgrounds_without_conditions_have_nothing_to_map(corpus, store, tmp_path):
    missing = Corpus((Utterance("a", tmp_path / "missing.wav", "a"),), source="made")
    for conditions in ("none", ("clean",)):
        with pytest.raises(InvalidInputError, match=r"as they are alone; give augmentation"):
            BackgroundModel.train(missing, feature_mapping="clean", augmentation=conditions)
    plain = extract_features(corpus, tmp_path / "plain")
    with pytest.raises(InvalidInputError, match="needs recordings in several conditions"):
        BackgroundModel.train(plain, feature_mapping="background")
    loud = {"augmentation": ("noise", "gain"), "feature_mapping": "clean"}
    with pytest.raises(InvalidInputError, match="'clean' needs recordings in that condition"):
        BackgroundModel.train(missing, **loud)
    with pytest.raises(InvalidInputError, match="feature_mapping must be one of"):
        BackgroundModel.train(store, feature_mapping="quiet")


def test_training_that_is_interrupted_before_the_mapping_does_not_begin_anew(
    store, mapped_background, tmp_path, monkeypatch
):
    def train():
        iterations = []
        run = RunContext(
            checkpoint=tmp_path / "checkpoint",
            checkpoint_seconds=0,
            callback=lambda number, _: iterations.append(number),
        )
        options = {"feature_mapping": "background", **SETTINGS}
        return BackgroundModel.train(store, run=run, **options), iterations

    with monkeypatch.context() as broken:
        broken.setattr("speakergmm.speakers.feature_mapping.adapt", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train()
    assert (tmp_path / "checkpoint").exists()
    model, iterations = train()
    assert iterations == [SETTINGS["max_iter"] - 1]  # the last one alone
    assert model.digest == mapped_background.digest
    assert not (tmp_path / "checkpoint").exists()


def mapped_by_hand(background, path):
    features = FeatureExtractor(background.features).extract(path)
    (frames,) = background.mapping.mapped([features.speech_frames])
    return frames


def test_everything_that_uses_the_background_model_sees_mapped_frames(
    mapped_background, voices, tmp_path
):
    # Enrolment as it is, so that statistics can be compared one to one.
    background = mapped_background
    path, test = voices(1, 0), voices(1, 1)
    frames = mapped_by_hand(background, path)
    plain = FeatureExtractor(background.features).extract(path).speech_frames
    assert np.abs(frames.values - plain.values).max() > 0.1
    counts, first, _ = slow.statistics(
        frames.values.tolist(), background.mixture, frames.weights.tolist()
    )
    found = collect_statistics(background, path, augmented=False)
    np.testing.assert_allclose(found.statistics.counts, counts, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.statistics.first_order, first, rtol=1e-4, atol=1e-3)
    archived = collect_archive(background, [path]).statistics(str(path))
    np.testing.assert_allclose(archived.counts, counts, rtol=1e-5, atol=1e-4)

    # A store, a protocol run and a comparison agree.
    enroll_into(tmp_path / "voices.db", "ana", path, background=background)
    with SpeakerStore.open(tmp_path / "voices.db") as voices_store:
        score = voices_store.verify("ana", test).score
    trials = (Trial("ana", test, "target"), Trial("ana", voices(2, 0), "nontarget"))
    protocol = Protocol(None, {"eval": Split({"ana": (path,)}, trials)})
    assert run_protocol(protocol, background).scores[0] == pytest.approx(score, rel=1e-5)
    compared = compare_recordings(path, test, background).directions[0].score
    assert compared == pytest.approx(score, rel=1e-5)
    without = replace(background, mapping=None)
    assert run_protocol(protocol, without).scores[0] != pytest.approx(score, rel=1e-3)

    # Tests of a cohort.
    corpus = Corpus(
        tuple(Utterance(f"{v}-{n}", voices(v, n), f"v{v}") for v in (1, 2) for n in (0, 1)),
        source="made",
    )
    cohort = make_cohort(corpus, background, as_system(background).backend, tests_per_speaker=1)
    kept = next(iter(cohort.tests())).values
    expected = mapped_by_hand(background, test).values
    np.testing.assert_allclose(kept, expected[: len(kept)], atol=1e-4)


def test_each_recording_has_a_condition_of_its_own_however_it_is_read(
    mapped_background, voices, corpus, store, monkeypatch
):
    background = mapped_background
    one, other = voices(100, 0), voices(101, 0)
    chosen = []
    monkeypatch.setattr(
        FeatureMapping,
        "condition",
        lambda self, blocks: chosen.append(sum(len(each.values) for each in blocks)) or "noise",
    )
    both = background.speech([one, other])
    lengths = [len(each.values) for each in both]
    assert chosen == lengths
    assert both.n_frames == sum(lengths)
    monkeypatch.undo()

    whole = mapped_by_hand(background, one)
    blocks = list(background.speech([one], {"block_frames": 7}))
    assert max(len(each.values) for each in blocks) <= 7
    np.testing.assert_allclose(
        np.concatenate([each.values for each in blocks]), whole.values, atol=1e-4
    )
    (stored,) = find_recordings(store, [corpus.utterances[0]])
    (of_store,) = background.speech([stored])
    np.testing.assert_allclose(of_store.values, whole.values, atol=1e-4)


def test_a_condition_is_found_by_the_features_that_were_trained(mapped_background):
    config = FeatureConfig.preset("speaker").replace(deltas=1)
    with pytest.raises(IncompatibleModelError):
        BackgroundModel(
            mapped_background.mixture,
            config,
            augmentation=mapped_background.augmentation,
            mapping=mapped_background.mapping,
        )
