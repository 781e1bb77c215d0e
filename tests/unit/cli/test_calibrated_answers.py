"""Calibrated answers on the command line: what is printed, exit codes, and refusals."""

import shutil

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.corpora import make_synthetic_corpus
from speakergmm.metrics import read_scores
from speakergmm.speakers import (
    BackgroundModel,
    CalibrationTrials,
    SpeakerStore,
    SpeakerSystem,
    fit_calibration,
)


@pytest.fixture(scope="session")
def calibration():
    rng = np.random.default_rng(3)
    names = np.array([f"d{n}" for n in range(8)], object)
    models, tests = np.repeat(names, 160), np.tile(names, 160)
    scores = rng.normal(np.where(models == tests, 4.0, -4.0), 3.0)
    return fit_calibration(CalibrationTrials(scores, models == tests, models, tests))


@pytest.fixture(scope="session")
def system(tmp_path_factory, world, calibration):
    path = tmp_path_factory.mktemp("system") / "system.safetensors"
    SpeakerSystem(BackgroundModel.load(world.ubm)).replace(calibration=calibration).save(path)
    return path


@pytest.fixture(scope="session")
def filled(tmp_path_factory, world, system):
    path = tmp_path_factory.mktemp("filled") / "voices.db"
    with SpeakerStore.create(path, system) as store:
        for speaker in ("e001", "e002"):
            store.enroll(speaker, world.enrolment(speaker))
    return path


@pytest.fixture
def store(tmp_path, filled):
    return shutil.copy(filled, tmp_path / "voices.db")


@pytest.mark.slow
def test_exit_codes_are_those_of_grep(tmp_path, store, world, speakergmm):
    own, other = world.test("e001"), world.test("e002")
    verify = ("verify", store, "e001")
    for arguments, code in (
        ((own,), 0),
        ((other,), 0),
        ((own, "--target-far", 0.05), 0),
        ((other, "--target-far", 0.05), 1),
        ((own, "--target-far", 0.0001), 2),
        ((own, own, "--each", "--target-far", 0.05), 0),
        ((own, other, "--each", "--target-far", 0.05), 1),
        ((other, "--prior", 0.5), 1),
        ((own, "--threshold", 0), 0),
    ):
        done = speakergmm(*verify, *arguments)
        assert done.code == code, (arguments, done.err)
    for arguments, code in (
        ((own,), 0),
        ((own, "--prior", 0.5), 0),
        ((own, "--threshold", 1000), 1),
        ((own, "--target-far", 0.0001), 2),
    ):
        done = speakergmm("identify", store, *arguments)
        assert done.code == code, (arguments, done.err)


def test_a_recording_that_is_refused_stops_no_other(tmp_path, store, world, speakergmm):
    own, silent = world.test("e001"), tmp_path / "silent.wav"
    write_audio(silent, np.zeros(16_000, np.float32), 16_000)
    arguments = ("verify", store, "e001", silent, own, "--each", "--target-far", 0.05)
    done = speakergmm(*arguments)
    assert done.code == 2
    assert done.err.startswith(f"speakergmm: {silent}: no speech")
    assert f"{own}: yes (threshold" in done.out
    refused, answered = speakergmm(*arguments, "--json").json
    assert "no speech" in refused["refused"]
    assert answered["decision"] is True
    # Together they are one recording, which is refused as a whole.
    done = speakergmm("verify", store, "e001", silent, own)
    assert (done.code, done.out) == (2, "")


def test_a_decision_names_its_error_rates_and_their_trials(store, world, speakergmm, calibration):
    done = speakergmm("verify", store, "e001", world.test("e001"), "--target-far", 0.05)
    promise = calibration.promise(target_far=0.05)
    said = done.out.splitlines()
    assert said[0].startswith("LLR +")
    assert said[1] == f"yes (threshold {promise.threshold:+.2f})"
    assert f"false accepts {100 * promise.p_fa:.2g} % (expected " in said[2]
    assert f"misses {100 * promise.p_miss:.2g} % (expected " in said[2]
    assert said[3] == "measured on 160 target trials and 1,120 nontarget trials of 8 speakers"
    assert all(len(line) <= 100 for line in said)
    # Rates are those of all decisions, and are said once.
    both = (world.test("e001"), world.test("e002"), "--each", "--target-far", 0.05)
    many = speakergmm("verify", store, "e001", *both).out.splitlines()
    assert [line.count("measured on") for line in many] == [0, 0, 0, 0, 0, 1]
    assert many[4:] == said[2:]
    document = speakergmm("verify", store, "e001", world.test("e001"), "--prior", 0.5, "--json")
    assert document.json["expected"]["n_nontarget"] == 1120
    found = speakergmm("identify", store, world.test("e001"), "--target-far", 0.1).out
    assert "a stranger is taken for any of the 2 up to 2 times as often" in found
    assert "answer: e001" in found
    found = speakergmm("identify", store, world.test("e001"), "--threshold", 1000)
    assert "answer: unknown" in found.out
    assert "calibrated on 160 target trials" in speakergmm("info", store).out


