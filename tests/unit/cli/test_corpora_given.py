"""Commands on corpora in the shapes that people have them, and what they say of the rest."""

import inspect
import json
import os

import numpy as np
import pytest
import soundfile

from speakergmm.cli import commands_by_name, run_command

pytestmark = pytest.mark.usefixtures("without_confidences")

RATE = 8000


@pytest.fixture
def command(capsys):
    """Run a command in this process; return its exit code, output and messages."""

    def command(*arguments):
        capsys.readouterr()
        code = run_command([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def record(tmp_path):
    def record(*names):
        for seed, name in enumerate(names):
            path = tmp_path / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # Loud in its middle only: steady noise is not speech.
            level = np.where(abs(np.arange(RATE) - RATE / 2) < RATE / 4, 0.1, 0.001)
            samples = level * np.random.default_rng(seed).standard_normal(RATE)
            soundfile.write(path, samples, RATE)
        return tmp_path / "corpus"

    return record


def parameters():
    """Options of each command, by the name of its Python parameter."""
    commands = commands_by_name()
    return {name: {p.name: p.opts for p in each.load().params} for name, each in commands.items()}


@pytest.mark.slow
def test_every_command_that_takes_a_corpus_takes_its_options():
    for name in ("validate", "train-ubm", "train-hmm", "train-words", "align", "decode"):
        taken = parameters()[name]
        assert taken["speaker_pattern"] == ["--speaker-pattern"], name
        assert taken["data_dir"] == ["--data-dir", "--data"], name
    assert "speaker_pattern" in parameters()["score-transcripts"]
    assert parameters()["run-protocol"]["data_dir"] == ["--data-dir", "--data"]


@pytest.mark.slow
def test_options_are_called_as_the_parameters_of_functions_are():
    from speakergmm.corpora import read_corpus, validate_corpus
    from speakergmm.hmm import DecodingOptions, TrainingSchedule
    from speakergmm.metrics import BootstrapOptions, EvaluationOptions
    from speakergmm.recognition import TrainingOptions
    from speakergmm.speakers import (
        AdaptationOptions,
        BackgroundModel,
        BackgroundOptions,
        ProtocolOptions,
        run_protocol,
    )

    alike = {
        "validate": [(read_corpus, ["data_dir", "speaker_pattern"]), (validate_corpus, ["engine"])],
        "train-ubm": [
            (BackgroundModel.train, ["engine"]),
            (BackgroundOptions, ["n_components", "seed", "features"]),
        ],
        "run-protocol": [
            (run_protocol, ["engine"]),
            (ProtocolOptions, ["split"]),
            (AdaptationOptions, ["relevance_factor"]),
        ],
        "evaluate": [(EvaluationOptions, ["p_target", "n_bootstrap", "confidence", "seed"])],
        "score-transcripts": [(BootstrapOptions, ["n_bootstrap", "confidence", "seed"])],
        "train-hmm": [(TrainingOptions, ["n_states", "unknown_words", "seed", "features"])],
        "train-words": [
            (TrainingOptions, ["n_states", "gaussians_per_state", "frequency_warps"]),
            (TrainingSchedule, ["max_iter"]),
        ],
        "decode": [(DecodingOptions, ["acoustic_scale", "beam", "max_active", "n_best"])],
    }
    for command_name, functions in alike.items():
        options = {option for names in parameters()[command_name].values() for option in names}
        for function, names in functions:
            assert set(names) <= set(inspect.signature(function).parameters)
            called = {"jobs" if name == "engine" else name for name in names}
            assert {f"--{name.replace('_', '-')}" for name in called} <= options


def test_training_and_validation_say_what_was_passed_over(command, record, tmp_path):
    where = record("ana/1.wav", "ana/2.wav", "bea/1.wav", "bea/2.wav")
    for name in ("ana/3.m4a", "ana/.4.wav", "bea/voice"):
        (where / name).touch()
    (where / "ana/all").symlink_to("..")
    expected = {
        "recordings in formats that cannot be read": 1,
        "hidden files and folders": 1,
        "files without a suffix": 1,
        "links back to the corpus folder": 1,
    }
    code, out, err = command("validate", where)
    assert code == 0
    assert "4 utterances, 2 named speakers: 0 errors, 4 warnings" in out
    for what in expected:
        assert f"{what} are skipped (1" in out
    model = tmp_path / "ubm.safetensors"
    for arguments in (
        ("validate", where),
        ("train-ubm", where, "--components", 1, "--augment", "none", "-o", model),
    ):
        code, out, err = command(*arguments, "--json")
        assert code == 0
        document = json.loads(out)
        assert {each["what"]: each["count"] for each in document["skipped_files"]} == expected
        assert [each["message"] for each in document["skipped_files"]] == document["notes"]
    for what in expected:
        assert f"warning: {what} are skipped (1" in err


def test_validation_goes_on_after_every_structural_problem(command, record, tmp_path):
    where = record("Ana/1.wav", "ana/1.wav", "bea/1.wav", "x\ty/1.wav", "stray.wav", "other.wav")
    (where / "bea/empty.wav").touch()
    code, out, _ = command(
        *("validate", where, "--check-transcripts", "--lexicon", tmp_path / "none.dict"),
        *("--lm", tmp_path / "none.arpa", "--model", tmp_path / "none.safetensors", "--json"),
    )
    assert code == 1
    errors = [p for p in json.loads(out)["problems"] if p["severity"] == "error"]
    told = " | ".join(p["message"] for p in errors)
    for reason in (
        "recording 'other.wav' lies beside the speaker folders (and 1 more)",
        "speaker folder 'ana' differs only in letter case",
        "'x\\ty' contains U+0009; only printable characters are allowed (1 recording)",
        "is empty (0 bytes)",
        "has no transcripts",
        "none.safetensors",
    ):
        assert reason in told
    assert {p["kind"] for p in errors} >= {"bad_lexicon", "bad_language_model", "bad_model"}


def test_validation_of_kaldi_directories_goes_on(command, record):
    where = record("1.wav", "2.wav")
    (where / "wav.scp").write_text("u1 1.wav\nu2 2.wav |\nu3 none.wav\n")
    code, out, _ = command("validate", where, "--json")
    assert code == 1
    told = " | ".join(p["message"] for p in json.loads(out)["problems"])
    for reason in ("needs both", "commands are never run", "no such file"):
        assert reason in told


FLAT = [f"{word}_{who}_{n}.wav" for word in ("no", "yes") for who in ("ana", "bea") for n in "01"]


def test_flat_folders_are_validated_and_trained_on_by_a_pattern(command, record, tmp_path):
    where = record(*FLAT)
    code, out, _ = command("validate", where, "--speaker-pattern", "*_{speaker}_*")
    assert (code, out) == (0, "8 utterances, 2 named speakers: 0 errors, 0 warnings\n")
    code, _, err = command("validate", where)
    assert code == 2
    assert "or give a speaker pattern, as in --speaker-pattern '{speaker}_*'" in err
    code, _, err = command("validate", where, "--speaker-pattern", "{speaker}-*")
    assert code == 2
    assert "finds no speaker in any of 8 names, such as 'no_ana_0.wav'" in err
    (where / "noise.wav").write_bytes((where / FLAT[0]).read_bytes())
    code, out, _ = command("validate", where, "--speaker-pattern", "*_{speaker}_*")
    assert code == 1
    assert "finds no speaker in this name" in out


@pytest.mark.slow
def test_words_of_flat_folders_need_word_folders_or_a_pattern(command, record, tmp_path):
    where, model = record(*FLAT), tmp_path / "words.safetensors"
    code, _, err = command("train-words", where, "-o", model)
    assert code == 2
    assert "neither word folders" in err
    assert "put each word's recordings into a folder of their own" in err
    assert "columns path and word" in err
    assert "--speaker-pattern '{word}_{speaker}_*'" in err
    assert "speaker folders" not in err
    pattern = ("--speaker-pattern", "{word}_{speaker}_*")
    code, out, _ = command(
        *("train-words", where, *pattern, "-o", model),
        *("--iterations", 1, "--states", 2, "--gaussians-per-state", 1, "--json"),
    )
    document = json.loads(out)
    assert (code, document["words"]) == (0, ["no", "yes"])
    assert document["provenance"]["n_speakers"] == 2
    # A recording may be called as none that can be read; its content counts.
    (tmp_path / "one.m4a").write_bytes((where / FLAT[0]).read_bytes())
    (tmp_path / "two.m4a").write_bytes(b"no audio")
    align = ("--text", "no", "--output", tmp_path / "aligned")
    assert command("align", model, tmp_path / "one.m4a", *align)[0] == 0
    code, _, err = command("align", model, tmp_path / "two.m4a", *align)
    assert code == 2
    assert "two.m4a: " in err
    assert "corpus" not in err.splitlines()[-1].replace(str(tmp_path), "")
    # What is wrong with one recording costs that one.
    (tmp_path / "list.csv").write_text(f"path,speaker\n{FLAT[0]},ana\n{FLAT[1]},\n")
    decode = ("decode", model, tmp_path / "list.csv", "--data", where, "--isolated", "--json")
    code, out, err = command(*decode)
    assert code == 0
    assert "not recognised: " in err
    assert "list.csv:3: the speaker is empty" in err
    document = json.loads(out)
    assert [each["utterance"] for each in document["utterances"]] == [FLAT[0]]
    assert [each["line"] for each in document["faults"]] == [3]
    assert command(*decode, "--strict")[0] == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="this user may read everything")
def test_validation_goes_on_after_a_closed_folder(command, record):
    where = record("ana/1.wav", "bea/1.wav")
    (where / "bea").chmod(0)
    try:
        code, out, _ = command("validate", where)
        assert code == 1
        assert "cannot be read: Permission denied" in out
        assert "1 utterance, 1 named speaker" in out
    finally:
        (where / "bea").chmod(0o700)


def test_protocols_say_what_is_not_read(command, record, tmp_path, world):
    where = record("ana/1.wav", "ana/2.wav")
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "eval_enroll.tsv").write_text("model\tpath\tchannel\nana\tana/1.wav\t1\n")
    (lists / "eval_trials.tsv").write_text("model\tpath\nana\tana/2.wav\n")
    code, _, err = command(
        *("run-protocol", lists, "--data-dir", where, "--ubm", world.ubm),
        *("-o", tmp_path / "scores.tsv"),
    )
    assert code == 0
    assert "warning: " in err
    assert "column 'channel' is not read" in err


