"""Alignment of recordings: times, what is left out and why, agreement with known boundaries."""

import csv
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from oracles.spoken import spoken_world

from speakergmm.audio import read_audio, write_audio
from speakergmm.corpora import Corpus, Utterance
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import FrameGrid
from speakergmm.hmm import Alignment, Segment
from speakergmm.metrics import TimedLabel, boundary_errors, summarise_boundaries
from speakergmm.recognition import AlignedUtterance, align_recording, align_recordings
from speakergmm.run_context import RunContext


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def acoustic_model(spoken):
    return spoken.model


@pytest.fixture(scope="module")
def aligned(spoken, acoustic_model):
    return list(align_recordings(acoustic_model, spoken.corpus, spoken.transcripts))


def true_phones(spoken):
    found = {}
    with (spoken.folder / "phones.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            start = float(row["start"])
            label = TimedLabel(start, round(start + float(row["duration"]), 7), row["phone"])
            found.setdefault(row["utterance"], []).append(label)
    return found


@pytest.mark.slow
def test_labels_tile_the_recording_to_the_sample(spoken, aligned):
    assert [item.utterance.id for item in aligned] == [u.id for u in spoken.corpus]
    for item in aligned:
        samples, rate = read_audio(item.utterance.path)
        for tier in (item.phone_labels(), item.state_labels()):
            assert tier[0].start == 0.0
            assert tier[-1].end == len(samples) / rate
            for one, two in itertools.pairwise(tier):
                assert one.end == two.start
                assert one.start < one.end
        edges = {time for label in item.phone_labels() for time in (label.start, label.end)}
        words = item.word_labels()
        assert tuple(label.label for label in words) == item.transcript
        assert {time for label in words for time in (label.start, label.end)} <= edges
        for label in (*words, *item.phone_labels(), *item.state_labels()):
            assert 0.0 <= label.posterior <= 1.0
        # A confidence is of what was said: of words.
        assert all(0.0 <= label.confidence <= 1.0 for label in words)
        assert all(
            np.isnan(label.confidence) for label in (*item.phone_labels(), *item.state_labels())
        )


def test_boundaries_are_near_the_true_ones(spoken, aligned):
    errors = boundary_errors(
        true_phones(spoken), {a.utterance.id: a.phone_labels() for a in aligned}
    )
    figures = summarise_boundaries(errors, n_bootstrap=0)
    # A few minutes of speech and a few iterations: the recipe's figures are better.
    assert figures["median_absolute"].value < 0.02
    assert figures["p90_absolute"].value < 0.05
    assert abs(figures["median_signed"].value) < 0.015


def test_jobs_change_nothing(spoken, acoustic_model, aligned):
    again = align_recordings(acoustic_model, spoken.corpus, spoken.transcripts, engine=2)
    for one, two in zip(aligned, again, strict=True):
        assert one.to_dict(states=True) == two.to_dict(states=True)


def test_a_stretch_is_timed_from_the_beginning_of_its_recording(spoken, acoustic_model, tmp_path):
    utterance = spoken.corpus.utterances[0]
    samples, rate = read_audio(utterance.path)
    offset = 1.2345
    path = tmp_path / "long.wav"
    padded = np.concatenate([np.zeros(round(offset * rate)), samples, np.zeros(rate)])
    write_audio(path, padded.astype(np.float32), rate)
    end = offset + len(samples) / rate
    stretch = Utterance("stretch", path, None, start=offset, end=end)
    model = replace(
        acoustic_model, normalisation=replace(acoustic_model.normalisation, scope="utterance")
    )
    alone = replace(utterance, speaker=None)
    words = spoken.transcripts[utterance.id]
    moved, still = (align_recording(model, u, words) for u in (stretch, alone))
    assert moved.recording_duration == pytest.approx(len(padded) / rate)
    assert moved.phone_labels()[0].start == offset
    assert moved.phone_labels()[-1].end == end
    assert [p.label for p in moved.phone_labels()] == [p.label for p in still.phone_labels()]
    # Samples are rounded to 16 bits once more.
    times = [[label.start for label in item.phone_labels()] for item in (moved, still)]
    np.testing.assert_allclose(times[0], np.array(times[1]) + offset, atol=2e-3)


def test_an_edge_lies_between_the_centres_of_two_frames():
    grid = FrameGrid(frame_length=0.025, frame_shift=0.01, start=0.0, n_frames=10)
    phones = (Segment("a", 0, 4, 1.0, 0), Segment("SIL", 4, 10, 1.0))
    states = (
        Segment("a.1", 0, 3, 1.0, 0),
        Segment("a.2", 3, 4, 1.0, 0),
        Segment("SIL.1", 4, 10, 1.0, 1),
    )
    alignment = Alignment(
        (Segment("A", 0, 4, 0.5),),
        phones,
        states,
        log_likelihood=-1.0,
        n_frames=10,
        phone_edges=np.array([0.0, 2.5, 10.0]),
        frame_log_likelihoods=np.zeros(10),
    )
    utterance = Utterance("u", Path("u.wav"), None)
    item = AlignedUtterance(utterance, ("A",), alignment, grid, 0.12, "path")
    # Frame 3 is centred on 0.0425 s and frame 4 on 0.0525 s.
    assert item.phone_labels()[0] == TimedLabel(0.0, pytest.approx(0.0475), "a", 1.0)
    assert item.phone_labels()[1].end == 0.12
    assert [s.start for s in item.state_labels()] == pytest.approx([0.0, 0.0375, 0.0475])
    expected = replace(item, edges="expected")
    assert expected.word_labels() == (TimedLabel(0.0, pytest.approx(0.0325), "A", 0.5),)
    # The second state would begin after its phone's end: it is left out, and nothing overlaps.
    assert [(s.label, s.start) for s in expected.state_labels()] == [
        ("a.1", 0.0),
        ("SIL.1", pytest.approx(0.0325)),
    ]


def test_what_cannot_be_aligned_is_named_and_left_out(spoken, acoustic_model, tmp_path):
    first, second, third, fourth, fifth = spoken.corpus.utterances[:5]
    short = tmp_path / "short.wav"
    samples, rate = read_audio(fourth.path)
    write_audio(short, samples[: rate // 10], rate)
    utterances = [
        first,
        second,
        third,
        replace(fourth, path=short),
        replace(fifth, path=tmp_path / "none.wav"),
    ]
    said = {u.id: spoken.transcripts[u.id] for u in utterances}
    del said[second.id]
    said[third.id] = ("nosuchword",)
    skipped = []
    found = list(
        align_recordings(acoustic_model, utterances, said, run=RunContext(on_skip=skipped.append))
    )
    assert [item.utterance.id for item in found] == [first.id]
    messages = {skip.affected[0]: skip.message for skip in skipped}
    assert set(messages) == {second.id, third.id, fourth.id, fifth.id}
    assert "has no transcript" in messages[second.id]
    assert "nosuchword" in messages[third.id]
    assert "frames" in messages[fourth.id]
    assert "no such file" in messages[fifth.id]
    # A reason is a sentence about the utterance, or stands after a colon.
    assert f"utterance {third.id!r}: has" not in messages[third.id]
    assert all("\n" not in message for message in messages.values())
    # Where the transcript stands is said as well.
    assert f"{spoken.folder / 'text'}:" in messages[fourth.id]
    for utterance in utterances[1:]:
        with pytest.raises(InsufficientDataError if utterance is not utterances[4] else Exception):
            list(
                align_recordings(
                    acoustic_model, [first, utterance], said, run=RunContext(strict=True)
                )
            )


def test_nothing_to_align_is_an_error(spoken, acoustic_model):
    with pytest.raises(InsufficientDataError, match="the corpus is empty"):
        list(align_recordings(acoustic_model, [], {}))
    with pytest.raises(InsufficientDataError, match="has no transcript"):
        list(
            align_recordings(
                acoustic_model,
                spoken.corpus,
                {"other": ("a",)},
                run=RunContext(on_skip=lambda found: None),
            )
        )
    with pytest.raises(InvalidInputError, match="edges"):
        list(align_recordings(acoustic_model, spoken.corpus, spoken.transcripts, edges="nearest"))


def test_without_confidences_json_has_none(spoken, acoustic_model):
    corpus = Corpus(spoken.corpus.utterances[:1], source="one")
    (item,) = align_recordings(acoustic_model, corpus, spoken.transcripts, confidences=False)
    document = item.to_dict(states=True)
    assert document["words"][0]["confidence"] is None
    assert [p["word"] for p in document["phones"] if p["word"] is not None] == sorted(
        p["word"] for p in document["phones"] if p["word"] is not None
    )


def test_a_word_taken_for_the_unknown_one_keeps_its_name(spoken, acoustic_model):
    utterance = spoken.corpus.utterances[0]
    words = list(spoken.transcripts[utterance.id])
    model = replace(acoustic_model, unknown=words[1])
    renamed = [words[0], "unheard-of", *words[2:]]
    known = align_recording(model, utterance, words)
    unknown = align_recording(model, utterance, renamed)
    assert [label.label for label in unknown.word_labels()] == renamed
    assert [label.start for label in unknown.word_labels()] == [
        label.start for label in known.word_labels()
    ]
