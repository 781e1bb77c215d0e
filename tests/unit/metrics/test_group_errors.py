"""The worst group is named where simulated speakers differ, and hardly ever where they do not."""

import numpy as np
import pytest
from scipy.stats import binomtest

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import DecidedTrials, GroupColumn, Scores, worst_groups


def drawn(rng, rates, *, n_speakers=8, n_tests=20, spread=0.5):
    """Everybody against everybody of the same sex: the sexes are falsely accepted at two rates.

    The log odds of each pair vary by an effect of the model and one of the test.
    """
    speakers = np.arange(n_speakers)
    woman = speakers % 2 == 1
    models, tests = (each.ravel() for each in np.meshgrid(speakers, np.repeat(speakers, n_tests)))
    same_sex = woman[models] == woman[tests]
    models, tests = models[same_sex], tests[same_sex]
    rate = np.where(woman[models], rates[1], rates[0])
    effects = rng.normal(0, spread, (2, n_speakers))
    odds = np.log(rate / (1 - rate)) + effects[0][models] + effects[1][tests]
    wrong = rng.random(len(models)) < 1 / (1 + np.exp(-odds))
    trials = DecidedTrials(wrong, models == tests, models, tests, np.ones(len(models)))
    return trials, GroupColumn.of("sex", np.where(woman[models], "f", "m"))


def test_a_group_that_is_falsely_accepted_more_often_is_named_with_its_rates():
    """One woman among twelve background speakers: women are accepted at 24 %, men at 0.6 %."""
    trials, sex = drawn(np.random.default_rng(0), (0.006, 0.24))
    found = {each.kind: each for each in worst_groups(trials, [sex])}["false accepts"]
    rows = ~trials.is_target & (sex.places == 0)
    assert (found.name, found.n_trials, found.n_speakers) == ("sex = f", rows.sum(), 4)
    assert found.rate == pytest.approx(trials.wrong[rows].mean())
    others = ~trials.is_target & (sex.places == 1)
    assert found.other_rate == pytest.approx(trials.wrong[others].mean())
    assert found.in_words().startswith(f"{100 * found.rate:.2g} % of {rows.sum()} nontarget trials")


@pytest.mark.parametrize(("n_speakers", "spread"), [(8, 0.5), (8, 1.0), (20, 0.5)])
def test_where_groups_do_not_differ_none_is_named(n_speakers, spread):
    rng, n_draws, n_named = np.random.default_rng(1), 100, 0
    for _ in range(n_draws):
        trials, sex = drawn(rng, (0.1, 0.1), n_speakers=n_speakers, spread=spread)
        kinds = [each.kind for each in worst_groups(trials, [sex])]
        n_named += "false accepts" in kinds
    # Nominally 5 % at most; more than this would be seen once in a thousand times.
    assert binomtest(n_named, n_draws, 0.05, alternative="greater").pvalue > 1e-3


def test_where_groups_differ_the_right_one_is_named():
    rng, n_draws = np.random.default_rng(2), 50
    named = [
        worst_groups(*each)
        for each in (
            (t, [c]) for t, c in (drawn(rng, (0.02, 0.25), n_speakers=16) for _ in range(n_draws))
        )
    ]
    right = [any(e.kind == "false accepts" and e.group == "f" for e in each) for each in named]
    assert np.mean(right) > 0.8


def test_a_group_of_one_speaker_says_nothing_of_others():
    trials, _ = drawn(np.random.default_rng(3), (0.1, 0.1))
    wrong = trials.wrong | (trials.models == 0)
    alone = GroupColumn.of("name", np.where(trials.models == 0, "ann", "others"))
    fields = trials.is_target, trials.models, trials.tests, trials.counts
    assert worst_groups(DecidedTrials(wrong, *fields), [alone]) == ()


def test_few_trials_and_missing_values_are_no_group():
    trials, sex = drawn(np.random.default_rng(0), (0.006, 0.24))
    none = GroupColumn.of("sex", np.where(sex.places == 0, "", "m"))
    assert worst_groups(trials, [none]) == ()
    some = np.flatnonzero(np.arange(len(trials.wrong)) % 60 == 1)
    few = DecidedTrials(*(getattr(trials, name)[some] for name in
                          ("wrong", "is_target", "models", "tests", "counts")))  # fmt: skip
    assert worst_groups(few, [GroupColumn("sex", sex.groups, sex.places[some])]) == ()


def test_trials_that_stand_for_several_count_as_often():
    """Counts are those of a list in which each trial is listed so often, in as many versions."""
    trials, sex = drawn(np.random.default_rng(0), (0.02, 0.24))
    names = "wrong", "is_target", "models", "tests", "counts"
    fields = [getattr(trials, name) for name in names]
    twice = DecidedTrials(*fields[:-1], 2 * trials.counts, n_versions=2)
    assert worst_groups(twice, [sex]) == worst_groups(trials, [sex])


def test_the_standard_deviation_is_that_of_a_loop_that_leaves_speakers_out():
    """The smallest difference that is named, from a loop over whole lists."""
    from scipy.stats import t

    trials, sex = drawn(np.random.default_rng(7), (0.05, 0.2), n_speakers=10, spread=1.0)
    group = sex.places == 0

    def difference(rows):
        rows = rows & ~trials.is_target
        odds = []
        for side in (rows & group, rows & ~group):
            errors = np.count_nonzero(trials.wrong[side])
            odds.append(np.log((errors + 0.5) / (side.sum() - errors + 0.5)))
        return odds[0] - odds[1]

    without = [
        difference((trials.models != speaker) & (trials.tests != speaker)) for speaker in range(10)
    ]
    deviation = np.sqrt(9 / 10 * np.sum((np.array(without) - np.mean(without)) ** 2))
    z = difference(np.ones(len(group), bool)) / deviation
    named = "false accepts" in [each.kind for each in worst_groups(trials, [sex])]
    assert named == (t.sf(z, 4) < 0.05 / 2)


def test_a_threshold_that_is_no_number_is_refused():
    scores = Scores(["a", "b"], ["x", "x"], [1.0, 0.0], ["target", "nontarget"])
    with pytest.raises(InvalidInputError, match="threshold must be a number, found nan"):
        DecidedTrials.of(scores, np.nan)