def test_speakers_of_transcripts_come_from_a_pattern(command, tmp_path):
    for name, said in (("ref", "YES"), ("hyp", "NO")):
        lines = [f"{who}-{n} {said}\n" for who in ("ana", "bea") for n in "12"]
        (tmp_path / name).write_text("".join(lines))
    arguments = ("score-transcripts", tmp_path / "ref", tmp_path / "hyp", "--json")
    _, out, _ = command(*arguments)
    assert json.loads(out)["resampled"] == "utterances"
    _, out, _ = command(*arguments, "--speaker-pattern", "{speaker}-*")
    assert json.loads(out)["resampled"] == "speakers"


def test_librispeech_is_validated_with_its_text(command, record, tmp_path):
    names = ("84-1-0000", "84-1-0001", "174-2-0000")
    paths = [f"{name.split('-')[0]}/{name.split('-')[1]}/{name}.flac" for name in names]
    where = record(*paths)
    (where / "84/1/84-1.trans.txt").write_text("84-1-0000 YES\n84-1-0001 NO\n84-1-0002 GONE\n")
    (where / "174/2/174-2.trans.txt").write_text("")
    (tmp_path / "words.dict").write_text("YES Y EH S\nNO N OW\n")
    code, out, _ = command(
        "validate", where, "--check-transcripts", "--lexicon", tmp_path / "words.dict", "--json"
    )
    document = json.loads(out)
    assert (code, document["n_speakers"], document["n_utterances"]) == (1, 2, 3)
    found = {(p["severity"], p["kind"]): p for p in document["problems"]}
    assert found["error", "no_text"]["utterance"] == "174/2/174-2-0000.flac"
    assert "84-1.trans.txt:3" in found["warning", "skipped"]["message"]
    assert document["n_errors"] == sum(
        p["kind"] in ("no_text", "no_speech") for p in document["problems"]
    )


def test_texts_say_what_was_passed_over(command, record, tmp_path):
    where = record("ana/1.wav")
    for name, said in (("1.txt", "yes\n"), ("2.txt", "no\n")):
        (where / "ana" / name).write_text(said)
    (where / "ana/3.m4a").touch()
    code, _, err = command("train-lm", where, "--output", tmp_path / "lm.arpa")
    assert code == 0
    assert "warning: transcripts without a recording (1): " in err
    assert "(1: 1 .m4a): 'ana/3.m4a'" in err


def test_transcripts_of_no_recording_are_counted(command, record, tmp_path):
    where = record("1.wav")
    (where / "wav.scp").write_text("u1 1.wav\n")
    (where / "utt2spk").write_text("u1 ana\n")
    (where / "text").write_text("u1 YES\nu2 NO\nu3 NO\n")
    (tmp_path / "words.dict").write_text("YES Y EH S\nNO N OW\n")
    _, _, err = command(
        *("train-hmm", where, "--lexicon", tmp_path / "words.dict", "--iterations", 1),
        *("-o", tmp_path / "am.safetensors"),
    )
    assert "2 transcripts without a recording in the corpus, such as 'u2'" in err
