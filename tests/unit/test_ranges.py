"""Words in which options out of range are refused, whatever is given."""

import numpy as np
import pandas as pd
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import DiagonalMixture
from speakergmm.ranges import choice, number, whole_number


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (np.float32, "<class 'numpy.float32'>"),
        (np.ndarray, "<class 'numpy.ndarray'>"),
        (np.array([0.5, 2.0]), "[0.5, 2.0]"),
        (np.True_, "True"),
        (pd.DataFrame({"a": [1, 2]}), "a 0  1 1  2"),
        (np.zeros(1000), "[" + "0.0, " * 15 + "0.0,..."),
    ],
)
def test_a_refusal_is_one_line_that_shows_what_was_given(given, shown):
    for check in (
        lambda: whole_number("x", given),
        lambda: number("x", given, least=0),
        lambda: choice("x", given, ("a", "b")),
    ):
        with pytest.raises(InvalidInputError) as refusal:
            check()
        assert str(refusal.value).endswith(f", found {shown}")


def test_numbers_of_numpy_are_numbers_in_an_array_without_axes_too():
    assert whole_number("x", np.array(3)) == whole_number("x", np.int8(3)) == 3
    assert number("x", np.array(0.5), below=1) == number("x", np.float32(0.5), below=1) == 0.5
    with pytest.raises(InvalidInputError, match=r"x must be finite, found \[0.5\]"):
        number("x", np.array([0.5]))


def test_a_type_in_place_of_the_name_of_a_precision_is_refused():
    mixture = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    with pytest.raises(InvalidInputError, match="precision must be one of float32, float64"):
        mixture.log_likelihood(np.zeros((2, 1)), precision=np.float32)
