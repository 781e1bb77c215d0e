"""Any bytes, for every reader of files: read or refused in one line, and nothing else.

`make fuzz` does the same for as long as is wanted, led by what it reaches.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .growth import check_growth
from .mutations import KINDS, changed
from .targets import RECORDS, TARGETS, Target

WHOLE = st.integers(0, (1 << 20) - 1)
CHANGE = st.tuples(st.integers(0, len(KINDS) - 1), st.integers(0, 200) | WHOLE, WHOLE, WHOLE, WHOLE)
LONG = [name for name, target in TARGETS.items() if target.row is not None]
SMALL, LARGE = 1 << 13, 1 << 15


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any-bytes")


def file_of(target: Target, place: Path) -> Path:
    folder = place / target.name
    folder.mkdir(exist_ok=True)
    return target.prepare(folder)


def test_every_kind_of_file_that_is_saved_is_a_target() -> None:
    from oracles.kept_files import KINDS as SAVED

    # A shard is named by its hash, so that no other bytes are read; language models are "arpa".
    elsewhere = {"feature store shard", "language model", "packed language model"}
    assert set(SAVED) == {*RECORDS, *elsewhere}


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(name: str, place: Path) -> None:
    target = TARGETS[name]
    refusals = [target.try_bytes(file_of(target, place), seed) for seed in target.seeds()]
    assert not any(refusals) or name in ("list", "list-csv")  # which have no words, or several


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_changed_files_are_read_or_refused_in_one_line(name: str, place: Path) -> None:
    target = TARGETS[name]
    path, seeds = file_of(target, place), target.seeds()

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.lists(CHANGE, min_size=1, max_size=4))
    def tried(seed: bytes, changes: list[tuple[int, int, int, int, int]]) -> None:
        target.try_bytes(path, changed(seed, changes, target.tokens))

    tried()


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_long_files_take_time_and_memory_in_proportion(name: str, place: Path) -> None:
    target = TARGETS[name]
    check_growth(target, file_of(target, place), target.long(SMALL), target.long(LARGE))
