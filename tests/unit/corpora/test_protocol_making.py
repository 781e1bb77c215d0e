"""Protocols made of corpora: what their lists must not share, seeds, sexes, sessions, scarcity."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.audio import write_audio
from speakergmm.corpora import (
    Corpus,
    SplitOptions,
    Utterance,
    make_protocol,
    read_corpus,
    read_protocol,
    read_speaker_sexes,
    write_protocol,
)
from speakergmm.errors import CorpusError, InvalidInputError

ROOT = Path("corpus").absolute()


def corpus_of(counts):
    """A corpus of speakers with so many recordings each, of two words in turn."""
    listed = [
        Utterance(f"{speaker}/{n}.wav", ROOT / speaker / f"{n}.wav", speaker)
        for speaker, count in counts.items()
        for n in range(count)
    ]
    return Corpus(tuple(listed), source="made", root=ROOT)


def speakers(n, n_recordings=6):
    return corpus_of({f"s{k:02d}": n_recordings for k in range(n)})


def speaker_of(path):
    return path.parent.name


@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=14),
    n_women=st.integers(0, 14),
    n_enrolment=st.integers(1, 3),
    shares=st.sampled_from([(0.4, 0.2), (0.0, 0.5), (0.7, 0.0), (0.0, 0.0), (0.1, 0.6)]),
    limits=st.tuples(st.none() | st.integers(1, 3), st.none() | st.integers(1, 5)),
    seed=st.integers(0, 3),
)
@settings(deadline=None)
def test_nothing_is_shared_and_every_trial_is_true(
    counts, n_women, n_enrolment, shares, limits, seed
):
    corpus = corpus_of({f"s{k:02d}": count for k, count in enumerate(counts)})
    sexes = {name: "f" if k < n_women else "m" for k, name in enumerate(corpus.speakers)}
    options = SplitOptions(
        background_share=shares[0],
        dev_share=shares[1],
        n_enrolment=n_enrolment,
        n_tests=limits[0],
        n_nontarget=limits[1],
        seed=seed,
    )
    able = [
        name for name, count in zip(corpus.speakers, counts, strict=True) if count > n_enrolment
    ]
    least = 2 + 2 * (shares[1] > 0)
    enough = len(able) >= least and (len(counts) > least or not shares[0])
    if not enough:
        with pytest.raises(CorpusError, match="needed are"):
            make_protocol(corpus, options, sexes=sexes)
        return
    protocol = make_protocol(corpus, options, sexes=sexes)
    assert set(protocol.splits) == ({"dev", "eval"} if shares[1] else {"eval"})
    used = [set(split.enrolment) for split in protocol.splits.values()]
    if shares[0]:
        used.append(set(protocol.background.speakers))
        assert len(protocol.background) == sum(
            counts[int(name[1:])] for name in protocol.background.speakers
        )
    else:
        assert protocol.background is None
    assert sum(map(len, used)) == len(set().union(*used))
    assert set().union(*used) == set(corpus.speakers if shares[0] else able)
    for split in protocol.splits.values():
        for model, paths in split.enrolment.items():
            assert len(paths) == n_enrolment
            assert {speaker_of(path) for path in paths} == {model}
        enrolled = {path for paths in split.enrolment.values() for path in paths}
        assert not enrolled & set(split.test_paths())
        for trial, sex, test_sex in zip(split.trials, *split.conditions.values(), strict=True):
            speaker = speaker_of(trial.path)
            assert trial.label == ("target" if speaker == trial.model else "nontarget")
            assert (sex, test_sex) == (sexes[trial.model], sexes[speaker])
            assert trial.name == f"{speaker}/{trial.path.name}"
        tests = Counter(map(speaker_of, split.test_paths()))
        of_target = Counter(t.model for t in split.trials if t.label == "target")
        for model in split.enrolment:
            left = counts[int(model[1:])] - n_enrolment
            assert of_target[model] == min(left, limits[0] or left)
        nontarget = Counter(t.model for t in split.trials if t.label == "nontarget")
        for model in split.enrolment:
            possible = tests.total() - tests[model]
            assert nontarget[model] == min(possible, limits[1] or possible)


def test_a_seed_determines_everything():
    corpus = speakers(12)
    one, again, other = (make_protocol(corpus, seed=seed, n_nontarget=5) for seed in (1, 1, 2))
    assert one.splits == again.splits
    assert one.background.utterances == again.background.utterances
    assert one.splits != other.splits


def test_shares_are_those_of_the_speakers_and_of_either_sex():
    corpus = speakers(40)
    sexes = {name: "f" if int(name[1:]) < 10 else "m" for name in corpus.speakers}
    protocol = make_protocol(corpus, sexes=sexes, background_share=0.5, dev_share=0.2)
    groups = [protocol.background.speakers, *(s.models for s in protocol.splits.values())]
    assert [len(group) for group in groups] == [20, 8, 12]
    for group in groups:
        assert abs(sum(sexes[name] == "f" for name in group) - len(group) / 4) <= 1


def test_speakers_with_few_recordings_are_in_the_background():
    corpus = corpus_of({f"s{k:02d}": 3 if k % 2 else 4 for k in range(12)})
    protocol = make_protocol(corpus)
    assert {name for name in corpus.speakers if int(name[1:]) % 2} <= set(
        protocol.background.speakers
    )


@pytest.mark.parametrize("n_recordings", [1, 3])
def test_a_corpus_without_tests_is_refused_with_what_is_needed(n_recordings):
    with pytest.raises(CorpusError) as caught:
        make_protocol(speakers(9, n_recordings))
    assert str(caught.value) == (
        "made: 0 of 9 speakers have 3 recordings for enrolment and further ones for tests; needed "
        "are 2 for dev, 2 for eval, 1, of any number of recordings, for the background"
    )


def test_too_few_speakers_are_refused():
    with pytest.raises(CorpusError, match="4 of 4 speakers have"):
        make_protocol(speakers(4))
    assert make_protocol(speakers(5)).background is not None
    assert make_protocol(speakers(2), background_share=0, dev_share=0).splits["eval"].n_targets == 6


def test_parts_of_recordings_and_nameless_speakers_are_refused():
    part = Corpus((Utterance("a", ROOT / "a.wav", "a", 1.0),), source="made")
    with pytest.raises(CorpusError, match="is a part of a recording"):
        make_protocol(part)
    with pytest.raises(CorpusError, match="names no speakers"):
        make_protocol([ROOT / "a.wav", ROOT / "b.wav"])


def test_trials_of_one_sex():
    corpus = speakers(24)
    sexes = {name: "fm"[int(name[1:]) % 2] for name in corpus.speakers[:20]}  # others unknown
    split = make_protocol(corpus, sexes=sexes, same_sex=True).split("eval")
    assert split.conditions["sex"] == split.conditions["test_sex"]
    assert set(split.conditions["sex"]) == {"f", "m", "unknown"}
    with pytest.raises(CorpusError, match="states no sex for same_sex"):
        make_protocol(corpus, same_sex=True)
    alone = {name: "fm"[k % 2] for k, name in enumerate(speakers(2).speakers)}
    with pytest.raises(CorpusError, match="eval has no nontarget trials"):
        make_protocol(speakers(2), sexes=alone, same_sex=True, background_share=0, dev_share=0)


def test_enrolment_by_seconds(tmp_path):
    for speaker in "abc":
        (tmp_path / speaker).mkdir()
        for n in range(6):
            write_audio(tmp_path / speaker / f"{n}.wav", np.zeros(1600 * (n + 1)), 16000)
    options = {"background_share": 0, "dev_share": 0, "enrolment_seconds": 0.55}
    split = make_protocol(read_corpus(tmp_path), **options).split("eval")
    for paths in split.enrolment.values():
        seconds = [0.1 * (int(path.stem) + 1) for path in paths]
        assert sum(seconds) >= 0.55 > sum(sorted(seconds)[:-1]) - 0.5
    with pytest.raises(CorpusError, match=r"0 of 3 speakers have 2.1 s of recordings for enrol"):
        make_protocol(read_corpus(tmp_path), **{**options, "enrolment_seconds": 2.1})


@pytest.fixture
def listed(tmp_path):
    """A list with sex, session and word, of which the file names hold the word."""
    lines = ["path\tspeaker\tGender\tsession"]
    for k in range(10):
        for n in range(8):
            sex = ("female", "Male", "", "other")[min(k % 4, 3)]
            lines.append(f"w{n // 2}/s{k}_{n}.wav\ts{k}\t{sex}\tday {n // 2} of {k}")
    (tmp_path / "list.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path / "list.tsv"


@pytest.mark.parametrize(
    "options",
    [{"session_pattern": "{word}/{speaker}_*.wav"}, {"session_column": "Session"}],
    ids=["pattern", "column"],
)
def test_enrolment_and_test_share_no_session(listed, options):
    protocol = make_protocol(read_corpus(listed), **options)
    for split in protocol.splits.values():
        for model, paths in split.enrolment.items():
            enrolled = {(speaker_of(path), int(path.stem[-1]) // 2) for path in paths}
            tested = {
                (speaker_of(t.path), int(t.path.stem[-1]) // 2)
                for t in split.trials
                if "session_pattern" in options or t.label == "target"
                if t.model == model
            }
            assert len(enrolled) == 2
            assert tested
            assert not enrolled & tested


def test_words_are_enrolled_or_tried_for_all_models_alike(listed):
    protocol = make_protocol(read_corpus(listed), session_pattern="{word}/{speaker}_*.wav")
    splits = protocol.splits.values()
    enrolled = {speaker_of(p) for s in splits for paths in s.enrolment.values() for p in paths}
    tested = {speaker_of(path) for split in splits for path in split.test_paths()}
    assert enrolled | tested == {"w0", "w1", "w2", "w3"}
    assert not enrolled & tested


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"session_column": "day"}, CorpusError, "no column 'day'; the columns are 'path'"),
        ({"session_pattern": "{speaker}_*.wav"}, InvalidInputError, "and one part {session} or"),
        ({"session_pattern": "{word}_*.wav"}, InvalidInputError, "must have {speaker} and one"),
        (
            {"session_pattern": "{word}-{speaker}.wav"},
            CorpusError,
            "finds no word in it",
        ),
        (
            {"session_pattern": "{word}_{speaker}.wav", "session_column": "session"},
            InvalidInputError,
            "exclude each other",
        ),
        ({"dev_share": 0.7}, InvalidInputError, "must leave speakers for eval"),
        ({"n_enrolment": 0}, InvalidInputError, "n_enrolment"),
    ],
)
def test_options_that_do_not_suit_are_refused(listed, options, error, reason):
    with pytest.raises(error, match=reason):
        make_protocol(read_corpus(listed), **options)


def test_a_column_with_another_meaning_is_no_session(tmp_path):
    (tmp_path / "list.tsv").write_text("path\tspeaker\tutt_id\na.wav\ta\t1\n")
    with pytest.raises(CorpusError, match="column 'utt_id' has another meaning"):
        make_protocol(read_corpus(tmp_path / "list.tsv"), session_column="utt_id")


def test_sexes_are_read_from_lists_and_kaldi_directories(listed, tmp_path):
    expected = {"s0": "f", "s1": "m", "s4": "f", "s5": "m", "s8": "f", "s9": "m"}
    assert read_speaker_sexes(read_corpus(listed)) == expected
    kaldi = tmp_path / "kaldi"
    kaldi.mkdir()
    (kaldi / "wav.scp").write_text("a1 a/1.wav\nb1 b/1.wav\n")
    (kaldi / "utt2spk").write_text("a1 a\nb1 b\n")
    assert read_speaker_sexes(read_corpus(kaldi)) == {}
    (kaldi / "spk2gender").write_text("a f\nb m\nc f\n")
    assert read_speaker_sexes(read_corpus(kaldi)) == {"a": "f", "b": "m"}
    (kaldi / "spk2gender").write_text("a f\nb\n")
    with pytest.raises(CorpusError, match=r"spk2gender:2: a line is 'speaker f' or 'speaker m'"):
        read_speaker_sexes(read_corpus(kaldi))
    (kaldi / "spk2gender").write_text("a f\na m\n")
    with pytest.raises(CorpusError, match=r"spk2gender:2: speaker 'a' has two sexes"):
        read_speaker_sexes(read_corpus(kaldi))


def test_what_is_written_is_read_back(listed, tmp_path):
    protocol = make_protocol(read_corpus(listed), n_nontarget=7)
    write_protocol(tmp_path / "lists", protocol, relative_to=tmp_path)
    again = read_protocol(tmp_path / "lists", data_dir=tmp_path)
    assert again.splits == protocol.splits
    assert [(u.path, u.speaker) for u in again.background] == [
        (u.path, u.speaker) for u in protocol.background
    ]
    assert again.notes == ()
    again.check_disjoint()
