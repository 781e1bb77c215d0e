"""The synthetic corpus on disk: whole, exact, repeatable, and never over other people's files."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import make_synthetic_corpus, read_corpus, read_protocol, validate_corpus
from speakergmm.corpora.synthesis import ENROLMENT_WORDS, LEXICON, SILENCE, TRIAL_WORDS
from speakergmm.errors import CorpusError, InvalidInputError

SMALL = {
    "n_background": 2,
    "n_dev": 2,
    "n_eval": 3,
    "n_background_utterances": 2,
    "n_enrolment_utterances": 2,
    "n_trial_utterances": 3,
    "n_background_words": 2,
    "n_enrolment_words": 2,
    "n_trial_words": 1,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "corpus"
    make_synthetic_corpus(folder, **SMALL)
    return folder


def rows(path):
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def pairs(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key: rest.split() for key, rest in (line.split(maxsplit=1) for line in lines)}


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_protocol_reads_back_and_is_sound(corpus):
    protocol = read_protocol(corpus / "protocols" / "synthetic", data_dir=corpus)
    protocol.check_disjoint()
    assert protocol.missing_files() == ()
    assert protocol.background is not None
    assert protocol.background.speakers == ("b001", "b002")
    assert len(protocol.background) == 4
    split = protocol.splits["eval"]
    assert split.models == ("e001", "e002", "e003")
    assert [len(paths) for paths in split.enrolment.values()] == [2, 2, 2]
    # Every model is tried on every trial recording.
    assert len(split.trials) == 3 * 3 * 3
    assert split.n_targets == 3 * 3
    for trial in split.trials:
        assert (trial.label == "target") == (trial.path.parent.name == trial.model)
        assert trial.name == trial.path.relative_to(corpus).as_posix()
    assert len(protocol.splits["dev"].trials) == 2 * 2 * 3


def test_list_headers_are_those_of_real_data(corpus):
    lists = corpus / "protocols" / "synthetic"
    assert sorted(path.name for path in lists.iterdir()) == [
        "background.tsv",
        "dev_enroll.tsv",
        "dev_trials.tsv",
        "eval_enroll.tsv",
        "eval_trials.tsv",
    ]
    assert list(rows(lists / "background.tsv")[0]) == ["speaker", "path"]
    assert list(rows(lists / "eval_enroll.tsv")[0]) == ["model", "path"]
    assert list(rows(lists / "eval_trials.tsv")[0]) == ["model", "path", "label"]


def test_recordings_pass_validation_and_are_pcm16(corpus):
    data = read_corpus(corpus / "synthetic")
    assert len(data) == 4 + 5 * (2 + 3)
    assert validate_corpus(data, sample_rate=16000) == ()
    for utterance in data:
        info = soundfile.info(utterance.path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert utterance.path.parent.name == utterance.speaker


def test_phone_boundaries_tile_every_recording_exactly(corpus):
    folder = corpus / "synthetic"
    phones: dict[str, list[dict[str, str]]] = {}
    for row in rows(folder / "phones.tsv"):
        phones.setdefault(row["utterance"], []).append(row)
    listing = pairs(folder / "wav.scp")
    assert sorted(phones) == sorted(listing)
    transcripts, lengths = pairs(folder / "text"), pairs(folder / "utt2dur")
    for utterance, found in phones.items():
        expected = 0
        for row in found:
            assert int(row["first_sample"]) == expected
            assert float(row["start"]) * 16000 == pytest.approx(expected, abs=1e-3)
            assert float(row["duration"]) * 16000 == pytest.approx(int(row["n_samples"]), abs=1e-3)
            expected += int(row["n_samples"])
        frames = soundfile.info(folder / listing[utterance][0]).frames
        assert expected == frames
        assert float(lengths[utterance][0]) * 16000 == pytest.approx(frames, abs=1e-3)
        said = [row["phone"] for row in found if row["phone"] != SILENCE]
        words = transcripts[utterance]
        assert said == [phone for word in words for phone in LEXICON[word]]
        assert all((row["word"] == "-") == (row["phone"] == SILENCE) for row in found)


def test_word_boundaries_are_those_of_their_phones(corpus):
    folder = corpus / "synthetic"
    phones = rows(folder / "phones.tsv")
    for row in rows(folder / "words.tsv"):
        first, length = int(row["first_sample"]), int(row["n_samples"])
        inside = [
            p
            for p in phones
            if p["utterance"] == row["utterance"]
            and first <= int(p["first_sample"]) < first + length
        ]
        assert tuple(p["phone"] for p in inside) == LEXICON[row["word"]]
        assert int(inside[-1]["first_sample"]) + int(inside[-1]["n_samples"]) == first + length


def test_boundaries_lie_where_the_sound_changes(corpus):
    folder = corpus / "synthetic"
    listing = pairs(folder / "wav.scp")
    levels: dict[bool, list[float]] = {True: [], False: []}
    for row in rows(folder / "phones.tsv"):
        samples, _ = soundfile.read(folder / listing[row["utterance"]][0])
        start, length = int(row["first_sample"]), int(row["n_samples"])
        middle = samples[start + length // 4 : start + 3 * length // 4]
        level = 10 * np.log10(np.mean(middle**2) + 1e-12)
        if row["phone"] in {"a", "ae", "o", "ai", "au", "er"}:
            levels[True].append(level)
        elif row["phone"] == SILENCE:
            levels[False].append(level)
    assert min(levels[True]) > np.mean(levels[False]) + 15


def test_enrolment_and_trials_share_neither_word_nor_session(corpus):
    folder = corpus / "synthetic"
    transcripts = pairs(folder / "text")
    sessions: dict[str, set[tuple[str, str]]] = {"enrolment": set(), "trial": set()}
    for row in rows(folder / "sessions.tsv"):
        if row["purpose"] == "background":
            continue
        pool = ENROLMENT_WORDS if row["purpose"] == "enrolment" else TRIAL_WORDS
        assert set(transcripts[row["utterance"]]) <= set(pool)
        sessions[row["purpose"]].add((row["speaker"], row["session"]))
    assert sessions["enrolment"].isdisjoint(sessions["trial"])
    assert len(sessions["trial"]) == 2 * 5


def test_kaldi_files_are_sorted_and_agree(corpus):
    folder = corpus / "synthetic"
    for name in ("wav.scp", "utt2spk", "spk2utt", "spk2gender", "text", "utt2dur", "lexicon.txt"):
        keys = [line.split()[0] for line in (folder / name).read_text().splitlines()]
        assert keys == sorted(set(keys)), name
    utt2spk = {key: value[0] for key, value in pairs(folder / "utt2spk").items()}
    spk2utt = pairs(folder / "spk2utt")
    assert utt2spk == {utt: speaker for speaker, utts in spk2utt.items() for utt in utts}
    assert {v[0] for v in pairs(folder / "spk2gender").values()} == {"f", "m"}
    assert {k: tuple(v) for k, v in pairs(folder / "lexicon.txt").items()} == LEXICON


@pytest.mark.slow
def test_same_seed_gives_the_same_bytes_however_many_processes(corpus, tmp_path):
    make_synthetic_corpus(tmp_path / "again", engine=2, **SMALL)
    assert digests(tmp_path / "again") == digests(corpus)


@pytest.mark.slow
def test_another_seed_gives_other_recordings(corpus, tmp_path):
    make_synthetic_corpus(tmp_path / "other", seed=1, **SMALL)
    ours, theirs = digests(corpus / "synthetic"), digests(tmp_path / "other" / "synthetic")
    recordings = [path for path in ours if path.endswith(".wav")]
    assert recordings
    assert all(ours[path] != theirs[path] for path in recordings)


@pytest.mark.slow
def test_adding_speakers_and_recordings_leaves_the_others_as_they_are(corpus, tmp_path):
    larger = {**SMALL, "n_background": 3, "n_eval": 4, "n_trial_utterances": 4}
    make_synthetic_corpus(tmp_path / "larger", **larger)
    small, large = digests(corpus / "synthetic"), digests(tmp_path / "larger" / "synthetic")
    recordings = [path for path in small if path.endswith(".wav")]
    assert {path: large[path] for path in recordings} == {path: small[path] for path in recordings}


def test_sessions_of_a_speaker_sound_different(corpus):
    folder = corpus / "synthetic" / "e001"

    def background_level(name):
        samples, _ = soundfile.read(folder / name)
        return np.std(samples[:1000])

    levels = [background_level(f"e001-{s}-{n:03d}.wav") for s, n in [(1, 1), (2, 1), (3, 2)]]
    assert len({round(20 * np.log10(level)) for level in levels}) > 1


def test_a_second_call_uses_what_stands(corpus):
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    protocol = make_synthetic_corpus(corpus, **SMALL)
    assert protocol.splits["eval"].n_targets == 9
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_other_sizes_or_seed_in_the_same_place_are_refused(corpus):
    with pytest.raises(CorpusError, match=r"seed 0, not 5; remove it or give another directory"):
        make_synthetic_corpus(corpus, seed=5, **SMALL)
    with pytest.raises(CorpusError, match="sizes"):
        make_synthetic_corpus(corpus, **{**SMALL, "n_eval": 2})


@pytest.mark.slow
def test_a_damaged_corpus_is_refused(tmp_path):
    folder = tmp_path / "corpus"
    make_synthetic_corpus(folder, **SMALL)
    recording = folder / "synthetic" / "e001" / "e001-1-001.wav"
    recording.write_bytes(recording.read_bytes()[:-2])
    with pytest.raises(CorpusError, match=r"e001-1-001\.wav is missing or damaged"):
        make_synthetic_corpus(folder, **SMALL)


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CorpusError, match="not empty and contains no synthetic corpus"):
        make_synthetic_corpus(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    file = tmp_path / "corpus"
    file.write_text("mine")
    with pytest.raises(CorpusError):
        make_synthetic_corpus(file, **SMALL)
    assert file.read_text() == "mine"


@pytest.mark.slow
def test_an_empty_folder_is_used(tmp_path):
    (tmp_path / "empty").mkdir()
    make_synthetic_corpus(tmp_path / "empty", **SMALL)
    assert (tmp_path / "empty" / "synthetic" / "corpus.json").is_file()


def test_nothing_is_left_behind_when_it_fails(tmp_path, monkeypatch):
    def full(*_args: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", full)
    with pytest.raises(CorpusError, match=r"corpus cannot be written: No space left on device"):
        make_synthetic_corpus(tmp_path / "corpus", **SMALL)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed must be a whole number >= 0, found -1"),
        ({"n_eval": 1}, "n_eval must be a whole number in 2..999, found 1"),
        ({"n_background": 0}, "n_background must be a whole number in 1..999, found 0"),
        ({"n_trial_words": 1000}, r"n_trial_words must be a whole number in 1\.\."),
        ({"n_dev": 2.0}, r"n_dev must be a whole number in 2..999, found 2\.0"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, options, message):
    with pytest.raises(InvalidInputError, match=message):
        make_synthetic_corpus(tmp_path / "corpus", **options)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.slow
def test_a_relative_path_works(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    protocol = make_synthetic_corpus("here", **SMALL)
    assert Path("here/protocols/synthetic/background.tsv").is_file()
    assert protocol.missing_files() == ()
