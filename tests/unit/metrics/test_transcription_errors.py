import functools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    PHONE_MAPPINGS,
    TRANSCRIPTION_METRICS,
    ErrorCounts,
    PhoneMapping,
    phone_errors,
    read_phone_mapping,
    transcription_intervals,
    transcription_replicates,
    word_errors,
)
from speakergmm.text_files import FaultyFileError


def split(text):
    return text.split()


def least_edits(reference, hypothesis):
    """Edit distance by its recursion."""

    @functools.cache
    def distance(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(
            distance(i - 1, j - 1) + (reference[i - 1] != hypothesis[j - 1]),
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
        )

    return distance(len(reference), len(hypothesis))


sentences = st.lists(st.sampled_from(["a", "b", "c", "don't", "\u00e9"]), max_size=7)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6))
def test_errors_are_the_least_number_of_edits(pairs):
    references = {f"u{i}": pair[0] for i, pair in enumerate(pairs)}
    hypotheses = {f"u{i}": pair[1] for i, pair in enumerate(pairs)}
    found = word_errors(references, hypotheses)
    assert len(found.utterances) == len(pairs)
    for each in found.utterances:
        said, heard = references[each.utterance], hypotheses[each.utterance]
        assert each.counts.errors == least_edits(tuple(said), tuple(heard))
        assert each.counts.n_reference == len(said)
        assert each.counts.hits + each.counts.substitutions + each.counts.insertions == len(heard)
    assert found.counts == sum((each.counts for each in found.utterances), ErrorCounts())
    confused = {(c.reference, c.hypothesis): c.count for c in found.confusions}
    assert sum(n for (r, h), n in confused.items() if r and h) == found.counts.substitutions
    assert sum(n for (r, h), n in confused.items() if h is None) == found.counts.deletions
    assert sum(n for (r, h), n in confused.items() if r is None) == found.counts.insertions


def test_figures_by_hand():
    found = word_errors(
        {"u1": split("the cat sat"), "u2": split("on the mat"), "u3": split("yes"), "u4": []},
        {"u1": split("the bat sat down"), "u2": split("on mat"), "u4": []},
        speakers={"u1": "ana", "u2": "bea", "u3": "ana", "u4": "bea"},
    )
    assert found.counts == ErrorCounts(hits=4, substitutions=1, deletions=2, insertions=1)
    assert found.error_rate == 4 / 7
    assert found.sentence_error_rate == 3 / 4
    assert found.missing == ("u3",)
    assert found.by_speaker() == {
        "ana": ErrorCounts(hits=2, substitutions=1, deletions=1, insertions=1),
        "bea": ErrorCounts(hits=2, deletions=1),
    }
    document = json.loads(json.dumps(found.to_dict(n_confusions=2), allow_nan=False))
    assert document["word_error_rate"] == 4 / 7
    assert document["n_words"] == 7
    assert document["by_speaker"]["bea"]["error_rate"] == 1 / 3
    assert document["confusions"] == [
        {"reference": None, "hypothesis": "down", "count": 1},
        {"reference": "cat", "hypothesis": "bat", "count": 1},
    ]
    assert document["mapping"] is None


def test_nothing_is_normalised_unless_asked():
    reference, hypothesis = {"u": ["Mr.", "X", "<UNK>"]}, {"u": ["mr.", "x"]}
    assert word_errors(reference, hypothesis).counts.errors == 3
    assert word_errors(reference, hypothesis, case="upper").counts.errors == 1
    found = word_errors(reference, hypothesis, case="lower", leave_out=["<unk>"])
    assert (found.counts.errors, found.counts.n_reference) == (0, 2)
    with pytest.raises(InvalidInputError, match=r"case must be .* found 'title'"):
        word_errors(reference, hypothesis, case="title")


def test_utterances_without_words():
    found = word_errors({"u": []}, {"u": ["a"]})
    assert (found.counts.insertions, found.sentence_error_rate) == (1, 1.0)
    assert math.isnan(found.error_rate)
    assert found.to_dict()["word_error_rate"] is None
    assert transcription_intervals(found)["error_rate"] is None


@pytest.mark.parametrize(
    ("references", "hypotheses", "options", "message"),
    [
        ({}, {}, {}, "no reference"),
        ({"u": ["a"]}, {"v": ["a"], "w": []}, {}, r"hypotheses of 2 utterances \('v', 'w'\)"),
        ({"u": ["a"]}, {}, {"speakers": {}}, "no speaker for 1 utterance"),
        ({"u": ["a b"]}, {}, {}, "word 'a b' .* white space"),
        ({"u": ["a"]}, {"u": [""]}, {}, "word '' is empty"),
    ],
)
def test_refusals(references, hypotheses, options, message):
    with pytest.raises(InvalidInputError, match=message):
        word_errors(references, hypotheses, **options)


