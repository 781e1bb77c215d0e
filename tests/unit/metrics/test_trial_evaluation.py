"""The evaluation reports the right values under the right names."""

import json
import math

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    Scores,
    bootstrap_intervals,
    bootstrap_replicates,
    equal_error_rate,
    evaluate,
    identification_from_trials,
    min_dcf,
)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(1)
    models, paths, values, labels = [], [], [], []
    for speaker in range(9):
        for test in range(4):
            for model in range(9):
                models.append(f"s{model}")
                paths.append(f"s{speaker}/{test}.wav")
                values.append(rng.normal(0.8 if model == speaker else 0))
                labels.append("target" if model == speaker else "nontarget")
    return Scores(models, paths, values, labels)


def test_figures_are_those_of_the_functions(scores):
    result = evaluate(scores, p_target=(0.01, 0.2), c_miss=10, n_bootstrap=40, seed=5)
    found = identification_from_trials(scores)
    pair = scores.target, scores.nontarget
    assert [measure.name for measure in result.metrics] == [
        "eer_linear",
        "eer_rocch",
        "min_dcf_0.01",
        "min_dcf_0.2",
        "identification_top1",
        "identification_top5",
    ]
    assert result["eer_linear"].point == equal_error_rate(*pair)
    assert result["eer_rocch"].point == equal_error_rate(*pair, method="rocch")
    assert result["min_dcf_0.2"].point == min_dcf(*pair, p_target=0.2, c_miss=10)
    assert result["identification_top1"].value == found.accuracy()
    assert result["identification_top5"].value == found.accuracy(top_k=5)
    assert 0 < result["identification_top1"].value < result["identification_top5"].value < 1
    intervals = bootstrap_intervals(
        scores, identification=found, p_target=(0.01, 0.2), c_miss=10, n_bootstrap=40, seed=5
    )
    assert {measure.name: measure.interval for measure in result.metrics} == intervals
    for measure in result.metrics:
        assert measure.interval.low <= measure.value <= measure.interval.high
    assert (result.n_trials, result.n_target, result.n_nontarget) == (324, 36, 288)
    assert (result.n_models, result.n_paths, result.n_speakers) == (9, 36, 9)
    shown = repr(result)
    assert shown.startswith("Evaluation(324 trials, eer_linear=")
    assert len(shown) < 250


def test_json_is_strict_and_says_where_thresholds_come_from(scores):
    useless = Scores(["a", "b"], ["x", "x"], [1.0, math.inf], ["target", "nontarget"])
    for each in (scores, useless):
        result = evaluate(each, n_bootstrap=20)
        text = json.dumps(result.to_dict(curve=True), allow_nan=False)
        assert json.loads(text)["thresholds"].startswith("chosen on these very trials")
    assert json.loads(text)["metrics"]["min_dcf_0.01"]["threshold"] is None
    assert json.loads(text)["metrics"]["eer_linear"]["interval"] is None
    whole = evaluate(scores, n_bootstrap=20).to_dict()
    assert whole["metrics"]["eer_linear"]["convention"] == "EER by linear interpolation"
    assert whole["counts"]["speakers"] == 9
    assert "det" not in whole
    assert sum(each["count"] for each in whole["identification"]["confusions"]) == round(
        36 * (1 - whole["metrics"]["identification_top1"]["value"])
    )


def test_without_bootstrap_there_are_no_intervals(scores):
    result = evaluate(scores, n_bootstrap=0)
    assert {measure.interval for measure in result.metrics} == {None}
    assert result["eer_linear"].format_interval() == ""


def test_without_identification_there_is_no_accuracy():
    result = evaluate(
        Scores(["a", "b"], ["x", "y"], [1.0, 0.0], ["target", "nontarget"]), n_bootstrap=0
    )
    assert result.identification is None
    assert [measure.name for measure in result.metrics][-1] == "min_dcf_0.05"
    assert result.to_dict()["identification"] is None


def test_people_read_percent_and_costs(scores):
    result = evaluate(scores, n_bootstrap=30)
    eer, cost = result["eer_linear"], result["min_dcf_0.01"]
    assert eer.format_value() == f"{100 * eer.value:.2f} %"
    assert cost.format_value() == f"{cost.value:.4f}"
    low, high = eer.interval.low, eer.interval.high
    assert eer.format_interval() == f"{100 * low:.2f} to {100 * high:.2f} %"


def test_without_replicates_the_metrics_have_their_names(scores):
    replicates = bootstrap_replicates(scores, n_bootstrap=0)
    assert {values.shape for values in replicates.values()} == {(0,)}
    assert set(replicates) == set(bootstrap_replicates(scores, n_bootstrap=2))


def test_refusals(scores):
    with pytest.raises(InvalidInputError, match="1 of 2 trials have no label"):
        evaluate(Scores(["a", "b"], ["x", "x"], [1.0, 2.0], ["target", None]))
    with pytest.raises(InvalidInputError, match="no nontarget scores"):
        evaluate(Scores(["a"], ["x"], [1.0], ["target"]))
    with pytest.raises(InvalidInputError, match=r"top_k must .* found 0"):
        evaluate(scores, top_k=(0,))
    with pytest.raises(KeyError, match="no metric 'eer'; there are eer_linear, eer_rocch"):
        evaluate(scores, n_bootstrap=0)["eer"]


def test_trials_listed_twice_are_refused():
    scores = Scores(
        ["a", "b", "a", "b", "b"],
        ["x", "x", "y", "y", "x"],
        [1.0, 0.0, 0.0, 1.0, 0.0],
        ["target", "nontarget", "nontarget", "target", "nontarget"],
    )
    with pytest.raises(InvalidInputError, match=r"trial 5 \(model 'b', path 'x'\)"):
        evaluate(scores, n_bootstrap=0)
