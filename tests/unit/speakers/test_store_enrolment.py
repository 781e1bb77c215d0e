"""Enrolment into a store that may not exist yet."""

import os
import subprocess
import sys

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.errors import (
    AudioError,
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
    StoreError,
)
from speakergmm.speakers import SpeakerStore, enroll_into

# Failures and rivals are placed between the steps of `enroll_into`, which have no public names.
from speakergmm.speakers import store_enrolment as module


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "stores"
    folder.mkdir()
    return folder / "voices.db"


def left(path):
    return sorted(file.name for file in path.parent.iterdir())


def test_a_new_store_is_as_one_that_was_made_first(path, background, voices):
    wavs = [voices(1, 0), voices(1, 1)]
    report = enroll_into(path, "ana", wavs, background=background, relevance_factor=7.0)
    assert report.new_speaker
    assert left(path) == ["voices.db"]
    with SpeakerStore.create(path.with_name("b.db"), background, relevance_factor=7.0) as expected:
        assert expected.enroll("ana", wavs) == report
        with SpeakerStore.open(path, background=background) as store:
            store.check()
            assert store.adaptation == expected.adaptation
            assert [entry["action"] for entry in store.log()] == ["enroll"]
            means = store.model("ana").mixture.means
            np.testing.assert_array_equal(means, expected.model("ana").mixture.means)


def test_later_calls_add(path, background, voices):
    enroll_into(path, "ana", voices(1, 0), background=background)
    again = enroll_into(path, "ana", voices(1, 1))
    assert (again.new_speaker, again.n_sessions) == (False, 2)
    # Giving what the store was made with is no mistake.
    enroll_into(path, "bea", [voices(2, 0)], background=background, relevance_factor=3)
    with SpeakerStore.open(path) as store:
        assert [speaker.name for speaker in store.speakers()] == ["ana", "bea"]


def test_refused_first_enrolments_leave_nothing_behind(path, background, voices, tmp_path):
    write_audio(tmp_path / "silent.wav", np.zeros(9000, np.float32), 16_000)
    good = voices(1, 0)
    for speaker, wavs, options, kind in (
        ("ana", tmp_path / "none.wav", {}, AudioError),
        ("ana", [good, tmp_path / "none.wav"], {}, AudioError),
        ("ana", tmp_path / "silent.wav", {}, InsufficientDataError),
        ("ana", [good, good], {}, StoreError),
        ("a/b\n", good, {}, InvalidInputError),
        ("ana", [], {}, InvalidInputError),
        ("ana", good, {"relevance_factor": 0.0}, InvalidInputError),
    ):
        with pytest.raises(kind):
            enroll_into(path, speaker, wavs, background=background, **options)
        assert left(path) == []
    with pytest.raises(StoreError, match="no such store; give a background model"):
        enroll_into(path, "ana", good)
    with pytest.raises(StoreError, match="folder does not exist"):
        enroll_into(path / "no" / "x.db", "ana", good, background=background)
    assert left(path) == []


def test_a_failure_while_the_store_is_written_leaves_nothing(path, background, voices, monkeypatch):
    def fail(*_, **__):
        raise StoreError("disk")

    monkeypatch.setattr(module.enrolment_sessions.store_queries, "write_log", fail)
    with pytest.raises(StoreError, match="disk"):
        enroll_into(path, "ana", voices(1, 0), background=background)
    assert left(path) == []


def test_another_background_or_factor_than_the_stores_is_refused(
    path, background, other_background, voices
):
    enroll_into(path, "ana", voices(1, 0), background=background)
    with pytest.raises(IncompatibleModelError, match="n_components"):
        enroll_into(path, "ana", voices(1, 1), background=other_background)
    with pytest.raises(StoreError, match=r"relevance factor .* is 3.* not 16"):
        enroll_into(path, "ana", voices(1, 1), relevance_factor=16)
    with SpeakerStore.open(path) as store:
        assert store.info()["n_sessions"] == 1


@pytest.mark.parametrize("parameters", [("means",), ("means", "variances")])
def test_who_comes_second_adds_to_what_the_first_made(
    path, background, voices, monkeypatch, parameters
):
    described = module.describe_store

    def late(*arguments):
        with SpeakerStore.create(path, background, parameters=parameters) as first:
            first.enroll("ana", voices(1, 0))
        return described(*arguments)

    monkeypatch.setattr(module, "describe_store", late)
    report = enroll_into(path, "ana", voices(1, 1), background=background)
    assert (report.new_speaker, report.n_sessions) == (False, 2)
    assert left(path) == ["voices.db"]
    with SpeakerStore.open(path) as store:
        store.check()
        assert np.isfinite(store.model("ana").mixture.variances).all()


@pytest.mark.slow
def test_first_enrolments_at_once_all_get_through(path, background, voices, tmp_path):
    background.save(tmp_path / "ubm")
    program = """
import sys
from speakergmm.speakers import BackgroundModel, enroll_into
path, ubm, name, wav = sys.argv[1:]
background = BackgroundModel.load(ubm)
print("ready", flush=True)
input()
enroll_into(path, name, wav, background=background, relevance_factor=8)
"""
    writers = []
    for number in range(3):
        arguments = [str(path), str(tmp_path / "ubm"), f"s{number}", str(voices(number, 0))]
        writers.append(
            subprocess.Popen(
                [sys.executable, "-c", program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
        )
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    with SpeakerStore.open(path) as store:
        store.check()
        assert [speaker.name for speaker in store.speakers()] == ["s0", "s1", "s2"]
        assert store.adaptation.relevance_factor == 8
    assert left(path) == ["voices.db"]