def test_phone_errors_after_folding_and_without_silence():
    said = {"u": split("SIL HH AH0 L OW1 SIL")}
    heard = {"u": split("HH AH1 sil L OW0 SPN")}
    assert phone_errors(said, heard).counts == ErrorCounts(hits=2, substitutions=2)
    found = phone_errors(said, heard, mapping="stress")
    assert (found.counts, found.mapping, found.unit) == (ErrorCounts(hits=4), "stress", "phone")
    assert found.to_dict()["phone_error_rate"] == 0
    assert found.to_dict()["n_phones"] == 4
    assert phone_errors(said, heard, mapping="cmu-39").counts.hits == 4
    assert phone_errors(said, heard, silences=()).counts.n_reference == 6
    merged = PhoneMapping("l is r", {"L": "R", "R": "R", "HH": None})
    found = phone_errors({"u": ["HH", "L"]}, {"u": ["R"]}, mapping=merged)
    assert found.counts == ErrorCounts(hits=1)


def test_phones_without_a_place_in_the_mapping_are_all_named():
    with pytest.raises(InvalidInputError, match=": AX ZZ;"):
        phone_errors({"u": ["ZZ", "AH"], "v": ["AX"]}, {}, mapping="cmu-39")
    with pytest.raises(InvalidInputError, match=r"must be one of identity, .* found 'timit'"):
        phone_errors({"u": ["a"]}, {}, mapping="timit")


def test_timit_folds_61_phones_and_48_to_39():
    mapping = PHONE_MAPPINGS["timit-39"]
    phones_61 = split(
        "aa ae ah ao aw ax ax-h axr ay b bcl ch d dcl dh dx eh el em en eng epi er ey f g gcl h# "
        "hh hv ih ix iy jh k kcl l m n ng nx ow oy p pau pcl q r s sh t tcl th uh uw ux v w y z zh"
    )
    phones_48 = split(
        "aa ae ah ao aw ax ay b ch cl d dh dx eh el en epi er ey f g hh ih ix iy jh k l m n ng ow "
        "oy p r s sh sil t th uh uw v vcl w y z zh"
    )
    assert (len(phones_61), len(phones_48)) == (61, 48)
    for phones in (phones_61, phones_48):
        folded = mapping.apply(phones)
        assert len(set(folded)) == 39
        assert mapping.apply(folded) == folded
    assert len(mapping.apply(phones_61)) == 60
    # The classes that are told apart no more.
    together = "aa ao, ah ax ax-h, er axr, hh hv, ih ix, l el, m em, n en nx, ng eng, sh zh, uw ux"
    for group in together.split(", "):
        assert len(set(mapping.apply(group.split()))) == 1
    assert set(mapping.apply(split("bcl dcl gcl pcl tcl kcl h# pau epi"))) == {"sil"}