def test_the_worst_group_is_named_with_each_decision(tmp_path, store, world, speakergmm):
    rng = np.random.default_rng(3)
    names = np.array([f"d{n}" for n in range(8)], object)
    models, tests = np.repeat(names, 160), np.tile(names, 160)
    calls = np.arange(1280) % 16 < 8
    scores = rng.normal(np.where(models == tests, 4.0, -4.0 + 4 * calls), 1.0)
    columns = {"device": np.where(calls, "telephone", "headset")}
    calibration = fit_calibration(
        CalibrationTrials(scores, models == tests, models, tests, {}, columns)
    )
    with SpeakerStore(store) as opened:
        opened.set_system(opened.system.replace(calibration=calibration))
    promise = calibration.promise(target_far=0.05)
    [worst] = promise.worst
    line = f"most false accepts: device = telephone, {worst.in_words()}"
    assert worst.rate == pytest.approx(2 * promise.p_fa, rel=0.02)
    for command in ("verify", store, "e001"), ("identify", store):
        rate = ("--target-far", 0.05 if command[0] == "verify" else 0.1)
        said = speakergmm(*command, world.test("e001"), *rate).out
        assert [each.startswith(line) for each in said.splitlines()].count(True) == 1
        assert line in said
    found = speakergmm("verify", store, "e001", world.test("e001"), *rate, "--json").json
    assert found["expected"]["worst"][0]["group"] == "telephone"


def test_protocols_are_scored_by_ratios(tmp_path, world, system, speakergmm):
    lists = ("run-protocol", world.protocol_dir, "--data", world.folder / "corpus")
    out = tmp_path / "llrs.tsv"
    done = speakergmm(*lists, "--ubm", system, "--llr", "-o", out)
    assert (done.code, done.out) == (0, f"{out}: 18 log-likelihood ratios of the eval trials\n")
    scores = tmp_path / "scores.tsv"
    assert speakergmm(*lists, "--ubm", system, "-o", scores).code == 0
    made = SpeakerSystem.load(system).calibration
    np.testing.assert_allclose(
        read_scores(out).scores, made.llr(read_scores(scores).scores), atol=1e-4
    )
    settings = (tmp_path / "llrs.tsv.json").read_text()
    assert '"scores are": "log-likelihood ratios"' in settings
    assert made.digest in settings
    assert "Cllr" in speakergmm("evaluate", out, "--llr").out
    done = speakergmm(*lists, "--ubm", world.ubm, "--llr", "-o", tmp_path / "none.tsv")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "need a calibrated system" in done.err
    assert not (tmp_path / "none.tsv").exists()


