"""Make scores.tsv and golden.json from independent programs; see PROVENANCE.md.

Usage: python tests/references/metrics/make_golden.py

Needs llreval, lir and scikit-learn; nothing of speakergmm is used.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PRIORS = (0.01, 0.05, 0.5, 0.9)
# Breaks ties between models the same way for everyone.
NUDGE = 1e-6


def draw(rng, *, n_speakers=10, n_tests=6):
    """Draw every test against every model; one decimal, so that classes share scores."""
    voice = np.repeat(np.arange(n_speakers), n_tests)
    scores = rng.normal(size=(len(voice), n_speakers)) + rng.normal(0, 0.5, n_speakers)
    scores[np.arange(len(voice)), voice] += 2.0
    return voice, np.round(scores, 1)


def crossing(fpr, tpr):
    """Follow the polygon until misses and false alarms are equal."""
    gap = 1 - tpr - fpr
    after = int(np.flatnonzero(gap <= 0)[0])
    part = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(fpr[after - 1] + part * (fpr[after] - fpr[after - 1]))


def main():
    # Here, not above: pytest imports this file for its doctests, and lir is no test dependency.
    from lir.algorithms.isotonic_regression import IsotonicCalibrator
    from lir.data.models import LLRData
    from lir.metrics import cllr, cllr_min
    from lir.plotting.expected_calibration_error import calculate_ece
    from llreval.pav_rocch import PAV, ROCCH
    from sklearn.metrics import roc_curve, top_k_accuracy_score

    voice, scores = draw(np.random.default_rng(20240501))
    labels = (voice[:, None] == np.arange(scores.shape[1])).astype(int)
    with (HERE / "scores.tsv").open("w", encoding="utf-8", newline="\n") as stream:
        print("model", "path", "score", "label", sep="\t", file=stream)
        for test, row in enumerate(scores.tolist()):
            for model, score in enumerate(row):
                label = "target" if labels[test, model] else "nontarget"
                print(f"m{model}", f"t{test:02d}.wav", score, label, sep="\t", file=stream)
    flat, truth = scores.ravel(), labels.ravel()
    pav = PAV(flat, truth)
    hull = ROCCH(pav)
    # Infinite ratios at both ends; scikit-learn takes finite scores only.
    calibrated = np.clip(IsotonicCalibrator().fit(flat, truth).transform(flat), -99, 99)
    # LiR's LLRs are to base 10.
    llrs = LLRData(features=flat[:, None] / np.log(10), labels=truth)
    golden = {
        "cllr": {"lir": float(cllr(llrs))},
        "min_cllr": {"lir": float(cllr_min(llrs))},
        "cross_entropy": {
            str(p): float(calculate_ece(np.exp(flat), truth, np.array([p]))[0]) for p in PRIORS
        },
        "eer_linear": {
            "scikit-learn": crossing(*roc_curve(truth, flat, drop_intermediate=False)[:2])
        },
        "eer_rocch": {
            "llreval": float(hull.EER()),
            "lir": crossing(*roc_curve(truth, calibrated, drop_intermediate=False)[:2]),
        },
        "min_dcf": {
            str(p): float(hull.Bayes_error_rate(np.log(p / (1 - p)))) / min(p, 1 - p)
            for p in PRIORS
        },
        "identification_top1_nudged": float(
            top_k_accuracy_score(voice, scores + NUDGE * np.arange(10), k=1)
        ),
        "versions": {name: version(name) for name in ("llreval", "lir", "scikit-learn", "numpy")},
    }
    text = json.dumps(golden, indent=2) + "\n"
    (HERE / "golden.json").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