def test_a_mapping_from_a_file(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("AX AH\nAH AH\nQ\n")
    mapping = read_phone_mapping(path)
    assert mapping.name == str(path)
    assert mapping.apply(["AX", "Q", "AH"]) == ("AH", "AH")
    path.write_text("AX AH\nAX ER\nB C D\n")
    with pytest.raises(FaultyFileError) as caught:
        read_phone_mapping(path)
    assert [fault.line for fault in caught.value.faults] == [2, 3]
    path.write_text("\n")
    with pytest.raises(FaultyFileError, match="no phones"):
        read_phone_mapping(path)


def many(rng, n_speakers, n_utterances, *, spread):
    """References and hypotheses with errors that depend on the speaker."""
    references, hypotheses, speakers = {}, {}, {}
    for speaker in range(n_speakers):
        rate = 0.2 + spread * rng.uniform(-0.2, 0.6)
        for utterance in range(n_utterances):
            name = f"s{speaker:02}-{utterance}"
            words = [f"w{k}" for k in rng.integers(0, 20, size=rng.integers(3, 15))]
            references[name] = words
            hypotheses[name] = ["wrong" if rng.random() < rate else word for word in words]
            speakers[name] = f"s{speaker:02}"
    return references, hypotheses, speakers


def test_replicates_are_ratios_over_drawn_speakers():
    references, hypotheses, speakers = many(np.random.default_rng(1), 4, 3, spread=1)
    found = word_errors(references, hypotheses, speakers=speakers)
    replicates = transcription_replicates(found, n_bootstrap=20, seed=5)
    drawn = np.random.default_rng(5).multinomial(4, np.full(4, 0.25), size=20)
    for row, value in zip(drawn, replicates["error_rate"], strict=True):
        errors = words = 0
        for times, counts in zip(row, found.by_speaker().values(), strict=True):
            errors += times * counts.errors
            words += times * counts.n_reference
        assert value == pytest.approx(errors / words, rel=1e-13)
    assert tuple(replicates) == TRANSCRIPTION_METRICS
    assert replicates["error_rate"] == pytest.approx(
        replicates["substitutions"] + replicates["deletions"] + replicates["insertions"], rel=1e-12
    )


def test_intervals_hold_the_figure_and_follow_the_seed():
    references, hypotheses, speakers = many(np.random.default_rng(2), 10, 10, spread=1)
    found = word_errors(references, hypotheses, speakers=speakers)
    interval = transcription_intervals(found, seed=3)["error_rate"]
    assert interval.low < found.error_rate < interval.high
    assert interval == transcription_intervals(found, seed=3)["error_rate"]
    assert interval != transcription_intervals(found, seed=4)["error_rate"]
    wider = transcription_intervals(found, seed=3, confidence=0.99)["error_rate"]
    assert wider.high - wider.low > interval.high - interval.low


def test_speakers_that_differ_make_intervals_wider_than_their_utterances_do():
    references, hypotheses, speakers = many(np.random.default_rng(3), 10, 20, spread=1)
    over_speakers = word_errors(references, hypotheses, speakers=speakers)
    over_utterances = word_errors(references, hypotheses)
    widths = [
        interval.high - interval.low
        for errors in (over_speakers, over_utterances)
        if (interval := transcription_intervals(errors)["error_rate"])
    ]
    assert widths[0] > 1.5 * widths[1]


@pytest.mark.parametrize("options", [{"n_bootstrap": 1}, {"confidence": 1.0}, {"confidence": 0}])
def test_options_of_intervals(options):
    found = word_errors({"u": ["a"]}, {"u": ["a"]})
    with pytest.raises(InvalidInputError, match="must"):
        transcription_intervals(found, **options)


def test_replicates_of_sentences_are_by_utterances():
    references, hypotheses, speakers = many(np.random.default_rng(1), 4, 3, spread=0.2)
    # Speakers have different numbers of utterances.
    for name in ("s00-1", "s00-2", "s02-0"):
        del references[name], hypotheses[name], speakers[name]
    found = word_errors(references, hypotheses, speakers=speakers)
    seen = transcription_replicates(found, n_bootstrap=20, seed=5)["sentence_error_rate"]
    drawn = np.random.default_rng(5).multinomial(4, np.full(4, 0.25), size=20)
    names = sorted(set(speakers.values()))
    for row, value in zip(drawn, seen, strict=True):
        wrong = [
            hypotheses[name] != references[name]
            for times, speaker in zip(row, names, strict=True)
            for name in references
            if speakers[name] == speaker
            for _ in range(times)
        ]
        assert value == pytest.approx(np.mean(wrong), rel=1e-13)
    assert found.sentence_error_rate > 0.5


def test_what_the_mapping_makes_silence_is_dropped_too():
    """Closures become silence in the 39 classes of TIMIT."""
    found = phone_errors(
        {"u": ["bcl", "b", "iy"]}, {"u": ["b", "iy", "pau"]}, mapping="timit-39", silences=("sil",)
    )
    assert found.utterances[0].reference == ("b", "iy")
    assert found.utterances[0].hypothesis == ("b", "iy")
    assert found.error_rate == 0


def test_one_speaker_or_one_utterance_has_no_interval():
    said, heard = {"u1": ["a"], "u2": ["b", "c"]}, {"u1": ["a"], "u2": ["b", "d"]}
    one = word_errors(said, heard, speakers={"u1": "ana", "u2": "ana"})
    assert set(transcription_intervals(one).values()) == {None}
    alone = word_errors({"u1": ["a", "b"]}, {"u1": ["a"]})
    assert set(transcription_intervals(alone).values()) == {None}
    two = word_errors(said, heard, speakers={"u1": "ana", "u2": "bea"})
    assert None not in transcription_intervals(two).values()
