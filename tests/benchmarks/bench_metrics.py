"""Time the metrics against the bare sort of the same scores, and the other work of this room.

Usage: python tests/benchmarks/bench_metrics.py [--scores 10000000] [--rounds 3] [--report]
       python tests/benchmarks/bench_metrics.py --coverage [--runs 200]

"--coverage" prints instead how often nominal 95 % intervals hold the true error rate, on scores
with Gaussian effects of speakers.
"""

import argparse
import statistics
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from speakergmm.metrics import (
    BayesErrors,
    EmpiricalCrossEntropy,
    PavCalibration,
    Scores,
    SortedTrials,
    bootstrap_intervals,
    cllr,
    evaluate,
    read_scores,
    write_scores,
)
from speakergmm.reports import write_report

LOG_ODDS = np.linspace(-7, 7, 101)


def seconds(function, *arguments):
    start = time.process_time()
    function(*arguments)
    return time.process_time() - start


def all_figures(target, nontarget):
    trials = SortedTrials(target, nontarget)
    calibration = PavCalibration.of(trials)
    cllr(target, nontarget)
    BayesErrors.of(trials, calibration, LOG_ODDS)
    EmpiricalCrossEntropy.of(trials, calibration, LOG_ODDS)
    trials.equal_error_rate()
    trials.equal_error_rate(method="rocch")
    for p_target in (0.01, 0.05):
        trials.min_dcf(p_target=p_target)
    return trials


def crossed(n_speakers, n_tests, rng):
    names = np.array([f"s{speaker:04d}" for speaker in range(n_speakers)], dtype=object)
    voice = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    tests = np.array([f"{each}.flac" for each in range(n_speakers * n_tests)], dtype=object)
    own = voice == model
    return Scores(
        names[model],
        tests[np.repeat(np.arange(n_speakers * n_tests), n_speakers)],
        rng.normal(np.where(own, 2.5, 0.0)),
        np.where(own, "target", "nontarget"),
    )


def detection(n_scores, rounds, rng):
    print(
        f"EER (both), minDCF (two priors), DET curve, Cllr, minCllr, Bayes error and cross-entropy "
        f"at {len(LOG_ODDS)} priors of {n_scores:,} scores, CPU seconds"
    )
    print(
        f"{'targets':>8} {'ties':>5} {'bare sort':>10} {'all':>7} {'ratio':>6} {'peak/input':>11}"
    )
    for share in (0.01, 0.1, 0.5):
        for tied in (False, True):
            n_target = int(n_scores * share)
            target = rng.normal(2, 1, n_target)
            nontarget = rng.normal(0, 1, n_scores - n_target)
            if tied:
                target, nontarget = np.round(target, 3), np.round(nontarget, 3)
            pooled = np.concatenate([target, nontarget])
            times = [
                (seconds(np.sort, pooled), seconds(all_figures, target, nontarget))
                for _ in range(rounds)
            ]
            tracemalloc.start()
            all_figures(target, nontarget)
            peak = tracemalloc.get_traced_memory()[1] / pooled.nbytes
            tracemalloc.stop()
            bare, ours = (statistics.median(column) for column in zip(*times, strict=True))
            print(
                f"{share:>8.0%} {'yes' if tied else 'no':>5} {bare:>10.2f} {ours:>7.2f} "
                f"{ours / bare:>6.2f} {peak:>11.2f}"
            )


