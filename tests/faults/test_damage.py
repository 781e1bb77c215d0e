"""Every kind of file with one flipped bit, cut anywhere, or replaced by another kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from oracles.damage import check_damage, cuts, flips
from oracles.kept_files import KINDS, other_formats

pytestmark = pytest.mark.faults

SAME = (
    ("gaussian mixture", "stepwise mixture"),
    ("language model", "packed language model"),
    ("feature store index", "feature store shard"),
)
"""Kinds that one reader reads; the last two are made together."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        name: kind.make(tmp_path_factory.mktemp(name.replace(" ", "-")))
        for name, kind in KINDS.items()
    }


@pytest.fixture
def sampled(request: pytest.FixtureRequest) -> int:
    """How many times as many bytes are damaged in long runs."""
    return 10 if request.config.getoption("--long", default=False) else 1


@pytest.mark.parametrize("name", KINDS)
def test_a_flipped_bit_is_refused_or_without_effect(
    name: str, files: dict[str, Path], sampled: int
) -> None:
    kind, path = KINDS[name], files[name]
    damaged = flips(path.read_bytes(), sampled * kind.n_sampled)
    n_refused, n_harmless = check_damage(path, kind.use, damaged)
    assert n_refused >= kind.refused * (n_refused + n_harmless)


@pytest.mark.parametrize("name", KINDS)
def test_a_cut_is_refused_or_without_effect(
    name: str, files: dict[str, Path], sampled: int
) -> None:
    kind, path = KINDS[name], files[name]
    damaged = cuts(path.read_bytes(), sampled * kind.n_sampled // 4)
    n_refused, n_harmless = check_damage(path, kind.use, damaged)
    assert n_refused > n_harmless


@pytest.mark.parametrize("name", KINDS)
def test_other_kinds_are_refused(name: str, files: dict[str, Path]) -> None:
    others = {other: path.read_bytes() for other, path in files.items()}
    replaced = others | other_formats()
    for same in SAME:
        if name in same:
            replaced = {other: content for other, content in replaced.items() if other not in same}
    replaced.pop(name, None)
    n_refused, n_harmless = check_damage(files[name], KINDS[name].use, iter(replaced.items()))
    assert (n_refused, n_harmless) == (len(replaced), 0)
