"""Feature stores through kills, full disks and second writers, with real processes."""

import random
import shutil
import time

import numpy as np
import pytest
import soundfile
from faults.processes import finish, kill, left_overs, run, speakergmm, started, wait_for

from speakergmm.corpora import Utterance
from speakergmm.errors import StoreError
from speakergmm.features import FeatureExtractor, FeatureStore, extract_features

pytestmark = pytest.mark.faults

N_RECORDINGS, N_COPIES = 40, 5


@pytest.fixture(scope="module")
def recordings(world, tmp_path_factory):
    """A folder of speakers, with enough recordings that a kill finds some of them extracted."""
    folder = tmp_path_factory.mktemp("recordings")
    for path in world.recordings[:N_RECORDINGS]:
        samples, rate = soundfile.read(path)
        for copy in range(N_COPIES):
            speaker = folder / f"{path.parent.name}{copy}"
            speaker.mkdir(exist_ok=True)
            soundfile.write(speaker / path.name, samples * (1 - 0.1 * copy), rate)
    return folder


@pytest.fixture(scope="module")
def reference(recordings, tmp_path_factory):
    """The store of an extraction that nothing disturbed."""
    folder = tmp_path_factory.mktemp("reference") / "store"
    done = run(extraction(recordings, folder))
    assert (done.code, done.err) == (0, "")
    return FeatureStore.open(folder)


def extraction(recordings, store, *more, jobs=2):
    return speakergmm("extract", recordings, "--output", store, "--jobs", jobs, *more)


def shards(store):
    return sorted(path.name for path in (store / "shards").glob("*.safetensors"))


def assert_whole(store, reference):
    """Every utterance is there with its features, and nothing else is on the disk."""
    found = FeatureStore.open(store)
    assert found.digest == reference.digest
    for utterance in found.utterances:
        features, true = found.read(utterance), reference.read(utterance.id)
        np.testing.assert_array_equal(features.values, true.values)
        np.testing.assert_array_equal(features.speech, true.speech)
    assert left_overs(store) == []


def test_an_extraction_that_is_killed_goes_on(recordings, reference, kill_points, tmp_path):
    n_shards, rng = len(shards(reference.path)), random.Random("extract")
    assert n_shards > 10
    for place in range(kill_points):
        store = tmp_path / str(place)
        wanted = int((place + rng.random()) / kill_points * n_shards)
        with started(extraction(recordings, store)) as process:
            wait_for(lambda s=store, n=wanted: len(shards(s)) >= n, process)
            kill(process)
        if (store / "shards").is_dir() and not list(store.glob("index.safetensors")):
            with pytest.raises(StoreError):
                FeatureStore.open(store)
        before = set(shards(store)) if (store / "shards").is_dir() else set()
        done = run(extraction(recordings, store))
        assert (done.code, done.err) == (0, ""), place
        assert_whole(store, reference)
        # What was written before the kill was used, not extracted again.
        assert before <= set(shards(store)), place


def test_a_worker_that_is_killed_costs_one_line_and_no_work(recordings, reference, tmp_path):
    psutil = pytest.importorskip("psutil", reason="finds the workers of a process")
    store = tmp_path / "store"
    with started(extraction(recordings, store)) as process:
        wait_for(lambda: (store / "shards").is_dir() and len(shards(store)) >= 2, process)
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "loky" in " ".join(child.cmdline()) and "resource_tracker" not in child.cmdline()[-1]
        ]
        if workers:
            workers[0].kill()
        done = finish(process)
    assert done.code in (0, 2), done
    assert done.err.count("\n") <= 1, done
    again = run(extraction(recordings, store))
    assert (again.code, again.err) == (0, "")
    assert_whole(store, reference)


def test_a_removal_that_is_killed_leaves_a_store_and_is_completed(
    recordings, reference, kill_points, tmp_path
):
    rng = random.Random("remove")
    speaker = reference.speakers[0]
    theirs = {u.id for u in reference.utterances if u.speaker == speaker}
    values = [np.array(reference.read(name).values).tobytes()[:800] for name in theirs]
    store = tmp_path / "store"
    assert run(extraction(recordings, store)).code == 0
    command = speakergmm("prune-store", store, "--remove-speaker", speaker)
    for _ in range(kill_points):
        with started(command) as process:
            wait_for(lambda: len(shards(store)) > len(shards(reference.path)), process)
            time.sleep(0.02 * rng.random())
            kill(process)
        found = FeatureStore.open(store)
        for utterance in found.utterances:
            np.testing.assert_array_equal(
                found.read(utterance).values, reference.read(utterance.id).values
            )
    run(command)
    found = FeatureStore.open(store)
    assert {u.id for u in found.utterances} == {u.id for u in reference.utterances} - theirs
    for path in store.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(value in content for value in values)
    assert left_overs(store) == []


def test_a_second_writer_is_told_to_wait_and_a_reader_reads_on(recordings, reference, tmp_path):
    store = tmp_path / "store"
    some = [u for u in reference.utterances if u.speaker in reference.speakers[:3]]
    opened = extract_features(some, store)
    with started(extraction(recordings, store, jobs=1)) as process:
        n_before = len(shards(store))
        wait_for(lambda: len(shards(store)) > n_before, process)
        second = run(extraction(recordings, store))
        for utterance in some:
            np.testing.assert_array_equal(
                opened.read(utterance).values, reference.read(utterance.id).values
            )
        done = finish(process)
    if second.code == 2:
        assert second.err.count("\n") == 1
        assert "another process is writing this feature store" in second.err
    assert (done.code, done.err) == (0, "")
    found = FeatureStore.open(store)
    assert len(found) == len(reference)
    run(speakergmm("prune-store", store, "--remove-speaker", reference.speakers[-1]))
    for utterance in some:
        np.testing.assert_array_equal(
            opened.read(utterance).values, reference.read(utterance.id).values
        )


def test_an_extraction_whose_disk_becomes_full_goes_on(recordings, reference, disk, tmp_path):
    few = tmp_path / "few"
    for folder in sorted(recordings.iterdir())[:3]:
        shutil.copytree(folder, few / folder.name)
    whole = extract_features(few, tmp_path / "whole")
    size = sum(path.stat().st_size for path in (whole.path / "shards").iterdir())
    command = disk.sees(extraction(few, disk.path / "store", jobs=1))
    disk.fill(but=size // 2)
    done = run(command)
    assert done.code == 2, done
    assert done.err.count("\n") == 1
    assert "cannot be written, the disk is full" in done.err
    assert 0 < len(shards(disk.seen / "store")) < len(shards(whole.path))
    assert left_overs(disk.seen) == []
    with pytest.raises(StoreError, match="has not ended"):
        FeatureStore.open(disk.seen / "store")
    disk.free()
    done = run(command)
    assert (done.code, done.err) == (0, "")
    assert_whole(disk.seen / "store", whole)


def test_features_of_the_extractor(recordings, reference):
    """The reference is no store compared with itself."""
    utterance: Utterance = reference.utterances[-1]
    np.testing.assert_array_equal(
        reference.read(utterance).values, FeatureExtractor().extract(utterance.path).values
    )
