"""``train-backend`` writes a system that takes the place of the background model in commands."""

import pytest

from speakergmm.metrics import read_scores
from speakergmm.speakers import SpeakerSystem

SETTINGS = {
    "ivector": ("--dimension", 3, "--discriminants", 2, "--max-iter", 2),
    "isv": ("--dimension", 2, "--max-iter", 1),
    "jfa": ("--speaker-dimension", 2, "--session-dimension", 1, "--max-iter", 1),
    "svm": ("--nuisances", 1, "--cost", 2),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory, world, speakergmm):
    """The systems, all of them of one pass over the audio."""
    folder = tmp_path_factory.mktemp("trained")
    listed = world.protocol_dir / "background.tsv", "--data-dir", world.folder / "corpus"
    statistics = "--statistics", folder / "kept.statistics"
    answers = {}
    for name, settings in SETTINGS.items():
        answers[name] = speakergmm(
            "train-backend", *listed, "--ubm", world.ubm, "--backend", name, *settings,
            *statistics, "-o", folder / name,
        )  # fmt: skip
    return folder, answers


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_a_system_is_trained_described_and_used(name, trained, world, speakergmm, tmp_path):
    folder, answers = trained
    assert answers[name].code == 0, answers[name].err
    assert f"back-end {name} (" in answers[name].out
    assert "12 sessions of 4 speakers" in " ".join(answers[name].out.split())
    assert SpeakerSystem.load(folder / name).backend_name == name
    shown = speakergmm("info", folder / name, "--json")
    assert shown.json["trained"]["provenance"]["speakers"] == 4
    assert speakergmm("info", folder / name).code == 0
    store = tmp_path / "voices.db"
    for speaker in ("e001", "e002"):
        wavs = world.enrolment(speaker)
        done = speakergmm("enroll", store, speaker, *wavs, "--ubm", folder / name)
        assert done.code == 0, done.err
    verified = speakergmm("verify", store, "e001", world.test("e001"), "--json")
    assert verified.code == 0, verified.err
    done = speakergmm(
        "run-protocol", world.protocol_dir, "--data-dir", world.folder / "corpus",
        "--ubm", folder / name, "--backend", name, "-o", tmp_path / "scores.tsv",
    )  # fmt: skip
    assert done.code == 0, done.err
    scores = read_scores(tmp_path / "scores.tsv")
    of_pair = (scores.models == "e001") & [
        str(path).endswith(world.test("e001").name) for path in scores.paths
    ]
    (score,) = scores.scores[of_pair]
    assert verified.json["score"] == pytest.approx(score, rel=1e-3, abs=1e-3)


def test_a_back_end_that_is_not_trained_says_what_to_run(world, speakergmm, tmp_path):
    done = speakergmm(
        "run-protocol", world.protocol_dir, "--data-dir", world.folder / "corpus",
        "--ubm", world.ubm, "--backend", "isv", "-o", tmp_path / "scores.tsv",
    )  # fmt: skip
    assert done.code == 2
    assert "speakergmm train-backend CORPUS --ubm UBM --backend isv" in done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "more", "words"),
    [
        ("isv", ("--cost", 2), "--cost: is no option of back-end 'isv'; leave it out"),
        ("ivector", ("--dimension", 40), "40 factors need more sessions than factors, found 12"),
        ("jfa", ("--speaker-dimension", 4), "need more speakers than factors, found 4"),
        ("ivector", ("--max-iter", 0), "--max-iter"),
    ],
)
def test_what_cannot_be_trained_is_refused(name, more, words, trained, world, speakergmm, tmp_path):
    folder, _ = trained
    listed = world.protocol_dir / "background.tsv", "--data-dir", world.folder / "corpus"
    done = speakergmm(
        "train-backend", *listed, "--ubm", world.ubm, "--backend", name, *more,
        "--statistics", folder / "kept.statistics", "-o", tmp_path / "system",
    )  # fmt: skip
    assert done.code == 2
    assert words in done.err
    assert not list(tmp_path.iterdir())
