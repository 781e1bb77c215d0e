"""Feature stores that lose a worker or a speaker, and their readers, with real processes."""

import random
import time

import numpy as np
import pytest
import soundfile
from faults.processes import finish, kill, left_overs, run, speakergmm, started, wait_for

from speakergmm.corpora import Utterance
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


def test_a_reader_reads_on_while_the_store_grows_and_shrinks(recordings, reference, tmp_path):
    store = tmp_path / "store"
    some = [u for u in reference.utterances if u.speaker in reference.speakers[:3]]
    opened = extract_features(some, store)
    n_before = len(shards(store))

    def read():
        for utterance in some:
            np.testing.assert_array_equal(
                opened.read(utterance).values, reference.read(utterance.id).values
            )

    with started(extraction(recordings, store, jobs=1)) as process:
        wait_for(lambda: len(shards(store)) > n_before, process)
        read()
        done = finish(process)
    assert (done.code, done.err) == (0, "")
    assert len(FeatureStore.open(store)) == len(reference)
    read()
    with started(speakergmm("prune-store", store, "--remove-speaker", reference.speakers[-1])) as p:
        while p.poll() is None:
            read()
    assert len(FeatureStore.open(store)) < len(reference)
    read()


def test_features_of_the_extractor(recordings, reference):
    """The reference is no store compared with itself."""
    utterance: Utterance = reference.utterances[-1]
    np.testing.assert_array_equal(
        reference.read(utterance).values, FeatureExtractor().extract(utterance.path).values
    )
