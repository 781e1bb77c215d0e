"""Each command on its main path, run as a user runs it."""

import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from speakergmm.features import extract_features
from speakergmm.metrics import equal_error_rate, read_scores
from speakergmm.speakers import BackgroundModel, SpeakerStore

COMMANDS = (
    "validate",
    "train-ubm",
    "enroll",
    "verify",
    "identify",
    "speakers",
    "remove",
    "run-protocol",
    "evaluate",
    "info",
    "demo",
)


@pytest.fixture
def store(tmp_path, world, speakergmm):
    path = tmp_path / "voices.db"
    for speaker in ("e001", "e002"):
        done = speakergmm("enroll", path, speaker, *world.enrolment(speaker), "--ubm", world.ubm)
        assert done.code == 0, done.err
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command, speakergmm):
    done = speakergmm(command, "--help")
    assert done.code == 0
    assert re.search(rf"Examples?:\s.*speakergmm {command}", done.out, re.DOTALL)


def test_version_and_bare_command(speakergmm_process):
    assert re.fullmatch(r"speakergmm \d+\.\d+\.\d+\S*\n", speakergmm_process("--version").out)
    assert "train-ubm" in speakergmm_process().out


def test_start_up_imports_nothing_heavy():
    heavy = {"numpy", "scipy", "matplotlib", "joblib", "soundfile", "soxr", "jinja2", "rich.table"}
    code = "import sys, speakergmm.cli.app; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "typer" in modules
    assert heavy.isdisjoint(modules)


@pytest.mark.slow
def test_train_info_round_trip(world, speakergmm):
    info = speakergmm("info", world.ubm, "--json").json
    model = BackgroundModel.load(world.ubm)
    assert info["digest"] == model.digest
    assert info["features"] == model.features.to_dict()
    assert speakergmm("info", world.ubm).out.count("\n") > 20


@pytest.mark.slow
def test_a_store_is_described_in_ten_lines(store, world, speakergmm):
    said = speakergmm("info", store).out
    assert said.count("\n") <= 10
    document = speakergmm("info", store, "--json").json
    for part in (
        f"{document['n_speakers']}, {document['n_sessions']} recordings",
        document["background"]["digest"][:12],
        document["last_enrolled"],
        "relevance factor 3",
        f"format version {document['format_version']}",
    ):
        assert part in said


@pytest.mark.slow
def test_thresholds_are_spoken_of_once(tmp_path, world, speakergmm):
    path = tmp_path / "new.db"
    first, second = world.enrolment("e001")
    done = speakergmm("enroll", path, "e001", first, "--ubm", world.ubm)
    assert "until it is calibrated" in done.err
    for command in (("enroll", path, "e001", second),):
        done = speakergmm(*command)
        assert (done.code, done.err) == (0, "")
    for command in (
        ("verify", path, "e001", second, "--threshold", -1000),
        ("identify", path, second, "--threshold", -1000),
    ):
        done = speakergmm(*command)
        assert done.code == 0
        assert done.err.count("not calibrated") == 1


@pytest.mark.slow
def test_training_is_reproducible_and_independent_of_jobs(tmp_path, world, speakergmm):
    corpus = world.protocol_dir / "background.tsv"
    digests = []
    for jobs, seed in ((1, 0), (2, 0), (1, 1)):
        out = tmp_path / f"{jobs}-{seed}.safetensors"
        done = speakergmm(
            "train-ubm", corpus, "--data", world.folder / "corpus", "--components", 8,
            "--augment", "none", "--output", out, "--jobs", jobs, "--seed", seed, "--json",
        )  # fmt: skip
        digests.append(done.json["digest"])
    assert digests[0] == digests[1] != digests[2]
    assert digests[0] == BackgroundModel.load(world.ubm).digest