def the_rest(rounds, rng):
    small = crossed(12, 60, rng)
    spent = statistics.median(
        seconds(lambda: bootstrap_intervals(small, n_bootstrap=1000)) for _ in range(rounds)
    )
    print(f"bootstrap, 1,000 replicates of {len(small):,} trials: {spent:.2f} s")
    large = crossed(100, 100, rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.tsv"
        writing = seconds(lambda: write_scores(path, large))
        reading = seconds(lambda: read_scores(path))
        parse = seconds(lambda: [line.split("\t") for line in path.open(encoding="utf-8")])
        print(
            f"{len(large):,} lines: written in {writing:.2f} s, read in {reading:.2f} s, "
            f"{reading / parse:.1f} x the bare splitting of the lines"
        )


def report(n_scores, rng):
    scores = crossed(1000, max(1, n_scores // 1_000_000), rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        start = time.process_time()
        evaluation = evaluate(scores, n_bootstrap=0)
        middle = time.process_time()
        write_report(path, evaluation, scores)
        print(
            f"{len(scores):,} trials: evaluate without intervals {middle - start:.1f} s, report "
            f"{time.process_time() - middle:.1f} s, {path.stat().st_size / 1e3:.0f} kB"
        )


def with_speaker_effects(n_speakers, n_tests, rng, shift=2.5):
    """Scores of every model on every recording; model, test speaker and pair each add an effect.

    The target trials of a speaker share its effects as a model and as a test speaker.
    """
    as_model, as_test = 0.5 * rng.normal(size=(2, n_speakers))
    pair = 0.3 * rng.normal(size=(n_speakers, n_speakers))
    test = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    values = as_model[model] + as_test[test] + pair[model, test] + rng.normal(size=len(model))
    own = model == test
    names = np.array([f"s{speaker:04d}" for speaker in range(n_speakers)], dtype=object)
    recordings = np.array([f"{each}.flac" for each in range(n_speakers * n_tests)], dtype=object)
    return Scores(
        names[model],
        recordings[np.repeat(np.arange(n_speakers * n_tests), n_speakers)],
        values + shift * own,
        np.where(own, "target", "nontarget"),
    )


def trial_interval(scores, rng, n_bootstrap=300):
    """The interval that resampling gives if trials are taken as independent."""
    found = []
    for _ in range(n_bootstrap):
        target = rng.choice(scores.target, len(scores.target))
        nontarget = rng.choice(scores.nontarget, len(scores.nontarget))
        found.append(SortedTrials(target, nontarget).equal_error_rate().value)
    return np.quantile(found, [0.025, 0.975])


def coverage(runs, rng, n_tests=10, shift=2.5):
    # Both kinds of score are Gaussian of the same variance: the true EER is at their middle.
    true = statistics.NormalDist().cdf(-shift / 2 / np.sqrt(0.5**2 + 0.5**2 + 0.3**2 + 1))
    print(f"nominal 95 %, {runs} runs of {n_tests} tests a speaker, true EER {true:.1%}")
    print(f"{'':>8} {'speakers only':>15} {'two-level':>15}")
    print(f"{'speakers':>8} {'linear':>7} {'hull':>7} {'linear':>7} {'hull':>7} {'trials':>7}")
    for n_speakers in (20, 40):
        held = np.zeros(5)
        for run in range(runs):
            scores = with_speaker_effects(n_speakers, n_tests, rng, shift)
            ends = []
            for levels in ("speakers", "two-level"):
                intervals = bootstrap_intervals(
                    scores, n_bootstrap=300, p_target=(), seed=run, resampling=levels
                )
                ends += [(intervals[n].low, intervals[n].high) for n in ("eer_linear", "eer_rocch")]
            ends.append(trial_interval(scores, rng, n_bootstrap=200))
            held += [low <= true <= high for low, high in ends]
        print(f"{n_speakers:>8} " + " ".join(f"{each:>7.1%}" for each in held / runs), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--report", action="store_true", help="also a report of so many trials")
    parser.add_argument("--coverage", action="store_true", help="coverage of intervals instead")
    parser.add_argument("--runs", type=int, default=200, help="simulations, with --coverage")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with threadpool_limits(1):
        if options.coverage:
            coverage(options.runs, rng)
            return
        detection(options.scores, options.rounds, rng)
        the_rest(options.rounds, rng)
        if options.report:
            report(options.scores, rng)


if __name__ == "__main__":
    main()
