"""Messages about constructor parameters that are out of range."""

import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import GaussianMixture


@pytest.mark.parametrize("value", ["box", None, 3, ["full"]])
def test_choices_are_named_in_a_fixed_order(value):
    # A set of words would be printed in another order by each process.
    with pytest.raises(InvalidInputError) as caught:
        GaussianMixture(covariance_type=value).fit([[0.0], [1.0]])
    assert str(caught.value) == (
        "The 'covariance_type' parameter of GaussianMixture must be a str among "
        f"{{'full', 'tied', 'diag', 'spherical'}}. Got {value!r} instead."
    )


def test_each_choice_is_taken():
    for kind in ("full", "tied", "diag", "spherical"):
        fitted = GaussianMixture(covariance_type=kind).fit([[0.0], [1.0]])
        assert fitted.mixture_.covariance_type == kind