@pytest.mark.slow
def test_enrolling_later_equals_enrolling_at_once(tmp_path, world, speakergmm, store):
    first, second = world.enrolment("e001")
    later = tmp_path / "later.db"
    assert speakergmm("enroll", later, "e001", first, "--ubm", world.ubm).code == 0
    added = speakergmm("enroll", later, "e001", second, "--json").json
    assert added["n_sessions"] == 2
    test = world.test("e001")
    scores = [speakergmm("verify", s, "e001", test, "--json").json["score"] for s in (later, store)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)


@pytest.mark.slow
def test_verify_says_yes_or_no_only_against_a_threshold(store, world, speakergmm):
    own, other = world.test("e001"), world.test("e002")
    bare = speakergmm("verify", store, "e001", own, "--json").json
    assert bare["decision"] is None
    assert bare["speech_seconds"] > 0.3
    stranger = speakergmm("verify", store, "e001", other, "--json").json
    assert stranger["score"] < bare["score"]
    middle = (stranger["score"] + bare["score"]) / 2
    for path, decision, word in ((own, True, "yes"), (other, False, "no")):
        arguments = ("verify", store, "e001", path, "--threshold", middle)
        assert speakergmm(*arguments, "--json").json["decision"] is decision
        assert f"  {word} (threshold" in speakergmm(*arguments).out
    assert "yes" not in speakergmm("verify", store, "e001", own).out


@pytest.mark.slow
def test_the_best_five_components_are_close_to_all(store, world, speakergmm):
    own = world.test("e001")
    exact = speakergmm("verify", store, "e001", own, "--json").json["score"]
    fast = speakergmm("verify", store, "e001", own, "--top-c", 5, "--json").json["score"]
    assert fast == pytest.approx(exact, abs=0.02)
    assert fast != exact
    short = ("identify", store, own, "--top-c", 5, "--top", 1, "--shortlist", 1, "--json")
    (best,) = speakergmm(*short).json["ranking"]
    none = {"llr": None, "posterior": None}
    assert best == {"speaker": "e001", "score": pytest.approx(exact, abs=1e-6), **none}


@pytest.mark.slow
def test_identify_ranks_and_can_answer_unknown(store, world, speakergmm):
    for speaker in ("e001", "e002"):
        found = speakergmm("identify", store, world.test(speaker), "--top", 1, "--json").json
        assert [entry["speaker"] for entry in found["ranking"]] == [speaker]
    test = world.test("e001")
    high = speakergmm("identify", store, test, "--threshold", 1000, "--json")
    assert (high.code, high.json["unknown"]) == (1, True)
    assert "answer: unknown" in speakergmm("identify", store, test, "--threshold", 1000).out
    assert "answer: e001" in speakergmm("identify", store, test, "--threshold", -1000).out


@pytest.mark.slow
def test_speakers_and_remove(store, speakergmm):
    assert [s["name"] for s in speakergmm("speakers", store, "--json").json] == ["e001", "e002"]
    assert speakergmm("remove", store, "e001").code == 0
    assert [s["name"] for s in speakergmm("speakers", store, "--json").json] == ["e002"]
    assert "e001" not in speakergmm("speakers", store).out


@pytest.mark.slow
def test_speakers_are_listed_by_pages(speakergmm, store):
    page = speakergmm("speakers", store, "--limit", 1)
    assert "e001" in page.out
    assert "e002" not in page.out
    assert "1 of 2 speakers" in page.out
    page = speakergmm("speakers", store, "--limit", 1, "--after", "e001", "--json")
    assert [each["name"] for each in page.json] == ["e002"]
    assert speakergmm("speakers", store, "--limit", 0).code == 2


@pytest.mark.slow
def test_names_are_no_markup(tmp_path, world, speakergmm):
    path = tmp_path / "voices.db"
    name = "[red]ana[bold]"
    assert speakergmm("enroll", path, name, *world.enrolment("e001"), "--ubm", world.ubm).code == 0
    assert name in speakergmm("speakers", path).out
    with SpeakerStore.open(path) as opened:
        assert opened.speakers()[0].name == name


