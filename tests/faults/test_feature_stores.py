"""Feature stores that lose a worker or a speaker, and their readers, with real processes."""

import signal

import numpy as np
import psutil
import pytest
import soundfile
from faults.processes import finish, held_at, kill, left_overs, run, speakergmm, started, wait_for

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
    store = tmp_path / "store"
    with started(extraction(recordings, store)) as process:
        with held_at(lambda: len(shards(store)) >= 2, process) as has_begun:
            assert has_begun
            below = psutil.Process(process.pid).children(recursive=True)
            workers = [child for child in below if "popen_loky" in " ".join(child.cmdline())]
            workers[0].kill()
        done = finish(process)
    assert (done.code, done.err) == (
        0,
        "warning: a worker process died; what it had to compute is computed again\n",
    )
    assert_whole(store, reference)


def test_a_pruning_that_is_killed_leaves_a_store_and_is_completed(
    recordings, reference, kill_points, tmp_path
):
    store, corpus = tmp_path / "store", tmp_path / "corpus.tsv"
    assert run(extraction(recordings, store)).code == 0
    kept = {utterance.id: utterance for utterance in reference.utterances[::2]}
    gone = {u.id for u in reference.utterances} - kept.keys()
    rows = [f"{u.id}\t{u.path}\t{u.speaker}" for u in kept.values()]
    corpus.write_text("\n".join(["id\tpath\tspeaker", *rows]), encoding="utf-8")
    values = [np.array(reference.read(name).values).tobytes()[:800] for name in gone]
    command = speakergmm("prune-store", store, "--corpus", corpus)
    n_whole = len(shards(store))
    for place in range(kill_points):
        # All shards are written anew beside the old ones, from which killed commands left some.
        n_there = n_whole + int((place + 0.5) / kill_points * n_whole)
        with started(command) as process:
            assert wait_for(lambda n=n_there: len(shards(store)) > n, process), finish(process)
            kill(process)
        assert process.returncode == -signal.SIGKILL
        assert len(shards(store)) > n_whole
        found = FeatureStore.open(store)
        assert found.digest == reference.digest
        for utterance in found.utterances:
            np.testing.assert_array_equal(
                found.read(utterance).values, reference.read(utterance.id).values
            )
    done = run(command)
    assert (done.code, done.err) == (0, "")
    found = FeatureStore.open(store)
    assert {u.id for u in found.utterances} == kept.keys()
    for name in kept:
        np.testing.assert_array_equal(found.read(name).values, reference.read(name).values)
    content = b"".join(path.read_bytes() for path in store.rglob("*") if path.is_file())
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