@pytest.mark.slow
def test_calibrate_prints_what_it_can_promise_and_what_not(tmp_path, world, store, speakergmm):
    protocol, data = world.protocol_dir, world.folder / "corpus"
    before = (tmp_path / "voices.db").read_bytes()
    done = speakergmm("calibrate", store, "--lists", protocol, "--data-dir", data)
    assert done.code == 2  # two speakers are too few
    assert "speakers" in done.err
    assert (tmp_path / "voices.db").read_bytes() == before
    pooled = tmp_path / "dev_trials.tsv"
    rows, models = ["model\tpath\tlabel"], ["model\tpath"]
    spoken = {}
    for utterance in world.protocol.background:
        spoken.setdefault(utterance.speaker, []).append(utterance.path)
    for model, (first, *_) in spoken.items():
        models.append(f"{model}\t{first}")
        for speaker, (_, *tests) in spoken.items():
            label = "target" if speaker == model else "nontarget"
            rows += [f"{model}\t{test}\t{label}" for test in tests]
    pooled.write_text("\n".join(rows) + "\n")
    (tmp_path / "dev_enroll.tsv").write_text("\n".join(models) + "\n")
    done = speakergmm("calibrate", store, "--trials", pooled)
    assert done.code == 0, done.err
    assert "calibrated on 8 target trials and 24 nontarget trials of 4 speakers" in done.out
    assert "it saw: channel distance " in done.out
    assert "--target-far 0.01: refused: a false-accept rate of 1 % needs 3,000" in done.out
    document = speakergmm("calibrate", store, "--trials", pooled, "--scores-alone", "--json").json
    assert document["measures"] == {}
    assert all("needs" in each["refused"] for each in document["promises"])
    # A system replaces a system, and no file of another kind.
    system, other = tmp_path / "system", tmp_path / "ubm"
    other.write_bytes(world.ubm.read_bytes())
    given = ("calibrate", world.ubm, "--trials", pooled, "--scores-alone", "--output")
    first, again, wrong = (speakergmm(*given, output) for output in (system, system, other))
    assert (first.code, again.code, wrong.code) == (0, 0, 2), again.err
    assert "exists and is not a speaker system" in wrong.err
    for name, text in (
        ("unknown file", rows[1].replace(".wav", ".wave")),
        ("unknown model", f"nobody\t{world.test('e001')}\ttarget"),
    ):
        pooled.write_text("\n".join([*rows, text]) + "\n")
        before = (tmp_path / "voices.db").read_bytes()
        done = speakergmm("calibrate", store, "--trials", pooled, "--scores-alone", "--strict")
        said = done.err.splitlines()
        assert (done.code, len(said)) == (2, 1), (name, done)
        assert (tmp_path / "voices.db").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target-far", 1), "--target-far must be"),
        (("--target-far", "nan"), "--target-far must be"),
        (("--prior", 0.5, "--threshold", 1), "prior must be left out where threshold is given"),
        (("--prior", 0.5, "--c-fa", 0), "--c-fa must be"),
        (("--c-miss", 10), "c_miss must be left out unless prior is given"),
        (("--target-far", 0.1, "--c-fa", 10), "c_fa must be left out unless prior is given"),
    ],
)
def test_decisions_that_cannot_be_made_are_one_line(store, world, speakergmm, arguments, message):
    for command in (("verify", store, "e001"), ("identify", store)):
        done = speakergmm(*command, world.test("e001"), *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
        assert message in done.err


def test_without_audio_nothing_can_be_measured(tmp_path, world, speakergmm):
    """Features of a store, whose recordings are gone, have no measures."""
    corpus = tmp_path / "corpus"
    shutil.copytree(world.folder / "corpus", corpus)
    lists = ("run-protocol", corpus / "protocols" / "synthetic", "--data", corpus)
    feats = tmp_path / "feats"
    ubm = ("--ubm", world.ubm)
    made = speakergmm("extract", corpus / "synthetic", "-o", feats)
    assert made.code == 0, made.err
    for wav in corpus.rglob("*.wav"):
        wav.unlink()
    out = tmp_path / "scores.tsv"
    done = speakergmm(*lists, *ubm, "--feature-store", feats, "--measures", "-o", out)
    assert done.code == 2, done
    assert "none of its 12 eval recordings exists" in done.err
    assert "Traceback" not in done.err
    assert not out.exists()


@pytest.mark.slow
def test_the_demonstration_decides(tmp_path, speakergmm):
    make_synthetic_corpus(
        tmp_path / "corpus",
        n_background=3,
        n_dev=5,
        n_eval=2,
        n_background_utterances=2,
        n_enrolment_utterances=1,
        n_trial_utterances=1,
    )
    done = speakergmm(
        "demo", "--data", tmp_path / "corpus", "--protocol", "synthetic",
        "--output", tmp_path / "out", "--components", 4, "--jobs", 1,
    )  # fmt: skip
    assert done.code == 0, done.err
    on_dev = "calibration on dev: 5 target trials and 20 nontarget trials of 5 speakers, each test "
    assert f"{on_dev}in 6 conditions" in done.out
    assert "--target-far 0.05\nrefused: a false-accept rate of 5 % needs 600 nontarget" in done.out
    assert "minCllr" in done.out
    assert SpeakerStore(tmp_path / "out" / "voices.db").system.calibration is not None


def test_only_a_new_store_without_calibration_says_so(tmp_path, system, world, speakergmm):
    for number, (model, noted) in enumerate(((system, False), (world.ubm, True))):
        enrolment = world.enrolment("e001")[:1]
        done = speakergmm("enroll", tmp_path / f"{number}.db", "e001", *enrolment, "--ubm", model)
        assert done.code == 0
        assert ("until it is calibrated" in done.err) is noted
