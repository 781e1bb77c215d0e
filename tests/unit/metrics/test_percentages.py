"""Percentages in sentences: never in powers of ten, and never 100 % of what is less."""

import re

import numpy as np
import pytest

from speakergmm.metrics import WorstGroup, percentage


def test_any_rate_is_written_in_fixed_notation():
    for rate in np.concatenate((np.logspace(-12, 0, 200), np.linspace(0, 1, 201))):
        said = percentage(float(rate))
        assert re.fullmatch(r"<?\d+(\.\d+)?", said), rate
        value = float(said.removeprefix("<"))
        assert value == pytest.approx(100 * rate, rel=0.05) or (said == "<0.001" and rate < 1e-5)
        assert (value == 100) == (rate == 1)


def test_a_group_in_which_all_are_missed():
    assert WorstGroup("sex", "f", "misses", 1.0, 0.91, 9, 3).in_words().startswith("100 % of 9 ")
