"""Boundary errors against counts by hand and NumPy's quantiles."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    BoundaryErrors,
    TimedLabel,
    boundaries_by_class,
    boundary_errors,
    summarise_boundaries,
)


def labels(*ends_and_names, start=0.0):
    """(end, label) pairs to labels that follow each other."""
    result = []
    for end, name in ends_and_names:
        result.append(TimedLabel(start, end, name))
        start = end
    return result


def made(errors, utterances=None):
    errors = np.asarray(errors, dtype=float)
    n = len(errors)
    return BoundaryErrors(errors, ("a",) * n, ("b",) * n, tuple(utterances or ["u"] * n))


def test_each_boundary_counts_once():
    truth = {"u": labels((0.1, "sil"), (0.2, "a"), (0.3, "b"), (0.5, "sil"))}
    found = {"u": labels((0.12, "SIL"), (0.19, "a"), (0.3, "b"), (0.5, "SIL"))}
    result = boundary_errors(truth, found)
    np.testing.assert_allclose(result.errors, [0.02, -0.01, 0.0], atol=1e-12)
    assert result.left == ("SIL", "a", "b")
    assert result.right == ("a", "b", "SIL")


@pytest.mark.parametrize("swapped", [False, True])
def test_silence_on_one_side_only_counts_both_ends(swapped):
    plain = {"u": labels((0.1, "sil"), (0.2, "a"), (0.3, "b"), (0.5, "sil"))}
    paused = {"u": labels((0.1, "sil"), (0.18, "a"), (0.24, "sil"), (0.3, "b"), (0.5, "sil"))}
    truth, found = (paused, plain) if swapped else (plain, paused)
    sign = -1 if swapped else 1
    result = boundary_errors(truth, found)
    np.testing.assert_allclose(result.errors, sign * np.array([0, -0.02, 0.04, 0]), atol=1e-12)


def test_outer_edges_count_only_where_somebody_hears_silence():
    tight = {"u": labels((0.2, "a"), (0.5, "b"))}
    loose = {"u": labels((0.05, "sil"), (0.2, "a"), (0.5, "b"))}
    assert len(boundary_errors(tight, tight)) == 1
    np.testing.assert_allclose(boundary_errors(tight, loose).errors, [0.05, 0.0], atol=1e-12)
    np.testing.assert_allclose(boundary_errors(loose, tight).errors, [-0.05, 0.0], atol=1e-12)


def test_an_alignment_of_silence_alone_has_no_boundaries():
    assert len(boundary_errors({"u": labels((1.0, "sil"))}, {"u": labels((1.0, "SIL"))})) == 0


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"u": labels((0.1, "a"), (0.2, "c"))}, "label 2 is 'c'.* 'b'"),
        ({"u": labels((0.1, "a"))}, "1 labels .* 2;"),
        ({"v": labels((0.1, "a"))}, "no utterance 'v'"),
    ],
)
def test_other_labels_are_refused(found, message):
    with pytest.raises(InvalidInputError, match=message):
        boundary_errors({"u": labels((0.1, "a"), (0.2, "b"))}, found)


def test_figures_are_those_of_numpy():
    rng = np.random.default_rng(0)
    errors = rng.normal(0.002, 0.015, 501).round(4)
    figures = summarise_boundaries(made(errors), n_bootstrap=0)
    expected = {
        "median_absolute": np.quantile(abs(errors), 0.5, method="inverted_cdf"),
        "p90_absolute": np.quantile(abs(errors), 0.9, method="inverted_cdf"),
        "mean_absolute": abs(errors).mean(),
        "mean_signed": errors.mean(),
        "median_signed": np.median(errors),
        "within_0.01": np.mean(abs(errors) <= 0.01),
        "within_0.02": np.mean(abs(errors) <= 0.02),
        "within_0.05": np.mean(abs(errors) <= 0.05),
    }
    assert {name: figure.value for name, figure in figures.items()} == pytest.approx(
        expected, abs=1e-12
    )
    assert all(figure.interval is None for figure in figures.values())


def test_an_error_of_ten_milliseconds_lies_within_ten():
    errors = [0.3 - 0.29, 0.29 - 0.3]  # 0.010000000000000009 and its negative
    assert summarise_boundaries(made(errors))["within_0.01"].value == 1.0


def test_intervals_resample_whole_clusters():
    # Ten speakers, each with one error for all boundaries of the speaker.
    speakers = np.repeat(np.arange(10), 30)
    utterances = [f"u{i}" for i in range(300)]
    found = made(0.001 * (1 + speakers), utterances)
    clusters = {f"u{i}": str(s) for i, s in enumerate(speakers)}
    by_speaker = summarise_boundaries(found, clusters=clusters, n_bootstrap=500)
    by_utterance = summarise_boundaries(found, n_bootstrap=500)
    widths = [
        figures["mean_absolute"].interval.high - figures["mean_absolute"].interval.low
        for figures in (by_speaker, by_utterance)
    ]
    # The standard error of the mean of 10 values, or of 300: deviations 2.87 ms.
    expected = [2 * 1.96 * 2.872e-3 / np.sqrt(n) for n in (10, 300)]
    np.testing.assert_allclose(widths, expected, rtol=0.15)
    again = summarise_boundaries(found, clusters=clusters, n_bootstrap=500)
    assert again == by_speaker


def test_one_cluster_has_no_interval():
    assert summarise_boundaries(made([0.01, 0.02]))["mean_absolute"].interval is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bootstrap": -1}, "n_bootstrap"),
        ({"confidence": 1.0}, "confidence"),
        ({"clusters": {}}, "belongs to no cluster"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        summarise_boundaries(made([0.01]), **options)


def test_no_boundaries_are_refused():
    with pytest.raises(InvalidInputError, match="no boundaries"):
        summarise_boundaries(made([]))


def test_grouped_by_class_nothing_is_lost():
    found = BoundaryErrors(
        np.array([0.1, 0.2, 0.3]), ("a", "t", "e"), ("t", "a", "t"), ("u", "u", "v")
    )
    groups = boundaries_by_class(found, {"a": "vowel", "e": "vowel"})
    assert list(groups) == [("vowel", "t"), ("t", "vowel")]
    assert groups[("vowel", "t")].errors.tolist() == [0.1, 0.3]
    assert groups[("vowel", "t")].utterances == ("u", "v")


def test_quantiles_of_resamples_are_of_their_own_boundaries():
    """Clusters of different sizes: resamples have different numbers of boundaries."""
    sizes = [2, 5, 40, 7, 11, 3]
    rng = np.random.default_rng(4)
    errors = np.concatenate([rng.normal(0, 0.01 * (1 + k), n) for k, n in enumerate(sizes)])
    member = np.repeat(np.arange(len(sizes)), sizes)
    utterances = [f"u{k}" for k in member]
    found = summarise_boundaries(made(errors, utterances), n_bootstrap=300, seed=2)
    drawn = np.random.default_rng(2).multinomial(6, np.full(6, 1 / 6), size=300)
    for name, share in (("median_absolute", 0.5), ("p90_absolute", 0.9)):
        expected = [
            np.quantile(np.repeat(np.abs(errors), row[member]), share, method="inverted_cdf")
            for row in drawn
        ]
        interval = found[name].interval
        limits = np.quantile(expected, [0.025, 0.975])
        assert [interval.low, interval.high] == pytest.approx(limits, abs=2e-9)