@pytest.mark.slow
def test_a_protocol_keeps_its_statistics(tmp_path, world, speakergmm):
    common = ("run-protocol", world.protocol_dir, "--data", world.folder / "corpus")
    common += ("--ubm", world.ubm, "--backend", "linear", "--json", "-o")
    archive = tmp_path / "archive"
    assert speakergmm(*common, tmp_path / "a.tsv").code == 0
    for name in ("b.tsv", "c.tsv"):
        assert speakergmm(*common, tmp_path / name, "--statistics", archive).code == 0
    audio, first, second = (read_scores(tmp_path / f"{name}.tsv").scores for name in "abc")
    np.testing.assert_allclose(first, audio, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(second, first)
    assert speakergmm("info", archive, "--json").json["kind"] == "statistics archive"
    refused = speakergmm(*common, tmp_path / "d.tsv", "--statistics", world.ubm)
    assert refused.code == 2
    assert "exists and is not a statistics archive" in refused.err
    assert not (tmp_path / "d.tsv").exists()


@pytest.mark.slow
def test_protocol_scores_and_report(tmp_path, world, speakergmm):
    scores, report = tmp_path / "scores.tsv", tmp_path / "report.html"
    done = speakergmm(
        "run-protocol", world.protocol_dir, "--data", world.folder / "corpus",
        "--ubm", world.ubm, "--output", scores, "--json",
    )  # fmt: skip
    n_trials = len(world.protocol.split("eval").trials)
    assert done.json["n_trials"] == n_trials == 18
    assert scores.read_text().splitlines()[0] == "model\tpath\tscore\tlabel"
    evaluated = speakergmm("evaluate", scores, "--report", report, "--json").json
    read = read_scores(scores)
    target = read.labels == read.labels[0]
    assert target.sum() == 6
    eer = equal_error_rate(read.scores[target], read.scores[~target])
    assert math.isclose(evaluated["metrics"]["eer_linear"]["value"], eer.value, abs_tol=1e-12)
    text = report.read_text()
    assert "<svg" in text
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=[\"']https?:", text)
    assert "EER" in speakergmm("evaluate", scores, "--bootstrap", 0).out
    narrow = speakergmm("evaluate", scores, "--bootstrap", 2, "--confidence", 0.5).out
    assert "50 % interval" in narrow


@pytest.mark.slow
def test_dev_split_and_scores_of_the_best_components(tmp_path, world, speakergmm):
    common = ("run-protocol", world.protocol_dir, "--data", world.folder / "corpus")
    for name, extra in (("fast", ("--top-c", 5)), ("exact", ())):
        done = speakergmm(
            *common, "--ubm", world.ubm, "--split", "dev", "-o", tmp_path / name, *extra
        )
        assert done.code == 0, done.err
    fast, exact = (read_scores(tmp_path / name).scores for name in ("fast", "exact"))
    np.testing.assert_allclose(fast, exact, atol=0.02)
    assert not np.array_equal(fast, exact)


@pytest.mark.slow
def test_validate_lists_every_problem(tmp_path, world, speakergmm):
    corpus = tmp_path / "corpus"
    for speaker in ("e001", "e002"):
        (corpus / speaker).mkdir(parents=True)
        for path in world.enrolment(speaker):
            shutil.copy(path, corpus / speaker)
    assert speakergmm("validate", corpus).code == 0
    (corpus / "e001" / "text.wav").write_text("this is no audio\n")
    (corpus / "e002" / "empty.wav").touch()
    done = speakergmm("validate", corpus, "--json")
    assert done.code == 1
    assert {"text.wav", "empty.wav"} <= {
        problem["path"].rsplit("/", 1)[-1] for problem in done.json["problems"]
    }
    assert speakergmm("validate", corpus).code == 1


@pytest.mark.slow
def test_demo_on_a_small_protocol(tmp_path, world, speakergmm):
    done = speakergmm(
        "demo", "--data", world.folder / "corpus", "--protocol", "synthetic",
        "--output", tmp_path / "out", "--components", 8, "--jobs", 1,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "closed-set identification by maximum likelihood" in done.out
    for name in ("report.html", "scores.tsv", "ubm.safetensors", "voices.db"):
        assert (tmp_path / "out" / name).stat().st_size > 1000
    again = speakergmm(
        "demo", "--data", world.folder / "corpus", "--protocol", "synthetic",
        "--output", tmp_path / "out", "--components", 8, "--jobs", 1, "--json",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert again.json["evaluation"]["counts"]["trials"] == 18
    assert again.json["verified"][0]["identified_as"] == again.json["verified"][0]["speaker"]


def test_any_stream_can_take_any_name(tmp_path, world, speakergmm_process):
    path = tmp_path / "voices.db"
    name = "Zo\u00eb \u738b"
    assert (
        speakergmm_process("enroll", path, name, *world.enrolment("e001"), "--ubm", world.ubm).code
        == 0
    )
    narrow = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    assert (
        json.loads(speakergmm_process("speakers", path, "--json", **narrow).out)[0]["name"] == name
    )
    done = speakergmm_process("speakers", path, **narrow)
    assert done.code == 0
    assert "Zo\\xeb" in done.out


@pytest.mark.slow
def test_scores_carry_their_settings_into_the_report(tmp_path, world, speakergmm):
    scores, report = tmp_path / "scores.tsv", tmp_path / "report.html"
    done = speakergmm(
        "run-protocol", world.protocol_dir, "--data", world.folder / "corpus",
        "--ubm", world.ubm, "--relevance", "7.5", "--output", scores,
    )  # fmt: skip
    assert done.code == 0, done.err
    digest = BackgroundModel.load(world.ubm).digest
    assert speakergmm("evaluate", scores, "--report", report).code == 0
    text = report.read_text()
    assert digest in text
    assert "7.5" in text
    with scores.open("a") as file:  # other scores: the settings are not theirs
        file.write("e001\tmore.wav\t1.0\tnontarget\n")
    assert speakergmm("evaluate", scores, "--report", report).code == 0
    assert digest not in report.read_text()


def test_scores_go_to_a_pipe_too(world, speakergmm_process):
    done = speakergmm_process(
        "run-protocol", world.protocol_dir, "--data", world.folder / "corpus",
        "--ubm", world.ubm, "--output", "/dev/stdout",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.startswith("model\tpath\tscore\tlabel\n")


@pytest.mark.slow
def test_a_file_name_that_is_no_utf8(tmp_path, world, speakergmm):
    odd = os.fsencode(tmp_path) + b"/\xff\xfe.wav"
    with contextlib.suppress(OSError), open(odd, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(world.enrolment("e001")[0].read_bytes())
    if not os.path.exists(odd):  # noqa: PTH110
        pytest.skip("this file system takes no such name")
    path = tmp_path / "voices.db"
    done = speakergmm("enroll", path, "ana", os.fsdecode(odd), "--ubm", world.ubm, "--json")
    assert done.code == 0, done.err
    assert done.json["recordings"][0]["file_name"] == "\\xff\\xfe.wav"
    assert speakergmm("verify", path, "ana", os.fsdecode(odd)).code == 0
    corpus = tmp_path / "corpus"
    (corpus / "ana").mkdir(parents=True)
    shutil.copy(world.enrolment("e001")[1], corpus / "ana" / "good.wav")
    os.rename(odd, os.fsencode(corpus) + b"/ana/\xff.wav")  # noqa: PTH104
    done = speakergmm(
        "train-ubm", corpus, "--components", 2, "--augment", "none", "-o", tmp_path / "ubm"
    )
    assert done.code == 0, done.err
    assert "skipped" in done.err


@pytest.fixture(params=["400k", "160k", "90k"])
def small_disk(tmp_path, request):
    """A small disk of its own."""
    if not shutil.which("mount") or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={request.param}", "tmpfs", disk]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_line(small_disk, world, speakergmm):
    wav = world.enrolment("e001")[0]
    store = small_disk / "voices.db"
    first = speakergmm("enroll", store, "ana", wav, "--ubm", world.ubm)
    if first.code:  # no room even for this
        assert "the disk is full" in first.err
        assert list(small_disk.iterdir()) == []
        return
    assert [each["name"] for each in speakergmm("speakers", store, "--json").json] == ["ana"]
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb") as file:
        file.write(bytes(1 << 20))
    for arguments in (
        ("demo", "--output", small_disk / "demo"),
        ("enroll", small_disk / "new.db", "ana", wav, "--ubm", world.ubm),
        ("enroll", store, "bea", world.enrolment("e002")[0]),
    ):
        done = speakergmm(*arguments)
        assert done.code == 2, done
        assert "the disk is full" in done.err.splitlines()[-1]
        assert "Traceback" not in done.err
    assert not (small_disk / "new.db").exists()
    (small_disk / "filler").unlink()
    assert [each["name"] for each in speakergmm("speakers", store, "--json").json] == ["ana"]


@pytest.mark.slow
def test_a_background_model_is_trained_on_a_feature_store(tmp_path, world, speakergmm):
    corpus = world.protocol.background
    store = extract_features(corpus, tmp_path / "features")
    given = ("--components", 4, "--json")
    lists = (world.protocol_dir / "background.tsv", "--data-dir", world.folder / "corpus")
    found = speakergmm("train-ubm", store.path, "-o", tmp_path / "a", *given)
    expected = speakergmm("train-ubm", *lists, "-o", tmp_path / "b", "--augment", "none", *given)
    assert (found.code, expected.code) == (0, 0), found.err + expected.err
    assert found.json["digest"] == expected.json["digest"]
    assert found.json["provenance"]["corpus"] == str(store.path)
    wrong = speakergmm("train-ubm", store.path, "-o", tmp_path / "c", "--features", "kaldi")
    assert wrong.code == 2
    assert "they differ in:" in wrong.err
    wrong = speakergmm("train-ubm", store.path, "-o", tmp_path / "c", "--data-dir", tmp_path)
    assert wrong.code == 2
    assert "is a feature store" in wrong.err


@pytest.mark.slow
def test_features_of_recordings_are_read_from_a_store(tmp_path, world, speakergmm):
    split = world.protocol.split("eval")
    store = extract_features(sorted(set(split.paths())), tmp_path / "features")
    lists = (world.protocol_dir, "--data-dir", world.folder / "corpus", "--ubm", world.ubm)
    given = ("--feature-store", store.path)
    for more, output in (((), "a.tsv"), (given, "b.tsv")):
        done = speakergmm("run-protocol", *lists, "-o", tmp_path / output, *more)
        assert done.code == 0, done.err
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()
    voices, test = tmp_path / "voices.db", world.test("e001")
    enrol = ("enroll", voices, "e001", *world.enrolment("e001"), "--ubm", world.ubm, *given)
    assert speakergmm(*enrol, "--jobs", 2).code == 0
    plain = (*enrol[:1], tmp_path / "plain.db", *enrol[2:])
    assert speakergmm(*plain).code == 0
    with SpeakerStore.open(voices) as one, SpeakerStore.open(tmp_path / "plain.db") as other:
        means = [store.model("e001").mixture.means.tobytes() for store in (one, other)]
    assert means[0] == means[1]
    for command in (("verify", voices, "e001", test), ("identify", voices, test)):
        found, expected = (speakergmm(*command, "--json", *more) for more in (given, ()))
        assert found.json == expected.json
    kaldi = extract_features([test], tmp_path / "kaldi", features="kaldi")
    refused = speakergmm("verify", voices, "e001", test, "--feature-store", kaldi.path)
    assert refused.code == 2
    assert "they differ in:" in refused.err
