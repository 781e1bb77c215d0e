"""How kernels are compiled: for what annotations say, on disk where there is a place."""

import numba
import numpy as np
import pytest

from speakergmm.kernels import (
    FilledVector,
    Matrix,
    Vector,
    binary_logarithm,
    compiled,
    power_of_two,
)


def scale(x: Vector[np.float32 | np.float64], by: float, into: FilledVector[np.float64]) -> int:
    for place in range(len(x)):
        into[place] = by * x[place]
    return len(x)


def first_and_whether_positive(x: Matrix[np.float64]) -> tuple[float, bool]:
    return x[0, 0], x[0, 0] > 0


@pytest.mark.slow
def test_a_function_is_compiled_for_what_its_annotations_say():
    kernel = compiled()(scale)
    assert len(kernel.signatures) == 2
    for dtype in ("float32", "float64"):
        x, into = np.arange(3, dtype=dtype), np.empty(3)
        x.flags.writeable = False
        assert kernel(x, 2, into) == 3
        assert into.tolist() == [0.0, 2.0, 4.0]
    found = compiled()(first_and_whether_positive)(np.array([[2.5, 0.0]]))
    assert found == (2.5, True)


@pytest.mark.parametrize(
    "x",
    [np.arange(3), np.zeros((3, 1)), np.zeros(6)[::2]],
    ids=["of integers", "of two axes", "with gaps"],
)
def test_what_it_is_not_compiled_for_is_refused(x):
    with pytest.raises(TypeError, match="No matching definition"):
        compiled()(scale)(x, 1.0, np.zeros(3))


def test_an_array_that_may_not_be_written_to_is_not():
    into = np.zeros(3)
    into.flags.writeable = False
    with pytest.raises(TypeError, match="No matching definition"):
        compiled()(scale)(np.zeros(3), 1.0, into)


def test_without_a_place_for_caches_code_is_compiled_in_memory(monkeypatch):
    njit = numba.njit

    def refuse_cache(*signatures, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")
        return njit(*signatures, **options)

    monkeypatch.setattr(numba, "njit", refuse_cache)
    assert compiled(at_first_call=True)(lambda x: x + 1)(1) == 2
    assert compiled()(first_and_whether_positive)(np.zeros((1, 1))) == (0.0, False)


@pytest.mark.slow
def test_polynomials_are_right_to_the_last_digits_of_float32():
    rng = np.random.default_rng(0)
    exponents = np.concatenate([rng.uniform(-125, 125, 5000), [0.0, 0.5, -0.5, 7.0, -125.0]])
    exponents = exponents.astype(np.float32)
    powers = np.array([power_of_two(x) for x in exponents])
    exact = np.exp2(exponents.astype(np.float64))
    np.testing.assert_allclose(powers, exact, rtol=3e-7)
    assert power_of_two(np.float32(0.0)) == 1.0
    logs = np.array([binary_logarithm(np.float32(x)) for x in exact])
    np.testing.assert_allclose(
        logs, np.log2(exact.astype(np.float32).astype(float)), rtol=1e-7, atol=3e-7
    )
    assert binary_logarithm(np.float32(1.0)) == 0.0
