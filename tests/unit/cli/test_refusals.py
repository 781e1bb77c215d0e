"""Bad input: one line that names the file or option, exit code 2, no traceback, nothing lost."""

import pickle
import shutil
import sqlite3

import numpy as np
import pytest
import soundfile

from speakergmm.cli import run_command
from speakergmm.speakers import SpeakerStore

RATE = 16000


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused, and return the one line it prints."""

    def check(*arguments: object) -> str:
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        errors = [line for line in captured.err.splitlines() if not line.startswith("warning: ")]
        assert code == 2, captured
        assert len(errors) == 1, captured.err
        assert errors[0].startswith("speakergmm: ")
        assert captured.out == ""
        return errors[0]

    return check


@pytest.fixture
def store(tmp_path, world):
    from speakergmm.speakers import BackgroundModel

    path = tmp_path / "voices.db"
    with SpeakerStore.create(path, BackgroundModel.load(world.ubm)) as opened:
        opened.enroll("e001", world.enrolment("e001"))
    return path


def speech(world) -> np.ndarray:
    return soundfile.read(world.test("e001"), dtype="float32")[0]


def missing(path, world):
    pass


def empty(path, world):
    path.touch()


def text(path, world):
    path.write_text("Dear diary,\n")


def folder(path, world):
    path.mkdir()


def zero_length(path, world):
    soundfile.write(path, np.zeros(0), RATE, format="WAV")


def truncated(path, world):
    shutil.copy(world.test("e001"), path)
    path.write_bytes(path.read_bytes()[:-2000])


def header_only(path, world):
    path.write_bytes(world.test("e001").read_bytes()[:30])


def not_a_number(path, world):
    samples = speech(world)
    samples[5000] = np.nan
    soundfile.write(path, samples, RATE, format="WAV", subtype="FLOAT")


def silent(path, world):
    soundfile.write(path, np.zeros(2 * RATE), RATE, format="WAV")


def five_milliseconds(path, world):
    soundfile.write(path, speech(world)[:80], RATE, format="WAV")


def corrupt_flac(path, world):
    soundfile.write(path, speech(world), RATE, format="FLAC")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)


BAD_RECORDINGS = (
    missing,
    empty,
    text,
    folder,
    zero_length,
    truncated,
    header_only,
    not_a_number,
    silent,
    five_milliseconds,
    corrupt_flac,
)


@pytest.mark.slow
@pytest.mark.parametrize("make", BAD_RECORDINGS, ids=lambda make: make.__name__)
def test_bad_recordings_are_refused_by_name_and_lose_nothing(make, tmp_path, world, store, refused):
    bad = tmp_path / f"bad.{'flac' if make is corrupt_flac else 'wav'}"
    make(bad, world)
    good = world.enrolment("e002")[0]
    assert str(bad) in refused("verify", store, "e001", bad)
    assert str(bad) in refused("identify", store, bad)
    assert str(bad) in refused("enroll", store, "e002", good, bad)
    with SpeakerStore.open(store) as opened:
        assert [speaker.name for speaker in opened.speakers()] == ["e001"]
        opened.check()


@pytest.mark.parametrize(
    ("name", "rate", "channels"), [("high", 192000, 1), ("many", RATE, 8), ("phone", 8000, 1)]
)
def test_odd_recordings_are_taken_with_a_word(name, rate, channels, tmp_path, world, store, capsys):
    import soxr

    samples = soxr.resample(speech(world), RATE, rate)
    path = tmp_path / f"{name}.wav"
    soundfile.write(path, np.repeat(samples[:, None], channels, axis=1), rate, subtype="FLOAT")
    capsys.readouterr()
    assert run_command(["verify", str(store), "e001", str(path), "--json"]) == 0
    noted = capsys.readouterr().err
    assert ("warning: " in noted) == (rate != 192000)


@pytest.mark.parametrize("name", ["../eve", "a/b", "a\\b", "", ".", "..", "tab\there", "x" * 201])
def test_names_that_could_be_paths_or_controls_are_refused(name, store, world, refused):
    line = refused("enroll", store, name, *world.enrolment("e002"))
    assert "speaker" in line


def test_nul_in_names(store, world, refused):
    assert "speaker" in refused("enroll", store, "a\0b", *world.enrolment("e002"))
    refused("verify", store, "e001", "bad\0name.wav")


def test_unknown_speaker_is_named_and_known_ones_offered(store, world, refused):
    for command in (("verify", store, "e01", world.test("e001")), ("remove", store, "e01")):
        line = refused(*command)
        assert "'e01'" in line
        assert "e001" in line


def test_store_is_needed(tmp_path, world, refused):
    new = tmp_path / "new.db"
    assert str(new) in refused("verify", new, "ana", world.test("e001"))
    assert str(new) in refused("speakers", new)
    assert not new.exists()


@pytest.mark.slow
def test_other_background_or_features_are_refused(tmp_path, world, store, refused):
    corpus = (world.protocol_dir / "background.tsv", "--data", world.folder / "corpus")
    for extra, what in ((("--seed", 5), "background"), (("--features", "kaldi"), "feature")):
        other = tmp_path / "other.safetensors"
        arguments = (
            "train-ubm",
            *corpus,
            "--components",
            4,
            "--augment",
            "none",
            "-o",
            other,
            *extra,
        )
        assert run_command([str(argument) for argument in arguments]) == 0
        assert what in refused("enroll", store, "e002", *world.enrolment("e002"), "--ubm", other)


@pytest.mark.parametrize("kind", ["pickle", "text", "wav", "foreign", "damaged", "empty"])
def test_models_and_stores_that_are_none(kind, tmp_path, world, refused):
    file = tmp_path / "model"
    if kind == "pickle":
        file.write_bytes(pickle.dumps({"weights": [1.0]}))
    elif kind == "text":
        file.write_text("a model")
    elif kind == "wav":
        shutil.copy(world.test("e001"), file)
    elif kind == "foreign":
        with sqlite3.connect(file) as connection:
            connection.execute("create table songs (title)")
        connection.close()
    elif kind == "damaged":
        content = bytearray(world.ubm.read_bytes())
        content[-100] ^= 0xFF
        file.write_bytes(content)
    else:
        file.touch()
    assert str(file) in refused("info", file)
    assert str(file) in refused("speakers", file)
    assert str(file) in refused(
        "enroll", tmp_path / "new.db", "ana", *world.enrolment("e001"), "--ubm", file
    )
    assert not (tmp_path / "new.db").exists()


def test_a_corpus_that_is_none(tmp_path, refused):
    out = tmp_path / "ubm.safetensors"
    (tmp_path / "void").mkdir()
    (tmp_path / "pipes").mkdir()
    (tmp_path / "pipes" / "wav.scp").write_text("u1 touch /tmp/executed |\n")
    (tmp_path / "pipes" / "utt2spk").write_text("u1 ana\n")
    climbing = tmp_path / "list.tsv"
    climbing.write_text("speaker\tpath\nana\t../../etc/passwd\n")
    for corpus in ("absent", "void", "pipes", "list.tsv"):
        line = refused("train-ubm", tmp_path / corpus, "-o", out)
        assert corpus in line
    assert not out.exists()


def test_too_few_frames_for_the_components(tmp_path, world, refused):
    corpus = tmp_path / "few"
    (corpus / "ana").mkdir(parents=True)
    soundfile.write(corpus / "ana" / "a.wav", speech(world)[4000:12000], RATE)
    line = refused("train-ubm", corpus, "--components", 512, "-o", tmp_path / "ubm")
    assert "512" in line
    assert not (tmp_path / "ubm").exists()


def test_one_bad_file_is_skipped_and_said_unless_strict(tmp_path, world, refused, capsys):
    corpus = tmp_path / "corpus"
    for speaker in ("e001", "e002"):
        (corpus / speaker).mkdir(parents=True)
        for path in world.enrolment(speaker):
            shutil.copy(path, corpus / speaker)
    (corpus / "e001" / "broken.wav").write_text("no audio")
    out = tmp_path / "ubm.safetensors"
    arguments = ("train-ubm", corpus, "--components", 4, "--augment", "none", "-o", out)
    assert "broken.wav" in refused(*arguments, "--strict")
    assert not out.exists()
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == 0
    noted = capsys.readouterr().err
    assert noted.count("warning: ") == 1
    assert "broken.wav" in noted
    assert out.exists()


def test_outputs_that_cannot_be_written_are_refused_before_the_work(tmp_path, world, refused):
    corpus = (world.protocol_dir / "background.tsv", "--data", world.folder / "corpus")
    line = refused("train-ubm", *corpus, "-o", tmp_path / "absent" / "ubm")
    assert "absent" in line
    assert "folder" in refused("train-ubm", *corpus, "-o", tmp_path)
    assert "full" not in refused("evaluate", tmp_path / "none.tsv", "--report", tmp_path / "r.html")


def test_scores_that_are_none(tmp_path, refused):
    file = tmp_path / "scores.tsv"
    for content in ("", "model\tpath\n", "model\tpath\tscore\tlabel\na\tb\tnan\ttarget\n"):
        file.write_text(content)
        assert "scores.tsv" in refused("evaluate", file)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["verify"],
        ["verify", "--nonsense"],
        ["identify", "a.db", "b.wav", "--top", "0"],
        ["train-ubm", "x", "-o", "y", "--components", "many"],
        ["demo", "--data", "x"],
        ["train-ubm", ".", "-o", "y", "--features", "nonsense"],
        ["run-protocol", ".", "--ubm", "u", "-o", ""],
    ],
)
def test_usage_is_one_line_too(arguments, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(*arguments)


@pytest.mark.slow
def test_nothing_is_written_over_what_is_read_or_of_another_kind(
    tmp_path, world, store, refused, capsys
):
    corpus = (world.protocol_dir / "background.tsv", "--data", world.folder / "corpus")
    listed = tmp_path / "list.tsv"
    shutil.copy(corpus[0], listed)
    scores = tmp_path / "scores.tsv"
    scores.write_text("model\tpath\tscore\tlabel\na\tx\t1\ttarget\nb\tx\t0\tnontarget\n")
    ubm = tmp_path / "ubm.safetensors"
    shutil.copy(world.ubm, ubm)
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><p>my page")
    recording = tmp_path / "a.wav"
    shutil.copy(world.test("e001"), recording)
    run_protocol = ("run-protocol", world.protocol_dir, *corpus[1:], "--ubm", ubm, "-o")
    for arguments in (
        ("train-ubm", listed, *corpus[1:], "-o", listed),
        ("train-ubm", *corpus, "-o", store),
        ("train-ubm", *corpus, "-o", recording),
        (*run_protocol, ubm),
        (*run_protocol, store),
        (*run_protocol, world.protocol_dir / "eval_trials.tsv"),
        (*run_protocol, world.protocol_dir / "dev_trials.tsv"),
        ("evaluate", scores, "--report", page),
        ("evaluate", scores, "--report", scores),
        ("evaluate", scores, "--report", ubm),
    ):
        target = arguments[-1]
        before = target.read_bytes()
        assert str(target) in refused(*arguments)
        assert target.read_bytes() == before
    capsys.readouterr()
    again = ("train-ubm", *corpus, "--components", 4, "--augment", "none", "-o", ubm)
    assert run_command([str(argument) for argument in again]) == 0, "a model may replace a model"
    lists = tmp_path / "lists"
    shutil.copytree(world.protocol_dir, lists)
    (lists / "scores.tsv").touch()  # as mktemp leaves it
    beside = ("run-protocol", lists, *corpus[1:], "--ubm", world.ubm, "-o", lists / "scores.tsv")
    for _ in range(2):  # scores beside the lists may replace older scores
        assert run_command([str(argument) for argument in beside]) == 0


def test_a_flood_of_warnings_is_cut_short(tmp_path, world, capsys):
    corpus = tmp_path / "corpus"
    (corpus / "ana").mkdir(parents=True)
    shutil.copy(world.test("e001"), corpus / "ana" / "good.wav")
    for number in range(20):
        (corpus / "ana" / f"bad{number}.wav").write_text("no audio")
    capsys.readouterr()
    arguments = (
        "train-ubm",
        corpus,
        "--components",
        2,
        "--augment",
        "none",
        "-o",
        tmp_path / "ubm",
    )
    assert run_command([str(argument) for argument in arguments]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum("bad" in line for line in lines) == 5
    assert "warning: 15 more warnings of the same kinds" in lines


def test_a_protocol_without_its_data_names_the_option(tmp_path, world, refused):
    shutil.copytree(world.protocol_dir, tmp_path / "lists")
    line = refused(
        "run-protocol", tmp_path / "lists", "--ubm", world.ubm, "-o", tmp_path / "scores.tsv"
    )
    assert "--data" in line
    assert list(tmp_path.iterdir()) == [tmp_path / "lists"]


def test_shared_speakers_are_said_or_refused(tmp_path, world, refused, capsys):
    lists = tmp_path / "lists"
    shutil.copytree(world.protocol_dir, lists)
    with (lists / "background.tsv").open("a") as file:
        file.write(f"e001\t{world.enrolment('e001')[0]}\n")
    common = ("run-protocol", lists, "--data", world.folder / "corpus", "--ubm", world.ubm)
    assert "'e001'" in refused(*common, "-o", tmp_path / "s.tsv", "--strict")
    capsys.readouterr()
    assert run_command([str(a) for a in (*common, "-o", tmp_path / "s.tsv")]) == 0
    assert "warning: " in capsys.readouterr().err


def test_an_unknown_protocol_offers_the_known(world, tmp_path, refused):
    for name in ("nope", "../protocols/synthetic"):
        line = refused(
            "demo", "--data", world.folder / "corpus", "--protocol", name, "-o", tmp_path / "out"
        )
        assert "there are synthetic" in line


def test_the_demo_replaces_no_store_but_its_own(store, world, refused):
    before = store.read_bytes()
    data = ("--data", world.folder / "corpus", "--protocol", "synthetic")
    assert str(store.parent) in refused("demo", "--output", store.parent, *data)
    assert str(store) in refused("demo", "--output", store, *data)
    assert store.read_bytes() == before
