"""``evaluate`` by condition and with a threshold from dev scores, and ``compare-systems``."""

import numpy as np
import pytest

from speakergmm.metrics import Scores, write_scores


def drawn(seed, *, n_tests, prefix, n_speakers=12):
    """Every test against every model; women are harder than men."""
    rng = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    test = np.repeat(np.arange(n_speakers * n_tests), n_speakers)
    own, woman = speaker == model, speaker % 2 == 1
    return Scores(
        [f"{prefix}{each}" for each in model],
        [f"{prefix}/{each}.wav" for each in test],
        rng.normal(np.where(own, 3.0, 0.0) - 1.8 * own * woman),
        np.where(own, "target", "nontarget"),
        {"sex": np.where(woman, "female", "male"), "session": (test % n_tests).astype(str)},
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    write_scores(folder / "dev.tsv", drawn(1, n_tests=10, prefix="d"))
    write_scores(folder / "eval.tsv", drawn(2, n_tests=4, prefix="e"))
    return folder / "dev.tsv", folder / "eval.tsv"


QUICK = ("--bootstrap", 20)


def test_a_dev_threshold_is_judged_on_eval_and_by_condition(files, speakergmm):
    dev, scores = files
    done = speakergmm(
        "evaluate", scores, "--dev", dev, "--target-far", 0.05, "--group-by", "sex",
        "--group-by", "session", "--llr", *QUICK,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "most misses: sex = female, " in done.out
    assert "where sex = female: " in done.out
    assert "too few trials" in done.out
    assert "chosen on dev for 5 % false alarms" in done.out
    assert "Cllr" in done.out
    assert max(map(len, done.out.splitlines()[1:])) <= 180
    found = speakergmm(
        "evaluate", scores, "--group-by", "sex", "--threshold", 2, "--json", *QUICK
    ).json
    assert found["conditions"]["sex"]["worst"][0]["group"] == "female"
    assert found["metrics"]["false_alarm_rate"]["threshold"] == 2
    assert "cllr" not in found["metrics"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--dev", "eval", "--target-far", 0.05), "share 12 models with the scores"),
        (("--dev", "dev", "--target-far", 0.001), "the rule of 30 needs 30000"),
        (("--dev", "dev"), "--dev and --target-far go together"),
        (("--dev", "dev", "--target-far", 0.05, "--threshold", 1), "exclude each other"),
        (("--group-by", "device"), "no condition 'device'; conditions are sex, session"),
    ],
)
def test_evaluate_refuses(files, speakergmm, arguments, message):
    names = {"dev": files[0], "eval": files[1]}
    done = speakergmm("evaluate", files[1], *(names.get(each, each) for each in arguments))
    assert done.code == 2
    assert message in done.err
    assert done.err.count("\n") == 1


def test_force_is_advised_only_where_it_helps(files, speakergmm, tmp_path):
    dev, scores = files
    lines = dev.read_text().splitlines(keepends=True)
    one_kind = tmp_path / "one.tsv"
    one_kind.write_text("".join(line for line in lines if "\ttarget" not in line))
    chosen = ("evaluate", scores, "--target-far", 0.001, "--dev")
    assert "--force goes on" in speakergmm(*chosen, dev).err
    for path, target_far in ((one_kind, 0.1), (one_kind, 0.001)):
        done = speakergmm("evaluate", scores, "--dev", path, "--target-far", target_far, "--force")
        assert (done.code, done.err.count("\n")) == (2, 1), done
        assert "--force" not in done.err
    assert (
        "--force" not in speakergmm("evaluate", scores, "--dev", one_kind, "--target-far", 0.1).err
    )


def test_forced(files, speakergmm):
    same = ("--dev", files[1], "--target-far", 0.001, "--force")
    assert speakergmm("evaluate", files[1], *same, *QUICK).code == 0


def test_compare_systems(files, speakergmm):
    done = speakergmm("compare-systems", files[1], files[1], *QUICK)
    assert "B - A" in done.out
    found = speakergmm("compare-systems", files[1], files[1], "--json", *QUICK).json
    equal = found["metrics"]["eer_linear"]
    assert (equal["p_value"], equal["ratio"], equal["ratio_interval"]) == (1, 1, [1, 1])
    fixed = ("--threshold", 1, "--json", *QUICK)
    found = speakergmm("compare-systems", files[1], files[1], *fixed).json
    assert found["metrics"]["miss_rate"]["difference"] == 0
    done = speakergmm("compare-systems", *files, *QUICK)
    assert done.code == 2
    assert "two systems are to have the same trials" in done.err
