"""R-hat and effective sample size: known cases, and what is said where ArviZ is absent."""

import builtins
import sys
import warnings

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.mixtures.gibbs import effective_sample_size, r_hat


def autoregressive(coefficient, n_chains, n_draws, rng):
    noise = rng.standard_normal((n_chains, n_draws))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0] / np.sqrt(1 - coefficient**2)
    for t in range(1, n_draws):
        values[:, t] = coefficient * values[:, t - 1] + noise[:, t]
    return values


@pytest.mark.slow
def test_r_hat_tells_chains_that_agree_from_chains_that_do_not():
    pytest.importorskip("arviz")
    draws = np.random.default_rng(0).standard_normal((4, 500))
    assert abs(r_hat(draws) - 1) < 0.01
    assert r_hat(draws + np.array([[0], [0], [0], [3]])) > 1.3
    assert np.isnan(r_hat(np.full((4, 500), 3)))


def test_effective_sample_size_of_an_autoregression():
    pytest.importorskip("arviz")
    rng = np.random.default_rng(1)
    # The closed form: n (1 - a) / (1 + a).
    for coefficient, expected in ((0.0, 8000.0), (0.5, 8000 / 3), (0.9, 8000 / 19)):
        found = effective_sample_size(autoregressive(coefficient, 4, 2000, rng))
        assert abs(found / expected - 1) < 0.25
    assert effective_sample_size(np.full((2, 50), 3)) == 100


def test_import_of_arviz_is_quiet():
    pytest.importorskip("arviz")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        r_hat(np.random.default_rng(2).standard_normal((2, 50)))
        r_hat(np.full((2, 50), 3))


@pytest.mark.parametrize("function", [r_hat, effective_sample_size])
def test_without_arviz_the_extra_is_named(function, monkeypatch):
    original = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.split(".")[0] == "arviz":
            raise ModuleNotFoundError("No module named 'arviz'", name="arviz")
        return original(name, *arguments, **keywords)

    monkeypatch.delitem(sys.modules, "arviz", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(SpeakerGmmError, match=r"install speakergmm\[diagnostics\]$") as caught:
        function(np.zeros((2, 10)))
    assert "\n" not in str(caught.value)


def test_traces_too_short_or_of_one_chain_are_refused():
    with pytest.raises(InvalidInputError, match=r"2 chains or more.*found \(1, 50\)"):
        r_hat(np.zeros((1, 50)))
    with pytest.raises(InvalidInputError, match=r"4 sweeps or more.*found \(2, 3\)"):
        effective_sample_size(np.zeros((2, 3)))
