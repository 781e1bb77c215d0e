"""Features of a corpus: normalised as the formulas say, read from a file that leaves no trace."""

import dataclasses
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import Utterance
from speakergmm.errors import (
    AudioError,
    CorpusError,
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
)
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    FeatureStore,
    FeatureTransform,
    extract_features,
)
from speakergmm.recognition import (
    FeatureArchive,
    FeatureNormalisation,
    adaptation_group,
    suited_rate,
)
from speakergmm.run_context import RunContext

CONFIG = FeatureConfig.load("hmm")
SPEAKERS = {"a1": "ana", "b1": "bo", "a2": "ana", "x1": None, "x2": None}


def write(path, *, rate=16000, seconds=0.3, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    soundfile.write(path, level * rng.normal(size=int(rate * seconds)), rate)
    return path


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    return tuple(
        Utterance(
            name,
            write(folder / f"{name}.wav", seed=i, seconds=0.2 + 0.05 * i, level=0.02 * (i + 1)),
            speaker,
        )
        for i, (name, speaker) in enumerate(SPEAKERS.items())
    )


@pytest.fixture(scope="module")
def raw(utterances):
    extractor = FeatureExtractor(CONFIG)
    return {u.id: extractor.extract(u.path).values.astype(np.float64) for u in utterances}


GROUPS = {
    "speaker": {"a1": ["a1", "a2"], "a2": ["a1", "a2"], "b1": ["b1"], "x1": ["x1"], "x2": ["x2"]},
    "utterance": {name: [name] for name in SPEAKERS},
}


@pytest.mark.parametrize("variance", [True, False])
@pytest.mark.parametrize("scope", GROUPS)
def test_normalised_by_mean_and_deviation_of_the_group(utterances, raw, scope, variance):
    with FeatureArchive.of(utterances, CONFIG, FeatureNormalisation(scope, variance)) as archive:
        assert archive.utterances == utterances
        assert archive.n_frames == sum(map(len, raw.values()))
        for utterance, found in zip(utterances, archive, strict=True):
            together = np.concatenate([raw[name] for name in GROUPS[scope][utterance.id]])
            expected = raw[utterance.id] - together.mean(axis=0)
            if variance:
                expected /= together.std(axis=0)
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_transforms_follow_the_normalisation_and_those_of_speakers_come_last(utterances):
    rng = np.random.default_rng(4)
    normalisation = FeatureNormalisation()
    own = {
        "speaker ana": rng.normal(size=(4, 5)),
        f"utterance {utterances[-1].id}": rng.normal(size=(4, 5)),
    }
    with FeatureArchive.of(utterances, CONFIG, normalisation) as plain:
        n_features = plain[0].shape[1]
        matrix, offset = rng.normal(size=(4, 3 * n_features)), rng.normal(size=4)
        transform = FeatureTransform(matrix, offset, 1, 1)
        with FeatureArchive.of(utterances, CONFIG, normalisation, transform=transform) as archive:
            adapted = archive.adapted(own)
            groups = [adaptation_group(utterance) for utterance in utterances]
            assert set(own) <= set(groups)
            for group, before, after, last in zip(groups, plain, archive, adapted, strict=True):
                np.testing.assert_array_equal(after, transform(before))
                affine = own.get(group, np.eye(4, 5))
                expected = after @ affine[:, :4].T + affine[:, 4]
                np.testing.assert_allclose(last, expected, rtol=1e-4, atol=1e-4)
        square = np.hstack([2 * np.eye(n_features), np.ones((n_features, 1))])
        alone = plain.adapted({"speaker ana": square})
        np.testing.assert_allclose(alone[0], 2 * plain[0] + 1, rtol=1e-5)
        np.testing.assert_array_equal(alone[len(utterances) - 1], plain[len(utterances) - 1])


def test_a_speaker_named_as_an_utterance_shares_nothing_with_it(utterances, raw):
    """Nor one named as the other kind of group is."""
    ana, nobody = utterances[0], utterances[3]
    for name in (nobody.id, f"utterance {nobody.id}", f"speaker {nobody.id}"):
        namesake = dataclasses.replace(ana, speaker=name)
        with FeatureArchive.of((namesake, nobody), CONFIG, FeatureNormalisation()) as archive:
            for utterance, found in zip((namesake, nobody), archive, strict=True):
                values = raw[utterance.id]
                expected = (values - values.mean(axis=0)) / values.std(axis=0)
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_not_normalised_is_as_extracted(utterances, raw):
    with FeatureArchive.of(utterances, CONFIG, FeatureNormalisation("none")) as archive:
        for utterance, found in zip(utterances, archive, strict=True):
            np.testing.assert_array_equal(found, raw[utterance.id].astype(np.float32))
            found[:] = 0.0
        np.testing.assert_array_equal(archive[0], raw["a1"].astype(np.float32))


def test_is_a_sequence(utterances, raw):
    with FeatureArchive.of(utterances, CONFIG, FeatureNormalisation()) as archive:
        assert len(archive) == 5
        np.testing.assert_array_equal(archive[-1], archive[4])
        for one, other in zip(archive[1:4:2], (archive[1], archive[3]), strict=True):
            np.testing.assert_array_equal(one, other)
        for place in (5, -6):
            with pytest.raises(IndexError):
                archive[place]
        assert [grid.n_frames for grid in archive.grids] == [len(X) for X in raw.values()]


def test_the_number_of_jobs_does_not_matter(utterances):
    with (
        FeatureArchive.of(utterances, CONFIG, FeatureNormalisation()) as one,
        FeatureArchive.of(utterances, CONFIG, FeatureNormalisation(), engine=2) as two,
    ):
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_stretch_of_a_recording(utterances, raw):
    whole = utterances[4]
    part = Utterance("part", whole.path, None, start=0.1, end=0.3)
    cut = FeatureExtractor(CONFIG).extract(whole.path, start=0.1, end=0.3).values
    with FeatureArchive.of([part], CONFIG, FeatureNormalisation("none")) as archive:
        np.testing.assert_array_equal(archive[0], cut)
        assert len(cut) < len(raw["x2"])


def test_eight_kilohertz(tmp_path):
    config = CONFIG.replace(sample_rate=8000)
    utterance = Utterance("u", write(tmp_path / "u.wav", rate=8000), None)
    with FeatureArchive.of([utterance], config, FeatureNormalisation("utterance")) as archive:
        assert archive[0].shape[1] == 39
        np.testing.assert_allclose(archive[0].mean(axis=0), 0.0, atol=1e-5)
        np.testing.assert_allclose(archive[0].std(axis=0), 1.0, atol=1e-4)


def test_a_recording_of_nothing_has_finite_features(tmp_path):
    soundfile.write(tmp_path / "u.wav", np.zeros(8000), 16000)
    utterance = Utterance("u", tmp_path / "u.wav", "s")
    with FeatureArchive.of([utterance], CONFIG, FeatureNormalisation()) as archive:
        np.testing.assert_allclose(archive[0], 0.0, atol=1e-3)


OPEN = Path("/proc/self/fd")


def open_files():
    return len(list(OPEN.iterdir()))


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


needs_proc = pytest.mark.skipif(not OPEN.is_dir(), reason="open files are seen in /proc alone")


@needs_proc
def test_closing_leaves_nothing_behind(utterances, temporary):
    before = open_files()
    with FeatureArchive.of(utterances, CONFIG, FeatureNormalisation()) as archive:
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o077 == 0
        kept = archive[0]
    assert open_files() == before
    assert np.isfinite(kept).all()
    with pytest.raises(CorpusError, match="closed"):
        archive[0]
    archive.close()


@needs_proc
def test_an_error_leaves_nothing_behind(utterances, temporary):
    class Stop(Exception):
        pass

    def stop(_):
        raise Stop

    before = open_files()
    missing = Utterance("m", temporary / "missing.wav", None)
    with pytest.raises(Stop):
        FeatureArchive.of(
            [*utterances, missing], CONFIG, FeatureNormalisation(), run=RunContext(on_skip=stop)
        )
    assert list(temporary.iterdir()) == []
    assert open_files() == before


def test_what_a_kill_left_behind_is_removed_by_the_next(utterances, temporary):
    left = temporary / ".speakergmm-features.0123456789ab.tmp"
    (left / "shards").mkdir(parents=True)
    (left / "shards" / "s.safetensors").write_bytes(b"features")
    with FeatureArchive.of(utterances, CONFIG, FeatureNormalisation()):
        assert not left.exists()
    assert list(temporary.iterdir()) == []


def test_parts_can_be_sent_to_other_processes(utterances):
    with FeatureArchive.of(utterances, CONFIG, FeatureNormalisation()) as archive:
        assert archive.lengths == [grid.n_frames for grid in archive.grids]
        for part, places in ((archive.part(1, 4), [1, 2, 3]), (archive.select([4, 0]), [4, 0])):
            sent = pickle.dumps(part)
            assert len(sent) < 10_000
            received = pickle.loads(sent)
            assert received.lengths == [archive.lengths[place] for place in places]
            for place, found in zip(places, received, strict=True):
                np.testing.assert_array_equal(found, archive[place])


def test_a_store_takes_the_place_of_recordings(utterances, tmp_path):
    named = [utterance for utterance in utterances if utterance.speaker is not None]
    store = extract_features(named, tmp_path / "store", features=CONFIG)
    heard = []
    run = RunContext(on_skip=heard.append)
    normalisation = FeatureNormalisation()
    with (
        FeatureArchive.of(named, CONFIG, normalisation) as expected,
        FeatureArchive.of(utterances, CONFIG, normalisation, store=store, run=run) as found,
    ):
        assert found.utterances == expected.utterances
        assert found.n_constant == expected.n_constant
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert [skipped.affected for skipped in heard] == [("x1",), ("x2",)]
    assert len(FeatureStore.open(store.path)) == len(named)
    with pytest.raises(IncompatibleModelError, match="they differ in: n_ceps 12 and 11"):
        FeatureArchive.of(named, CONFIG.replace(n_ceps=11), normalisation, store=store)
    with pytest.raises(CorpusError, match="has no utterance 'x1'"):
        FeatureArchive.of(
            utterances, CONFIG, normalisation, store=store, run=RunContext(strict=True)
        )


def test_recordings_that_cannot_be_read_are_left_out(utterances, tmp_path):
    (tmp_path / "noise.wav").write_bytes(b"no recording")
    soundfile.write(tmp_path / "short.wav", np.zeros(10), 16000)
    bad = [
        Utterance("bad", tmp_path / "noise.wav", "ana"),
        Utterance("missing", tmp_path / "missing.wav", None),
        Utterance("short", tmp_path / "short.wav", None),
    ]
    mixed = [utterances[0], bad[0], utterances[1], bad[1], bad[2], *utterances[2:]]
    heard = []
    with (
        FeatureArchive.of(
            mixed, CONFIG, FeatureNormalisation(), run=RunContext(on_skip=heard.append)
        ) as found,
        FeatureArchive.of(utterances, CONFIG, FeatureNormalisation()) as expected,
    ):
        assert found.utterances == utterances
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
    assert [skipped.affected for skipped in heard] == [("bad",), ("missing",), ("short",)]
    for utterance in bad:
        with pytest.raises((AudioError, InsufficientDataError), match=utterance.path.name):
            FeatureArchive.of(
                [utterances[0], utterance],
                CONFIG,
                FeatureNormalisation(),
                run=RunContext(strict=True),
            )
    with pytest.raises(InsufficientDataError, match="no recording"):
        FeatureArchive.of(bad, CONFIG, FeatureNormalisation(), run=RunContext(on_skip=heard.append))


def test_refuses_an_unknown_scope():
    with pytest.raises(InvalidInputError, match="found 'session'"):
        FeatureNormalisation("session")
    assert FeatureNormalisation(**FeatureNormalisation("none", False).to_dict()) == (
        FeatureNormalisation("none", False)
    )


def test_the_rate_that_most_recordings_have(tmp_path):
    rates = {"a": 8000, "b": 8000, "c": 44100, "d": 16000, "e": 8000}
    found = {
        name: Utterance(name, write(tmp_path / f"{name}.wav", rate=rate, seconds=0.05), None)
        for name, rate in rates.items()
    }
    missing = Utterance("m", tmp_path / "missing.wav", None)
    assert suited_rate(list(found.values())) == 8000
    assert suited_rate([found["a"], found["c"], found["d"]]) == 16000
    assert suited_rate([missing, found["a"]]) == 8000
    assert suited_rate([missing]) == 16000
    assert suited_rate([]) == 16000
