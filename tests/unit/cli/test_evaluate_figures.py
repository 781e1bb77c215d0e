"""``evaluate``: plots as files, and scores that are log-likelihood ratios."""

import re

import numpy as np
import pytest

from speakergmm.metrics import Scores, read_scores, write_scores


@pytest.fixture(scope="module")
def llrs(tmp_path_factory):
    rng = np.random.default_rng(0)
    test, model = np.repeat(np.arange(48), 6) // 8, np.tile(np.arange(6), 48)
    own = test == model
    values = 2 * (rng.normal(size=len(own)) + 2 * own) - 2
    labels = np.where(own, "target", "nontarget")
    path = tmp_path_factory.mktemp("llrs") / "llrs.tsv"
    sex = np.where(test % 2, "f", "m")
    paths = [f"wav/{number}.wav" for number in np.repeat(np.arange(48), 6)]
    write_scores(path, Scores(model, paths, values, labels, {"sex": sex}))
    return path


@pytest.mark.slow
def test_figures_are_those_of_the_report(speakergmm, llrs, tmp_path):
    report, folder = tmp_path / "report.html", tmp_path / "deep" / "figures"
    done = speakergmm(
        "evaluate", llrs, "--llr", "--bootstrap", 20, "--report", report, "--figures", folder
    )
    assert done.code == 0
    names = {"det", "scores", "tippett", "cross-entropy", "bayes-error", "reliability"}
    assert {path.name for path in folder.iterdir()} == {
        f"{name}{suffix}" for name in names for suffix in (".svg", ".pdf", ".png")
    }
    page = report.read_text(encoding="utf-8")
    assert page.count("<svg") == len(names)
    assert " bits, of which " in page
    assert "wav/" in page
    assert '<th scope="col">sex</th>' in page
    assert f"figures: {folder}" in done.out


@pytest.mark.slow
def test_groups_are_drawn_side_by_side_with_their_rates_at_the_threshold(
    speakergmm, llrs, tmp_path
):
    report, folder = tmp_path / "report.html", tmp_path / "figures"
    done = speakergmm(
        *("evaluate", llrs, "--bootstrap", 0, "--threshold", 0, "--group-by", "sex"),
        *("--report", report, "--figures", folder),
    )
    assert done.code == 0
    names = {"det", "scores", "det-by-sex", "scores-by-sex"}
    assert {path.stem for path in folder.iterdir()} == names
    assert report.read_text(encoding="utf-8").count("<svg") == len(names)
    scores = read_scores(llrs)
    rows = re.findall(r"^  ([fm]) .* ([\d.]+) % +([\d.]+) %$", done.out, re.MULTILINE)
    assert [name for name, *_ in rows] == ["f", "m"]
    for name, missed, accepted in rows:
        group = scores.select(scores.condition("sex") == name)
        assert float(missed) == pytest.approx(100 * np.mean(group.target < 0), abs=0.005)
        assert float(accepted) == pytest.approx(100 * np.mean(group.nontarget >= 0), abs=0.005)


@pytest.mark.slow
def test_comparisons_have_a_report_and_figures(speakergmm, llrs, tmp_path):
    report, folder = tmp_path / "comparison.html", tmp_path / "figures"
    done = speakergmm(
        *("compare-systems", llrs, llrs, "--llr", "--bootstrap", 20),
        *("--report", report, "--figures", folder),
    )
    assert done.code == 0
    assert {path.stem for path in folder.iterdir()} == {"det", "scores", "rates", "costs"}
    page = report.read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "A: llrs and B: llrs were compared on the same 288 trials" in page
    assert "do not show which makes fewer errors" in page
    assert f"report: {report}" in done.out
    again = speakergmm("compare-systems", llrs, llrs, "--report", llrs)
    assert again.code == 2


def test_a_folder_that_cannot_be_made_is_refused_before_the_work(speakergmm, llrs, tmp_path):
    file = tmp_path / "file"
    file.touch()
    done = speakergmm("evaluate", llrs, "--figures", file / "figures")
    assert done.code == 2
    assert "file" in done.err
    assert len(done.err.splitlines()) == 1


def test_nothing_remains_of_a_command_that_fails(speakergmm, tmp_path):
    scores = tmp_path / "scores.tsv"
    scores.write_text("model\tpath\tscore\tlabel\nann\ta.wav\tnan\ttarget\n")
    assert speakergmm("evaluate", scores, "--figures", tmp_path / "figures").code == 2
    assert not (tmp_path / "figures").exists()
